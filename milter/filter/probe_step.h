/*
 * What is to be found out next when findings satisfy, and probes may be made: pure, from findings
 * alone. When a probe is made at all is decided in decide.h.
 */
#ifndef MILTER_FILTER_PROBE_STEP_H
#define MILTER_FILTER_PROBE_STEP_H

#include "policy/findings.h"
#include "policy/verdict.h"

/* Whether enough is known of the hosts for a probe to begin: what is demanded of them is certain,
 * though one more may yet be found that counts. */
bool probe_step_can_begin(const struct findings *findings, const struct verdict_terms *terms);

/* Whether all hosts are known, so that it is final what all of them have shown. */
bool probe_step_hosts_known(const struct findings *findings, const struct verdict_terms *terms);

#endif
