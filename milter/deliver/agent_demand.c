/*
 * agent_demand asks treatment_connection() for the demand on the host, then sees whether a password
 * may be said to a server that meets it, and raises the demand where it must. A second try in
 * plaintext is only made where nothing is demanded.
 */
#include "deliver/agent_demand.h"

#include <errno.h>

/* Whoever forges MX records that are not signed chooses the host, and may well have a certificate,
 * or TLSA records, for its name. */
static bool is_host_from_unsigned_mx(const struct findings *findings)
{
    return findings->nexthop.kind == NEXTHOP_DOMAIN && findings->mx != FINDINGS_MX_SECURE &&
           findings->mx != FINDINGS_MX_ABSENT;
}

/* Whether the names that the policy takes are the administrator's own, and none is that of a host.
 */
static bool are_names_ours(const struct tls_policy *policy)
{
    for (size_t i = 0; i < policy->name_count; i++) {
        if (policy->names[i].kind == TLS_POLICY_NAME_HOSTNAME)
            return false;
    }
    return true;
}

/* A password is said only to a server that was verified by a name which leads back to the next-hop;
 * where the message demands no proof, the Web PKI must do. False: there is no such name. */
static bool demand_for_auth(const struct agent_connection_wish *wish,
                            struct treatment_connection *demand)
{
    const struct findings *findings = wish->findings;
    bool is_unsigned = is_host_from_unsigned_mx(findings);

    if (wish->user == NULL)
        return true;
    switch (demand->tls.kind) {
    case TLS_DEMAND_STS:
    case TLS_DEMAND_POLICY_FINGERPRINT:
        return true;
    case TLS_DEMAND_POLICY_NAMES:
        return !is_unsigned || are_names_ours(&wish->demands->policy);
    case TLS_DEMAND_DANE:
    case TLS_DEMAND_WEB_PKI:
        return !is_unsigned;
    case TLS_DEMAND_MAY:
    case TLS_DEMAND_ENCRYPT:
        tls_demand_web_pki(is_unsigned ? findings->nexthop.name
                                       : delivery_host_name(findings, wish->target->host),
                           &demand->tls);
        demand->smtp_tls = SMTP_TLS_REQUIRED;
        demand->plaintext_retry = false;
        return demand->tls.kind != TLS_DEMAND_NOT_USED;
    case TLS_DEMAND_NOT_USED:
    default:
        return false;
    }
}

int agent_demand(const struct agent_connection_wish *wish, const struct treatment_demands *demands,
                 struct treatment_connection *out)
{
    if (!treatment_connection(demands, wish->findings, wish->plan, wish->target->host, out))
        return -EPERM;
    if (!demand_for_auth(wish, out))
        return -EACCES;
    if (!wish->plaintext)
        return 0;
    if (!out->plaintext_retry || out->tls.kind != TLS_DEMAND_MAY)
        return -EPERM;
    out->smtp_tls = SMTP_TLS_NEVER;
    return 0;
}
