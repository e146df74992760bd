/*
 * An MTA-STS policy as the payload of a row of the shared cache, SHARED_POLICY. It holds what the
 * host that fetched it had from the policy host and from DNS, and nothing that it made of that:
 * mode, max_age and patterns are in the file, which the reader parses itself (sts_policy_parse).
 * Pure; any thread.
 */
#ifndef POLICY_STORE_SHARED_POLICY_H
#define POLICY_STORE_SHARED_POLICY_H

#include "policy/shared_cache.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SHARED_POLICY_ID_MAX = 32,      /* RFC 8461 section 3.1 */
    SHARED_POLICY_DOMAIN_MAX = 253, /* RFC 1035 section 2.3.4 */
    /* Octets of a payload besides the file, at most. */
    SHARED_POLICY_OVERHEAD = 1 + SHARED_POLICY_ID_MAX + 1 + SHARED_POLICY_DOMAIN_MAX + 8 + 4,
};

/* In calls to write everything is borrowed for the call; what was read has a body that lies in the
 * payload. */
struct shared_policy {
    char domain[SHARED_POLICY_DOMAIN_MAX + 1]; /* A-labels, lower case */
    char id[SHARED_POLICY_ID_MAX + 1];         /* of the TXT record it was fetched for */
    int64_t fetched_at_s;                      /* wall clock of the host that fetched it */
    const char *body;                          /* the file as served, any octets */
    size_t body_len;
};

/* Returns 0 and the payload, which the caller frees; -EINVAL (no domain, an id that is none by RFC
 * 8461 section 3.1, no body, a negative time), -EMSGSIZE (a file too large for a row), or -ENOMEM.
 */
int shared_policy_write(const struct shared_policy *policy, uint8_t **out, size_t *out_len);

/*
 * Reads the payload of a row for `domain` at wall clock now_s: SHARED_OK; SHARED_REJECT_TOO_LARGE
 * (a file of more than max_body octets); SHARED_REJECT_CONTENT; or SHARED_REJECT_FUTURE: fetched
 * more than SHARED_ROW_EARLY_S after now. *out is all zero unless it is SHARED_OK.
 */
enum shared_reject shared_policy_read(const void *payload, size_t len, const char *domain,
                                      size_t max_body, int64_t now_s, struct shared_policy *out);

#endif
