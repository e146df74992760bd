/* Classes of octets in what foreign hosts and files say, whatever the locale. Pure. */
#ifndef POLICY_BASE_ASCII_H
#define POLICY_BASE_ASCII_H

#include <stdbool.h>

/* WSP of RFC 5234: space and tab. */
static inline bool ascii_is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool ascii_is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

#endif
