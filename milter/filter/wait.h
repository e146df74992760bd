/*
 * The one place where a milter thread waits for the engine: with a deadline, with cancellation, and
 * with a bound on how many may wait at once, in all and for one next-hop.
 */
#ifndef WAIT_H
#define WAIT_H

#include "policy/engine.h"
#include "policy/verdict.h"

struct wait_gate;
struct wait_ticket;

/*
 * Shares of the gate's limit that one next-hop may take, so that a slow destination never holds up
 * the others. A recipient turned away at RCPT still has end-of-message, hence the larger share.
 */
enum wait_stage {
    WAIT_STAGE_RCPT, /* an eighth */
    WAIT_STAGE_EOM,  /* half, those at RCPT included */
};

enum wait_result {
    WAIT_DONE,    /* a lookup has ended: see wait_has */
    WAIT_TIMEOUT, /* not by the deadline */
    WAIT_FULL,    /* too many wait already; did not wait */
    WAIT_CLOSED,  /* the gate was closed */
    WAIT_GONE,    /* `alive` said no */
};

/* Called about every WAIT_PROGRESS_MS; false ends the wait. */
typedef bool (*wait_alive_fn)(void *arg);
enum { WAIT_PROGRESS_MS = 2500 };

/* One gate per process. Returns 0 or a negative errno. `limit` is the number of threads that may
 * wait at once; each is a thread of libmilter's pool, which has no bound of its own. */
int wait_gate_new(unsigned limit, struct wait_gate **out);
void wait_gate_set_limit(struct wait_gate *gate, unsigned limit); /* any thread */

/*
 * A function to call whenever a thread has waited for WAIT_STUCK_MS and will wait on; it may be
 * slow and is called without a lock. See filter_socket_nudge. Call before anyone waits; NULL for
 * none.
 */
typedef void (*wait_stuck_fn)(void);
enum { WAIT_STUCK_MS = 20 };
void wait_gate_set_stuck(struct wait_gate *gate, wait_stuck_fn stuck);

/* Ends all waits, now and later, with WAIT_CLOSED. Any thread. */
void wait_gate_close(struct wait_gate *gate);
unsigned wait_gate_waiting(struct wait_gate *gate); /* threads that wait now; any thread */
void wait_gate_free(struct wait_gate *gate);        /* nobody may be waiting; NULL is allowed */

/*
 * Starts a lookup that ends as soon as the findings are enough for a verdict under `terms`, whose
 * names must outlive the ticket. A *ticket of NULL becomes a new ticket for the caller to free; an
 * existing one takes on one more lookup, in the place of one for the same next-hop.
 * Returns 0 or a negative errno, then nothing has changed. Any thread but the engine's, and not
 * while another waits for the ticket.
 */
int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct wait_ticket **ticket);

/*
 * Waits until deadline_ms on the clock of wait_now_ms for a lookup of the ticket to end. It is
 * WAIT_DONE at any time, the deadline notwithstanding, if one has ended that no call has returned
 * for, or all have. In the gate a ticket takes a place of one of its open lookups' next-hops,
 * whichever has one left. One thread at a time may wait for a ticket.
 */
enum wait_result wait_for(struct wait_gate *gate, struct wait_ticket *ticket, enum wait_stage stage,
                          int64_t deadline_ms, wait_alive_fn alive, void *alive_arg);

/* Whether the ticket has a lookup for the next-hop; ended says whether that has ended. */
bool wait_has(struct wait_ticket *ticket, const struct nexthop *nexthop, bool *ended);

/*
 * The findings of a lookup that has ended, borrowed until it begins anew or the ticket is freed;
 * NULL when it has not ended, or when the engine could not look (out of memory, shut down): a
 * temporary failure.
 */
const struct findings *wait_findings(struct wait_ticket *ticket, const struct nexthop *nexthop);

/* Gives up what has not ended. NULL is allowed. */
void wait_ticket_free(struct wait_ticket *ticket);

int64_t wait_now_ms(void); /* monotonic */

#endif
