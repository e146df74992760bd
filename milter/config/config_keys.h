/*
 * Every section and key of the configuration file: name, type, where its value goes. Between
 * config_parse.c, which reads files, and config_types.c, which reads values.
 */
#ifndef MILTER_CONFIG_CONFIG_KEYS_H
#define MILTER_CONFIG_CONFIG_KEYS_H

#include "config/config.h"
#include "config/config_rule.h"
#include "policy/arena.h"

enum config_section {
    CONFIG_SECTION_MILTER,
    CONFIG_SECTION_DNS,
    CONFIG_SECTION_MTA_STS,
    CONFIG_SECTION_DANE,
    CONFIG_SECTION_PROBE,
    CONFIG_SECTION_CACHE,
    CONFIG_SECTION_SOCKETMAP,
    CONFIG_SECTION_METRICS,
    CONFIG_SECTION_LOG,
    CONFIG_SECTION_DEFAULT,
    CONFIG_SECTION_DELIVER,
    CONFIG_SECTION_TLSRPT,
    /* Those below have a name of their own: [route x]. */
    CONFIG_SECTION_ROUTE,
    CONFIG_SECTION_RULE,
    CONFIG_SECTION_DELIVER_SOCKET,
};

struct config_key;

/* Reads one value, or one item of a list, into *field. Returns NULL, or what would have been
 * expected; "" when out of memory. */
typedef const char *(*config_key_fn)(struct arena *arena, const struct config_key *key,
                                     const char *value, void *field);

enum {
    CONFIG_KEY_LIST = 1 << 0,     /* takes a list: repeated, continued, separated */
    CONFIG_KEY_LINES = 1 << 1,    /* ... of which each line is one item */
    CONFIG_KEY_NONEMPTY = 1 << 2, /* ... that may not be empty */
    /* Changes only at restart. config_fixed.c must know how to compare values of its type. Not for
     * keys of [rule NAME] and [route NAME]. */
    CONFIG_KEY_FIXED = 1 << 3,
    CONFIG_KEY_FAULT = 1 << 4,  /* the parser tells what is wrong, not what would be expected */
    CONFIG_KEY_SECRET = 1 << 5, /* a wrong value may be a password: no error repeats it */
};

struct config_key {
    enum config_section section;
    const char *name;
    config_key_fn parse;
    size_t offset; /* in struct config, config_route, config_rule or config_deliver_socket, by
                      section */
    unsigned flags;
    const char *const *words; /* of an enumeration */
    const char *expected;     /* its words in prose */
    size_t count_offset;      /* lists: where their size_t count is */
    int detail;               /* of a rule's key: enum config_setting or config_matcher */
    unsigned fact;            /* of a matcher: CONFIG_FACT_... */
    size_t line_offset;       /* where the number of its line goes; 0: nowhere */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* NULL for sections that have a name of their own: [route x], [rule x], [deliver x]. */
const char *config_section_name(enum config_section section);

/* False if no section is called that. */
bool config_section_find(const char *name, enum config_section *out);

/* NULL if the section has no such key. */
const struct config_key *config_key_find(enum config_section section, const char *name);

/* Whether two configurations have the same value of a key; `a` and `b` are what its offset counts
 * from. False for a list that is not one of addresses. In config_fixed.c. */
bool config_key_is_same(const struct config_key *key, const void *a, const void *b);

/* The parts of the configuration (CONFIG_PART_...) that a key belongs to; NULL: any of the
 * section's. */
unsigned config_key_part(enum config_section section, const char *name);

#endif
