/*
 * Requests of lookups (engine_lookup), probes (engine_probe.c) and TLSRPT records (engine_tlsrpt.c)
 * on their way between the threads that ask and the engine's. A request is in one state at a time,
 * under the engine's lock; each names the list that its link is in:
 *
 *   POSTED   engine->posted: engine_lookup put it there; a cancel may free it at once
 *   WAITING  none: the engine's thread has taken it up, the core knows it
 *   DROPPED  engine->dropped: cancelled while WAITING; the engine's thread takes it from the core
 *   DONE     engine->kept: called back, but the caller has not given the handle back yet
 *
 * While one of its functions runs, engine->calling says so, and engine_cancel waits.
 */
#include "engine/engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum request_state { REQUEST_POSTED, REQUEST_WAITING, REQUEST_DROPPED, REQUEST_DONE };

struct engine_request {
    struct engine *engine;
    struct nexthop nexthop;  /* of a lookup; of a TLSRPT record its name alone */
    struct probe_plan *plan; /* of a probe, with a reference; else NULL */
    engine_enough_fn enough;
    engine_done_fn done;
    engine_tlsrpt_fn record_done; /* of a TLSRPT record, in the place of `done`; else NULL */
    void *arg;
    struct core_waiter waiter;   /* the engine's thread's */
    struct probe_request *probe; /* likewise; NULL when there is none to be dropped */
    struct tlsrpt_waiter tlsrpt; /* likewise */
    struct list link;
    enum request_state state;
    bool cancelled; /* no function of it may be called any more */
    bool held;      /* the caller has the handle */
};

static void request_free(struct engine_request *request)
{
    probe_plan_unref(request->plan);
    free(request);
}

static struct engine_request *request_of(struct list *link)
{
    return list_entry(link, struct engine_request, link);
}

/* Whether the request's functions may be called; if so, one is about to be. */
static bool call_begin(struct engine_request *request)
{
    struct engine *engine = request->engine;
    bool may;

    pthread_mutex_lock(&engine->lock);
    may = !request->cancelled;
    if (may)
        engine->calling = request;
    pthread_mutex_unlock(&engine->lock);
    return may;
}

/* Leaves with the lock held. */
static void call_end(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->calling = NULL;
    pthread_cond_broadcast(&engine->changed);
}

/* With the lock held. */
static void request_drop(struct engine_request *request)
{
    request->state = REQUEST_DROPPED;
    list_append(&request->engine->dropped, &request->link);
    wakeup_send(request->engine->wakeup);
}

/* engine_enough_fn, for the core */
static bool on_enough(const struct findings *findings, void *arg)
{
    struct engine_request *request = arg;
    struct engine *engine = request->engine;
    bool enough;

    if (!call_begin(request))
        return false;
    enough = request->enough(findings, request->arg);
    call_end(engine);
    if (!request->held && request->cancelled) { /* from inside the call */
        request_drop(request);
        enough = false;
    }
    pthread_mutex_unlock(&engine->lock);
    return enough;
}

/* It has what it asked for, findings or a record. A request that was cancelled is left to whoever
 * did it. */
static void request_finish(struct engine_request *request, const struct findings *findings,
                           const char *record)
{
    struct engine *engine = request->engine;

    if (!call_begin(request))
        return;
    engine_note_security(engine); /* what it gets now is to be found in the cache afterwards */
    if (request->record_done != NULL)
        request->record_done(record, request->arg);
    else
        request->done(findings, request->arg);
    call_end(engine);
    request->state = REQUEST_DONE;
    if (request->held)
        list_append(&engine->kept, &request->link);
    else
        request_free(request);
    pthread_mutex_unlock(&engine->lock);
}

/* engine_done_fn, for the core */
static void on_request_done(const struct findings *findings, void *arg)
{
    request_finish(arg, findings, NULL);
}

/* tlsrpt_record_fn */
static void on_record(const char *record, void *arg)
{
    request_finish(arg, NULL, record);
}

/* probe_done_fn */
static void on_probed(const struct findings *findings, void *arg)
{
    struct engine_request *request = arg;

    request->probe = NULL;
    on_request_done(findings, request);
}

static int request_ask(struct engine_request *request, const struct findings **findings,
                       const char **record)
{
    struct core *core = request->engine->core;

    if (request->record_done != NULL) {
        request->tlsrpt = (struct tlsrpt_waiter){.done = on_record, .arg = request};
        return tlsrpt_lookups_ask(core_tlsrpt(core), request->nexthop.name, &request->tlsrpt,
                                  record);
    }
    if (request->plan != NULL)
        return prober_ask(core_prober(core), request->plan, on_probed, request, &request->probe,
                          findings);
    request->waiter = (struct core_waiter){.enough = request->enough != NULL ? on_enough : NULL,
                                           .done = on_request_done,
                                           .arg = request};
    return core_ask(core, &request->nexthop, &request->waiter, findings);
}

/* With the lock held: the core forgets it. */
static void request_forget(struct engine_request *request)
{
    core_drop(&request->waiter);
    tlsrpt_lookups_drop(&request->tlsrpt);
    if (request->probe != NULL)
        prober_drop(request->probe);
    request_free(request);
}

static void request_take(struct engine_request *request)
{
    const struct findings *findings = NULL;
    const char *record = NULL;
    int error = request_ask(request, &findings, &record);

    if (error == 0)
        return;
    request_finish(request, error > 0 ? findings : NULL, error > 0 ? record : NULL);
    findings_unref(findings);
}

void engine_request_take_all(struct engine *engine)
{
    struct list *link;

    for (;;) {
        pthread_mutex_lock(&engine->lock);
        link = list_shift(&engine->posted);
        if (link != NULL)
            request_of(link)->state = REQUEST_WAITING;
        pthread_mutex_unlock(&engine->lock);
        if (link == NULL)
            return;
        request_take(request_of(link));
    }
}

void engine_request_drop_all(struct engine *engine)
{
    struct list *link;

    pthread_mutex_lock(&engine->lock);
    while ((link = list_shift(&engine->dropped)) != NULL)
        request_forget(request_of(link));
    pthread_mutex_unlock(&engine->lock);
}

void engine_request_end_all(struct engine *engine)
{
    struct list *link;

    while ((link = list_shift(&engine->posted)) != NULL)
        on_request_done(NULL, request_of(link));
    engine_request_drop_all(engine);
    while ((link = list_shift(&engine->kept)) != NULL)
        request_free(request_of(link));
}

static struct engine_request *request_new(struct engine *engine, engine_done_fn done, void *arg)
{
    struct engine_request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    request->engine = engine;
    request->done = done;
    request->arg = arg;
    return request;
}

/* From here on the engine's thread has it. */
static void request_post(struct engine_request *request, struct engine_request **out)
{
    struct engine *engine = request->engine;

    request->held = out != NULL;
    list_init(&request->waiter.link);
    list_init(&request->tlsrpt.link);
    list_init(&request->link);
    if (out != NULL)
        *out = request;

    pthread_mutex_lock(&engine->lock);
    request->state = REQUEST_POSTED;
    list_append(&engine->posted, &request->link);
    pthread_mutex_unlock(&engine->lock);
    wakeup_send(engine->wakeup);
}

int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out)
{
    struct engine_request *request = request_new(engine, done, arg);

    if (request == NULL)
        return -ENOMEM;
    request->nexthop = *nexthop;
    request->enough = enough;
    request_post(request, out);
    return 0;
}

int engine_request_probe(struct engine *engine, struct probe_plan *plan, engine_done_fn done,
                         void *arg, struct engine_request **out)
{
    struct engine_request *request = request_new(engine, done, arg);

    if (request == NULL)
        return -ENOMEM;
    request->plan = probe_plan_ref(plan);
    request_post(request, out);
    return 0;
}

int engine_request_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done,
                          void *arg, struct engine_request **out)
{
    struct engine_request *request = request_new(engine, NULL, arg);

    if (request == NULL)
        return -ENOMEM;
    request->record_done = done;
    snprintf(request->nexthop.name, sizeof(request->nexthop.name), "%s", domain);
    request_post(request, out);
    return 0;
}

/* With the lock held, none of its functions running: the handle is given back. */
static void request_give_back(struct engine_request *request)
{
    request->held = false;
    switch (request->state) {
    case REQUEST_WAITING:
        request_drop(request);
        return;
    case REQUEST_DROPPED:
        return;
    case REQUEST_POSTED:
    case REQUEST_DONE:
    default:
        list_remove(&request->link);
        request_free(request);
        return;
    }
}

void engine_cancel(struct engine *engine, struct engine_request *request)
{
    pthread_mutex_lock(&engine->lock);
    request->cancelled = true;
    if (engine->calling == request && loop_is_current(engine->loop)) {
        request->held = false; /* from inside its function; freed when that returns */
    } else {
        while (engine->calling == request)
            pthread_cond_wait(&engine->changed, &engine->lock);
        request_give_back(request);
    }
    pthread_mutex_unlock(&engine->lock);
}

void engine_release(struct engine_request *request)
{
    struct engine *engine = request->engine;

    pthread_mutex_lock(&engine->lock);
    request->held = false;
    if (request->state == REQUEST_DONE) {
        list_remove(&request->link);
        request_free(request);
    }
    pthread_mutex_unlock(&engine->lock);
}
