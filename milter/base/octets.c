/*
 * A growing array of octets: octets_add, or octets_reserve and the caller writes; octets_fini
 * frees. Fails without memory only. How much may be put into it is the caller's care.
 */
#include "base/octets.h"

#include <stdlib.h>
#include <string.h>

char *octets_reserve(struct octets *octets, size_t len)
{
    if (octets->cap - octets->len < len) {
        size_t cap = octets->cap ? octets->cap : 1024;
        while (cap - octets->len < len)
            cap *= 2;
        char *buf = realloc(octets->buf, cap);
        if (buf == NULL)
            return NULL;
        octets->buf = buf;
        octets->cap = cap;
    }
    return octets->buf + octets->len;
}

bool octets_add(struct octets *octets, const char *data, size_t len)
{
    char *to = octets_reserve(octets, len);
    if (to == NULL)
        return false;
    if (len > 0)
        memcpy(to, data, len);
    octets->len += len;
    return true;
}

void octets_fini(struct octets *octets)
{
    free(octets->buf);
    *octets = (struct octets){0};
}
