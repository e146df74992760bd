/*
 * What the files of the engine share; nobody else includes this. Each uses those before it alone:
 * engine_state.c, engine_request.c, engine_probe.c and engine_tlsrpt.c, engine.c.
 */
#ifndef POLICY_ENGINE_ENGINE_INTERNAL_H
#define POLICY_ENGINE_ENGINE_INTERNAL_H

#include "base/list.h"
#include "engine/core.h"
#include "engine/engine_store.h"
#include "engine/world_real.h"
#include "policy/engine.h"
#include "policy/engine_tlsrpt.h"
#include "policy/loop.h"
#include "policy/wakeup.h"

#include <pthread.h>
#include <stdatomic.h>

struct engine {
    struct loop *loop;
    struct wakeup *wakeup; /* sent when there is something for the engine's thread to do */
    struct event *tick;    /* once a second */
    struct world *world;
    struct core *core;
    struct engine_store *store; /* NULL: policies are kept in memory only */
    atomic_bool security_known;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a callback has returned, or a call is finished */
    struct list calls;      /* of functions, to be made */
    struct list posted;     /* requests, by state: see engine_request.c */
    struct list dropped;
    struct list kept;
    struct list noted; /* of struct probe_note, to be kept */
    size_t noted_count;
    const struct engine_request *calling; /* whose function is being called */
};

/* engine_state.c */
void engine_note_security(struct engine *engine); /* on its thread */

/* engine_probe.c */
void engine_probe_take_notes(struct engine *engine); /* on its thread */
void engine_probe_drop_notes(struct engine *engine); /* at its end */

/* engine_request.c. Any thread: a request of a probe, as engine_lookup; the plan gets a reference.
 */
int engine_request_probe(struct engine *engine, struct probe_plan *plan, engine_done_fn done,
                         void *arg, struct engine_request **out);
/* Any thread: a request of a TLSRPT record; the domain is not longer than NEXTHOP_NAME_MAX. */
int engine_request_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done,
                          void *arg, struct engine_request **out);
/* On the engine's thread. */
void engine_request_take_all(struct engine *engine);
void engine_request_drop_all(struct engine *engine);
/* At the engine's end, after the core's: nothing may be left. */
void engine_request_end_all(struct engine *engine);

#endif
