/*
 * Which next-hops were found with DANE (usable TLSA records, under signed MX records where there
 * are any) in the last 30 days. While the security of DNS answers is unknown these are the ones
 * whose mail must wait: they are known to lose by it.
 *
 * A next-hop is held as 64 bits of the SHA-256 of its text and the minute when it was seen last: 16
 * octets, so that 700,000 of them fit into 16 MB. Two texts with the same 64 bits would only make
 * mail for one of them wait as well. When it is full, new ones are not remembered: nobody can
 * replace what a host knows of its partners by publishing many names.
 *
 * The wall clock counts, since it goes on across restarts. One that jumped is not believed: what
 * was seen in the future, or longer ago than hosts are switched off (half a year), still counts.
 *
 * No I/O. One thread, or under the owner's lock.
 */
#ifndef POLICY_FINDINGS_DANE_SEEN_H
#define POLICY_FINDINGS_DANE_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DANE_SEEN_DAYS = 30,
    DANE_SEEN_OFF_DAYS = 183, /* hosts are not switched off for longer; as store_life.h has it */
    DANE_SEEN_MAX = 700000,   /* next-hops; bounds memory and the file */
};

struct dane_seen;

/* What tells of changes; any may be NULL. `key` is dane_seen_key's. */
struct dane_seen_sink {
    /* Seen for the first time, or for the first time in a day. False: could not be noted, to be
     * told again when it is seen next. */
    bool (*seen)(uint64_t key, int64_t seen_at_s, void *arg);
    void (*forgotten)(uint64_t key, void *arg);
    void *arg;
};

int dane_seen_new(struct dane_seen **out);   /* 0 or a negative errno */
void dane_seen_free(struct dane_seen *seen); /* NULL is allowed */
void dane_seen_set_sink(struct dane_seen *seen, const struct dane_seen_sink *sink); /* copied */

/* Of the text of a next-hop (nexthop.h). Never 0. */
uint64_t dane_seen_key(const char *text);

/* Times are seconds on the wall clock. False: there is no room for another one. */
bool dane_seen_add(struct dane_seen *seen, const char *text, int64_t now_s);
/* As it stood in the store, where it is already: nobody is told. */
bool dane_seen_restore(struct dane_seen *seen, uint64_t key, int64_t seen_at_s, int64_t now_s);
/* It was found, for certain, to have DANE no more; or an administrator wants it forgotten. Whether
 * it was there. */
bool dane_seen_forget(struct dane_seen *seen, const char *text);

bool dane_seen_has(const struct dane_seen *seen, const char *text, int64_t now_s);
/* Whether what was seen then still counts now. */
bool dane_seen_counts(int64_t seen_at_s, int64_t now_s);

size_t dane_seen_count(const struct dane_seen *seen);

/* All of it, in no order; for writing the store anew. `each` must not change it. */
typedef void (*dane_seen_fn)(uint64_t key, int64_t seen_at_s, void *arg);
void dane_seen_each(const struct dane_seen *seen, dane_seen_fn each, void *arg);

#endif
