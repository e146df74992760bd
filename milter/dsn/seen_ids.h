/*
 * Remembers the queue ids of the last REQUIRETLS messages, so that a bounce whose returned original
 * does not show the request can still be recognised by its X-Postfix-Queue-ID.
 *
 * Memory: fixed at seen_ids_new, 48 bytes an id (3 MB for 65536). Life: an id is forgotten when
 * `capacity` newer ones have come, when it is removed, or with the process; there is no clock in
 * it. So the capacity should exceed the number of REQUIRETLS messages within the MTA's queue
 * lifetime (Postfix: 5 days). A forgotten id matters only where the message has no
 * Require-TLS-ESMTP field either. Cost: a lock and a short chain; nothing but one atomic read while
 * it is empty.
 *
 * Every function may be called from any thread.
 */
#ifndef MILTER_SEEN_IDS_H
#define MILTER_SEEN_IDS_H

#include <stdbool.h>
#include <stddef.h>

enum { SEEN_IDS_LEN_MAX = 35 }; /* Postfix's have up to 20 characters, sendmail's 14 */

struct seen_ids;

/* NULL when memory is short or capacity is 0 or above 2^24. */
struct seen_ids *seen_ids_new(size_t capacity);
void seen_ids_free(struct seen_ids *ids); /* NULL is allowed; no other call may be running */

/* Remembers an id; one that is there already becomes the newest. False when it is empty or longer
 * than SEEN_IDS_LEN_MAX and so not remembered. */
bool seen_ids_add(struct seen_ids *ids, const char *id);

/* Forgets an id, because a message without the request has it now: Postfix's short ids are used
 * again. */
void seen_ids_remove(struct seen_ids *ids, const char *id);

bool seen_ids_contains(struct seen_ids *ids, const char *id);

#endif
