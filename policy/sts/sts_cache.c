/*
 * MTA-STS policies by domain: what is looked up, put in force, remembered as failed and told to the
 * sink. sts_cache_entries.c keeps the entries within their bounds, sts_cache_due.c knows when each
 * is to be fetched again. Wall-clock time is only carried along: expiry goes by the monotonic
 * clock, so that setting the clock neither ends a policy nor prolongs it.
 */
#include "sts/sts_cache_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TELL_USED_INTERVAL_MS = 60 * 60 * 1000,
    /* Two failures with more time between them, in which nobody looked, are not one that lasts. */
    FAILING_GAP_MS = 24 * 60 * 60 * 1000,
};

int sts_cache_new(size_t max, struct sts_cache **out)
{
    struct sts_cache *cache = calloc(1, sizeof *cache);
    int error;

    if (cache == NULL)
        return -ENOMEM;
    error = table_init(&cache->table);
    if (error < 0) {
        free(cache);
        return error;
    }
    for (int rank = 0; rank < STS_RANKS; rank++)
        list_init(&cache->lru[rank]);
    list_init(&cache->unsaved);
    cache->max = max ? max : 1;
    cache->max_octets = SIZE_MAX;
    *out = cache;
    return 0;
}

void sts_cache_free(struct sts_cache *cache)
{
    if (cache == NULL)
        return;
    for (int rank = 0; rank < STS_RANKS; rank++) {
        while (!list_empty(&cache->lru[rank]))
            sts_entry_drop(cache, sts_entry_of_lru(cache->lru[rank].next));
    }
    heap_fini(&cache->due);
    table_fini(&cache->table);
    free(cache);
}

void sts_cache_set_max(struct sts_cache *cache, size_t max)
{
    cache->max = max ? max : 1;
    sts_entries_evict(cache, NULL);
}

void sts_cache_set_max_octets(struct sts_cache *cache, size_t max)
{
    cache->max_octets = max;
    sts_entries_evict(cache, NULL);
}

void sts_cache_set_sink(struct sts_cache *cache, const struct sts_cache_sink *sink)
{
    cache->sink = *sink;
}

/* Every use would be a write. */
static void tell_used(struct sts_cache *cache, struct sts_entry *entry, int64_t now_ms)
{
    if (entry->cached.policy == NULL || cache->sink.used == NULL ||
        now_ms - entry->cached.told_ms < TELL_USED_INTERVAL_MS)
        return;
    entry->cached.told_ms = now_ms;
    cache->sink.used(&entry->cached, cache->sink.arg);
}

const struct sts_cached *sts_cache_find(struct sts_cache *cache, const char *domain, int64_t now_ms,
                                        bool use)
{
    struct sts_entry *entry = sts_entry_find(cache, domain);

    if (entry == NULL)
        return NULL;
    sts_entry_expire(cache, entry, now_ms);
    if (!use)
        return &entry->cached;
    entry->cached.used_ms = now_ms;
    sts_entry_rank(cache, entry);
    tell_used(cache, entry, now_ms);
    return &entry->cached;
}

static struct sts_entry *entry_put(struct sts_cache *cache, const char *domain, const char *id,
                                   struct sts_policy *policy, int64_t fetched_ms, int64_t now_ms)
{
    struct sts_entry *entry = sts_entry_obtain(cache, domain, now_ms);

    if (entry == NULL) {
        sts_policy_free(policy);
        return NULL;
    }
    sts_entry_set_policy(cache, entry, policy);
    snprintf(entry->cached.id, sizeof entry->cached.id, "%s", id);
    entry->cached.fetched_ms = entry->cached.tried_ms = fetched_ms;
    entry->cached.expires_ms = fetched_ms + (int64_t)policy->max_age_s * 1000;
    entry->cached.failed_id[0] = '\0';
    entry->cached.retry_ms = INT64_MIN;
    entry->cached.failure = FINDINGS_STS_FAILURE_NONE;
    entry->cached.passing = false;
    sts_due_after_fetch(cache, entry, now_ms);
    sts_entry_rank(cache, entry);
    sts_entries_evict(cache, entry);
    return entry;
}

const struct sts_cached *sts_cache_take_over(struct sts_cache *cache, const char *domain,
                                             const char *id, struct sts_policy *policy,
                                             const char *body, size_t body_len, int64_t fetched_ms,
                                             int64_t fetched_wall_s, int64_t now_ms)
{
    struct sts_entry *entry = entry_put(cache, domain, id, policy, fetched_ms, now_ms);

    if (entry == NULL)
        return NULL;
    entry->cached.fetched_wall_s = fetched_wall_s;
    entry->cached.told_ms = now_ms;
    list_remove(&entry->unsaved);
    if (cache->sink.saved != NULL)
        cache->sink.saved(&entry->cached, body, body_len, cache->sink.arg);
    return &entry->cached;
}

const struct sts_cached *sts_cache_put(struct sts_cache *cache, const char *domain, const char *id,
                                       struct sts_policy *policy, const char *body, size_t body_len,
                                       int64_t now_ms, int64_t wall_s)
{
    return sts_cache_take_over(cache, domain, id, policy, body, body_len, now_ms, wall_s, now_ms);
}

int sts_cache_restore(struct sts_cache *cache, const char *domain, const char *id,
                      struct sts_policy *policy, int64_t fetched_ms, int64_t fetched_wall_s,
                      int64_t used_ms, int64_t now_ms)
{
    struct sts_entry *entry = entry_put(cache, domain, id, policy, fetched_ms, now_ms);

    if (entry == NULL)
        return -ENOMEM;
    entry->cached.fetched_wall_s = fetched_wall_s;
    entry->cached.used_ms = entry->cached.told_ms = used_ms;
    return 0;
}

const struct sts_cached *sts_cache_fail(struct sts_cache *cache, const char *domain, const char *id,
                                        enum findings_sts_failure failure, bool passing,
                                        const char *text, int64_t now_ms, int64_t retry_ms)
{
    struct sts_entry *entry = sts_entry_obtain(cache, domain, now_ms);
    struct sts_cached *cached;

    if (entry == NULL)
        return NULL;
    sts_entry_expire(cache, entry, now_ms);
    cached = &entry->cached;
    snprintf(cached->failed_id, sizeof cached->failed_id, "%s", id);
    snprintf(cached->failure_text, sizeof cached->failure_text, "%s", text != NULL ? text : "");
    if (passing &&
        (!cached->passing || cached->policy != NULL || now_ms - cached->tried_ms > FAILING_GAP_MS))
        cached->failing_ms = now_ms;
    cached->failure = (uint8_t)failure;
    cached->passing = passing;
    cached->tried_ms = now_ms;
    cached->retry_ms = retry_ms;
    sts_due_after_failure(cache, entry, now_ms);
    sts_entries_evict(cache, entry);
    return cached;
}

bool sts_cache_forget(struct sts_cache *cache, const char *domain)
{
    struct sts_entry *entry = sts_entry_find(cache, domain);

    if (entry == NULL)
        return false;
    sts_entry_tell_removed(cache, entry);
    sts_entry_drop(cache, entry);
    return true;
}

bool sts_cache_may_warn(struct sts_cache *cache, const char *domain, int64_t now_ms,
                        int64_t interval_ms)
{
    struct sts_entry *entry = sts_entry_find(cache, domain);

    if (entry == NULL || (entry->cached.warned && now_ms - entry->cached.warned_ms < interval_ms))
        return false;
    entry->cached.warned = true;
    entry->cached.warned_ms = now_ms;
    return true;
}

size_t sts_cache_count(const struct sts_cache *cache)
{
    return cache->table.count;
}

void sts_cache_save_again(struct sts_cache *cache)
{
    /* The most valuable first. */
    for (int rank = STS_RANK_ENFORCE; rank >= STS_RANK_POLICY; rank--) {
        for (struct list *l = cache->lru[rank].next; l != &cache->lru[rank]; l = l->next) {
            list_remove(&sts_entry_of_lru(l)->unsaved);
            list_append(&cache->unsaved, &sts_entry_of_lru(l)->unsaved);
        }
    }
}

bool sts_cache_save_next(struct sts_cache *cache, int64_t now_ms)
{
    while (!list_empty(&cache->unsaved)) {
        struct sts_entry *entry = list_entry(cache->unsaved.next, struct sts_entry, unsaved);
        char *body;

        list_remove(&entry->unsaved);
        sts_entry_expire(cache, entry, now_ms);
        body = entry->cached.policy != NULL ? sts_policy_text(entry->cached.policy) : NULL;
        if (body == NULL)
            continue;
        if (cache->sink.saved != NULL)
            cache->sink.saved(&entry->cached, body, strlen(body), cache->sink.arg);
        free(body);
        return true;
    }
    return false;
}

size_t sts_cache_octets(const struct sts_cache *cache)
{
    size_t octets = 0;

    for (int rank = STS_RANK_POLICY; rank < STS_RANKS; rank++)
        octets += cache->octets[rank];
    return octets;
}
