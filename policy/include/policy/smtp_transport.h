/*
 * Runs an SMTP session over one connection, on libevent: connects to one address, writes and reads
 * what the session (smtp_session.h) says, makes the TLS handshake (tls_client.h), and watches the
 * time (RFC 5321 section 4.5.3.2). For a probe and for delivery.
 *
 *     smtp_transport_new    begins to connect; from then on on_turn is called when it is the
 *                           caller's turn, see enum smtp_turn
 *     smtp_transport_go     the caller has done its part, in on_turn or later
 *     smtp_transport_close  ends the connection now
 *     smtp_transport_free   at any time, also in on_turn: nothing is called any more
 *
 * on_turn is called from the event loop only, never by a function of this header, and nested in
 * nothing: it may call all of them. All of it on the thread of the event loop.
 *
 * Memory: what the session holds (a reply; some 48 kB of output while content is written), 16 kB
 * while it reads, and what OpenSSL has for a connection. A server that sends TLS records which are
 * no replies is left after SMTP_TRANSPORT_OCTETS_MAX octets.
 */
#ifndef POLICY_SMTP_TRANSPORT_H
#define POLICY_SMTP_TRANSPORT_H

#include "policy/smtp_session.h"
#include "policy/tls_client.h"

#include <event2/event.h>
#include <sys/socket.h>

enum {
    /* A piece of content is not longer than this. */
    SMTP_TRANSPORT_PIECE = 16384,
    /* Octets that a server may send in a TLS handshake, or between two replies. */
    SMTP_TRANSPORT_OCTETS_MAX = 512 * 1024,
};

struct smtp_transport;

/* Whose turn it is, and for what. */
enum smtp_turn {
    /* The transport's. */
    SMTP_TURN_NONE,
    /* The handshake is done; smtp_transport_peer has the result. smtp_transport_go goes on,
     * whatever was verified: a caller that made a demand and finds peer->met false says nothing of
     * a message. A handshake that fails ends the session. */
    SMTP_TURN_PEER,
    /* The session waits for a command: smtp_session_mail, _rset or _quit, then smtp_transport_go.
     * The connection is read meanwhile. */
    SMTP_TURN_COMMAND,
    /* The server waits for content, and little of it is waiting to be written: a piece by
     * smtp_session_content, or smtp_session_content_end, then smtp_transport_go. */
    SMTP_TURN_CONTENT,
    /* It is over and the connection closed: smtp_transport_connection, smtp_session_outcome. The
     * last call. */
    SMTP_TURN_OVER,
};

enum smtp_connection {
    SMTP_CONNECTION_OPEN,     /* or being made */
    SMTP_CONNECTION_CLOSED,   /* after it was made: the session's outcome tells why */
    SMTP_CONNECTION_NOT_MADE, /* refused, no route, no answer in time, or given up before */
    SMTP_CONNECTION_LOCAL, /* not made, or given up, because this host lacks memory, descriptors or
                              the source address: that says nothing of the server */
};

/* Milliseconds; 0 is the default behind each. */
struct smtp_timeouts {
    int64_t connect_ms;    /* 30 s */
    int64_t greeting_ms;   /* 5 min */
    int64_t command_ms;    /* 5 min: for the reply to each command */
    int64_t tls_ms;        /* 5 min: the handshake */
    int64_t data_begin_ms; /* 2 min: DATA to 354 */
    int64_t data_block_ms; /* 3 min: for each piece of the content */
    int64_t data_end_ms;   /* 10 min: the final dot */
    int64_t quit_ms;       /* 5 s */
};

typedef void (*smtp_turn_fn)(struct smtp_transport *transport, enum smtp_turn turn, void *arg);

struct smtp_transport_config {
    struct event_base *base;         /* borrowed */
    const struct sockaddr *address;  /* AF_INET or AF_INET6, with the port; copied */
    const struct sockaddr *source;   /* of the same family, or NULL: the system chooses; copied */
    struct smtp_session_config smtp; /* copied */
    /* Without SMTP_TLS_NEVER; borrowed until the transport is freed. */
    struct tls_client *tls_client;
    const struct tls_demand *demand;
    struct smtp_timeouts timeouts;
    int64_t limit_ms; /* smtp_transport_limit; 0: none */
    smtp_turn_fn on_turn;
    void *arg;
};

/* 0; -EINVAL as smtp_session_new has it, for another address family, for SMTP_TLS_OFFERED or
 * _REQUIRED without client or demand; -ENOMEM. A connection that cannot be made is told by
 * SMTP_TURN_OVER, even if that is known at once. */
int smtp_transport_new(const struct smtp_transport_config *config, struct smtp_transport **out);
void smtp_transport_free(struct smtp_transport *transport); /* NULL is allowed */

void smtp_transport_go(struct smtp_transport *transport);

/* What the session still has to write (a QUIT) is written if that is to be had at once, and the
 * connection is closed; a session that is not over is cancelled. on_turn is not called any more. */
void smtp_transport_close(struct smtp_transport *transport);

/* The session ends (SMTP_OUTCOME_TIMEOUT) if it is not over in so many milliseconds from now,
 * whatever it does until then; 0: no such limit. */
void smtp_transport_limit(struct smtp_transport *transport, int64_t limit_ms);

/* Another owner, for a connection that is kept and used again. */
void smtp_transport_owner(struct smtp_transport *transport, smtp_turn_fn on_turn, void *arg);

/* All belong to the transport and are valid until it is freed. */
struct smtp_session *smtp_transport_session(const struct smtp_transport *transport);
/* NULL when there was no handshake; of one that failed it has the reason. */
const struct tls_peer *smtp_transport_peer(const struct smtp_transport *transport);
/* For tls_connection_verify; NULL before the handshake is done and after SMTP_TURN_OVER. */
const struct tls_connection *smtp_transport_tls(const struct smtp_transport *transport);

/* Both addresses as text, without port and brackets; the source "" until a connection is made. */
enum { SMTP_ADDRESS_TEXT_MAX = 45 }; /* INET6_ADDRSTRLEN - 1 */
void smtp_transport_endpoints(const struct smtp_transport *transport,
                              char source[SMTP_ADDRESS_TEXT_MAX + 1],
                              char address[SMTP_ADDRESS_TEXT_MAX + 1]);

enum smtp_connection smtp_transport_connection(const struct smtp_transport *transport);

/* What went wrong, for logs and people: `connection refused`, or of a session that is over its
 * state and outcome: `EHLO: timed out`, `STARTTLS: refused: 454 4.7.0 not now`. Printable ASCII,
 * cut to the size. */
enum { SMTP_TRANSPORT_TEXT_MAX = 512 };
void smtp_transport_text(const struct smtp_transport *transport, char *out, size_t out_size);

#endif
