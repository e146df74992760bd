/*
 * The content of a message as it comes after DATA (RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2), in
 * pieces: what smtp_data.h does, the other way. Pure.
 */
#ifndef MILTER_DELIVER_LMTP_DATA_H
#define MILTER_DELIVER_LMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>

/* Where in a line the next octet stands; the first is that of the first line. */
enum lmtp_data_at {
    LMTP_DATA_AT_BEGIN,
    LMTP_DATA_AT_DOT,    /* behind a dot that began it */
    LMTP_DATA_AT_DOT_CR, /* behind that and a CR */
    LMTP_DATA_AT_TEXT,
    LMTP_DATA_AT_CR, /* behind a CR */
};

struct lmtp_data { /* zero-initialised: before the first octet */
    enum lmtp_data_at at;
};

/*
 * Takes octets up to the end of the content, whose mark is CRLF . CRLF alone; *used is how many.
 * Writes at most `len` + 1 octets to `out`: a dot that begins a line is taken away, and a CR or LF
 * that stands alone becomes a blank, also where the pieces are cut between the two. Returns whether
 * the content has ended.
 */
bool lmtp_data_piece(struct lmtp_data *data, const char *octets, size_t len, size_t *used,
                     char *out, size_t *out_len);

#endif
