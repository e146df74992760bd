/*
 * The decision about a message that requires TLS, from the findings of its next-hop and the terms
 * of its route: RFC 8689 sections 2 and 4.2.1, RFC 7505. What the level and the MX records leave to
 * the MX hosts at level enforce is in verdict_hosts.c; texts are in verdict_explain.c.
 */
#include "findings/verdict_internal.h"

#include "policy/host_class.h"
#include "policy/host_probe.h"

#include <string.h>

/* Nothing is refused for good on the word of a resolver that may be wrong. */
static void refuse_for_good(const struct findings *f, enum verdict_reason reason,
                            struct verdict *out)
{
    if (f->security_known)
        verdict_set(out, VERDICT_UNSATISFIED, reason);
    else
        verdict_set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
}

static void derive_enforce(const struct findings *f, const struct verdict_terms *terms,
                           struct verdict *out)
{
    switch ((enum findings_mx)f->mx) {
    case FINDINGS_MX_PENDING:
        verdict_set(out, VERDICT_PENDING, VERDICT_REASON_NONE);
        return;
    case FINDINGS_MX_NULL:
        refuse_for_good(f, VERDICT_REASON_NULL_MX, out);
        return;
    case FINDINGS_MX_NXDOMAIN:
        if (verdict_dane_is_lost(f))
            verdict_set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
        else
            verdict_set(out, VERDICT_NOT_APPLICABLE, VERDICT_REASON_NO_DOMAIN);
        return;
    case FINDINGS_MX_NOT_ASKED:
    case FINDINGS_MX_SECURE:
    case FINDINGS_MX_INSECURE:
    case FINDINGS_MX_ABSENT:
        verdict_of_hosts(f, terms, out);
        return;
    case FINDINGS_MX_FAILED:
    default:
        verdict_set(out, VERDICT_UNDECIDED, VERDICT_REASON_DNS_FAILED);
        return;
    }
}

/* While answers without AD are not checked, only what rests on AD, or on nothing, is final. */
static void wait_for_check(const struct findings *f, struct verdict *out)
{
    bool final = out->value == VERDICT_SATISFIED &&
                 (out->basis == VERDICT_BASIS_DANE || out->basis == VERDICT_BASIS_LEVEL);

    if (f->unchecked && !final)
        *out = (struct verdict){.value = VERDICT_PENDING};
}

bool verdict_without_findings(enum nexthop_kind kind, enum verdict_level level, struct verdict *out)
{
    memset(out, 0, sizeof *out);
    switch (level) {
    case VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS:
    case VERDICT_LEVEL_OPPORTUNISTIC:
    case VERDICT_LEVEL_DISABLE:
        verdict_set_satisfied(out, VERDICT_BASIS_LEVEL, 0);
        return true;
    case VERDICT_LEVEL_ENFORCE:
        if (kind != NEXTHOP_LITERAL)
            break;
        verdict_set(out, VERDICT_UNSATISFIED, VERDICT_REASON_LITERAL);
        return true;
    default:
        break;
    }
    verdict_set(out, VERDICT_UNDECIDED, VERDICT_REASON_DNS_FAILED);
    return false;
}

/* Whether every host that mail may go to is known to lack STARTTLS. */
static bool none_offers_starttls(const struct findings *f, const struct verdict_terms *terms,
                                 uint32_t *counted)
{
    struct host_classes classes;

    host_classes_derive(f, terms, &classes);
    *counted = classes.counted;
    return f->security_known && !terms->published_alone &&
           host_probe_of_hosts(f, classes.counted, HOST_PROBE_DEMAND_STARTTLS) ==
               HOST_PROBE_NO_STARTTLS;
}

static void derive_starttls(const struct findings *f, const struct verdict_terms *terms,
                            struct verdict *out)
{
    uint32_t counted;

    if (f->mx == FINDINGS_MX_NULL && f->security_known)
        verdict_set(out, VERDICT_UNSATISFIED, VERDICT_REASON_NULL_MX);
    else if (f->mx == FINDINGS_MX_NXDOMAIN)
        verdict_set(out, VERDICT_NOT_APPLICABLE, VERDICT_REASON_NO_DOMAIN);
    else
        verdict_set_satisfied(out, VERDICT_BASIS_LEVEL, 0);
    if (out->value == VERDICT_SATISFIED && none_offers_starttls(f, terms, &counted)) {
        verdict_set(out, VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NO_STARTTLS);
        out->hosts = counted;
    }
}

void verdict_derive(const struct findings *f, const struct verdict_terms *terms,
                    struct verdict *out)
{
    bool certain = verdict_without_findings((enum nexthop_kind)f->nexthop.kind, terms->level, out);

    if (terms->level == VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS) {
        memset(out, 0, sizeof *out);
        derive_starttls(f, terms, out);
    } else if (terms->level == VERDICT_LEVEL_ENFORCE && !certain) {
        memset(out, 0, sizeof *out);
        derive_enforce(f, terms, out);
    }
    wait_for_check(f, out);
}

bool verdict_is_by_probes(const struct verdict *verdict)
{
    return verdict->reason == VERDICT_REASON_SERVERS_NO_STARTTLS ||
           verdict->reason == VERDICT_REASON_SERVERS_STARTTLS_REFUSED ||
           verdict->reason == VERDICT_REASON_SERVERS_NOT_AUTHENTICATED ||
           verdict->reason == VERDICT_REASON_SERVERS_NO_REQUIRETLS;
}
