/*
 * From findings to what a delivery must demand. At level enforce the verdict decides, and what its
 * basis comes to is demanded of the hosts that it counted. Below that, DANE comes first (RFC 7672),
 * then MTA-STS in mode enforce, which never overrides DANE that fails or may exist (RFC 8461
 * section 2); whether TLSA records bind depends on the MX records (derive_signed, derive_unsigned).
 * opportunistic+starttls is the same with TLS as the least.
 */
#include "policy/requirement.h"

#include "policy/host_class.h"

#include <string.h>

static uint32_t pending_hosts(const struct host_classes *hosts)
{
    return hosts->of[HOST_CLASS_ADDRESS_PENDING] | hosts->of[HOST_CLASS_TLSA_PENDING];
}

static uint32_t failed_hosts(const struct host_classes *hosts)
{
    return hosts->of[HOST_CLASS_ADDRESS_FAILED] | hosts->of[HOST_CLASS_TLSA_FAILED];
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

static void set_unknown(struct requirement *out, const char *failure, const char *detail)
{
    out->kind = REQUIREMENT_UNKNOWN;
    out->failure = failure;
    out->detail = detail;
}

/* Hosts that failed must be skipped, and no other is there. */
static void no_host_usable(const struct findings *f, const struct host_classes *hosts,
                           struct requirement *out)
{
    const char *detail = NULL;

    for (size_t i = 0; i < f->host_count && i < FINDINGS_MAX_HOSTS && detail == NULL; i++) {
        if ((hosts->counted >> i & 1) != 0)
            detail = f->hosts[i].failure;
    }
    set_unknown(out, "DNS lookup failed for every MX host", detail);
}

/* An STS policy in mode enforce. A host whose TLSA lookup failed may have TLSA records, which
 * MTA-STS must not override where they bind: then the others are named, not the patterns, which may
 * cover it. */
static void derive_sts(const struct findings *f, bool tlsa_binds, const struct host_classes *hosts,
                       struct requirement *out)
{
    uint32_t others = hosts->of[HOST_CLASS_PLAIN] | hosts->of[HOST_CLASS_UNUSABLE];

    if (!tlsa_binds || failed_hosts(hosts) == 0) {
        out->kind = REQUIREMENT_STS;
        out->names = REQUIREMENT_NAMES_OF_POLICY;
        out->hosts = hosts->counted & hosts->sts_match;
        return;
    }
    no_host_usable(f, hosts, out);
    out->hosts = others & hosts->sts_match;
    if (out->hosts != 0)
        out->kind = REQUIREMENT_STS;
}

/* The MX records are signed, or there are none: RFC 7672 sections 2.2.1 and 2.2.2 hold in full. */
static void derive_signed(const struct findings *f, const struct host_classes *hosts,
                          struct requirement *out)
{
    out->hosts = hosts->of[HOST_CLASS_DANE];
    if (pending_hosts(hosts) != 0)
        out->kind = REQUIREMENT_PENDING;
    else if (out->hosts != 0 && host_classes_dane_only(f, hosts))
        out->kind = REQUIREMENT_DANE_ONLY;
    else if (sts_pending(f))
        out->kind = REQUIREMENT_PENDING;
    else if (out->hosts != 0)
        out->kind = REQUIREMENT_DANE;
    else if (sts_enforced(f))
        derive_sts(f, true, hosts, out);
    else if (hosts->of[HOST_CLASS_UNUSABLE] != 0)
        out->kind = REQUIREMENT_DANE;
    else if (failed_hosts(hosts) == 0)
        out->kind = REQUIREMENT_NONE;
    else if (hosts->of[HOST_CLASS_PLAIN] != 0)
        /* With `dane` Postfix itself skips a host whose TLSA lookup fails, and uses the others. */
        out->kind = REQUIREMENT_DANE;
    else
        no_host_usable(f, hosts, out);
}

/* Unsigned MX records: whoever forges them chooses the host, but its own TLSA still helps. */
static void derive_unsigned(const struct findings *f, const struct host_classes *hosts,
                            struct requirement *out)
{
    uint32_t with_tlsa = hosts->of[HOST_CLASS_DANE] | hosts->of[HOST_CLASS_UNUSABLE];

    if (sts_pending(f)) {
        out->kind = REQUIREMENT_PENDING;
    } else if (sts_enforced(f)) {
        derive_sts(f, false, hosts, out);
    } else if (pending_hosts(hosts) != 0) {
        out->kind = REQUIREMENT_PENDING;
    } else if (with_tlsa != 0) {
        out->kind = REQUIREMENT_DANE;
        out->hosts = hosts->of[HOST_CLASS_DANE];
    } else if (hosts->of[HOST_CLASS_PLAIN] != 0) {
        out->kind = hosts->of[HOST_CLASS_TLSA_FAILED] != 0 ? REQUIREMENT_DANE : REQUIREMENT_NONE;
    } else if (failed_hosts(hosts) != 0) {
        no_host_usable(f, hosts, out);
    } else {
        out->kind = REQUIREMENT_NONE;
    }
}

/* What all mail is given. */
static void derive_opportunistic(const struct findings *f, const struct host_classes *hosts,
                                 struct requirement *out)
{
    static const struct host_classes no_hosts;

    if (f->nexthop.kind == NEXTHOP_LITERAL) {
        out->kind = REQUIREMENT_NONE;
        return;
    }
    if (f->mx != FINDINGS_MX_PENDING && f->mx != FINDINGS_MX_FAILED && !f->security_known &&
        f->dane_seen) {
        set_unknown(out, "DNS security is unknown, and this next-hop is known to have DANE", NULL);
        return;
    }
    switch ((enum findings_mx)f->mx) {
    case FINDINGS_MX_PENDING:
        out->kind = REQUIREMENT_PENDING;
        return;
    case FINDINGS_MX_NOT_ASKED:
    case FINDINGS_MX_SECURE:
    case FINDINGS_MX_ABSENT:
        if (f->security_known)
            derive_signed(f, hosts, out);
        else
            derive_unsigned(f, hosts, out);
        return;
    case FINDINGS_MX_INSECURE:
        derive_unsigned(f, hosts, out);
        return;
    case FINDINGS_MX_NULL:
    case FINDINGS_MX_NXDOMAIN:
        /* The MTA says it better, but asks DNS itself, later: whoever forges this answer to us and
         * another one to the MTA must not get past a policy in force. */
        derive_unsigned(f, &no_hosts, out);
        return;
    case FINDINGS_MX_FAILED:
        set_unknown(out, "MX lookup failed", f->failure);
        return;
    default:
        set_unknown(out, "internal error", NULL);
        return;
    }
}

/* With `dane` Postfix sends without TLS to a host that has no TLSA records, and, as long as
 * smtp_tls_dane_insecure_mx_policy is `may`, to all that unsigned MX records name. */
static void at_least_encrypt(const struct host_classes *hosts, struct requirement *out)
{
    if (out->kind == REQUIREMENT_DANE)
        out->kind =
            hosts->tlsa_binds && out->hosts != 0 ? REQUIREMENT_DANE_ONLY : REQUIREMENT_ENCRYPT;
    else if (out->kind == REQUIREMENT_NONE)
        out->kind = REQUIREMENT_ENCRYPT;
}

/* From the verdict, which alone decides whether the level can be met and by which hosts. */
static void derive_enforce(const struct findings *f, const struct verdict_terms *terms,
                           const struct host_classes *hosts, struct requirement *out)
{
    struct verdict_terms enforce = *terms;

    enforce.level = VERDICT_LEVEL_ENFORCE;
    verdict_derive(f, &enforce, &out->verdict);
    switch (out->verdict.value) {
    case VERDICT_PENDING:
        out->kind = REQUIREMENT_PENDING;
        return;
    case VERDICT_SATISFIED:
        out->hosts = out->verdict.hosts;
        out->kind =
            requirement_of_basis(f, &enforce, out->verdict.basis, VERDICT_LEVEL_ENFORCE, true);
        /* A host still in flight may yet make another answer of it (DANE, more names), and the MTA
         * asks for every host anew: a message must not meet both answers. */
        if (out->kind != REQUIREMENT_DANE_ONLY && pending_hosts(hosts) != 0)
            out->kind = REQUIREMENT_PENDING;
        return;
    case VERDICT_UNSATISFIED:
    case VERDICT_NOT_APPLICABLE: /* no such domain, or our own: there is no server to go to */
        out->kind = REQUIREMENT_IMPOSSIBLE;
        return;
    case VERDICT_UNDECIDED:
    default:
        out->kind = REQUIREMENT_UNKNOWN;
        return;
    }
}

/* What rests on answers without AD waits until their resolver is seen to validate still. At enforce
 * the verdict has waited. */
static void wait_for_check(const struct findings *f, struct requirement *out)
{
    if (f->unchecked && out->kind != REQUIREMENT_DANE_ONLY && out->kind != REQUIREMENT_UNKNOWN)
        out->kind = REQUIREMENT_PENDING;
}

void requirement_derive(const struct findings *f, const struct verdict_terms *terms,
                        enum verdict_level level, struct requirement *out)
{
    struct host_classes hosts;

    memset(out, 0, sizeof *out);
    host_classes_derive(f, terms, &hosts);
    switch (level) {
    case VERDICT_LEVEL_DISABLE:
        out->kind = REQUIREMENT_NONE;
        return;
    case VERDICT_LEVEL_OPPORTUNISTIC:
        derive_opportunistic(f, &hosts, out);
        wait_for_check(f, out);
        return;
    case VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS:
        derive_opportunistic(f, &hosts, out);
        at_least_encrypt(&hosts, out);
        wait_for_check(f, out);
        return;
    case VERDICT_LEVEL_ENFORCE:
        derive_enforce(f, terms, &hosts, out);
        return;
    default:
        set_unknown(out, "internal error", NULL);
        return;
    }
}

enum requirement_kind requirement_of_basis(const struct findings *f,
                                           const struct verdict_terms *terms,
                                           enum verdict_basis basis, enum verdict_level level,
                                           bool asks_enforce)
{
    struct host_classes hosts;

    switch (basis) {
    case VERDICT_BASIS_DANE:
        if (asks_enforce || f == NULL)
            return REQUIREMENT_DANE_ONLY;
        host_classes_derive(f, terms, &hosts);
        return host_classes_dane_only(f, &hosts) ? REQUIREMENT_DANE_ONLY : REQUIREMENT_DANE;
    case VERDICT_BASIS_STS:
        return REQUIREMENT_STS;
    case VERDICT_BASIS_WEB_PKI:
        return REQUIREMENT_WEB_PKI;
    case VERDICT_BASIS_LEVEL:
        return level == VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS ? REQUIREMENT_ENCRYPT
                                                             : REQUIREMENT_NONE;
    case VERDICT_BASIS_NONE:
    default:
        return REQUIREMENT_IMPOSSIBLE;
    }
}

const char *requirement_tls_level(enum requirement_kind kind)
{
    switch (kind) {
    case REQUIREMENT_NONE:
        return "may";
    case REQUIREMENT_ENCRYPT:
        return "encrypt";
    case REQUIREMENT_DANE:
        return "dane";
    case REQUIREMENT_DANE_ONLY:
        return "dane-only";
    case REQUIREMENT_STS:
    case REQUIREMENT_WEB_PKI:
        return "secure";
    case REQUIREMENT_PENDING:
    case REQUIREMENT_UNKNOWN:
    case REQUIREMENT_IMPOSSIBLE:
    default:
        return "none";
    }
}
