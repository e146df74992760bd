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
    WAIT_DONE,      /* the lookup has ended: see wait_findings */
    WAIT_TIMEOUT,   /* not by the deadline */
    WAIT_FULL,      /* too many wait already; did not wait */
    WAIT_CANCELLED, /* the gate was closed, or `alive` said no */
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

/* Ends all waits, now and later, with WAIT_CANCELLED. Any thread. */
void wait_gate_close(struct wait_gate *gate);
unsigned wait_gate_waiting(struct wait_gate *gate); /* threads that wait now; any thread */
void wait_gate_free(struct wait_gate *gate);        /* nobody may be waiting; NULL is allowed */

/*
 * Starts a lookup that ends as soon as the findings are enough for a verdict under `terms`, whose
 * names must outlive the ticket. Returns 0 and a ticket for the caller to free, or a negative
 * errno. Any thread but the engine's.
 */
int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct wait_ticket **out);

/*
 * Waits for a ticket until deadline_ms on the clock of wait_now_ms. A lookup that has ended already
 * is WAIT_DONE at any time. One thread at a time may wait for a ticket.
 */
enum wait_result wait_for(struct wait_gate *gate, struct wait_ticket *ticket, enum wait_stage stage,
                          int64_t deadline_ms, wait_alive_fn alive, void *alive_arg);

/*
 * The findings of a lookup that has ended, borrowed until the ticket is freed; NULL when it has not
 * ended, or when the engine could not look (out of memory, shut down): a temporary failure.
 */
const struct findings *wait_findings(struct wait_ticket *ticket);

/* Gives up the lookup if it has not ended. NULL is allowed. */
void wait_ticket_free(struct wait_ticket *ticket);

int64_t wait_now_ms(void); /* monotonic */

#endif
