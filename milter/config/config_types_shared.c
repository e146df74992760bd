/* The types of keys that are about the shared cache. As in config_types.c each parser reads one
 * value into its field, and the result is NULL, or what would have been expected; "" when out of
 * memory.
 */
#include "config/config_types.h"

#include "policy/shared_server.h"

enum { TIMEOUT_MIN_MS = 10, TIMEOUT_MAX_MS = 2000 };

/* What is wrong with one that is none is for shared_server.h to say. */
const char *config_item_shared(struct arena *arena, const struct config_key *key, const char *value,
                               void *field)
{
    char err[200];
    const char *wrong;

    if (shared_server_check(value, err, sizeof(err)) == 0)
        return config_item_text(arena, key, value, field);
    wrong = arena_string(arena, err);
    return wrong != NULL ? wrong : "";
}

/* The first message to a next-hop may have to wait for all of it. */
const char *config_type_shared_timeout(struct arena *arena, const struct config_key *key,
                                       const char *value, void *field)
{
    int timeout_ms;

    (void)arena, (void)key;
    if (config_value_duration_ms(value, &timeout_ms) != NULL || timeout_ms < TIMEOUT_MIN_MS ||
        timeout_ms > TIMEOUT_MAX_MS)
        return "a duration from 10ms to 2s";
    *(int *)field = timeout_ms;
    return NULL;
}
