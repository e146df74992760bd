/*
 * The clocks: those that measure how long something lasts, and the wall clock. Any thread.
 */
#ifndef POLICY_CLOCK_H
#define POLICY_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* For the age of what was learnt (findings.made_at_ms), in milliseconds since some moment of the
 * past: counts the time that the host sleeps where the system has such a clock (CLOCK_BOOTTIME). */
int64_t clock_mono_ms(void);

/* For timeouts and deadlines, in milliseconds since some moment of the past: CLOCK_MONOTONIC, which
 * does not count the time that the host sleeps. */
int64_t clock_awake_ms(void);

/* The wall clock, in seconds since 1970, to the same second as OpenSSL's sessions have it: time()
 * may read a clock that is some milliseconds behind. */
int64_t clock_wall_s(void);

/* A condition that is waited for until a moment of clock_awake_ms. Returns 0 or a positive errno,
 * as pthread_cond_init does. */
int clock_cond_init(pthread_cond_t *cond);

/* That moment of clock_awake_ms, for pthread_cond_timedwait with such a condition. */
struct timespec clock_cond_time(int64_t awake_ms);

#endif
