/*
 * What one probe came to, as it is kept: a copy in one block of memory, reference counted, which
 * any thread may read; and as octets, for the store. Pure.
 */
#ifndef POLICY_PROBE_PROBE_RESULT_H
#define POLICY_PROBE_PROBE_RESULT_H

#include "policy/findings.h"

struct probe_result;

enum {
    /* Octets of a string that are kept. Bounds what a server can make us hold. */
    PROBE_RESULT_STRING_MAX = 255,
    /* Octets of a record, at most. */
    PROBE_RESULT_RECORD_MAX = 128 + (FINDINGS_MAX_PROBE_NAMES + 5) * (PROBE_RESULT_STRING_MAX + 1),
};

/* A copy with one reference, checked at that time of the wall clock; NULL when out of memory. */
struct probe_result *probe_result_new(const struct findings_probe *probe, int64_t checked_at_s);
struct probe_result *probe_result_ref(struct probe_result *result);
void probe_result_unref(struct probe_result *result); /* NULL is allowed */

const struct findings_probe *probe_result_probe(const struct probe_result *result);
size_t probe_result_octets(const struct probe_result *result); /* of memory */

/* Whether the server has answered in full: all results but UNREACHABLE and FAILED. */
bool probe_result_is_definite(unsigned result /* enum findings_probe_result */);
/* Whether the result is the same whatever is demanded: the demand did not come into it. */
bool probe_result_is_for_all(unsigned result);

/* Writes a record; its length. */
size_t probe_result_encode(const struct probe_result *result,
                           uint8_t record[PROBE_RESULT_RECORD_MAX]);

/* Reads a record, any octets. NULL: it is not one of this version, or there is no memory. */
struct probe_result *probe_result_decode(const uint8_t *record, size_t len);

#endif
