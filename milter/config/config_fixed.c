/*
 * Which differences between two configurations only a restart can make true: those in keys that the
 * table of keys (config_keys.c) flags CONFIG_KEY_FIXED. They are compared by the type that their
 * parser gives them. The result is one message for each such key.
 */
#include "config/config.h"

#include "config/config_keys.h"
#include "config/config_types.h"

#include <stdio.h>
#include <string.h>

static bool text_is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const void *field_at(const struct config *config, size_t offset)
{
    return (const char *)config + offset;
}

static bool addresses_are_same(const struct config *a, const struct config *b,
                               const struct config_key *key)
{
    const struct config_address *const *in_a = field_at(a, key->offset);
    const struct config_address *const *in_b = field_at(b, key->offset);
    size_t count = *(const size_t *)field_at(a, key->count_offset);

    if (count != *(const size_t *)field_at(b, key->count_offset))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!text_is_same((*in_a)[i].text, (*in_b)[i].text))
            return false;
    return true;
}

/* Of a mode, one address or a list of them, else of text. */
static bool value_is_same(const struct config *a, const struct config *b,
                          const struct config_key *key)
{
    const void *in_a = field_at(a, key->offset), *in_b = field_at(b, key->offset);

    if (key->parse == config_type_mode)
        return *(const mode_t *)in_a == *(const mode_t *)in_b;
    if (key->parse == config_type_address && (key->flags & CONFIG_KEY_LIST) != 0)
        return addresses_are_same(a, b, key);
    if (key->parse == config_type_address)
        return text_is_same(((const struct config_address *)in_a)->text,
                            ((const struct config_address *)in_b)->text);
    return text_is_same(*(const char *const *)in_a, *(const char *const *)in_b);
}

void config_report_fixed(const struct config *running, const struct config *loaded,
                         config_report_fn report, void *arg)
{
    char message[600];

    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        if ((key->flags & CONFIG_KEY_FIXED) == 0 || value_is_same(running, loaded, key))
            continue;
        snprintf(message, sizeof(message), "%.400s: [%s] %s has changed; that takes a restart",
                 loaded->path, config_section_name(key->section), key->name);
        report(arg, message);
    }
}
