/*
 * The end of the daemon: daemon_drain, then daemon_stop. No message is lost by it: one that has not
 * ended when time is up gets a 4xx, or its session is cut before the MTA has an answer.
 */
#include "base/log.h"
#include "daemon/daemon_internal.h"
#include "daemon/filter_socket.h"
#include "daemon/listeners.h"
#include "daemon/signals.h"
#include "deliver/deliver.h"
#include "filter/observe.h"
#include "policy/clock.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum {
    DRAIN_MS = 30 * 1000,
    CUT_SHORT_MS = 3 * 1000,
    LAST_REPLY_MS = 250,
    QUIET_MS = 2 * LAST_REPLY_MS,
    POLL_MS = 100,
};

/* How many messages are left after a wait: in the filter, with a request, and in the agent, whose
 * thread takes a moment to say so. */
static unsigned wait_for_messages(struct daemon *d, int timeout_ms)
{
    unsigned left = runtime_drain(d->runtime, timeout_ms);

    if (d->deliver != NULL)
        left += deliver_drain(d->deliver, timeout_ms > 0 ? timeout_ms : POLL_MS);
    return left;
}

/*
 * Lets messages in progress end that have a request or are being delivered. All others are ended at
 * once: what the MTA had yet to ask about them it cannot ask, and it tells their clients to try
 * again. What the agent has not delivered when time is up stays in the MTA's queue. A second
 * request to stop ends the wait.
 */
void daemon_drain(struct daemon *d)
{
    int64_t deadline = clock_awake_ms() + DRAIN_MS, quiet_by;
    unsigned left = wait_for_messages(d, 0);

    if (left > 0)
        log_msg(LOG_INFO, "stopping: waiting for %u messages in progress", left);
    while (left > 0 && clock_awake_ms() < deadline) {
        int signal = signals_next(0);

        if (signal == SIGTERM || signal == SIGINT || signal == SIGNALS_FILTER_ENDED)
            break;
        left = wait_for_messages(d, POLL_MS);
    }
    wait_limiter_close(runtime_limiter(d->runtime));
    if (left > 0)
        left = wait_for_messages(d, CUT_SHORT_MS);
    /* libmilter writes a reply after the callback that ended the message. */
    quiet_by = clock_awake_ms() + QUIET_MS;
    while (runtime_quiet_ms(d->runtime) < LAST_REPLY_MS && clock_awake_ms() < quiet_by)
        poll(NULL, 0, LAST_REPLY_MS / 10);
    if (left > 0)
        log_msg(LOG_WARNING, "stopping with %u messages unfinished: their clients will try again",
                left);
}

/*
 * The end: no message begins any more. libmilter is not asked to stop: it would take up to five
 * seconds, cut sessions off in the middle, and leave its threads behind all the same. They end with
 * the process. Where one still has a message, nothing that it may touch is freed, and the clean-up
 * of exit(3), which would pull libraries from under it, is left out.
 */
void daemon_stop(struct daemon *d, int exit_status)
{
    filter_socket_remove();
    deliver_close(d->deliver);
    d->deliver = NULL;
    listeners_close(d->listeners);
    d->listeners = NULL;
    observer_stop(d->observer);
    if (runtime_messages(d->runtime) > 0) {
        log_msg(LOG_INFO, "stopped");
        _exit(exit_status);
    }
    engine_free(d->engine);
    log_msg(LOG_INFO, "stopped");
}
