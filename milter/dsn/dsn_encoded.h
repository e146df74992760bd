/*
 * A part of a bounce that returns a message, or its header, in base64 or quoted-printable: written
 * as the header alone, decoded (RFC 2045 section 6, RFC 6522 section 4). What was decoded goes into
 * a bounce that is not encoded, so it is cleaned: nothing in it can be taken for a delimiter, the
 * end of a line or a control character.
 *
 * Pure, bytes in pieces of any size. Memory: one struct, and the first DSN_ENCODED_HELD_MAX bytes
 * of the header, held until it is known whether they are ASCII.
 */
#ifndef MILTER_DSN_DSN_ENCODED_H
#define MILTER_DSN_DSN_ENCODED_H

#include "dsn/dsn_lines.h"
#include "dsn/dsn_out.h"
#include "dsn/dsn_part.h"
#include "dsn/mime_decode.h"

enum { DSN_ENCODED_HELD_MAX = 64 * 1024 };

/* What stands before the content. Borrowed until dsn_encoded_end. */
struct dsn_encoded_part {
    const struct dsn_part *part; /* a message or headers; copied */
    const char *delimiter;
    size_t delimiter_len; /* with its line end */
    const char *header;   /* behind the delimiter */
    size_t header_len;    /* without the blank line */
};

struct dsn_encoded {
    struct dsn_part part;
    struct dsn_encoded_part before;
    struct dsn_out *out;
    const char *eol;
    struct mime_decode decode;
    struct dsn_lines lines;
    bool first_line;
    bool keeps;     /* the line that is being read */
    bool ended;     /* the header has */
    bool content;   /* something came behind it */
    bool in_ticket; /* the last line was one of a ticket */
    bool tickets;   /* some were left out */
    bool written;   /* the part's own header is; nothing is held any more */
    bool eight_bit; /* that says so */
    char *held;     /* own */
    size_t held_len;
};

/* Begins; out and its present line end are the caller's. It must not be moved afterwards. Returns 0
 * or -ENOMEM. */
int dsn_encoded_begin(struct dsn_encoded *encoded, const struct dsn_encoded_part *before,
                      struct dsn_out *out);

/* Takes the next bytes, encoded as they are. */
void dsn_encoded_feed(struct dsn_encoded *encoded, const char *data, size_t len);

/* Ends the part. Returns whether there was a header at all: if not, nothing was written. */
bool dsn_encoded_end(struct dsn_encoded *encoded);

/* Whether what was written says less than the part did. */
bool dsn_encoded_redacted(const struct dsn_encoded *encoded);

/* Frees what begin has allocated; harmless before and after. */
void dsn_encoded_fini(struct dsn_encoded *encoded);

#endif
