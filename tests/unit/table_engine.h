/*
 * An engine for tests of those who ask it: what it knows is in its table, and no socket is opened.
 * It replaces engine.o at link time. Names decide how an answer comes:
 *
 *   cached-*   from the cache, at once
 *   later-*    by the callback, after a moment
 *   null-*     by the callback, with NULL findings
 *   refuse-*   engine_lookup fails
 *   *          never, until cancelled
 */
#ifndef TESTS_UNIT_TABLE_ENGINE_H
#define TESTS_UNIT_TABLE_ENGINE_H

#include "policy/engine.h"

struct engine *table_engine_new(void);
/* Adds findings (findings_text.h) for the name in them. */
void table_engine_add(struct engine *engine, const char *spec);
/* Likewise: those that engine_probe_cached gives, with what is known from probes. */
void table_engine_add_probed(struct engine *engine, const char *spec);
/* Lookups that were started, and requests not yet cancelled or released. */
unsigned table_engine_lookups(struct engine *engine);
unsigned table_engine_held(struct engine *engine);

#endif
