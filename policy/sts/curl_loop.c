/*
 * libcurl's multi interface on a libevent loop. libcurl says which sockets and which time-out it
 * waits for; both become events, and every event is handed back by curl_multi_socket_action().
 */
#include "sts/curl_loop.h"

#include <errno.h>
#include <stdlib.h>

struct curl_loop {
    struct event_base *base;
    CURLM *multi;
    struct event *timer;
    curl_loop_done_fn done;
    void *arg;
};

static void drain(struct curl_loop *loop)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_multi_remove_handle(loop->multi, easy); /* the message is gone after this */
        loop->done(easy, code, loop->arg);
    }
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *loop = arg;
    int mask = 0, running;

    if (what & EV_READ)
        mask |= CURL_CSELECT_IN;
    if (what & EV_WRITE)
        mask |= CURL_CSELECT_OUT;
    curl_multi_socket_action(loop->multi, fd, mask, &running);
    drain(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *loop = arg;
    int running;

    (void)fd;
    (void)what;
    curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    drain(loop);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *loop = arg;
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

    (void)multi;
    if (timeout_ms < 0)
        return event_del(loop->timer);
    /* Also for 0: libcurl must not be called back from inside its own callback. */
    return event_add(loop->timer, &tv);
}

/* `watch` is the event of this socket, kept by libcurl for us; NULL the first time. */
static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch)
{
    struct curl_loop *loop = arg;
    struct event *event = watch;
    short events = EV_PERSIST;

    (void)easy;
    if (event != NULL)
        event_free(event);
    curl_multi_assign(loop->multi, fd, NULL);
    if (what == CURL_POLL_REMOVE)
        return 0;
    if (what & CURL_POLL_IN)
        events |= EV_READ;
    if (what & CURL_POLL_OUT)
        events |= EV_WRITE;
    event = event_new(loop->base, fd, events, on_event, loop);
    if (event == NULL || event_add(event, NULL) != 0) {
        /* Unwatched, the transfer ends by its time-out, as a failure. */
        if (event != NULL)
            event_free(event);
        return 0;
    }
    curl_multi_assign(loop->multi, fd, event);
    return 0;
}

struct curl_loop *curl_loop_new(struct event_base *base, curl_loop_done_fn done, void *arg)
{
    struct curl_loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return NULL;
    loop->base = base;
    loop->done = done;
    loop->arg = arg;
    loop->multi = curl_multi_init();
    loop->timer = evtimer_new(base, on_timer, loop);
    if (loop->multi == NULL || loop->timer == NULL) {
        curl_loop_free(loop);
        return NULL;
    }
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    /* No transfer may ride on the connection of another. */
    curl_multi_setopt(loop->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return loop;
}

void curl_loop_free(struct curl_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->multi != NULL)
        curl_multi_cleanup(loop->multi);
    if (loop->timer != NULL)
        event_free(loop->timer);
    free(loop);
}

int curl_loop_add(struct curl_loop *loop, CURL *easy)
{
    return curl_multi_add_handle(loop->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void curl_loop_remove(struct curl_loop *loop, CURL *easy)
{
    curl_multi_remove_handle(loop->multi, easy);
}
