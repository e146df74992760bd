/*
 * What the files of the transport share; nobody else includes this. Each uses those before it
 * alone: smtp_transport_timer.c, smtp_transport_run.c, smtp_transport.c; smtp_transport_text.c
 * reads only.
 */
#ifndef POLICY_SMTP_SMTP_TRANSPORT_INTERNAL_H
#define POLICY_SMTP_SMTP_TRANSPORT_INTERNAL_H

#include "policy/smtp_transport.h"
#include "smtp/smtp_stream.h"

/* The timers of smtp_timer, and that of the connection. */
enum { TIMER_CONNECT = SMTP_TIMER_QUIT + 1, TIMER_COUNT };

struct smtp_transport {
    struct event_base *base;
    smtp_turn_fn on_turn;
    void *arg;
    struct sockaddr_storage address;
    struct sockaddr_storage source; /* once connected; else all 0 */
    enum smtp_connection connection;
    int error;      /* a positive errno: why the connection was not made or broke; 0: not known */
    bool connected; /* it was made at some time */
    struct smtp_stream stream;
    struct smtp_session *session;

    struct event *on_kick; /* made active to have the next step from the event loop */
    struct event *on_time;
    struct event *on_readable, *on_writable; /* of the socket; NULL: there is none */
    bool watches_read, watches_write;
    bool readable, writable; /* the socket was found so, and not used yet */

    enum smtp_turn told; /* the turn that the caller was told of and has not done yet */

    struct tls_client *tls_client;   /* borrowed */
    const struct tls_demand *demand; /* borrowed */
    struct tls_connection *tls;
    bool shaken; /* the handshake is done */
    bool has_peer;
    struct tls_peer peer;

    int64_t timeout_ms[TIMER_COUNT];
    unsigned timer; /* that runs: an enum smtp_timer, or TIMER_CONNECT */
    unsigned step;  /* smtp_session_step when it began */
    int64_t due_ms; /* of that timer; on the clock of clock_awake_ms */
    int64_t limit_ms;
    int64_t armed_ms; /* when on_time fires */
};

/* smtp_transport_timer.c; a time that is never is INT64_MAX. */
void smtp_transport_timeouts(struct smtp_transport *t, const struct smtp_timeouts *timeouts);
/* After each step: which timer runs, and when it ends. False: no memory, nothing would end it. */
bool smtp_transport_watch_time(struct smtp_transport *t);
bool smtp_transport_is_late(const struct smtp_transport *t);

/* smtp_transport_run.c */
/* Does all that can be done now; may call on_turn, as the last thing. */
void smtp_transport_run(struct smtp_transport *t);
/* Ends the session, after a QUIT that it still has to write, and the connection. */
void smtp_transport_stop(struct smtp_transport *t);
/* Closes the connection at once. */
void smtp_transport_finish(struct smtp_transport *t, enum smtp_connection how);

#endif
