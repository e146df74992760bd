/*
 * What the files of the fetcher share; nobody else includes this. sts_fetcher.c uses sts_fetch.c,
 * not the other way round.
 */
#ifndef POLICY_STS_STS_FETCH_INTERNAL_H
#define POLICY_STS_STS_FETCH_INTERNAL_H

#include "sts/sts_fetch.h"
#include "sts/sts_request.h"

#include <sys/queue.h>

enum sts_fetch_state {
    STS_FETCH_READY,   /* entered first: made ready, and not told to go */
    STS_FETCH_WAITING, /* from STS_FETCH_READY: in line */
    STS_FETCH_WORKING, /* from STS_FETCH_WAITING: begun */
    STS_FETCH_SLOW,    /* from STS_FETCH_WORKING: has let the line go on */
    STS_FETCH_STATES
};

TAILQ_HEAD(fetch_list, world_fetch);

struct sts_fetcher {
    struct event_base *base;
    struct sts_dns dns;
    struct tls_client *tls_client;
    struct sts_fetch_config config;
    struct event *pump; /* begins what waits in line; timed while something does */
    struct fetch_list lists[STS_FETCH_STATES];
    unsigned counts[STS_FETCH_STATES];
};

struct world_fetch {
    TAILQ_ENTRY(world_fetch) link; /* in the list of its state */
    struct sts_fetcher *fetcher;
    world_fetch_fn done;
    void *arg;
    enum sts_fetch_state state;
    bool host_valid;
    struct event *deadline;
    struct sts_host *lookup;         /* NULL before and after the first step */
    struct sts_addresses *addresses; /* learnt before work began; or NULL */
    char *no_addresses;              /* or why there are none; or NULL */
    bool no_host;                    /* and then whether that is certain */
    int64_t learnt_ms;
    int64_t began_ms;            /* work */
    struct sts_request *request; /* NULL before the second step */
    char host[];                 /* mta-sts.<domain> */
};

/* sts_fetch.c */
void sts_fetch_begin(struct world_fetch *fetch); /* one that waits; may end it */
void sts_fetch_move(struct world_fetch *fetch, enum sts_fetch_state state);

#endif
