/*
 * The socketmap server: takes connections, bounds their number and their time, and shares the
 * configuration, the engine and the buffers among them. A connection is socketmap_conn.c, what is
 * answered socketmap_handle.c, lookups in progress socketmap_lookup.c.
 */
#include "serve/socketmap_conn.h"

#include "base/log.h"
#include "policy/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_MS = 500 };

static bool is_loopback(const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)peer;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    return peer->ss_family == AF_UNIX;
}

static bool is_older(const struct socketmap_conn *c, const struct socketmap_conn *than)
{
    return than == NULL || c->since_ms < than->since_ms;
}

/* Makes room by closing a connection, if there is one that will do: the one that has left us
 * waiting for longest, else the one that has been idle for longest. So neither half requests nor
 * idle connections can lock others out. */
static bool evict_connection(void *arg)
{
    struct socketmap *server = arg;
    struct socketmap_conn *stalled = NULL, *idle = NULL, *c;
    int64_t now_ms = clock_awake_ms();
    TAILQ_FOREACH (c, &server->connections, link) {
        if (socketmap_conn_is_stalled(c) && is_older(c, stalled))
            stalled = c;
        else if (socketmap_conn_is_idle(c) && is_older(c, idle))
            idle = c;
    }
    if (stalled != NULL && now_ms - stalled->since_ms >= SOCKETMAP_CONN_EVICT_STALLED_MS)
        c = stalled;
    else if (idle != NULL && now_ms - idle->since_ms >= SOCKETMAP_CONN_EVICT_MS)
        c = idle;
    else
        return false;
    socketmap_conn_free(c);
    return true;
}

static void take_connection(int fd, const struct sockaddr_storage *peer, void *arg)
{
    struct socketmap *server = arg;
    bool full = server->connection_count >= server->config->socketmap.max_connections;
    if ((full && !evict_connection(server)) ||
        socketmap_conn_new(server, fd, peer->ss_family == AF_UNIX, is_loopback(peer)) < 0) {
        metrics_socketmap_refused(server->metrics);
        close(fd);
    }
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct socketmap *server = arg;
    struct socketmap_conn *next;
    int64_t now_ms = clock_awake_ms();
    uint64_t ticks;
    (void)what;
    if (read(fd, &ticks, sizeof(ticks)) < 0)
        return;
    for (struct socketmap_conn *c = TAILQ_FIRST(&server->connections); c != NULL; c = next) {
        next = TAILQ_NEXT(c, link);
        socketmap_conn_sweep(c, now_ms);
    }
}

/* A descriptor, not a timer of libevent's: those make every wait of the loop one with a deadline,
 * which costs more than an answer does. */
static int set_up_sweep(struct socketmap *server)
{
    const struct timespec every = {.tv_nsec = SWEEP_MS * 1000000L};
    const struct itimerspec ticks = {.it_interval = every, .it_value = every};
    server->sweep_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (server->sweep_fd < 0 || timerfd_settime(server->sweep_fd, 0, &ticks, NULL) < 0)
        return -errno;
    server->sweep =
        event_new(server->base, server->sweep_fd, EV_READ | EV_PERSIST, on_sweep, server);
    return server->sweep != NULL && event_add(server->sweep, NULL) == 0 ? 0 : -ENOMEM;
}

/* Level-triggered, every answer costs another look at its socket. The end of the input must be told
 * of apart, as it may come together with the last of it. */
static short edge_flags(const struct event_base *base)
{
    const int needed = EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE;
    return (event_base_get_features(base) & needed) == needed ? EV_ET | EV_CLOSED : 0;
}

static int set_up_listeners(struct socketmap *server, const struct listen_set *sets,
                            size_t set_count)
{
    int error = set_up_sweep(server);
    if (error < 0)
        return error;
    const struct acceptor_config acceptor = {.base = server->base,
                                             .name = "socketmap",
                                             .on_connection = take_connection,
                                             .make_room = evict_connection,
                                             .arg = server};
    error = acceptor_new(&acceptor, sets, set_count, &server->acceptor);
    if (error < 0)
        return error;
    return socketmap_lookups_new(server, socketmap_conn_completed, &server->lookups);
}

int socketmap_new(struct event_base *base, struct config *config, struct engine *engine,
                  struct metrics *metrics, const struct listen_set *listeners,
                  size_t listener_count, struct socketmap **out)
{
    struct socketmap *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return -ENOMEM;
    server->base = base;
    server->edge = edge_flags(base);
    server->sweep_fd = -1;
    server->config = config_ref(config);
    server->at_start = config_ref(config);
    server->engine = engine;
    server->metrics = metrics;
    TAILQ_INIT(&server->connections);
    int error = set_up_listeners(server, listeners, listener_count);
    if (error < 0) {
        socketmap_free(server);
        return error;
    }
    *out = server;
    return 0;
}

void socketmap_free(struct socketmap *server)
{
    struct socketmap_conn *c;
    if (server == NULL)
        return;
    while ((c = TAILQ_FIRST(&server->connections)) != NULL)
        socketmap_conn_free(c);
    socketmap_lookups_free(server->lookups);
    acceptor_free(server->acceptor);
    if (server->sweep != NULL)
        event_free(server->sweep);
    if (server->sweep_fd >= 0)
        close(server->sweep_fd);
    octets_fini(&server->batch);
    config_unref(server->config);
    config_unref(server->at_start);
    free(server);
}

void socketmap_reconfigure(struct socketmap *server, struct config *config)
{
    struct config *old = server->config;
    server->config = config_ref(config);
    config_unref(old);
}

size_t socketmap_connections(const struct socketmap *server)
{
    return server->connection_count;
}
