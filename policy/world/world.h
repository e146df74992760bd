/*
 * What the engine's logic needs from outside: DNS, HTTPS, timers and two clocks. The real one is
 * made of resolver.c, sts_fetch.c and libevent (world_real.c); scenario tests bring their own.
 * Everything here happens on one thread, the engine's. No callback fires before the call that
 * asked for it has returned.
 */
#ifndef POLICY_WORLD_WORLD_H
#define POLICY_WORLD_WORLD_H

#include "dns/dns_answer.h"

#include <stdint.h>

struct world;
struct world_query;
struct world_fetch;
struct world_timer;
struct world_check;

/* How a fetch of https://mta-sts.<domain>/.well-known/mta-sts.txt ended (RFC 8461 section 3.3). */
enum fetch_status {
    FETCH_OK,      /* 200 and text/plain; the body is whole */
    FETCH_REFUSED, /* a definite answer that is no policy: 404, redirect, wrong type, oversize */
    FETCH_NO_HOST, /* DNS says that there is no such host, or that it has no address */
    FETCH_WEBPKI,  /* the certificate does not authenticate the host: passing */
    FETCH_FAILED,  /* no connection, time-out, other TLS error, 5xx, failed lookup: passing */
};

struct fetch_result {
    enum fetch_status status;
    const char *body; /* borrowed for the call; any octets */
    size_t body_len;
    const char *failure; /* for people, when status is not FETCH_OK */
};

/* `answer` is borrowed for the call and never NULL. */
typedef void (*world_query_fn)(const struct dns_answer *answer, void *arg);
typedef void (*world_fetch_fn)(const struct fetch_result *result, void *arg);
typedef void (*world_timer_fn)(void *arg);
typedef void (*world_check_fn)(bool passed, void *arg);

struct world_ops {
    /* Each start returns NULL only when out of memory; then there is no callback. A handle is dead
     * once its callback runs; cancel before that, then there is no callback. A query is made on
     * behalf of a next-hop, so that none gets more than its share. */
    struct world_query *(*query)(struct world *w, const char *nexthop, const char *name,
                                 uint16_t type, world_query_fn done, void *arg);
    void (*query_cancel)(struct world *w, struct world_query *query);
    /* Whether the resolver that gave an answer of DNS_INSECURE passes a check begun from now on. */
    struct world_check *(*check)(struct world *w, uint32_t resolver, world_check_fn done,
                                 void *arg);
    void (*check_cancel)(struct world *w, struct world_check *check);
    /* A fetch made ready does nothing that the policy host could notice, and calls nobody back,
     * until it is told to go. */
    struct world_fetch *(*fetch_prepare)(struct world *w, const char *domain, world_fetch_fn done,
                                         void *arg);
    void (*fetch_go)(struct world *w, struct world_fetch *fetch);
    void (*fetch_cancel)(struct world *w, struct world_fetch *fetch);
    struct world_timer *(*timer)(struct world *w, int64_t delay_ms, world_timer_fn fire, void *arg);
    void (*timer_cancel)(struct world *w, struct world_timer *timer);
    int64_t (*mono_ms)(struct world *w); /* CLOCK_BOOTTIME where there is one: sleep counts */
    int64_t (*wall_s)(struct world *w);
    bool (*security_known)(struct world *w);
    /* How often a reload has withdrawn the trust in a resolver: what was learnt before is not to be
     * relied upon. */
    unsigned (*trust_withdrawn)(struct world *w);
    uint32_t (*random)(struct world *w, uint32_t below);
};

/* Embedded as the first member of every implementation. */
struct world {
    const struct world_ops *ops;
};

#endif
