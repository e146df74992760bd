/*
 * The multiparts that are open at a point in a message, innermost last, and their delimiters (RFC
 * 2046 section 5.1.1). Pure, fixed memory.
 */
#ifndef MILTER_DSN_DSN_LEVELS_H
#define MILTER_DSN_DSN_LEVELS_H

#include "dsn/dsn_out.h"
#include "dsn/mime_header.h"

enum { DSN_LEVELS_MAX = 16 }; /* nested multiparts that are looked into; against memory use */

struct dsn_level {
    bool is_report;
    bool in_report; /* it or a multipart around it is one */
    bool is_digest;
    size_t n_parts; /* begun so far */
    size_t n_kept;  /* of them in the output */
    size_t boundary_len;
    char boundary[MIME_BOUNDARY_MAX + 1];
};

struct dsn_levels {
    size_t depth;
    struct dsn_level level[DSN_LEVELS_MAX];
};

/* The innermost one; one at least is open. */
struct dsn_level *dsn_levels_top(struct dsn_levels *levels);

/* Opens a multipart with a usable boundary; there is room for it. */
void dsn_levels_open(struct dsn_levels *levels, const struct mime_content_type *type);

/*
 * Finds the open multipart, innermost first, whose delimiter the line is; NULL: none. The line may
 * be cut: one that is longer than every delimiter but begins as one, blanks included, is taken for
 * one.
 */
struct dsn_level *dsn_levels_match(struct dsn_levels *levels, const char *line, size_t len,
                                   bool *closing);

/* Writes an empty part when all the parts there were have been left out: a multipart has one. */
void dsn_levels_fill(const struct dsn_level *level, struct dsn_out *out);

/* Leaves the innermost multipart, which has no closing delimiter, and writes one. */
void dsn_levels_abandon(struct dsn_levels *levels, struct dsn_out *out);

#endif
