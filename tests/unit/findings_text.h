/* Findings for tests from one line of words, so that a table of cases can be read. */
#ifndef TESTS_UNIT_FINDINGS_TEXT_H
#define TESTS_UNIT_FINDINGS_TEXT_H

#include "policy/findings.h"

/* Words, separated by blanks; every one may be left out:
 *   nexthop=[relay.example.org]      default example.org
 *   mx=secure insecure absent null nxdomain failed pending not-asked   default secure
 *   unknown                          no trusted resolver has shown AD
 *   host=mx1.example.org[,10][,a=X][,aaaa=X][,tlsa=S][,match][,probe=P...]
 *        X: s secure, i insecure, - absent, f failed, p pending; default a=s aaaa=-
 *        S: none usable unusable failed pending; default none
 *        P: one letter for each address that was probed, 192.0.2.1 and on: o ok, t no-starttls,
 *        x STARTTLS refused, a not-authenticated, r no-requiretls, u unreachable, f failed
 *   sts=off none failed pending enforce testing mode-none   default none
 *   pat=*.example.org                a pattern of the policy
 *   late                             the fetch of the policy, which is pending
 *   stale                            the policy is cached and its refresh failed
 * A word it does not know fails the test. */
struct findings_text {
    struct findings findings;
    struct nexthop nexthop;
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    struct findings_probe probes[FINDINGS_MAX_HOSTS][8];
    const char *patterns[64];
    char words[4096];
};
/* The probes of such letters; at most 8 of them. Returns how many. */
uint8_t findings_text_probes(const char *letters, struct findings_probe probes[8]);
void findings_from_text(const char *spec, struct findings_text *out);

#endif
