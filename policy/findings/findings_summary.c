/*
 * One word for what a next-hop offers, from the findings of its hosts (RFC 7672 section 2.2) and
 * its MTA-STS policy. For people and metrics; what a message that requires TLS may count on is the
 * verdict's (verdict.c). Both judge the same classes of hosts (host_class.c).
 */
#include "policy/findings_summary.h"

#include "policy/host_class.h"

/* An MTA-STS policy in force with this mode. */
static bool sts_in(const struct findings *f, enum findings_sts_mode mode)
{
    return f->sts.state == FINDINGS_STS_POLICY && f->sts.mode == mode;
}

/* Where the server was found securely: TLSA records bind (RFC 7672 sections 2.2.1, 2.2.2). */
static enum findings_summary summarise_secure(const struct findings *f,
                                              const struct host_classes *hosts)
{
    uint32_t others = hosts->of[HOST_CLASS_PLAIN] | hosts->of[HOST_CLASS_UNUSABLE];

    if (hosts->of[HOST_CLASS_DANE] != 0)
        return hosts->of[HOST_CLASS_DANE] == hosts->counted ? FINDINGS_SUMMARY_DANE
                                                            : FINDINGS_SUMMARY_DANE_PARTIAL;
    /* A host whose TLSA lookup failed must be skipped until it works (2.1.2), the others may be
     * used: that is what an MTA does which looks at TLSA records host by host. */
    if ((hosts->of[HOST_CLASS_TLSA_FAILED] | hosts->of[HOST_CLASS_TLSA_PENDING]) != 0)
        return others != 0 ? FINDINGS_SUMMARY_DANE_PARTIAL : FINDINGS_SUMMARY_FAILED;
    if (others == 0 && hosts->counted != 0)
        return FINDINGS_SUMMARY_FAILED;
    if (sts_in(f, FINDINGS_STS_MODE_ENFORCE))
        return FINDINGS_SUMMARY_STS_ENFORCE;
    if (hosts->of[HOST_CLASS_UNUSABLE] != 0)
        return FINDINGS_SUMMARY_DANE_UNUSABLE;
    if (sts_in(f, FINDINGS_STS_MODE_TESTING))
        return FINDINGS_SUMMARY_STS_TESTING;
    if (others == 0)
        return FINDINGS_SUMMARY_NONE;
    return f->mx == FINDINGS_MX_SECURE ? FINDINGS_SUMMARY_DNSSEC_PKI : FINDINGS_SUMMARY_PKI;
}

/* Where it was not, or who can say: a failed TLSA lookup binds nobody, and TLSA records only help.
 */
static enum findings_summary summarise_insecure(const struct findings *f,
                                                const struct host_classes *hosts)
{
    uint32_t no_address =
        hosts->of[HOST_CLASS_ADDRESS_FAILED] | hosts->of[HOST_CLASS_ADDRESS_PENDING];

    if (no_address != 0 && no_address == hosts->counted)
        return FINDINGS_SUMMARY_FAILED;
    if (sts_in(f, FINDINGS_STS_MODE_ENFORCE))
        return FINDINGS_SUMMARY_STS_ENFORCE;
    if (hosts->of[HOST_CLASS_DANE] != 0)
        return f->security_known ? FINDINGS_SUMMARY_DANE_INSECURE_MX : FINDINGS_SUMMARY_UNKNOWN;
    if (sts_in(f, FINDINGS_STS_MODE_TESTING))
        return FINDINGS_SUMMARY_STS_TESTING;
    return f->security_known ? FINDINGS_SUMMARY_NONE : FINDINGS_SUMMARY_UNKNOWN;
}

enum findings_summary findings_summarise(const struct findings *f,
                                         const struct verdict_terms *terms)
{
    struct host_classes hosts;

    host_classes_derive(f, terms, &hosts);
    switch ((enum findings_mx)f->mx) {
    case FINDINGS_MX_NULL:
    case FINDINGS_MX_NXDOMAIN:
        return FINDINGS_SUMMARY_NONE;
    case FINDINGS_MX_NOT_ASKED:
        if (f->nexthop.kind == NEXTHOP_LITERAL)
            return FINDINGS_SUMMARY_NONE;
        return summarise_secure(f, &hosts);
    case FINDINGS_MX_SECURE:
    case FINDINGS_MX_ABSENT:
        return summarise_secure(f, &hosts);
    case FINDINGS_MX_INSECURE:
        return summarise_insecure(f, &hosts);
    case FINDINGS_MX_PENDING:
    case FINDINGS_MX_FAILED:
    default:
        return FINDINGS_SUMMARY_FAILED;
    }
}
