/*
 * What lookup_wait.c and wait_limiter.c share. Nobody else includes this. Locks are taken in the
 * order limiter, waiter; the engine's callbacks take the waiter's only, and no lock is held while
 * the engine is called.
 */
#ifndef MILTER_FILTER_LOOKUP_WAIT_INTERNAL_H
#define MILTER_FILTER_LOOKUP_WAIT_INTERNAL_H

#include "filter/lookup_wait.h"

#include <pthread.h>
#include <sys/queue.h>

struct lookup {
    SLIST_ENTRY(lookup) link;
    struct waiter *waiter;
    struct engine_request *request; /* NULL: none was made */
    struct nexthop nexthop;
    struct verdict_terms terms;
    enum wait_step step;
    bool done;
    const struct findings *findings;   /* our reference; NULL when the engine could not look */
    const struct findings *satisfying; /* likewise; NULL at WAIT_STEP_LOOKUP */
};

struct waiter {
    struct engine *engine;
    SLIST_HEAD(, lookup) lookups; /* changes only while nobody waits */

    pthread_mutex_t lock; /* guards what follows, and `done` and `findings` of lookups */
    pthread_cond_t changed;
    size_t open;    /* lookups */
    bool completed; /* a lookup has ended that no wait has returned for */
    bool cancelled;

    /* Guarded by the limiter's lock. */
    struct waiter *next;       /* in limiter.waiting */
    const struct lookup *slot; /* whose next-hop its slot is counted for */
};

/* Takes a slot for an open lookup of the waiter, which waits from then on. Returns WAIT_DONE when
 * there was one, else why not. */
enum wait_result wait_limiter_take(struct wait_limiter *limiter, struct waiter *waiter,
                                   enum wait_stage stage);
void wait_limiter_release(struct wait_limiter *limiter, struct waiter *waiter);

/* What wait_limiter_on_slow_wait was given, or NULL. */
wait_slow_fn wait_limiter_slow_fn(const struct wait_limiter *limiter);

#endif
