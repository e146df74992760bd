/* One word for what a next-hop offers, from its findings. Pure; any thread. */
#ifndef POLICY_FINDINGS_SUMMARY_H
#define POLICY_FINDINGS_SUMMARY_H

#include "policy/findings.h"
#include "policy/verdict.h"

/*
 * The summary of the hosts that count under the terms (host_class.h), of which our own MX names
 * alone matter here; terms NULL: of all that DNS names, as the metrics count them, which know of no
 * terms. PENDING parts count as if they had failed.
 */
enum findings_summary findings_summarise(const struct findings *findings,
                                         const struct verdict_terms *terms);

#endif
