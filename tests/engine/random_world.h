/*
 * Worlds made of a seed: example.org with three MX hosts, what it publishes and how its servers
 * answer; the same seed makes the same world.
 */
#ifndef TESTS_ENGINE_RANDOM_WORLD_H
#define TESTS_ENGINE_RANDOM_WORLD_H

#include "sim_world.h"

void random_world_make(struct sim_world *sim, unsigned seed);

/* How long each answer takes; changes nothing else. */
void random_world_order(struct sim_world *sim, unsigned seed);

/* True once in n times. */
bool random_world_one_in(unsigned *seed, int n);

#endif
