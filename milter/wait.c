/*
 * Waiting for the engine. A ticket is one lookup with its own lock and condition; the gate counts
 * who waits. Locks are taken in the order gate, ticket; the engine's callbacks take the ticket's
 * only, and no lock is held while the engine is called.
 */
#include "wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARE_RCPT = 8, SHARE_EOM = 2 };

struct wait_ticket {
    struct engine *engine;
    struct engine_request *request;
    struct nexthop nexthop;
    struct verdict_terms terms;

    pthread_mutex_t lock; /* guards done, findings and cancelled */
    pthread_cond_t changed;
    bool done;
    bool cancelled;
    const struct findings *findings; /* our reference; NULL when the engine could not look */

    struct wait_ticket *next; /* in gate.waiting, guarded by the gate's lock */
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

/* Takes a place. Returns WAIT_DONE when it was given, else why not. */
static enum wait_result gate_enter(struct wait_gate *gate, struct wait_ticket *ticket,
                                   enum wait_stage stage)
{
    enum wait_result result = WAIT_DONE;
    unsigned same = 0;

    pthread_mutex_lock(&gate->lock);
    for (const struct wait_ticket *t = gate->waiting; t != NULL; t = t->next) {
        if (strcmp(t->nexthop.text, ticket->nexthop.text) == 0)
            same++;
    }
    if (gate->closed) {
        result = WAIT_CANCELLED;
    } else if (gate->count >= gate->limit || same >= share_of(gate->limit, stage)) {
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
    const struct wait_ticket *ticket = arg;
    struct verdict verdict;

    verdict_derive(findings, &ticket->terms, &verdict);
    return verdict.value != VERDICT_PENDING;
}

/* engine_done_fn */
static void on_done(const struct findings *findings, void *arg)
{
    struct wait_ticket *ticket = arg;

    pthread_mutex_lock(&ticket->lock);
    ticket->findings = findings != NULL ? findings_ref(findings) : NULL;
    ticket->done = true;
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

static void ticket_fini(struct wait_ticket *ticket)
{
    pthread_cond_destroy(&ticket->changed);
    pthread_mutex_destroy(&ticket->lock);
    free(ticket);
}

int wait_start(struct engine *engine, const struct nexthop *nexthop,
               const struct verdict_terms *terms, struct wait_ticket **out)
{
    struct wait_ticket *ticket = calloc(1, sizeof(*ticket));
    int rc;

    if (ticket == NULL)
        return -ENOMEM;
    rc = ticket_init(ticket);
    if (rc != 0) {
        free(ticket);
        return rc;
    }
    ticket->engine = engine;
    ticket->nexthop = *nexthop;
    ticket->terms = *terms;
    rc = engine_lookup(engine, nexthop, is_enough, on_done, ticket, &ticket->request);
    if (rc != 0) {
        ticket_fini(ticket);
        return rc;
    }
    *out = ticket;
    return 0;
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

    while (!ticket->done) {
        bool report = alive != NULL && progress_at < deadline_ms;
        struct timespec until = to_timespec(report ? progress_at : deadline_ms);

        if (ticket->cancelled)
            return WAIT_CANCELLED;
        if (now >= deadline_ms)
            return WAIT_TIMEOUT;
        pthread_cond_timedwait(&ticket->changed, &ticket->lock, &until);
        now = wait_now_ms();
        if (report && now >= progress_at && !ticket->done) {
            bool go_on;

            pthread_mutex_unlock(&ticket->lock);
            go_on = alive(alive_arg);
            pthread_mutex_lock(&ticket->lock);
            if (!go_on)
                return WAIT_CANCELLED;
            now = wait_now_ms();
            progress_at = now + WAIT_PROGRESS_MS;
        }
    }
    return WAIT_DONE;
}

static bool is_done(struct wait_ticket *ticket)
{
    bool done;

    pthread_mutex_lock(&ticket->lock);
    done = ticket->done;
    pthread_mutex_unlock(&ticket->lock);
    return done;
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

    if (is_done(ticket))
        return WAIT_DONE;
    if (wait_now_ms() >= deadline_ms)
        return WAIT_TIMEOUT;
    result = gate_enter(gate, ticket, stage);
    if (result != WAIT_DONE)
        return result;
    result = wait_placed(gate, ticket, deadline_ms, alive, alive_arg);
    gate_leave(gate, ticket);
    return result;
}

const struct findings *wait_findings(struct wait_ticket *ticket)
{
    const struct findings *findings;

    pthread_mutex_lock(&ticket->lock);
    findings = ticket->done ? ticket->findings : NULL;
    pthread_mutex_unlock(&ticket->lock);
    return findings;
}

void wait_ticket_free(struct wait_ticket *ticket)
{
    if (ticket == NULL)
        return;
    engine_cancel(ticket->engine, ticket->request);
    findings_unref(ticket->findings);
    ticket_fini(ticket);
}
