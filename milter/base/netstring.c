/*
 * Netstring framing, `5:hello,`: netstring_read finds the first one in a buffer, or says that it is
 * not complete yet or malformed; netstring_head writes what stands before the data of a reply. The
 * octets within are not looked at.
 */
#include "base/netstring.h"

enum netstring_result netstring_read(const char *buf, size_t len, size_t max, const char **data,
                                     size_t *data_len, size_t *used)
{
    size_t length = 0, at = 0;
    for (; at < len && buf[at] >= '0' && buf[at] <= '9'; at++) {
        size_t digit = (size_t)(buf[at] - '0');
        if (at > 0 && length == 0)
            return NETSTRING_BAD; /* a leading zero */
        if (digit > max || length > (max - digit) / 10)
            return NETSTRING_BAD;
        length = length * 10 + digit;
    }
    if (at == len)
        return NETSTRING_MORE;
    if (at == 0 || buf[at] != ':')
        return NETSTRING_BAD;
    at++;
    if (len - at <= length)
        return NETSTRING_MORE;
    if (buf[at + length] != ',')
        return NETSTRING_BAD;
    *data = buf + at;
    *data_len = length;
    *used = at + length + 1;
    return NETSTRING_OK;
}

size_t netstring_head(size_t data_len, char out[NETSTRING_HEAD_MAX])
{
    char digits[NETSTRING_HEAD_MAX];
    size_t count = 0, at = 0;
    do {
        digits[count++] = (char)('0' + data_len % 10);
        data_len /= 10;
    } while (data_len > 0);
    while (count > 0)
        out[at++] = digits[--count];
    out[at++] = ':';
    return at;
}
