/*
 * One connection of the socketmap server, and what the server's parts share. Everything happens on
 * the loop's thread. Internal to socketmap.c, socketmap_handle.c, socketmap_json.c,
 * socketmap_dump.c and socketmap_lookup.c.
 */
#ifndef MILTER_SERVE_SOCKETMAP_CONN_H
#define MILTER_SERVE_SOCKETMAP_CONN_H

#include "base/netstring.h"
#include "base/octets.h"
#include "decide/rules.h"
#include "net/acceptor.h"
#include "serve/socketmap.h"
#include "serve/socketmap_request.h"

#include <event2/event_struct.h>
#include <sys/queue.h>

enum {
    /* Postfix gives up a connection that is silent for 10 s: TEMP must be there before. */
    SOCKETMAP_CONN_ANSWER_MS = 8000,
    /* A request that has begun comes whole, and a reply is read, within this; protects against
     * clients that hold a connection by doing neither. */
    SOCKETMAP_CONN_STALL_MS = 10000,
    /* Postfix closes after 10 s itself; sendmail holds a connection through a queue run, and takes
     * a close for a temporary failure. */
    SOCKETMAP_CONN_IDLE_MS = 300000,
    SOCKETMAP_CONN_LIFE_MS = 3600000,
    /* When there are too many connections, one may be closed for a new one after this: one that is
     * idle, and sooner and first of all one whose client has sent half a request, or does not read
     * its reply. */
    SOCKETMAP_CONN_EVICT_MS = 1000,
    SOCKETMAP_CONN_EVICT_STALLED_MS = 250,
    /* Replies to pipelined requests are sent together, but not more than this. */
    SOCKETMAP_CONN_BATCH_MAX = 65536,
    /* Each DUMP holds references to all that is cached: more at once are refused. */
    SOCKETMAP_CONN_DUMPS_MAX = 8,
    SOCKETMAP_CONN_INPUT_MAX = SOCKETMAP_REQUEST_MAX + NETSTRING_HEAD_MAX + 1,
};

struct socketmap_lookup; /* a lookup in progress: socketmap_lookup.c */
struct rules_settings;
struct socketmap_dump; /* a DUMP half sent: socketmap_dump.c */
struct socketmap_lookups;

struct socketmap_conn {
    TAILQ_ENTRY(socketmap_conn) link;
    struct socketmap *server;
    int fd;
    bool is_unix;
    bool is_loopback; /* or unix */
    bool reading;     /* the readable event is pending */
    bool more;        /* of the input, or its end, may be there and will not be told of */
    bool failed;      /* an I/O error: nothing more can be sent */
    bool closing;     /* what it sent was no request: to be closed after the replies so far */
    struct event readable;
    struct event writable;
    struct octets out; /* what the socket did not take */
    size_t out_at;     /* of out, sent already */
    struct socketmap_lookup *lookup;
    struct socketmap_dump *dump;
    int64_t opened_ms;
    int64_t since_ms; /* of the state it is in: idle, in a request, waiting, sending */
    size_t in_len;
    char in[SOCKETMAP_CONN_INPUT_MAX];
};

TAILQ_HEAD(socketmap_conn_list, socketmap_conn);

/* The server, as its parts see it. */
struct socketmap {
    struct event_base *base;
    struct config *config;   /* in force; a reference */
    struct config *at_start; /* for what a reload does not change, as the store; a reference */
    struct engine *engine;
    struct metrics *metrics;
    struct socketmap_lookups *lookups;
    struct acceptor *acceptor;
    short edge;          /* flags of events that tell once of what is there, 0: they cannot */
    int sweep_fd;        /* ticks */
    struct event *sweep; /* of socketmap_conn_sweep, for each connection */
    struct socketmap_conn_list connections;
    size_t connection_count;
    size_t dump_count;       /* of them, with a DUMP half sent */
    struct octets batch;     /* replies of the connection at work, not sent yet */
    char answer[ANSWER_MAX]; /* the answer at work */
};

/* Takes over fd. Returns 0 or a negative errno; then fd is still the caller's. */
int socketmap_conn_new(struct socketmap *server, int fd, bool is_unix, bool is_loopback);
void socketmap_conn_free(struct socketmap_conn *c);

/* Goes on with what has been received, sends, and frees the connection if it is done. */
void socketmap_conn_proceed(struct socketmap_conn *c);

/* Sends the replies that were added since, then proceeds. */
void socketmap_conn_flush(struct socketmap_conn *c);

bool socketmap_conn_is_idle(const struct socketmap_conn *c);

/* Whether the server waits for the client: for the rest of a request, or to take a reply. */
bool socketmap_conn_is_stalled(const struct socketmap_conn *c);

/* Ends what has lasted too long; may free the connection. */
void socketmap_conn_sweep(struct socketmap_conn *c, int64_t now_ms);

/* A lookup of the connection has completed; may free the connection. */
void socketmap_conn_completed(struct socketmap_conn *c, const struct socketmap_request *request,
                              const struct findings *findings);

/* socketmap_reply.c: adds a reply, status and text in one netstring, and counts it under the
 * request. */
void socketmap_reply(struct socketmap_conn *c, const struct socketmap_request *request,
                     enum metrics_reply status, const char *text, size_t len);

/* socketmap_json.c: adds a reply with the findings of a next-hop as JSON, and what is known of its
 * servers from probes. Returns false, and adds none, when they cannot be written. `findings` NULL:
 * the settings replace them. */
bool socketmap_reply_json(struct socketmap_conn *c, const struct socketmap_request *request,
                          const struct nexthop *nexthop, const struct rules_settings *settings,
                          const struct findings *findings);

/* socketmap_handle.c: replies to a request, or starts a lookup or a DUMP. */
void socketmap_handle(struct socketmap_conn *c, const struct socketmap_request *request);
/* Replies with what findings come to; NULL: the lookup could not be made. */
void socketmap_handle_findings(struct socketmap_conn *c, const struct socketmap_request *request,
                               const struct findings *findings);

/* socketmap_lookup.c: lookups in progress. */
typedef void (*socketmap_completed_fn)(struct socketmap_conn *c,
                                       const struct socketmap_request *request,
                                       const struct findings *findings);
int socketmap_lookups_new(struct socketmap *server, socketmap_completed_fn on_completed,
                          struct socketmap_lookups **out);
void socketmap_lookups_free(struct socketmap_lookups *lookups); /* cancels them; NULL is allowed */
/* Asks the engine; c->lookup is set and the reply comes later. 0 or a negative errno. */
int socketmap_lookup_ask(struct socketmap_conn *c, const struct socketmap_request *request);
/* The connection no longer waits for its lookup, which goes on and fills the cache. */
void socketmap_lookup_abandon(struct socketmap_conn *c);
const struct socketmap_request *socketmap_lookup_request(const struct socketmap_lookup *lookup);

/* socketmap_dump.c */
int socketmap_dump_new(struct engine *engine, struct socketmap_dump **out);
void socketmap_dump_free(struct socketmap_dump *dump); /* NULL is allowed */
/* Adds the next reply to the batch; returns whether there are more. */
bool socketmap_dump_next(struct socketmap_conn *c, struct socketmap_dump *dump);

#endif
