/*
 * Reads a scenario and plays it against the engine's core. tests/engine/scenarios/README is the
 * language.
 */
#ifndef TESTS_ENGINE_SCENARIO_H
#define TESTS_ENGINE_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

/* Returns 0, or -1 with the first thing that was not as expected ("file:line: ...") in err. */
int scenario_play(const char *path, bool verbose, char *err, size_t err_size);

#endif
