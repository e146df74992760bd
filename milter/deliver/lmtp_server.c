/*
 * The LMTP server: lmtp_server_new listens on the sockets of all [deliver NAME], lmtp_server_drain
 * ends sessions as soon as no message is lost or deferred by it, lmtp_server_free closes all. A
 * connection is lmtp_conn.c. Beyond max_sessions clients wait in the queue of their socket for one
 * that ends; where none does for FULL_S a client is told 421 and may try again.
 */
#include "deliver/lmtp_server.h"

#include "base/log.h"
#include "deliver/lmtp_conn.h"
#include "net/acceptor.h"
#include "policy/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SWEEP_S = 1,
    FULL_S = 10,
    REFUSED_LOG_MS = 60000, /* that there are too many sessions is not logged more often */
};

struct lmtp_listener {
    struct lmtp_server *server;
    char *name;
    struct acceptor *acceptor;
};

static void refuse(struct lmtp_server *server, int fd)
{
    static const char text[] = "421 4.3.2 too many sessions\r\n";
    int64_t now_ms = clock_awake_ms();

    if (server->refused_ms == 0 || now_ms - server->refused_ms >= REFUSED_LOG_MS) {
        server->refused_ms = now_ms;
        log_msg(LOG_WARNING, "deliver: a client was turned away: there are max_sessions (%u)",
                server->c.config->deliver.max_sessions);
    }
    (void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
    close(fd);
}

static void set_paused(struct lmtp_server *server, bool paused)
{
    for (size_t i = 0; i < server->c.socket_count; i++) {
        if (server->listeners[i].acceptor != NULL)
            acceptor_pause(server->listeners[i].acceptor, paused);
    }
}

static bool is_full(const struct lmtp_server *server)
{
    return server->connection_count >= server->c.config->deliver.max_sessions;
}

/* The number of connections, or that of max_sessions, is another. */
static void note_count(struct lmtp_server *server)
{
    const struct timeval time = {.tv_sec = FULL_S};

    if (server->listeners == NULL || server->full == NULL)
        return;
    if (!is_full(server)) {
        event_del(server->full);
        server->refusing = false;
        set_paused(server, false);
    } else if (!server->refusing && !event_pending(server->full, EV_TIMEOUT, NULL)) {
        server->refusing = event_add(server->full, &time) != 0;
        set_paused(server, !server->refusing);
    }
}

/* There was no room for FULL_S. */
static void on_full(evutil_socket_t fd, short what, void *arg)
{
    struct lmtp_server *server = arg;

    (void)fd;
    (void)what;
    server->refusing = true;
    set_paused(server, false);
}

/* A connection, or a message of one, may have ended. */
static void note_end(struct lmtp_server *server)
{
    const struct lmtp_conn *c;

    note_count(server);
    if (!server->draining || server->idle || server->busy > 0)
        return;
    TAILQ_FOREACH (c, &server->connections, link) {
        bool is_over = c->closing || c->session.state == LMTP_STATE_CLOSED;

        /* A reply that the client has not got is a message that it sends again. */
        if (!is_over || c->session.out.len > 0)
            return;
    }
    server->idle = true;
    server->c.on_idle(server->c.arg);
}

static void on_connection(int fd, const struct sockaddr_storage *peer, void *arg)
{
    struct lmtp_listener *listener = arg;
    struct lmtp_server *server = listener->server;

    (void)peer;
    if (is_full(server))
        refuse(server, fd);
    else if (lmtp_conn_new(server, fd, listener->name) < 0)
        close(fd);
    else
        note_count(server);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct lmtp_server *server = arg;
    int64_t now_ms = clock_awake_ms();
    struct lmtp_conn *next;

    (void)fd;
    (void)what;
    for (struct lmtp_conn *c = TAILQ_FIRST(&server->connections); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        if (server->draining)
            lmtp_conn_drain(c, now_ms);
        else
            lmtp_conn_sweep(c, now_ms);
    }
    note_end(server);
}

static int add_listener(struct lmtp_server *server, size_t i)
{
    struct lmtp_listener *listener = &server->listeners[i];
    const struct acceptor_config config = {
        .base = server->c.base, .name = "deliver", .on_connection = on_connection, .arg = listener};

    listener->server = server;
    listener->name = strdup(server->c.config->deliver.sockets[i].name);
    if (listener->name == NULL)
        return -ENOMEM;
    return acceptor_new(&config, &server->c.sockets[i], 1, &listener->acceptor);
}

static int set_up(struct lmtp_server *server)
{
    const struct timeval every = {.tv_sec = SWEEP_S};
    int error = 0;

    server->listeners = calloc(server->c.socket_count, sizeof(*server->listeners));
    server->sweep = event_new(server->c.base, -1, EV_PERSIST, on_sweep, server);
    server->full = evtimer_new(server->c.base, on_full, server);
    if (server->listeners == NULL || server->sweep == NULL || server->full == NULL ||
        event_add(server->sweep, &every) < 0)
        return -ENOMEM;
    for (size_t i = 0; error == 0 && i < server->c.socket_count; i++)
        error = add_listener(server, i);
    return error;
}

int lmtp_server_new(const struct lmtp_server_config *config, struct lmtp_server **out)
{
    struct lmtp_server *server = calloc(1, sizeof(*server));
    int error;

    if (server == NULL)
        return -ENOMEM;
    server->c = *config;
    config_ref(server->c.config);
    server->shared = (struct lmtp_shared){
        .agent = config->agent, .metrics = config->metrics, .keys = config->keys};
    TAILQ_INIT(&server->connections);
    server->on_end = note_end;
    error = set_up(server);
    if (error < 0) {
        lmtp_server_free(server);
        return error;
    }
    *out = server;
    return 0;
}

static void stop_listening(struct lmtp_server *server)
{
    for (size_t i = 0; server->listeners != NULL && i < server->c.socket_count; i++) {
        acceptor_free(server->listeners[i].acceptor);
        server->listeners[i].acceptor = NULL;
    }
}

void lmtp_server_free(struct lmtp_server *server)
{
    struct lmtp_conn *c;

    if (server == NULL)
        return;
    server->draining = false; /* nobody is to be told any more */
    while ((c = TAILQ_FIRST(&server->connections)) != NULL)
        lmtp_conn_free(c);
    stop_listening(server);
    for (size_t i = 0; server->listeners != NULL && i < server->c.socket_count; i++)
        free(server->listeners[i].name);
    free(server->listeners);
    if (server->sweep != NULL)
        event_free(server->sweep);
    if (server->full != NULL)
        event_free(server->full);
    octets_fini(&server->shared.kept);
    config_unref(server->c.config);
    free(server);
}

void lmtp_server_reconfigure(struct lmtp_server *server, struct config *config)
{
    struct config *old = server->c.config;

    server->c.config = config_ref(config);
    config_unref(old);
    note_count(server);
}

void lmtp_server_drain(struct lmtp_server *server)
{
    struct lmtp_conn *next;

    stop_listening(server);
    if (!server->draining)
        server->draining_since_ms = clock_awake_ms();
    server->draining = true;
    for (struct lmtp_conn *c = TAILQ_FIRST(&server->connections); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        lmtp_conn_drain(c, clock_awake_ms());
    }
    note_end(server);
}

unsigned lmtp_server_busy(const struct lmtp_server *server)
{
    return server->busy;
}
