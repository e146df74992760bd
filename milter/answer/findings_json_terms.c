/* What findings come to for an administrator: verdicts with reasons, age and remaining life. */
#include "answer/findings_json_terms.h"

#include "answer/answer_terms.h"
#include "config/tls_policy.h"

#include <stdio.h>

void findings_json_terms_from(const struct config *config, const struct rules_settings *settings,
                              struct findings_json_terms *out)
{
    *out = (struct findings_json_terms){0};
    answer_terms_from(config, settings, &out->answer);
    out->verdict = out->answer.enforce;
    out->verdict.can = settings->route->can;
    /* Which MTA asks is not known here; one that cannot is told at RCPT. */
    if (settings->route->can_follows_mta)
        out->verdict.can |= VERDICT_CAN_REQUIRETLS;
    out->verdict.accept_testing =
        config->accept_testing && config_route_asks_enforce(settings->route);
    out->verdict.require_offer = settings->require_offer == CONFIG_OFFER_YES;
}

static void override_verdict(const char *policy, enum verdict_level level, struct verdict *verdict,
                             char *reason, size_t reason_size)
{
    enum tls_policy_kind kind = tls_policy_kind(policy);
    *verdict = (struct verdict){.value = VERDICT_SATISFIED, .basis = VERDICT_BASIS_LEVEL};
    if (kind == TLS_POLICY_SKIP) {
        snprintf(reason, reason_size, "a rule exempts this next-hop (tls_policy = skip)");
    } else if (kind == TLS_POLICY_AUTHENTICATES || level != VERDICT_LEVEL_ENFORCE) {
        snprintf(reason, reason_size, "a rule's tls_policy replaces the findings");
    } else {
        verdict->value = VERDICT_UNSATISFIED;
        verdict->basis = VERDICT_BASIS_NONE;
        snprintf(reason, reason_size,
                 "a rule's tls_policy replaces the findings and does not authenticate");
    }
}

void findings_json_verdict(const struct findings *findings, const struct findings_json_terms *terms,
                           enum verdict_level level, struct verdict *verdict, char *reason,
                           size_t reason_size)
{
    const char *policy = terms->answer.tls_policy;
    struct verdict_terms at_level = terms->verdict;
    at_level.level = level;
    if (verdict_cannot_offer(&at_level) &&
        (!policy || tls_policy_kind(policy) != TLS_POLICY_SKIP)) {
        *verdict = (struct verdict){.value = VERDICT_UNSATISFIED,
                                    .reason = VERDICT_REASON_ROUTE_NO_REQUIRETLS};
        snprintf(reason, reason_size, "this host cannot pass REQUIRETLS on (require_offer = yes)");
    } else if (policy) {
        override_verdict(terms->answer.tls_policy, level, verdict, reason, reason_size);
    } else if (findings) {
        verdict_derive(findings, &at_level, verdict);
        verdict_explain(findings, verdict, reason, reason_size);
    } else {
        *verdict =
            (struct verdict){.value = VERDICT_UNDECIDED, .reason = VERDICT_REASON_DNS_FAILED};
        snprintf(reason, reason_size, "the lookup could not be made");
    }
}

int64_t findings_json_age_s(const struct findings *findings,
                            const struct findings_json_terms *terms)
{
    int64_t age_ms = terms->mono_ms - findings->made_at_ms;
    return age_ms > 0 ? age_ms / 1000 : 0;
}

int64_t findings_json_ttl_s(const struct findings *findings,
                            const struct findings_json_terms *terms)
{
    int64_t left = (int64_t)findings->ttl_s - findings_json_age_s(findings, terms);
    return left > 0 ? left : 0;
}
