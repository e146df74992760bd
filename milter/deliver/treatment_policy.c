/*
 * A tls_policy in the place of findings, for the delivery agent. treatment_policy_take() sees what
 * the text comes to at the level (decide/terms.h), treatment_policy_require() what that is for all
 * hosts, treatment_policy_demand() for one. Of the findings only the hosts and their addresses
 * count, and TLSA records where the text is DANE. As Postfix has it (its TLS_README).
 */
#include "deliver/treatment_policy.h"

#include "decide/terms.h"

#include <stdio.h>
#include <string.h>

void treatment_policy_take(const char *text, struct treatment_demands *out)
{
    enum terms_policy_demand demand = terms_policy_demand(text, out->level);

    out->policy_text = text;
    if (demand == TERMS_POLICY_EXEMPT) {
        out->by = TREATMENT_POLICY_EXEMPT;
        if (out->requiretls == TREATMENT_REQUIRETLS_DEMANDED)
            out->requiretls = TREATMENT_REQUIRETLS_OFFERED;
        return;
    }
    out->unsupported = tls_policy_parse(text, &out->policy);
    if (out->unsupported != NULL)
        out->by = TREATMENT_POLICY_UNSUPPORTED;
    else if (demand == TERMS_POLICY_TEXT)
        out->by = TREATMENT_POLICY_TEXT;
    else if (demand == TERMS_POLICY_ENCRYPT)
        out->by = TREATMENT_POLICY_ENCRYPT;
    else
        out->by = TREATMENT_POLICY_IMPOSSIBLE;
}

bool treatment_policy_is_dane(const struct treatment_demands *demands)
{
    return demands->by == TREATMENT_POLICY_TEXT &&
           (demands->policy.level == TLS_POLICY_LEVEL_DANE ||
            demands->policy.level == TLS_POLICY_LEVEL_DANE_ONLY);
}

/* Postfix's `dane-only`: the verdict of enforce, where nothing but DANE counts. */
static void require_dane_only(const struct treatment_demands *demands,
                              const struct findings *findings, struct requirement *out)
{
    struct verdict_terms terms = demands->terms;

    terms.can &= ~(unsigned)(VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI);
    terms.web_pki = false;
    requirement_derive(findings, &terms, VERDICT_LEVEL_ENFORCE, out);
}

static void require_text(const struct treatment_demands *demands, const struct findings *findings,
                         const struct host_classes *classes, struct requirement *out)
{
    switch (demands->policy.level) {
    case TLS_POLICY_LEVEL_SKIP:
    case TLS_POLICY_LEVEL_NONE:
    case TLS_POLICY_LEVEL_MAY:
        out->kind = REQUIREMENT_NONE;
        return;
    case TLS_POLICY_LEVEL_ENCRYPT:
        out->kind = REQUIREMENT_ENCRYPT;
        return;
    case TLS_POLICY_LEVEL_DANE:
        out->kind = classes->of[HOST_CLASS_TLSA_PENDING] != 0   ? REQUIREMENT_PENDING
                    : findings->nexthop.kind == NEXTHOP_LITERAL ? REQUIREMENT_NONE
                                                                : REQUIREMENT_DANE;
        out->hosts = classes->of[HOST_CLASS_DANE];
        return;
    case TLS_POLICY_LEVEL_DANE_ONLY:
        require_dane_only(demands, findings, out);
        return;
    case TLS_POLICY_LEVEL_FINGERPRINT:
    case TLS_POLICY_LEVEL_VERIFY:
    case TLS_POLICY_LEVEL_SECURE:
        out->kind = REQUIREMENT_WEB_PKI;
        out->hosts = classes->counted;
        return;
    default:
        out->kind = REQUIREMENT_UNKNOWN;
        out->failure = "internal error";
        return;
    }
}

void treatment_policy_require(const struct treatment_demands *demands,
                              const struct findings *findings, const struct host_classes *classes,
                              struct requirement *out)
{
    memset(out, 0, sizeof(*out));
    if (findings->mx == FINDINGS_MX_PENDING || classes->of[HOST_CLASS_ADDRESS_PENDING] != 0) {
        out->kind = REQUIREMENT_PENDING;
        return;
    }
    if (findings->mx == FINDINGS_MX_FAILED) {
        out->kind = REQUIREMENT_UNKNOWN;
        out->failure = "MX lookup failed";
        out->detail = findings->failure;
        return;
    }
    if (findings->mx == FINDINGS_MX_NULL || findings->mx == FINDINGS_MX_NXDOMAIN) {
        out->kind = REQUIREMENT_IMPOSSIBLE;
        return;
    }
    switch (demands->by) {
    case TREATMENT_POLICY_EXEMPT:
        out->kind = REQUIREMENT_NONE;
        return;
    case TREATMENT_POLICY_ENCRYPT:
        out->kind = REQUIREMENT_ENCRYPT;
        return;
    case TREATMENT_POLICY_TEXT:
        require_text(demands, findings, classes, out);
        return;
    case TREATMENT_POLICY_IMPOSSIBLE:
        out->kind = REQUIREMENT_IMPOSSIBLE;
        return;
    case TREATMENT_POLICY_NONE:
    case TREATMENT_POLICY_UNSUPPORTED:
    default:
        out->kind = REQUIREMENT_UNKNOWN;
        return;
    }
}

/* ---- one host ---- */

/* "": there is none, as of an address literal. */
static const char *name_of_host(const struct findings *findings, size_t host)
{
    return findings->nexthop.kind == NEXTHOP_LITERAL ? "" : findings->hosts[host].name;
}

static const char *name_of_nexthop(const struct findings *findings)
{
    return findings->nexthop.kind == NEXTHOP_LITERAL ? "" : findings->nexthop.name;
}

static void write_name(const struct tls_policy_name *name, const struct findings *findings,
                       size_t host, char out[1 + NEXTHOP_NAME_MAX + 1])
{
    const char *nexthop = name_of_nexthop(findings);
    const size_t size = 1 + NEXTHOP_NAME_MAX + 1;

    out[0] = '\0';
    switch (name->kind) {
    case TLS_POLICY_NAME_HOSTNAME:
        snprintf(out, size, "%s", name_of_host(findings, host));
        return;
    case TLS_POLICY_NAME_NEXTHOP:
        snprintf(out, size, "%s", nexthop);
        return;
    case TLS_POLICY_NAME_DOT_NEXTHOP:
        if (nexthop[0] != '\0')
            snprintf(out, size, ".%s", nexthop);
        return;
    case TLS_POLICY_NAME_LITERAL:
        snprintf(out, size, "%s", name->text);
        return;
    default:
        return;
    }
}

/* False: no name is left, and anybody would do. */
static bool demand_names(const struct tls_policy *policy, const struct findings *findings,
                         size_t host, struct tls_demand *out)
{
    out->kind = TLS_DEMAND_POLICY_NAMES;
    for (size_t i = 0; i < policy->name_count && out->name_count < TLS_DEMAND_NAMES; i++) {
        write_name(&policy->names[i], findings, host, out->names[out->name_count]);
        out->name_count += out->names[out->name_count][0] != '\0';
    }
    return out->name_count > 0;
}

/* Of the certificate, or of its public key: TLSA records 3 0 1 and 3 1 1 say just that. */
static bool demand_digests(const struct tls_policy *policy, struct treatment_connection *out)
{
    size_t count = 0;

    for (size_t i = 0; i < policy->digest_count; i++) {
        for (uint8_t selector = 0; selector <= 1; selector++) {
            out->digests[count++] = (struct findings_tlsa){.usage = 3,
                                                           .selector = selector,
                                                           .matching_type = 1,
                                                           .usable = true,
                                                           .data_len = TLS_POLICY_DIGEST_LEN,
                                                           .data = policy->digests[i]};
        }
    }
    out->tls.kind = TLS_DEMAND_POLICY_FINGERPRINT;
    out->tls.tlsa = out->digests;
    out->tls.tlsa_count = count;
    return count > 0;
}

bool treatment_policy_demand(const struct treatment_demands *demands,
                             const struct findings *findings, const struct treatment_plan *plan,
                             size_t host, struct treatment_connection *out)
{
    const struct tls_policy *policy = &demands->policy;
    char server_name[1 + NEXTHOP_NAME_MAX + 1];

    switch (plan->requirement.kind) {
    case REQUIREMENT_NONE:
        out->tls.kind = TLS_DEMAND_MAY;
        return true;
    case REQUIREMENT_ENCRYPT:
        out->tls.kind = TLS_DEMAND_ENCRYPT;
        return true;
    case REQUIREMENT_WEB_PKI:
        break;
    case REQUIREMENT_PENDING:
    case REQUIREMENT_UNKNOWN:
    case REQUIREMENT_IMPOSSIBLE:
    case REQUIREMENT_DANE:
    case REQUIREMENT_DANE_ONLY:
    case REQUIREMENT_STS:
    default:
        return false;
    }
    write_name(&policy->server_name, findings, host, server_name);
    memcpy(out->tls.server_name, server_name, sizeof(out->tls.server_name));
    return policy->level == TLS_POLICY_LEVEL_FINGERPRINT
               ? demand_digests(policy, out)
               : demand_names(policy, findings, host, &out->tls);
}
