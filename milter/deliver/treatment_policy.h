/*
 * The part of treatment_demand.h that is about a tls_policy of a rule. For treatment_demand.c
 * alone. Pure.
 */
#ifndef MILTER_DELIVER_TREATMENT_POLICY_H
#define MILTER_DELIVER_TREATMENT_POLICY_H

#include "deliver/treatment_demand.h"

/* Sets `by` and what belongs to it; `level` and `requiretls` are set before. */
void treatment_policy_take(const char *text, struct treatment_demands *out);

/* Whether the text names hosts by their TLSA records: then the demand is tls_demand_of_host()'s. */
bool treatment_policy_is_dane(const struct treatment_demands *demands);

void treatment_policy_require(const struct treatment_demands *demands,
                              const struct findings *findings, const struct host_classes *classes,
                              struct requirement *out);

/* Sets the demand on a host that has an address; false: it is not to be used. Not for DANE. */
bool treatment_policy_demand(const struct treatment_demands *demands,
                             const struct findings *findings, const struct treatment_plan *plan,
                             size_t host, struct treatment_connection *out);

#endif
