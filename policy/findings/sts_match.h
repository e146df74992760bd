/*
 * Match of an MX host with the patterns of an MTA-STS policy (RFC 8461 section 4.1). Pure.
 */
#ifndef POLICY_FINDINGS_STS_MATCH_H
#define POLICY_FINDINGS_STS_MATCH_H

#include <stdbool.h>

/* Whether host (A-labels, no root dot) matches a pattern that sts_pattern_valid accepts (sts.h);
 * `*` covers exactly one label. */
bool sts_pattern_match(const char *pattern, const char *host);

#endif
