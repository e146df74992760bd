/*
 * Remembers the queue ids of the last REQUIRETLS messages, so that a bounce whose returned original
 * does not show the request can still be recognised by its X-Postfix-Queue-ID.
 *
 * Memory: fixed at seen_ids_new, 64 bytes an id (4 MB for 65536). Life: an id is forgotten when
 * `capacity` newer ones have come, or when it is removed; there is no clock in it. So the capacity
 * should exceed the number of REQUIRETLS messages within the MTA's queue lifetime (Postfix: 5
 * days). A forgotten id matters only where the message has no Require-TLS-ESMTP field either. Cost:
 * a lock and a short chain; nothing but one atomic read while it is empty.
 *
 * What it holds can be kept in a file (seen_store.h): every id has a position, from 0 to capacity -
 * 1, and what changes at a position is handed to the one thread that writes.
 *
 * Every function may be called from any thread, where nothing else is said.
 */
#ifndef MILTER_DSN_SEEN_IDS_H
#define MILTER_DSN_SEEN_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEEN_IDS_LEN_MAX = 35 }; /* Postfix's have up to 20 characters, sendmail's 14 */

struct seen_ids;

/* NULL when memory is short or capacity is 0 or above 2^24. */
struct seen_ids *seen_ids_new(size_t capacity);
void seen_ids_free(struct seen_ids *ids); /* NULL is allowed; no other call may be running */

size_t seen_ids_capacity(const struct seen_ids *ids);

/* Remembers an id; one that is there already counts as one of the newer half. False when it is
 * empty or longer than SEEN_IDS_LEN_MAX and so not remembered. */
bool seen_ids_add(struct seen_ids *ids, const char *id);

/* Forgets an id, because a message without the request has it now: Postfix's short ids are used
 * again. */
void seen_ids_remove(struct seen_ids *ids, const char *id);

bool seen_ids_contains(struct seen_ids *ids, const char *id);

/*
 * Waits until the id is kept: returns true once nothing of it is left to be written, at once where
 * no thread writes or writing fails; false after timeout_ms.
 */
bool seen_ids_wait_kept(struct seen_ids *ids, const char *id, unsigned timeout_ms);

/* --- for the thread that writes */

/* What is at a position. */
struct seen_record {
    uint64_t seq;                  /* rises with the order of arrival; 0: nothing is there */
    char id[SEEN_IDS_LEN_MAX + 1]; /* "": nothing is there */
};

/*
 * Puts back what was kept: each position at most once, before any other call but seen_ids_new. Of
 * two records with one id the later counts. False: no valid record.
 */
bool seen_ids_restore(struct seen_ids *ids, size_t position, const struct seen_record *record);

/* Whether changes are being written from now on. At first they are not. */
void seen_ids_set_kept(struct seen_ids *ids, bool kept);

/* Every position counts as changed: the file has something else. */
void seen_ids_rewrite(struct seen_ids *ids);

/*
 * Takes the next change, waiting up to timeout_ms for one. Each that was taken must be ended by
 * seen_ids_end_change before the next is. False: there was none.
 */
bool seen_ids_take_change(struct seen_ids *ids, unsigned timeout_ms, size_t *position,
                          struct seen_record *out);

/* Whether it was written; if not, it is there to be taken again. */
void seen_ids_end_change(struct seen_ids *ids, size_t position, bool written);

/* Ends the wait in seen_ids_take_change, this one or the next. */
void seen_ids_interrupt(struct seen_ids *ids);

#endif
