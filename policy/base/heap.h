/*
 * A binary heap of objects that embed their item, earliest time first. The owner locks.
 */
#ifndef POLICY_BASE_HEAP_H
#define POLICY_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct cache_heap_item {
    int64_t at_ms;
    size_t index;
};

struct cache_heap { /* zero-initialised is empty */
    struct cache_heap_item **items;
    size_t count;
    size_t room;
};

void cache_heap_fini(struct cache_heap *heap); /* the objects are left alone */

int cache_heap_add(struct cache_heap *heap, struct cache_heap_item *item, int64_t at_ms);
void cache_heap_remove(struct cache_heap *heap, struct cache_heap_item *item);
void cache_heap_move(struct cache_heap *heap, struct cache_heap_item *item, int64_t at_ms);

struct cache_heap_item *cache_heap_first(const struct cache_heap *heap); /* NULL: empty */
int64_t cache_heap_first_ms(const struct cache_heap *heap);              /* INT64_MAX: empty */

#endif
