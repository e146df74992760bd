/*
 * Signals as numbers to be read. All threads block them, for good: the main thread fetches those
 * that wait with sigtimedwait(2). There is no handler, so nothing is lost between a signal and the
 * one who waits for it, at any moment of the process's life.
 */
#include "daemon/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

/* SIGUSR2 wakes the main thread: signals_filter_ended has noted why. */
static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
static sigset_t wanted;
static pthread_t main_thread;
static atomic_bool filter_ended;

int sigwait(const sigset_t *set, int *number);

/*
 * Replaces the C library's function, in this process only. libmilter starts a thread that
 * calls it for SIGTERM, SIGINT and SIGHUP, to stop the filter at once and cut its sessions off;
 * there is no way to ask it not to. Nothing else here waits for signals this way.
 */
int sigwait(const sigset_t *set, int *number)
{
    (void)set;
    (void)number;
    for (;;)
        pause();
}

int signals_block(void)
{
    sigset_t all;
    int error;

    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        sigaddset(&wanted, taken[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file too big is an error of write(2), as a full disk is */
    main_thread = pthread_self();
    sigfillset(&all);
    error = pthread_sigmask(SIG_SETMASK, &all, NULL);
    /* An ignored signal may be dropped even where it is blocked: nohup(1) ignores SIGHUP. */
    for (size_t i = 0; error == 0 && i < sizeof(taken) / sizeof(taken[0]); i++)
        signal(taken[i], SIG_DFL);
    return -error;
}

void signals_take(void)
{
    /* What nobody here waits for does what it always does: SIGQUIT ends, SIGTSTP stops. */
    pthread_sigmask(SIG_SETMASK, &wanted, NULL);
}

void signals_filter_ended(void)
{
    atomic_store(&filter_ended, true);
    pthread_kill(main_thread, SIGUSR2);
}

int signals_next(int timeout_ms)
{
    struct timespec limit = {.tv_sec = timeout_ms / 1000,
                             .tv_nsec = (long)(timeout_ms % 1000) * 1000000};

    for (;;) {
        int number =
            timeout_ms < 0 ? sigwaitinfo(&wanted, NULL) : sigtimedwait(&wanted, NULL, &limit);

        if (number == SIGUSR2 && atomic_exchange(&filter_ended, false))
            return SIGNALS_FILTER_ENDED;
        if (number > 0 && number != SIGUSR2)
            return number;
        if (number < 0 && errno == EAGAIN)
            return SIGNALS_NONE;
    }
}
