/*
 * Reads the monotonic clock. What was learnt before the host slept has aged meanwhile: so
 * CLOCK_BOOTTIME where there is one, else CLOCK_MONOTONIC.
 */
#include "base/clock.h"

#include <time.h>

int64_t clock_mono_ms(void)
{
    struct timespec now;

#ifdef CLOCK_BOOTTIME
    clock_gettime(CLOCK_BOOTTIME, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
