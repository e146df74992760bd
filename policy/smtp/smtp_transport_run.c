/*
 * The steps of an SMTP connection. smtp_transport_run is called from the event loop whenever
 * something has happened: it connects, makes the handshake, reads once, writes while the socket
 * takes it, and ends with one of three: it waits for the socket, it has told the caller that it is
 * the caller's turn, or it has closed the connection (smtp_transport_finish).
 *
 * The session reads all that comes, until it is over: what a server says before it closes counts
 * more than that it closed. What is read in plaintext goes to the session to the last octet, which
 * ends it if something stands behind the reply to STARTTLS.
 */
#include "smtp/smtp_transport_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

enum { READ_SIZE = 16384, WRITES_MAX = 8 };

static void remove_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

void smtp_transport_finish(struct smtp_transport *t, enum smtp_connection how)
{
    t->connection = how;
    remove_event(&t->on_readable);
    remove_event(&t->on_writable);
    smtp_stream_close(&t->stream);
    tls_connection_free(t->tls);
    t->tls = NULL;
    if (t->on_time != NULL)
        smtp_transport_watch_time(t);
}

/* The connection is gone, or TLS has failed on it. */
static void lose(struct smtp_transport *t)
{
    t->error = t->stream.error;
    smtp_session_lost(t->session);
}

/* One read, so that others on this thread have their turn. */
static enum smtp_stream_status read_once(struct smtp_transport *t)
{
    char octets[READ_SIZE];
    size_t len;
    enum smtp_stream_status status = smtp_stream_read(&t->stream, octets, sizeof(octets), &len);

    if (status == SMTP_STREAM_DONE)
        smtp_session_input(t->session, octets, len);
    return status;
}

static void read_some(struct smtp_transport *t)
{
    t->readable = false;
    if (read_once(t) == SMTP_STREAM_LOST)
        lose(t);
}

/* The server may have said why before it closed. */
static void on_write_lost(struct smtp_transport *t)
{
    int error = t->stream.error;

    while (smtp_session_outcome(t->session) == SMTP_OUTCOME_NONE &&
           read_once(t) == SMTP_STREAM_DONE)
        continue;
    t->stream.error = error;
    lose(t);
}

static void write_some(struct smtp_transport *t)
{
    const char *octets;
    size_t len, written;

    for (unsigned i = 0; i < WRITES_MAX; i++) {
        len = smtp_session_output(t->session, &octets);
        if (len == 0)
            return;
        switch (smtp_stream_write(&t->stream, octets, len, &written)) {
        case SMTP_STREAM_DONE:
            smtp_session_written(t->session, written);
            break;
        case SMTP_STREAM_AGAIN:
            return;
        case SMTP_STREAM_LOST:
            on_write_lost(t);
            return;
        }
    }
}

static void endpoint_text(const struct smtp_transport *t, char *out, size_t size)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&t->address;
    const struct sockaddr_in *in = (const struct sockaddr_in *)&t->address;
    char address[INET6_ADDRSTRLEN] = "";
    bool v6 = t->address.ss_family == AF_INET6;

    inet_ntop(t->address.ss_family, v6 ? (const void *)&in6->sin6_addr : &in->sin_addr, address,
              sizeof(address));
    snprintf(out, size, "[%s]:%u", address, ntohs(v6 ? in6->sin6_port : in->sin_port));
}

/* This host cannot make the handshake: that says nothing of the server. */
static void on_tls_local(struct smtp_transport *t, int error)
{
    memset(&t->peer, 0, sizeof(t->peer));
    t->peer.proof.why = TLS_WHY_LOCAL;
    snprintf(t->peer.proof.reason, sizeof(t->peer.proof.reason), "%s",
             error == -ENOMEM ? "out of memory" : "TLS cannot be set up as demanded");
    t->has_peer = true;
    t->error = -error;
    smtp_session_tls_failed(t->session);
}

static int begin_handshake(struct smtp_transport *t)
{
    char endpoint[INET6_ADDRSTRLEN + 16];
    int error;

    endpoint_text(t, endpoint, sizeof(endpoint));
    error = tls_connection_new(t->tls_client, t->demand, endpoint, &t->tls);
    if (error != 0)
        return error;
    return smtp_stream_start_tls(&t->stream, tls_connection_ssl(t->tls));
}

/* State TLS of the session, until the handshake is done or has failed. */
static void shake(struct smtp_transport *t)
{
    unsigned long openssl_error = 0;
    enum smtp_stream_status status;
    int error;

    if (t->tls == NULL) {
        error = begin_handshake(t);
        if (error != 0) {
            on_tls_local(t, error);
            return;
        }
    }
    status = smtp_stream_handshake(&t->stream, &openssl_error);
    if (status == SMTP_STREAM_AGAIN)
        return;
    tls_connection_finish(t->tls, openssl_error, &t->peer);
    t->has_peer = true;
    t->shaken = status == SMTP_STREAM_DONE;
    if (!t->shaken)
        smtp_session_tls_failed(t->session);
}

/* Once the connection stands. */
static void move(struct smtp_transport *t)
{
    if (t->readable && smtp_session_need(t->session) != SMTP_NEED_TLS)
        read_some(t);
    if (smtp_session_need(t->session) == SMTP_NEED_TLS && !t->shaken)
        shake(t);
    else if (smtp_session_need(t->session) != SMTP_NEED_TLS)
        write_some(t);
}

/* The connection is not made. */
static void give_up(struct smtp_transport *t, int error)
{
    t->error = error;
    smtp_session_lost(t->session);
    smtp_transport_finish(t, t->stream.local ? SMTP_CONNECTION_LOCAL : SMTP_CONNECTION_NOT_MADE);
}

/* A connection that was made, and broken off before that was seen here. */
static bool is_reset(int error)
{
    return error == -ECONNRESET || error == -EPIPE;
}

static void note_source(struct smtp_transport *t)
{
    socklen_t len = sizeof(t->source);

    if (getsockname(t->stream.fd, (struct sockaddr *)&t->source, &len) < 0)
        memset(&t->source, 0, sizeof(t->source));
}

static void connect_step(struct smtp_transport *t)
{
    int error = t->stream.fd >= 0 ? smtp_stream_connected(&t->stream) : -t->error;

    if (t->stream.fd >= 0 && is_reset(error)) {
        t->connected = true;
        t->stream.error = -error;
        lose(t);
    } else if (error != 0) {
        give_up(t, -error);
    } else if (smtp_session_outcome(t->session) != SMTP_OUTCOME_NONE) {
        give_up(t, ECANCELED); /* by the caller */
    } else if (t->writable) {
        t->connected = true;
        note_source(t);
    } else if (smtp_transport_is_late(t)) {
        give_up(t, ETIMEDOUT);
    }
}

static bool is_caller_asked(const struct smtp_transport *t)
{
    return t->shaken && smtp_session_need(t->session) == SMTP_NEED_TLS;
}

static int watch(struct event *event, bool wanted, bool *is_watched)
{
    if (wanted == *is_watched)
        return 0;
    *is_watched = wanted;
    return wanted ? event_add(event, NULL) : event_del(event);
}

/* Events for what the next step needs. False: there will be none. */
static bool watch_socket(struct smtp_transport *t)
{
    const char *octets;
    bool reads = t->connected && !is_caller_asked(t);
    bool writes = !t->connected || t->stream.read_on_write ||
                  (!t->stream.write_on_read && smtp_session_output(t->session, &octets) > 0);

    return watch(t->on_readable, reads, &t->watches_read) == 0 &&
           watch(t->on_writable, writes, &t->watches_write) == 0;
}

void smtp_transport_stop(struct smtp_transport *t)
{
    if (smtp_session_state(t->session) != SMTP_STATE_QUIT)
        smtp_session_cancel(t->session);
    if (t->connected)
        write_some(t); /* a QUIT */
    smtp_session_lost(t->session);
    smtp_transport_finish(t, t->connected ? SMTP_CONNECTION_CLOSED : SMTP_CONNECTION_NOT_MADE);
}

/* Nothing would tell what happens on the connection. */
static void end_without_events(struct smtp_transport *t)
{
    smtp_session_cancel(t->session);
    smtp_transport_finish(t, SMTP_CONNECTION_LOCAL);
    t->error = ENOMEM;
}

static void step(struct smtp_transport *t)
{
    if (!t->connected)
        connect_step(t);
    if (t->connection != SMTP_CONNECTION_OPEN)
        return;
    if (t->connected)
        move(t);
    t->writable = false;
    if (!smtp_transport_watch_time(t) || !watch_socket(t)) {
        end_without_events(t);
        return;
    }
    if (smtp_transport_is_late(t))
        smtp_session_timeout(t->session);
    if (smtp_session_need(t->session) == SMTP_NEED_CLOSE)
        smtp_transport_stop(t);
}

static enum smtp_turn turn_of(struct smtp_transport *t)
{
    const char *octets;

    if (t->connection != SMTP_CONNECTION_OPEN)
        return SMTP_TURN_OVER;
    if (is_caller_asked(t))
        return SMTP_TURN_PEER;
    if (smtp_session_need(t->session) == SMTP_NEED_COMMAND)
        return SMTP_TURN_COMMAND;
    if (smtp_session_need(t->session) == SMTP_NEED_CONTENT &&
        smtp_session_output(t->session, &octets) < SMTP_TRANSPORT_PIECE)
        return SMTP_TURN_CONTENT;
    return SMTP_TURN_NONE;
}

void smtp_transport_run(struct smtp_transport *t)
{
    enum smtp_turn turn;

    if (t->connection == SMTP_CONNECTION_OPEN)
        step(t);
    turn = turn_of(t);
    if (turn == t->told)
        return;
    t->told = turn;
    if (turn != SMTP_TURN_NONE)
        t->on_turn(t, turn, t->arg); /* may free it */
}
