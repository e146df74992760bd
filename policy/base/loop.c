/*
 * A thread with a libevent loop: loop_new, loop_start, loop_stop, loop_free. One thread alone
 * touches the base, so it has no locks, and libevent's support of threads is not needed: loop_stop
 * wakes the thread, which ends its loop itself.
 */
#include "policy/loop.h"

#include "policy/wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct loop {
    const char *name;
    struct event_base *base;
    struct wakeup *stop;
    loop_end_fn on_end;
    void *arg;
    pthread_t thread;
    bool running; /* the thread was started and is not joined yet */
};

/*
 * libevent ends the process when it cannot have the pair of descriptors that it keeps for signals:
 * so it is asked only when there are enough, for the wakeup too. 0 or a negative errno.
 */
static int descriptors_check(void)
{
    int fds[4] = {-1, -1, -1, -1};
    int error = 0;

    if (pipe2(fds, O_CLOEXEC) < 0 || pipe2(fds + 2, O_CLOEXEC) < 0)
        error = -errno;
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return error;
}

/* The time is read when an event with a time-out is added, not once for all that are active: few
 * have one, and it counts from then on. */
static int base_new(struct event_base **out)
{
    struct event_config *config = event_config_new();

    if (config == NULL)
        return -ENOMEM;
    errno = ENOMEM;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
    *out = event_base_new_with_config(config);
    event_config_free(config);
    return *out != NULL ? 0 : -errno;
}

/* wakeup_fn */
static void on_stop(void *arg)
{
    struct loop *loop = arg;

    event_base_loopbreak(loop->base);
}

static void *run_loop(void *arg)
{
    struct loop *loop = arg;

    pthread_setname_np(pthread_self(), loop->name);
    event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    if (loop->on_end != NULL)
        loop->on_end(loop->arg);
    return NULL;
}

int loop_new(const char *name, loop_end_fn on_end, void *arg, struct loop **out)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    int error;

    if (loop == NULL)
        return -ENOMEM;
    loop->name = name;
    loop->on_end = on_end;
    loop->arg = arg;
    error = descriptors_check();
    if (error == 0)
        error = base_new(&loop->base);
    if (error == 0)
        error = wakeup_new(loop->base, on_stop, loop, &loop->stop);
    if (error < 0) {
        loop_free(loop);
        return error;
    }
    *out = loop;
    return 0;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

int loop_start(struct loop *loop)
{
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = -pthread_create(&loop->thread, NULL, run_loop, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    loop->running = error == 0;
    return error;
}

bool loop_is_current(const struct loop *loop)
{
    return pthread_equal(pthread_self(), loop->thread) != 0;
}

void loop_stop(struct loop *loop)
{
    if (!loop->running)
        return;
    wakeup_send(loop->stop);
    pthread_join(loop->thread, NULL);
    loop->running = false;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    wakeup_free(loop->stop);
    if (loop->base != NULL)
        event_base_free(loop->base);
    free(loop);
}
