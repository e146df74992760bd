/*
 * Undoes base64 and quoted-printable (RFC 2045 sections 6.7 and 6.8) as bytes come, in pieces of
 * any size. Pure, fixed memory. It is a reader for looking into a part, not a validator: what is
 * malformed is skipped (base64) or taken as it stands (quoted-printable).
 */
#ifndef MILTER_DSN_MIME_DECODE_H
#define MILTER_DSN_MIME_DECODE_H

#include "dsn/mime_header.h"

#include <stdint.h>

struct mime_decode {
    enum mime_encoding encoding;
    uint32_t bits;   /* base64: what is not yet a whole byte */
    unsigned n_bits; /* how many of them count */
    char held[2];    /* quoted-printable: `=` and what followed it so far */
    unsigned n_held;
};

enum { MIME_DECODE_EXTRA = 2 }; /* what an earlier piece may add to the output of a later one */

/* UNKNOWN and IDENTITY pass the bytes as they are. */
void mime_decode_init(struct mime_decode *decode, enum mime_encoding encoding);

/* Decodes len bytes into out, which has room for len + MIME_DECODE_EXTRA; returns how many. */
size_t mime_decode_feed(struct mime_decode *decode, const char *data, size_t len, char *out);

#endif
