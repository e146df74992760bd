/*
 * What the files of the engine share; nobody else includes this. Each uses those before it alone:
 * engine_state.c, engine_request.c, engine.c.
 */
#ifndef POLICY_ENGINE_ENGINE_INTERNAL_H
#define POLICY_ENGINE_ENGINE_INTERNAL_H

#include "base/list.h"
#include "engine/core.h"
#include "engine/engine_store.h"
#include "engine/world_real.h"
#include "policy/engine.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

struct engine {
    pthread_t thread;
    struct event_base *base;
    struct event *wake; /* made active when there is something for the engine's thread to do */
    struct event *tick; /* once a second */
    struct world *world;
    struct core *core;
    struct engine_store *store; /* NULL: policies are kept in memory only */
    atomic_bool security_known;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a callback has returned, or a call is finished */
    bool woken;             /* the wake event is on its way */
    struct list calls;      /* of functions, to be made */
    struct list posted;     /* requests, by state: see engine_request.c */
    struct list dropped;
    struct list kept;
    const struct engine_request *calling; /* whose function is being called */
};

/* engine_state.c */
void engine_wake(struct engine *engine); /* with the lock held */

void engine_note_security(struct engine *engine); /* on its thread */

/* engine_request.c, on the engine's thread */
void engine_request_take_all(struct engine *engine);
void engine_request_drop_all(struct engine *engine);
/* At the engine's end, after the core's: nothing may be left. */
void engine_request_end_all(struct engine *engine);

#endif
