/*
 * One HTTPS request for an MTA-STS policy file (RFC 8461 section 3.3). Addresses are given;
 * queueing and the total time-out are the caller's. One thread, the loop's.
 */
#ifndef POLICY_STS_STS_REQUEST_H
#define POLICY_STS_STS_REQUEST_H

#include "policy/tls_client.h"
#include "sts/sts_host.h"
#include "world/world.h"

struct sts_request;

struct sts_request_terms {
    struct event_base *base;               /* borrowed */
    struct tls_client *tls_client;         /* borrowed */
    const char *host;                      /* mta-sts.<domain>; borrowed */
    const struct sts_addresses *addresses; /* copied */
    uint16_t port;
    int connect_timeout_ms; /* TCP and TLS */
    size_t max_policy;      /* octets of the body */
};

/* The result and what it points to live until sts_request_free, which is allowed here. */
typedef void (*sts_request_done_fn)(const struct fetch_result *result, void *arg);

/* Starts the request. done is called once, never before this returns. NULL when out of memory, then
 * without a callback. */
struct sts_request *sts_request_new(const struct sts_request_terms *terms, sts_request_done_fn done,
                                    void *arg);
void sts_request_free(struct sts_request *request); /* at any time; NULL is allowed */

/* What it is doing now, for people: "connecting to the policy host". */
const char *sts_request_step(const struct sts_request *request);

#endif
