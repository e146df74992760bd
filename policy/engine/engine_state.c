/*
 * What engine.c and engine_request.c both do with the engine's state: wake its thread, and note
 * whether DNS security is known, for threads that read cached findings.
 */
#include "engine/engine_internal.h"

void engine_wake(struct engine *engine)
{
    if (engine->woken)
        return;
    engine->woken = true;
    event_active(engine->wake, EV_READ, 0);
}

void engine_note_security(struct engine *engine)
{
    struct world *world = engine->world;

    atomic_store(&engine->security_known, world->ops->security_known(world));
}
