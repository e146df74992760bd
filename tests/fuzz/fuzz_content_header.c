/*
 * The header of a message that goes through the delivery agent. The octets, with line ends made
 * whole as the LMTP server leaves them, are its content. Checked, with a reader of its own:
 *
 *   - no ticket is left in the header, and nothing else is missing;
 *   - as many tickets are found as were taken out, if they are not too long;
 *   - all of it is the same when the octets come one by one.
 */
#include "deliver/content_header.h"

#include "ticket/ticket.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void add(struct octets *to, const char *octets, size_t len)
{
    promise(octets_add(to, octets, len));
}

/* A line end for each LF; a CR is a blank. The last line is ended. */
static void make_content(const uint8_t *data, size_t len, struct octets *content)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n')
            add(content, "\r\n", 2);
        else
            add(content, data[i] == '\r' ? " " : (const char *)&data[i], 1);
    }
    if (len > 0 && data[len - 1] != '\n')
        add(content, "\r\n", 2);
}

static bool is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of the field name that the line begins with; 0: it begins none. */
static size_t name_len(const char *line, size_t len)
{
    size_t name = 0, colon;

    while (name < len && line[name] > ' ' && line[name] < 0x7f && line[name] != ':')
        name++;
    for (colon = name; colon < len && is_wsp(line[colon]); colon++)
        ;
    return colon < len && line[colon] == ':' ? name : 0;
}

static bool starts_with(const char *line, size_t len, const char *text)
{
    return len >= strlen(text) && memcmp(line, text, strlen(text)) == 0;
}

/* What is to be kept; returns the number of tickets. */
static size_t model(const struct octets *content, struct octets *kept)
{
    size_t at = 0, count = 0;
    bool dropping = false;

    while (at < content->len) {
        const char *line = content->buf + at, *lf = memchr(line, '\n', content->len - at);
        size_t len = (size_t)(lf - line) + 1, name = name_len(line, len);
        bool from =
            at == 0 && (starts_with(line, len, "From ") || starts_with(line, len, ">From "));
        bool continues = at > 0 && is_wsp(line[0]);

        if (!from && !continues && name == 0)
            break;
        if (!continues && !from) {
            dropping = name == strlen(TICKET_HEADER) && strncasecmp(line, TICKET_HEADER, name) == 0;
            count += dropping;
        }
        if (!dropping)
            add(kept, line, len);
        at += len;
    }
    if (at < content->len)
        add(kept, content->buf + at, content->len - at);
    return count;
}

static void scan(const struct octets *content, size_t piece, struct content_header *header,
                 struct octets *kept)
{
    for (size_t at = 0; at < content->len; at += piece) {
        size_t given = piece < content->len - at ? piece : content->len - at;
        char *copy = malloc(given);

        promise(copy != NULL);
        memcpy(copy, content->buf + at, given);
        promise(content_header_piece(header, copy, given, kept) == 0);
        free(copy);
    }
    promise(content_header_end(header, kept) == 0);
}

static bool same(const struct octets *a, const struct octets *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->buf, b->buf, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct octets content = {0}, wanted = {0}, kept = {0}, kept_single = {0};
    struct content_header header = {0}, single = {0};
    size_t count;

    make_content(data, len, &content);
    count = model(&content, &wanted);
    scan(&content, content.len + 1, &header, &kept);
    scan(&content, 1, &single, &kept_single);
    promise(same(&kept, &kept_single));
    promise(len > CONTENT_HEADER_FIELD_MAX / 2 || same(&kept, &wanted));
    promise(header.ticket_count <= count && header.ticket_count == single.ticket_count);
    promise(len > CONTENT_HEADER_FIELD_MAX / 2 || count > CONTENT_HEADER_TICKETS_MAX ||
            header.ticket_count == count);
    for (size_t i = 0; i < header.ticket_count; i++)
        promise(strcmp(header.tickets[i], single.tickets[i]) == 0);
    promise(memcmp(&header.request, &single.request, sizeof(header.request)) == 0);
    content_header_fini(&header);
    content_header_fini(&single);
    octets_fini(&content);
    octets_fini(&wanted);
    octets_fini(&kept);
    octets_fini(&kept_single);
    return 0;
}
