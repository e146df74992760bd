/*
 * What goes over all entries of the cache: a snapshot for people, and the removal of those that
 * match. The lock is given back after each piece, so that nobody waits for all of it.
 */
#include "engine/cache_internal.h"

#include "findings/findings_make.h"

#include <errno.h>
#include <stdlib.h>

enum { PIECE = 1000 /* entries, or slots of the table, under one hold of the lock */ };

/* The entries of one slot of the table. */
static size_t remove_in_slot(struct cache *cache, size_t slot, cache_match_fn match, void *arg)
{
    struct table_node *next;
    size_t removed = 0;

    for (struct table_node *node = cache->lru.table.slots[slot]; node != NULL; node = next) {
        struct cache_entry *entry = list_entry(node, struct cache_entry, lru.node);

        next = node->next;
        if (match(entry->findings, arg)) {
            cache_entry_drop(cache, entry);
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
        pthread_mutex_lock(&cache->lru.lock);
        for (size_t n = 0; n < PIECE && slot < cache->lru.table.slot_count; n++)
            removed += remove_in_slot(cache, slot++, match, arg);
        more = slot < cache->lru.table.slot_count;
        pthread_mutex_unlock(&cache->lru.lock);
    }
    return removed;
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

/* Copies about PIECE entries. What came in since and does not fit is left out. */
static void snapshot_piece(struct snapshot *s, const struct table *table, int64_t now_ms,
                           bool security_known)
{
    size_t stop = s->count + PIECE;

    if (s->slot_count != table->slot_count) /* it grew, and everything moved */
        snapshot_restart(s, table);
    for (; s->slot < s->slot_count && s->count < stop; s->slot++) {
        for (struct table_node *n = table->slots[s->slot]; n != NULL; n = n->next) {
            const struct cache_entry *entry = list_entry(n, struct cache_entry, lru.node);
            if (cache_entry_holds(entry, now_ms, security_known) && s->count < s->room)
                s->array[s->count++] = findings_ref(entry->findings);
        }
    }
}

int cache_snapshot(struct cache *cache, int64_t now_ms, bool security_known,
                   const struct findings ***out, size_t *count)
{
    struct snapshot s = {.room = cache_count(cache) + PIECE};

    s.array = calloc(s.room, sizeof *s.array);
    if (s.array == NULL)
        return -ENOMEM;
    do {
        pthread_mutex_lock(&cache->lru.lock);
        snapshot_piece(&s, &cache->lru.table, now_ms, security_known);
        pthread_mutex_unlock(&cache->lru.lock);
    } while (s.slot < s.slot_count);
    *out = s.array;
    *count = s.count;
    return 0;
}
