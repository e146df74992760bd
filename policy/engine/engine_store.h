/*
 * Between what is to survive restarts (the cache of MTA-STS policies, the next-hops with DANE, what
 * probes have shown) and the store that does.
 */
#ifndef POLICY_ENGINE_ENGINE_STORE_H
#define POLICY_ENGINE_ENGINE_STORE_H

#include "findings/dane_seen.h"
#include "policy/engine.h"
#include "probe/probe_cache.h"
#include "sts/sts_cache.h"
#include "world/world.h"

struct engine_store;

/*
 * Opens the store that config names, puts the policies it holds into the cache, the next-hops with
 * DANE into `dane` and what probes have shown into `probes`, and from then on tells it of their
 * changes. All must outlive it. NULL when out of memory.
 */
struct engine_store *engine_store_open(const struct engine_config *config, struct world *world,
                                       struct sts_cache *cache, struct dane_seen *dane,
                                       struct probe_cache *probes);

/* To be called every second or so: looks whether the store has lost what was in it (the file was
 * damaged, moved, begun anew), and then writes all of it again, in steps, but for what probes have
 * shown, which ends soon. Whether that goes on. */
bool engine_store_step(struct engine_store *store);

/* Whether it is up, and if not why. NULL: there is none. */
void engine_store_health(struct engine_store *store, struct engine_health *out);

/* Writes what is outstanding. After the cache is gone or told of no sink. NULL is allowed. */
void engine_store_close(struct engine_store *store);

#endif
