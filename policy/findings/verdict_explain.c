/*
 * Verdicts in words: the clause that SMTP replies, logs and the tool end with, and the names of
 * levels and values. It says what is missing at which next-hop, so that the sender knows whom to
 * ask for what.
 */
#include "policy/verdict.h"

#include "policy/host_class.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *subject(const struct findings *f)
{
    return f->nexthop.kind == NEXTHOP_LITERAL ? f->nexthop.text : f->nexthop.name;
}

/* Which lookup failed, the MX records' or that of the first host that is to be skipped. */
static void explain_dns(const struct findings *f, char *out, size_t out_len)
{
    if (f->mx == FINDINGS_MX_FAILED) {
        snprintf(out, out_len, "the MX lookup for %s failed (%s)", subject(f),
                 f->failure != NULL ? f->failure : "temporary error");
        return;
    }
    for (size_t i = 0; i < f->host_count; i++) {
        const struct findings_host *host = &f->hosts[i];
        enum host_class class = host_class_of(host);

        if (host->failure != NULL &&
            (class == HOST_CLASS_ADDRESS_FAILED || class == HOST_CLASS_TLSA_FAILED)) {
            snprintf(out, out_len, "a lookup for %s, a mail server of %s, failed (%s)", host->name,
                     subject(f), host->failure);
            return;
        }
    }
    snprintf(out, out_len, "a DNS lookup for %s failed", subject(f));
}

static void explain_satisfied(const struct findings *f, const struct verdict *verdict, char *out,
                              size_t out_len)
{
    const char *how = "";

    switch (verdict->basis) {
    case VERDICT_BASIS_DANE:
        how = "DANE";
        break;
    case VERDICT_BASIS_STS:
        how = "MTA-STS";
        break;
    case VERDICT_BASIS_WEB_PKI:
        how = "the Web PKI";
        break;
    case VERDICT_BASIS_NONE:
    case VERDICT_BASIS_LEVEL:
    default:
        snprintf(out, out_len, "nothing has to be known of %s at this level", subject(f));
        return;
    }
    snprintf(out, out_len, "the mail servers of %s can be authenticated by %s", subject(f), how);
}

static const char no_web_pki[] = "'s route cannot use the Web PKI";

/* Where only a Web PKI certificate could have done. */
static void explain_web_pki(const struct findings *f, const char *why, char *out, size_t out_len)
{
    snprintf(out, out_len, "%s publishes no TLSA records for its %s, and this host%s", subject(f),
             f->mx == FINDINGS_MX_SECURE ? "signed MX hosts" : "mail server", why);
}

static void explain_unusable(const struct findings *f, const char *why, char *out, size_t out_len)
{
    snprintf(out, out_len,
             "the TLSA records of %s's mail servers are all unusable, and this host%s", subject(f),
             why);
}

static void explain_sts_failed(const struct findings *f, char *out, size_t out_len)
{
    snprintf(out, out_len, "the MTA-STS policy of %s cannot be looked up at present%s%s%s",
             subject(f), f->sts.failure_text != NULL ? " (" : "",
             f->sts.failure_text != NULL ? f->sts.failure_text : "",
             f->sts.failure_text != NULL ? ")" : "");
}

/* No policy in force; if one was meant to be, that is what its owner must know. */
static void explain_nothing(const struct findings *f, char *out, size_t out_len)
{
    const char *text = f->sts.failure_text;
    const char *what = NULL;

    if (f->sts.failure == FINDINGS_STS_INVALID_RECORD)
        what = "MTA-STS record is invalid";
    else if (f->sts.failure == FINDINGS_STS_POLICY_INVALID)
        what = "MTA-STS policy is invalid";
    else if (f->sts.failure == FINDINGS_STS_FETCH_ERROR ||
             f->sts.failure == FINDINGS_STS_WEBPKI_INVALID)
        what = "MTA-STS policy cannot be fetched";
    if (what == NULL)
        snprintf(out, out_len,
                 "%s publishes neither DANE nor MTA-STS and its MX records are not signed",
                 subject(f));
    else
        snprintf(out, out_len, "%s's %s%s%s%s and its MX records are not signed", subject(f), what,
                 text != NULL ? " (" : "", text != NULL ? text : "", text != NULL ? ")" : "");
}

static void explain_reason(const struct findings *f, const struct verdict *verdict, char *out,
                           size_t out_len)
{
    const char *who = subject(f);

    switch (verdict->reason) {
    case VERDICT_REASON_NOTHING_PUBLISHED:
        explain_nothing(f, out, out_len);
        return;
    case VERDICT_REASON_STS_NOT_ENFORCE:
        snprintf(out, out_len,
                 "the MTA-STS policy of %s is in mode %s and its MX records are not "
                 "signed",
                 who, findings_sts_mode_name(f->sts.mode));
        return;
    case VERDICT_REASON_STS_NO_MATCH:
        snprintf(out, out_len, "no mail server of %s matches its MTA-STS policy", who);
        return;
    case VERDICT_REASON_DANE_PARTIAL:
        snprintf(out, out_len,
                 "only some mail servers of %s publish DANE, and this host's route does not avoid "
                 "the others",
                 who);
        return;
    case VERDICT_REASON_DANE_UNUSABLE:
        explain_unusable(f, " does not rely on the Web PKI", out, out_len);
        return;
    case VERDICT_REASON_DANE_UNUSABLE_ROUTE:
        explain_unusable(f, no_web_pki, out, out_len);
        return;
    case VERDICT_REASON_DANE_INSECURE_MX:
        snprintf(out, out_len,
                 "mail servers of %s have TLSA records, but its MX records are not "
                 "signed",
                 who);
        return;
    case VERDICT_REASON_ROUTE_NO_WEB_PKI:
        explain_web_pki(f, no_web_pki, out, out_len);
        return;
    case VERDICT_REASON_WEB_PKI_OFF:
        explain_web_pki(f, " does not rely on the Web PKI", out, out_len);
        return;
    case VERDICT_REASON_ROUTE_NO_DANE:
        snprintf(out, out_len, "%s publishes DANE, but this host's route cannot use it", who);
        return;
    case VERDICT_REASON_ROUTE_NO_STS:
        snprintf(out, out_len, "%s publishes MTA-STS, but this host's route cannot use it", who);
        return;
    case VERDICT_REASON_ROUTE_NO_REQUIRETLS:
        snprintf(out, out_len, "this host cannot pass REQUIRETLS on to the mail servers of %s",
                 who);
        return;
    case VERDICT_REASON_LITERAL:
        snprintf(out, out_len, "%s is an address and can publish neither DANE nor MTA-STS", who);
        return;
    case VERDICT_REASON_NULL_MX:
        snprintf(out, out_len, "%s accepts no mail (null MX)", who);
        return;
    case VERDICT_REASON_NO_DOMAIN:
        snprintf(out, out_len, "%s does not exist", who);
        return;
    case VERDICT_REASON_NO_HOST:
        snprintf(out, out_len, "no mail server of %s has an address", who);
        return;
    case VERDICT_REASON_NO_PRIMARY:
        snprintf(out, out_len,
                 "no mail server of %s that is preferred over this host has an address", who);
        return;
    case VERDICT_REASON_BEST_MX:
        snprintf(out, out_len, "this host is the best MX host of %s", who);
        return;
    case VERDICT_REASON_DNS_FAILED:
        explain_dns(f, out, out_len);
        return;
    case VERDICT_REASON_STS_FAILED:
        explain_sts_failed(f, out, out_len);
        return;
    case VERDICT_REASON_SECURITY_UNKNOWN:
        snprintf(out, out_len,
                 "no resolver that validates DNSSEC was there when %s was looked up, so its "
                 "security is unknown%s",
                 who, f->dane_seen ? ", and it is known to have DANE" : "");
        return;
    case VERDICT_REASON_NONE:
    default:
        snprintf(out, out_len, "the lookups for %s are not finished", who);
        return;
    }
}

const char *verdict_explain(const struct findings *findings, const struct verdict *verdict,
                            char *out, size_t out_len)
{
    if (out_len == 0)
        return out;
    if (verdict->value == VERDICT_SATISFIED)
        explain_satisfied(findings, verdict, out, out_len);
    else
        explain_reason(findings, verdict, out, out_len);
    for (char *c = out; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    }
    return out;
}

static const char *const level_names[] = {
    [VERDICT_LEVEL_ENFORCE] = "enforce",
    [VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS] = "opportunistic+starttls",
    [VERDICT_LEVEL_OPPORTUNISTIC] = "opportunistic",
    [VERDICT_LEVEL_DISABLE] = "disable",
};

enum { LEVELS = sizeof level_names / sizeof level_names[0] };

const char *verdict_level_name(unsigned level)
{
    return level < LEVELS ? level_names[level] : "unknown";
}

int verdict_level_parse(const char *name, enum verdict_level *out)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum verdict_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *verdict_value_name(unsigned value)
{
    static const char *const names[] = {
        [VERDICT_SATISFIED] = "satisfied", [VERDICT_UNSATISFIED] = "unsatisfied",
        [VERDICT_UNDECIDED] = "undecided", [VERDICT_NOT_APPLICABLE] = "not-applicable",
        [VERDICT_PENDING] = "pending",
    };
    return value < sizeof names / sizeof names[0] ? names[value] : "unknown";
}
