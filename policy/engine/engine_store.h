/*
 * Between what is to survive restarts (the cache of MTA-STS policies, the next-hops with DANE) and
 * the store that does.
 */
#ifndef POLICY_ENGINE_ENGINE_STORE_H
#define POLICY_ENGINE_ENGINE_STORE_H

#include "findings/dane_seen.h"
#include "policy/engine.h"
#include "sts/sts_cache.h"
#include "world/world.h"

struct engine_store;

/*
 * Opens the store that config names, puts the policies it holds into the cache and the next-hops
 * with DANE into `dane`, and from then on tells it of their changes. All must outlive it. NULL when
 * out of memory.
 */
struct engine_store *engine_store_open(const struct engine_config *config, struct world *world,
                                       struct sts_cache *cache, struct dane_seen *dane);

/* To be called every second or so: looks whether the store has lost what was in it (the file was
 * damaged, moved, begun anew), and then writes all of it again, in steps. Whether that goes on. */
bool engine_store_step(struct engine_store *store);

/* Writes what is outstanding. After the cache is gone or told of no sink. NULL is allowed. */
void engine_store_close(struct engine_store *store);

#endif
