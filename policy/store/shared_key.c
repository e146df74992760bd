/*
 * shared_key_text writes the row key of a policy or of a probe. What can stand in one is bounded,
 * so that it is the same text in a protocol, in a log and in an operator's redis-cli.
 */
#include "store/shared_key.h"

#include <stdio.h>
#include <string.h>

#define KEY_PREFIX "requiretls:1:"

/* NULL: there is no such kind. */
static const char *kind_name(enum shared_kind kind)
{
    switch (kind) {
    case SHARED_POLICY:
        return "policy";
    case SHARED_PROBE:
        return "probe";
    }
    return NULL;
}

static bool is_name(const char *name)
{
    size_t len = strnlen(name, SHARED_NAME_MAX + 1);

    if (len == 0 || len > SHARED_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (name[i] < ' ' || name[i] > '~')
            return false;
    return true;
}

size_t shared_key_text(enum shared_kind kind, const char *name, char out[SHARED_KEY_MAX + 1])
{
    const char *of = kind_name(kind);

    out[0] = '\0';
    if (of == NULL || !is_name(name))
        return 0;
    return (size_t)snprintf(out, SHARED_KEY_MAX + 1, KEY_PREFIX "%s:%s", of, name);
}
