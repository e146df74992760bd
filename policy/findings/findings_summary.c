/*
 * One word for what a next-hop offers, from the findings of its hosts (RFC 7672 section 2.2) and
 * its MTA-STS policy. For people, metrics and the answers that serve all mail; what a message that
 * requires TLS may count on is verdict.c's business.
 */
#include "findings/findings_make.h"

/* Hosts by what is known of them; those without any address count for nothing. */
struct tally {
    unsigned usable, unusable, plain;
    unsigned dark;   /* reachable and secure, but its TLSA lookup failed */
    unsigned failed; /* no address could be found out */
};

static bool has_address(const struct findings_host *host)
{
    return host->a == FINDINGS_ADDR_SECURE || host->a == FINDINGS_ADDR_INSECURE ||
           host->aaaa == FINDINGS_ADDR_SECURE || host->aaaa == FINDINGS_ADDR_INSECURE;
}

static void count_host(const struct findings_host *host, struct tally *tally)
{
    if (!has_address(host)) {
        if (host->a != FINDINGS_ADDR_ABSENT || host->aaaa != FINDINGS_ADDR_ABSENT)
            tally->failed++;
        return;
    }
    switch ((enum findings_tlsa_state)host->tlsa_state) {
    case FINDINGS_TLSA_USABLE:
        tally->usable++;
        break;
    case FINDINGS_TLSA_UNUSABLE:
        tally->unusable++;
        break;
    case FINDINGS_TLSA_NONE:
        tally->plain++;
        break;
    case FINDINGS_TLSA_PENDING:
    case FINDINGS_TLSA_FAILED:
    default:
        tally->dark++;
        break;
    }
}

/* An MTA-STS policy in force with this mode. */
static bool sts_in(const struct findings *f, enum findings_sts_mode mode)
{
    return f->sts.state == FINDINGS_STS_POLICY && f->sts.mode == mode;
}

/* Where the server was found securely: TLSA records bind (RFC 7672 sections 2.2.1, 2.2.2). */
static enum findings_summary summarise_secure(const struct findings *f, const struct tally *t)
{
    unsigned other = t->unusable + t->plain + t->dark + t->failed;

    if (t->usable > 0)
        return other == 0 ? FINDINGS_SUMMARY_DANE : FINDINGS_SUMMARY_DANE_PARTIAL;
    if (t->dark > 0) {
        /* The dark host must be skipped until its TLSA lookup works (2.1.2), the others may be
         * used: that is what an MTA does which looks at TLSA records host by host. */
        return t->plain + t->unusable > 0 ? FINDINGS_SUMMARY_DANE_PARTIAL : FINDINGS_SUMMARY_FAILED;
    }
    if (t->failed > 0 && t->plain + t->unusable == 0)
        return FINDINGS_SUMMARY_FAILED;
    if (sts_in(f, FINDINGS_STS_MODE_ENFORCE))
        return FINDINGS_SUMMARY_STS_ENFORCE;
    if (t->unusable > 0)
        return FINDINGS_SUMMARY_DANE_UNUSABLE;
    if (sts_in(f, FINDINGS_STS_MODE_TESTING))
        return FINDINGS_SUMMARY_STS_TESTING;
    if (t->plain + t->unusable == 0)
        return FINDINGS_SUMMARY_NONE;
    return f->mx == FINDINGS_MX_SECURE ? FINDINGS_SUMMARY_DNSSEC_PKI : FINDINGS_SUMMARY_PKI;
}

/* Where it was not: a failed TLSA lookup binds nobody, and TLSA records only help. */
static enum findings_summary summarise_insecure(const struct findings *f, const struct tally *t)
{
    if (t->failed > 0 && t->usable + t->unusable + t->plain + t->dark == 0)
        return FINDINGS_SUMMARY_FAILED;
    if (sts_in(f, FINDINGS_STS_MODE_ENFORCE))
        return FINDINGS_SUMMARY_STS_ENFORCE;
    if (t->usable > 0)
        return FINDINGS_SUMMARY_DANE_INSECURE_MX;
    if (sts_in(f, FINDINGS_STS_MODE_TESTING))
        return FINDINGS_SUMMARY_STS_TESTING;
    return FINDINGS_SUMMARY_NONE;
}

enum findings_summary findings_summarise(const struct findings *draft)
{
    struct tally tally = {0};

    for (size_t i = 0; i < draft->host_count; i++)
        count_host(&draft->hosts[i], &tally);
    switch ((enum findings_mx)draft->mx) {
    case FINDINGS_MX_NULL:
    case FINDINGS_MX_NXDOMAIN:
        return FINDINGS_SUMMARY_NONE;
    case FINDINGS_MX_NOT_ASKED:
        if (draft->nexthop.kind == NEXTHOP_LITERAL)
            return FINDINGS_SUMMARY_NONE;
        return summarise_secure(draft, &tally);
    case FINDINGS_MX_SECURE:
    case FINDINGS_MX_ABSENT:
        return summarise_secure(draft, &tally);
    case FINDINGS_MX_INSECURE:
        return summarise_insecure(draft, &tally);
    case FINDINGS_MX_PENDING:
    case FINDINGS_MX_FAILED:
    default:
        return FINDINGS_SUMMARY_FAILED;
    }
}
