/*
 * An engine whose answers are written down beforehand, with a thread of its own as the real one:
 * for tests of those who ask. It stands in for policy/engine/engine.c at link time.
 */
#ifndef TESTS_UNIT_FAKE_ENGINE_H
#define TESTS_UNIT_FAKE_ENGINE_H

#include "policy/engine.h"
#include "policy/engine_probe.h"

struct engine *fake_engine_new(void); /* freed by engine_free */

/* Complete findings, as findings_text.h reads them, for engine_cached to give at once. */
void fake_engine_cache(struct engine *engine, const char *spec);

/* The same, but only by lookup: answered at once, on the engine's thread. */
void fake_engine_answer(struct engine *engine, const char *spec);

/* A lookup of this next-hop gets no answer until fake_engine_release. */
void fake_engine_hold(struct engine *engine, const char *spec);
void fake_engine_release(struct engine *engine, const char *nexthop);

/* Findings with parts that are pending, of a next-hop that is held: they end the lookups of those
 * who say that they are enough. */
void fake_engine_draft(struct engine *engine, const char *spec);

/* Returns when everybody was called back who may be. */
void fake_engine_settle(struct engine *engine);

/* A lookup of this next-hop ends with NULL findings (out of memory); "*": cannot even begin. */
void fake_engine_break(struct engine *engine, const char *nexthop);

/*
 * What a probe of the host of that name shows: letters as in findings_text.h. `known`:
 * engine_probe_cached has it. A host that nobody wrote down stays without probes.
 */
void fake_engine_server(struct engine *engine, const char *host, const char *letters, bool known);

/* Probes end only when this is over; or end with NULL findings. */
void fake_engine_hold_probes(struct engine *engine, bool hold);
void fake_engine_break_probes(struct engine *engine);

unsigned fake_engine_probes(struct engine *engine);      /* begun so far */
unsigned fake_engine_lookups(struct engine *engine);     /* begun so far */
unsigned fake_engine_outstanding(struct engine *engine); /* not called back, not cancelled */

#endif
