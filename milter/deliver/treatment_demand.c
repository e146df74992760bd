/*
 * What a treatment demands. treatment_demands() has the table of requests and levels;
 * treatment_plan() asks requirement.h what the findings come to, or, where a tls_policy takes their
 * place, treatment_policy.h; treatment_connection() makes the demand on one host.
 *
 * At level enforce a demand that authenticates nobody lets nothing through, whatever led to it.
 */
#include "deliver/treatment_demand.h"

#include "decide/terms.h"
#include "deliver/treatment_policy.h"

#include <string.h>

/* ---- requests and levels ---- */

struct row {
    enum verdict_level level;
    enum treatment_requiretls requiretls;
};

static struct row row_of_require(const struct treatment *treatment, bool null_sender)
{
    switch (treatment->level) {
    case VERDICT_LEVEL_DISABLE: /* as any mail */
        return (struct row){VERDICT_LEVEL_OPPORTUNISTIC, TREATMENT_REQUIRETLS_NOT_SAID};
    case VERDICT_LEVEL_OPPORTUNISTIC:
        return (struct row){VERDICT_LEVEL_OPPORTUNISTIC, TREATMENT_REQUIRETLS_OFFERED};
    case VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS:
        return (struct row){null_sender ? VERDICT_LEVEL_OPPORTUNISTIC
                                        : VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS,
                            TREATMENT_REQUIRETLS_OFFERED};
    case VERDICT_LEVEL_ENFORCE:
    default:
        if (null_sender)
            return (struct row){VERDICT_LEVEL_OPPORTUNISTIC, TREATMENT_REQUIRETLS_OFFERED};
        return (struct row){VERDICT_LEVEL_ENFORCE, treatment->require_offer
                                                       ? TREATMENT_REQUIRETLS_DEMANDED
                                                       : TREATMENT_REQUIRETLS_OFFERED};
    }
}

static struct row row_of(const struct treatment *treatment, bool null_sender)
{
    switch (treatment->request) {
    case DECIDE_REQUEST_NONE:
        return (struct row){VERDICT_LEVEL_OPPORTUNISTIC, TREATMENT_REQUIRETLS_NOT_SAID};
    case DECIDE_REQUEST_OPTIONAL:
        return (struct row){VERDICT_LEVEL_DISABLE, TREATMENT_REQUIRETLS_NOT_SAID};
    case DECIDE_REQUEST_REQUIRE:
    default:
        return row_of_require(treatment, null_sender);
    }
}

void treatment_demands(const struct treatment *treatment, const struct config *config,
                       bool null_sender, struct treatment_demands *out)
{
    struct row row = row_of(treatment, null_sender);

    memset(out, 0, sizeof(*out));
    out->level = row.level;
    out->requiretls = row.requiretls;
    out->ret_hdrs = row.requiretls != TREATMENT_REQUIRETLS_NOT_SAID;
    if (treatment->tls_policy != NULL && treatment->request != DECIDE_REQUEST_OPTIONAL)
        treatment_policy_take(treatment->tls_policy, out);
    terms_of_config(config, &out->terms);
    out->terms.level = out->level;
    out->terms.can =
        VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI | VERDICT_CAN_FALLBACK;
    out->terms.require_offer = out->requiretls == TREATMENT_REQUIRETLS_DEMANDED;
    if (out->terms.require_offer)
        out->terms.can |= VERDICT_CAN_REQUIRETLS;
    out->terms.published_alone = true; /* the agent sees for itself */
}

/* ---- the plan ---- */

static bool is_firm(const struct treatment_demands *demands, const struct findings *findings,
                    const struct treatment_plan *plan)
{
    const uint32_t *of = plan->classes.of;
    bool lookups_failed = (of[HOST_CLASS_ADDRESS_FAILED] | of[HOST_CLASS_TLSA_FAILED] |
                           of[HOST_CLASS_ADDRESS_PENDING] | of[HOST_CLASS_TLSA_PENDING]) != 0;

    if (demands->by == TREATMENT_POLICY_NONE && demands->level == VERDICT_LEVEL_ENFORCE)
        return verdict_hosts_are_firm(findings, &demands->terms, &plan->requirement.verdict);
    if (demands->by == TREATMENT_POLICY_NONE && plan->requirement.kind == REQUIREMENT_STS &&
        !findings->sts.id_current)
        return false;
    return !lookups_failed && !(treatment_policy_is_dane(demands) && !findings->security_known);
}

void treatment_plan(const struct treatment_demands *demands, const struct findings *findings,
                    struct treatment_plan *out)
{
    bool literal = findings->nexthop.kind == NEXTHOP_LITERAL;
    size_t count = literal ? 1 : findings->host_count;

    memset(out, 0, sizeof(*out));
    host_classes_derive(findings, &demands->terms, &out->classes);
    out->deliverable = findings->mx != FINDINGS_MX_NULL && findings->mx != FINDINGS_MX_NXDOMAIN;
    if (demands->by == TREATMENT_POLICY_NONE)
        requirement_derive(findings, &demands->terms, demands->level, &out->requirement);
    else
        treatment_policy_require(demands, findings, &out->classes, &out->requirement);
    for (size_t i = 0; i < count && i < FINDINGS_MAX_HOSTS; i++) {
        struct treatment_connection connection;

        if (treatment_connection(demands, findings, out, i, &connection))
            out->hosts |= UINT32_C(1) << i;
    }
    out->firm = is_firm(demands, findings, out);
}

/* ---- one host ---- */

static bool has_address(const struct host_classes *classes, size_t host)
{
    uint32_t without = classes->of[HOST_CLASS_ABSENT] | classes->of[HOST_CLASS_ADDRESS_PENDING] |
                       classes->of[HOST_CLASS_ADDRESS_FAILED] |
                       classes->of[HOST_CLASS_NOT_PREFERRED];

    return (without >> host & 1) == 0;
}

static bool is_authenticated(enum tls_demand_kind kind)
{
    switch (kind) {
    case TLS_DEMAND_DANE:
    case TLS_DEMAND_STS:
    case TLS_DEMAND_WEB_PKI:
    case TLS_DEMAND_POLICY_NAMES:
    case TLS_DEMAND_POLICY_FINGERPRINT:
        return true;
    case TLS_DEMAND_NOT_USED:
    case TLS_DEMAND_MAY:
    case TLS_DEMAND_ENCRYPT:
    default:
        return false;
    }
}

/* False: less would be demanded than the level is. */
static bool set_session(const struct treatment_demands *demands, struct treatment_connection *out)
{
    bool authenticated = is_authenticated(out->tls.kind);
    bool enforced =
        demands->level == VERDICT_LEVEL_ENFORCE && demands->by != TREATMENT_POLICY_EXEMPT;
    bool encrypted = authenticated || out->tls.kind == TLS_DEMAND_ENCRYPT;

    if (out->tls.kind == TLS_DEMAND_NOT_USED || (enforced && !authenticated) ||
        (demands->level == VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS &&
         demands->by != TREATMENT_POLICY_EXEMPT && !encrypted))
        return false;
    out->requiretls = demands->requiretls == TREATMENT_REQUIRETLS_DEMANDED;
    if (encrypted) {
        out->smtp_tls = SMTP_TLS_REQUIRED;
    } else if (demands->by == TREATMENT_POLICY_TEXT &&
               demands->policy.level == TLS_POLICY_LEVEL_NONE) {
        out->smtp_tls = SMTP_TLS_NEVER;
    } else {
        out->smtp_tls = SMTP_TLS_OFFERED;
        out->plaintext_retry = true;
    }
    return !out->requiretls || encrypted;
}

bool treatment_connection(const struct treatment_demands *demands, const struct findings *findings,
                          const struct treatment_plan *plan, size_t host,
                          struct treatment_connection *out)
{
    bool literal = findings->nexthop.kind == NEXTHOP_LITERAL;

    memset(out, 0, sizeof(*out));
    if (literal ? host > 0
                : host >= findings->host_count || host >= FINDINGS_MAX_HOSTS ||
                      !has_address(&plan->classes, host))
        return false;
    if (demands->by == TREATMENT_POLICY_NONE || treatment_policy_is_dane(demands))
        tls_demand_of_host(findings, &plan->classes, &plan->requirement, host, &out->tls);
    else if (!treatment_policy_demand(demands, findings, plan, host, out))
        return false;
    return set_session(demands, out);
}

bool treatment_says_requiretls(const struct treatment_demands *demands, bool has_tls,
                               const struct smtp_extensions *extensions)
{
    return demands->requiretls != TREATMENT_REQUIRETLS_NOT_SAID && has_tls &&
           extensions->requiretls;
}

const char *treatment_tls_level(const struct treatment_demands *demands,
                                const struct treatment_plan *plan)
{
    const char *level = requirement_tls_level(plan->requirement.kind);

    if (demands->by == TREATMENT_POLICY_TEXT && plan->requirement.kind >= REQUIREMENT_NONE)
        level = tls_policy_level_name(demands->policy.level);
    return level;
}
