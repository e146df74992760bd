/*
 * What cache.c and cache_walk.c share; nobody else includes this. Everything here is called with
 * the lock held.
 */
#ifndef POLICY_ENGINE_CACHE_INTERNAL_H
#define POLICY_ENGINE_CACHE_INTERNAL_H

#include "base/heap.h"
#include "base/lru.h"
#include "engine/cache.h"

struct cache_entry {
    struct lru_entry lru;
    struct heap_item heap;
    const struct findings *findings;
    struct findings_ends ends;
    uint8_t renewals; /* that are still due to the last use */
};

struct cache {
    struct lru lru;
    struct heap heap;
    size_t max, max_octets;
};

void cache_entry_drop(struct cache *cache, struct cache_entry *entry); /* frees it */
/* Whether all parts of its findings hold. */
bool cache_entry_holds(const struct cache_entry *entry, int64_t now_ms, bool security_known);

#endif
