/*
 * One HTTPS request for an MTA-STS policy file, on libcurl. Addresses and trust are given; queueing
 * and the total time-out are the caller's. One thread, the loop's.
 */
#ifndef POLICY_STS_STS_REQUEST_H
#define POLICY_STS_STS_REQUEST_H

#include "sts/curl_loop.h"
#include "world/world.h"

#include <openssl/x509.h>

struct sts_request;

struct sts_request_terms {
    const char *host;      /* mta-sts.<domain>; no character that means something in a URL */
    const char *addresses; /* "[2001:db8::1],192.0.2.1" */
    uint16_t port;
    int connect_timeout_ms; /* TCP and TLS */
    size_t max_policy;      /* octets of the body */
    X509_STORE *trust;      /* the request takes a reference of its own */
};

/* The result and what it points to live until sts_request_free, which is allowed here. */
typedef void (*sts_request_done_fn)(const struct fetch_result *result, void *arg);

/* Starts the request on a loop that was made with sts_request_on_done. done is called once, never
 * before this returns. NULL when out of memory, then without a callback. */
struct sts_request *sts_request_new(struct curl_loop *loop, const struct sts_request_terms *terms,
                                    sts_request_done_fn done, void *arg);
void sts_request_free(struct sts_request *request); /* at any time; NULL is allowed */

/* What it is doing now, for people: "connecting to the policy host". */
const char *sts_request_step(const struct sts_request *request);

/* For curl_loop_new. */
void sts_request_on_done(CURL *easy, CURLcode code, void *arg);

#endif
