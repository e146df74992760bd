/*
 * The agent's inside: what its deliveries share.
 */
#ifndef MILTER_DELIVER_AGENT_INTERNAL_H
#define MILTER_DELIVER_AGENT_INTERNAL_H

#include "config/credentials.h"
#include "deliver/agent.h"
#include "deliver/agent_connections.h"
#include "deliver/agent_limits.h"
#include "deliver/tlsrpt.h"
#include "policy/ca_store.h"
#include "policy/tls_client.h"
#include "policy/wakeup.h"

#include <pthread.h>
#include <sys/queue.h>

/* A lookup of the engine that a delivery waits for. */
struct agent_lookup {
    TAILQ_ENTRY(agent_lookup) link; /* of those that have come, under the agent's lock */
    struct agent *agent;
    struct delivery *delivery;
    bool has_come;                   /* under the agent's lock */
    const struct findings *findings; /* once it has come, with a reference; NULL: there are none */
    void (*on_come)(struct agent_lookup *lookup); /* on the agent's thread */
};

TAILQ_HEAD(agent_lookups, agent_lookup);

/* Whether an address is this host's own, as it was a moment ago. */
struct agent_own_address {
    uint8_t address[16];
    bool ipv6, own;
    int64_t until_ms; /* clock_awake_ms; 0: none */
};

enum { AGENT_OWN_ADDRESSES = 256 };

struct agent {
    struct event_base *base;
    struct engine *engine;
    struct metrics *metrics;
    struct config *config;     /* for deliveries that begin now; a reference */
    unsigned probe_configured; /* engine_probe_configured, of it */
    struct ca_store *ca_store;
    struct tls_client *tls_client;
    struct credentials *credentials; /* NULL: none */
    struct agent_limits *limits;
    struct agent_connections *connections;
    struct tlsrpt *tlsrpt;
    uint64_t seed;
    struct agent_own_address own_addresses[AGENT_OWN_ADDRESSES];

    struct wakeup *wakeup; /* sent by the engine's thread */
    pthread_mutex_t lock;
    struct agent_lookups come; /* under the lock */
};

/* engine_done_fn, on the engine's thread; arg is the struct agent_lookup. */
void agent_lookup_done(const struct findings *findings, void *arg);

/* Its request was cancelled or has come: on_come is not called any more, and the findings are given
 * back. */
void agent_lookup_forget(struct agent_lookup *lookup);

/* Whether a connection to the address comes to this host itself: a loopback address, or one of an
 * interface, which come and go, so it is looked at every few seconds. */
bool agent_is_own_address(struct agent *agent, const uint8_t *address, bool ipv6);

/* Deliveries to one next-hop at once at most. */
unsigned agent_share(const struct config *config);

/* Whether a delivery may wait for a share of this next-hop: it is not slow. */
bool agent_may_wait(const struct agent *agent, const struct nexthop *nexthop);

#endif
