/*
 * Text of bounded length in memory of the caller, built piece by piece. Pure.
 * What does not fit sets `full`; the text then ends where the last whole piece ended.
 */
#ifndef MILTER_BASE_TEXT_H
#define MILTER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *buf; /* always terminated */
    size_t len;
    size_t size; /* of buf, the terminating zero included */
    bool full;
};

void text_init(struct text *text, char *buf, size_t size); /* size at least 1 */
void text_add(struct text *text, const char *piece);
void text_add_n(struct text *text, const char *piece, size_t len);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_cut(struct text *text, size_t len); /* back to a length it had before */

/* WSP of RFC 5234: space and tab. */
static inline bool text_is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

/* An octet of folding white space (RFC 5322 section 3.2.2): WSP or of a line end. */
static inline bool text_is_fws(char c)
{
    return text_is_wsp(c) || c == '\r' || c == '\n';
}

#endif
