/*
 * From sections and values to a configuration: ini_reader.c hands them over in the order of the
 * file, config_keys.c knows their types, here they meet. What several keys must have in common is
 * checked later, in config_check.c.
 */
#include "config/config_parse.h"

#include "base/text.h"
#include "config/config_keys.h"
#include "config/config_rule.h"
#include "config/ini_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { SECTION_KEYS_MAX = 128 }; /* more than the table has */

struct loader {
    struct config *config;
    struct arena *arena;
    struct config_report *report;
    bool failed;
    bool out_of_memory;

    char section_text[INI_READER_SECTION_MAX + 1];
    enum config_section section;
    void *base;                      /* what the section's offsets count from */
    struct config_rule *rule;        /* of [rule] and [default], else NULL */
    unsigned seen[SECTION_KEYS_MAX]; /* line where each key of the table was given; 0: not */
    const struct config_key *key;    /* the last one, for continued lines */
};

static void error_at(struct loader *l, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void error_at(struct loader *l, unsigned line, const char *format, ...)
{
    va_list args;

    l->failed = true;
    if (l->out_of_memory)
        return; /* that the file is wrong would be wrong */
    va_start(args, format);
    config_report_va(l->report, CONFIG_REPORT_ERROR, line, format, args);
    va_end(args);
}

/* --- sections --------------------------------------------------------------------------------- */

/*
 * After "route" or "rule" and one blank: the name, or NULL when it is none. More blanks would make
 * two different sections of one name.
 */
static const char *section_name(const char *section, const char *word)
{
    size_t len = strlen(word);
    const char *name;

    if (strncmp(section, word, len) != 0 || section[len] != ' ')
        return NULL;
    name = section + len + 1;
    if (*name == '\0' || name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789_.-")] != '\0')
        return NULL;
    return name;
}

static bool begin_route(struct loader *l, const char *name)
{
    struct config *c = l->config;
    struct config_route *route = NULL;

    for (size_t i = 0; i < c->route_count; i++)
        if (strcmp(c->routes[i].name, name) == 0)
            route = &c->routes[i]; /* the built-in one; the reader lets no section come twice */
    if (route == NULL) {
        struct config_route *routes =
            arena_grow(l->arena, c->routes, c->route_count, sizeof(*c->routes));

        if (routes == NULL)
            return false;
        c->routes = routes;
        route = &c->routes[c->route_count++];
        *route = (struct config_route){.name = arena_string(l->arena, name)};
    }
    l->section = CONFIG_SECTION_ROUTE;
    l->base = route;
    return route->name != NULL;
}

static bool begin_rule(struct loader *l, const char *name, unsigned line)
{
    struct config *c = l->config;
    struct config_rule *rules = arena_grow(l->arena, c->rules, c->rule_count, sizeof(*c->rules));

    if (rules == NULL)
        return false;
    c->rules = rules;
    l->rule = &c->rules[c->rule_count++];
    *l->rule = (struct config_rule){.name = arena_string(l->arena, name), .line = line};
    l->section = CONFIG_SECTION_RULE;
    l->base = l->rule;
    return l->rule->name != NULL;
}

static bool list_is_empty(const struct loader *l, const struct config_key *key)
{
    if (key->section == CONFIG_SECTION_ROUTE)
        return ((const struct config_route *)l->base)->can == 0;
    if (l->rule != NULL && (key->fact & CONFIG_FACT_AUTHENTICATED) &&
        l->rule->authenticated != CONFIG_ANY)
        return false;
    return *(size_t *)(void *)((char *)l->base + key->count_offset) == 0;
}

/* Lists that were begun and got no item: a matcher without patterns would match everything. */
static void end_section(struct loader *l)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (l->seen[i] != 0 && (config_keys[i].flags & CONFIG_KEY_NONEMPTY) &&
            list_is_empty(l, &config_keys[i]))
            error_at(l, l->seen[i], "%s needs at least one value", config_keys[i].name);
    memset(l->seen, 0, sizeof(l->seen));
    l->key = NULL;
    l->rule = NULL;
    l->base = NULL;
}

static bool on_section(void *arg, const char *section, unsigned line)
{
    struct loader *l = arg;
    const char *name;

    end_section(l);
    snprintf(l->section_text, sizeof(l->section_text), "%s", section);
    if ((name = section_name(section, "route")) != NULL)
        return begin_route(l, name) || !(l->out_of_memory = true);
    if ((name = section_name(section, "rule")) != NULL)
        return begin_rule(l, name, line) || !(l->out_of_memory = true);
    if (config_section_find(section, &l->section)) {
        l->rule = l->section == CONFIG_SECTION_DEFAULT ? l->config->defaults : NULL;
        l->base = l->rule != NULL ? (void *)l->rule : (void *)l->config;
        return true;
    }
    if (strncmp(section, "route", 5) == 0 || strncmp(section, "rule", 4) == 0)
        error_at(l, line,
                 "section [%s]: a route or rule needs a name of letters, digits, '_', '.' "
                 "and '-', as in [rule partners]",
                 section);
    else
        error_at(l, line,
                 "unknown section [%s]; there are milter, dns, mta_sts, dane, cache, "
                 "socketmap, metrics, log, default, route NAME and rule NAME",
                 section);
    return false;
}

/* --- keys ------------------------------------------------------------------------------------- */

static size_t item_size(const struct config_key *key)
{
    if (key->section == CONFIG_SECTION_RULE)
        return sizeof(struct config_pattern);
    if (key->offset == offsetof(struct config, milter.trusted_clients))
        return sizeof(struct config_net);
    if (key->offset == offsetof(struct config, socketmap.listen))
        return sizeof(struct config_address);
    return sizeof(char *);
}

static void report_value(struct loader *l, unsigned line, const char *value, const char *expected)
{
    if (expected[0] == '\0') {
        l->out_of_memory = true;
        return;
    }
    error_at(l, line, "%s = %.200s: expected %s", l->key->name, value, expected);
    l->seen[l->key - config_keys] = 0; /* that it stays empty need not be said as well */
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
static bool add_special(struct loader *l, const char *item, const char **expected)
{
    const struct config_key *key = l->key;
    bool yes;

    if (key->section == CONFIG_SECTION_ROUTE) {
        *expected = key->parse(l->arena, key, item, (char *)l->base + key->offset);
        return true;
    }
    if (key->section == CONFIG_SECTION_MILTER &&
        key->offset == offsetof(struct config, milter.trusted_clients) &&
        strcasecmp(item, "local") == 0) {
        l->config->milter.trusted_local = true;
        return true;
    }
    if (l->rule != NULL && (key->fact & CONFIG_FACT_AUTHENTICATED) &&
        config_value_bool(item + (item[0] == '!'), &yes) == NULL) {
        *expected = item[0] == '!' ? "yes, no or login names" : add_authenticated(l->rule, yes);
        return true;
    }
    return false;
}

static void add_item(struct loader *l, const char *item, unsigned line)
{
    const struct config_key *key = l->key;
    const char *expected = NULL;
    size_t size, *count;
    void **array;
    char *at;

    if (!add_special(l, item, &expected)) {
        size = item_size(key);
        count = (size_t *)(void *)((char *)l->base + key->count_offset);
        array = (void **)(void *)((char *)l->base + key->offset);
        /* One more than counted, so that lists of strings can end with NULL. */
        at = arena_grow(l->arena, *array, *count + 1, size);
        if (at == NULL) {
            l->out_of_memory = true;
            return;
        }
        *array = at;
        if (*count == 0 && size == sizeof(char *))
            memset(at, 0, 2 * size);
        expected = key->parse(l->arena, key, item, at + *count * size);
        if (expected == NULL && ++*count > 0 && size == sizeof(char *))
            ((char **)(void *)at)[*count] = NULL;
    }
    if (expected != NULL)
        report_value(l, line, item, expected);
}

/* The first value of a list replaces the default. */
static void begin_list(struct loader *l)
{
    const struct config_key *key = l->key;

    if (key->section == CONFIG_SECTION_ROUTE) {
        *(unsigned *)(void *)((char *)l->base + key->offset) = 0;
        return;
    }
    *(void **)(void *)((char *)l->base + key->offset) = NULL;
    *(size_t *)(void *)((char *)l->base + key->count_offset) = 0;
    if (key->section == CONFIG_SECTION_MILTER &&
        key->offset == offsetof(struct config, milter.trusted_clients))
        l->config->milter.trusted_local = false;
}

/* Items are separated by commas and blanks; `! x` is one item. */
static void add_items(struct loader *l, const char *value, unsigned line)
{
    static const char separators[] = ", \t";
    char item[INI_READER_LINE_MAX + 1];

    if (l->key->flags & CONFIG_KEY_LINES) {
        if (value[0] != '\0')
            add_item(l, value, line);
        return;
    }
    for (value += strspn(value, separators); *value != '\0'; value += strspn(value, separators)) {
        size_t len = strcspn(value, separators);

        if (len == 1 && *value == '!') {
            size_t blanks = strspn(value + 1, " \t");

            len += blanks + strcspn(value + 1 + blanks, separators);
        }
        snprintf(item, sizeof(item), "%.*s", (int)len, value);
        add_item(l, item, line);
        value += len;
    }
}

/* An indented `key = value` would vanish into the value above it. */
static bool looks_like_key(const struct loader *l, const char *value)
{
    size_t len = strcspn(value, " \t=");
    char name[32];

    if (len >= sizeof(name) || value[len + strspn(value + len, " \t")] != '=')
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)len, value);
    return config_key_find(l->section, name) != NULL;
}

static void continue_key(struct loader *l, const char *value, unsigned line)
{
    if (l->key == NULL)
        return; /* the key above was in error, which has been said */
    if (looks_like_key(l, value))
        error_at(l, line,
                 "an indented line continues %s above it; a key begins in the first column",
                 l->key->name);
    else if ((l->key->flags & CONFIG_KEY_LIST) == 0)
        error_at(l, line, "an indented line continues %s above it, which takes one value only",
                 l->key->name);
    else
        add_items(l, value, line);
}

/* Names the keys that the section has. */
static void unknown_key(struct loader *l, const char *name, unsigned line)
{
    char names[500];
    struct text text;

    text_init(&text, names, sizeof(names));
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].section == l->section)
            text_addf(&text, "%s%s", text.len > 0 ? ", " : "", config_keys[i].name);
    error_at(l, line, "unknown key %.100s; [%s] takes %s", name, l->section_text, names);
}

/* Lines that are needed when the file has been read. */
static void note_line(struct loader *l, unsigned line)
{
    const struct config_key *key = l->key;

    if (key->section == CONFIG_SECTION_MTA_STS &&
        key->offset == offsetof(struct config, engine.sts_ca_file))
        l->config->ca_file_line = line;
    if (key->section == CONFIG_SECTION_MTA_STS &&
        key->offset == offsetof(struct config, engine.sts_ca_path))
        l->config->ca_path_line = line;
    if (l->rule == NULL || key->fact != 0)
        return;
    if (key->detail == CONFIG_SETTING_ROUTE)
        l->rule->route_line = line;
    if (key->detail == CONFIG_SETTING_OPTIONAL_ROUTE)
        l->rule->optional_route_line = line;
}

static void on_value(void *arg, const char *name, const char *value, bool continued, unsigned line)
{
    struct loader *l = arg;
    const char *expected;
    size_t index;

    if (continued) {
        continue_key(l, value, line);
        return;
    }
    l->key = config_key_find(l->section, name);
    if (l->key == NULL) {
        unknown_key(l, name, line);
        return;
    }
    index = (size_t)(l->key - config_keys);
    if (l->seen[index] != 0 && (l->key->flags & CONFIG_KEY_LIST) == 0) {
        error_at(l, line, "%s is given twice, first in line %u", name, l->seen[index]);
        return;
    }
    if (l->rule != NULL) {
        l->rule->needs |= l->key->fact;
        if (l->key->fact == 0)
            l->rule->sets |= 1u << l->key->detail;
    }
    note_line(l, line);
    if ((l->key->flags & CONFIG_KEY_LIST) && l->seen[index] == 0)
        begin_list(l);
    if (l->seen[index] == 0)
        l->seen[index] = line;
    if (l->key->flags & CONFIG_KEY_LIST) {
        add_items(l, value, line);
    } else {
        expected = l->key->parse(l->arena, l->key, value, (char *)l->base + l->key->offset);
        if (expected != NULL)
            report_value(l, line, value, expected);
    }
}

static void on_reader_error(void *arg, unsigned line, const char *message)
{
    error_at(arg, line, "%s", message);
}

/* --- the whole -------------------------------------------------------------------------------- */

int config_parse(struct config *config, struct arena *arena, struct config_report *report)
{
    struct loader l = {.config = config, .arena = arena, .report = report};
    const struct ini_reader_events events = {on_section, on_value, on_reader_error, &l};
    FILE *file = fopen(config->path, "re");
    struct stat st;
    int r;

    if (config_key_count > SECTION_KEYS_MAX)
        return -ENOMEM;
    if (file == NULL) {
        error_at(&l, 0, "cannot open: %s", strerror(errno));
        return -EINVAL;
    }
    if (fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode)) {
        error_at(&l, 0, "is a directory");
        fclose(file);
        return -EINVAL;
    }
    r = ini_reader_parse(file, &events);
    fclose(file);
    if (r == -EIO) {
        error_at(&l, 0, "cannot read");
        r = -EINVAL;
    }
    end_section(&l);
    if (l.out_of_memory)
        return -ENOMEM;
    return r == 0 && l.failed ? -EINVAL : r;
}
