/*
 * A hash table of objects that embed their node, keyed by a string that they own. Hashed with
 * SipHash under a random key: the names come from strangers, who could else choose them so that
 * they all fall together. One thread, or under the owner's lock.
 */
#ifndef POLICY_BASE_TABLE_H
#define POLICY_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
    const char *key; /* belongs to the object; unchanged while it is in the table */
    uint32_t hash;
};

struct table {
    struct table_node **slots; /* a power of two */
    size_t slot_count;
    size_t count;
    uint64_t seed[2];
};

int table_init(struct table *table);  /* 0 or a negative errno */
void table_fini(struct table *table); /* the objects are left alone */

struct table_node *table_find(const struct table *table, const char *key);

/* Adds a node; its key must not be there yet. Never fails: when memory for a larger table is
 * wanting, it gets slower. */
void table_add(struct table *table, struct table_node *node, const char *key);
void table_remove(struct table *table, struct table_node *node);

/* SipHash-2-4 of `len` octets. */
uint64_t table_siphash(const uint64_t seed[2], const void *data, size_t len);

#endif
