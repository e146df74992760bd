/*
 * Match of an MX host with the patterns of an MTA-STS policy (RFC 8461 section 4.1, RFC 6125
 * section 6.4): letter case is of no account, a wildcard stands for exactly one label. Pure.
 */
#include "findings/sts_match.h"

#include <string.h>
#include <strings.h>

bool sts_pattern_match(const char *pattern, const char *host)
{
    const char *rest;

    if (strncmp(pattern, "*.", 2) != 0)
        return host[0] != '\0' && strcasecmp(pattern, host) == 0;
    rest = strchr(host, '.');
    /* An MX record that itself says `*.example.org` names no host. */
    if (rest == NULL || rest == host || host[0] == '*')
        return false;
    return strcasecmp(pattern + 2, rest + 1) == 0;
}
