/*
 * A ring of queue ids in order of arrival, the oldest overwritten, with a hash index over it:
 * chains of ring positions. Ids come from this host's MTA, and lookups from bounces: nobody outside
 * can choose what is in the chains, so the hash needs no key.
 *
 * Positions that changed stand in a queue, each once however often it changes: a slow disk makes
 * nothing grow.
 */
#include "dsn/seen_ids.h"

#include "policy/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CAPACITY_MAX = 1 << 24,
    NIL = INT32_MAX, /* no position: above CAPACITY_MAX */
};

enum state {
    WRITTEN,
    CHANGED, /* in the queue */
    TAKEN,   /* being written */
    TAKEN_AND_CHANGED,
};

struct slot {
    uint64_t seq;
    uint32_t bucket;
    uint32_t next; /* in the bucket's chain */
    enum state state;
    char id[SEEN_IDS_LEN_MAX + 1]; /* empty: the slot is free */
};

struct seen_ids {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* for who writes */
    pthread_cond_t written; /* for who waits until it is */
    atomic_size_t count;    /* changed under the lock; 0 only while no id is there */
    size_t capacity;
    size_t newest; /* where the next id goes */
    uint64_t seq;  /* of the last id */
    uint32_t *buckets;
    struct slot *slots;
    uint32_t *queue; /* a ring of positions */
    size_t queue_first, queue_len;
    bool kept;
    bool interrupted;
};

static bool init_locks(struct seen_ids *ids)
{
    if (pthread_mutex_init(&ids->lock, NULL) != 0)
        return false;
    if (clock_cond_init(&ids->changed) == 0) {
        if (clock_cond_init(&ids->written) == 0)
            return true;
        pthread_cond_destroy(&ids->changed);
    }
    pthread_mutex_destroy(&ids->lock);
    return false;
}

static void free_memory(struct seen_ids *ids)
{
    free(ids->slots);
    free(ids->buckets);
    free(ids->queue);
    free(ids);
}

struct seen_ids *seen_ids_new(size_t capacity)
{
    struct seen_ids *ids;

    if (capacity == 0 || capacity > CAPACITY_MAX)
        return NULL;
    ids = calloc(1, sizeof(*ids));
    if (ids == NULL)
        return NULL;
    ids->capacity = capacity;
    ids->slots = calloc(capacity, sizeof(*ids->slots));
    ids->buckets = calloc(capacity, sizeof(*ids->buckets));
    ids->queue = calloc(capacity, sizeof(*ids->queue));
    if (ids->slots == NULL || ids->buckets == NULL || ids->queue == NULL || !init_locks(ids)) {
        free_memory(ids);
        return NULL;
    }
    for (size_t i = 0; i < capacity; i++)
        ids->buckets[i] = NIL;
    atomic_init(&ids->count, 0);
    return ids;
}

void seen_ids_free(struct seen_ids *ids)
{
    if (ids == NULL)
        return;
    pthread_cond_destroy(&ids->written);
    pthread_cond_destroy(&ids->changed);
    pthread_mutex_destroy(&ids->lock);
    free_memory(ids);
}

size_t seen_ids_capacity(const struct seen_ids *ids)
{
    return ids->capacity;
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
static uint32_t *find_link(struct seen_ids *ids, const char *id)
{
    uint32_t *link = &ids->buckets[bucket_of(ids, id)];

    while (*link != NIL && strcmp(ids->slots[*link].id, id) != 0)
        link = &ids->slots[*link].next;
    return link;
}

static void enqueue_slot(struct seen_ids *ids, size_t position)
{
    struct slot *slot = &ids->slots[position];

    if (slot->state == TAKEN) {
        slot->state = TAKEN_AND_CHANGED;
    } else if (slot->state == WRITTEN) {
        slot->state = CHANGED;
        ids->queue[(ids->queue_first + ids->queue_len++) % ids->capacity] = (uint32_t)position;
        if (ids->kept)
            pthread_cond_signal(&ids->changed);
    }
}

static void unlink_slot(struct seen_ids *ids, uint32_t *link)
{
    size_t position = *link;
    struct slot *slot = &ids->slots[position];

    *link = slot->next;
    slot->id[0] = '\0';
    enqueue_slot(ids, position);
    atomic_fetch_sub(&ids->count, 1);
}

static void forget_id(struct seen_ids *ids, const char *id)
{
    uint32_t *link = find_link(ids, id);

    if (*link != NIL)
        unlink_slot(ids, link);
}

/* The slot is free. */
static void occupy_slot(struct seen_ids *ids, size_t position, const char *id, uint64_t seq)
{
    struct slot *slot = &ids->slots[position];

    strcpy(slot->id, id);
    slot->seq = seq;
    slot->bucket = bucket_of(ids, id);
    slot->next = ids->buckets[slot->bucket];
    ids->buckets[slot->bucket] = (uint32_t)position;
}

static void insert_id(struct seen_ids *ids, const char *id)
{
    struct slot *slot = &ids->slots[ids->newest];

    if (slot->id[0] != '\0') { /* the oldest makes room */
        uint32_t *link = &ids->buckets[slot->bucket];

        while (*link != ids->newest)
            link = &ids->slots[*link].next;
        unlink_slot(ids, link);
    }
    occupy_slot(ids, ids->newest, id, ++ids->seq);
    enqueue_slot(ids, ids->newest);
    ids->newest = (ids->newest + 1) % ids->capacity;
}

static bool is_storable(const char *id)
{
    size_t len = strnlen(id, SEEN_IDS_LEN_MAX + 1);

    return len > 0 && len <= SEEN_IDS_LEN_MAX;
}

/* Whether it is there, and will be for a while. */
static bool is_recent(struct seen_ids *ids, const char *id)
{
    uint32_t position = *find_link(ids, id);

    return position != NIL && ids->seq - ids->slots[position].seq < ids->capacity / 2;
}

bool seen_ids_add(struct seen_ids *ids, const char *id)
{
    if (!is_storable(id))
        return false;
    pthread_mutex_lock(&ids->lock);
    if (!is_recent(ids, id)) {
        /* First: it is read without the lock, and must not be 0 meanwhile. */
        atomic_fetch_add(&ids->count, 1);
        forget_id(ids, id);
        insert_id(ids, id);
    }
    pthread_mutex_unlock(&ids->lock);
    return true;
}

void seen_ids_remove(struct seen_ids *ids, const char *id)
{
    if (atomic_load(&ids->count) == 0 || !is_storable(id))
        return;
    pthread_mutex_lock(&ids->lock);
    forget_id(ids, id);
    pthread_mutex_unlock(&ids->lock);
}

bool seen_ids_contains(struct seen_ids *ids, const char *id)
{
    bool found;

    if (atomic_load(&ids->count) == 0 || !is_storable(id))
        return false;
    pthread_mutex_lock(&ids->lock);
    found = *find_link(ids, id) != NIL;
    pthread_mutex_unlock(&ids->lock);
    return found;
}

/* --- what is kept ---------------------------------------------------------------------------- */

static bool is_kept(struct seen_ids *ids, const char *id)
{
    uint32_t position = *find_link(ids, id);

    return !ids->kept || position == NIL || ids->slots[position].state == WRITTEN;
}

bool seen_ids_wait_kept(struct seen_ids *ids, const char *id, unsigned timeout_ms)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + timeout_ms);
    bool kept;

    pthread_mutex_lock(&ids->lock);
    while (!(kept = is_kept(ids, id))) {
        if (pthread_cond_timedwait(&ids->written, &ids->lock, &until) == ETIMEDOUT) {
            kept = is_kept(ids, id);
            break;
        }
    }
    pthread_mutex_unlock(&ids->lock);
    return kept;
}

bool seen_ids_restore(struct seen_ids *ids, size_t position, const struct seen_record *record)
{
    uint32_t *link;

    if (position >= ids->capacity || record->seq == 0 || !is_storable(record->id))
        return false;
    pthread_mutex_lock(&ids->lock);
    link = find_link(ids, record->id);
    if (*link != NIL && ids->slots[*link].seq < record->seq)
        unlink_slot(ids, link);
    if (*find_link(ids, record->id) == NIL) {
        occupy_slot(ids, position, record->id, record->seq);
        atomic_fetch_add(&ids->count, 1);
    } else {
        enqueue_slot(ids, position); /* nothing is there now */
    }
    if (record->seq > ids->seq) {
        ids->seq = record->seq;
        ids->newest = (position + 1) % ids->capacity;
    }
    pthread_mutex_unlock(&ids->lock);
    return true;
}

void seen_ids_set_kept(struct seen_ids *ids, bool kept)
{
    pthread_mutex_lock(&ids->lock);
    ids->kept = kept;
    pthread_cond_broadcast(&ids->written);
    pthread_mutex_unlock(&ids->lock);
}

void seen_ids_rewrite(struct seen_ids *ids)
{
    pthread_mutex_lock(&ids->lock);
    for (size_t i = 0; i < ids->capacity; i++)
        enqueue_slot(ids, i);
    pthread_mutex_unlock(&ids->lock);
}

bool seen_ids_take_change(struct seen_ids *ids, unsigned timeout_ms, size_t *position,
                          struct seen_record *out)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + timeout_ms);
    struct slot *slot;

    pthread_mutex_lock(&ids->lock);
    while (ids->queue_len == 0 && !ids->interrupted) {
        if (pthread_cond_timedwait(&ids->changed, &ids->lock, &until) == ETIMEDOUT)
            break;
    }
    ids->interrupted = false;
    if (ids->queue_len == 0) {
        pthread_mutex_unlock(&ids->lock);
        return false;
    }
    *position = ids->queue[ids->queue_first];
    ids->queue_first = (ids->queue_first + 1) % ids->capacity;
    ids->queue_len--;
    slot = &ids->slots[*position];
    slot->state = TAKEN;
    memset(out, 0, sizeof(*out));
    if (slot->id[0] != '\0') {
        out->seq = slot->seq;
        strcpy(out->id, slot->id);
    }
    pthread_mutex_unlock(&ids->lock);
    return true;
}

void seen_ids_end_change(struct seen_ids *ids, size_t position, bool written)
{
    struct slot *slot = &ids->slots[position];
    bool again;

    pthread_mutex_lock(&ids->lock);
    again = !written || slot->state == TAKEN_AND_CHANGED;
    slot->state = WRITTEN;
    if (again)
        enqueue_slot(ids, position);
    else
        pthread_cond_broadcast(&ids->written);
    pthread_mutex_unlock(&ids->lock);
}

void seen_ids_interrupt(struct seen_ids *ids)
{
    pthread_mutex_lock(&ids->lock);
    ids->interrupted = true;
    pthread_cond_broadcast(&ids->changed);
    pthread_mutex_unlock(&ids->lock);
}
