/*
 * Observations: observer_take evaluates the rules on the caller's thread and writes the line
 * (observe_line.h) of what is known at once. What is not becomes an observation in the list of
 * those that wait, which is sorted by deadline: the first is the next to be over, also after a
 * reload with a shorter eom_wait. The engine's thread moves it to the list of the completed; a
 * thread of the observer concludes it. What an observation asks, and its end, is in observation.c.
 */
#include "filter/observe.h"

#include "filter/observation.h"
#include "filter/observe_line.h"
#include "policy/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

TAILQ_HEAD(observations, observation);

struct observer {
    struct observation_host host;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t changed;
    struct observations waiting; /* by deadline, the earliest first */
    struct observations completed;
    unsigned count; /* of both, and of those being made */
    bool runs;
    bool stopping;
    pthread_t thread;
};

/* As on_answer of struct observation_host. */
static void complete_if_done(struct observation *o, void *arg)
{
    struct observer *observer = arg;

    if (!o->listed || o->open > 0 || o->completed)
        return;
    TAILQ_REMOVE(&observer->waiting, o, link);
    TAILQ_INSERT_TAIL(&observer->completed, o, link);
    o->completed = true;
    pthread_cond_signal(&observer->changed);
}

int observer_new(struct engine *engine, struct metrics *metrics, struct observer **out)
{
    struct observer *observer = calloc(1, sizeof(*observer));

    if (observer == NULL)
        return -ENOMEM;
    observer->host = (struct observation_host){
        .engine = engine,
        .metrics = metrics,
        .lock = &observer->lock,
        .on_answer = complete_if_done,
        .arg = observer,
    };
    TAILQ_INIT(&observer->waiting);
    TAILQ_INIT(&observer->completed);
    pthread_mutex_init(&observer->lock, NULL);
    clock_cond_init(&observer->changed);
    *out = observer;
    return 0;
}

/* --- on the observer's thread ------------------------------------------------------------------
 */

/* With the lock held: the next that is completed or over, taken out of its list; NULL: none is. */
static struct observation *next_concluded(struct observer *observer)
{
    struct observation *o = TAILQ_FIRST(&observer->completed);

    if (o != NULL) {
        TAILQ_REMOVE(&observer->completed, o, link);
        return o;
    }
    o = TAILQ_FIRST(&observer->waiting);
    if (o == NULL || (!observer->stopping && clock_awake_ms() < o->deadline_ms))
        return NULL;
    TAILQ_REMOVE(&observer->waiting, o, link);
    o->completed = true;
    return o;
}

static void *run_observer(void *arg)
{
    struct observer *observer = arg;

    pthread_mutex_lock(&observer->lock);
    for (;;) {
        struct observation *o = next_concluded(observer);
        bool stopping = observer->stopping;

        if (o != NULL) {
            pthread_mutex_unlock(&observer->lock);
            observation_conclude(o, stopping ? DECIDE_MISSING_STOP : DECIDE_MISSING_TIME);
            pthread_mutex_lock(&observer->lock);
            observer->count--;
            pthread_cond_broadcast(&observer->changed);
            continue;
        }
        if (stopping && observer->count == 0)
            break;
        o = TAILQ_FIRST(&observer->waiting);
        if (o != NULL) {
            struct timespec until = clock_cond_time(o->deadline_ms);

            pthread_cond_timedwait(&observer->changed, &observer->lock, &until);
        } else {
            pthread_cond_wait(&observer->changed, &observer->lock);
        }
    }
    pthread_mutex_unlock(&observer->lock);
    return NULL;
}

/* --- from outside ---------------------------------------------------------------------------- */

/* Whether as many wait already for a next-hop that must be asked about as may. With the lock held.
 */
static bool share_is_used_up(const struct observer *observer, const struct candidates *candidates)
{
    const struct observation *o;

    for (size_t i = 0; i < candidates->count; i++) {
        const struct candidate *c = &candidates->items[i];
        unsigned same = 0;

        if (c->known)
            continue;
        TAILQ_FOREACH (o, &observer->waiting, link)
            same += observation_waits_for(o, c->in.nexthop);
        if (same >= OBSERVE_SHARE)
            return true;
    }
    return false;
}

/* Room for one more, and a thread to conclude it. */
static bool reserve(struct observer *observer, const struct candidates *candidates)
{
    bool reserved = false;

    pthread_mutex_lock(&observer->lock);
    if (!observer->runs && !observer->stopping)
        observer->runs = pthread_create(&observer->thread, NULL, run_observer, observer) == 0;
    if (observer->runs && !observer->stopping && observer->count < OBSERVE_MAX &&
        !share_is_used_up(observer, candidates)) {
        observer->count++;
        reserved = true;
    }
    pthread_mutex_unlock(&observer->lock);
    return reserved;
}

static void unreserve(struct observer *observer)
{
    pthread_mutex_lock(&observer->lock);
    observer->count--;
    pthread_cond_broadcast(&observer->changed);
    pthread_mutex_unlock(&observer->lock);
}

/* With the lock held: behind those that are over before it, or at the same time. */
static void list_waiting(struct observer *observer, struct observation *o)
{
    struct observation *before = TAILQ_LAST(&observer->waiting, observations);

    while (before != NULL && before->deadline_ms > o->deadline_ms)
        before = TAILQ_PREV(before, observations, link);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&observer->waiting, before, o, link);
    else
        TAILQ_INSERT_HEAD(&observer->waiting, o, link);
    o->listed = true;
}

/* The engine is asked before it is listed: its answer may come at any time. */
static void begin(struct observer *observer, const struct observe_args *args,
                  const struct candidates *candidates)
{
    bool reserved = reserve(observer, candidates);
    struct observation *o = reserved ? observation_new(&observer->host, args) : NULL;

    if (o == NULL) {
        if (reserved)
            unreserve(observer);
        metrics_observed_skipped(observer->host.metrics);
        return;
    }
    observation_ask(o);
    pthread_mutex_lock(&observer->lock);
    list_waiting(observer, o);
    complete_if_done(o, observer);
    pthread_cond_signal(&observer->changed);
    pthread_mutex_unlock(&observer->lock);
}

void observer_take(struct observer *observer, const struct observe_args *args)
{
    struct candidates candidates;

    candidates_init(&candidates, args->recipient, args->context);
    if (observation_look(observer->host.engine, &candidates))
        observe_line_write(observer->host.metrics, &candidates, args->queue_id, args->from,
                           args->recipient->shown);
    else
        begin(observer, args, &candidates);
    candidates_release(&candidates);
}

void observer_stop(struct observer *observer)
{
    bool runs;

    pthread_mutex_lock(&observer->lock);
    observer->stopping = true;
    runs = observer->runs;
    observer->runs = false;
    pthread_cond_broadcast(&observer->changed);
    pthread_mutex_unlock(&observer->lock);
    if (runs)
        pthread_join(observer->thread, NULL);
}

void observer_free(struct observer *observer)
{
    if (observer == NULL)
        return;
    observer_stop(observer);
    pthread_cond_destroy(&observer->changed);
    pthread_mutex_destroy(&observer->lock);
    free(observer);
}
