/*
 * Findings by next-hop, bounded in number and in octets, least recently used out first. The parts
 * of an entry end at times of their own; an entry is given out whole while all of them hold, and
 * serves a new lookup with those that still do. Entries made while the security of answers was
 * unknown are not given out once it is known; what was learnt while it was known stays good.
 *
 * Any thread, under one lock that is held for moments only.
 */
#ifndef POLICY_ENGINE_CACHE_H
#define POLICY_ENGINE_CACHE_H

#include "findings/findings_parts.h"

struct cache;

int cache_new(size_t max, struct cache **out); /* 0 or a negative errno */
void cache_free(struct cache *cache);          /* NULL is allowed */
void cache_set_max(struct cache *cache, size_t max);
/* Findings that take more than a 16th of that are not kept, nor what there was of the next-hop. */
void cache_set_max_octets(struct cache *cache, size_t max);

/* A reference to findings of which all parts hold, or NULL. Counts as a use. */
const struct findings *cache_get(struct cache *cache, const char *text, int64_t now_ms,
                                 bool security_known);

/* What an entry is good for. */
struct cache_view {
    const struct findings *findings; /* a reference for the caller; NULL: no entry */
    struct findings_ends ends;       /* INT64_MIN when the part must not be used */
};
void cache_look(struct cache *cache, const char *text, bool security_known, struct cache_view *out);

/* Keeps findings (a reference of its own), replacing what there was of the next-hop. `due_ms` is
 * when cache_take_due shall give it. 0 or -ENOMEM, then nothing has changed. */
int cache_put(struct cache *cache, const struct findings *findings,
              const struct findings_ends *ends, int64_t due_ms);

bool cache_remove(struct cache *cache, const char *text); /* whether there was one */
void cache_clear(struct cache *cache);

/* Removes the entries that `match` says yes to; how many. It is called under the lock, which is
 * given back now and then. On the thread that puts entries in. */
typedef bool (*cache_match_fn)(const struct findings *findings, void *arg);
size_t cache_remove_all(struct cache *cache, cache_match_fn match, void *arg);

/* When the next entry is due; INT64_MAX when there is none. */
int64_t cache_next_due(struct cache *cache);

/*
 * Takes up an entry that is due and was used of late: its next-hop goes to `text`, it is due again
 * when its first part ends. Entries that are due and were not used are kept until they end, and
 * then dropped. Returns false when nothing more is due.
 */
bool cache_take_due(struct cache *cache, int64_t now_ms, char text[NEXTHOP_TEXT_MAX + 1]);

size_t cache_count(struct cache *cache);
size_t cache_octets(struct cache *cache); /* that the entries take, findings included */

/* References to all findings that hold; the caller frees them and the array. 0 or -ENOMEM. */
int cache_snapshot(struct cache *cache, int64_t now_ms, bool security_known,
                   const struct findings ***out, size_t *count);

#endif
