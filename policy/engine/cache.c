/*
 * The cache of findings. Entries hang in three structures: a hash table, a list by last use, and a
 * heap by the time at which something is to be done about them (heap.h). A hundred thousand
 * plain domains must fit in 60 MB, findings included, so an entry is kept small.
 */
#include "engine/cache.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "findings/findings_make.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* How often an entry is renewed ahead of time without a use in between. Two, since a resolver
     * answers the first from its own cache, with the little life that is left there. */
    RENEWALS_PER_USE = 2,
    BLOCK_HEAD = 16,       /* what malloc adds to a block */
    TOO_LARGE = 16,        /* findings of more than one of so many parts are not kept */
    SNAPSHOT_PIECE = 1000, /* entries copied under one hold of the lock */
};

struct entry {
    struct table_node node;
    struct list lru;
    struct heap_item heap;
    const struct findings *findings;
    struct findings_ends ends;
    uint8_t renewals; /* that are still due to the last use */
};

struct cache {
    pthread_mutex_t lock;
    struct table table;
    struct list lru; /* least recently used first */
    struct heap heap;
    size_t max;
    size_t octets, max_octets;
};

int cache_new(size_t max, struct cache **out)
{
    struct cache *cache = calloc(1, sizeof *cache);
    int status;

    if (cache == NULL)
        return -ENOMEM;
    status = table_init(&cache->table);
    if (status == 0) {
        status = -pthread_mutex_init(&cache->lock, NULL);
        if (status < 0)
            table_fini(&cache->table);
    }
    if (status < 0) {
        free(cache);
        return status;
    }
    list_init(&cache->lru);
    cache->max = max ? max : 1;
    cache->max_octets = SIZE_MAX;
    *out = cache;
    return 0;
}

static struct entry *entry_find(const struct cache *cache, const char *text)
{
    struct table_node *node = table_find(&cache->table, text);

    return node != NULL ? list_entry(node, struct entry, node) : NULL;
}

/* What an entry with these findings takes: both blocks of memory, its slot and its place in the
 * heap. */
static size_t octets_of(const struct findings *findings)
{
    return findings_size(findings) + sizeof(struct entry) + 2 * BLOCK_HEAD + 3 * sizeof(void *);
}

static void entry_drop(struct cache *cache, struct entry *entry)
{
    cache->octets -= octets_of(entry->findings);
    table_remove(&cache->table, &entry->node);
    list_remove(&entry->lru);
    heap_remove(&cache->heap, &entry->heap);
    findings_unref(entry->findings);
    free(entry);
}

static void evict(struct cache *cache)
{
    while (cache->table.count > 0 &&
           (cache->table.count > cache->max || cache->octets > cache->max_octets))
        entry_drop(cache, list_entry(cache->lru.next, struct entry, lru));
}

static void drop_all(struct cache *cache)
{
    while (!list_empty(&cache->lru))
        entry_drop(cache, list_entry(cache->lru.next, struct entry, lru));
}

void cache_clear(struct cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    drop_all(cache);
    pthread_mutex_unlock(&cache->lock);
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    drop_all(cache);
    heap_fini(&cache->heap);
    table_fini(&cache->table);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

void cache_set_max(struct cache *cache, size_t max)
{
    pthread_mutex_lock(&cache->lock);
    cache->max = max ? max : 1;
    evict(cache);
    pthread_mutex_unlock(&cache->lock);
}

static bool agrees(const struct entry *entry, bool security_known)
{
    return entry->findings->security_known || !security_known;
}

void cache_set_max_octets(struct cache *cache, size_t max)
{
    pthread_mutex_lock(&cache->lock);
    cache->max_octets = max;
    evict(cache);
    pthread_mutex_unlock(&cache->lock);
}

static bool holds(const struct entry *entry, int64_t now_ms, bool security_known)
{
    return agrees(entry, security_known) && findings_ends_first(&entry->ends) > now_ms;
}

const struct findings *cache_get(struct cache *cache, const char *text, int64_t now_ms,
                                 bool security_known)
{
    const struct findings *findings = NULL;
    struct entry *entry;

    pthread_mutex_lock(&cache->lock);
    entry = entry_find(cache, text);
    if (entry != NULL && holds(entry, now_ms, security_known)) {
        findings = findings_ref(entry->findings);
        entry->renewals = RENEWALS_PER_USE;
        list_remove(&entry->lru);
        list_append(&cache->lru, &entry->lru);
    }
    pthread_mutex_unlock(&cache->lock);
    return findings;
}

void cache_look(struct cache *cache, const char *text, bool security_known, struct cache_view *out)
{
    struct entry *entry;

    *out = (struct cache_view){NULL, findings_ends_all(INT64_MIN)};
    pthread_mutex_lock(&cache->lock);
    entry = entry_find(cache, text);
    if (entry != NULL) {
        out->findings = findings_ref(entry->findings);
        out->ends = entry->ends;
        if (!agrees(entry, security_known))
            out->ends.ms[FINDINGS_PART_DANE] = INT64_MIN;
    }
    pthread_mutex_unlock(&cache->lock);
}

/* The key points into the findings, so the node moves along with them. */
static void set_findings(struct cache *cache, struct entry *entry, const struct findings *findings)
{
    if (entry->findings != NULL) {
        cache->octets -= octets_of(entry->findings);
        table_remove(&cache->table, &entry->node);
        findings_unref(entry->findings);
    }
    entry->findings = findings_ref(findings);
    cache->octets += octets_of(findings);
    table_add(&cache->table, &entry->node, entry->findings->nexthop.text);
}

static struct entry *obtain(struct cache *cache, const struct findings *findings, int64_t due_ms)
{
    struct entry *entry = entry_find(cache, findings->nexthop.text);

    if (entry != NULL)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    if (heap_add(&cache->heap, &entry->heap, due_ms) < 0) {
        free(entry);
        return NULL;
    }
    list_init(&entry->lru);
    return entry;
}

static bool entry_put(struct cache *cache, const struct findings *findings,
                      const struct findings_ends *ends, int64_t due_ms)
{
    struct entry *entry = obtain(cache, findings, due_ms);

    if (entry == NULL)
        return false;
    if (entry->findings == NULL)
        list_append(&cache->lru, &entry->lru);
    set_findings(cache, entry, findings);
    entry->ends = *ends;
    heap_move(&cache->heap, &entry->heap, due_ms);
    evict(cache);
    return true;
}

int cache_put(struct cache *cache, const struct findings *findings,
              const struct findings_ends *ends, int64_t due_ms)
{
    struct entry *entry;
    bool kept = true;

    pthread_mutex_lock(&cache->lock);
    if (octets_of(findings) <= cache->max_octets / TOO_LARGE) {
        kept = entry_put(cache, findings, ends, due_ms);
    } else {
        entry = entry_find(cache, findings->nexthop.text);
        if (entry != NULL)
            entry_drop(cache, entry);
    }
    pthread_mutex_unlock(&cache->lock);
    return kept ? 0 : -ENOMEM;
}

bool cache_remove(struct cache *cache, const char *text)
{
    struct entry *entry;

    pthread_mutex_lock(&cache->lock);
    entry = entry_find(cache, text);
    if (entry != NULL)
        entry_drop(cache, entry);
    pthread_mutex_unlock(&cache->lock);
    return entry != NULL;
}

/* The entries of one slot of the table. */
static size_t remove_in_slot(struct cache *cache, size_t slot, cache_match_fn match, void *arg)
{
    struct table_node *next;
    size_t removed = 0;

    for (struct table_node *node = cache->table.slots[slot]; node; node = next) {
        struct entry *entry = list_entry(node, struct entry, node);

        next = node->next;
        if (match(entry->findings, arg)) {
            entry_drop(cache, entry);
            removed++;
        }
    }
    return removed;
}

size_t cache_remove_all(struct cache *cache, cache_match_fn match, void *arg)
{
    size_t removed = 0, slot = 0;
    bool more = true;

    while (more) {
        pthread_mutex_lock(&cache->lock);
        for (size_t n = 0; n < SNAPSHOT_PIECE && slot < cache->table.slot_count; n++)
            removed += remove_in_slot(cache, slot++, match, arg);
        more = slot < cache->table.slot_count;
        pthread_mutex_unlock(&cache->lock);
    }
    return removed;
}

int64_t cache_next_due(struct cache *cache)
{
    int64_t due_ms;

    pthread_mutex_lock(&cache->lock);
    due_ms = heap_first_ms(&cache->heap);
    pthread_mutex_unlock(&cache->lock);
    return due_ms;
}

bool cache_take_due(struct cache *cache, int64_t now_ms, char text[NEXTHOP_TEXT_MAX + 1])
{
    bool taken = false;

    pthread_mutex_lock(&cache->lock);
    while (!taken && heap_first_ms(&cache->heap) <= now_ms) {
        struct entry *entry = list_entry(heap_first(&cache->heap), struct entry, heap);
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
            entry_drop(cache, entry);
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return taken;
}

void cache_set_due(struct cache *cache, const char *text, int64_t due_ms)
{
    struct entry *entry;

    pthread_mutex_lock(&cache->lock);
    entry = entry_find(cache, text);
    if (entry != NULL)
        heap_move(&cache->heap, &entry->heap, due_ms);
    pthread_mutex_unlock(&cache->lock);
}

size_t cache_octets(struct cache *cache)
{
    size_t octets;

    pthread_mutex_lock(&cache->lock);
    octets = cache->octets;
    pthread_mutex_unlock(&cache->lock);
    return octets;
}

size_t cache_count(struct cache *cache)
{
    size_t count;

    pthread_mutex_lock(&cache->lock);
    count = cache->table.count;
    pthread_mutex_unlock(&cache->lock);
    return count;
}

struct snapshot {
    const struct findings **array;
    size_t room;
    size_t count;
    size_t slot;       /* the next to be copied */
    size_t slot_count; /* of the table when the copying began */
};

static void snapshot_restart(struct snapshot *s, const struct table *table)
{
    while (s->count > 0)
        findings_unref(s->array[--s->count]);
    s->slot = 0;
    s->slot_count = table->slot_count;
}

/* Copies about SNAPSHOT_PIECE entries. What came in since and does not fit is left out. */
static void snapshot_piece(struct snapshot *s, const struct table *table, int64_t now_ms,
                           bool security_known)
{
    size_t stop = s->count + SNAPSHOT_PIECE;

    if (s->slot_count != table->slot_count) /* it grew, and everything moved */
        snapshot_restart(s, table);
    for (; s->slot < s->slot_count && s->count < stop; s->slot++) {
        for (struct table_node *n = table->slots[s->slot]; n; n = n->next) {
            const struct entry *entry = list_entry(n, struct entry, node);
            if (holds(entry, now_ms, security_known) && s->count < s->room)
                s->array[s->count++] = findings_ref(entry->findings);
        }
    }
}

int cache_snapshot(struct cache *cache, int64_t now_ms, bool security_known,
                   const struct findings ***out, size_t *count)
{
    struct snapshot s = {.room = cache_count(cache) + SNAPSHOT_PIECE};

    s.array = calloc(s.room, sizeof *s.array);
    if (s.array == NULL)
        return -ENOMEM;
    do {
        pthread_mutex_lock(&cache->lock);
        snapshot_piece(&s, &cache->table, now_ms, security_known);
        pthread_mutex_unlock(&cache->lock);
    } while (s.slot < s.slot_count);
    *out = s.array;
    *count = s.count;
    return 0;
}
