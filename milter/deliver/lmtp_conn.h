/*
 * One connection of the LMTP server, and what the server's connections share. Everything happens on
 * the loop's thread. Internal to lmtp_server.c and lmtp_conn.c.
 */
#ifndef MILTER_DELIVER_LMTP_CONN_H
#define MILTER_DELIVER_LMTP_CONN_H

#include "deliver/lmtp_server.h"
#include "deliver/lmtp_session.h"

#include <event2/event_struct.h>
#include <sys/queue.h>

enum {
    /* What is read in one go. */
    LMTP_CONN_READ = 65536,
    /* Commands that were sent ahead while a message is being delivered, or replies are not taken:
     * more is not read. */
    LMTP_CONN_PENDING_MAX = 65536,
    LMTP_CONN_OUT_MAX = 32768,
    /*
     * While the server drains. A session that had something to say so lately is about to begin a
     * message, perhaps: the MTA defers it for minutes if it hears 421 then. And so much later no
     * session begins a message, nor does one go on to a slow next-hop.
     */
    LMTP_CONN_YOUNG_MS = 1000,
    LMTP_CONN_STOP_MS = 3000,
};

struct lmtp_conn {
    TAILQ_ENTRY(lmtp_conn) link;
    struct lmtp_server *server;
    const char *socket; /* its name; belongs to the server */
    int fd;
    struct event readable;
    struct event writable;
    struct event resumed;  /* a transaction has something to say */
    struct config *config; /* a reference; that of the greeting */
    struct lmtp_session session;
    size_t out_at;         /* of session.out, sent already */
    struct octets pending; /* that was read, and not taken by the session */
    struct lmtp_transaction *transaction;
    bool closing;     /* once its output is written */
    bool busy;        /* counted in server->busy */
    int64_t since_ms; /* since then it has neither sent nor taken anything */
};

TAILQ_HEAD(lmtp_conn_list, lmtp_conn);

struct lmtp_listener;

struct lmtp_server {
    struct lmtp_server_config c; /* its configuration is that in force; a reference */
    struct lmtp_shared shared;
    struct lmtp_listener *listeners;
    struct event *sweep; /* of lmtp_conn_sweep, for each connection */
    struct lmtp_conn_list connections;
    void (*on_end)(struct lmtp_server *server); /* one of them is gone */
    unsigned connection_count;
    unsigned busy; /* connections in the midst of a message */
    bool draining;
    int64_t draining_since_ms;
    bool idle;          /* on_idle was called */
    bool refusing;      /* there are max_sessions, and have been for long: more get 421 */
    struct event *full; /* until then more are left in the queues of the sockets */
    int64_t refused_ms; /* when it was last logged that there are too many */
    struct lmtp_piece piece;
    char input[LMTP_CONN_READ];
};

/* Takes over fd. 0, or -ENOMEM; then fd is still the caller's. */
int lmtp_conn_new(struct lmtp_server *server, int fd, const char *socket);
void lmtp_conn_free(struct lmtp_conn *c);

/* While the server drains, from its begin on and again and again: ends the session unless a message
 * is under way or may begin soon; a message for a slow next-hop ends with 451. May free the
 * connection. */
void lmtp_conn_drain(struct lmtp_conn *c, int64_t now_ms);

/* Ends what has lasted too long; may free the connection. */
void lmtp_conn_sweep(struct lmtp_conn *c, int64_t now_ms);

#endif
