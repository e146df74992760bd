/*
 * Fetches of https://mta-sts.<domain>/.well-known/mta-sts.txt (RFC 8461 section 3.3), driven
 * by a libevent loop. What a policy means is left to sts_policy.c, when to fetch and how
 * long to keep it to the engine. Everything here happens on the loop's thread.
 */
#ifndef POLICY_STS_STS_FETCH_H
#define POLICY_STS_STS_FETCH_H

#include "policy/ca_store.h"
#include "sts/sts_host.h"
#include "world/world.h"

#include <event2/event.h>

struct sts_fetcher;

struct sts_fetch_config {
    struct ca_store *ca_store; /* borrowed until the fetcher is freed, which refreshes it; the same
                                  in each configuration */
    int connect_timeout_ms;    /* TCP and TLS */
    int timeout_ms;            /* all of the request; addresses are the resolver's business */
    size_t max_policy;         /* octets of the body */
    uint16_t port;             /* 443; tests only */
    unsigned max_parallel; /* fetches at work, the others wait in line; 0: the default, 200. Slow
                              ones count apart, up to five times as many */
};

/* Returns 0 and the fetcher, or a negative errno and a message in err. */
int sts_fetcher_new(struct event_base *base, const struct sts_fetch_config *config,
                    const struct sts_dns *dns, struct sts_fetcher **out, char *err,
                    size_t err_size);

/* Drops all fetches without a callback. Not from inside a callback. NULL is allowed. */
void sts_fetcher_free(struct sts_fetcher *fetcher);

/* Takes over a configuration for fetches that begin from now on. */
void sts_fetcher_reconfigure(struct sts_fetcher *fetcher, const struct sts_fetch_config *config);

/*
 * Makes a fetch of a domain's policy (A-labels, no root dot) ready: looks up the policy host's
 * addresses, unless many fetches are made ready at once; then that is left until it is at work. The
 * host hears nothing of it. Returns the handle for one of the calls below; NULL when out of memory.
 */
struct world_fetch *sts_fetch_prepare(struct sts_fetcher *fetcher, const char *domain,
                                      world_fetch_fn done, void *arg);

/*
 * Fetches. done is called once, from the event loop, never before this returns; inside it other
 * fetches may be prepared, started and cancelled. The handle is dead once done runs.
 */
void sts_fetch_go(struct world_fetch *fetch);

/* At any time before done runs; it is not called then. */
void sts_fetch_cancel(struct world_fetch *fetch);

#endif
