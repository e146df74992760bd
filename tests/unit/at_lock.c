/*
 * The linker hands every pthread_mutex_lock of the program to __wrap_pthread_mutex_lock, which
 * counts those of the thread that called at_lock and calls its function before the one that was
 * named.
 */
#include "at_lock.h"

#include <pthread.h>

static __thread struct {
    unsigned countdown; /* 0: nothing is to be called */
    void (*act)(void *arg);
    void *arg;
} pending;

int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    if (pending.countdown > 0 && --pending.countdown == 0)
        pending.act(pending.arg);
    return __real_pthread_mutex_lock(lock);
}

void at_lock(unsigned number, void (*act)(void *arg), void *arg)
{
    pending.countdown = number;
    pending.act = act;
    pending.arg = arg;
}

bool at_lock_came(void)
{
    bool came = pending.countdown == 0;

    pending.countdown = 0;
    return came;
}
