/*
 * The reply where the findings leave no host to be tried: outcome_of_plan(). What is undecided is
 * temporary; then what the MTA would say of any mail (null MX, no such domain, a mail loop); then
 * what the level demands and the next-hop does not publish, with the milter's sentence; last what
 * keeps any mail from the hosts there are.
 */
#include "deliver/outcome.h"

#include "decide/reply.h"
#include "deliver/outcome_text.h"

#include <stdio.h>
#include <string.h>

static struct outcome_code code_of_reason(enum reply_reason reason, bool permanent)
{
    struct outcome_code out;

    out.code = reply_code(reason, permanent, &out.enhanced);
    return out;
}

static const struct outcome_code policy_error = {451, "4.3.5"}, not_verified = {451, "4.7.5"},
                                 no_route = {550, "5.4.4"}, loop = {550, "5.4.6"};

/* The milter's sentence for a reason. */
static const char *explain(const struct findings *findings, enum verdict_reason reason,
                           char out[DECIDE_REASON_MAX])
{
    const struct verdict verdict = {.value = VERDICT_UNSATISFIED, .reason = reason};

    return verdict_explain(findings, &verdict, out, DECIDE_REASON_MAX);
}

static void undecided(const struct findings *findings, const struct treatment_demands *demands,
                      const struct requirement *requirement, const struct nexthop *nexthop,
                      struct outcome *out)
{
    struct outcome_code code = code_of_reason(REPLY_LOOKUP_FAILED, false);
    char reason[DECIDE_REASON_MAX];

    if (demands->by == TREATMENT_POLICY_UNSUPPORTED && findings->mx != FINDINGS_MX_FAILED)
        outcome_text_set(out, policy_error, "this host's own policy for %s cannot be honoured: %s",
                         nexthop->text, demands->unsupported);
    else if (requirement->failure != NULL)
        outcome_text_set(out, code, "%s: %s%s%s", nexthop->text, requirement->failure,
                         requirement->detail != NULL ? ": " : "",
                         requirement->detail != NULL ? requirement->detail : "");
    else
        outcome_text_set(out, code, "%s%s", outcome_text_lead(demands),
                         verdict_explain(findings, &requirement->verdict, reason, sizeof(reason)));
}

/* What no mail can be sent for, whatever it demands. False: it is something else. */
static bool undeliverable(const struct findings *findings, const struct treatment_plan *plan,
                          struct outcome *out)
{
    char reason[DECIDE_REASON_MAX];

    if (findings->mx == FINDINGS_MX_NULL)
        outcome_text_set(out, code_of_reason(REPLY_NULL_MX, true), "%s",
                         explain(findings, VERDICT_REASON_NULL_MX, reason));
    else if (findings->mx == FINDINGS_MX_NXDOMAIN)
        outcome_text_set(out, code_of_reason(REPLY_NO_DOMAIN, true), "%s",
                         explain(findings, VERDICT_REASON_NO_DOMAIN, reason));
    else if (plan->classes.best_mx)
        outcome_text_set(out, loop, "%s: mail would loop back",
                         explain(findings, VERDICT_REASON_BEST_MX, reason));
    else
        return false;
    return true;
}

/* The demand of the level, which what is published does not meet. */
static void unsatisfied(const struct findings *findings, const struct treatment_demands *demands,
                        const struct treatment_plan *plan, const struct nexthop *nexthop,
                        struct outcome *out)
{
    struct outcome_code code = demands->level == VERDICT_LEVEL_ENFORCE
                                   ? code_of_reason(REPLY_ENCRYPTION_NEEDED, true)
                                   : not_verified;
    const char *lead = outcome_text_lead(demands);
    char reason[DECIDE_REASON_MAX];

    if (demands->by == TREATMENT_POLICY_IMPOSSIBLE) {
        outcome_text_set(
            out, code, "%s%s", lead,
            decide_explain_policy(demands->policy_text, nexthop->text, reason, sizeof(reason)));
        return;
    }
    verdict_explain(findings, &plan->requirement.verdict, reason, sizeof(reason));
    if (demands->by == TREATMENT_POLICY_TEXT)
        outcome_text_set(out, code, "%sthis host's own policy for %s (%s) cannot be met: %s", lead,
                         nexthop->text, tls_policy_level_name(demands->policy.level), reason);
    else
        outcome_text_set(out, code, "%s%s", lead, reason);
}

/* Nothing stands against it, and there is no host all the same. */
static void no_host(const struct findings *findings, const struct treatment_plan *plan,
                    struct outcome *out)
{
    const uint32_t *of = plan->classes.of;
    struct outcome_code failed = code_of_reason(REPLY_LOOKUP_FAILED, false);
    char reason[DECIDE_REASON_MAX];

    if (findings->mx == FINDINGS_MX_FAILED ||
        (of[HOST_CLASS_ADDRESS_FAILED] | of[HOST_CLASS_TLSA_FAILED]) != 0)
        outcome_text_set(out, failed, "%s", explain(findings, VERDICT_REASON_DNS_FAILED, reason));
    else if (plan->classes.counted != 0 && plan->requirement.kind == REQUIREMENT_STS)
        outcome_text_set(out, not_verified, "%s",
                         explain(findings, VERDICT_REASON_STS_NO_MATCH, reason));
    else if (plan->classes.counted != 0 || findings->nexthop.kind == NEXTHOP_LITERAL)
        outcome_text_set(out, not_verified, "no mail server of %s can be authenticated",
                         findings->nexthop.text);
    else if (of[HOST_CLASS_NOT_PREFERRED] != 0)
        outcome_text_set(out, (struct outcome_code){451, "4.4.4"}, "%s",
                         explain(findings, VERDICT_REASON_NO_PRIMARY, reason));
    else
        outcome_text_set(out, no_route, "%s", explain(findings, VERDICT_REASON_NO_HOST, reason));
}

void outcome_of_plan(const struct findings *findings, const struct treatment_demands *demands,
                     const struct treatment_plan *plan, const struct nexthop *nexthop,
                     struct outcome *out)
{
    enum requirement_kind kind = findings != NULL ? plan->requirement.kind : REQUIREMENT_PENDING;

    if (kind == REQUIREMENT_PENDING)
        outcome_text_set(out, code_of_reason(REPLY_LOOKUP_FAILED, false),
                         "%s cannot be looked up at present", nexthop->text);
    else if (kind == REQUIREMENT_UNKNOWN)
        undecided(findings, demands, &plan->requirement, nexthop, out);
    else if (undeliverable(findings, plan, out))
        return;
    else if (kind == REQUIREMENT_IMPOSSIBLE)
        unsatisfied(findings, demands, plan, nexthop, out);
    else
        no_host(findings, plan, out);
}
