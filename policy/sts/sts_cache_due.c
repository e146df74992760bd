/*
 * When policies are to be fetched again though their id is the same: before they expire, so that
 * whoever blocks the policy host must do so for as long as max_age (RFC 8461 sections 3.3, 10.2).
 *
 * sts_due_after_fetch and sts_due_after_failure set the time of an entry; sts_cache_take_due gives
 * what is due. Times are spread by chance.
 */
#include "sts/sts_cache_internal.h"

enum {
    /* Over how long refreshes are spread that are overdue, after a restart for example. */
    OVERDUE_SPREAD_MS = 60 * 60 * 1000,
};

static int64_t by_chance(const struct sts_cache *cache, int64_t below_ms)
{
    if (cache->refresh.random == NULL || below_ms <= 0)
        return 0;
    return (int64_t)cache->refresh.random(cache->refresh.arg,
                                          below_ms < UINT32_MAX ? (uint32_t)below_ms : UINT32_MAX);
}

/* When a policy just put in force is to be fetched again. */
static int64_t due_ms(const struct sts_cache *cache, const struct sts_cached *cached,
                      int64_t now_ms)
{
    int64_t age_ms = cache->refresh.age_ms, at_ms, spread_ms;

    if (cached->policy == NULL || age_ms == 0)
        return INT64_MAX;
    if (age_ms > (int64_t)cached->policy->max_age_s * 500)
        age_ms = (int64_t)cached->policy->max_age_s * 500;
    if (age_ms < cache->refresh.retry_ms)
        return INT64_MAX;
    at_ms = cached->fetched_ms + age_ms - by_chance(cache, age_ms / 8);
    if (at_ms > now_ms)
        return at_ms;
    spread_ms = (cached->expires_ms - now_ms) / 2;
    return now_ms + by_chance(cache, spread_ms < OVERDUE_SPREAD_MS ? spread_ms : OVERDUE_SPREAD_MS);
}

static int64_t retry_at_ms(const struct sts_cache *cache, int64_t now_ms)
{
    return now_ms + cache->refresh.retry_ms + by_chance(cache, cache->refresh.retry_ms / 8);
}

void sts_due_after_fetch(struct sts_cache *cache, struct sts_entry *entry, int64_t now_ms)
{
    heap_move(&cache->due, &entry->due, due_ms(cache, &entry->cached, now_ms));
}

void sts_due_after_failure(struct sts_cache *cache, struct sts_entry *entry, int64_t now_ms)
{
    if (entry->cached.policy != NULL && entry->due.at_ms != INT64_MAX)
        heap_move(&cache->due, &entry->due, retry_at_ms(cache, now_ms));
}

void sts_cache_set_refresh(struct sts_cache *cache, const struct sts_cache_refresh *refresh,
                           int64_t now_ms)
{
    cache->refresh = *refresh;
    for (int rank = 0; rank < STS_RANKS; rank++) {
        for (struct list *l = cache->lru[rank].next; l != &cache->lru[rank]; l = l->next)
            sts_due_after_fetch(cache, sts_entry_of_lru(l), now_ms);
    }
}

int64_t sts_cache_next_due(const struct sts_cache *cache)
{
    return heap_first_ms(&cache->due);
}

const char *sts_cache_take_due(struct sts_cache *cache, int64_t now_ms)
{
    while (heap_first_ms(&cache->due) <= now_ms) {
        struct sts_entry *entry = list_entry(heap_first(&cache->due), struct sts_entry, due);
        sts_entry_expire(cache, entry, now_ms);
        if (entry->cached.policy == NULL)
            continue; /* not due any more */
        heap_move(&cache->due, &entry->due, retry_at_ms(cache, now_ms));
        /* A policy that is not in use is looked at now and then: it may be used again. */
        if (now_ms - entry->cached.used_ms > cache->refresh.use_ms)
            continue;
        entry->cached.tried_ms = now_ms;
        return entry->domain;
    }
    return NULL;
}
