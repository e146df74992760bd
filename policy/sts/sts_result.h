/*
 * The result of one HTTPS request for a policy file, as its callback gets it. Pure.
 */
#ifndef POLICY_STS_STS_RESULT_H
#define POLICY_STS_STS_RESULT_H

#include "policy/tls_peer.h"
#include "sts/http_response.h"
#include "world/world.h"

#include <stdbool.h>

enum { STS_RESULT_FAILURE_MAX = 200 };

/* `fetch` points into this, and into the response that it was made from. */
struct sts_result {
    struct fetch_result fetch;
    char failure[STS_RESULT_FAILURE_MAX];
};

/* The request failed, and why; what is not printable ASCII becomes '?'. */
void sts_result_failed(struct sts_result *result, enum fetch_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* This host could not, whatever the policy host is. */
void sts_result_local(struct sts_result *result);

/* The handshake failed, or the policy host was not verified; the proof says why. */
void sts_result_not_verified(const struct tls_proof *proof, struct sts_result *result);

/*
 * After something was read: status is what http_response_read or http_response_end returned.
 * Returns whether the request is to end, with that result; else the result is left as it was.
 */
bool sts_result_response(const struct http_response *response, enum http_response_status status,
                         struct sts_result *result);

#endif
