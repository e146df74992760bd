/*
 * Waiting for lookups of the engine. wait_start begins a lookup and adds it to a waiter; wait_for
 * returns as soon as one of the waiter's lookups has ended, or says why it did not wait any longer;
 * wait_findings then gives what was found, and wait_go_on has more found out. wait_limiter.c gives
 * a slot to each thread that waits.
 */
#include "filter/lookup_wait.h"

#include "filter/lookup_wait_internal.h"
#include "filter/probe_step.h"
#include "policy/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* engine_enough_fn */
static bool is_enough(const struct findings *findings, void *arg)
{
    const struct lookup *lookup = arg;
    struct verdict verdict;

    verdict_derive(findings, &lookup->terms, &verdict);
    return verdict.value != VERDICT_PENDING;
}

/* engine_enough_fn */
static bool are_hosts_known(const struct findings *findings, void *arg)
{
    const struct lookup *lookup = arg;

    return is_enough(findings, arg) && probe_step_hosts_known(findings, &lookup->terms);
}

/* engine_done_fn */
static void on_done(const struct findings *findings, void *arg)
{
    struct lookup *lookup = arg;
    struct waiter *waiter = lookup->waiter;

    pthread_mutex_lock(&waiter->lock);
    lookup->findings = findings != NULL ? findings_ref(findings) : NULL;
    lookup->done = true;
    waiter->open--;
    waiter->completed = true;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static int waiter_init(struct waiter *waiter)
{
    int error = pthread_mutex_init(&waiter->lock, NULL);

    if (error != 0)
        return -error;
    error = clock_cond_init(&waiter->changed);
    if (error != 0)
        pthread_mutex_destroy(&waiter->lock);
    return -error;
}

static struct waiter *waiter_new(struct engine *engine)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (waiter != NULL && waiter_init(waiter) != 0) {
        free(waiter);
        return NULL;
    }
    if (waiter != NULL)
        waiter->engine = engine;
    return waiter;
}

static struct lookup *lookup_of(const struct waiter *waiter, const struct nexthop *nexthop)
{
    struct lookup *lookup;

    SLIST_FOREACH(lookup, &waiter->lookups, link)
    {
        if (strcmp(lookup->nexthop.text, nexthop->text) == 0)
            break;
    }
    return lookup;
}

static struct lookup *lookup_new(struct waiter *waiter, const struct nexthop *nexthop,
                                 const struct verdict_terms *terms)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (lookup == NULL)
        return NULL;
    lookup->waiter = waiter;
    lookup->nexthop = *nexthop;
    lookup->terms = *terms;
    SLIST_INSERT_HEAD(&waiter->lookups, lookup, link);
    return lookup;
}

static void count_open(struct waiter *waiter, size_t change)
{
    pthread_mutex_lock(&waiter->lock);
    waiter->open += change;
    pthread_mutex_unlock(&waiter->lock);
}

/* Gives its request back, whether or not that has ended. Nothing of it happens any more. */
static void lookup_cancel(struct lookup *lookup)
{
    if (lookup->request != NULL)
        engine_cancel(lookup->waiter->engine, lookup->request);
    lookup->request = NULL;
}

/* One whose request is over, or was never made. */
static void lookup_remove(struct lookup *lookup)
{
    if (!lookup->done)
        count_open(lookup->waiter, (size_t)-1);
    SLIST_REMOVE(&lookup->waiter->lookups, lookup, lookup, link);
    findings_unref(lookup->findings);
    findings_unref(lookup->satisfying);
    free(lookup);
}

int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct waiter **waiter)
{
    struct waiter *w = *waiter != NULL ? *waiter : waiter_new(engine);
    struct lookup *old, *lookup;
    int error = -ENOMEM;

    if (w == NULL)
        return error;
    old = lookup_of(w, nexthop);
    lookup = lookup_new(w, nexthop, terms);
    if (lookup != NULL) {
        count_open(w, 1);
        error = engine_lookup(engine, nexthop, is_enough, on_done, lookup, &lookup->request);
    }
    if (error == 0 && old != NULL) {
        lookup_cancel(old);
        lookup_remove(old);
    } else if (error != 0 && lookup != NULL) {
        lookup_remove(lookup);
    }
    if (error != 0 && *waiter == NULL)
        waiter_free(w);
    else
        *waiter = w;
    return error;
}

/* Open once more, in another step. */
static void lookup_reopen(struct lookup *lookup, const struct verdict_terms *terms,
                          enum wait_step step, const struct findings *satisfying)
{
    const struct findings *own = findings_ref(satisfying);

    lookup_cancel(lookup);
    if (lookup->done)
        count_open(lookup->waiter, 1);
    findings_unref(lookup->findings);
    findings_unref(lookup->satisfying);
    lookup->findings = NULL;
    lookup->satisfying = own;
    lookup->terms = *terms;
    lookup->step = step;
    lookup->done = false;
}

int wait_go_on(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, enum wait_step step,
               const struct findings *satisfying, struct waiter **waiter)
{
    struct waiter *w = *waiter != NULL ? *waiter : waiter_new(engine);
    struct lookup *lookup = w != NULL ? lookup_of(w, nexthop) : NULL;
    int error;

    if (w == NULL)
        return -ENOMEM;
    *waiter = w;
    if (lookup == NULL) {
        lookup = lookup_new(w, nexthop, terms);
        if (lookup == NULL)
            return -ENOMEM;
        count_open(w, 1);
    }
    lookup_reopen(lookup, terms, step, satisfying);
    if (step == WAIT_STEP_PROBE)
        error = engine_probe(engine, satisfying, terms, on_done, lookup, &lookup->request);
    else
        error = engine_lookup(engine, nexthop, are_hosts_known, on_done, lookup, &lookup->request);
    if (error != 0) {
        lookup->request = NULL;
        lookup->done = true;
        count_open(w, (size_t)-1);
    }
    return error;
}

/* Waits with the waiter's lock held; the lock is released for `alive`. */
static enum wait_result wait_locked(struct waiter *waiter, int64_t deadline_ms, wait_alive_fn alive,
                                    void *alive_arg)
{
    int64_t now = clock_awake_ms(), progress_at = now + WAIT_PROGRESS_MS;

    while (!waiter->completed && waiter->open > 0) {
        bool report = alive != NULL && progress_at < deadline_ms;
        struct timespec until = clock_cond_time(report ? progress_at : deadline_ms);

        if (waiter->cancelled)
            return WAIT_CLOSED;
        if (now >= deadline_ms)
            return WAIT_TIMEOUT;
        pthread_cond_timedwait(&waiter->changed, &waiter->lock, &until);
        now = clock_awake_ms();
        if (report && now >= progress_at && !waiter->completed) {
            bool go_on;

            pthread_mutex_unlock(&waiter->lock);
            go_on = alive(alive_arg);
            pthread_mutex_lock(&waiter->lock);
            if (!go_on)
                return WAIT_GONE;
            now = clock_awake_ms();
            progress_at = now + WAIT_PROGRESS_MS;
        }
    }
    waiter->completed = false;
    return WAIT_DONE;
}

/* Whether there is nothing to wait for; the caller then knows all that has ended. */
static bool take_completed(struct waiter *waiter)
{
    bool completed;

    pthread_mutex_lock(&waiter->lock);
    completed = waiter->completed || waiter->open == 0;
    waiter->completed = false;
    pthread_mutex_unlock(&waiter->lock);
    return completed;
}

/* Waits with a slot; calls on_slow when that takes long. */
static enum wait_result wait_in_slot(struct wait_limiter *limiter, struct waiter *waiter,
                                     int64_t deadline_ms, wait_alive_fn alive, void *alive_arg)
{
    int64_t slow_at_ms = clock_awake_ms() + WAIT_SLOW_MS;
    wait_slow_fn on_slow = wait_limiter_slow_fn(limiter);
    enum wait_result result = WAIT_TIMEOUT;

    pthread_mutex_lock(&waiter->lock);
    if (on_slow != NULL && slow_at_ms < deadline_ms) {
        result = wait_locked(waiter, slow_at_ms, NULL, NULL);
        if (result == WAIT_TIMEOUT) {
            pthread_mutex_unlock(&waiter->lock);
            on_slow();
            pthread_mutex_lock(&waiter->lock);
        }
    }
    if (result == WAIT_TIMEOUT)
        result = wait_locked(waiter, deadline_ms, alive, alive_arg);
    pthread_mutex_unlock(&waiter->lock);
    return result;
}

enum wait_result wait_for(struct wait_limiter *limiter, struct waiter *waiter,
                          enum wait_stage stage, int64_t deadline_ms, wait_alive_fn alive,
                          void *alive_arg)
{
    enum wait_result result;

    if (take_completed(waiter))
        return WAIT_DONE;
    if (clock_awake_ms() >= deadline_ms)
        return WAIT_TIMEOUT;
    result = wait_limiter_take(limiter, waiter, stage);
    /* What ended after the first look needs no slot, and would have been given none. */
    if (result != WAIT_DONE)
        return take_completed(waiter) ? WAIT_DONE : result;
    result = wait_in_slot(limiter, waiter, deadline_ms, alive, alive_arg);
    wait_limiter_release(limiter, waiter);
    return result;
}

bool wait_has(struct waiter *waiter, const struct nexthop *nexthop, bool *ended)
{
    const struct lookup *lookup = lookup_of(waiter, nexthop);

    *ended = false;
    if (lookup == NULL)
        return false;
    pthread_mutex_lock(&waiter->lock);
    *ended = lookup->done;
    pthread_mutex_unlock(&waiter->lock);
    return true;
}

const struct findings *wait_findings(struct waiter *waiter, const struct nexthop *nexthop)
{
    const struct lookup *lookup = lookup_of(waiter, nexthop);
    const struct findings *findings;

    if (lookup == NULL)
        return NULL;
    pthread_mutex_lock(&waiter->lock);
    findings = lookup->done ? lookup->findings : NULL;
    pthread_mutex_unlock(&waiter->lock);
    return findings;
}

bool wait_look(struct waiter *waiter, const struct nexthop *nexthop, struct wait_view *out)
{
    const struct lookup *lookup = lookup_of(waiter, nexthop);

    *out = (struct wait_view){.step = WAIT_STEP_LOOKUP};
    if (lookup == NULL)
        return false;
    out->step = lookup->step;
    out->satisfying = lookup->satisfying;
    out->terms = lookup->terms;
    pthread_mutex_lock(&waiter->lock);
    out->ended = lookup->done;
    out->findings = lookup->done ? lookup->findings : NULL;
    pthread_mutex_unlock(&waiter->lock);
    return true;
}

void waiter_free(struct waiter *waiter)
{
    struct lookup *lookup;

    if (waiter == NULL)
        return;
    while ((lookup = SLIST_FIRST(&waiter->lookups)) != NULL) {
        lookup_cancel(lookup);
        lookup_remove(lookup);
    }
    pthread_cond_destroy(&waiter->changed);
    pthread_mutex_destroy(&waiter->lock);
    free(waiter);
}
