/*
 * Verdicts in words: the clause that SMTP replies, logs and the tool end with, and the names of
 * levels and values. It says what is missing at which next-hop, so that the sender knows whom to
 * ask for what.
 */
#include "policy/verdict.h"

#include "policy/host_class.h"
#include "policy/host_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *subject_word(const struct findings *f)
{
    return f->nexthop.kind == NEXTHOP_LITERAL ? f->nexthop.text : f->nexthop.name;
}

/* Which lookup failed, the MX records' or that of the first host that is to be skipped. */
static void explain_dns(const struct findings *f, char *out, size_t out_len)
{
    if (f->mx == FINDINGS_MX_FAILED) {
        snprintf(out, out_len, "the MX lookup for %s failed (%s)", subject_word(f),
                 f->failure != NULL ? f->failure : "temporary error");
        return;
    }
    for (size_t i = 0; i < f->host_count; i++) {
        const struct findings_host *host = &f->hosts[i];
        enum host_class class = host_class_of(host);

        if (host->failure != NULL &&
            (class == HOST_CLASS_ADDRESS_FAILED || class == HOST_CLASS_TLSA_FAILED)) {
            snprintf(out, out_len, "a lookup for %s, a mail server of %s, failed (%s)", host->name,
                     subject_word(f), host->failure);
            return;
        }
    }
    snprintf(out, out_len, "a DNS lookup for %s failed", subject_word(f));
}

/* What is published, whether or not its servers were seen to keep to it. */
static void explain_satisfied(const struct findings *f, const struct verdict *verdict, char *out,
                              size_t out_len)
{
    switch (verdict->basis) {
    case VERDICT_BASIS_DANE:
        snprintf(out, out_len, "%s publishes DANE", subject_word(f));
        return;
    case VERDICT_BASIS_STS:
        snprintf(out, out_len, "%s publishes MTA-STS in mode %s", subject_word(f),
                 findings_sts_mode_name(f->sts.mode));
        return;
    case VERDICT_BASIS_WEB_PKI:
        if (f->mx == FINDINGS_MX_SECURE)
            snprintf(out, out_len,
                     "%s publishes signed MX records: their hosts are to show Web PKI certificates",
                     subject_word(f));
        else
            snprintf(out, out_len, "%s is itself to show a Web PKI certificate", subject_word(f));
        return;
    case VERDICT_BASIS_NONE:
    case VERDICT_BASIS_LEVEL:
    default:
        snprintf(out, out_len, "nothing has to be known of %s at this level", subject_word(f));
        return;
    }
}

static const char no_web_pki[] = "'s route cannot use the Web PKI";

/* Where only a Web PKI certificate could have done. */
static void explain_web_pki(const struct findings *f, const char *why, char *out, size_t out_len)
{
    snprintf(out, out_len, "%s publishes no TLSA records for its %s, and this host%s",
             subject_word(f), f->mx == FINDINGS_MX_SECURE ? "signed MX hosts" : "mail server", why);
}

static void explain_unusable(const struct findings *f, const char *why, char *out, size_t out_len)
{
    snprintf(out, out_len,
             "the TLSA records of %s's mail servers are all unusable, and this host%s",
             subject_word(f), why);
}

static void explain_sts_failed(const struct findings *f, char *out, size_t out_len)
{
    snprintf(out, out_len, "the MTA-STS policy of %s cannot be looked up at present%s%s%s",
             subject_word(f), f->sts.failure_text != NULL ? " (" : "",
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
                 subject_word(f));
    else
        snprintf(out, out_len, "%s's %s%s%s%s and its MX records are not signed", subject_word(f),
                 what, text != NULL ? " (" : "", text != NULL ? text : "", text != NULL ? ")" : "");
}

static void explain_sts_mode(const struct findings *f, char *out, size_t out_len)
{
    snprintf(out, out_len,
             "the MTA-STS policy of %s is in mode %s and its MX records are not signed",
             subject_word(f), findings_sts_mode_name(f->sts.mode));
}

static void explain_security(const struct findings *f, char *out, size_t out_len)
{
    snprintf(
        out, out_len,
        "no resolver that validates DNSSEC was there when %s was looked up, so its security is "
        "unknown%s",
        subject_word(f), f->dane_seen ? ", and it is known to have DANE" : "");
}

/* A peer's own words are cut, so that they leave room for what is said of them. */
enum { PEER_WORDS_MAX = 120 };

/* What every server that counts has shown, and which one is meant: of the reasons the one that came
 * farthest, at the first address that gave it. */
static void explain_servers(const struct findings *f, uint32_t hosts, enum host_probe what,
                            const char *fault, const char *fault_of_one, char *out, size_t out_len)
{
    size_t host = 0;
    const struct findings_probe *probe = host_probe_find(f, hosts, what, &host);
    bool several = (hosts & (hosts - 1)) != 0;
    bool with_words = what != HOST_PROBE_NO_REQUIRETLS && what != HOST_PROBE_NO_STARTTLS;
    char address[INET6_ADDRSTRLEN] = "?";
    int len = snprintf(out, out_len, "the mail server%s of %s %s", several ? "s" : "",
                       subject_word(f), several ? fault : fault_of_one);

    if (probe == NULL || len < 0 || (size_t)len >= out_len)
        return;
    inet_ntop(probe->family == 6 ? AF_INET6 : AF_INET, probe->address, address, sizeof address);
    with_words = with_words && probe->failure != NULL;
    snprintf(out + len, out_len - (size_t)len, " (%s[%s]%s%.*s)", f->hosts[host].name, address,
             with_words ? ": " : "", PEER_WORDS_MAX, with_words ? probe->failure : "");
}

static void explain_probes(const struct findings *f, const struct verdict *verdict, char *out,
                           size_t out_len)
{
    switch ((unsigned)verdict->reason) {
    case VERDICT_REASON_SERVERS_NO_STARTTLS:
        explain_servers(f, verdict->hosts, HOST_PROBE_NO_STARTTLS, "do not offer STARTTLS",
                        "does not offer STARTTLS", out, out_len);
        return;
    case VERDICT_REASON_SERVERS_STARTTLS_REFUSED:
        explain_servers(f, verdict->hosts, HOST_PROBE_STARTTLS_REFUSED, "refuse STARTTLS",
                        "refuses STARTTLS", out, out_len);
        return;
    case VERDICT_REASON_SERVERS_NOT_AUTHENTICATED:
        explain_servers(f, verdict->hosts, HOST_PROBE_NOT_AUTHENTICATED, "cannot be authenticated",
                        "cannot be authenticated", out, out_len);
        return;
    default:
        explain_servers(f, verdict->hosts, HOST_PROBE_NO_REQUIRETLS, "do not support REQUIRETLS",
                        "does not support REQUIRETLS", out, out_len);
        return;
    }
}

static void explain_reason(const struct findings *f, const struct verdict *verdict, char *out,
                           size_t out_len)
{
    const char *who = subject_word(f);

    switch (verdict->reason) {
    case VERDICT_REASON_NOTHING_PUBLISHED:
        explain_nothing(f, out, out_len);
        return;
    case VERDICT_REASON_STS_NOT_ENFORCE:
        explain_sts_mode(f, out, out_len);
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
        explain_security(f, out, out_len);
        return;
    case VERDICT_REASON_SERVERS_NO_STARTTLS:
    case VERDICT_REASON_SERVERS_STARTTLS_REFUSED:
    case VERDICT_REASON_SERVERS_NOT_AUTHENTICATED:
    case VERDICT_REASON_SERVERS_NO_REQUIRETLS:
        explain_probes(f, verdict, out, out_len);
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
