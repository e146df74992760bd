/*
 * The bound on how many threads wait for lookups at once, in all and for one next-hop. Whoever
 * waits does so by lookup_wait.h, which takes and releases the slots.
 */
#ifndef MILTER_FILTER_WAIT_LIMITER_H
#define MILTER_FILTER_WAIT_LIMITER_H

struct wait_limiter;

/*
 * Shares of the limiter's limit that one next-hop may take, so that a slow destination never holds
 * up the others. A recipient turned away at RCPT still has end-of-message, hence the larger share.
 */
enum wait_stage {
    WAIT_STAGE_RCPT, /* an eighth */
    WAIT_STAGE_EOM,  /* half, those at RCPT included */
};

/*
 * All that wait for a probe share one half of the limit, so that servers that do not answer hold up
 * no lookup: without a slot what is known already decides.
 */

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

#endif
