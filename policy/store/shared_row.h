/*
 * One row of the shared cache, to and from octets. Whoever can write to the server may have made or
 * moved a row, so it counts only with a MAC of one of our keys (HMAC-SHA-256, RFC 2104) over all of
 * it and over the row key. What a host with a key wrote is still read as if a stranger had: every
 * length is checked, and a policy's file is for sts_policy_parse to read again. Pure; any thread.
 */
#ifndef POLICY_STORE_SHARED_ROW_H
#define POLICY_STORE_SHARED_ROW_H

#include "policy/shared_cache.h"
#include "store/shared_key.h"

#include <stdint.h>

enum {
    SHARED_ROW_VERSION = 1,   /* raised when the octets of a row or of its content change */
    SHARED_ROW_EARLY_S = 300, /* that clocks of two hosts may differ by */
    SHARED_ROW_MAC_LEN = 32,
    /* Octets that a row has besides its payload. */
    SHARED_ROW_OVERHEAD = 4 + 1 + 1 + 8 + 8 + 4 + SHARED_ROW_MAC_LEN,
    SHARED_ROW_PAYLOAD_MAX = 16 * 1024 * 1024,
};

struct shared_row {
    enum shared_kind kind;
    int64_t written_at_s;   /* wall clock, seconds since 1970; not negative */
    int64_t ends_at_s;      /* wall clock: from then on it is no answer */
    const uint8_t *payload; /* of SHARED_POLICY shared_policy_write's, of SHARED_PROBE
                               probe_result_encode's */
    size_t payload_len;
};

/*
 * Writes a row for the row key of `name`. Returns 0 and the octets, which the caller frees; -EINVAL
 * (there is no key, no such row key, it ends before it is written, a time is negative), -EMSGSIZE
 * (more payload than SHARED_ROW_PAYLOAD_MAX), or -ENOMEM.
 */
int shared_row_write(const struct shared_mac_keys *keys, const char *name,
                     const struct shared_row *row, uint8_t **out, size_t *out_len);

/*
 * Reads the row that a server had under the row key of `name` at wall clock now_s; one with more
 * than max_payload octets of payload is too large. *out is all zero unless it is SHARED_OK; its
 * payload lies in `octets`. The comparison of MACs takes the same time wherever they differ.
 */
enum shared_reject shared_row_read(const struct shared_mac_keys *keys, enum shared_kind kind,
                                   const char *name, const void *octets, size_t len,
                                   size_t max_payload, int64_t now_s, struct shared_row *out);

#endif
