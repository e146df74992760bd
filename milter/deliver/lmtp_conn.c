/*
 * One LMTP connection: octets in, replies out, and what the session's events ask of a transaction.
 * lmtp_conn_new begins; it frees itself when the session is over, the client has gone, or nothing
 * came for too long. While a message is being delivered the connection is read only to see whether
 * the client is still there: if it is not, the delivery is cancelled.
 */
#include "deliver/lmtp_conn.h"

#include "base/log.h"
#include "policy/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Not the host's: MTAs that hear their own name take it for a mail loop. */
static const char own_name[] = "requiretls-deliver";

static const struct lmtp_reply sender_ok = {250, "2.1.0", "ok"};
static const struct lmtp_reply go_on = {354, "", "end with a line that is a dot alone"};
static const struct lmtp_reply no_memory = {451, "4.3.0", "out of memory"};
static const struct lmtp_reply no_socket = {451, "4.3.5", "not configured any more"};
static const struct lmtp_reply draining = {421, "4.3.2", "this service is stopping"};
static const struct lmtp_reply overdue = {421, "4.4.2", "nothing came for too long"};

static void resume_soon(void *arg)
{
    struct lmtp_conn *c = arg;

    event_active(&c->resumed, EV_TIMEOUT, 0);
}

static void set_busy(struct lmtp_conn *c, bool busy)
{
    struct lmtp_server *server = c->server;

    if (c->busy == busy)
        return;
    c->busy = busy;
    if (busy)
        server->busy++;
    else
        server->busy--;
}

static void end_transaction(struct lmtp_conn *c)
{
    lmtp_transaction_free(c->transaction);
    c->transaction = NULL;
    set_busy(c, false);
}

/* ---- the session's events ---- */

static void on_mail(struct lmtp_conn *c)
{
    const struct lmtp_transaction_config config = {
        .shared = &c->server->shared,
        .config = c->server->c.config,
        .socket = c->socket,
        .on_known = resume_soon,
        .arg = c,
    };
    int error;

    if (c->server->draining &&
        clock_awake_ms() - c->server->draining_since_ms >= LMTP_CONN_STOP_MS) {
        lmtp_session_answer(&c->session, &draining);
        return;
    }
    error = lmtp_transaction_new(&config, &c->session.command.mail, &c->transaction);
    lmtp_session_answer(&c->session, error == 0         ? &sender_ok
                                     : error == -ENOENT ? &no_socket
                                                        : &no_memory);
}

static void on_rcpt(struct lmtp_conn *c)
{
    struct lmtp_reply reply = lmtp_transaction_rcpt(c->transaction, &c->session.command.rcpt);

    lmtp_session_answer(&c->session, &reply);
}

static void on_data(struct lmtp_conn *c)
{
    int error = lmtp_transaction_begin(c->transaction);

    if (error == 0)
        set_busy(c, true);
    lmtp_session_answer(&c->session, error == 0 ? &go_on : &no_memory);
}

/* Passes on the replies that are known; after the last the transaction is over. */
static void answer_recipients(struct lmtp_conn *c)
{
    struct lmtp_reply reply;

    if (c->session.state != LMTP_STATE_RESULTS)
        return;
    while (c->session.rcpt_count > 0 && lmtp_transaction_next(c->transaction, &reply))
        lmtp_session_answer(&c->session, &reply);
    if (c->session.rcpt_count > 0)
        return;
    c->since_ms = clock_awake_ms();
    end_transaction(c);
    if (c->server->draining)
        lmtp_session_close(&c->session, &draining);
}

static void on_event(struct lmtp_conn *c, enum lmtp_event event)
{
    const struct lmtp_piece *piece = &c->server->piece;

    switch (event) {
    case LMTP_EVENT_MAIL:
        on_mail(c);
        break;
    case LMTP_EVENT_RCPT:
        on_rcpt(c);
        break;
    case LMTP_EVENT_DATA:
        on_data(c);
        break;
    case LMTP_EVENT_CONTENT:
        lmtp_transaction_content(c->transaction, piece->octets, piece->len);
        break;
    case LMTP_EVENT_MESSAGE:
        lmtp_transaction_deliver(c->transaction);
        answer_recipients(c);
        break;
    case LMTP_EVENT_RESET:
        end_transaction(c);
        break;
    case LMTP_EVENT_QUIT:
        c->closing = true;
        break;
    case LMTP_EVENT_NONE:
        break;
    }
}

/* Gives octets to the session, as long as it takes some and its replies are taken. Returns how many
 * it took. */
static size_t feed(struct lmtp_conn *c, const char *octets, size_t len)
{
    enum lmtp_event event = LMTP_EVENT_MAIL;
    size_t at = 0, used;

    while (event != LMTP_EVENT_NONE && !c->closing && c->session.out.len < LMTP_CONN_OUT_MAX) {
        event = lmtp_session_input(&c->session, octets + at, len - at, &used, &c->server->piece);
        at += used;
        on_event(c, event);
    }
    return at;
}

/* ---- input and output ---- */

/* Writes what there is. Returns whether the connection can still be used. */
static bool flush(struct lmtp_conn *c)
{
    struct octets *out = &c->session.out;

    while (c->out_at < out->len) {
        ssize_t n = send(c->fd, out->buf + c->out_at, out->len - c->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return event_add(&c->writable, NULL) == 0;
        if (n < 0)
            return false;
        c->out_at += (size_t)n;
        c->since_ms = clock_awake_ms();
    }
    c->out_at = 0;
    octets_fini(out); /* most sessions wait most of the time */
    return true;
}

/* Takes from the front what the session took. */
static void drop_pending(struct lmtp_conn *c, size_t len)
{
    c->pending.len -= len;
    if (c->pending.len == 0)
        octets_fini(&c->pending);
    else if (len > 0)
        memmove(c->pending.buf, c->pending.buf + len, c->pending.len);
}

/* Reads on, or not: what is there stays where it is. */
static bool set_reading(struct lmtp_conn *c)
{
    bool wanted = !c->closing && c->pending.len < LMTP_CONN_PENDING_MAX;

    return (wanted ? event_add(&c->readable, NULL) : event_del(&c->readable)) == 0;
}

/* Writes, and goes on with what was read; may free the connection. */
static void proceed(struct lmtp_conn *c)
{
    bool usable = flush(c), progressed = true;

    while (usable && progressed && c->session.out.len == 0 && !c->closing) {
        size_t used = feed(c, c->pending.len > 0 ? c->pending.buf : "", c->pending.len);

        drop_pending(c, used);
        progressed = used > 0 || c->session.out.len > 0;
        usable = !c->session.no_memory && flush(c);
    }
    if (!usable || (c->closing && c->session.out.len == 0) || !set_reading(c))
        lmtp_conn_free(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct lmtp_conn *c = arg;
    char *input = c->server->input;
    size_t used = 0;
    ssize_t n;

    (void)what;
    do
        n = recv(fd, input, sizeof(c->server->input), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n <= 0) {
        lmtp_conn_free(c); /* the client has gone */
        return;
    }
    c->since_ms = clock_awake_ms();
    if (c->pending.len == 0)
        used = feed(c, input, (size_t)n);
    if (used < (size_t)n && !octets_add(&c->pending, input + used, (size_t)n - used)) {
        lmtp_conn_free(c);
        return;
    }
    proceed(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    proceed(arg);
}

static void on_resumed(evutil_socket_t fd, short what, void *arg)
{
    struct lmtp_conn *c = arg;

    (void)fd;
    (void)what;
    answer_recipients(c);
    proceed(c);
}

/* ---- its life ---- */

int lmtp_conn_new(struct lmtp_server *server, int fd, const char *socket)
{
    struct lmtp_conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return -ENOMEM;
    c->server = server;
    c->socket = socket;
    c->fd = fd;
    c->since_ms = clock_awake_ms();
    c->config = config_ref(server->c.config);
    event_assign(&c->readable, server->c.base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, server->c.base, fd, EV_WRITE, on_writable, c);
    event_assign(&c->resumed, server->c.base, -1, 0, on_resumed, c);
    lmtp_session_init(&c->session, own_name, c->config->deliver.max_message);
    if (c->session.no_memory || event_add(&c->readable, NULL) < 0) {
        lmtp_session_fini(&c->session);
        config_unref(c->config);
        free(c);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&server->connections, c, link);
    server->connection_count++;
    metrics_lmtp_session_begun(server->c.metrics);
    proceed(c);
    return 0;
}

void lmtp_conn_free(struct lmtp_conn *c)
{
    event_del(&c->readable);
    event_del(&c->writable);
    event_del(&c->resumed);
    TAILQ_REMOVE(&c->server->connections, c, link);
    c->server->connection_count--;
    metrics_lmtp_session_over(c->server->c.metrics);
    end_transaction(c);
    lmtp_session_fini(&c->session);
    octets_fini(&c->pending);
    config_unref(c->config);
    close(c->fd);
    c->server->on_end(c->server);
    free(c);
}

void lmtp_conn_drain(struct lmtp_conn *c, int64_t now_ms)
{
    int64_t draining_ms = now_ms - c->server->draining_since_ms;
    int64_t quiet_ms = now_ms - c->since_ms;

    if (c->closing || c->session.state == LMTP_STATE_CLOSED)
        return;
    if (c->busy) {
        if (c->session.state == LMTP_STATE_RESULTS && draining_ms >= LMTP_CONN_STOP_MS &&
            quiet_ms >= LMTP_CONN_STOP_MS)
            lmtp_transaction_stop(c->transaction);
        return;
    }
    if (quiet_ms < LMTP_CONN_YOUNG_MS && draining_ms < LMTP_CONN_STOP_MS)
        return;
    end_transaction(c);
    lmtp_session_close(&c->session, &draining);
    proceed(c);
}

void lmtp_conn_sweep(struct lmtp_conn *c, int64_t now_ms)
{
    bool waiting = c->session.state == LMTP_STATE_RESULTS && c->session.out.len == 0;

    if (waiting || now_ms - c->since_ms < c->config->deliver.command_timeout_ms)
        return;
    if (c->closing || c->session.out.len > 0) { /* its replies are not taken */
        lmtp_conn_free(c);
        return;
    }
    log_msg(LOG_INFO, "deliver %s: closing a session: nothing came for %d s", c->socket,
            c->config->deliver.command_timeout_ms / 1000);
    end_transaction(c);
    lmtp_session_close(&c->session, &overdue);
    proceed(c);
}
