/*
 * From sections and values to a configuration: ini_reader.c hands them over in the order of the
 * file, config_keys.c knows their types, here they meet. What several keys must have in common is
 * checked later, in config_check.c.
 */
#include "config/config_parse.h"

#include "base/text.h"
#include "config/config_defaults.h"
#include "config/config_keys.h"
#include "config/config_list.h"
#include "config/config_rule.h"
#include "config/ini_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { SECTION_KEYS_MAX = 192 }; /* more than the table has */

struct loader {
    struct config *config;
    struct arena *arena;
    struct config_report *report;
    unsigned part; /* CONFIG_PART_... that an error now is about */
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

    l->config->in_doubt |= l->part;
    l->failed = true;
    if (l->out_of_memory)
        return; /* that the file is wrong would be wrong */
    va_start(args, format);
    config_report_va(l->report, CONFIG_REPORT_ERROR, line, format, args);
    va_end(args);
}

/* --- sections --------------------------------------------------------------------------------- */

/*
 * After "route", "rule" or "deliver" and one blank: the name, or NULL when it is none. More blanks
 * would make two different sections of one name.
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

static bool begin_deliver(struct loader *l, const char *name, unsigned line)
{
    struct config_deliver *d = &l->config->deliver;
    struct config_deliver_socket *sockets =
        arena_grow(l->arena, d->sockets, d->socket_count, sizeof(*d->sockets));

    if (sockets == NULL)
        return false;
    d->sockets = sockets;
    l->section = CONFIG_SECTION_DELIVER_SOCKET;
    l->base = config_default_deliver_socket(&sockets[d->socket_count++]);
    sockets[d->socket_count - 1].line = line;
    sockets[d->socket_count - 1].name = arena_string(l->arena, name);
    return sockets[d->socket_count - 1].name != NULL;
}

static struct config_list_key list_of(const struct loader *l, const struct config_key *key)
{
    return (struct config_list_key){l->config, l->arena, key, l->base, l->rule};
}

/* Lists that were begun and got no item: a matcher without patterns would match everything. */
static void end_section(struct loader *l)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        struct config_list_key list = list_of(l, key);

        l->part = config_key_part(key->section, key->name);
        if (l->seen[i] != 0 && (key->flags & CONFIG_KEY_NONEMPTY) && config_list_is_empty(&list))
            error_at(l, l->seen[i], "%s needs at least one value", key->name);
    }
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
    l->part = CONFIG_PART_ALL;
    snprintf(l->section_text, sizeof(l->section_text), "%s", section);
    if ((name = section_name(section, "route")) != NULL)
        return begin_route(l, name) || !(l->out_of_memory = true);
    if ((name = section_name(section, "rule")) != NULL)
        return begin_rule(l, name, line) || !(l->out_of_memory = true);
    if ((name = section_name(section, "deliver")) != NULL)
        return begin_deliver(l, name, line) || !(l->out_of_memory = true);
    if (config_section_find(section, &l->section)) {
        l->rule = l->section == CONFIG_SECTION_DEFAULT ? l->config->defaults : NULL;
        l->base = l->rule != NULL ? (void *)l->rule : (void *)l->config;
        return true;
    }
    if (strncmp(section, "route", 5) == 0 || strncmp(section, "rule", 4) == 0 ||
        strncmp(section, "deliver ", 8) == 0)
        error_at(l, line,
                 "section [%s]: a route, a rule or a socket of the agent needs a name of letters, "
                 "digits, '_', '.' and '-', as in [rule partners]",
                 section);
    else
        error_at(l, line,
                 "unknown section [%s]; there are milter, dns, mta_sts, dane, probe, "
                 "cache, socketmap, metrics, log, default, deliver, tlsrpt, route NAME, rule NAME "
                 "and deliver NAME",
                 section);
    return false;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* What an error may repeat of a value. Of a secret one that is the scheme: a password in a URL may
 * have commas, blanks and '@', and each piece of the list may be a part of it. In another URL it is
 * what stands behind user and password. */
static void write_shown(const struct config_key *key, const char *value, char *out, size_t size)
{
    static const char *const schemes[] = {"redis://", "rediss://", "unix:", ""};
    const char *at = strstr(value, "://") != NULL ? strrchr(value, '@') : NULL;
    size_t i = 0;

    if ((key->flags & CONFIG_KEY_SECRET) != 0) {
        while (strncmp(value, schemes[i], strlen(schemes[i])) != 0)
            i++;
        snprintf(out, size, "%s...", schemes[i]);
    } else {
        snprintf(out, size, "%s%.200s", at != NULL ? "..." : "", at != NULL ? at : value);
    }
}

/* config_list_error_fn, and the same for single values */
static void on_bad_value(void *arg, unsigned line, const char *value, const char *expected)
{
    struct loader *l = arg;
    char shown[300];

    if (expected[0] == '\0') {
        l->out_of_memory = true;
        return;
    }
    write_shown(l->key, value, shown, sizeof(shown));
    error_at(l, line, "%s = %s: %s%s", l->key->name, shown,
             (l->key->flags & CONFIG_KEY_FAULT) != 0 ? "" : "expected ", expected);
    l->seen[l->key - config_keys] = 0; /* that it stays empty need not be said as well */
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
    struct config_list_key list = list_of(l, l->key);

    if (l->key == NULL)
        return; /* the key above was in error, which has been said */
    if (looks_like_key(l, value))
        l->part = config_key_part(l->section, NULL);
    if (looks_like_key(l, value))
        error_at(l, line,
                 "an indented line continues %s above it; a key begins in the first column",
                 l->key->name);
    else if ((l->key->flags & CONFIG_KEY_LIST) == 0)
        error_at(l, line, "an indented line continues %s above it, which takes one value only",
                 l->key->name);
    else
        config_list_add(&list, value, on_bad_value, l, line);
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

static void on_value(void *arg, const char *name, const char *value, bool continued, unsigned line)
{
    struct loader *l = arg;
    struct config_list_key list;
    const char *expected;
    size_t index;

    if (continued) {
        continue_key(l, value, line);
        return;
    }
    l->key = config_key_find(l->section, name);
    l->part = config_key_part(l->section, l->key != NULL ? name : NULL);
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
    if (l->key->line_offset != 0)
        *(unsigned *)(void *)((char *)l->base + l->key->line_offset) = line;
    list = list_of(l, l->key);
    if ((l->key->flags & CONFIG_KEY_LIST) && l->seen[index] == 0)
        config_list_begin(&list);
    if (l->seen[index] == 0)
        l->seen[index] = line;
    if (l->key->flags & CONFIG_KEY_LIST) {
        config_list_add(&list, value, on_bad_value, l, line);
    } else {
        expected = l->key->parse(l->arena, l->key, value, (char *)l->base + l->key->offset);
        if (expected != NULL)
            on_bad_value(l, line, value, expected);
    }
}

/* What begins a section, or is no text at all, may be what stands there. */
static void on_reader_error(void *arg, unsigned line, const char *message)
{
    struct loader *l = arg;

    l->part = CONFIG_PART_ALL;
    error_at(l, line, "%s", message);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void note_source(const struct stat *st, struct config_source *out)
{
    out->present = true;
    out->device = st->st_dev;
    out->inode = st->st_ino;
    out->size = st->st_size;
    out->modified = st->st_mtim;
}

int config_parse(struct config *config, struct arena *arena, struct config_report *report)
{
    struct loader l = {.config = config, .arena = arena, .report = report, .part = CONFIG_PART_ALL};
    const struct ini_reader_events events = {on_section, on_value, on_reader_error, &l};
    FILE *file = fopen(config->path, "re");
    struct stat st;
    int error;

    if (config_key_count > SECTION_KEYS_MAX)
        return -ENOMEM;
    if (file == NULL) {
        error_at(&l, 0, "cannot open: %s", strerror(errno));
        return -EINVAL;
    }
    if (fstat(fileno(file), &st) != 0) {
        error_at(&l, 0, "cannot read: %s", strerror(errno));
        fclose(file);
        return -EINVAL;
    }
    if (S_ISDIR(st.st_mode)) {
        error_at(&l, 0, "is a directory");
        fclose(file);
        return -EINVAL;
    }
    note_source(&st, &config->source);
    error = ini_reader_parse(file, &events);
    fclose(file);
    if (error == -EIO) {
        l.part = CONFIG_PART_ALL;
        error_at(&l, 0, "cannot read");
        error = -EINVAL;
    }
    end_section(&l);
    if (l.out_of_memory)
        return -ENOMEM;
    return error == 0 && l.failed ? -EINVAL : error;
}
