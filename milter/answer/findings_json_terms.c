/* What findings come to for an administrator: verdicts with reasons, age and remaining life. */
#include "answer/findings_json_terms.h"

#include "answer/answer_terms.h"
#include "decide/terms.h"

#include <stdio.h>

void findings_json_terms_from(const struct config *config, const struct rules_settings *settings,
                              struct findings_json_terms *out)
{
    *out = (struct findings_json_terms){0};
    answer_terms_from(config, settings, &out->answer);
    terms_of_config(config, &out->verdict);
    /* Which MTA asks is not known here; one that cannot is told at RCPT. */
    terms_add_settings(settings, true, &out->verdict);
}

/* The clause for a tls_policy in place of the findings. */
static void explain_policy(const char *policy, const struct verdict *verdict, char *reason,
                           size_t reason_size)
{
    const char *text = "a rule's tls_policy replaces the findings";

    if (terms_is_exempt(policy))
        text = "a rule exempts this next-hop (tls_policy = skip)";
    else if (verdict->reason == VERDICT_REASON_ROUTE_NO_REQUIRETLS)
        text = "this host cannot pass REQUIRETLS on (require_offer = yes)";
    else if (verdict->value == VERDICT_UNSATISFIED)
        text = "a rule's tls_policy replaces the findings and does not authenticate";
    snprintf(reason, reason_size, "%s", text);
}

void findings_json_verdict(const struct nexthop *nexthop, const struct findings *findings,
                           const struct findings_json_terms *terms, enum verdict_level level,
                           struct verdict *verdict, char *reason, size_t reason_size)
{
    const char *policy = terms->answer.tls_policy;
    struct verdict_terms at_level = terms->verdict;

    at_level.level = level;
    if (policy != NULL) {
        terms_policy_verdict(policy, &at_level, verdict);
        explain_policy(policy, verdict, reason, reason_size);
    } else if (findings != NULL) {
        verdict_derive(findings, &at_level, verdict);
        verdict_explain(findings, verdict, reason, reason_size);
    } else {
        verdict_without_findings(nexthop->kind, level, verdict);
        if (verdict->value == VERDICT_SATISFIED)
            snprintf(reason, reason_size, "nothing has to be known of %s at this level",
                     nexthop->text);
        else
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
