/*
 * What the engine's logic needs from outside: DNS, HTTPS, SMTP servers, the shared cache, timers
 * and two clocks. The real one is made of resolver.c, sts_fetch.c, probe_client.c, shared.c and
 * libevent (world_real.c); scenario tests bring their own. Everything here happens on one thread,
 * the engine's. No callback fires before the call that asked for it has returned.
 */
#ifndef POLICY_WORLD_WORLD_H
#define POLICY_WORLD_WORLD_H

#include "dns/dns_answer.h"
#include "store/shared_row.h"

#include <stdint.h>

struct world;
struct world_query;
struct world_fetch;
struct world_timer;
struct world_check;
struct world_probe;
struct world_shared;

struct findings_probe;
struct tls_demand;

/* How a fetch of https://mta-sts.<domain>/.well-known/mta-sts.txt ended (RFC 8461 section 3.3). */
enum fetch_status {
    FETCH_OK,      /* 200 and text/plain; the body is whole */
    FETCH_REFUSED, /* a definite answer that is no policy: 404, redirect, wrong type, oversize */
    FETCH_NO_HOST, /* DNS says that there is no such host, or that it has no address */
    FETCH_WEBPKI,  /* the certificate does not authenticate the host: passing */
    FETCH_FAILED,  /* no connection, time-out, other TLS error, 5xx, failed lookup: passing */
    FETCH_LOCAL,   /* this host lacks memory or descriptors: it says nothing of the policy host */
};

struct fetch_result {
    enum fetch_status status;
    const char *body; /* borrowed for the call; any octets */
    size_t body_len;
    const char *failure; /* for people, when status is not FETCH_OK */
};

/* One address of a host, to be connected to. All of it is borrowed until the probe has ended. */
struct world_probe_target {
    const char *host;       /* name of the MX host */
    const uint8_t *address; /* 4 octets, or 16 with ipv6; network byte order */
    bool ipv6;
    uint16_t port; /* host byte order */
    const struct tls_demand *demand;
    /* What the certificate is compared with for what is told of the Web PKI where that is not
     * demanded. NULL: it is not looked at. */
    const char *web_pki_name;
};

struct world_probe_result {
    /* This host lacks memory, descriptors or the address to connect from, or is shutting down: that
     * says nothing of the server, and is not kept. */
    bool local;
    /* What was seen, never NULL; borrowed for the call, with all that it points to. checked_at_s is
     * the caller's to set. */
    const struct findings_probe *probe;
};

/* `answer` is borrowed for the call and never NULL. */
typedef void (*world_query_fn)(const struct dns_answer *answer, void *arg);
typedef void (*world_fetch_fn)(const struct fetch_result *result, void *arg);
typedef void (*world_probe_fn)(const struct world_probe_result *result, void *arg);
typedef void (*world_timer_fn)(void *arg);
typedef void (*world_check_fn)(bool passed, void *arg);
/* What the shared cache has, borrowed for the call, or NULL: nothing that counts. Returns what came
 * of the row's payload, SHARED_OK or why it is not used; without a row that is ignored. */
typedef enum shared_reject (*world_shared_fn)(const struct shared_row *row, void *arg);
/* Whether the shared cache has the row no more. */
typedef void (*world_shared_deleted_fn)(bool gone, void *arg);

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
    /* Connects, EHLO, STARTTLS, the handshake, EHLO, QUIT, within the time of the configuration. */
    struct world_probe *(*probe)(struct world *w, const struct world_probe_target *target,
                                 world_probe_fn done, void *arg);
    void (*probe_cancel)(struct world *w, struct world_probe *probe);
    /* Whether this host has the address itself, or that is not known. `address` as in struct
     * world_probe_target. */
    bool (*is_own)(struct world *w, const uint8_t *address, bool ipv6);
    /* Whether there is a shared cache, up or down. */
    bool (*shared_is_on)(struct world *w);
    /* Asks the shared cache for the row of `name` (shared_key.h); called back within the time of
     * the configuration, from this call on. NULL also when there is nobody to ask. */
    struct world_shared *(*shared_get)(struct world *w, enum shared_kind kind, const char *name,
                                       world_shared_fn done, void *arg);
    /* Writes a row as well as it can, at once: nobody learns what became of it. */
    void (*shared_put)(struct world *w, enum shared_kind kind, const char *name,
                       const void *payload, size_t len, int64_t ends_at_s);
    /* Deletes a row; rows put before do not come back. As shared_get; NULL: it was not deleted. */
    struct world_shared *(*shared_delete)(struct world *w, enum shared_kind kind, const char *name,
                                          world_shared_deleted_fn done, void *arg);
    /* Of both kinds of request. */
    void (*shared_drop)(struct world *w, struct world_shared *request);
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
