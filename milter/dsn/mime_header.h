/*
 * The few MIME header fields that the rewriting of bounces has to understand: Content-Type (RFC
 * 2045 section 5.1, with the parameters boundary and report-type) and Content-Transfer-Encoding
 * (section 6), and header fields as such (RFC 5322 section 2.2). Pure, linear in its input, fixed
 * memory.
 *
 * Values may be folded in any way; comments and quoted strings are understood; names are compared
 * without regard to case. A boundary given by RFC 2231 (boundary*0=, boundary*=) is recognised and
 * reported as unreadable, since its readers disagree on what it means.
 */
#ifndef MILTER_DSN_MIME_HEADER_H
#define MILTER_DSN_MIME_HEADER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    MIME_TOKEN_MAX = 127, /* RFC 6838 4.2: a type or subtype name has no more */

    /* RFC 2046 5.1.1 allows 70. Postfix puts its host name in, which may have 255. */
    MIME_BOUNDARY_MAX = 500,
};

enum mime_param {
    MIME_PARAM_ABSENT,
    MIME_PARAM_OK,
    MIME_PARAM_BAD, /* given twice, by RFC 2231, too long, not printable, or lost in broken syntax
                     */
};

struct mime_content_type {
    char type[MIME_TOKEN_MAX + 1];    /* lower case */
    char subtype[MIME_TOKEN_MAX + 1]; /* lower case */
    enum mime_param boundary_status;
    enum mime_param report_type_status;
    size_t boundary_len;
    char boundary[MIME_BOUNDARY_MAX + 1];    /* without trailing blanks; when MIME_PARAM_OK */
    char report_type[MIME_BOUNDARY_MAX + 1]; /* lower case; when MIME_PARAM_OK */
};

enum mime_encoding {
    MIME_ENCODING_IDENTITY, /* 7bit, 8bit, binary, or no field */
    MIME_ENCODING_QUOTED_PRINTABLE,
    MIME_ENCODING_BASE64,
    MIME_ENCODING_UNKNOWN, /* anything else */
};

/* A header field in a buffer; all point into it. */
struct mime_field {
    const char *raw; /* from the name to the end of the last line, line end included */
    size_t raw_len;
    const char *name;
    size_t name_len;
    const char *value; /* after the colon, folding and line end included */
    size_t value_len;
};

/*
 * Reads the value of a Content-Type field. Returns 0, or -EBADMSG when type and subtype cannot be
 * read or are followed by something that is neither a parameter nor a comment; type and subtype are
 * then what was understood of them, else empty, and the parameters are bad. Broken parameters are
 * no error: their status tells.
 */
int mime_header_content_type(const char *value, size_t len, struct mime_content_type *out);

bool mime_header_is(const struct mime_content_type *type, const char *name, const char *subtype);

/* Reads the value of a Content-Transfer-Encoding field. */
enum mime_encoding mime_header_encoding(const char *value, size_t len);

/*
 * Whether a value is, comments and white space aside, one token equal to word in any case.
 */
bool mime_header_value_is(const char *value, size_t len, const char *word);

/* Whether a line, given from its beginning, starts a header field: a name, blanks, a colon. */
bool mime_header_starts_field(const char *line, size_t len);

/* Whether the line, with or without its line end, is empty. */
bool mime_header_ends(const char *line, size_t len);

/*
 * Takes the next field from a header of len bytes, beginning at *offset, and moves *offset behind
 * it. Returns false at the end or at the first line that starts no field.
 */
bool mime_header_next(const char *header, size_t len, size_t *offset, struct mime_field *out);

/* Whether the field has this name, in any case. */
bool mime_header_named(const struct mime_field *field, const char *name);

#endif
