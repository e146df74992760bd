/*
 * A circular doubly linked list of objects that embed their link.
 */
#ifndef POLICY_BASE_LIST_H
#define POLICY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
    struct list *prev;
    struct list *next;
};

/* The object of `type` whose `member` is at `ptr`. */
#define list_entry(ptr, type, member)                                                              \
    ((type *)(uintptr_t)((const char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->prev = list->next = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

/* Before `list`: at the end, when that is the head. */
static inline void list_append(struct list *list, struct list *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* Leaves `link` a list of its own; harmless when it is one. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* The first link of a list, taken out of it, or NULL. */
static inline struct list *list_shift(struct list *list)
{
    struct list *link = list->next;

    if (link == list)
        return NULL;
    list_remove(link);
    return link;
}

/* Moves all of `from` to `to`, which is initialised here. */
static inline void list_take(struct list *to, struct list *from)
{
    list_append(from, to);
    list_remove(from);
}

#endif
