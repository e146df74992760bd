/*
 * MTA-STS policies by domain, in three lists by worth, each in the order of last use. Wall-clock
 * time is only carried along: expiry goes by the monotonic clock, so that setting the clock neither
 * ends a policy nor prolongs it.
 */
#include "sts_cache.h"

#include "list.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TELL_USED_INTERVAL_MS = 60 * 60 * 1000,
    /* Two failures with more time between them, in which nobody looked, are not one that lasts. */
    FAILING_GAP_MS = 24 * 60 * 60 * 1000,
};

/* In the order in which they are evicted. */
enum worth { WORTH_FAILURE, WORTH_POLICY, WORTH_ENFORCE, WORTHS };

struct entry {
    struct sts_cached cached;
    struct table_node node;
    struct list lru;
    enum worth worth;
    char domain[];
};

struct sts_cache {
    struct table table;
    struct list lru[WORTHS]; /* least recently used first */
    size_t max;
    struct sts_cache_sink sink;
};

int sts_cache_new(size_t max, struct sts_cache **out)
{
    struct sts_cache *cache = calloc(1, sizeof *cache);
    int status;

    if (!cache)
        return -ENOMEM;
    status = table_init(&cache->table);
    if (status < 0) {
        free(cache);
        return status;
    }
    for (int w = 0; w < WORTHS; w++)
        list_init(&cache->lru[w]);
    cache->max = max ? max : 1;
    *out = cache;
    return 0;
}

static struct entry *entry_of_lru(struct list *link)
{
    return list_entry(link, struct entry, lru);
}

static void drop(struct sts_cache *cache, struct entry *entry)
{
    table_remove(&cache->table, &entry->node);
    list_remove(&entry->lru);
    sts_policy_free(entry->cached.policy);
    free(entry);
}

void sts_cache_free(struct sts_cache *cache)
{
    if (!cache)
        return;
    for (int w = 0; w < WORTHS; w++) {
        while (!list_empty(&cache->lru[w]))
            drop(cache, entry_of_lru(cache->lru[w].next));
    }
    table_fini(&cache->table);
    free(cache);
}

static enum worth worth_of(const struct sts_cached *cached)
{
    if (!cached->policy)
        return WORTH_FAILURE;
    return cached->policy->mode == FINDINGS_STS_MODE_ENFORCE ? WORTH_ENFORCE : WORTH_POLICY;
}

/* Into the list where it belongs, as the one used last. */
static void place(struct sts_cache *cache, struct entry *entry)
{
    entry->worth = worth_of(&entry->cached);
    list_remove(&entry->lru);
    list_append(&cache->lru[entry->worth], &entry->lru);
}

static void tell_removed(struct sts_cache *cache, const struct entry *entry)
{
    if (entry->cached.policy && cache->sink.removed)
        cache->sink.removed(entry->domain, cache->sink.arg);
}

static void evict(struct sts_cache *cache, const struct entry *spare)
{
    for (int w = 0; w < WORTHS && cache->table.count > cache->max; w++) {
        struct list *link = cache->lru[w].next;
        while (link != &cache->lru[w] && cache->table.count > cache->max) {
            struct entry *entry = entry_of_lru(link);
            link = link->next;
            if (entry == spare)
                continue;
            tell_removed(cache, entry);
            drop(cache, entry);
        }
    }
}

void sts_cache_set_max(struct sts_cache *cache, size_t max)
{
    cache->max = max ? max : 1;
    evict(cache, NULL);
}

void sts_cache_set_sink(struct sts_cache *cache, const struct sts_cache_sink *sink)
{
    cache->sink = *sink;
}

static struct entry *find(const struct sts_cache *cache, const char *domain)
{
    struct table_node *node = table_find(&cache->table, domain);

    return node ? list_entry(node, struct entry, node) : NULL;
}

static void expire(struct sts_cache *cache, struct entry *entry, int64_t now_ms)
{
    if (!entry->cached.policy || entry->cached.expires_ms > now_ms)
        return;
    tell_removed(cache, entry);
    sts_policy_free(entry->cached.policy);
    entry->cached.policy = NULL;
    entry->cached.id[0] = '\0';
    place(cache, entry);
}

/* Every use would be a write. */
static void tell_used(struct sts_cache *cache, struct entry *entry, int64_t now_ms)
{
    if (!entry->cached.policy || !cache->sink.used ||
        now_ms - entry->cached.told_ms < TELL_USED_INTERVAL_MS)
        return;
    entry->cached.told_ms = now_ms;
    cache->sink.used(&entry->cached, cache->sink.arg);
}

const struct sts_cached *sts_cache_find(struct sts_cache *cache, const char *domain, int64_t now_ms,
                                        bool use)
{
    struct entry *entry = find(cache, domain);

    if (!entry)
        return NULL;
    expire(cache, entry, now_ms);
    if (!use)
        return &entry->cached;
    entry->cached.used_ms = now_ms;
    place(cache, entry);
    tell_used(cache, entry, now_ms);
    return &entry->cached;
}

/* The entry of a domain, made if need be. */
static struct entry *obtain(struct sts_cache *cache, const char *domain, int64_t now_ms)
{
    struct entry *entry = find(cache, domain);
    size_t len = strlen(domain) + 1;

    if (entry)
        return entry;
    entry = calloc(1, sizeof *entry + len);
    if (!entry)
        return NULL;
    memcpy(entry->domain, domain, len);
    entry->cached.domain = entry->domain;
    entry->cached.used_ms = now_ms;
    list_init(&entry->lru);
    table_add(&cache->table, &entry->node, entry->domain);
    place(cache, entry);
    evict(cache, entry);
    return entry;
}

static struct entry *put(struct sts_cache *cache, const char *domain, const char *id,
                         struct sts_policy *policy, int64_t fetched_ms)
{
    struct entry *entry = obtain(cache, domain, fetched_ms);

    if (!entry) {
        sts_policy_free(policy);
        return NULL;
    }
    sts_policy_free(entry->cached.policy);
    entry->cached.policy = policy;
    snprintf(entry->cached.id, sizeof entry->cached.id, "%s", id);
    entry->cached.fetched_ms = entry->cached.tried_ms = fetched_ms;
    entry->cached.expires_ms = fetched_ms + (int64_t)policy->max_age_s * 1000;
    entry->cached.failed_id[0] = '\0';
    entry->cached.retry_ms = INT64_MIN;
    entry->cached.failure = FINDINGS_STS_FAILURE_NONE;
    entry->cached.passing = false;
    place(cache, entry);
    return entry;
}

const struct sts_cached *sts_cache_put(struct sts_cache *cache, const char *domain, const char *id,
                                       struct sts_policy *policy, const char *body, size_t body_len,
                                       int64_t now_ms, int64_t wall_s)
{
    struct entry *entry = put(cache, domain, id, policy, now_ms);

    if (!entry)
        return NULL;
    entry->cached.fetched_wall_s = wall_s;
    entry->cached.told_ms = now_ms;
    if (cache->sink.saved)
        cache->sink.saved(&entry->cached, body, body_len, cache->sink.arg);
    return &entry->cached;
}

int sts_cache_restore(struct sts_cache *cache, const char *domain, const char *id,
                      struct sts_policy *policy, int64_t fetched_ms, int64_t fetched_wall_s,
                      int64_t used_ms)
{
    struct entry *entry = put(cache, domain, id, policy, fetched_ms);

    if (!entry)
        return -ENOMEM;
    entry->cached.fetched_wall_s = fetched_wall_s;
    entry->cached.used_ms = entry->cached.told_ms = used_ms;
    return 0;
}

const struct sts_cached *sts_cache_fail(struct sts_cache *cache, const char *domain, const char *id,
                                        enum findings_sts_failure failure, bool passing,
                                        const char *text, int64_t now_ms, int64_t retry_ms)
{
    struct entry *entry = obtain(cache, domain, now_ms);
    struct sts_cached *cached;

    if (!entry)
        return NULL;
    expire(cache, entry, now_ms);
    cached = &entry->cached;
    snprintf(cached->failed_id, sizeof cached->failed_id, "%s", id);
    snprintf(cached->failure_text, sizeof cached->failure_text, "%s", text ? text : "");
    if (passing && (!cached->passing || now_ms - cached->tried_ms > FAILING_GAP_MS))
        cached->failing_ms = now_ms;
    cached->failure = (uint8_t)failure;
    cached->passing = passing;
    cached->tried_ms = now_ms;
    cached->retry_ms = retry_ms;
    return cached;
}

bool sts_cache_forget(struct sts_cache *cache, const char *domain)
{
    struct entry *entry = find(cache, domain);

    if (!entry)
        return false;
    tell_removed(cache, entry);
    drop(cache, entry);
    return true;
}

static bool is_due(const struct sts_cached *cached, int64_t now_ms,
                   const struct sts_cache_refresh *refresh)
{
    int64_t half_ms, age_ms = now_ms - cached->fetched_ms;

    if (!cached->policy || cached->expires_ms <= now_ms || cached->retry_ms > now_ms)
        return false;
    half_ms = (int64_t)cached->policy->max_age_s * 500;
    return age_ms >= (half_ms < refresh->age_ms ? half_ms : refresh->age_ms) &&
           now_ms - cached->tried_ms >= refresh->retry_ms &&
           now_ms - cached->used_ms <= refresh->use_ms;
}

size_t sts_cache_due(struct sts_cache *cache, int64_t now_ms,
                     const struct sts_cache_refresh *refresh, const char **domains, size_t max)
{
    size_t count = 0;

    /* The most valuable first. */
    for (int w = WORTH_ENFORCE; w >= WORTH_POLICY; w--) {
        for (struct list *l = cache->lru[w].next; l != &cache->lru[w] && count < max; l = l->next) {
            const struct entry *entry = entry_of_lru(l);
            if (is_due(&entry->cached, now_ms, refresh))
                domains[count++] = entry->domain;
        }
    }
    return count;
}

void sts_cache_tried(struct sts_cache *cache, const char *domain, int64_t now_ms)
{
    struct entry *entry = find(cache, domain);

    if (entry)
        entry->cached.tried_ms = now_ms;
}

bool sts_cache_may_warn(struct sts_cache *cache, const char *domain, int64_t now_ms,
                        int64_t interval_ms)
{
    struct entry *entry = find(cache, domain);

    if (!entry || (entry->cached.warned && now_ms - entry->cached.warned_ms < interval_ms))
        return false;
    entry->cached.warned = true;
    entry->cached.warned_ms = now_ms;
    return true;
}

size_t sts_cache_count(const struct sts_cache *cache)
{
    return cache->table.count;
}
