/*
 * A binary heap of objects that embed their item, earliest time first. The owner locks.
 */
#ifndef POLICY_BASE_HEAP_H
#define POLICY_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_item {
    int64_t at_ms;
    size_t index;
};

struct heap { /* zero-initialised is empty */
    struct heap_item **items;
    size_t count;
    size_t room;
};

void heap_fini(struct heap *heap); /* the objects are left alone */

int heap_add(struct heap *heap, struct heap_item *item, int64_t at_ms);
void heap_remove(struct heap *heap, struct heap_item *item);
void heap_move(struct heap *heap, struct heap_item *item, int64_t at_ms);

struct heap_item *heap_first(const struct heap *heap); /* NULL: empty */
int64_t heap_first_ms(const struct heap *heap);        /* INT64_MAX: empty */

#endif
