/*
 * How a milter thread waits for lookups of the engine, and the only way: with a deadline, with
 * cancellation, and with a bound on how many may wait at once, in all and for one next-hop.
 */
#ifndef MILTER_FILTER_LOOKUP_WAIT_H
#define MILTER_FILTER_LOOKUP_WAIT_H

#include "policy/engine.h"
#include "policy/verdict.h"

struct wait_limiter;
struct waiter;

/*
 * Shares of the limiter's limit that one next-hop may take, so that a slow destination never holds
 * up the others. A recipient turned away at RCPT still has end-of-message, hence the larger share.
 */
enum wait_stage {
    WAIT_STAGE_RCPT, /* an eighth */
    WAIT_STAGE_EOM,  /* half, those at RCPT included */
};

enum wait_result {
    WAIT_DONE,    /* a lookup has ended: see wait_has */
    WAIT_TIMEOUT, /* not by the deadline */
    WAIT_FULL,    /* too many wait already; did not wait */
    WAIT_CLOSED,  /* the limiter was closed */
    WAIT_GONE,    /* `alive` said no */
};

/* Called about every WAIT_PROGRESS_MS; false ends the wait. */
typedef bool (*wait_alive_fn)(void *arg);
enum { WAIT_PROGRESS_MS = 2500 };

/* One limiter per process. Returns 0 or a negative errno. `limit` is the number of threads that may
 * wait at once; each is a thread of libmilter's pool, which has no bound of its own. */
int wait_limiter_new(unsigned limit, struct wait_limiter **out);
void wait_limiter_set_limit(struct wait_limiter *limiter, unsigned limit); /* any thread */

/*
 * A function to call whenever a thread has waited for WAIT_SLOW_MS and will wait on; it may be
 * slow and is called without a lock. See filter_socket_nudge. Call before anyone waits; NULL for
 * none.
 */
typedef void (*wait_slow_fn)(void);
enum { WAIT_SLOW_MS = 20 };
void wait_limiter_on_slow_wait(struct wait_limiter *limiter, wait_slow_fn on_slow);

/* Ends all waits, now and later, with WAIT_CLOSED. Any thread. */
void wait_limiter_close(struct wait_limiter *limiter);
unsigned wait_limiter_waiting(struct wait_limiter *limiter); /* threads that wait now; any thread */
void wait_limiter_free(struct wait_limiter *limiter); /* nobody may be waiting; NULL is allowed */

/*
 * Starts a lookup that ends as soon as the findings are enough for a verdict under `terms`, whose
 * names must outlive the waiter. A *waiter of NULL becomes a new waiter for the caller to free; an
 * existing one takes on one more lookup, which replaces one for the same next-hop.
 * Returns 0 or a negative errno, then nothing has changed. Any thread but the engine's, and not
 * while another waits for the waiter.
 */
int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct waiter **waiter);

/*
 * Waits until deadline_ms on the clock of clock_awake_ms for a lookup of the waiter to end. It is
 * WAIT_DONE at any time, the deadline notwithstanding, if one has ended that no call has returned
 * for, or all have. The waiter takes a slot of one of its open lookups' next-hops,
 * whichever has one left. One thread at a time may wait for a waiter.
 */
enum wait_result wait_for(struct wait_limiter *limiter, struct waiter *waiter,
                          enum wait_stage stage, int64_t deadline_ms, wait_alive_fn alive,
                          void *alive_arg);

/* Whether the waiter has a lookup for the next-hop; ended says whether that has ended. */
bool wait_has(struct waiter *waiter, const struct nexthop *nexthop, bool *ended);

/*
 * The findings of a lookup that has ended, borrowed until it begins anew or the waiter is freed;
 * NULL when it has not ended, or when the engine could not look (out of memory, shut down): a
 * temporary failure.
 */
const struct findings *wait_findings(struct waiter *waiter, const struct nexthop *nexthop);

/* Gives up what has not ended. NULL is allowed. */
void waiter_free(struct waiter *waiter);

#endif
