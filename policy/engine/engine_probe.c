/*
 * The public functions of the probe: each makes a plan of what is to be looked at on the caller's
 * thread. engine_probe_cached reads what is known there, too; engine_probe and engine_probe_now
 * leave the plan to the engine's thread as a request (engine_request.c), which is given to the
 * prober.
 */
#include "engine/engine_internal.h"

#include "policy/clock.h"
#include "policy/engine_probe.h"

#include <errno.h>

static int probe(struct engine *engine, const struct findings *findings,
                 const struct verdict_terms *terms, enum probe_scope scope, engine_done_fn done,
                 void *arg, struct engine_request **out)
{
    struct probe_plan *plan = prober_plan(core_prober(engine->core), findings, terms, scope);
    int error;

    if (plan == NULL)
        return -ENOMEM;
    error = engine_request_probe(engine, plan, done, arg, out);
    probe_plan_unref(plan);
    return error;
}

int engine_probe(struct engine *engine, const struct findings *findings,
                 const struct verdict_terms *terms, engine_done_fn done, void *arg,
                 struct engine_request **out)
{
    return probe(engine, findings, terms, PROBE_SCOPE_COUNTED, done, arg, out);
}

int engine_probe_now(struct engine *engine, const struct findings *findings,
                     const struct verdict_terms *terms, engine_done_fn done, void *arg,
                     struct engine_request **out)
{
    return probe(engine, findings, terms, PROBE_SCOPE_ALL, done, arg, out);
}

const struct findings *engine_probe_cached(struct engine *engine, const struct findings *findings,
                                           const struct verdict_terms *terms)
{
    struct prober *prober = core_prober(engine->core);
    struct probe_plan *plan = prober_plan(prober, findings, terms, PROBE_SCOPE_COUNTED);
    const struct findings *known = NULL;

    if (plan != NULL)
        known = prober_cached(prober, plan, clock_mono_ms());
    probe_plan_unref(plan);
    return known;
}
