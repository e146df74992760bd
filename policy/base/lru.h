/*
 * A table of entries by key that knows which was used least recently, how many octets they take,
 * and has the lock for all of that. A cache embeds it, and its entries embed struct lru_entry.
 *
 * The owner of the cache locks: everything here but lru_init, lru_fini, lru_count and lru_octets is
 * called with the lock held.
 */
#ifndef POLICY_BASE_LRU_H
#define POLICY_BASE_LRU_H

#include "base/list.h"
#include "base/table.h"

#include <pthread.h>

enum {
    LRU_BLOCK_HEAD = 16, /* what malloc adds to a block: counts among an entry's octets */
};

struct lru_entry {
    struct table_node node;
    struct list used;
};

struct lru {
    pthread_mutex_t lock;
    struct table table;
    struct list used; /* least recently first */
    size_t octets;
};

int lru_init(struct lru *lru);  /* 0 or a negative errno */
void lru_fini(struct lru *lru); /* the entries are left alone */

struct lru_entry *lru_find(const struct lru *lru, const char *key); /* NULL: none */

/* Adds an entry that takes so many octets, as the one used last. Its key belongs to the object, and
 * must not be there yet. Never fails. */
void lru_add(struct lru *lru, struct lru_entry *entry, const char *key, size_t octets);

/* Takes it out; `octets` as it was added. */
void lru_remove(struct lru *lru, struct lru_entry *entry, size_t octets);

/* Gives it another key, or the same one in another block of memory, and other octets in place of
 * `before`. The order of use stays. */
void lru_rekey(struct lru *lru, struct lru_entry *entry, const char *key, size_t octets,
               size_t before);

/* It has been used: it is the last to be evicted. */
void lru_use(struct lru *lru, struct lru_entry *entry);

/* The one used least recently; NULL: there is none. */
struct lru_entry *lru_first(const struct lru *lru);
/* The one used next after it; NULL: it is the last. */
struct lru_entry *lru_next(const struct lru *lru, const struct lru_entry *entry);

/* These two take the lock. */
size_t lru_count(struct lru *lru);
size_t lru_octets(struct lru *lru);

#endif
