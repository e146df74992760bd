/*
 * A hash table (table.h) and a list by last use, under one lock: lru_add, lru_find and lru_use,
 * lru_remove. Who is evicted, and when, the cache decides, by lru_first.
 */
#include "base/lru.h"

int lru_init(struct lru *lru)
{
    int error = table_init(&lru->table);

    if (error < 0)
        return error;
    error = -pthread_mutex_init(&lru->lock, NULL);
    if (error < 0) {
        table_fini(&lru->table);
        return error;
    }
    list_init(&lru->used);
    lru->octets = 0;
    return 0;
}

void lru_fini(struct lru *lru)
{
    table_fini(&lru->table);
    pthread_mutex_destroy(&lru->lock);
}

static struct lru_entry *entry_of(struct list *used)
{
    return list_entry(used, struct lru_entry, used);
}

struct lru_entry *lru_find(const struct lru *lru, const char *key)
{
    struct table_node *node = table_find(&lru->table, key);

    return node != NULL ? list_entry(node, struct lru_entry, node) : NULL;
}

void lru_add(struct lru *lru, struct lru_entry *entry, const char *key, size_t octets)
{
    table_add(&lru->table, &entry->node, key);
    list_append(&lru->used, &entry->used);
    lru->octets += octets;
}

void lru_remove(struct lru *lru, struct lru_entry *entry, size_t octets)
{
    table_remove(&lru->table, &entry->node);
    list_remove(&entry->used);
    lru->octets -= octets;
}

void lru_rekey(struct lru *lru, struct lru_entry *entry, const char *key, size_t octets,
               size_t before)
{
    table_remove(&lru->table, &entry->node);
    table_add(&lru->table, &entry->node, key);
    lru->octets = lru->octets - before + octets;
}

void lru_use(struct lru *lru, struct lru_entry *entry)
{
    list_remove(&entry->used);
    list_append(&lru->used, &entry->used);
}

struct lru_entry *lru_first(const struct lru *lru)
{
    return list_empty(&lru->used) ? NULL : entry_of(lru->used.next);
}

struct lru_entry *lru_next(const struct lru *lru, const struct lru_entry *entry)
{
    return entry->used.next == &lru->used ? NULL : entry_of(entry->used.next);
}

size_t lru_count(struct lru *lru)
{
    size_t count;

    pthread_mutex_lock(&lru->lock);
    count = lru->table.count;
    pthread_mutex_unlock(&lru->lock);
    return count;
}

size_t lru_octets(struct lru *lru)
{
    size_t octets;

    pthread_mutex_lock(&lru->lock);
    octets = lru->octets;
    pthread_mutex_unlock(&lru->lock);
    return octets;
}
