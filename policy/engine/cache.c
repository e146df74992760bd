/*
 * The cache of findings. Entries hang in a table that knows which was used least recently (lru.h),
 * and in a heap by the time at which something is to be done about them (heap.h). A hundred
 * thousand plain domains must fit in 60 MB, findings included, so an entry is kept small.
 *
 * cache_put keeps findings, cache_get and cache_look find them, cache_take_due gives what is to be
 * renewed and drops what has ended. What goes over all entries is in cache_walk.c.
 */
#include "engine/cache_internal.h"

#include "findings/findings_make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* How often an entry is renewed ahead of time without a use in between. Two, since a resolver
     * answers the first from its own cache, with the little life that is left there. */
    RENEWALS_PER_USE = 2,
    TOO_LARGE = 16, /* findings of more than one of so many parts are not kept */
};

int cache_new(size_t max, struct cache **out)
{
    struct cache *cache = calloc(1, sizeof *cache);
    int error;

    if (cache == NULL)
        return -ENOMEM;
    error = lru_init(&cache->lru);
    if (error < 0) {
        free(cache);
        return error;
    }
    cache->max = max ? max : 1;
    cache->max_octets = SIZE_MAX;
    *out = cache;
    return 0;
}

static struct cache_entry *entry_of(struct lru_entry *lru)
{
    return lru != NULL ? list_entry(lru, struct cache_entry, lru) : NULL;
}

static struct cache_entry *entry_find(const struct cache *cache, const char *text)
{
    return entry_of(lru_find(&cache->lru, text));
}

/* What an entry with these findings takes: both blocks of memory, its slot and its place in the
 * heap. */
static size_t octets_of(const struct findings *findings)
{
    return findings_size(findings) + sizeof(struct cache_entry) + 2 * LRU_BLOCK_HEAD +
           3 * sizeof(void *);
}

void cache_entry_drop(struct cache *cache, struct cache_entry *entry)
{
    lru_remove(&cache->lru, &entry->lru, octets_of(entry->findings));
    heap_remove(&cache->heap, &entry->heap);
    findings_unref(entry->findings);
    free(entry);
}

static void evict_least_used(struct cache *cache)
{
    while (cache->lru.table.count > 0 &&
           (cache->lru.table.count > cache->max || cache->lru.octets > cache->max_octets))
        cache_entry_drop(cache, entry_of(lru_first(&cache->lru)));
}

static void drop_entries(struct cache *cache)
{
    struct cache_entry *entry;

    while ((entry = entry_of(lru_first(&cache->lru))) != NULL)
        cache_entry_drop(cache, entry);
}

void cache_clear(struct cache *cache)
{
    pthread_mutex_lock(&cache->lru.lock);
    drop_entries(cache);
    pthread_mutex_unlock(&cache->lru.lock);
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    drop_entries(cache);
    heap_fini(&cache->heap);
    lru_fini(&cache->lru);
    free(cache);
}

void cache_set_max(struct cache *cache, size_t max)
{
    pthread_mutex_lock(&cache->lru.lock);
    cache->max = max ? max : 1;
    evict_least_used(cache);
    pthread_mutex_unlock(&cache->lru.lock);
}

static bool security_agrees(const struct cache_entry *entry, bool security_known)
{
    return entry->findings->security_known || !security_known;
}

void cache_set_max_octets(struct cache *cache, size_t max)
{
    pthread_mutex_lock(&cache->lru.lock);
    cache->max_octets = max;
    evict_least_used(cache);
    pthread_mutex_unlock(&cache->lru.lock);
}

bool cache_entry_holds(const struct cache_entry *entry, int64_t now_ms, bool security_known)
{
    return security_agrees(entry, security_known) && findings_ends_first(&entry->ends) > now_ms;
}

const struct findings *cache_get(struct cache *cache, const char *text, int64_t now_ms,
                                 bool security_known)
{
    const struct findings *findings = NULL;
    struct cache_entry *entry;

    pthread_mutex_lock(&cache->lru.lock);
    entry = entry_find(cache, text);
    if (entry != NULL && cache_entry_holds(entry, now_ms, security_known)) {
        findings = findings_ref(entry->findings);
        entry->renewals = RENEWALS_PER_USE;
        lru_use(&cache->lru, &entry->lru);
    }
    pthread_mutex_unlock(&cache->lru.lock);
    return findings;
}

void cache_look(struct cache *cache, const char *text, bool security_known, struct cache_view *out)
{
    struct cache_entry *entry;

    *out = (struct cache_view){NULL, findings_ends_all(INT64_MIN)};
    pthread_mutex_lock(&cache->lru.lock);
    entry = entry_find(cache, text);
    if (entry != NULL) {
        out->findings = findings_ref(entry->findings);
        out->ends = entry->ends;
        if (!security_agrees(entry, security_known))
            out->ends.ms[FINDINGS_PART_DANE] = INT64_MIN;
    }
    pthread_mutex_unlock(&cache->lru.lock);
}

/* The key points into the findings, so it moves along with them. What is put in anew is not used by
 * that. */
static void set_findings(struct cache *cache, struct cache_entry *entry,
                         const struct findings *findings)
{
    const struct findings *old = entry->findings;
    const char *text = findings->nexthop.text;

    entry->findings = findings_ref(findings);
    if (old == NULL)
        lru_add(&cache->lru, &entry->lru, text, octets_of(findings));
    else
        lru_rekey(&cache->lru, &entry->lru, text, octets_of(findings), octets_of(old));
    findings_unref(old);
}

static struct cache_entry *entry_obtain(struct cache *cache, const struct findings *findings,
                                        int64_t due_ms)
{
    struct cache_entry *entry = entry_find(cache, findings->nexthop.text);

    if (entry != NULL)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    if (heap_add(&cache->heap, &entry->heap, due_ms) < 0) {
        free(entry);
        return NULL;
    }
    return entry;
}

static bool entry_put(struct cache *cache, const struct findings *findings,
                      const struct findings_ends *ends, int64_t due_ms)
{
    struct cache_entry *entry = entry_obtain(cache, findings, due_ms);

    if (entry == NULL)
        return false;
    set_findings(cache, entry, findings);
    entry->ends = *ends;
    heap_move(&cache->heap, &entry->heap, due_ms);
    evict_least_used(cache);
    return true;
}

int cache_put(struct cache *cache, const struct findings *findings,
              const struct findings_ends *ends, int64_t due_ms)
{
    struct cache_entry *entry;
    bool kept = true;

    pthread_mutex_lock(&cache->lru.lock);
    if (octets_of(findings) <= cache->max_octets / TOO_LARGE) {
        kept = entry_put(cache, findings, ends, due_ms);
    } else {
        entry = entry_find(cache, findings->nexthop.text);
        if (entry != NULL)
            cache_entry_drop(cache, entry);
    }
    pthread_mutex_unlock(&cache->lru.lock);
    return kept ? 0 : -ENOMEM;
}

bool cache_remove(struct cache *cache, const char *text)
{
    struct cache_entry *entry;

    pthread_mutex_lock(&cache->lru.lock);
    entry = entry_find(cache, text);
    if (entry != NULL)
        cache_entry_drop(cache, entry);
    pthread_mutex_unlock(&cache->lru.lock);
    return entry != NULL;
}

int64_t cache_next_due(struct cache *cache)
{
    int64_t due_ms;

    pthread_mutex_lock(&cache->lru.lock);
    due_ms = heap_first_ms(&cache->heap);
    pthread_mutex_unlock(&cache->lru.lock);
    return due_ms;
}

bool cache_take_due(struct cache *cache, int64_t now_ms, char text[NEXTHOP_TEXT_MAX + 1])
{
    bool taken = false;

    pthread_mutex_lock(&cache->lru.lock);
    while (!taken && heap_first_ms(&cache->heap) <= now_ms) {
        struct cache_entry *entry = list_entry(heap_first(&cache->heap), struct cache_entry, heap);
        int64_t first_ms = findings_ends_first(&entry->ends);
        int64_t last_ms = findings_ends_last(&entry->ends);

        if (entry->renewals > 0) {
            entry->renewals--;
            strcpy(text, entry->findings->nexthop.text);
            taken = true;
            heap_move(&cache->heap, &entry->heap, first_ms > now_ms ? first_ms : now_ms + 1000);
        } else if (last_ms > now_ms) {
            /* A use until its first part ends would renew it yet. */
            heap_move(&cache->heap, &entry->heap, first_ms > now_ms ? first_ms : last_ms);
        } else {
            cache_entry_drop(cache, entry);
        }
    }
    pthread_mutex_unlock(&cache->lru.lock);
    return taken;
}

size_t cache_octets(struct cache *cache)
{
    return lru_octets(&cache->lru);
}

size_t cache_count(struct cache *cache)
{
    return lru_count(&cache->lru);
}
