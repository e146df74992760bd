/*
 * Notes whether DNS security is known, for threads that read cached findings. engine.c calls this
 * when its thread is woken and once a second, engine_request.c before a request is called back.
 */
#include "engine/engine_internal.h"

void engine_note_security(struct engine *engine)
{
    struct world *world = engine->world;

    atomic_store(&engine->security_known, world->ops->security_known(world));
}
