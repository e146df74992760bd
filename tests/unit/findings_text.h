/* Findings for tests from one line of words, so that a table of cases can be read. */
#ifndef TESTS_FINDINGS_TEXT_H
#define TESTS_FINDINGS_TEXT_H

#include "policy/findings.h"

/* Words, separated by blanks; every one may be left out:
 *   nexthop=[relay.example.org]      default example.org
 *   mx=secure insecure absent null nxdomain failed pending not-asked   default secure
 *   unknown                          no trusted resolver has shown AD
 *   host=mx1.example.org[,10][,a=X][,aaaa=X][,tlsa=S][,match]
 *        X: s secure, i insecure, - absent, f failed, p pending; default a=s aaaa=-
 *        S: none usable unusable failed pending; default none
 *   sts=off none failed pending enforce testing mode-none   default none
 *   pat=*.example.org                a pattern of the policy
 *   late                             the fetch of the policy, which is pending
 *   stale                            the policy is cached and its refresh failed
 * A word it does not know fails the test. */
struct findings_text {
    struct findings findings;
    struct nexthop nexthop;
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    const char *patterns[64];
    char words[4096];
};
void findings_from_text(const char *spec, struct findings_text *out);

#endif
