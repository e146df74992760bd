/*
 * Which next-hops had DANE of late: dane_seen_add when it is seen, dane_seen_forget when it is
 * known to be gone, dane_seen_has while security is unknown.
 *
 * A set of 64-bit keys with a time each: a hash table with open addressing and linear probing,
 * whose slots lie side by side. Slots are found by SipHash under a random key, since next-hops come
 * from strangers. Removal closes the gap, so that no marks gather.
 */
#include "findings/dane_seen.h"

#include "base/table.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    SLOTS_MIN = 64,
    MINUTE_S = 60,
    DAY_S = 86400,
    /* Between two searches for those that are over, when there is no room. */
    SWEEP_EVERY_S = 3600,
};

struct slot {
    uint64_t key; /* 0: empty */
    uint32_t seen_min;
    uint32_t told_min; /* when the sink took note of it last; 0: never */
};

struct dane_seen {
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t count;
    uint64_t seed[2];
    int64_t swept_s;
    struct dane_seen_sink sink;
};

int dane_seen_new(struct dane_seen **out)
{
    struct dane_seen *seen = calloc(1, sizeof *seen);

    if (seen == NULL)
        return -ENOMEM;
    seen->slot_count = SLOTS_MIN;
    seen->slots = calloc(seen->slot_count, sizeof *seen->slots);
    if (seen->slots == NULL || getrandom(seen->seed, sizeof seen->seed, 0) != sizeof seen->seed) {
        dane_seen_free(seen);
        return -ENOMEM;
    }
    *out = seen;
    return 0;
}

void dane_seen_free(struct dane_seen *seen)
{
    if (seen == NULL)
        return;
    free(seen->slots);
    free(seen);
}

void dane_seen_set_sink(struct dane_seen *seen, const struct dane_seen_sink *sink)
{
    seen->sink = *sink;
}

uint64_t dane_seen_key(const char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    uint64_t key = 0;

    /* Should the digest fail, all next-hops are one: more mail waits, none is lost. */
    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
        return 1;
    for (size_t i = 0; i < sizeof key; i++)
        key = key << 8 | digest[i];
    return key ? key : 1;
}

static uint32_t minutes(int64_t s)
{
    if (s < MINUTE_S)
        return 1;
    return s / MINUTE_S < UINT32_MAX ? (uint32_t)(s / MINUTE_S) : UINT32_MAX;
}

bool dane_seen_counts(int64_t seen_at_s, int64_t now_s)
{
    int64_t age_s = now_s - seen_at_s;

    return age_s <= (int64_t)DANE_SEEN_DAYS * DAY_S || age_s > (int64_t)DANE_SEEN_OFF_DAYS * DAY_S;
}

static size_t home_of(const struct dane_seen *seen, uint64_t key)
{
    return (size_t)table_siphash(seen->seed, &key, sizeof key) & (seen->slot_count - 1);
}

/* The slot of the key, or the empty one where it would go. */
static struct slot *slot_find(const struct dane_seen *seen, uint64_t key)
{
    size_t i = home_of(seen, key);

    while (seen->slots[i].key != 0 && seen->slots[i].key != key)
        i = (i + 1) & (seen->slot_count - 1);
    return &seen->slots[i];
}

static void slots_grow(struct dane_seen *seen)
{
    size_t old_count = seen->slot_count;
    struct slot *old = seen->slots;
    struct slot *slots = calloc(old_count * 2, sizeof *slots);

    if (slots == NULL)
        return;
    seen->slots = slots;
    seen->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].key != 0)
            *slot_find(seen, old[i].key) = old[i];
    }
    free(old);
}

/* Moves back what lies behind the gap and belongs at or before it. */
static void remove_at(struct dane_seen *seen, size_t gap)
{
    size_t mask = seen->slot_count - 1;

    for (size_t i = (gap + 1) & mask; seen->slots[i].key != 0; i = (i + 1) & mask) {
        size_t home = home_of(seen, seen->slots[i].key);

        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        seen->slots[gap] = seen->slots[i];
        gap = i;
    }
    seen->slots[gap] = (struct slot){0};
    seen->count--;
}

/* Drops what is over. Those that wrap around may stay for another time. */
static void sweep_slots(struct dane_seen *seen, int64_t now_s)
{
    size_t i = 0;

    if (seen->swept_s != 0 && now_s - seen->swept_s >= 0 && now_s - seen->swept_s < SWEEP_EVERY_S)
        return;
    seen->swept_s = now_s;
    while (i < seen->slot_count) {
        const struct slot *slot = &seen->slots[i];

        if (slot->key != 0 && !dane_seen_counts((int64_t)slot->seen_min * MINUTE_S, now_s))
            remove_at(seen, i); /* another may lie here now */
        else
            i++;
    }
}

/* The key's slot, a new one if need be; NULL when there is no room. */
static struct slot *slot_obtain(struct dane_seen *seen, uint64_t key, int64_t now_s)
{
    struct slot *slot = slot_find(seen, key);

    if (slot->key == key)
        return slot;
    if (seen->count >= DANE_SEEN_MAX)
        sweep_slots(seen, now_s);
    if (seen->count >= DANE_SEEN_MAX)
        return NULL;
    if (seen->count + 1 > seen->slot_count - seen->slot_count / 4)
        slots_grow(seen);
    if (seen->count + 2 > seen->slot_count) /* memory is short; one must stay empty */
        return NULL;
    slot = slot_find(seen, key);
    *slot = (struct slot){.key = key};
    seen->count++;
    return slot;
}

bool dane_seen_add(struct dane_seen *seen, const char *text, int64_t now_s)
{
    struct slot *slot = slot_obtain(seen, dane_seen_key(text), now_s);
    int64_t told_s;

    if (slot == NULL)
        return false;
    slot->seen_min = minutes(now_s);
    told_s = (int64_t)slot->told_min * MINUTE_S;
    if (slot->told_min != 0 && now_s >= told_s && now_s - told_s < DAY_S)
        return true;
    if (seen->sink.seen == NULL || seen->sink.seen(slot->key, now_s, seen->sink.arg))
        slot->told_min = slot->seen_min;
    return true;
}

bool dane_seen_restore(struct dane_seen *seen, uint64_t key, int64_t seen_at_s, int64_t now_s)
{
    struct slot *slot = key != 0 ? slot_obtain(seen, key, now_s) : NULL;

    if (slot == NULL)
        return false;
    slot->seen_min = slot->told_min = minutes(seen_at_s);
    return true;
}

bool dane_seen_forget(struct dane_seen *seen, const char *text)
{
    uint64_t key = dane_seen_key(text);
    struct slot *slot = slot_find(seen, key);

    if (slot->key != key)
        return false;
    remove_at(seen, (size_t)(slot - seen->slots));
    if (seen->sink.forgotten != NULL)
        seen->sink.forgotten(key, seen->sink.arg);
    return true;
}

bool dane_seen_has(const struct dane_seen *seen, const char *text, int64_t now_s)
{
    uint64_t key = dane_seen_key(text);
    const struct slot *slot = slot_find(seen, key);

    return slot->key == key && dane_seen_counts((int64_t)slot->seen_min * MINUTE_S, now_s);
}

size_t dane_seen_count(const struct dane_seen *seen)
{
    return seen->count;
}

void dane_seen_each(const struct dane_seen *seen, dane_seen_fn each, void *arg)
{
    for (size_t i = 0; i < seen->slot_count; i++) {
        if (seen->slots[i].key != 0)
            each(seen->slots[i].key, (int64_t)seen->slots[i].seen_min * MINUTE_S, arg);
    }
}
