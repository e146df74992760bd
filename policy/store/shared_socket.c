/*
 * shared_socket_new leaves all to an event: it finds the addresses, of a name by shared_name.c, and
 * connects to one after the other, each with its part of the time; from then on it reads what comes
 * and writes what is to be sent, until the server closes or an error ends it.
 */
#include "store/shared_socket.h"

#include "policy/clock.h"
#include "store/shared_name.h"

#include <errno.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    READ_SIZE = 16 * 1024,
    CALLS_MAX = 8, /* of read or send for one event: others have their turn */
};

struct shared_socket {
    struct event_base *base;
    const struct shared_url *url;
    const struct shared_socket_events *events;
    void *arg;
    int64_t deadline_ms; /* clock_awake_ms */
    struct shared_name *name;
    struct shared_addresses addresses;
    size_t next; /* of the addresses */
    int fd;
    bool open;
    struct event *on_kick; /* begins, outside of the caller's call; then the time of an address */
    struct event *on_readable;
    struct event *on_writable;
    struct evbuffer *out;
    char why[SHARED_NAME_WHY_MAX];
};

static void close_fd(struct shared_socket *s)
{
    if (s->on_readable != NULL)
        event_free(s->on_readable);
    if (s->on_writable != NULL)
        event_free(s->on_writable);
    s->on_readable = s->on_writable = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->open = false;
}

/* The last thing that is done: the socket may be freed in it. */
static void lose(struct shared_socket *s)
{
    close_fd(s);
    event_del(s->on_kick);
    s->events->on_lost(s->why, s->arg);
}

static void lose_by(struct shared_socket *s, const char *what, int error)
{
    snprintf(s->why, sizeof(s->why), "%s: %s", what, strerror(error));
    lose(s);
}

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

/* 0: being connected; or a positive errno. */
static int connect_to(struct shared_socket *s, const struct shared_address *address)
{
    int family = address->sa.ss_family, on = 1;

    s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return errno;
    if (family != AF_UNIX)
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(s->fd, (const struct sockaddr *)&address->sa, address->len) != 0 &&
        errno != EINPROGRESS)
        return errno;
    s->on_readable = event_new(s->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
    s->on_writable = event_new(s->base, s->fd, EV_WRITE | EV_PERSIST, on_writable, s);
    if (s->on_readable == NULL || s->on_writable == NULL || event_add(s->on_writable, NULL) < 0)
        return ENOMEM;
    return 0;
}

/* An equal part of what is left for each address that is left. */
static void arm_limit(struct shared_socket *s)
{
    int64_t left_ms = s->deadline_ms - clock_awake_ms();
    int64_t part_ms = left_ms > 0 ? left_ms / (int64_t)(s->addresses.count - s->next + 1) : 0;
    struct timeval part = {.tv_sec = part_ms / 1000, .tv_usec = part_ms % 1000 * 1000};

    event_add(s->on_kick, &part);
}

/* Goes on with the next address; `why` has what became of the last. */
static void try_next(struct shared_socket *s)
{
    close_fd(s);
    while (s->next < s->addresses.count) {
        int error = connect_to(s, &s->addresses.list[s->next++]);

        if (error == 0) {
            arm_limit(s);
            return;
        }
        snprintf(s->why, sizeof(s->why), "cannot connect: %s", strerror(error));
        close_fd(s);
    }
    lose(s);
}

/* shared_name_fn */
static void on_name(const struct shared_addresses *addresses, void *arg)
{
    struct shared_socket *s = arg;

    s->name = NULL;
    s->addresses = *addresses;
    snprintf(s->why, sizeof(s->why), "%s", addresses->why);
    try_next(s);
}

static void take_path(struct shared_socket *s)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&s->addresses.list[0].sa;

    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, s->url->path, sizeof(un->sun_path));
    s->addresses.list[0].len = sizeof(*un);
    s->addresses.count = 1;
}

static void begin(struct shared_socket *s)
{
    int64_t left_ms = s->deadline_ms - clock_awake_ms();
    struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    int error;

    if (s->url->host[0] == '\0') {
        take_path(s);
        try_next(s);
    } else if (shared_name_is_address(s->url->host, s->url->port, &s->addresses)) {
        try_next(s);
    } else {
        error = shared_name_start(s->base, s->url->host, s->url->port, on_name, s, &s->name);
        if (error != 0)
            lose_by(s, "its name cannot be looked up", -error);
        else
            event_add(s->on_kick, left_ms > 0 ? &left : &(struct timeval){0});
    }
}

/* event_callback_fn: by event_active at first, then by time. */
static void on_kick(evutil_socket_t fd, short what, void *arg)
{
    struct shared_socket *s = arg;
    (void)fd;
    (void)what;

    if (s->name != NULL) {
        snprintf(s->why, sizeof(s->why), "its name was not looked up in time");
        lose(s);
    } else if (s->addresses.count == 0) {
        begin(s);
    } else {
        snprintf(s->why, sizeof(s->why), "cannot connect: no answer");
        try_next(s);
    }
}

static void opened(struct shared_socket *s)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error == 0 && event_add(s->on_readable, NULL) < 0)
        error = ENOMEM;
    if (error != 0) {
        snprintf(s->why, sizeof(s->why), "cannot connect: %s", strerror(error));
        try_next(s);
        return;
    }
    event_del(s->on_kick);
    event_del(s->on_writable);
    s->open = true;
    s->events->on_open(s->arg);
}

/* event_callback_fn */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct shared_socket *s = arg;
    struct evbuffer_iovec first;
    (void)what;

    if (!s->open) {
        opened(s);
        return;
    }
    for (int calls = 0; calls < CALLS_MAX && evbuffer_peek(s->out, -1, NULL, &first, 1) > 0;
         calls++) {
        ssize_t sent = send(fd, first.iov_base, first.iov_len, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (sent < 0) {
            lose_by(s, "cannot send", errno);
            return;
        }
        evbuffer_drain(s->out, (size_t)sent);
    }
    if (evbuffer_get_length(s->out) == 0)
        event_del(s->on_writable);
}

/* event_callback_fn */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct shared_socket *s = arg;
    char octets[READ_SIZE];
    (void)what;

    for (int calls = 0; calls < CALLS_MAX; calls++) {
        ssize_t len = recv(fd, octets, sizeof(octets), 0);

        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (len < 0) {
            lose_by(s, "connection lost", errno);
            return;
        }
        if (len == 0) {
            snprintf(s->why, sizeof(s->why), "it closed the connection");
            lose(s);
            return;
        }
        if (!s->events->on_octets(octets, (size_t)len, s->arg) || (size_t)len < sizeof(octets))
            return;
    }
}

int shared_socket_new(struct event_base *base, const struct shared_url *url, int limit_ms,
                      const struct shared_socket_events *events, void *arg,
                      struct shared_socket **out)
{
    struct shared_socket *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->base = base;
    s->url = url;
    s->events = events;
    s->arg = arg;
    s->deadline_ms = clock_awake_ms() + limit_ms;
    s->fd = -1;
    s->out = evbuffer_new();
    s->on_kick = evtimer_new(base, on_kick, s);
    if (s->out == NULL || s->on_kick == NULL) {
        shared_socket_free(s);
        return -ENOMEM;
    }
    event_active(s->on_kick, EV_TIMEOUT, 0);
    *out = s;
    return 0;
}

int shared_socket_send(struct shared_socket *s, const char *octets, size_t len)
{
    if (!s->open || evbuffer_add(s->out, octets, len) < 0)
        return -ENOMEM;
    event_add(s->on_writable, NULL);
    return 0;
}

size_t shared_socket_unsent(const struct shared_socket *s)
{
    return evbuffer_get_length(s->out);
}

void shared_socket_free(struct shared_socket *s)
{
    if (s == NULL)
        return;
    shared_name_cancel(s->name);
    close_fd(s);
    if (s->on_kick != NULL)
        event_free(s->on_kick);
    if (s->out != NULL)
        evbuffer_free(s->out);
    free(s);
}
