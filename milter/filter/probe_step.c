/*
 * A lookup ends as soon as the verdict is certain, which may be before all hosts are known. To
 * begin a probe what is demanded must be known (probe_step_can_begin); a no needs all hosts
 * (probe_step_hosts_known).
 */
#include "filter/probe_step.h"

#include "policy/host_class.h"
#include "policy/requirement.h"

bool probe_step_can_begin(const struct findings *findings, const struct verdict_terms *terms)
{
    struct requirement requirement;

    requirement_derive(findings, terms, terms->level, &requirement);
    return requirement.kind != REQUIREMENT_PENDING;
}

bool probe_step_hosts_known(const struct findings *findings, const struct verdict_terms *terms)
{
    struct host_classes classes;

    host_classes_derive(findings, terms, &classes);
    return !findings->unchecked && probe_step_can_begin(findings, terms) &&
           (classes.of[HOST_CLASS_ADDRESS_PENDING] | classes.of[HOST_CLASS_TLSA_PENDING]) == 0;
}
