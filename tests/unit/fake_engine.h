/*
 * An engine whose answers are written down beforehand, with a thread of its own as the real one:
 * for tests of those who ask. It stands in for policy/engine.c at link time.
 */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "policy/engine.h"

struct engine *fake_engine_new(void); /* freed by engine_free */

/* Complete findings, as findings_text.h reads them, for engine_cached to give at once. */
void fake_engine_cache(struct engine *engine, const char *spec);

/* The same, but only by lookup: answered at once, on the engine's thread. */
void fake_engine_answer(struct engine *engine, const char *spec);

/* A lookup of this next-hop gets no answer until fake_engine_release. */
void fake_engine_hold(struct engine *engine, const char *spec);
void fake_engine_release(struct engine *engine, const char *nexthop);

/* A lookup of this next-hop ends with NULL findings (out of memory); "*": cannot even begin. */
void fake_engine_break(struct engine *engine, const char *nexthop);

unsigned fake_engine_lookups(struct engine *engine);     /* begun so far */
unsigned fake_engine_outstanding(struct engine *engine); /* not called back, not cancelled */

#endif
