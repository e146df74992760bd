/*
 * The life of an SMTP connection: smtp_transport_new begins to connect, the event loop then calls
 * smtp_transport_run (smtp_transport_run.c) for each event, the caller says smtp_transport_go when
 * it has done its part, and smtp_transport_close or smtp_transport_free at the end. What it came to
 * is in smtp_transport_connection, the session's outcome and smtp_transport_peer.
 */
#include "policy/clock.h"
#include "smtp/smtp_transport_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* event_callback_fn */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct smtp_transport *t = arg;
    (void)fd;
    (void)what;

    t->readable = true;
    smtp_transport_run(t);
}

/* event_callback_fn */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct smtp_transport *t = arg;
    (void)fd;
    (void)what;

    t->writable = true;
    if (t->stream.read_on_write)
        t->readable = true;
    smtp_transport_run(t);
}

/* event_callback_fn */
static void on_kick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;

    smtp_transport_run(arg);
}

/* event_callback_fn */
static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct smtp_transport *t = arg;
    (void)fd;
    (void)what;

    t->armed_ms = INT64_MAX;
    smtp_transport_run(t);
}

static bool is_family_known(const struct sockaddr *address)
{
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

static bool config_fits(const struct smtp_transport_config *config)
{
    if (!is_family_known(config->address) ||
        (config->source != NULL && config->source->sa_family != config->address->sa_family))
        return false;
    return config->smtp.tls == SMTP_TLS_NEVER ||
           (config->tls_client != NULL && config->demand != NULL);
}

static int make_socket_events(struct smtp_transport *t)
{
    int fd = t->stream.fd;

    t->on_readable = event_new(t->base, fd, EV_READ | EV_PERSIST, on_readable, t);
    t->on_writable = event_new(t->base, fd, EV_WRITE | EV_PERSIST, on_writable, t);
    return t->on_readable != NULL && t->on_writable != NULL ? 0 : -ENOMEM;
}

static void set_limit(struct smtp_transport *t, int64_t limit_ms)
{
    t->limit_ms = limit_ms > 0 ? clock_awake_ms() + limit_ms : INT64_MAX;
}

static int start(struct smtp_transport *t, const struct smtp_transport_config *config)
{
    int error = smtp_session_new(&config->smtp, &t->session);

    if (error != 0)
        return error;
    t->on_kick = event_new(t->base, -1, 0, on_kick, t);
    t->on_time = evtimer_new(t->base, on_time, t);
    if (t->on_kick == NULL || t->on_time == NULL)
        return -ENOMEM;
    t->error = -smtp_stream_connect(&t->stream, config->address, config->source);
    if (t->error == 0)
        error = make_socket_events(t);
    if (error != 0)
        return error;
    set_limit(t, config->limit_ms);
    event_active(t->on_kick, EV_TIMEOUT, 0);
    return 0;
}

int smtp_transport_new(const struct smtp_transport_config *config, struct smtp_transport **out)
{
    struct smtp_transport *t;
    int error;

    if (!config_fits(config))
        return -EINVAL;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return -ENOMEM;
    t->base = config->base;
    t->on_turn = config->on_turn;
    t->arg = config->arg;
    t->tls_client = config->tls_client;
    t->demand = config->demand;
    t->stream.fd = -1;
    t->stream.octets_max = SMTP_TRANSPORT_OCTETS_MAX;
    memcpy(&t->address, config->address,
           config->address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                  : sizeof(struct sockaddr_in));
    smtp_transport_timeouts(t, &config->timeouts);
    error = start(t, config);
    if (error != 0) {
        smtp_transport_free(t);
        return error;
    }
    *out = t;
    return 0;
}

void smtp_transport_free(struct smtp_transport *t)
{
    if (t == NULL)
        return;
    smtp_transport_finish(t, SMTP_CONNECTION_CLOSED);
    if (t->on_kick != NULL)
        event_free(t->on_kick);
    if (t->on_time != NULL)
        event_free(t->on_time);
    smtp_session_free(t->session);
    free(t);
}

void smtp_transport_go(struct smtp_transport *t)
{
    if (t->connection != SMTP_CONNECTION_OPEN)
        return;
    if (t->told == SMTP_TURN_PEER)
        smtp_session_tls_started(t->session, t->peer.met && t->peer.auth != TLS_AUTH_NONE);
    t->told = SMTP_TURN_NONE;
    event_active(t->on_kick, EV_TIMEOUT, 0);
}

void smtp_transport_close(struct smtp_transport *t)
{
    t->told = SMTP_TURN_OVER;
    if (t->connection != SMTP_CONNECTION_OPEN)
        return;
    smtp_transport_stop(t);
    event_del(t->on_kick);
}

void smtp_transport_limit(struct smtp_transport *t, int64_t limit_ms)
{
    set_limit(t, limit_ms);
    if (t->connection == SMTP_CONNECTION_OPEN)
        event_active(t->on_kick, EV_TIMEOUT, 0);
}

void smtp_transport_owner(struct smtp_transport *t, smtp_turn_fn on_turn, void *arg)
{
    t->on_turn = on_turn;
    t->arg = arg;
}

struct smtp_session *smtp_transport_session(const struct smtp_transport *t)
{
    return t->session;
}

const struct tls_peer *smtp_transport_peer(const struct smtp_transport *t)
{
    return t->has_peer ? &t->peer : NULL;
}

const struct tls_connection *smtp_transport_tls(const struct smtp_transport *t)
{
    return t->shaken ? t->tls : NULL;
}

enum smtp_connection smtp_transport_connection(const struct smtp_transport *t)
{
    return t->connection;
}
