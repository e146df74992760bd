/* A key of the configuration that takes a list, while its section is read. */
#ifndef MILTER_CONFIG_CONFIG_LIST_H
#define MILTER_CONFIG_CONFIG_LIST_H

#include "config/config_keys.h"

struct config_list_key {
    struct config *config;
    struct arena *arena;
    const struct config_key *key;
    void *base;               /* what the key's offsets count from */
    struct config_rule *rule; /* base, of [rule] and [default]; else NULL */
};

/* What is wrong with an item: what would have been expected, "" when out of memory. */
typedef void (*config_list_error_fn)(void *arg, unsigned line, const char *item,
                                     const char *expected);

/* The first value of a list replaces the default. */
void config_list_begin(const struct config_list_key *list);

/* Adds the items of a line: separated by commas and blanks, where `! x` is one item; or the line as
 * it stands (CONFIG_KEY_LINES). */
void config_list_add(const struct config_list_key *list, const char *value,
                     config_list_error_fn on_error, void *arg, unsigned line);

bool config_list_is_empty(const struct config_list_key *list);

#endif
