/*
 * Waiting for the engine. A ticket is one lookup, or several of which any may end the wait, with
 * its own lock and condition; the gate counts who waits. Locks are taken in the order gate, ticket;
 * the engine's callbacks take the ticket's only, and no lock is held while the engine is called.
 */
#include "filter/wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { SHARE_RCPT = 8, SHARE_EOM = 2 };

struct lookup {
    SLIST_ENTRY(lookup) link;
    struct wait_ticket *ticket;
    struct engine_request *request;
    struct nexthop nexthop;
    struct verdict_terms terms;
    bool done;
    const struct findings *findings; /* our reference; NULL when the engine could not look */
};

struct wait_ticket {
    struct engine *engine;
    SLIST_HEAD(, lookup) lookups; /* changes only while nobody waits */

    pthread_mutex_t lock; /* guards what follows, and `done` and `findings` of lookups */
    pthread_cond_t changed;
    size_t open; /* lookups */
    bool news;   /* a lookup has ended that no wait has returned for */
    bool cancelled;

    /* Guarded by the gate's lock. */
    struct wait_ticket *next;      /* in gate.waiting */
    const struct lookup *in_place; /* whose next-hop the place is counted for */
};

struct wait_gate {
    wait_stuck_fn stuck; /* set once, before anyone waits; NULL for none */
    pthread_mutex_t lock;
    struct wait_ticket *waiting; /* those a thread waits for now */
    unsigned count;
    unsigned limit;
    bool closed;
};

int64_t wait_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wait_gate_new(unsigned limit, struct wait_gate **out)
{
    struct wait_gate *gate = calloc(1, sizeof(*gate));
    int rc;

    if (gate == NULL)
        return -ENOMEM;
    rc = pthread_mutex_init(&gate->lock, NULL);
    if (rc != 0) {
        free(gate);
        return -rc;
    }
    gate->limit = limit;
    *out = gate;
    return 0;
}

void wait_gate_set_limit(struct wait_gate *gate, unsigned limit)
{
    pthread_mutex_lock(&gate->lock);
    gate->limit = limit;
    pthread_mutex_unlock(&gate->lock);
}

void wait_gate_set_stuck(struct wait_gate *gate, wait_stuck_fn stuck)
{
    gate->stuck = stuck;
}

void wait_gate_close(struct wait_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->closed = true;
    for (struct wait_ticket *t = gate->waiting; t != NULL; t = t->next) {
        pthread_mutex_lock(&t->lock);
        t->cancelled = true;
        pthread_cond_signal(&t->changed);
        pthread_mutex_unlock(&t->lock);
    }
    pthread_mutex_unlock(&gate->lock);
}

unsigned wait_gate_waiting(struct wait_gate *gate)
{
    unsigned count;

    pthread_mutex_lock(&gate->lock);
    count = gate->count;
    pthread_mutex_unlock(&gate->lock);
    return count;
}

void wait_gate_free(struct wait_gate *gate)
{
    if (gate == NULL)
        return;
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

/* How many may wait for one next-hop; at least one, or a small limit would never ask at all. */
static unsigned share_of(unsigned limit, enum wait_stage stage)
{
    unsigned share = limit / (stage == WAIT_STAGE_EOM ? SHARE_EOM : SHARE_RCPT);

    return share > 0 ? share : 1;
}

/* How many wait for that next-hop. With the gate's lock. */
static unsigned waiting_for(const struct wait_gate *gate, const struct nexthop *nexthop)
{
    unsigned same = 0;

    for (const struct wait_ticket *t = gate->waiting; t != NULL; t = t->next)
        same += strcmp(t->in_place->nexthop.text, nexthop->text) == 0;
    return same;
}

/* The first open lookup whose next-hop has a place left, or NULL. With the gate's lock. */
static const struct lookup *place_for(const struct wait_gate *gate, struct wait_ticket *ticket,
                                      enum wait_stage stage)
{
    unsigned share = share_of(gate->limit, stage);
    const struct lookup *lookup;

    if (gate->count >= gate->limit)
        return NULL;
    pthread_mutex_lock(&ticket->lock);
    SLIST_FOREACH(lookup, &ticket->lookups, link)
    {
        if (!lookup->done && waiting_for(gate, &lookup->nexthop) < share)
            break;
    }
    pthread_mutex_unlock(&ticket->lock);
    return lookup;
}

/* Takes a place. Returns WAIT_DONE when it was given, else why not. */
static enum wait_result gate_enter(struct wait_gate *gate, struct wait_ticket *ticket,
                                   enum wait_stage stage)
{
    enum wait_result result = WAIT_DONE;

    pthread_mutex_lock(&gate->lock);
    ticket->in_place = place_for(gate, ticket, stage);
    if (gate->closed) {
        result = WAIT_CLOSED;
    } else if (ticket->in_place == NULL) {
        result = WAIT_FULL;
    } else {
        ticket->next = gate->waiting;
        gate->waiting = ticket;
        gate->count++;
    }
    pthread_mutex_unlock(&gate->lock);
    return result;
}

static void gate_leave(struct wait_gate *gate, struct wait_ticket *ticket)
{
    struct wait_ticket **link;

    pthread_mutex_lock(&gate->lock);
    for (link = &gate->waiting; *link != ticket; link = &(*link)->next)
        ;
    *link = ticket->next;
    gate->count--;
    pthread_mutex_unlock(&gate->lock);
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
    struct wait_ticket *ticket = lookup->ticket;

    pthread_mutex_lock(&ticket->lock);
    lookup->findings = findings != NULL ? findings_ref(findings) : NULL;
    lookup->done = true;
    ticket->open--;
    ticket->news = true;
    pthread_cond_signal(&ticket->changed);
    pthread_mutex_unlock(&ticket->lock);
}

static int ticket_init(struct wait_ticket *ticket)
{
    pthread_condattr_t attr;
    int rc = pthread_mutex_init(&ticket->lock, NULL);

    if (rc != 0)
        return -rc;
    rc = pthread_condattr_init(&attr);
    if (rc == 0) {
        rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        if (rc == 0)
            rc = pthread_cond_init(&ticket->changed, &attr);
        pthread_condattr_destroy(&attr);
    }
    if (rc != 0)
        pthread_mutex_destroy(&ticket->lock);
    return -rc;
}

static struct wait_ticket *ticket_new(struct engine *engine)
{
    struct wait_ticket *ticket = calloc(1, sizeof(*ticket));

    if (ticket != NULL && ticket_init(ticket) != 0) {
        free(ticket);
        return NULL;
    }
    if (ticket != NULL)
        ticket->engine = engine;
    return ticket;
}

static struct lookup *lookup_of(const struct wait_ticket *ticket, const struct nexthop *nexthop)
{
    struct lookup *lookup;

    SLIST_FOREACH(lookup, &ticket->lookups, link)
    {
        if (strcmp(lookup->nexthop.text, nexthop->text) == 0)
            break;
    }
    return lookup;
}

static struct lookup *lookup_new(struct wait_ticket *ticket, const struct nexthop *nexthop,
                                 const struct verdict_terms *terms)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (lookup == NULL)
        return NULL;
    lookup->ticket = ticket;
    lookup->nexthop = *nexthop;
    lookup->terms = *terms;
    SLIST_INSERT_HEAD(&ticket->lookups, lookup, link);
    return lookup;
}
static void count_open(struct wait_ticket *ticket, size_t change)
{
    pthread_mutex_lock(&ticket->lock);
    ticket->open += change;
    pthread_mutex_unlock(&ticket->lock);
}

/* One whose request is over, or was never made. */
static void lookup_remove(struct lookup *lookup)
{
    if (!lookup->done)
        count_open(lookup->ticket, (size_t)-1);
    SLIST_REMOVE(&lookup->ticket->lookups, lookup, lookup, link);
    findings_unref(lookup->findings);
    free(lookup);
}

int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct wait_ticket **ticket)
{
    struct wait_ticket *t = *ticket != NULL ? *ticket : ticket_new(engine);
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
    if (rc != 0 && *ticket == NULL)
        wait_ticket_free(t);
    else
        *ticket = t;
    return rc;
}

static struct timespec to_timespec(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
}

/* Waits with the ticket's lock held; the lock is released for `alive`. */
static enum wait_result wait_locked(struct wait_ticket *ticket, int64_t deadline_ms,
                                    wait_alive_fn alive, void *alive_arg)
{
    int64_t now = wait_now_ms(), progress_at = now + WAIT_PROGRESS_MS;

    while (!ticket->news && ticket->open > 0) {
        bool report = alive != NULL && progress_at < deadline_ms;
        struct timespec until = to_timespec(report ? progress_at : deadline_ms);

        if (ticket->cancelled)
            return WAIT_CLOSED;
        if (now >= deadline_ms)
            return WAIT_TIMEOUT;
        pthread_cond_timedwait(&ticket->changed, &ticket->lock, &until);
        now = wait_now_ms();
        if (report && now >= progress_at && !ticket->news) {
            bool go_on;

            pthread_mutex_unlock(&ticket->lock);
            go_on = alive(alive_arg);
            pthread_mutex_lock(&ticket->lock);
            if (!go_on)
                return WAIT_GONE;
            now = wait_now_ms();
            progress_at = now + WAIT_PROGRESS_MS;
        }
    }
    ticket->news = false;
    return WAIT_DONE;
}

/* Whether there is nothing to wait for; the caller then knows all that has ended. */
static bool take_news(struct wait_ticket *ticket)
{
    bool news;

    pthread_mutex_lock(&ticket->lock);
    news = ticket->news || ticket->open == 0;
    ticket->news = false;
    pthread_mutex_unlock(&ticket->lock);
    return news;
}

/* Waits with a place in the gate; says so when it takes longer than a moment. */
static enum wait_result wait_placed(struct wait_gate *gate, struct wait_ticket *ticket,
                                    int64_t deadline_ms, wait_alive_fn alive, void *alive_arg)
{
    int64_t stuck_ms = wait_now_ms() + WAIT_STUCK_MS;
    enum wait_result result = WAIT_TIMEOUT;

    pthread_mutex_lock(&ticket->lock);
    if (gate->stuck != NULL && stuck_ms < deadline_ms) {
        result = wait_locked(ticket, stuck_ms, NULL, NULL);
        if (result == WAIT_TIMEOUT) {
            pthread_mutex_unlock(&ticket->lock);
            gate->stuck();
            pthread_mutex_lock(&ticket->lock);
        }
    }
    if (result == WAIT_TIMEOUT)
        result = wait_locked(ticket, deadline_ms, alive, alive_arg);
    pthread_mutex_unlock(&ticket->lock);
    return result;
}

enum wait_result wait_for(struct wait_gate *gate, struct wait_ticket *ticket, enum wait_stage stage,
                          int64_t deadline_ms, wait_alive_fn alive, void *alive_arg)
{
    enum wait_result result;

    if (take_news(ticket))
        return WAIT_DONE;
    if (wait_now_ms() >= deadline_ms)
        return WAIT_TIMEOUT;
    result = gate_enter(gate, ticket, stage);
    /* What ended after the first look needs no place, and would have been given none. */
    if (result != WAIT_DONE)
        return take_news(ticket) ? WAIT_DONE : result;
    result = wait_placed(gate, ticket, deadline_ms, alive, alive_arg);
    gate_leave(gate, ticket);
    return result;
}

bool wait_has(struct wait_ticket *ticket, const struct nexthop *nexthop, bool *ended)
{
    const struct lookup *lookup = lookup_of(ticket, nexthop);

    *ended = false;
    if (lookup == NULL)
        return false;
    pthread_mutex_lock(&ticket->lock);
    *ended = lookup->done;
    pthread_mutex_unlock(&ticket->lock);
    return true;
}

const struct findings *wait_findings(struct wait_ticket *ticket, const struct nexthop *nexthop)
{
    const struct lookup *lookup = lookup_of(ticket, nexthop);
    const struct findings *findings;

    if (lookup == NULL)
        return NULL;
    pthread_mutex_lock(&ticket->lock);
    findings = lookup->done ? lookup->findings : NULL;
    pthread_mutex_unlock(&ticket->lock);
    return findings;
}

void wait_ticket_free(struct wait_ticket *ticket)
{
    struct lookup *lookup;

    if (ticket == NULL)
        return;
    while ((lookup = SLIST_FIRST(&ticket->lookups)) != NULL) {
        engine_cancel(ticket->engine, lookup->request);
        lookup_remove(lookup);
    }
    pthread_cond_destroy(&ticket->changed);
    pthread_mutex_destroy(&ticket->lock);
    free(ticket);
}
