/*
 * The header of a message: content_header_piece for each piece of the content until `ended`,
 * content_header_end after the last, content_header_fini. A field is collected until the next line
 * shows that it is whole; then it is kept or taken out, and the place of a TLS-Required noted.
 * Require-TLS-ESMTP and TLS-Required are read by request.h. A field that is too long to be
 * collected is passed on as it comes.
 */
#include "deliver/content_header.h"

#include "base/text.h"
#include "dsn/mime_header.h"
#include "ticket/ticket.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

void content_header_fini(struct content_header *header)
{
    arena_fini(&header->arena);
    octets_fini(&header->field);
}

/* A line that some MTAs put before the header: `From sender date`. */
static bool is_from_line(const struct octets *field)
{
    return (field->len >= 5 && memcmp(field->buf, "From ", 5) == 0) ||
           (field->len >= 6 && memcmp(field->buf, ">From ", 6) == 0);
}

static int add_ticket(struct content_header *header, const char *value)
{
    const char **tickets;

    if (header->ticket_count >= CONTENT_HEADER_TICKETS_MAX)
        return 0;
    tickets = arena_grow(&header->arena, header->tickets, header->ticket_count, sizeof(*tickets));
    if (tickets == NULL)
        return -ENOMEM;
    header->tickets = tickets;
    tickets[header->ticket_count] = arena_string(&header->arena, value);
    return tickets[header->ticket_count++] != NULL ? 0 : -ENOMEM;
}

/* Makes a string of a part of the field, which is not needed any more, in its own place: without
 * line ends and the blanks around it, and with a question mark for 0. */
static char *to_string(struct octets *field, const char *part, size_t len)
{
    char *to = field->buf + (part - field->buf), *string = to;

    for (size_t i = 0; i < len; i++) {
        if (part[i] != '\r' && part[i] != '\n')
            *to++ = part[i] != '\0' ? part[i] : '?';
    }
    while (to > string && text_is_wsp(to[-1]))
        to--;
    *to = '\0';
    while (text_is_wsp(*string))
        string++;
    return string;
}

static int keep(struct content_header *header, struct octets *kept, const char *octets, size_t len)
{
    if (!octets_add(kept, octets, len))
        return -ENOMEM;
    header->kept += len;
    return 0;
}

/* What is collected is a TLS-Required field. False: there are too many. */
static bool note_waiver(struct content_header *header)
{
    if (header->waiver_count >= CONTENT_HEADER_WAIVERS_MAX)
        return false;
    header->waivers[header->waiver_count++] =
        (struct content_part){.at = header->kept, .len = header->field.len};
    return true;
}

/* `whole`: the field was collected to its end. A part of a value is no TLS-Required: No. */
static void read_request(struct content_header *header, const struct mime_field *field, bool whole)
{
    static const char *const names[] = {request_tls_required, request_require_esmtp,
                                        request_signature};
    const char *value = field->value;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!mime_header_named(field, names[i]))
            continue;
        if (!whole && i == 0)
            value = "too long";
        else
            value = to_string(&header->field, field->value, field->value_len);
        request_read_header(&header->request, names[i], value);
        return;
    }
}

/* What was collected is a field, or the beginning of a long one: keeps it or takes it out; or no
 * field: the header has ended. */
static int judge(struct content_header *header, bool whole, struct octets *kept)
{
    struct octets *collected = &header->field;
    struct mime_field field;
    size_t offset = 0;
    bool is_dropped, is_ticket, from_line = !header->begun && is_from_line(collected);
    int error = 0;

    header->begun = true;
    header->part = CONTENT_HEADER_PASSED;
    if (from_line || !mime_header_next(collected->buf, collected->len, &offset, &field)) {
        header->ended = !from_line;
        error = keep(header, kept, collected->buf, collected->len);
        collected->len = 0;
        return error;
    }
    is_ticket = mime_header_named(&field, TICKET_HEADER);
    is_dropped = is_ticket;
    if (mime_header_named(&field, request_tls_required)) {
        header->part = CONTENT_HEADER_WAIVER;
        is_dropped = !note_waiver(header);
    }
    if (is_dropped)
        header->part = CONTENT_HEADER_DROPPED;
    else if (keep(header, kept, collected->buf, collected->len) != 0)
        return -ENOMEM;
    if (!octets_add(collected, "", 1)) /* room for the end of a string */
        return -ENOMEM;
    offset = 0;
    mime_header_next(collected->buf, collected->len - 1, &offset, &field); /* it may have moved */
    if (is_ticket && whole)
        error = add_ticket(header, to_string(collected, field.value, field.value_len));
    else if (!is_ticket)
        read_request(header, &field, whole);
    collected->len = 0;
    return error;
}

/* A line begins with this octet. */
static int begin_line(struct content_header *header, char first, struct octets *kept)
{
    int error = 0;

    if (text_is_wsp(first) && (header->begun || header->field.len > 0))
        return 0; /* of the field before; or, of no field, the end of the header */
    if (header->field.len > 0)
        error = judge(header, true, kept);
    header->part = CONTENT_HEADER_COLLECTED;
    if (text_is_wsp(first) || first == '\r')
        header->ended = true;
    return error;
}

/* A part of a line. */
static int take(struct content_header *header, const char *octets, size_t len, struct octets *kept)
{
    if (header->part == CONTENT_HEADER_DROPPED)
        return 0;
    if (header->part == CONTENT_HEADER_WAIVER)
        header->waivers[header->waiver_count - 1].len += len;
    if (header->part != CONTENT_HEADER_COLLECTED)
        return keep(header, kept, octets, len);
    if (!octets_add(&header->field, octets, len))
        return -ENOMEM;
    return header->field.len > CONTENT_HEADER_FIELD_MAX ? judge(header, false, kept) : 0;
}

int content_header_piece(struct content_header *header, const char *octets, size_t len,
                         struct octets *kept)
{
    int error = 0;

    while (error == 0 && len > 0 && !header->ended) {
        const char *lf;
        size_t part;

        if (!header->inside_line) {
            error = begin_line(header, *octets, kept);
            if (error < 0 || header->ended)
                break;
        }
        lf = memchr(octets, '\n', len);
        part = lf != NULL ? (size_t)(lf - octets) + 1 : len;
        error = take(header, octets, part, kept);
        header->inside_line = lf == NULL;
        octets += part;
        len -= part;
    }
    if (error == 0 && len > 0 && !octets_add(kept, octets, len))
        error = -ENOMEM;
    if (header->ended)
        octets_fini(&header->field);
    return error;
}

int content_header_end(struct content_header *header, struct octets *kept)
{
    if (header->ended || header->field.len == 0)
        return 0;
    return judge(header, true, kept);
}
