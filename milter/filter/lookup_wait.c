/*
 * Waiting for lookups of the engine. wait_start begins a lookup and adds it to a waiter; wait_for
 * returns as soon as one of the waiter's lookups has ended, or says why it did not wait any longer;
 * wait_findings then gives what was found. The limiter gives a slot to each thread that waits.
 *
 * A waiter has its own lock and condition. Locks are taken in the order limiter, waiter; the
 * engine's callbacks take the waiter's only, and no lock is held while the engine is called.
 */
#include "filter/lookup_wait.h"

#include "policy/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { SHARE_RCPT = 8, SHARE_EOM = 2 };

struct lookup {
    SLIST_ENTRY(lookup) link;
    struct waiter *waiter;
    struct engine_request *request;
    struct nexthop nexthop;
    struct verdict_terms terms;
    bool done;
    const struct findings *findings; /* our reference; NULL when the engine could not look */
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

struct wait_limiter {
    wait_slow_fn on_slow; /* set once, before anyone waits; NULL for none */
    pthread_mutex_t lock;
    struct waiter *waiting; /* those a thread waits for now */
    unsigned count;
    unsigned limit;
    bool closed;
};

int wait_limiter_new(unsigned limit, struct wait_limiter **out)
{
    struct wait_limiter *limiter = calloc(1, sizeof(*limiter));
    int rc;

    if (limiter == NULL)
        return -ENOMEM;
    rc = pthread_mutex_init(&limiter->lock, NULL);
    if (rc != 0) {
        free(limiter);
        return -rc;
    }
    limiter->limit = limit;
    *out = limiter;
    return 0;
}

void wait_limiter_set_limit(struct wait_limiter *limiter, unsigned limit)
{
    pthread_mutex_lock(&limiter->lock);
    limiter->limit = limit;
    pthread_mutex_unlock(&limiter->lock);
}

void wait_limiter_on_slow_wait(struct wait_limiter *limiter, wait_slow_fn on_slow)
{
    limiter->on_slow = on_slow;
}

void wait_limiter_close(struct wait_limiter *limiter)
{
    pthread_mutex_lock(&limiter->lock);
    limiter->closed = true;
    for (struct waiter *t = limiter->waiting; t != NULL; t = t->next) {
        pthread_mutex_lock(&t->lock);
        t->cancelled = true;
        pthread_cond_signal(&t->changed);
        pthread_mutex_unlock(&t->lock);
    }
    pthread_mutex_unlock(&limiter->lock);
}

unsigned wait_limiter_waiting(struct wait_limiter *limiter)
{
    unsigned count;

    pthread_mutex_lock(&limiter->lock);
    count = limiter->count;
    pthread_mutex_unlock(&limiter->lock);
    return count;
}

void wait_limiter_free(struct wait_limiter *limiter)
{
    if (limiter == NULL)
        return;
    pthread_mutex_destroy(&limiter->lock);
    free(limiter);
}

/* How many may wait for one next-hop; at least one, or a small limit would never ask at all. */
static unsigned share_of(unsigned limit, enum wait_stage stage)
{
    unsigned share = limit / (stage == WAIT_STAGE_EOM ? SHARE_EOM : SHARE_RCPT);

    return share > 0 ? share : 1;
}

/* How many wait for that next-hop. With the limiter's lock. */
static unsigned waiting_for(const struct wait_limiter *limiter, const struct nexthop *nexthop)
{
    unsigned same = 0;

    for (const struct waiter *t = limiter->waiting; t != NULL; t = t->next)
        same += strcmp(t->slot->nexthop.text, nexthop->text) == 0;
    return same;
}

/* The first open lookup whose next-hop has a slot left, or NULL. With the limiter's lock. */
static const struct lookup *slot_for(const struct wait_limiter *limiter, struct waiter *waiter,
                                     enum wait_stage stage)
{
    unsigned share = share_of(limiter->limit, stage);
    const struct lookup *lookup;

    if (limiter->count >= limiter->limit)
        return NULL;
    pthread_mutex_lock(&waiter->lock);
    SLIST_FOREACH(lookup, &waiter->lookups, link)
    {
        if (!lookup->done && waiting_for(limiter, &lookup->nexthop) < share)
            break;
    }
    pthread_mutex_unlock(&waiter->lock);
    return lookup;
}

/* Takes a slot. Returns WAIT_DONE when there was one, else why not. */
static enum wait_result slot_take(struct wait_limiter *limiter, struct waiter *waiter,
                                  enum wait_stage stage)
{
    enum wait_result result = WAIT_DONE;

    pthread_mutex_lock(&limiter->lock);
    waiter->slot = slot_for(limiter, waiter, stage);
    if (limiter->closed) {
        result = WAIT_CLOSED;
    } else if (waiter->slot == NULL) {
        result = WAIT_FULL;
    } else {
        waiter->next = limiter->waiting;
        limiter->waiting = waiter;
        limiter->count++;
    }
    pthread_mutex_unlock(&limiter->lock);
    return result;
}

static void slot_release(struct wait_limiter *limiter, struct waiter *waiter)
{
    struct waiter **link;

    pthread_mutex_lock(&limiter->lock);
    for (link = &limiter->waiting; *link != waiter; link = &(*link)->next)
        ;
    *link = waiter->next;
    limiter->count--;
    pthread_mutex_unlock(&limiter->lock);
}

/* engine_enough_fn */
static bool is_enough(const struct findings *findings, void *arg)
{
    const struct lookup *lookup = arg;
    struct verdict verdict;

    verdict_derive(findings, &lookup->terms, &verdict);
    return verdict.value != VERDICT_PENDING;
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
    int rc = pthread_mutex_init(&waiter->lock, NULL);

    if (rc != 0)
        return -rc;
    rc = clock_cond_init(&waiter->changed);
    if (rc != 0)
        pthread_mutex_destroy(&waiter->lock);
    return -rc;
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

/* One whose request is over, or was never made. */
static void lookup_remove(struct lookup *lookup)
{
    if (!lookup->done)
        count_open(lookup->waiter, (size_t)-1);
    SLIST_REMOVE(&lookup->waiter->lookups, lookup, lookup, link);
    findings_unref(lookup->findings);
    free(lookup);
}

int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct waiter **waiter)
{
    struct waiter *t = *waiter != NULL ? *waiter : waiter_new(engine);
    struct lookup *old, *lookup;
    int rc = -ENOMEM;

    if (t == NULL)
        return rc;
    old = lookup_of(t, nexthop);
    lookup = lookup_new(t, nexthop, terms);
    if (lookup != NULL) {
        count_open(t, 1);
        rc = engine_lookup(engine, nexthop, is_enough, on_done, lookup, &lookup->request);
    }
    if (rc == 0 && old != NULL) {
        engine_cancel(engine, old->request);
        lookup_remove(old);
    } else if (rc != 0 && lookup != NULL) {
        lookup_remove(lookup);
    }
    if (rc != 0 && *waiter == NULL)
        waiter_free(t);
    else
        *waiter = t;
    return rc;
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
    enum wait_result result = WAIT_TIMEOUT;

    pthread_mutex_lock(&waiter->lock);
    if (limiter->on_slow != NULL && slow_at_ms < deadline_ms) {
        result = wait_locked(waiter, slow_at_ms, NULL, NULL);
        if (result == WAIT_TIMEOUT) {
            pthread_mutex_unlock(&waiter->lock);
            limiter->on_slow();
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
    result = slot_take(limiter, waiter, stage);
    /* What ended after the first look needs no slot, and would have been given none. */
    if (result != WAIT_DONE)
        return take_completed(waiter) ? WAIT_DONE : result;
    result = wait_in_slot(limiter, waiter, deadline_ms, alive, alive_arg);
    slot_release(limiter, waiter);
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

void waiter_free(struct waiter *waiter)
{
    struct lookup *lookup;

    if (waiter == NULL)
        return;
    while ((lookup = SLIST_FIRST(&waiter->lookups)) != NULL) {
        engine_cancel(waiter->engine, lookup->request);
        lookup_remove(lookup);
    }
    pthread_cond_destroy(&waiter->changed);
    pthread_mutex_destroy(&waiter->lock);
    free(waiter);
}
