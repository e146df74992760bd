/*
 * One connection of the socketmap server, and what the server's parts share. Everything happens on
 * the loop's thread. Internal to socketmap.c, mapanswer.c, mapdump.c and maplookup.c.
 */
#ifndef MILTER_MAPCONN_H
#define MILTER_MAPCONN_H

#include "base/netstring.h"
#include "base/octets.h"
#include "serve/socketmap.h"
#include "serve/socketmap_request.h"

#include <event2/event_struct.h>
#include <sys/queue.h>

enum {
    /* Postfix gives up a connection that is silent for 10 s: TEMP must be there before. */
    MAPCONN_ANSWER_MS = 8000,
    /* A request that has begun comes whole, and a reply is read, within this; protects against
     * clients that hold a connection by doing neither. */
    MAPCONN_STALL_MS = 10000,
    /* Postfix closes after 10 s itself; sendmail holds a connection through a queue run, and takes
     * a close for a temporary failure. */
    MAPCONN_IDLE_MS = 300000,
    MAPCONN_LIFE_MS = 3600000,
    /* When there are too many connections, one may be closed for a new one after this: one that is
     * idle, and sooner and first of all one whose client has sent half a request, or does not read
     * its reply. */
    MAPCONN_EVICT_MS = 1000,
    MAPCONN_EVICT_STALLED_MS = 250,
    /* Replies to pipelined requests are sent together, but not more than this. */
    MAPCONN_BATCH_MAX = 65536,
    /* Each DUMP holds references to all that is cached: more at once are refused. */
    MAPCONN_DUMPS_MAX = 8,
    MAPCONN_INPUT_MAX = SOCKETMAP_REQUEST_MAX + NETSTRING_HEAD_MAX + 1,
};

struct mapquestion; /* a lookup in flight: maplookup.c */
struct mapdump;     /* a DUMP half sent: mapdump.c */
struct maplookup;

struct mapconn {
    TAILQ_ENTRY(mapconn) link;
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
    struct mapquestion *question;
    struct mapdump *dump;
    int64_t opened_ms;
    int64_t since_ms; /* of the state it is in: idle, in a request, waiting, sending */
    size_t in_len;
    char in[MAPCONN_INPUT_MAX];
};

TAILQ_HEAD(mapconn_list, mapconn);

/* The server, as its parts see it. */
struct socketmap {
    struct event_base *base;
    struct config *config; /* a reference */
    struct engine *engine;
    struct metrics *metrics;
    struct maplookup *lookup;
    struct event **listeners;
    size_t listener_count;
    short edge;           /* flags of events that tell once of what is there, 0: they cannot */
    int sweep_fd;         /* ticks */
    struct event *sweep;  /* of mapconn_sweep, for each connection */
    struct event *resume; /* accepts again after descriptors ran out */
    struct mapconn_list connections;
    size_t connection_count;
    size_t dump_count;       /* of them, with a DUMP half sent */
    struct octets batch;     /* replies of the connection at work, not sent yet */
    char answer[ANSWER_MAX]; /* the answer at work */
};

int64_t mapconn_now_ms(void);

/* Takes over fd. Returns 0 or a negative errno; then fd is still the caller's. */
int mapconn_new(struct socketmap *server, int fd, bool is_unix, bool is_loopback);
void mapconn_free(struct mapconn *c);

/* Goes on with what has been received, sends, and frees the connection if it is done. */
void mapconn_proceed(struct mapconn *c);

/* Sends the replies that were added since, then proceeds. */
void mapconn_flush(struct mapconn *c);

/* Adds a reply, status and text in one netstring, and counts it under the request. */
void mapconn_reply(struct mapconn *c, const struct socketmap_request *request,
                   enum metrics_reply status, const char *text, size_t len);

bool mapconn_is_idle(const struct mapconn *c);

/* Whether the server waits for the client: for the rest of a request, or to take a reply. */
bool mapconn_is_stalled(const struct mapconn *c);

/* Ends what has lasted too long; may free the connection. */
void mapconn_sweep(struct mapconn *c, int64_t now_ms);

/* mapanswer.c: replies to a request, or leaves a question or a dump behind. */
void mapanswer_request(struct mapconn *c, const struct socketmap_request *request);
/* Replies with what findings come to; NULL: the lookup could not be made. */
void mapanswer_findings(struct mapconn *c, const struct socketmap_request *request,
                        const struct findings *findings);

/* maplookup.c: lookups in flight. */
int maplookup_new(struct socketmap *server, struct maplookup **out);
void maplookup_free(struct maplookup *lookup); /* cancels them; NULL is allowed */
/* Asks the engine; c->question is set and the reply comes later. 0 or a negative errno. */
int maplookup_ask(struct mapconn *c, const struct socketmap_request *request);
/* The connection waits no longer; the lookup goes on for the cache's sake. */
void maplookup_abandon(struct mapconn *c);
const struct socketmap_request *maplookup_request(const struct mapquestion *question);

/* mapdump.c */
int mapdump_new(struct engine *engine, struct mapdump **out);
void mapdump_free(struct mapdump *dump); /* NULL is allowed */
/* Adds the next reply to the batch; returns whether there are more. */
bool mapdump_next(struct mapconn *c, struct mapdump *dump);

#endif
