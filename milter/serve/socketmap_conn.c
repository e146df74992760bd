/*
 * One socketmap connection: octets in, netstrings out. It reads no further while a lookup is in
 * flight or a reply is not taken, so that no client can make it hold more than one input buffer and
 * one batch of replies.
 */
#include "serve/socketmap_conn.h"

#include "base/log.h"
#include "policy/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Keeps for later what the socket does not take now; behind what it did not take before. */
static bool keep_output(struct socketmap_conn *c, const char *data, size_t len)
{
    if (c->out.len == 0)
        c->out_at = 0;
    return octets_add(&c->out, data, len) && event_add(&c->writable, NULL) == 0;
}

static void send_batch(struct socketmap_conn *c)
{
    struct octets *batch = &c->server->batch;
    ssize_t sent = 0;
    if (batch->len > 0 && !c->failed && c->out.len == 0) {
        sent = send(c->fd, batch->buf, batch->len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            c->failed = true;
        if (sent < 0)
            sent = 0;
    }
    if (!c->failed && (size_t)sent < batch->len)
        c->failed = !keep_output(c, batch->buf + sent, batch->len - (size_t)sent);
    batch->len = 0;
    if (batch->cap > 4 * SOCKETMAP_CONN_BATCH_MAX)
        octets_fini(batch); /* after a reply of unusual size */
}

static bool must_wait(const struct socketmap_conn *c)
{
    return c->failed || c->closing || c->lookup != NULL || c->out.len > 0;
}

/* Handles one request of the input, if one is whole. Returns whether it did. */
static bool take_request(struct socketmap_conn *c, size_t *at)
{
    struct socketmap_request request;
    const char *data;
    size_t len, used;
    switch (
        netstring_read(c->in + *at, c->in_len - *at, SOCKETMAP_REQUEST_MAX, &data, &len, &used)) {
    case NETSTRING_OK:
        socketmap_request_parse(data, len, &request);
        *at += used;
        socketmap_handle(c, &request);
        return true;
    case NETSTRING_MORE:
        return false;
    case NETSTRING_BAD:
    default:
        metrics_socketmap_refused(c->server->metrics);
        log_msg(LOG_DEBUG, "socketmap: closing a connection that does not speak the protocol");
        c->closing = true;
        return false;
    }
}

/* Returns whether a request was taken. */
static bool take_input(struct socketmap_conn *c)
{
    size_t at = 0;
    while (!must_wait(c) && c->dump == NULL && c->server->batch.len < SOCKETMAP_CONN_BATCH_MAX &&
           take_request(c, &at)) {
    }
    c->in_len -= at;
    if (at > 0 && c->in_len > 0)
        memmove(c->in, c->in + at, c->in_len);
    return at > 0;
}

static void end_dump(struct socketmap_conn *c)
{
    if (c->dump == NULL)
        return;
    socketmap_dump_free(c->dump);
    c->dump = NULL;
    c->server->dump_count--;
}

static void continue_dump(struct socketmap_conn *c)
{
    while (c->dump != NULL && !c->failed && c->server->batch.len < SOCKETMAP_CONN_BATCH_MAX) {
        if (!socketmap_dump_next(c, c->dump))
            end_dump(c);
    }
}

/* What is there is told once: where more may be there than was read, the event is added anew, and
 * tells again. */
static void set_reading(struct socketmap_conn *c, bool reading)
{
    if (c->reading && (!reading || c->more))
        c->reading = event_del(&c->readable) < 0;
    if (reading && !c->reading) {
        c->reading = event_add(&c->readable, NULL) == 0;
        c->failed = c->failed || !c->reading;
    }
    c->more = false;
}

void socketmap_conn_proceed(struct socketmap_conn *c)
{
    bool took = true;
    while (took && !must_wait(c) && c->dump == NULL) {
        took = take_input(c);
        if (took)
            c->since_ms = clock_awake_ms();
        send_batch(c);
    }
    set_reading(c, !must_wait(c) && c->dump == NULL);
    /* One batch of a dump for each turn of the loop: others have theirs in between. */
    if (c->dump != NULL && !must_wait(c))
        c->failed = event_add(&c->writable, NULL) < 0;
    if (c->failed || (c->closing && c->out.len == 0))
        socketmap_conn_free(c);
}

void socketmap_conn_flush(struct socketmap_conn *c)
{
    c->since_ms = clock_awake_ms();
    send_batch(c);
    socketmap_conn_proceed(c);
}

void socketmap_conn_completed(struct socketmap_conn *c, const struct socketmap_request *request,
                              const struct findings *findings)
{
    socketmap_handle_findings(c, request, findings);
    socketmap_conn_flush(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct socketmap_conn *c = arg;
    size_t room = sizeof(c->in) - c->in_len;
    ssize_t got;
    do
        got = recv(fd, c->in + c->in_len, room, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        socketmap_conn_free(c);
        return;
    }
    if (c->in_len == 0)
        c->since_ms = clock_awake_ms();
    c->in_len += (size_t)got;
    c->more = (size_t)got == room || (what & EV_CLOSED);
    socketmap_conn_proceed(c);
}

/* Sends what is left over. Returns whether that was all; else the connection waits, or is gone. */
static bool send_rest(struct socketmap_conn *c)
{
    ssize_t sent = send(c->fd, c->out.buf + c->out_at, c->out.len - c->out_at, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        socketmap_conn_free(c);
        return false;
    }
    if (sent > 0) {
        c->out_at += (size_t)sent;
        c->since_ms = clock_awake_ms();
    }
    if (c->out_at < c->out.len) {
        if (event_add(&c->writable, NULL) < 0)
            socketmap_conn_free(c);
        return false;
    }
    octets_fini(&c->out);
    return true;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct socketmap_conn *c = arg;
    (void)fd;
    (void)what;
    if (c->out.len > 0 && !send_rest(c))
        return;
    if (c->dump != NULL) {
        c->since_ms = clock_awake_ms();
        continue_dump(c);
        send_batch(c);
    }
    socketmap_conn_proceed(c);
}

int socketmap_conn_new(struct socketmap *server, int fd, bool is_unix, bool is_loopback)
{
    struct socketmap_conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return -ENOMEM;
    c->server = server;
    c->fd = fd;
    c->is_unix = is_unix;
    c->is_loopback = is_loopback;
    c->opened_ms = c->since_ms = clock_awake_ms();
    event_assign(&c->readable, server->base, fd, EV_READ | EV_PERSIST | server->edge, on_readable,
                 c);
    event_assign(&c->writable, server->base, fd, EV_WRITE | (server->edge & EV_ET), on_writable, c);
    set_reading(c, true);
    if (c->failed) {
        free(c);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&server->connections, c, link);
    server->connection_count++;
    return 0;
}

void socketmap_conn_free(struct socketmap_conn *c)
{
    if (c->lookup != NULL)
        socketmap_lookup_abandon(c);
    end_dump(c);
    event_del(&c->readable);
    event_del(&c->writable);
    TAILQ_REMOVE(&c->server->connections, c, link);
    c->server->connection_count--;
    close(c->fd);
    octets_fini(&c->out);
    free(c);
}

bool socketmap_conn_is_idle(const struct socketmap_conn *c)
{
    return !must_wait(c) && c->dump == NULL && c->in_len == 0;
}

bool socketmap_conn_is_stalled(const struct socketmap_conn *c)
{
    return c->out.len > 0 || (c->in_len > 0 && !must_wait(c) && c->dump == NULL);
}

static void give_up_waiting(struct socketmap_conn *c)
{
    static const char text[] = "the lookup takes long; it goes on, try again";
    struct socketmap_request request = *socketmap_lookup_request(c->lookup);
    socketmap_lookup_abandon(c);
    socketmap_reply(c, &request, METRICS_TEMP, text, sizeof(text) - 1);
    socketmap_conn_flush(c);
}

/* Closed by the client, both ways, while it is not read from. Over TCP that looks like the end of
 * its requests, after which it may still read. */
static bool is_gone(const struct socketmap_conn *c)
{
    struct pollfd state = {.fd = c->fd};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR));
}

void socketmap_conn_sweep(struct socketmap_conn *c, int64_t now_ms)
{
    int64_t quiet_ms = now_ms - c->since_ms, age_ms = now_ms - c->opened_ms;
    if (c->lookup != NULL) {
        if (is_gone(c))
            socketmap_conn_free(c);
        else if (quiet_ms >= SOCKETMAP_CONN_ANSWER_MS)
            give_up_waiting(c);
    } else if (socketmap_conn_is_idle(c)) {
        if (quiet_ms >= SOCKETMAP_CONN_IDLE_MS || age_ms >= SOCKETMAP_CONN_LIFE_MS)
            socketmap_conn_free(c);
    } else if (quiet_ms >= SOCKETMAP_CONN_STALL_MS || age_ms >= SOCKETMAP_CONN_LIFE_MS) {
        socketmap_conn_free(c);
    }
}
