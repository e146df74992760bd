/*
 * Decoded bytes to lines, and the lines of a header to the output. The header ends at the first
 * line that is no part of one, as that of a message which is not encoded does. A field name may
 * begin with two hyphens; here it ends the header too, as readers differ on what a delimiter is.
 *
 * The part's own header comes first and names the encoding: 8bit if the decoded header has octets
 * that are not ASCII, else none. So the beginning is held; what is longer than that is written, and
 * octets that come too late for the name to be changed become `?`.
 */
#include "dsn/dsn_encoded.h"

#include "base/text.h"
#include "dsn/dsn_ticket.h"
#include "dsn/mime_header.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_ascii(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)data[i] >= 0x80)
            return false;
    }
    return true;
}

/* dsn_part_write_fn */
static void write_out(void *arg, const char *data, size_t len)
{
    dsn_out_write(arg, data, len);
}

static void write_beginning(struct dsn_encoded *encoded)
{
    const struct dsn_encoded_part *before = &encoded->before;

    dsn_out_write(encoded->out, before->delimiter, before->delimiter_len);
    dsn_part_write_as_headers(&encoded->part, before->header, before->header_len,
                              encoded->eight_bit ? "8bit" : "", encoded->eol, write_out,
                              encoded->out);
    dsn_out_text(encoded->out, encoded->eol);
    dsn_out_write(encoded->out, encoded->held, encoded->held_len);
    encoded->held_len = 0;
    encoded->written = true;
}

static void write_decoded(struct dsn_encoded *encoded, const char *data, size_t len)
{
    if (!encoded->written) {
        size_t room = DSN_ENCODED_HELD_MAX - encoded->held_len, n = len < room ? len : room;

        memcpy(encoded->held + encoded->held_len, data, n);
        encoded->held_len += n;
        encoded->eight_bit = encoded->eight_bit || !is_ascii(data, n);
        if (n == len)
            return;
        write_beginning(encoded);
        data += n;
        len -= n;
    }
    if (encoded->eight_bit || is_ascii(data, len)) {
        dsn_out_write(encoded->out, data, len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        dsn_out_write(encoded->out, (unsigned char)data[i] < 0x80 ? data + i : "?", 1);
}

/* Writes a line or a piece of one, and the line end where it has one. CR counts only with LF; other
 * control characters but TAB cannot be in a header. */
static void write_clean(struct dsn_encoded *encoded, const char *data, size_t len)
{
    char out[256];
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = data[i];

        if (c == '\r' || c == '\n')
            continue;
        if (n == sizeof(out)) {
            write_decoded(encoded, out, n);
            n = 0;
        }
        out[n++] = ((unsigned char)c < ' ' && c != '\t') || c == 0x7f ? '?' : c;
    }
    write_decoded(encoded, out, n);
    if (data[len - 1] == '\n') {
        write_decoded(encoded, encoded->eol, strlen(encoded->eol));
        encoded->keeps = false;
    }
}

static bool is_of_header(const struct dsn_encoded *encoded, const char *line, size_t len)
{
    if (len >= 2 && memcmp(line, "--", 2) == 0)
        return false;
    if (encoded->first_line)
        return mime_header_starts_field(line, len) || (len >= 5 && memcmp(line, "From ", 5) == 0);
    return text_is_wsp(line[0]) || mime_header_starts_field(line, len);
}

static void on_head(void *arg, const char *line, size_t len)
{
    struct dsn_encoded *encoded = arg;

    if (encoded->ended) {
        encoded->content = encoded->content || !mime_header_ends(line, len);
    } else if (!encoded->first_line && mime_header_ends(line, len)) {
        encoded->ended = true;
        write_clean(encoded, line, len);
    } else if (is_of_header(encoded, line, len) &&
               dsn_ticket_line(&encoded->in_ticket, line, len)) {
        encoded->tickets = true;
    } else if (is_of_header(encoded, line, len)) {
        encoded->keeps = true;
        write_clean(encoded, line, len);
    } else {
        encoded->ended = encoded->content = true;
    }
    encoded->first_line = false;
}

static void on_rest(void *arg, const char *data, size_t len)
{
    struct dsn_encoded *encoded = arg;

    if (encoded->keeps)
        write_clean(encoded, data, len);
}

int dsn_encoded_begin(struct dsn_encoded *encoded, const struct dsn_encoded_part *before,
                      struct dsn_out *out)
{
    dsn_encoded_fini(encoded);
    memset(encoded, 0, sizeof(*encoded));
    encoded->held = malloc(DSN_ENCODED_HELD_MAX);
    if (encoded->held == NULL)
        return -ENOMEM;
    encoded->part = *before->part;
    encoded->before = *before;
    encoded->out = out;
    encoded->eol = out->eol;
    mime_decode_init(&encoded->decode, encoded->part.encoding);
    encoded->lines.on_head = on_head;
    encoded->lines.on_rest = on_rest;
    encoded->lines.arg = encoded;
    encoded->first_line = true;
    return 0;
}

void dsn_encoded_feed(struct dsn_encoded *encoded, const char *data, size_t len)
{
    enum { PIECE = 1024 };
    char out[PIECE + MIME_DECODE_EXTRA];

    while (len > 0) {
        size_t n = len < PIECE ? len : PIECE;

        dsn_lines_feed(&encoded->lines, out, mime_decode_feed(&encoded->decode, data, n, out));
        data += n;
        len -= n;
    }
}

bool dsn_encoded_end(struct dsn_encoded *encoded)
{
    dsn_lines_end(&encoded->lines);
    if (encoded->keeps)
        write_decoded(encoded, encoded->eol, strlen(encoded->eol));
    if (!encoded->written && encoded->held_len > 0)
        write_beginning(encoded);
    dsn_encoded_fini(encoded);
    return encoded->written;
}

bool dsn_encoded_redacted(const struct dsn_encoded *encoded)
{
    return encoded->part.kind == DSN_PART_MESSAGE || encoded->content || !encoded->written;
}

void dsn_encoded_fini(struct dsn_encoded *encoded)
{
    free(encoded->held);
    encoded->held = NULL;
}
