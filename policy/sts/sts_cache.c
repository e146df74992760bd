/*
 * MTA-STS policies by domain, in lists by rank, each in the order of last use. Wall-clock
 * time is only carried along: expiry goes by the monotonic clock, so that setting the clock neither
 * ends a policy nor prolongs it.
 */
#include "sts/sts_cache.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TELL_USED_INTERVAL_MS = 60 * 60 * 1000,
    /* Two failures with more time between them, in which nobody looked, are not one that lasts. */
    FAILING_GAP_MS = 24 * 60 * 60 * 1000,
    /* Over how long refreshes are spread that are overdue, after a restart for example. */
    OVERDUE_SPREAD_MS = 60 * 60 * 1000,
    /* One in so many entries more may be a failure when policies fill the cache. */
    FAILURE_SHARE = 8,
    /* A policy that takes more octets than this is large: sixty patterns and more. */
    LARGE_OCTETS = 4096,
    BLOCK_HEAD = 16, /* what malloc adds to a block */
};

/* In the order in which they are evicted. */
enum rank { RANK_FAILURE, RANK_POLICY, RANK_LARGE, RANK_ENFORCE, RANKS };

struct entry {
    struct sts_cached cached;
    struct table_node node;
    struct list lru;
    struct list unsaved; /* in the cache's list of that name, or alone */
    struct heap_item due;
    enum rank rank;
    size_t octets; /* that its policy takes, or itself if it has none */
    char domain[];
};

struct sts_cache {
    struct table table;
    struct list lru[RANKS]; /* least recently used first */
    size_t counts[RANKS];
    size_t octets[RANKS];
    struct heap due; /* all entries, by when they are to be fetched again */
    struct sts_cache_refresh refresh;
    struct list unsaved; /* of which the sink is to be told again */
    size_t max, max_octets;
    struct sts_cache_sink sink;
};

int sts_cache_new(size_t max, struct sts_cache **out)
{
    struct sts_cache *cache = calloc(1, sizeof *cache);
    int status;

    if (cache == NULL)
        return -ENOMEM;
    status = table_init(&cache->table);
    if (status < 0) {
        free(cache);
        return status;
    }
    for (int w = 0; w < RANKS; w++)
        list_init(&cache->lru[w]);
    list_init(&cache->unsaved);
    cache->max = max ? max : 1;
    cache->max_octets = SIZE_MAX;
    *out = cache;
    return 0;
}

static struct entry *entry_of_lru(struct list *link)
{
    return list_entry(link, struct entry, lru);
}

static void entry_drop(struct sts_cache *cache, struct entry *entry)
{
    table_remove(&cache->table, &entry->node);
    list_remove(&entry->lru);
    list_remove(&entry->unsaved);
    heap_remove(&cache->due, &entry->due);
    cache->counts[entry->rank]--;
    cache->octets[entry->rank] -= entry->octets;
    sts_policy_free(entry->cached.policy);
    free(entry);
}

void sts_cache_free(struct sts_cache *cache)
{
    if (cache == NULL)
        return;
    for (int w = 0; w < RANKS; w++) {
        while (!list_empty(&cache->lru[w]))
            entry_drop(cache, entry_of_lru(cache->lru[w].next));
    }
    heap_fini(&cache->due);
    table_fini(&cache->table);
    free(cache);
}

static size_t octets_of(const struct sts_policy *policy)
{
    size_t octets = sizeof *policy + BLOCK_HEAD;

    for (size_t i = 0; i < policy->mx_count; i++)
        octets += sizeof(char *) + BLOCK_HEAD + strlen(policy->mx[i]) + 1;
    return octets + (policy->lines ? BLOCK_HEAD + strlen(policy->lines) + 1 : 0);
}

static enum rank rank_of(const struct entry *entry)
{
    const struct sts_policy *policy = entry->cached.policy;

    if (policy == NULL)
        return RANK_FAILURE;
    if (policy->mode != FINDINGS_STS_MODE_ENFORCE)
        return RANK_POLICY;
    return entry->octets > LARGE_OCTETS ? RANK_LARGE : RANK_ENFORCE;
}

static size_t failure_octets(const struct entry *entry)
{
    return sizeof *entry + strlen(entry->domain) + 1 + BLOCK_HEAD;
}

/* Takes `policy`, which may be NULL. The entry's place is another then. */
static void set_policy(struct sts_cache *cache, struct entry *entry, struct sts_policy *policy)
{
    cache->octets[entry->rank] -= entry->octets;
    sts_policy_free(entry->cached.policy);
    entry->cached.policy = policy;
    entry->octets = policy != NULL ? octets_of(policy) : failure_octets(entry);
    cache->octets[entry->rank] += entry->octets;
}

/* Into the list where it belongs, as the one used last. */
static void entry_rank(struct sts_cache *cache, struct entry *entry)
{
    cache->counts[entry->rank]--;
    cache->octets[entry->rank] -= entry->octets;
    entry->rank = rank_of(entry);
    cache->counts[entry->rank]++;
    cache->octets[entry->rank] += entry->octets;
    list_remove(&entry->lru);
    list_append(&cache->lru[entry->rank], &entry->lru);
}

static void tell_removed(struct sts_cache *cache, const struct entry *entry)
{
    if (entry->cached.policy != NULL && cache->sink.removed != NULL)
        cache->sink.removed(entry->domain, cache->sink.arg);
}

/* Whether there are too many, so that one of this rank must go. None goes for one of lower rank.
 */
static bool is_full(const struct sts_cache *cache, enum rank rank)
{
    size_t failures = cache->counts[RANK_FAILURE], count = 0, octets = 0;

    if (rank == RANK_FAILURE && failures <= cache->max / FAILURE_SHARE + 1 &&
        cache->octets[RANK_FAILURE] <= cache->max_octets / FAILURE_SHARE)
        return false;
    for (int w = rank; w < RANKS; w++) {
        count += cache->counts[w];
        octets += cache->octets[w];
    }
    return count > cache->max || octets > cache->max_octets;
}

/* `spare` has just come in: its caller is not done with it, and it goes when the next comes. */
static void evict_entries(struct sts_cache *cache, const struct entry *spare)
{
    for (int w = 0; w < RANKS; w++) {
        struct list *link = cache->lru[w].next;
        while (link != &cache->lru[w] && is_full(cache, (enum rank)w)) {
            struct entry *entry = entry_of_lru(link);
            link = link->next;
            if (entry == spare)
                continue;
            tell_removed(cache, entry);
            entry_drop(cache, entry);
        }
    }
}

/* ---- refresh ---- */

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

static void set_due(struct sts_cache *cache, struct entry *entry, int64_t at_ms)
{
    heap_move(&cache->due, &entry->due, at_ms);
}

void sts_cache_set_refresh(struct sts_cache *cache, const struct sts_cache_refresh *refresh,
                           int64_t now_ms)
{
    cache->refresh = *refresh;
    for (int w = 0; w < RANKS; w++) {
        for (struct list *l = cache->lru[w].next; l != &cache->lru[w]; l = l->next)
            set_due(cache, entry_of_lru(l), due_ms(cache, &entry_of_lru(l)->cached, now_ms));
    }
}

int64_t sts_cache_next_due(const struct sts_cache *cache)
{
    return heap_first_ms(&cache->due);
}

void sts_cache_set_max(struct sts_cache *cache, size_t max)
{
    cache->max = max ? max : 1;
    evict_entries(cache, NULL);
}

void sts_cache_set_max_octets(struct sts_cache *cache, size_t max)
{
    cache->max_octets = max;
    evict_entries(cache, NULL);
}

void sts_cache_set_sink(struct sts_cache *cache, const struct sts_cache_sink *sink)
{
    cache->sink = *sink;
}

static struct entry *entry_find(const struct sts_cache *cache, const char *domain)
{
    struct table_node *node = table_find(&cache->table, domain);

    return node != NULL ? list_entry(node, struct entry, node) : NULL;
}

static void expire(struct sts_cache *cache, struct entry *entry, int64_t now_ms)
{
    if (entry->cached.policy == NULL || entry->cached.expires_ms > now_ms)
        return;
    tell_removed(cache, entry);
    set_policy(cache, entry, NULL);
    entry->cached.id[0] = '\0';
    set_due(cache, entry, INT64_MAX);
    entry_rank(cache, entry);
}

/* Every use would be a write. */
static void tell_used(struct sts_cache *cache, struct entry *entry, int64_t now_ms)
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
    struct entry *entry = entry_find(cache, domain);

    if (entry == NULL)
        return NULL;
    expire(cache, entry, now_ms);
    if (!use)
        return &entry->cached;
    entry->cached.used_ms = now_ms;
    entry_rank(cache, entry);
    tell_used(cache, entry, now_ms);
    return &entry->cached;
}

/* The entry of a domain, made if need be. */
static struct entry *obtain_entry(struct sts_cache *cache, const char *domain, int64_t now_ms)
{
    struct entry *entry = entry_find(cache, domain);
    size_t len = strlen(domain) + 1;

    if (entry != NULL)
        return entry;
    entry = calloc(1, sizeof *entry + len);
    if (entry == NULL)
        return NULL;
    if (heap_add(&cache->due, &entry->due, INT64_MAX) < 0) {
        free(entry);
        return NULL;
    }
    memcpy(entry->domain, domain, len);
    entry->cached.domain = entry->domain;
    entry->cached.used_ms = now_ms;
    list_init(&entry->lru);
    list_init(&entry->unsaved);
    table_add(&cache->table, &entry->node, entry->domain);
    cache->counts[entry->rank]++;
    set_policy(cache, entry, NULL);
    entry_rank(cache, entry);
    return entry;
}

static struct entry *entry_put(struct sts_cache *cache, const char *domain, const char *id,
                               struct sts_policy *policy, int64_t fetched_ms, int64_t now_ms)
{
    struct entry *entry = obtain_entry(cache, domain, fetched_ms);

    if (entry == NULL) {
        sts_policy_free(policy);
        return NULL;
    }
    set_policy(cache, entry, policy);
    snprintf(entry->cached.id, sizeof entry->cached.id, "%s", id);
    entry->cached.fetched_ms = entry->cached.tried_ms = fetched_ms;
    entry->cached.expires_ms = fetched_ms + (int64_t)policy->max_age_s * 1000;
    entry->cached.failed_id[0] = '\0';
    entry->cached.retry_ms = INT64_MIN;
    entry->cached.failure = FINDINGS_STS_FAILURE_NONE;
    entry->cached.passing = false;
    set_due(cache, entry, due_ms(cache, &entry->cached, now_ms));
    entry_rank(cache, entry);
    evict_entries(cache, entry);
    return entry;
}

const struct sts_cached *sts_cache_put(struct sts_cache *cache, const char *domain, const char *id,
                                       struct sts_policy *policy, const char *body, size_t body_len,
                                       int64_t now_ms, int64_t wall_s)
{
    struct entry *entry = entry_put(cache, domain, id, policy, now_ms, now_ms);

    if (entry == NULL)
        return NULL;
    entry->cached.fetched_wall_s = wall_s;
    entry->cached.told_ms = now_ms;
    list_remove(&entry->unsaved);
    if (cache->sink.saved != NULL)
        cache->sink.saved(&entry->cached, body, body_len, cache->sink.arg);
    return &entry->cached;
}

int sts_cache_restore(struct sts_cache *cache, const char *domain, const char *id,
                      struct sts_policy *policy, int64_t fetched_ms, int64_t fetched_wall_s,
                      int64_t used_ms, int64_t now_ms)
{
    struct entry *entry = entry_put(cache, domain, id, policy, fetched_ms, now_ms);

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
    struct entry *entry = obtain_entry(cache, domain, now_ms);
    struct sts_cached *cached;

    if (entry == NULL)
        return NULL;
    expire(cache, entry, now_ms);
    cached = &entry->cached;
    snprintf(cached->failed_id, sizeof cached->failed_id, "%s", id);
    snprintf(cached->failure_text, sizeof cached->failure_text, "%s", text ? text : "");
    if (passing &&
        (!cached->passing || cached->policy != NULL || now_ms - cached->tried_ms > FAILING_GAP_MS))
        cached->failing_ms = now_ms;
    cached->failure = (uint8_t)failure;
    cached->passing = passing;
    cached->tried_ms = now_ms;
    cached->retry_ms = retry_ms;
    if (cached->policy != NULL && entry->due.at_ms != INT64_MAX)
        set_due(cache, entry, retry_at_ms(cache, now_ms));
    evict_entries(cache, entry);
    return cached;
}

bool sts_cache_forget(struct sts_cache *cache, const char *domain)
{
    struct entry *entry = entry_find(cache, domain);

    if (entry == NULL)
        return false;
    tell_removed(cache, entry);
    entry_drop(cache, entry);
    return true;
}

const char *sts_cache_take_due(struct sts_cache *cache, int64_t now_ms)
{
    while (heap_first_ms(&cache->due) <= now_ms) {
        struct entry *entry = list_entry(heap_first(&cache->due), struct entry, due);
        expire(cache, entry, now_ms);
        if (entry->cached.policy == NULL)
            continue; /* not due any more */
        set_due(cache, entry, retry_at_ms(cache, now_ms));
        /* A policy that is not in use is looked at now and then: it may be used again. */
        if (now_ms - entry->cached.used_ms > cache->refresh.use_ms)
            continue;
        entry->cached.tried_ms = now_ms;
        return entry->domain;
    }
    return NULL;
}

bool sts_cache_may_warn(struct sts_cache *cache, const char *domain, int64_t now_ms,
                        int64_t interval_ms)
{
    struct entry *entry = entry_find(cache, domain);

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
    for (int w = RANK_ENFORCE; w >= RANK_POLICY; w--) {
        for (struct list *l = cache->lru[w].next; l != &cache->lru[w]; l = l->next) {
            list_remove(&entry_of_lru(l)->unsaved);
            list_append(&cache->unsaved, &entry_of_lru(l)->unsaved);
        }
    }
}

bool sts_cache_save_next(struct sts_cache *cache, int64_t now_ms)
{
    while (!list_empty(&cache->unsaved)) {
        struct entry *entry = list_entry(cache->unsaved.next, struct entry, unsaved);
        char *body;

        list_remove(&entry->unsaved);
        expire(cache, entry, now_ms);
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

    for (int w = RANK_POLICY; w < RANKS; w++)
        octets += cache->octets[w];
    return octets;
}
