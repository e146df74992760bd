/*
 * What the files of the prober share; nobody else includes this. Each uses those before it alone:
 * prober_keep.c, prober_shared.c, prober_note.c, prober_task_state.c, prober_task.c,
 * prober_request.c, prober.c.
 */
#ifndef POLICY_PROBE_PROBER_INTERNAL_H
#define POLICY_PROBE_PROBER_INTERNAL_H

#include "base/list.h"
#include "base/table.h"
#include "probe/probe_limits.h"
#include "probe/prober.h"

#include <stdatomic.h>

struct probe_task;

/* One who waits for a task. */
struct probe_waiter {
    struct list link;        /* in the task's list */
    struct probe_task *task; /* NULL: none */
    /* Called when the task is SLOW (it goes on), KNOWN (with its result, borrowed) or LEFT (it came
     * to nothing): then the waiter has none any more. */
    void (*changed)(struct probe_waiter *waiter, enum probe_stage stage,
                    struct probe_result *result);
};

struct probe_counters {
    atomic_uint_least64_t begun, left_out, total_ms;
    atomic_uint_least64_t results[FINDINGS_PROBE_FAILED + 1];
    atomic_uint_least64_t buckets[ENGINE_LOOKUP_BUCKETS];
    atomic_size_t in_flight;
    atomic_int_least64_t rest_until_ms;
};

struct prober {
    struct world *world;
    struct prober_settings settings;
    atomic_bool enabled;        /* the settings', for any thread */
    atomic_uint_least16_t port; /* likewise */
    struct probe_cache *cache;
    struct probe_limits limits;
    struct probe_counters counters;
    int64_t lack_warned_ms; /* when a lack of ours was last warned of; 0: never */

    struct table tasks; /* all, by host, endpoint and demand */
    struct list asking; /* tasks by state, in the order in which they came to it */
    struct list waiting;
    struct list active;
    struct list slow;
    size_t asking_count, waiting_count, active_count, slow_count;
    struct world_timer *timer; /* for what is slow, or has waited too long; NULL: not set */
    bool starting;             /* tasks are being started */
    atomic_uint configured;    /* how often: a task may be of a configuration before */

    struct list requests;
};

/* prober_keep.c */

/* The key under which the result of a candidate is kept. */
struct probe_cache_key probe_keep_key(const struct probe_plan *plan, size_t candidate,
                                      char endpoint[PROBE_ENDPOINT_MAX]);

/* What is known of a candidate, with a reference for the caller, or NULL. Any thread. */
struct probe_result *probe_keep_known(struct prober *prober, const struct probe_plan *plan,
                                      size_t candidate, int64_t now_ms);

/* Keeps a result for ttl or negative_ttl from now. */
void probe_keep(struct prober *prober, const struct probe_cache_key *key,
                struct probe_result *result);

/* Keeps and counts what a probe came to that was begun when `configured` was the prober's. With a
 * reference for the caller, or NULL for want of memory, and for a certificate that another
 * configuration may think well of; *rests: a rest begins by it. */
struct probe_result *probe_keep_result(struct prober *prober, const struct probe_plan *plan,
                                       size_t candidate, const struct findings_probe *probe,
                                       unsigned configured, int64_t took_ms, bool *rests);

/* What a probe came to that failed for a lack of ours: it is counted as left out and warned of, and
 * is not kept. For who looks at all a result that tells it, with a reference; else NULL. */
struct probe_result *probe_keep_lack(struct prober *prober, const struct probe_plan *plan,
                                     size_t candidate, const struct findings_probe *probe);

/* prober_shared.c */

/* What the shared cache is asked about one candidate; embedded by who asks, all zero before. */
struct probe_shared {
    struct prober *prober;
    struct probe_plan *plan; /* borrowed */
    size_t candidate;
    struct probe_shared_question {
        struct probe_shared *shared;
        struct world_shared *asked; /* in flight, else NULL */
        bool for_all;               /* demands */
    } questions[2];
    struct probe_result *result; /* the best so far, with a reference; or NULL */
    int64_t ends_at_s;           /* wall clock; of the result */
    bool barred;                 /* what it has is not to be used */
    /* Called once: a result that is kept by now, borrowed, or NULL. The last thing that is done
     * with this, so that it may be freed inside. */
    void (*done)(struct probe_shared *shared, struct probe_result *result);
};

/* Asks for a candidate. False: nobody answers, and `done` is not called. */
bool probe_shared_ask(struct probe_shared *shared, struct prober *prober, struct probe_plan *plan,
                      size_t candidate,
                      void (*done)(struct probe_shared *shared, struct probe_result *result));
/* `done` is not called any more. Harmless when nothing was asked. */
void probe_shared_stop(struct probe_shared *shared);

/* Gives the shared cache what a probe under a demand of that kind, or a connection for delivery,
 * has just shown, if that says as much to other hosts. */
void probe_shared_put(struct prober *prober, const struct probe_cache_key *key,
                      enum tls_demand_kind kind, const struct probe_result *result);

/* prober_task_state.c */

int64_t prober_now_ms(const struct prober *prober);

enum probe_task_state {
    PROBE_TASK_ASKING,  /* entered first: the shared cache is asked */
    PROBE_TASK_WAITING, /* from ASKING, or at once where that is not asked: for a slot */
    PROBE_TASK_ACTIVE,  /* from WAITING: it connects */
    PROBE_TASK_SLOW,    /* from ACTIVE, after a second */
};

struct probe_task {
    struct table_node node; /* in prober->tasks */
    struct list link;       /* in the list of its state */
    struct prober *prober;
    struct probe_plan *plan; /* with a reference: the demand and the address are in it */
    size_t candidate;
    enum probe_task_state state;
    struct list waiters;
    struct probe_shared shared; /* of ASKING */
    struct world_probe *probe;  /* of ACTIVE and SLOW */
    struct world_probe_target target;
    unsigned configured; /* prober->configured when it connected */
    int64_t started_ms;  /* when it began to wait, or connected */
    char key[];
};

struct probe_task *probe_task_of(struct list *link);

/* A task of that key, ASKING; NULL when out of memory. */
struct probe_task *probe_task_new(struct prober *prober, struct probe_plan *plan, size_t candidate,
                                  const char *key);
void probe_task_move(struct probe_task *task, enum probe_task_state state);

/* Cancels what is in flight and frees it. Leaves those who waited in `waiters`, which is
 * initialised here. */
void probe_task_end(struct probe_task *task, struct list *waiters);

/* Nothing of a task is used from here on. */
void probe_task_tell(struct list *waiters, enum probe_stage stage, struct probe_result *result);

void probe_task_end_and_tell(struct probe_task *task); /* LEFT */

/* prober_task.c */

/*
 * Looks at candidate number `candidate` of the plan. KNOWN: *result, with a reference for the
 * caller. ASKED or SLOW: the waiter will be told. LEFT: it is not looked at, for want of memory or
 * by a limit.
 */
enum probe_stage probe_task_ask(struct prober *prober, struct probe_plan *plan, size_t candidate,
                                struct probe_waiter *waiter, struct probe_result **result);

/* Whether a stranger's DNS leads to this host itself: such an address is LEFT. */
bool probe_task_is_own(struct prober *prober, const struct probe_plan *plan, size_t candidate);

/* Does not wait any more; harmless when it does not. */
void probe_task_leave(struct probe_waiter *waiter);

/* What the shared cache has been asked of the host and answers later is not used. */
void probe_task_bar_shared(struct prober *prober, const char *host);

/* Ends all; whoever waits is told LEFT, or not told at all. */
void probe_task_end_all(struct prober *prober, bool tell);

/* prober_request.c */
void probe_request_fail_all(struct prober *prober); /* each is called back with NULL */

#endif
