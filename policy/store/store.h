/*
 * The durable store of MTA-STS policies, of which next-hops had DANE, and of what probes have
 * shown: a SQLite file, read once at start, then written behind by a thread of its own. It only
 * ever costs durability: whatever is wrong with file or disk, the calls below return at once and
 * the engine goes on from memory.
 */
#ifndef POLICY_STORE_STORE_H
#define POLICY_STORE_STORE_H

#include "policy/findings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct store_config {
    const char *path;
    unsigned batch_delay_ms;  /* how long changes are gathered for one transaction. 0: 1 s */
    unsigned retry_ms;        /* after the file could not be opened or written. 0: 60 s */
    size_t max_queued;        /* changes not yet written; what does not fit is dropped. 0: 10000 */
    size_t max_queued_octets; /* of memory for them. 0: 32 MB */

    /* Warnings, one line; called on the writer's thread, and on the caller's in store_new and
     * store_load. NULL: silence. */
    void (*log)(void *log_arg, int priority /* syslog(3) LOG_... */, const char *message);
    void *log_arg;
};

/* One policy. In calls to the store everything is copied; in the callback it is borrowed. */
struct store_policy {
    const char *domain; /* A-labels, lower case: the key */
    const char *id;     /* of the TXT record */
    enum findings_sts_mode mode;
    uint32_t max_age_s;
    const char *mx;   /* patterns joined by blanks */
    const char *body; /* the file as served, any octets */
    size_t body_len;
    int64_t fetched_at_s; /* wall clock */
    int64_t used_at_s;    /* wall clock */
};

/*
 * Opens or makes the file. What is no store of ours, damaged or of a newer format is renamed to
 * <path>.set-aside.N and begun again. Never fails but with NULL for want of memory; a file that
 * cannot be opened is tried again later.
 */
struct store *store_new(const struct store_config *config);

/*
 * Reads all policies, and starts the writer: to be called once, before anything else. Those still
 * alive at wall clock now_s go to each, with the life they have left (see store_life.h); the rest
 * is deleted. Returns how many were alive.
 */
typedef void (*store_load_fn)(const struct store_policy *policy, uint32_t left_s, void *arg);
size_t store_load(struct store *store, int64_t now_s, store_load_fn each, void *arg);

/* Reads the next-hops that were seen with DANE (dane_seen.h); before store_load, once. */
typedef void (*store_dane_fn)(uint64_t key, int64_t seen_at_s, void *arg);
void store_load_dane(struct store *store, store_dane_fn each, void *arg);

/* What a probe has shown, as its owner writes it. */
struct store_probe {
    const char *key;
    const uint8_t *record; /* any octets */
    size_t record_len;
    int64_t ends_at_s; /* wall clock */
};

/*
 * Reads the results of probes that end within max_life_s from wall clock now_s; before store_load,
 * once. The others are deleted, as are rows that are not as they were written, and those to which
 * `each` says no.
 */
typedef bool (*store_probe_fn)(const struct store_probe *probe, void *arg);
void store_load_probes(struct store *store, int64_t now_s, int64_t max_life_s, store_probe_fn each,
                       void *arg);

/* From here on any thread; a lock is held for a moment only. False: dropped, and counted. */
bool store_put(struct store *store, const struct store_policy *policy);
bool store_delete(struct store *store, const char *domain);
/* Notes the last use. Cheap, but a write: once an hour and domain is enough. */
bool store_touch(struct store *store, const char *domain, int64_t used_at_s);

/* Next-hops with DANE: seen (again), known to have it no more, and all that were seen last at
 * from_s or later and before a time. */
bool store_dane_seen(struct store *store, uint64_t key, int64_t seen_at_s);
bool store_dane_forgotten(struct store *store, uint64_t key);
bool store_dane_over(struct store *store, int64_t from_s, int64_t before_s);

bool store_probe_put(struct store *store, const struct store_probe *probe);
bool store_probe_delete(struct store *store, const char *key);

/* Many that were seen, for writing the file again. */
struct store_dane {
    uint64_t key;
    int64_t seen_at_s;
};
bool store_dane_list(struct store *store, const struct store_dane *list, size_t count);

/*
 * Whether the file has lost what was written to it since this was asked last: it was damaged and
 * set aside, moved, removed or begun anew, or changes were dropped. Who knows what belongs in it
 * then puts all of it again, in pieces, as long as there is room in the queue (half of it is free).
 */
bool store_take_lost(struct store *store);
bool store_has_room(struct store *store);

/* Waits until all that is queued is written; false when it is not within the time. */
bool store_flush(struct store *store, int timeout_ms);

struct store_stats {
    uint64_t written;
    uint64_t dropped; /* the queue was full */
    size_t queued;
    bool failing; /* the last attempt to open or write did not succeed */
};
void store_get_stats(struct store *store, struct store_stats *out);

/* Whether it can be opened and written, as far as the last attempt tells. If not, why has the
 * reason. */
bool store_is_up(struct store *store, char *why, size_t why_size);

/* Tries once more to write what is queued, then closes. No other call may follow. */
void store_free(struct store *store); /* NULL is allowed */

#endif
