/*
 * How a milter thread waits for lookups of the engine and for its probes, and the only way: with a
 * deadline, with cancellation, and with a bound on how many may wait at once, in all and for one
 * next-hop. A probe goes on from the findings of a lookup: it is the same lookup of the waiter, in
 * another step.
 */
#ifndef MILTER_FILTER_LOOKUP_WAIT_H
#define MILTER_FILTER_LOOKUP_WAIT_H

#include "filter/wait_limiter.h"
#include "policy/engine.h"
#include "policy/engine_probe.h"
#include "policy/verdict.h"

struct waiter;

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

/*
 * Starts a lookup that ends as soon as the findings are enough for a verdict under `terms`, whose
 * names must outlive the waiter. A *waiter of NULL becomes a new waiter for the caller to free; an
 * existing one takes on one more lookup, which replaces one for the same next-hop.
 * Returns 0 or a negative errno, then nothing has changed. Any thread but the engine's, and not
 * while another waits for the waiter.
 */
int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct waiter **waiter);

/* What a lookup of a waiter is about. */
enum wait_step {
    WAIT_STEP_LOOKUP, /* findings that are enough for a verdict */
    WAIT_STEP_HOSTS,  /* findings in which every host is known, for a probe of them */
    WAIT_STEP_PROBE,  /* findings with what probes of the servers have shown */
};

/*
 * Goes on from findings that satisfy under `terms`, of a lookup of the waiter or of the cache: with
 * WAIT_STEP_PROBE the servers are probed, with WAIT_STEP_HOSTS first looked up what is in flight of
 * them. What the waiter had for the next-hop is given up. Until this has ended, and where it comes
 * to nothing, `satisfying` stand (wait_look); the waiter takes a reference. Returns as wait_start,
 * but in an error the lookup has ended, without findings.
 */
int wait_go_on(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, enum wait_step step,
               const struct findings *satisfying, struct waiter **waiter);

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

/* What is known of a lookup; findings are borrowed as those of wait_findings. */
struct wait_view {
    enum wait_step step;
    bool ended;
    const struct findings *findings;   /* of this step, as wait_findings */
    const struct findings *satisfying; /* what it went on from; NULL at WAIT_STEP_LOOKUP */
    struct verdict_terms terms;        /* which it was begun under */
};

/* Returns false if the waiter has no lookup for the next-hop. */
bool wait_look(struct waiter *waiter, const struct nexthop *nexthop, struct wait_view *out);

/* Gives up what has not ended. NULL is allowed. */
void waiter_free(struct waiter *waiter);

#endif
