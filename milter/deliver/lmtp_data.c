/*
 * The content of a message as it comes after DATA: lmtp_data_piece for each piece, until it returns
 * true. Lines end in CRLF; only a line with a dot alone ends the content. A CR or LF that stands
 * alone is no line end for this program, and might be one for the next server: it becomes a blank
 * here already, so that the size that is told is the size that is sent.
 */
#include "deliver/lmtp_data.h"

#include <string.h>

/* How far a search goes: in a text without CR each would search all of it again. */
enum { RUN_MAX = 512 };

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

/* A CR of which it is not known yet whether LF follows. */
static bool after_cr(const struct lmtp_data *data)
{
    return data->at == LMTP_DATA_AT_CR || data->at == LMTP_DATA_AT_DOT_CR;
}

/* One CR or LF. Returns where the next octet goes. */
static char *line_end(struct lmtp_data *data, char c, char *to, bool *ended)
{
    if (c == '\n' && data->at == LMTP_DATA_AT_DOT_CR) {
        *ended = true;
        return to;
    }
    if (c == '\n' && data->at == LMTP_DATA_AT_CR) {
        *to++ = '\r';
        *to++ = '\n';
        data->at = LMTP_DATA_AT_BEGIN;
        return to;
    }
    if (c == '\r' && data->at == LMTP_DATA_AT_DOT) {
        data->at = LMTP_DATA_AT_DOT_CR;
        return to;
    }
    if (after_cr(data) || c == '\n') /* the CR before, or this LF, stands alone */
        *to++ = ' ';
    data->at = c == '\r' ? LMTP_DATA_AT_CR : LMTP_DATA_AT_TEXT;
    return to;
}

bool lmtp_data_piece(struct lmtp_data *data, const char *octets, size_t len, size_t *used,
                     char *out, size_t *out_len)
{
    const char *at = octets, *end = octets + len;
    char *to = out;
    bool ended = false;

    while (at < end && !ended) {
        size_t run = plain_run(at, (size_t)(end - at));

        if (run == 0) {
            to = line_end(data, *at++, to, &ended);
            continue;
        }
        if (data->at == LMTP_DATA_AT_BEGIN && *at == '.') {
            data->at = LMTP_DATA_AT_DOT;
            at++;
            continue;
        }
        if (after_cr(data))
            *to++ = ' ';
        memcpy(to, at, run);
        to += run;
        at += run;
        data->at = LMTP_DATA_AT_TEXT;
    }
    *used = (size_t)(at - octets);
    *out_len = (size_t)(to - out);
    return ended;
}
