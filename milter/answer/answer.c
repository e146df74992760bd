/*
 * Findings to socketmap answers: which TLS policy Postfix (or sendmail) is told about a next-hop.
 *
 * DANE first (RFC 7672), then MTA-STS in mode enforce, which never overrides DANE that fails or may
 * exist (RFC 8461 section 2); `enforce` follows verdict.h, so that delivery demands what the
 * verdict at SMTP time promised. How a policy is spelt, and that no octet of a peer changes its
 * structure, is answer_text.c; the protocol around it is socketmap.c.
 */
#include "answer/answer.h"

#include "answer/answer_text.h"
#include "config/tls_policy.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Longer reasons help nobody and fill the MTA's log. */
enum { REASON_MAX = 200 };

/* What one MX host can contribute. */
enum host_class {
    HOST_GONE,        /* has no address: counts for nothing */
    HOST_USABLE,      /* secure usable TLSA */
    HOST_UNUSABLE,    /* secure TLSA, all unusable: TLS mandatory, unauthenticated */
    HOST_PLAIN,       /* no TLSA that counts */
    HOST_TLSA_FAILED, /* it may have TLSA: must be skipped (RFC 7672 section 2.1.1) */
    HOST_ADDR_FAILED,
    HOST_PENDING,
    HOST_CLASSES
};

struct tally {
    unsigned of[HOST_CLASSES];
    unsigned counted; /* all that are not gone */
};

static enum host_class classify(const struct findings_host *host)
{
    const uint8_t families[] = {host->a, host->aaaa};
    bool found = false, pending = false;
    if (findings_host_is_gone(host))
        return HOST_GONE;
    for (size_t i = 0; i < sizeof(families); i++) {
        if (families[i] == FINDINGS_ADDR_SECURE || families[i] == FINDINGS_ADDR_INSECURE)
            found = true;
        else if (families[i] == FINDINGS_ADDR_PENDING)
            pending = true;
    }
    if (!found)
        return pending ? HOST_PENDING : HOST_ADDR_FAILED;
    switch (host->tlsa_state) {
    case FINDINGS_TLSA_PENDING:
        return HOST_PENDING;
    case FINDINGS_TLSA_NONE:
        return HOST_PLAIN;
    case FINDINGS_TLSA_USABLE:
        return HOST_USABLE;
    case FINDINGS_TLSA_UNUSABLE:
        return HOST_UNUSABLE;
    default:
        return HOST_TLSA_FAILED;
    }
}

static struct tally count_hosts(const struct findings *f, size_t host_count)
{
    struct tally tally = {0};
    for (size_t i = 0; i < host_count; i++) {
        enum host_class class = classify(&f->hosts[i]);
        tally.of[class]++;
        if (class != HOST_GONE)
            tally.counted++;
    }
    return tally;
}

static bool sts_enforced(const struct findings *f)
{
    return f->sts.state == FINDINGS_STS_POLICY && f->sts.mode == FINDINGS_STS_MODE_ENFORCE;
}

/* A fetch that is late is not waited for: this delivery goes as if it had failed. */
static bool sts_pending(const struct findings *f)
{
    return f->sts.state == FINDINGS_STS_PENDING && !f->sts.late;
}

static enum answer_kind temp(struct text *out, const char *what, const char *detail)
{
    text_cut(out, 0);
    answer_text_printable(out, what, REASON_MAX);
    if (detail) {
        text_add(out, ": ");
        answer_text_printable(out, detail, REASON_MAX);
    }
    return ANSWER_TEMP;
}

static enum answer_kind ok(struct text *out, const char *value)
{
    text_cut(out, 0);
    text_add(out, value);
    return out->full ? temp(out, "answer too long", NULL) : ANSWER_OK;
}

static enum answer_kind nothing(struct text *out)
{
    text_cut(out, 0);
    return ANSWER_NOTFOUND;
}

static enum answer_kind pending(struct text *out)
{
    text_cut(out, 0);
    return ANSWER_PENDING;
}

static enum answer_kind no_host_usable(const struct findings *f, size_t host_count,
                                       struct text *out)
{
    const char *detail = NULL;
    for (size_t i = 0; i < host_count && !detail; i++)
        detail = f->hosts[i].failure;
    return temp(out, "DNS lookup failed for every MX host", detail);
}

/* `secure` for an STS policy in mode enforce. */
static enum answer_kind derive_sts(const struct findings *f, bool mx_signed, size_t host_count,
                                   const struct tally *tally, bool tlsrpt, struct text *out)
{
    unsigned failed = tally->of[HOST_TLSA_FAILED] + tally->of[HOST_ADDR_FAILED];
    text_cut(out, 0);
    if (mx_signed && failed > 0) {
        /* A host whose TLSA lookup failed may have TLSA records, which MTA-STS must not override:
         * name the others, not the patterns, which may cover it. */
        uint32_t hosts = 0;
        for (size_t i = 0; i < host_count; i++) {
            enum host_class class = classify(&f->hosts[i]);
            if (f->hosts[i].sts_match && (class == HOST_PLAIN || class == HOST_UNUSABLE))
                hosts |= UINT32_C(1) << i;
        }
        if (!answer_text_match_hosts(out, f, hosts))
            return no_host_usable(f, host_count, out);
    } else if (!answer_text_match_patterns(out, f)) {
        ok(out, ANSWER_UNSATISFIED);
        if (tlsrpt)
            answer_text_tlsrpt(out, f, "validation-failure");
        return ANSWER_OK;
    }
    if (tlsrpt)
        answer_text_tlsrpt(out, f, NULL);
    return ANSWER_OK;
}

/* The MX records are signed, or there are none: RFC 7672 sections 2.2.1 and 2.2.2 hold in full. */
static enum answer_kind derive_signed(const struct findings *f, size_t host_count,
                                      const struct tally *tally, bool tlsrpt, struct text *out)
{
    if (tally->of[HOST_PENDING] > 0)
        return pending(out);
    if (tally->of[HOST_USABLE] > 0 && tally->of[HOST_USABLE] == tally->counted)
        return ok(out, "dane-only");
    if (sts_pending(f))
        return pending(out);
    if (tally->of[HOST_USABLE] > 0) {
        /* With `dane` the hosts without TLSA would go unauthenticated in spite of the policy. */
        return ok(out, sts_enforced(f) ? "dane-only" : "dane");
    }
    if (sts_enforced(f))
        return derive_sts(f, true, host_count, tally, tlsrpt, out);
    if (tally->of[HOST_UNUSABLE] > 0)
        return ok(out, "dane");
    if (tally->of[HOST_TLSA_FAILED] + tally->of[HOST_ADDR_FAILED] == 0)
        return nothing(out);
    /* With `dane` Postfix itself skips a host whose TLSA it cannot look up, and uses the others. */
    return tally->of[HOST_PLAIN] > 0 ? ok(out, "dane") : no_host_usable(f, host_count, out);
}

/* Unsigned MX records: whoever forges them chooses the host, but its own TLSA still helps. */
static enum answer_kind derive_unsigned(const struct findings *f, size_t host_count,
                                        const struct tally *tally, bool tlsrpt, struct text *out)
{
    if (sts_pending(f))
        return pending(out);
    if (sts_enforced(f))
        return derive_sts(f, false, host_count, tally, tlsrpt, out);
    if (tally->of[HOST_PENDING] > 0)
        return pending(out);
    if (tally->of[HOST_USABLE] + tally->of[HOST_UNUSABLE] > 0)
        return ok(out, "dane");
    if (tally->of[HOST_PLAIN] > 0)
        return tally->of[HOST_TLSA_FAILED] > 0 ? ok(out, "dane") : nothing(out);
    if (tally->of[HOST_TLSA_FAILED] + tally->of[HOST_ADDR_FAILED] > 0)
        return no_host_usable(f, host_count, out);
    return nothing(out);
}

static enum answer_kind derive_query(const struct findings *f, const struct answer_terms *terms,
                                     bool tlsrpt, struct text *out)
{
    if (f->nexthop.kind == NEXTHOP_LITERAL)
        return nothing(out);
    size_t host_count = verdict_reachable_hosts(f, &terms->enforce);
    struct tally tally = count_hosts(f, host_count);
    if (f->mx != FINDINGS_MX_PENDING && f->mx != FINDINGS_MX_FAILED && !f->security_known &&
        f->dane_seen)
        return temp(out, "DNS security is unknown, and this next-hop is known to have DANE", NULL);
    switch (f->mx) {
    case FINDINGS_MX_PENDING:
        return pending(out);
    case FINDINGS_MX_NOT_ASKED:
    case FINDINGS_MX_SECURE:
    case FINDINGS_MX_ABSENT:
        if (f->security_known)
            return derive_signed(f, host_count, &tally, tlsrpt, out);
        return derive_unsigned(f, host_count, &tally, tlsrpt, out);
    case FINDINGS_MX_INSECURE:
        return derive_unsigned(f, host_count, &tally, tlsrpt, out);
    case FINDINGS_MX_NULL:
    case FINDINGS_MX_NXDOMAIN:
        /* The MTA says it better, but asks DNS itself, later: whoever forges this answer to us and
         * another one to the MTA must not get past a policy in force. */
        return derive_unsigned(f, 0, &(struct tally){0}, tlsrpt, out);
    case FINDINGS_MX_FAILED:
        return temp(out, "MX lookup failed", f->failure);
    default:
        return temp(out, "internal error", NULL);
    }
}

/* With `dane` Postfix sends without TLS to a host that has no TLSA records, and, as long as
 * smtp_tls_dane_insecure_mx_policy is `may`, to all that unsigned MX records name. */
static enum answer_kind derive_starttls(const struct findings *f, const struct answer_terms *terms,
                                        struct text *out)
{
    enum answer_kind kind = derive_query(f, terms, false, out);
    if (kind == ANSWER_NOTFOUND)
        return ok(out, "encrypt");
    if (kind != ANSWER_OK || strcmp(out->buf, "dane") != 0)
        return kind;
    struct tally tally = count_hosts(f, verdict_reachable_hosts(f, &terms->enforce));
    bool authenticates = f->mx != FINDINGS_MX_INSECURE && tally.of[HOST_USABLE] > 0;
    return ok(out, authenticates ? "dane-only" : "encrypt");
}

/* A host still in flight may yet make another answer of it (DANE, more names), and the MTA asks for
 * every host anew: a message must not meet both answers. A yes does not wait for that. */
static bool hosts_pending(const struct findings *f, const struct verdict_terms *terms)
{
    struct tally tally = count_hosts(f, verdict_reachable_hosts(f, terms));
    return tally.of[HOST_PENDING] > 0;
}

static enum answer_kind derive_enforce(const struct findings *f, const struct verdict_terms *terms,
                                       struct text *out)
{
    char reason[REASON_MAX];
    struct verdict verdict;
    verdict_derive(f, terms, &verdict);
    switch (verdict.value) {
    case VERDICT_PENDING:
        return pending(out);
    case VERDICT_SATISFIED:
        if (verdict.basis != VERDICT_BASIS_DANE && hosts_pending(f, terms))
            return pending(out);
        break;
    case VERDICT_UNSATISFIED:
    case VERDICT_NOT_APPLICABLE: /* no such domain, or our own: there is no server to go to */
        return ok(out, ANSWER_UNSATISFIED);
    case VERDICT_UNDECIDED:
    default:
        return temp(out, verdict_explain(f, &verdict, reason, sizeof(reason)), NULL);
    }
    switch (verdict.basis) {
    case VERDICT_BASIS_DANE:
        return ok(out, "dane-only");
    case VERDICT_BASIS_STS:
    case VERDICT_BASIS_WEB_PKI:
        text_cut(out, 0);
        if (answer_text_match_hosts(out, f, verdict.hosts))
            return ANSWER_OK;
        return ok(out, ANSWER_UNSATISFIED);
    case VERDICT_BASIS_NONE:
    case VERDICT_BASIS_LEVEL:
    default:
        return temp(out, "internal error", NULL);
    }
}

/* sendmail's tls_rcpt takes no names; FEATURE(`sts') compares those, of the map `sts`. */
static enum answer_kind derive_access(const struct findings *f, const struct answer_terms *terms,
                                      struct text *out)
{
    enum answer_kind kind = derive_query(f, terms, false, out);
    if (kind != ANSWER_OK)
        return kind;
    if (strncmp(out->buf, "secure", 6) == 0)
        return ok(out, "TEMP+VERIFY:128");
    /* DANE is sendmail's own to verify (confDANE); TLS is there in any case. */
    return strcmp(out->buf, "dane-only") == 0 ? ok(out, "TEMP+ENCR:128") : nothing(out);
}

/* The names of a policy, without the attributes that only Postfix knows. FEATURE(`sts') fails
 * without a server name. */
static enum answer_kind only_match(const char *policy, struct text *out)
{
    const char *match = strstr(policy, " match=");
    if (!match)
        return ok(out, ANSWER_UNSATISFIED);
    text_cut(out, 0);
    text_addf(out, "secure%.*s servername=hostname", (int)(1 + strcspn(match + 1, " \t,")), match);
    return out->full ? temp(out, "answer too long", NULL) : ANSWER_OK;
}

/* A tls_policy of a rule, in place of findings. What authenticates nobody never satisfies enforce,
 * nor what lets plaintext through opportunistic+starttls: the verdict has it so, and of several
 * next-hops Postfix asks for each that it comes to. */
static enum answer_kind answer_override(const char *policy, enum answer_map map, struct text *out)
{
    enum tls_policy_kind kind = tls_policy_kind(policy);
    bool skip = kind == TLS_POLICY_SKIP;
    bool secure = strncasecmp(policy, "secure", 6) == 0 || strncasecmp(policy, "verify", 6) == 0;
    switch (map) {
    case ANSWER_QUERY:
    case ANSWER_QUERY_TLSRPT:
    case ANSWER_POSTFIX:
    case ANSWER_OPPORTUNISTIC:
        return skip ? nothing(out) : ok(out, policy);
    case ANSWER_ENFORCE:
        if (skip)
            return ok(out, "may");
        return ok(out, kind == TLS_POLICY_AUTHENTICATES ? policy : ANSWER_UNSATISFIED);
    case ANSWER_OPPORTUNISTIC_STARTTLS:
        if (skip)
            return ok(out, "may");
        return ok(out, kind == TLS_POLICY_NONE ? "encrypt" : policy);
    case ANSWER_ENFORCE_PKI:
        /* What cannot be checked of a Postfix policy without DANE must not pass. */
        if (skip)
            return ok(out, "may");
        return secure ? only_match(policy, out) : ok(out, ANSWER_UNSATISFIED);
    case ANSWER_STS:
        return secure && strstr(policy, " match=") ? only_match(policy, out) : nothing(out);
    case ANSWER_ACCESS:
        return skip || !secure ? nothing(out) : ok(out, "TEMP+VERIFY:128");
    case ANSWER_REQUIRETLS:
    case ANSWER_MAPS:
    default:
        return temp(out, "internal error", NULL);
    }
}

/* With Postfix's `enforce` an exempt next-hop could not be met: its policy authenticates nobody. */
static enum verdict_level requiretls_level(const struct answer_terms *terms)
{
    bool skip = terms->tls_policy && tls_policy_kind(terms->tls_policy) == TLS_POLICY_SKIP;
    return skip && terms->level != VERDICT_LEVEL_DISABLE ? VERDICT_LEVEL_OPPORTUNISTIC
                                                         : terms->level;
}

bool answer_needs_findings(enum answer_map map, const struct answer_terms *terms)
{
    return map != ANSWER_REQUIRETLS && !terms->tls_policy;
}

static enum answer_kind derive(const struct findings *findings, const struct answer_terms *terms,
                               enum answer_map map, struct text *out)
{
    struct verdict_terms without_dane;
    switch (map) {
    case ANSWER_QUERY:
    case ANSWER_OPPORTUNISTIC:
    case ANSWER_STS:
        return derive_query(findings, terms, false, out);
    case ANSWER_QUERY_TLSRPT:
        return derive_query(findings, terms, true, out);
    case ANSWER_POSTFIX:
        return derive_query(findings, terms, terms->tlsrpt, out);
    case ANSWER_OPPORTUNISTIC_STARTTLS:
        return derive_starttls(findings, terms, out);
    case ANSWER_ENFORCE:
        return derive_enforce(findings, &terms->enforce, out);
    case ANSWER_ENFORCE_PKI:
        without_dane = terms->enforce;
        without_dane.can &= ~(unsigned)VERDICT_CAN_DANE;
        return derive_enforce(findings, &without_dane, out);
    case ANSWER_ACCESS:
        return derive_access(findings, terms, out);
    case ANSWER_REQUIRETLS:
    case ANSWER_MAPS:
    default:
        return temp(out, "internal error", NULL);
    }
}

enum answer_kind answer_derive(const struct findings *findings, const struct answer_terms *terms,
                               enum answer_map map, char *out, size_t out_size)
{
    enum answer_kind kind;
    struct text text;
    text_init(&text, out, out_size);
    if (map == ANSWER_REQUIRETLS)
        return ok(&text, verdict_level_name(requiretls_level(terms)));
    if (terms->tls_policy)
        return answer_override(terms->tls_policy, map, &text);
    if (!findings)
        return temp(&text, "the lookup could not be made", NULL);
    kind = derive(findings, terms, map, &text);
    /* What rests on answers without AD waits until their resolver is seen to validate still. */
    if (findings->unchecked &&
        (kind == ANSWER_NOTFOUND || (kind == ANSWER_OK && strcmp(text.buf, "dane-only") != 0)))
        return pending(&text);
    return kind;
}

enum answer_kind answer_no_nexthop(enum answer_map map, char *out, size_t out_size)
{
    struct text text;
    text_init(&text, out, out_size);
    switch (map) {
    case ANSWER_ENFORCE:
    case ANSWER_ENFORCE_PKI:
        return ok(&text, ANSWER_UNSATISFIED);
    case ANSWER_OPPORTUNISTIC_STARTTLS:
        return ok(&text, "encrypt");
    case ANSWER_REQUIRETLS:
        return ok(&text, verdict_level_name(VERDICT_LEVEL_ENFORCE));
    case ANSWER_QUERY:
    case ANSWER_QUERY_TLSRPT:
    case ANSWER_POSTFIX:
    case ANSWER_OPPORTUNISTIC:
    case ANSWER_STS:
    case ANSWER_ACCESS:
    case ANSWER_MAPS:
    default:
        return nothing(&text);
    }
}
