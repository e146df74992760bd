/* Handlers that write the signal's number into a pipe, read by the main thread. */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static sigset_t before;

static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

int sigwait(const sigset_t *set, int *number);

/*
 * Takes the place of the C library's function, in this process only. libmilter starts a thread that
 * calls it for SIGTERM, SIGINT and SIGHUP, to stop the filter at once and cut its sessions off;
 * there is no way to ask it not to, and a signal sent while that thread starts would go to it.
 * Nothing else here waits for signals this way.
 */
int sigwait(const sigset_t *set, int *number)
{
    (void)set;
    (void)number;
    for (;;)
        pause();
}

void signals_post(int number)
{
    uint8_t octet = (uint8_t)number;
    int saved = errno;

    (void)!write(ends[1], &octet, 1); /* a full pipe holds more than enough already */
    errno = saved;
}

int signals_block(void)
{
    sigset_t all;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -errno;
    sigfillset(&all);
    return -pthread_sigmask(SIG_SETMASK, &all, &before);
}

void signals_take(void)
{
    struct sigaction action;
    sigset_t mask = before;

    memset(&action, 0, sizeof(action));
    action.sa_handler = signals_post;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        sigaction(taken[i], &action, NULL);
        sigdelset(&mask, taken[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file too big is an error of write(2), as a full disk is */
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

int signals_next(int timeout_ms)
{
    struct pollfd pipe_end = {.fd = ends[0], .events = POLLIN};
    uint8_t octet;

    for (;;) {
        int ready = poll(&pipe_end, 1, timeout_ms);

        if (ready > 0 && read(ends[0], &octet, 1) == 1)
            return octet;
        if (ready == 0)
            return SIGNALS_NONE;
        if (ready < 0 && errno == EINTR && timeout_ms >= 0)
            timeout_ms = 0; /* the handler has written: look once more */
    }
}
