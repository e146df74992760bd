/*
 * Between the cache of MTA-STS policies and the store that survives restarts.
 */
#ifndef POLICY_ENGINE_STORE_H
#define POLICY_ENGINE_STORE_H

#include "policy/engine.h"
#include "sts_cache.h"
#include "world.h"

struct engine_store;

/*
 * Opens the store that config names, puts the policies it holds into the cache, and from then on
 * tells it of the cache's changes. Both must outlive it. NULL when out of memory.
 */
struct engine_store *engine_store_open(const struct engine_config *config, struct world *world,
                                       struct sts_cache *cache);

/* Writes what is outstanding. After the cache is gone or told of no sink. NULL is allowed. */
void engine_store_close(struct engine_store *store);

#endif
