/*
 * The entries of the cache of MTA-STS policies: what each takes, which is evicted first, and when
 * its policy ends. They hang in a table by domain, in one list for each rank, least recently used
 * first, and in the heap of due times.
 *
 * sts_entry_obtain makes an entry without a policy; after every sts_entry_set_policy comes
 * sts_entry_rank, and sts_entries_evict when all of the change is done.
 */
#include "sts/sts_cache_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* One in so many entries more may be a failure when policies fill the cache. */
    FAILURE_SHARE = 8,
    /* A policy that takes more octets than this is large: sixty patterns and more. */
    LARGE_OCTETS = 4096,
    BLOCK_HEAD = 16, /* what malloc adds to a block */
};

struct sts_entry *sts_entry_of_lru(struct list *link)
{
    return list_entry(link, struct sts_entry, lru);
}

void sts_entry_drop(struct sts_cache *cache, struct sts_entry *entry)
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

static size_t octets_of(const struct sts_policy *policy)
{
    size_t octets = sizeof *policy + BLOCK_HEAD;

    for (size_t i = 0; i < policy->mx_count; i++)
        octets += sizeof(char *) + BLOCK_HEAD + strlen(policy->mx[i]) + 1;
    return octets + (policy->lines != NULL ? BLOCK_HEAD + strlen(policy->lines) + 1 : 0);
}

static enum sts_rank rank_of(const struct sts_entry *entry)
{
    const struct sts_policy *policy = entry->cached.policy;

    if (policy == NULL)
        return STS_RANK_FAILURE;
    if (policy->mode != FINDINGS_STS_MODE_ENFORCE)
        return STS_RANK_POLICY;
    return entry->octets > LARGE_OCTETS ? STS_RANK_LARGE : STS_RANK_ENFORCE;
}

static size_t failure_octets(const struct sts_entry *entry)
{
    return sizeof *entry + strlen(entry->domain) + 1 + BLOCK_HEAD;
}

void sts_entry_set_policy(struct sts_cache *cache, struct sts_entry *entry,
                          struct sts_policy *policy)
{
    cache->octets[entry->rank] -= entry->octets;
    sts_policy_free(entry->cached.policy);
    entry->cached.policy = policy;
    entry->octets = policy != NULL ? octets_of(policy) : failure_octets(entry);
    cache->octets[entry->rank] += entry->octets;
}

void sts_entry_rank(struct sts_cache *cache, struct sts_entry *entry)
{
    cache->counts[entry->rank]--;
    cache->octets[entry->rank] -= entry->octets;
    entry->rank = rank_of(entry);
    cache->counts[entry->rank]++;
    cache->octets[entry->rank] += entry->octets;
    list_remove(&entry->lru);
    list_append(&cache->lru[entry->rank], &entry->lru);
}

void sts_entry_tell_removed(struct sts_cache *cache, const struct sts_entry *entry)
{
    if (entry->cached.policy != NULL && cache->sink.removed != NULL)
        cache->sink.removed(entry->domain, cache->sink.arg);
}

/* Whether there are too many, so that one of this rank must go. None goes for one of lower rank.
 */
static bool is_full(const struct sts_cache *cache, enum sts_rank rank)
{
    size_t failures = cache->counts[STS_RANK_FAILURE], count = 0, octets = 0;

    if (rank == STS_RANK_FAILURE && failures <= cache->max / FAILURE_SHARE + 1 &&
        cache->octets[STS_RANK_FAILURE] <= cache->max_octets / FAILURE_SHARE)
        return false;
    for (int at = rank; at < STS_RANKS; at++) {
        count += cache->counts[at];
        octets += cache->octets[at];
    }
    return count > cache->max || octets > cache->max_octets;
}

void sts_entries_evict(struct sts_cache *cache, const struct sts_entry *spare)
{
    for (int rank = 0; rank < STS_RANKS; rank++) {
        struct list *link = cache->lru[rank].next;
        while (link != &cache->lru[rank] && is_full(cache, (enum sts_rank)rank)) {
            struct sts_entry *entry = sts_entry_of_lru(link);
            link = link->next;
            if (entry == spare)
                continue;
            sts_entry_tell_removed(cache, entry);
            sts_entry_drop(cache, entry);
        }
    }
}

struct sts_entry *sts_entry_find(const struct sts_cache *cache, const char *domain)
{
    struct table_node *node = table_find(&cache->table, domain);

    return node != NULL ? list_entry(node, struct sts_entry, node) : NULL;
}

void sts_entry_expire(struct sts_cache *cache, struct sts_entry *entry, int64_t now_ms)
{
    if (entry->cached.policy == NULL || entry->cached.expires_ms > now_ms)
        return;
    sts_entry_tell_removed(cache, entry);
    sts_entry_set_policy(cache, entry, NULL);
    entry->cached.id[0] = '\0';
    heap_move(&cache->due, &entry->due, INT64_MAX);
    sts_entry_rank(cache, entry);
}

struct sts_entry *sts_entry_obtain(struct sts_cache *cache, const char *domain, int64_t now_ms)
{
    struct sts_entry *entry = sts_entry_find(cache, domain);
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
    sts_entry_set_policy(cache, entry, NULL);
    sts_entry_rank(cache, entry);
    return entry;
}
