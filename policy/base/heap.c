/*
 * Objects by time, the earliest first: heap_add, heap_move, heap_remove, heap_first. A binary heap
 * in an array: the item at index i is no later than those at 2i + 1 and 2i + 2. Each
 * item knows its index, so that it can be moved or removed in O(log n).
 */
#include "base/heap.h"

#include <errno.h>
#include <stdlib.h>

void heap_fini(struct heap *heap)
{
    free(heap->items);
    *heap = (struct heap){0};
}

static void set_item(struct heap *heap, size_t index, struct heap_item *item)
{
    heap->items[index] = item;
    item->index = index;
}

static void sift_up(struct heap *heap, struct heap_item *item)
{
    size_t index = item->index;

    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->items[parent]->at_ms <= item->at_ms)
            break;
        set_item(heap, index, heap->items[parent]);
        index = parent;
    }
    set_item(heap, index, item);
}

static void sift_down(struct heap *heap, struct heap_item *item)
{
    size_t index = item->index;

    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->items[child + 1]->at_ms < heap->items[child]->at_ms)
            child++;
        if (heap->items[child]->at_ms >= item->at_ms)
            break;
        set_item(heap, index, heap->items[child]);
        index = child;
    }
    set_item(heap, index, item);
}

int heap_add(struct heap *heap, struct heap_item *item, int64_t at_ms)
{
    if (heap->count == heap->room) {
        size_t room = heap->room ? heap->room * 2 : 64;
        struct heap_item **items = realloc(heap->items, room * sizeof(*items));
        if (items == NULL)
            return -ENOMEM;
        heap->items = items;
        heap->room = room;
    }
    item->at_ms = at_ms;
    set_item(heap, heap->count++, item);
    sift_up(heap, item);
    return 0;
}

void heap_remove(struct heap *heap, struct heap_item *item)
{
    struct heap_item *last = heap->items[--heap->count];

    if (last == item)
        return;
    set_item(heap, item->index, last);
    sift_up(heap, last);
    sift_down(heap, last);
}

void heap_move(struct heap *heap, struct heap_item *item, int64_t at_ms)
{
    item->at_ms = at_ms;
    sift_up(heap, item);
    sift_down(heap, item);
}

struct heap_item *heap_first(const struct heap *heap)
{
    return heap->count ? heap->items[0] : NULL;
}

int64_t heap_first_ms(const struct heap *heap)
{
    return heap->count ? heap->items[0]->at_ms : INT64_MAX;
}
