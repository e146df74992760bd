/*
 * The clock of everything in policy/ that measures how long something lasts.
 */
#ifndef POLICY_BASE_CLOCK_H
#define POLICY_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some moment of the past: monotonic, counts sleep where the system has such a
 * clock (CLOCK_BOOTTIME). Any thread. */
int64_t clock_mono_ms(void);

#endif
