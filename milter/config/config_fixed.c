/*
 * Which differences between two configurations only a restart can make true: those in keys that the
 * table of keys (config_keys.c) flags CONFIG_KEY_FIXED. They are compared by the type that their
 * parser gives them; a type that is not in the table of types here counts as changed, and a test
 * looks for that. The result is one message for each such key, and for each socket of the agent
 * that is new or gone.
 */
#include "config/config.h"

#include "config/config_keys.h"
#include "config/config_types.h"

#include <stdio.h>
#include <string.h>

/* --- values by their type --------------------------------------------------------------------- */

static bool text_is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

enum form {
    FORM_OCTETS,  /* numbers, modes, words: as they lie in the field */
    FORM_TEXT,    /* behind a pointer, which may be NULL */
    FORM_ADDRESS, /* struct config_address, or a list of them */
};

static const struct type {
    config_key_fn parse;
    enum form form;
    size_t size; /* of octets */
} types[] = {
    {config_type_bool, FORM_OCTETS, sizeof(bool)},
    {config_type_duration, FORM_OCTETS, sizeof(int)},
    {config_type_size, FORM_OCTETS, sizeof(size_t)},
    {config_type_memory, FORM_OCTETS, sizeof(size_t)},
    {config_type_count, FORM_OCTETS, sizeof(unsigned)},
    {config_type_count_int, FORM_OCTETS, sizeof(int)},
    {config_type_count_size, FORM_OCTETS, sizeof(size_t)},
    {config_type_mode, FORM_OCTETS, sizeof(mode_t)},
    {config_type_port, FORM_OCTETS, sizeof(uint16_t)},
    {config_type_word, FORM_OCTETS, sizeof(int)},
    {config_type_trust_ad, FORM_OCTETS, sizeof(enum engine_trust_ad)},
    {config_type_facility, FORM_OCTETS, sizeof(int)},
    {config_type_log_level, FORM_OCTETS, sizeof(int)},
    {config_type_level, FORM_OCTETS, sizeof(enum verdict_level)},
    {config_type_undecided, FORM_OCTETS, sizeof(enum config_action)},
    {config_type_default_request, FORM_OCTETS, sizeof(int)},
    {config_type_life, FORM_OCTETS, sizeof(int64_t)},
    {config_type_max_message, FORM_OCTETS, sizeof(uint64_t)},
    {config_type_sessions, FORM_OCTETS, sizeof(unsigned)},
    {config_type_addresses, FORM_OCTETS, sizeof(unsigned)},
    {config_type_smtp_timeout, FORM_OCTETS, sizeof(int)},
    {config_type_shared_timeout, FORM_OCTETS, sizeof(int)},
    {config_type_text, FORM_TEXT, 0},
    {config_type_user, FORM_TEXT, 0},
    {config_type_marker, FORM_TEXT, 0},
    {config_type_path, FORM_TEXT, 0},
    {config_type_file, FORM_TEXT, 0},
    {config_type_store, FORM_TEXT, 0},
    {config_type_domain, FORM_TEXT, 0},
    {config_type_field_name, FORM_TEXT, 0},
    {config_type_milter_socket, FORM_TEXT, 0},
    {config_type_unix_socket, FORM_TEXT, 0},
    {config_type_audit, FORM_TEXT, 0},
    {config_type_nexthop, FORM_TEXT, 0},
    {config_type_address, FORM_ADDRESS, 0},
    {config_type_loopback, FORM_ADDRESS, 0},
};

static const struct type *type_of(const struct config_key *key)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].parse == key->parse)
            return &types[i];
    return NULL;
}

static const void *field_at(const void *base, size_t offset)
{
    return (const char *)base + offset;
}

static bool addresses_are_same(const void *a, const void *b, const struct config_key *key)
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

bool config_key_is_same(const struct config_key *key, const void *a, const void *b)
{
    const void *in_a = field_at(a, key->offset), *in_b = field_at(b, key->offset);
    const struct type *type = type_of(key);
    bool is_list = (key->flags & CONFIG_KEY_LIST) != 0;

    if (type == NULL || (is_list && type->form != FORM_ADDRESS))
        return false;
    switch (type->form) {
    case FORM_OCTETS:
        return memcmp(in_a, in_b, type->size) == 0;
    case FORM_TEXT:
        return text_is_same(*(const char *const *)in_a, *(const char *const *)in_b);
    case FORM_ADDRESS:
        return is_list ? addresses_are_same(a, b, key)
                       : text_is_same(((const struct config_address *)in_a)->text,
                                      ((const struct config_address *)in_b)->text);
    }
    return false;
}

/* --- configurations --------------------------------------------------------------------------- */

struct reporter {
    const char *path;
    config_report_fn report;
    void *arg;
};

/* `what` of the section: "listen has changed". */
static void say(const struct reporter *to, const char *section, const char *name, const char *what,
                const char *verb)
{
    char message[800];

    snprintf(message, sizeof(message), "%.400s: [%s%s%.100s]%s%s has %s; that takes a restart",
             to->path, section, name[0] != '\0' ? " " : "", name, what[0] != '\0' ? " " : "", what,
             verb);
    to->report(to->arg, message);
}

static const struct config_deliver_socket *socket_find(const struct config_deliver *deliver,
                                                       const char *name)
{
    for (size_t i = 0; i < deliver->socket_count; i++)
        if (strcmp(deliver->sockets[i].name, name) == 0)
            return &deliver->sockets[i];
    return NULL;
}

static void compare_sockets(const struct config_deliver *running,
                            const struct config_deliver *loaded, const struct reporter *to)
{
    for (size_t i = 0; i < running->socket_count; i++)
        if (socket_find(loaded, running->sockets[i].name) == NULL)
            say(to, "deliver", running->sockets[i].name, "", "been removed");
    for (size_t i = 0; i < loaded->socket_count; i++) {
        const struct config_deliver_socket *now = &loaded->sockets[i];
        const struct config_deliver_socket *was = socket_find(running, now->name);

        if (was == NULL)
            say(to, "deliver", now->name, "", "been added");
        for (size_t k = 0; was != NULL && k < config_key_count; k++)
            if (config_keys[k].section == CONFIG_SECTION_DELIVER_SOCKET &&
                (config_keys[k].flags & CONFIG_KEY_FIXED) != 0 &&
                !config_key_is_same(&config_keys[k], was, now))
                say(to, "deliver", now->name, config_keys[k].name, "changed");
    }
}

/* What the key's offset counts from, of a section without a name of its own. */
static const void *base_of(const struct config *config, const struct config_key *key)
{
    return key->section == CONFIG_SECTION_DEFAULT ? (const void *)config->defaults : config;
}

void config_report_fixed(const struct config *running, const struct config *loaded,
                         config_report_fn report, void *arg)
{
    const struct reporter to = {loaded->path, report, arg};

    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        if ((key->flags & CONFIG_KEY_FIXED) != 0 && config_section_name(key->section) != NULL &&
            !config_key_is_same(key, base_of(running, key), base_of(loaded, key)))
            say(&to, config_section_name(key->section), "", key->name, "changed");
    }
    compare_sockets(&running->deliver, &loaded->deliver, &to);
}
