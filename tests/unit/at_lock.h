/*
 * Something that happens at a moment that matters: just before the calling thread takes its lock
 * number so and so. With it a test goes through all the moments between which another thread might
 * have come, one after the other. For programs linked with --wrap=pthread_mutex_lock.
 */
#ifndef TESTS_UNIT_AT_LOCK_H
#define TESTS_UNIT_AT_LOCK_H

#include <stdbool.h>

/* `act` is called once, before the thread's lock number `number`, counted from 1. */
void at_lock(unsigned number, void (*act)(void *arg), void *arg);

/* Whether it has been called; if not, it will not be any more. */
bool at_lock_came(void);

#endif
