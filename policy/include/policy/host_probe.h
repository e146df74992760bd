/*
 * What a host has shown when its addresses were probed: the one place where the results of several
 * addresses, and of several hosts, become one. Verdict and texts read it. Pure; any thread.
 */
#ifndef POLICY_HOST_PROBE_H
#define POLICY_HOST_PROBE_H

#include "policy/findings.h"

#include <stdint.h>

/* What is demanded of a host, each with what stands above it. */
enum host_probe_demand {
    HOST_PROBE_DEMAND_STARTTLS,   /* it offers STARTTLS */
    HOST_PROBE_DEMAND_PROOF,      /* it is authenticated as the probe was told to demand */
    HOST_PROBE_DEMAND_REQUIRETLS, /* it offers REQUIRETLS */
};

/* The definite ones but OK in the order in which a session comes so far. */
enum host_probe {
    HOST_PROBE_UNKNOWN, /* nothing definite */
    HOST_PROBE_NO_STARTTLS,
    HOST_PROBE_STARTTLS_REFUSED, /* offered, and refused with 5xx */
    HOST_PROBE_NOT_AUTHENTICATED,
    HOST_PROBE_NO_REQUIRETLS,
    HOST_PROBE_OK, /* it meets the demand */
};

/*
 * Of one host. OK if one of its addresses is. A definite no needs one address that says it, and no
 * address with which the probe failed, as another try could end otherwise; an address that could
 * not be reached says nothing, as long as another one was. Of several the one that came farthest.
 */
enum host_probe host_probe_of(const struct findings_host *host, enum host_probe_demand demand);

/*
 * Of those hosts (bit i is findings.hosts[i]) together: OK if one is, as one is enough; UNKNOWN if
 * none is and of one nothing definite is known, or there are none; else the no that came farthest.
 */
enum host_probe host_probe_of_hosts(const struct findings *findings, uint32_t hosts,
                                    enum host_probe_demand demand);

/* The first address, by the order of the hosts, that says such a no, and its host's index; NULL:
 * none does, or `what` is no definite no. */
const struct findings_probe *host_probe_find(const struct findings *findings, uint32_t hosts,
                                             enum host_probe what, size_t *host);

#endif
