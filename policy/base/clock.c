/*
 * Reads the clocks. What was learnt before the host slept has aged meanwhile: so
 * CLOCK_BOOTTIME for ages. A condition can wait by CLOCK_MONOTONIC, not by CLOCK_BOOTTIME
 * (pthread_condattr_setclock): so CLOCK_MONOTONIC for deadlines.
 */
#include "policy/clock.h"

static int64_t read_ms(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
#ifdef CLOCK_BOOTTIME
    return read_ms(CLOCK_BOOTTIME);
#else
    return read_ms(CLOCK_MONOTONIC);
#endif
}

int64_t clock_awake_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_s(void)
{
    return read_ms(CLOCK_REALTIME) / 1000;
}

int clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int error = pthread_condattr_init(&attr);

    if (error != 0)
        return error;
    error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return error;
}

struct timespec clock_cond_time(int64_t awake_ms)
{
    return (struct timespec){
        .tv_sec = awake_ms / 1000,
        .tv_nsec = (long)(awake_ms % 1000) * 1000000,
    };
}
