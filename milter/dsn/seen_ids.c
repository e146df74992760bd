/*
 * A ring of queue ids in order of arrival, the oldest overwritten, with a hash index over it:
 * chains of ring positions. Ids come from this host's MTA, and lookups from bounces: nobody outside
 * can choose what is in the chains, so the hash needs no key.
 */
#include "seen_ids.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    CAPACITY_MAX = 1 << 24,
    NIL = INT32_MAX, /* no position: above CAPACITY_MAX */
};

struct slot {
    uint32_t bucket;
    uint32_t next;                 /* in the bucket's chain */
    char id[SEEN_IDS_LEN_MAX + 1]; /* empty: the slot is free */
};

struct seen_ids {
    pthread_mutex_t lock;
    atomic_size_t count; /* changed under the lock; 0 only while no id is there */
    size_t capacity;
    size_t newest; /* where the next id goes */
    uint32_t *buckets;
    struct slot *slots;
};

struct seen_ids *seen_ids_new(size_t capacity)
{
    struct seen_ids *ids;

    if (capacity == 0 || capacity > CAPACITY_MAX)
        return NULL;
    ids = calloc(1, sizeof(*ids));
    if (!ids)
        return NULL;
    ids->capacity = capacity;
    ids->slots = calloc(capacity, sizeof(*ids->slots));
    ids->buckets = calloc(capacity, sizeof(*ids->buckets));
    if (!ids->slots || !ids->buckets || pthread_mutex_init(&ids->lock, NULL) != 0) {
        free(ids->slots);
        free(ids->buckets);
        free(ids);
        return NULL;
    }
    for (size_t i = 0; i < capacity; i++)
        ids->buckets[i] = NIL;
    atomic_init(&ids->count, 0);
    return ids;
}

void seen_ids_free(struct seen_ids *ids)
{
    if (!ids)
        return;
    pthread_mutex_destroy(&ids->lock);
    free(ids->slots);
    free(ids->buckets);
    free(ids);
}

/* FNV-1a. */
static uint32_t bucket_of(const struct seen_ids *ids, const char *id)
{
    uint64_t hash = 14695981039346656037u;

    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 1099511628211u;
    return (uint32_t)((hash ^ (hash >> 32)) % ids->capacity);
}

/* The link that leads to the id's position, or to NIL. */
static uint32_t *find(struct seen_ids *ids, const char *id)
{
    uint32_t *link = &ids->buckets[bucket_of(ids, id)];

    while (*link != NIL && strcmp(ids->slots[*link].id, id) != 0)
        link = &ids->slots[*link].next;
    return link;
}

static void unlink_slot(struct seen_ids *ids, uint32_t *link)
{
    struct slot *slot = &ids->slots[*link];

    *link = slot->next;
    slot->id[0] = '\0';
    atomic_fetch_sub(&ids->count, 1);
}

static void forget(struct seen_ids *ids, const char *id)
{
    uint32_t *link = find(ids, id);

    if (*link != NIL)
        unlink_slot(ids, link);
}

static void insert(struct seen_ids *ids, const char *id)
{
    struct slot *slot = &ids->slots[ids->newest];

    if (slot->id[0] != '\0') { /* the oldest makes room */
        uint32_t *link = &ids->buckets[slot->bucket];

        while (*link != ids->newest)
            link = &ids->slots[*link].next;
        unlink_slot(ids, link);
    }
    strcpy(slot->id, id);
    slot->bucket = bucket_of(ids, id);
    slot->next = ids->buckets[slot->bucket];
    ids->buckets[slot->bucket] = (uint32_t)ids->newest;
    ids->newest = (ids->newest + 1) % ids->capacity;
}

static bool is_storable(const char *id)
{
    size_t len = strnlen(id, SEEN_IDS_LEN_MAX + 1);

    return len > 0 && len <= SEEN_IDS_LEN_MAX;
}

bool seen_ids_add(struct seen_ids *ids, const char *id)
{
    if (!is_storable(id))
        return false;
    pthread_mutex_lock(&ids->lock);
    /* First: it is read without the lock, and must not be 0 meanwhile. */
    atomic_fetch_add(&ids->count, 1);
    forget(ids, id);
    insert(ids, id);
    pthread_mutex_unlock(&ids->lock);
    return true;
}

void seen_ids_remove(struct seen_ids *ids, const char *id)
{
    if (atomic_load(&ids->count) == 0 || !is_storable(id))
        return;
    pthread_mutex_lock(&ids->lock);
    forget(ids, id);
    pthread_mutex_unlock(&ids->lock);
}

bool seen_ids_contains(struct seen_ids *ids, const char *id)
{
    bool found;

    if (atomic_load(&ids->count) == 0 || !is_storable(id))
        return false;
    pthread_mutex_lock(&ids->lock);
    found = *find(ids, id) != NIL;
    pthread_mutex_unlock(&ids->lock);
    return found;
}
