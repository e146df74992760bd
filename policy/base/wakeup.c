/*
 * Wakes an event loop from other threads by an eventfd. `sent` is set by the first wakeup_send,
 * which writes; those that find it set leave it at that, so many cost one write. The loop's thread
 * clears it before the function is called: what was left behind before a wakeup_send that found it
 * set is seen by that call, as both exchange the flag.
 */
#include "policy/wakeup.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct wakeup {
    int fd;
    struct event *event;
    wakeup_fn on_wakeup;
    void *arg;
    atomic_bool sent;
};

/* event_callback_fn. The counter is emptied first: a write that comes after the flag is cleared is
 * for the next time. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct wakeup *wakeup = arg;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof(count)) < 0)
        return; /* nothing was written */
    atomic_exchange(&wakeup->sent, false);
    wakeup->on_wakeup(wakeup->arg);
}

int wakeup_new(struct event_base *base, wakeup_fn on_wakeup, void *arg, struct wakeup **out)
{
    struct wakeup *wakeup = calloc(1, sizeof(*wakeup));
    int error;

    if (wakeup == NULL)
        return -ENOMEM;
    wakeup->on_wakeup = on_wakeup;
    wakeup->arg = arg;
    atomic_init(&wakeup->sent, false);
    wakeup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wakeup->fd < 0) {
        error = -errno;
        free(wakeup);
        return error;
    }
    wakeup->event = event_new(base, wakeup->fd, EV_READ | EV_PERSIST, on_readable, wakeup);
    if (wakeup->event == NULL || event_add(wakeup->event, NULL) < 0) {
        wakeup_free(wakeup);
        return -ENOMEM;
    }
    *out = wakeup;
    return 0;
}

void wakeup_send(struct wakeup *wakeup)
{
    const uint64_t one = 1;

    if (atomic_exchange(&wakeup->sent, true))
        return;
    if (write(wakeup->fd, &one, sizeof(one)) < 0) {
        /* Only a counter at its limit refuses, and then the loop wakes anyway. */
    }
}

void wakeup_free(struct wakeup *wakeup)
{
    if (wakeup == NULL)
        return;
    if (wakeup->event != NULL)
        event_free(wakeup->event);
    close(wakeup->fd);
    free(wakeup);
}
