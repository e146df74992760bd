/*
 * The lists of the configuration. config_list_begin makes a list empty, which takes the default
 * away; config_list_add adds the items of one line; config_list_is_empty says at the end of the
 * section whether any came. What an item is the key says; some are no element of an array, but a
 * flag beside it.
 */
#include "config/config_list.h"

#include "config/config_types.h"
#include "config/config_value.h"
#include "config/ini_reader.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t item_size(const struct config_key *key)
{
    if (key->parse == config_item_pattern)
        return sizeof(struct config_pattern);
    if (key->offset == offsetof(struct config, milter.trusted_clients))
        return sizeof(struct config_net);
    if (key->offset == offsetof(struct config, socketmap.listen))
        return sizeof(struct config_address);
    return sizeof(char *);
}

/* Yes and no among login names; the two together, or an exception from them, mean nothing. */
static const char *add_authenticated(struct config_rule *rule, bool yes)
{
    const enum config_tristate wanted = yes ? CONFIG_YES : CONFIG_NO;

    if (rule->authenticated != CONFIG_ANY && rule->authenticated != wanted)
        return "yes or no, not both";
    rule->authenticated = wanted;
    return NULL;
}

/* Items that are no element of the key's array: `local` among the trusted clients, yes and no among
 * login names, the capabilities of a route. */
static bool add_special(const struct config_list_key *list, const char *item, const char **expected)
{
    const struct config_key *key = list->key;
    bool yes;

    if (key->section == CONFIG_SECTION_ROUTE) {
        *expected = key->parse(list->arena, key, item, (char *)list->base + key->offset);
        return true;
    }
    if (key->section == CONFIG_SECTION_MILTER &&
        key->offset == offsetof(struct config, milter.trusted_clients) &&
        strcasecmp(item, "local") == 0) {
        list->config->milter.trusted_local = true;
        return true;
    }
    if (list->rule != NULL && (key->fact & CONFIG_FACT_AUTHENTICATED) &&
        config_value_bool(item + (item[0] == '!'), &yes) == NULL) {
        *expected = item[0] == '!' ? "yes, no or login names" : add_authenticated(list->rule, yes);
        return true;
    }
    return false;
}

/* Adds to the key's array. Returns NULL, or what would have been expected; "" when out of memory.
 */
static const char *append_item(const struct config_list_key *list, const char *item)
{
    const struct config_key *key = list->key;
    size_t size = item_size(key);
    size_t *count = (size_t *)(void *)((char *)list->base + key->count_offset);
    void **array = (void **)(void *)((char *)list->base + key->offset);
    /* One more than counted, so that lists of strings can end with NULL. */
    char *grown = arena_grow(list->arena, *array, *count + 1, size);
    const char *expected;

    if (grown == NULL)
        return "";
    *array = grown;
    if (*count == 0 && size == sizeof(char *))
        memset(grown, 0, 2 * size);
    expected = key->parse(list->arena, key, item, grown + *count * size);
    if (expected == NULL && ++*count > 0 && size == sizeof(char *))
        ((char **)(void *)grown)[*count] = NULL;
    return expected;
}

static void add_item(const struct config_list_key *list, const char *item,
                     config_list_error_fn on_error, void *arg, unsigned line)
{
    const char *expected = NULL;

    if (!add_special(list, item, &expected))
        expected = append_item(list, item);
    if (expected != NULL)
        on_error(arg, line, item, expected);
}

void config_list_begin(const struct config_list_key *list)
{
    const struct config_key *key = list->key;

    if (key->section == CONFIG_SECTION_ROUTE) {
        *(unsigned *)(void *)((char *)list->base + key->offset) = 0;
        return;
    }
    *(void **)(void *)((char *)list->base + key->offset) = NULL;
    *(size_t *)(void *)((char *)list->base + key->count_offset) = 0;
    if (key->section == CONFIG_SECTION_MILTER &&
        key->offset == offsetof(struct config, milter.trusted_clients))
        list->config->milter.trusted_local = false;
}

void config_list_add(const struct config_list_key *list, const char *value,
                     config_list_error_fn on_error, void *arg, unsigned line)
{
    static const char separators[] = ", \t";
    char item[INI_READER_LINE_MAX + 1];

    if (list->key->flags & CONFIG_KEY_LINES) {
        if (value[0] != '\0')
            add_item(list, value, on_error, arg, line);
        return;
    }
    for (value += strspn(value, separators); *value != '\0'; value += strspn(value, separators)) {
        size_t len = strcspn(value, separators);

        if (len == 1 && *value == '!') {
            size_t blanks = strspn(value + 1, " \t");

            len += blanks + strcspn(value + 1 + blanks, separators);
        }
        snprintf(item, sizeof(item), "%.*s", (int)len, value);
        add_item(list, item, on_error, arg, line);
        value += len;
    }
}

bool config_list_is_empty(const struct config_list_key *list)
{
    const struct config_key *key = list->key;

    if (key->section == CONFIG_SECTION_ROUTE)
        return ((const struct config_route *)list->base)->can == 0;
    if (list->rule != NULL && (key->fact & CONFIG_FACT_AUTHENTICATED) &&
        list->rule->authenticated != CONFIG_ANY)
        return false;
    return *(size_t *)(void *)((char *)list->base + key->count_offset) == 0;
}
