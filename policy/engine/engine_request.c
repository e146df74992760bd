/*
 * Requests on their way between the threads that ask and the engine's. A request is in one state at
 * a time, under the engine's lock; each names the list that its link is in:
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
#include <stdlib.h>

enum request_state { REQUEST_POSTED, REQUEST_WAITING, REQUEST_DROPPED, REQUEST_DONE };

struct engine_request {
    struct engine *engine;
    struct nexthop nexthop;
    engine_enough_fn enough;
    engine_done_fn done;
    void *arg;
    struct core_waiter waiter; /* the engine's thread's */
    struct list link;
    enum request_state state;
    bool cancelled; /* no function of it may be called any more */
    bool held;      /* the caller has the handle */
};

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
    engine_wake(request->engine);
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

/* engine_done_fn, for the core. A request that was cancelled is left to whoever did it. */
static void on_request_done(const struct findings *findings, void *arg)
{
    struct engine_request *request = arg;
    struct engine *engine = request->engine;

    if (!call_begin(request))
        return;
    engine_note_security(engine); /* what it gets now is to be found in the cache afterwards */
    request->done(findings, request->arg);
    call_end(engine);
    request->state = REQUEST_DONE;
    if (request->held)
        list_append(&engine->kept, &request->link);
    else
        free(request);
    pthread_mutex_unlock(&engine->lock);
}

static void request_take(struct engine *engine, struct engine_request *request)
{
    const struct findings *findings = NULL;
    int status;

    request->waiter = (struct core_waiter){.enough = request->enough != NULL ? on_enough : NULL,
                                           .done = on_request_done,
                                           .arg = request};
    status = core_ask(engine->core, &request->nexthop, &request->waiter, &findings);
    if (status == 0)
        return;
    on_request_done(status > 0 ? findings : NULL, request);
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
        request_take(engine, request_of(link));
    }
}

void engine_request_drop_all(struct engine *engine)
{
    struct list *link;

    pthread_mutex_lock(&engine->lock);
    while ((link = list_shift(&engine->dropped)) != NULL) {
        core_drop(&request_of(link)->waiter);
        free(request_of(link));
    }
    pthread_mutex_unlock(&engine->lock);
}

void engine_request_end_all(struct engine *engine)
{
    struct list *link;

    while ((link = list_shift(&engine->posted)) != NULL)
        on_request_done(NULL, request_of(link));
    engine_request_drop_all(engine);
    while ((link = list_shift(&engine->kept)) != NULL)
        free(request_of(link));
}

int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out)
{
    struct engine_request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return -ENOMEM;
    request->engine = engine;
    request->nexthop = *nexthop;
    request->enough = enough;
    request->done = done;
    request->arg = arg;
    request->held = out != NULL;
    list_init(&request->waiter.link);
    list_init(&request->link);
    if (out != NULL)
        *out = request;

    pthread_mutex_lock(&engine->lock);
    request->state = REQUEST_POSTED;
    list_append(&engine->posted, &request->link);
    engine_wake(engine);
    pthread_mutex_unlock(&engine->lock);
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
        free(request);
        return;
    }
}

void engine_cancel(struct engine *engine, struct engine_request *request)
{
    pthread_mutex_lock(&engine->lock);
    request->cancelled = true;
    if (engine->calling == request && pthread_equal(pthread_self(), engine->thread)) {
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
        free(request);
    }
    pthread_mutex_unlock(&engine->lock);
}
