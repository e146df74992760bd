/*
 * For those who make findings: a lookup assembles them in memory of its own, piece by piece, and
 * publishes copies. Pure.
 */
#ifndef POLICY_FINDINGS_FINDINGS_MAKE_H
#define POLICY_FINDINGS_FINDINGS_MAKE_H

#include "policy/findings.h"

enum { FINDINGS_A_OCTETS = 4, FINDINGS_AAAA_OCTETS = 16 }; /* of an address */

/* Octets of struct findings_addresses with so many of each family. */
size_t findings_addresses_size(size_t a_count, size_t aaaa_count);

/*
 * A copy with one reference, in one block of memory that is no larger than it must be. Octets that
 * are not printable ASCII become '?' in every string (line ends stay in policy_lines).
 * Returns NULL when out of memory. Any thread.
 */
const struct findings *findings_freeze(const struct findings *draft);

/*
 * New findings, frozen, that are `findings` with those probes: probes_of_host[i] has counts[i] of
 * them for hosts[i], at most FINDINGS_MAX_PROBES; what `findings` had of probes is left out. All
 * that the probes point to is copied. NULL when out of memory. Any thread.
 */
const struct findings *findings_with_probes(const struct findings *findings,
                                            const struct findings_probe *const *probes_of_host,
                                            const uint8_t *counts);

/* Sets sts_match of each host (RFC 8461 section 4.1); none matches where no policy is in force. */
void findings_match_hosts(const struct findings_sts *sts, struct findings_host *hosts,
                          size_t count);

/* Octets that findings_freeze allocated for it, for the accounts of caches and tests. */
size_t findings_size(const struct findings *frozen);

#endif
