/*
 * The public functions of the probe: each makes a plan of what is to be looked at on the caller's
 * thread. engine_probe_cached reads what is known there, too; engine_probe and engine_probe_now
 * leave the plan to the engine's thread as a request (engine_request.c), which is given to the
 * prober.
 *
 * engine_probe_note judges a connection on the caller's thread, and leaves what is to be kept in a
 * list, which engine_probe_take_notes gives to the prober.
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

/* ---- What connections for delivery have shown ---- */

unsigned engine_probe_configured(struct engine *engine)
{
    return prober_configured(core_prober(engine->core));
}

void engine_probe_note(struct engine *engine, struct smtp_transport *transport,
                       const struct engine_probe_peer *peer, unsigned configured)
{
    const struct world_probe_target target = {
        .host = peer->host,
        .address = peer->address,
        .ipv6 = peer->ipv6,
        .port = peer->port,
        .demand = peer->demand,
    };
    struct probe_note *note =
        prober_note(core_prober(engine->core), transport, &target, configured);
    bool room;

    if (note == NULL)
        return;
    pthread_mutex_lock(&engine->lock);
    room = engine->noted_count < ENGINE_PROBE_NOTES;
    if (room) {
        list_append(&engine->noted, &note->link);
        engine->noted_count++;
        wakeup_send(engine->wakeup);
    }
    pthread_mutex_unlock(&engine->lock);
    if (!room)
        prober_free_note(note);
}

static struct probe_note *next_note(struct engine *engine)
{
    struct list *link;

    pthread_mutex_lock(&engine->lock);
    link = list_shift(&engine->noted);
    if (link != NULL)
        engine->noted_count--;
    pthread_mutex_unlock(&engine->lock);
    return link != NULL ? list_entry(link, struct probe_note, link) : NULL;
}

void engine_probe_take_notes(struct engine *engine)
{
    struct probe_note *note;

    while ((note = next_note(engine)) != NULL)
        prober_take_note(core_prober(engine->core), note);
}

void engine_probe_drop_notes(struct engine *engine)
{
    struct probe_note *note;

    while ((note = next_note(engine)) != NULL)
        prober_free_note(note);
}
