/*
 * Takes connections as they come, a few in one go: acceptor_new begins, acceptor_free ends. When
 * there is no descriptor for one, the owner may close another (make_room); else the sockets are
 * left alone for a moment, and connections wait in their queues, as they do while the owner wants
 * no more (acceptor_pause).
 */
#include "net/acceptor.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* New connections taken in one go, so that a flood of them does not starve the others. */
    BURST = 32,
    /* Without descriptors accept fails again at once: pause rather than spin. */
    PAUSE_MS = 200,
};

struct acceptor {
    struct acceptor_config config;
    struct event *resume; /* accepts again after descriptors ran out */
    bool paused;
    size_t count;
    struct event *listeners[];
};

static void set_accepting(struct acceptor *acceptor, bool accepting)
{
    for (size_t i = 0; i < acceptor->count; i++) {
        if (accepting)
            event_add(acceptor->listeners[i], NULL);
        else
            event_del(acceptor->listeners[i]);
    }
}

static void pause_accepting(struct acceptor *acceptor, int error)
{
    const struct timeval pause = {.tv_usec = PAUSE_MS * 1000};
    if (acceptor->config.make_room != NULL && acceptor->config.make_room(acceptor->config.arg))
        return;
    log_msg(LOG_ERR, "%s: cannot accept connections: %s", acceptor->config.name, strerror(error));
    set_accepting(acceptor, false);
    event_add(acceptor->resume, &pause);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct acceptor *acceptor = arg;

    if (!acceptor->paused)
        set_accepting(acceptor, true);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct acceptor *acceptor = arg;
    (void)what;
    for (int i = 0; i < BURST && !acceptor->paused; i++) {
        struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
        socklen_t len = sizeof(peer);
        int client = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            acceptor->config.on_connection(client, &peer, acceptor->config.arg);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(acceptor, errno);
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static int add_listener(struct acceptor *acceptor, int fd)
{
    struct event *event =
        event_new(acceptor->config.base, fd, EV_READ | EV_PERSIST, on_acceptable, acceptor);
    if (event == NULL || event_add(event, NULL) < 0) {
        if (event != NULL)
            event_free(event);
        return -ENOMEM;
    }
    acceptor->listeners[acceptor->count++] = event;
    return 0;
}

int acceptor_new(const struct acceptor_config *config, const struct listen_set *sets,
                 size_t set_count, struct acceptor **out)
{
    struct acceptor *acceptor =
        calloc(1, sizeof(*acceptor) + set_count * LISTEN_ADDRESSES_MAX * sizeof(struct event *));
    int error = 0;
    if (acceptor == NULL)
        return -ENOMEM;
    acceptor->config = *config;
    acceptor->resume = event_new(config->base, -1, 0, on_resume, acceptor);
    if (acceptor->resume == NULL)
        error = -ENOMEM;
    for (size_t i = 0; i < set_count; i++) {
        for (size_t j = 0; error == 0 && j < sets[i].count; j++)
            error = add_listener(acceptor, sets[i].fds[j]);
    }
    if (error < 0) {
        acceptor_free(acceptor);
        return error;
    }
    *out = acceptor;
    return 0;
}

void acceptor_pause(struct acceptor *acceptor, bool paused)
{
    if (acceptor->paused == paused)
        return;
    acceptor->paused = paused;
    set_accepting(acceptor, !paused);
}

void acceptor_free(struct acceptor *acceptor)
{
    if (acceptor == NULL)
        return;
    for (size_t i = 0; i < acceptor->count; i++)
        event_free(acceptor->listeners[i]);
    if (acceptor->resume != NULL)
        event_free(acceptor->resume);
    free(acceptor);
}
