/*
 * What the files of the cache of MTA-STS policies share; nobody else includes this. Each uses those
 * before it alone: sts_cache_entries.c, sts_cache_due.c, sts_cache.c.
 */
#ifndef POLICY_STS_STS_CACHE_INTERNAL_H
#define POLICY_STS_STS_CACHE_INTERNAL_H

#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "sts/sts_cache.h"

/* In the order in which they are evicted. */
enum sts_rank { STS_RANK_FAILURE, STS_RANK_POLICY, STS_RANK_LARGE, STS_RANK_ENFORCE, STS_RANKS };

struct sts_entry {
    struct sts_cached cached;
    struct table_node node;
    struct list lru;
    struct list unsaved; /* in the cache's list of that name, or alone */
    struct heap_item due;
    enum sts_rank rank;
    size_t octets; /* that its policy takes, or itself if it has none */
    char domain[];
};

struct sts_cache {
    struct table table;
    struct list lru[STS_RANKS]; /* least recently used first */
    size_t counts[STS_RANKS];
    size_t octets[STS_RANKS];
    struct heap due; /* all entries, by when they are to be fetched again */
    struct sts_cache_refresh refresh;
    struct list unsaved; /* of which the sink is to be told again */
    size_t max, max_octets;
    struct sts_cache_sink sink;
};

/* sts_cache_entries.c */
struct sts_entry *sts_entry_of_lru(struct list *link);
struct sts_entry *sts_entry_find(const struct sts_cache *cache, const char *domain);
/* The entry of a domain, made if need be; NULL: out of memory. */
struct sts_entry *sts_entry_obtain(struct sts_cache *cache, const char *domain, int64_t now_ms);
void sts_entry_drop(struct sts_cache *cache, struct sts_entry *entry); /* frees it */
/* Takes `policy`, which may be NULL. The entry's place is another then. */
void sts_entry_set_policy(struct sts_cache *cache, struct sts_entry *entry,
                          struct sts_policy *policy);
/* Into the list where it belongs, as the one used last. */
void sts_entry_rank(struct sts_cache *cache, struct sts_entry *entry);
void sts_entry_expire(struct sts_cache *cache, struct sts_entry *entry, int64_t now_ms);
void sts_entry_tell_removed(struct sts_cache *cache, const struct sts_entry *entry);
/* `spare` has just come in: its caller is not done with it, and it goes when the next comes. */
void sts_entries_evict(struct sts_cache *cache, const struct sts_entry *spare);

/* sts_cache_due.c */
void sts_due_after_fetch(struct sts_cache *cache, struct sts_entry *entry, int64_t now_ms);
void sts_due_after_failure(struct sts_cache *cache, struct sts_entry *entry, int64_t now_ms);

#endif
