/*
 * The real world: DNS by resolver.c, HTTPS by sts_fetch.c, the shared cache by shared.c, timers by
 * libevent, the system's clocks.
 */
#ifndef POLICY_ENGINE_WORLD_REAL_H
#define POLICY_ENGINE_WORLD_REAL_H

#include "policy/engine.h"
#include "world/world.h"

struct event_base;

/* `base` is borrowed and must outlive the world. 0, or a negative errno with a message in err. */
int world_real_new(struct event_base *base, const struct engine_config *config, struct world **out,
                   char *err, size_t err_size);

/* Nothing of it may be in use any more. NULL is allowed. */
void world_real_free(struct world *world);

/* Takes over a new configuration, or none of it. 0, or a negative errno with a message. */
int world_real_reconfigure(struct world *world, const struct engine_config *config, char *err,
                           size_t err_size);

/* What the resolver and the shared cache have of engine_health.h. On the loop's thread. */
void world_real_health(struct world *world, struct engine_health *out);

/* Adds what the shared cache has of engine_stats.h. Any thread. */
void world_real_stats(const struct world *world, struct engine_stats *out);

#endif
