/*
 * What the two parts of the shared cache's client know of each other: shared.c, its life, and
 * shared_request.c, what it is asked.
 */
#ifndef POLICY_STORE_SHARED_INTERNAL_H
#define POLICY_STORE_SHARED_INTERNAL_H

#include "base/list.h"
#include "store/shared.h"
#include "store/shared_servers.h"

#include <stdatomic.h>

struct shared {
    struct event_base *base;
    struct shared_mac_keys keys;
    int timeout_ms;
    size_t max_payload;
    char *setup; /* what shared_reconfigure compares, password included */
    size_t setup_len;
    struct shared_servers *servers; /* NULL: nothing is shared */
    struct event *on_time;          /* of the first of `open` */
    struct list open;               /* requests, the oldest first */
    size_t open_count;
    bool in_vain;    /* one was not sent in its time, and there has been no connection since: none
                        waits for it any more */
    int64_t late_ms; /* clock_awake_ms when one that was sent was late, the last time, or 0 */
    bool ending;     /* connections are being freed: requests are not told by them */
    atomic_uint_least64_t results[ENGINE_SHARED_RESULTS];
    atomic_uint_least64_t rejected[SHARED_REJECTS];
};

/* Octets of the longest row. */
static inline size_t shared_row_max(size_t max_payload)
{
    return max_payload + SHARED_ROW_OVERHEAD;
}

/* event_callback_fn of on_time: ends what is due. `arg` is the struct shared. */
void shared_requests_on_time(evutil_socket_t fd, short what, void *arg);

/* There is a connection: what is open and was not sent is. */
void shared_requests_send(struct shared *shared);

/* No connection has them any more: they end without an answer, when the loop runs. */
void shared_requests_end_soon(struct shared *shared);

/* Likewise, and nobody is told. */
void shared_requests_free(struct shared *shared);

#endif
