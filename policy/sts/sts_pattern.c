/*
 * Grammar of one mx value of an MTA-STS policy (RFC 8461 section 3.2): a domain name, perhaps after
 * `*.`. Pure.
 */
#include "sts/sts.h"

#include <string.h>

enum { LABEL_MAX = 63, NAME_MAX_LEN = 253 };

static bool is_let_dig(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* sub-domain of RFC 5321 section 4.1.2, within the length of a DNS label (RFC 1035 2.3.4) */
static bool label_valid(const char *label, size_t len)
{
    if (len == 0 || len > LABEL_MAX)
        return false;
    if (!is_let_dig(label[0]) || !is_let_dig(label[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_let_dig(label[i]) && label[i] != '-')
            return false;
    return true;
}

bool sts_pattern_valid(const char *pattern, size_t len)
{
    const char *end = pattern + len;

    if (len > 2 && pattern[0] == '*' && pattern[1] == '.')
        pattern += 2;
    if (pattern == end || end - pattern > NAME_MAX_LEN)
        return false;
    while (pattern < end) {
        const char *dot = memchr(pattern, '.', (size_t)(end - pattern));
        size_t label_len = (size_t)((dot != NULL ? dot : end) - pattern);

        if (!label_valid(pattern, label_len) || (dot != NULL && dot + 1 == end))
            return false;
        pattern += label_len + (dot != NULL);
    }
    return true;
}
