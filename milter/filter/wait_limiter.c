/*
 * How many threads may wait for lookups at once, in all and for one next-hop. wait_limiter_take
 * gives a waiter a slot, which counts for the next-hop of one of its open lookups, or says why
 * there is none; wait_limiter_release takes it back. wait_limiter_close ends all waits with
 * WAIT_CLOSED.
 */
#include "filter/wait_limiter.h"

#include "filter/lookup_wait_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHARE_RCPT = 8, SHARE_EOM = 2, SHARE_PROBES = 2 };

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
    int error;

    if (limiter == NULL)
        return -ENOMEM;
    error = pthread_mutex_init(&limiter->lock, NULL);
    if (error != 0) {
        free(limiter);
        return -error;
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

wait_slow_fn wait_limiter_slow_fn(const struct wait_limiter *limiter)
{
    return limiter->on_slow;
}

void wait_limiter_close(struct wait_limiter *limiter)
{
    pthread_mutex_lock(&limiter->lock);
    limiter->closed = true;
    for (struct waiter *w = limiter->waiting; w != NULL; w = w->next) {
        pthread_mutex_lock(&w->lock);
        w->cancelled = true;
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
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

    for (const struct waiter *w = limiter->waiting; w != NULL; w = w->next)
        same += strcmp(w->slot->nexthop.text, nexthop->text) == 0;
    return same;
}

/* What stands without it takes no slot from those who can get no answer else. */
static bool is_for_probe(const struct lookup *lookup)
{
    return lookup->step != WAIT_STEP_LOOKUP;
}

/* Whether one more may wait for a probe. With the limiter's lock. */
static bool has_room_for_probe(const struct wait_limiter *limiter)
{
    unsigned probes = 0, share = limiter->limit / SHARE_PROBES;

    for (const struct waiter *w = limiter->waiting; w != NULL; w = w->next)
        probes += is_for_probe(w->slot);
    return probes < (share > 0 ? share : 1);
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
        if (!lookup->done && waiting_for(limiter, &lookup->nexthop) < share &&
            (!is_for_probe(lookup) || has_room_for_probe(limiter)))
            break;
    }
    pthread_mutex_unlock(&waiter->lock);
    return lookup;
}

enum wait_result wait_limiter_take(struct wait_limiter *limiter, struct waiter *waiter,
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

void wait_limiter_release(struct wait_limiter *limiter, struct waiter *waiter)
{
    struct waiter **link;

    pthread_mutex_lock(&limiter->lock);
    for (link = &limiter->waiting; *link != waiter; link = &(*link)->next)
        ;
    *link = waiter->next;
    limiter->count--;
    pthread_mutex_unlock(&limiter->lock);
}
