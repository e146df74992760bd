/*
 * The content of a message as it follows DATA: dot-stuffing and line ends (RFC 5321 sections 2.3.8,
 * 4.1.1.4 and 4.5.2). smtp_data_init once, smtp_data_piece for each piece, smtp_data_end once.
 *
 * A server may take a lone CR or LF for a line end, and so find the end of the message, and
 * commands, in the midst of a text that another server passed as one line. None leaves here: CRLF
 * is copied, a lone CR or LF is a blank, and CRLF . CRLF comes from smtp_data_end alone.
 */
#include "smtp/smtp_data.h"

#include <string.h>

void smtp_data_init(struct smtp_data *data)
{
    *data = (struct smtp_data){0};
}

enum {
    CHUNK = 2048, /* room is made for twice as much, which is hardly ever used */
    RUN_MAX =
        512, /* how far a search goes: in a text of CR alone each would search it all for LF */
};

/* How many octets there are before the first CR or LF, as far as it is searched. */
static size_t plain_run(const char *octets, size_t len)
{
    const char *cr, *lf;

    if (len > RUN_MAX)
        len = RUN_MAX;
    cr = memchr(octets, '\r', len);

    if (cr != NULL)
        len = (size_t)(cr - octets);
    lf = memchr(octets, '\n', len);
    return lf != NULL ? (size_t)(lf - octets) : len;
}

/* One CR or LF. Returns where the next octet goes. */
static char *line_end(struct smtp_data *data, char *to, char c)
{
    if (data->cr && c == '\n') {
        data->cr = data->inside_line = false;
        *to++ = '\r';
        *to++ = '\n';
        return to;
    }
    if (data->cr || c == '\n') { /* the CR before, or this LF, stands alone */
        data->inside_line = true;
        *to++ = ' ';
    }
    data->cr = c == '\r';
    return to;
}

static void add_chunk(struct smtp_data *data, struct smtp_out *out, const char *octets, size_t len)
{
    char *start = smtp_out_reserve(out, 2 * len + 1);
    char *to = start;

    if (to == NULL)
        return;
    while (len > 0) {
        size_t run = plain_run(octets, len);

        if (run == 0) {
            to = line_end(data, to, *octets);
            run = 1;
        } else {
            if (data->cr) {
                data->cr = false;
                data->inside_line = true;
                *to++ = ' ';
            }
            if (!data->inside_line && *octets == '.')
                *to++ = '.';
            memcpy(to, octets, run);
            to += run;
            data->inside_line = true;
        }
        octets += run;
        len -= run;
    }
    smtp_out_added(out, (size_t)(to - start));
}

void smtp_data_piece(struct smtp_data *data, struct smtp_out *out, const char *octets, size_t len)
{
    while (len > 0) {
        size_t chunk = len < CHUNK ? len : CHUNK;

        add_chunk(data, out, octets, chunk);
        octets += chunk;
        len -= chunk;
    }
}

void smtp_data_end(const struct smtp_data *data, struct smtp_out *out)
{
    if (data->cr)
        smtp_out_text(out, " ");
    if (data->cr || data->inside_line)
        smtp_out_text(out, "\r\n");
    smtp_out_text(out, ".\r\n");
}
