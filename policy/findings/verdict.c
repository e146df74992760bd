/*
 * The decision about a message that requires TLS, from the findings of its next-hop and the terms
 * of its route: RFC 8689 sections 2 and 4.2.1, with RFC 7672 section 2.1.2 (a host whose lookups
 * failed is skipped), RFC 8461 sections 2 and 5 (MTA-STS never overrides failing DANE; nothing
 * permanent before the policy id was checked), RFC 7505.
 *
 * At level enforce each host is judged for itself, then the three ways are tried in order: DANE,
 * MTA-STS, Web PKI. Findings may be incomplete: the verdict is PENDING only while something that is
 * still in flight could change it. Texts are in verdict_explain.c.
 */
#include "policy/verdict.h"

#include <errno.h>
#include <string.h>

/* What is known of one host, as far as a verdict needs it. */
enum standing {
    HOST_OUT,     /* no address, or not preferred over ourselves: counts for nothing */
    HOST_PENDING, /* lookups in flight decide whether and how it counts */
    HOST_FAILED,  /* lookups failed: to be skipped now, perhaps better later */
    HOST_DANE,    /* securely found, secure usable TLSA records */
    HOST_PLAIN,   /* reachable; DANE does not apply to it */
};

enum sts_standing {
    STS_NOT_IN_FORCE,
    STS_IN_FORCE, /* and counts: mode enforce, or testing where the terms accept that */
    STS_PENDING,
    STS_UNKNOWN, /* failed, nothing cached: counts as no policy, but could have been one */
};

struct view {
    const struct findings *f;
    const struct verdict_terms *terms;
    enum sts_standing sts;
    bool binds;  /* STS mode enforce: hosts that do not match must not be used (RFC 8461 5) */
    bool secure; /* the host names were found securely, so that TLSA and Web PKI name checks bind */
    bool web_pki; /* case (c), (d) or (e) is open on these terms */
    uint8_t standing[FINDINGS_MAX_HOSTS];
    unsigned count[HOST_PLAIN + 1];
    size_t reachable; /* leading hosts that are preferred over ourselves */
};

static bool sts_can(const struct view *v)
{
    return (v->terms->can & VERDICT_CAN_STS) != 0;
}

static bool dane_can(const struct view *v)
{
    return (v->terms->can & VERDICT_CAN_DANE) != 0;
}

static bool has_address(const struct findings_host *host)
{
    return host->a == FINDINGS_ADDR_SECURE || host->a == FINDINGS_ADDR_INSECURE ||
           host->aaaa == FINDINGS_ADDR_SECURE || host->aaaa == FINDINGS_ADDR_INSECURE;
}

static enum standing judge_host(const struct findings_host *host, bool secure)
{
    if (!has_address(host)) {
        if (host->a == FINDINGS_ADDR_PENDING || host->aaaa == FINDINGS_ADDR_PENDING)
            return HOST_PENDING;
        if (findings_host_is_gone(host))
            return HOST_OUT;
        return HOST_FAILED;
    }
    if (!secure)
        return HOST_PLAIN; /* its TLSA records bind nobody (RFC 7672 2.2.1) */
    switch ((enum findings_tlsa_state)host->tlsa_state) {
    case FINDINGS_TLSA_PENDING:
        return HOST_PENDING;
    case FINDINGS_TLSA_USABLE:
        return HOST_DANE;
    case FINDINGS_TLSA_NONE:
    case FINDINGS_TLSA_UNUSABLE:
        return HOST_PLAIN;
    case FINDINGS_TLSA_FAILED:
    default:
        return HOST_FAILED;
    }
}

static bool is_own(const struct findings_host *host, const struct verdict_terms *terms)
{
    for (size_t n = 0; n < terms->my_name_count; n++) {
        if (strcmp(host->name, terms->my_names[n]) == 0)
            return true;
    }
    return false;
}

size_t verdict_reachable_hosts(const struct findings *f, const struct verdict_terms *terms)
{
    if (f->mx == FINDINGS_MX_NOT_ASKED)
        return f->host_count;
    for (size_t i = 0; i < f->host_count; i++) {
        if (!is_own(&f->hosts[i], terms))
            continue;
        while (i > 0 && f->hosts[i - 1].preference >= f->hosts[i].preference)
            i--;
        return i;
    }
    return f->host_count;
}

static void judge_hosts(struct view *v)
{
    v->reachable = verdict_reachable_hosts(v->f, v->terms);
    for (size_t i = 0; i < v->f->host_count; i++) {
        enum standing standing = judge_host(&v->f->hosts[i], v->secure);

        if (i >= v->reachable)
            standing = HOST_OUT;
        v->standing[i] = (uint8_t)standing;
        v->count[standing]++;
    }
}

static void judge_sts(struct view *v)
{
    const struct findings_sts *sts = &v->f->sts;

    switch ((enum findings_sts_state)sts->state) {
    case FINDINGS_STS_OFF:
    case FINDINGS_STS_NONE:
        v->sts = STS_NOT_IN_FORCE;
        return;
    case FINDINGS_STS_PENDING:
        v->sts = STS_PENDING;
        return;
    case FINDINGS_STS_POLICY:
        v->binds = sts->mode == FINDINGS_STS_MODE_ENFORCE;
        v->sts = v->binds || (sts->mode == FINDINGS_STS_MODE_TESTING && v->terms->accept_testing)
                     ? STS_IN_FORCE
                     : STS_NOT_IN_FORCE;
        return;
    case FINDINGS_STS_FAILED:
    default:
        v->sts = STS_UNKNOWN;
        return;
    }
}

/* Cases (c) to (e). What no trusted resolver vouches for is open to [host] alone, whose name came
 * from the administrator. */
static bool web_pki_open(const struct view *v)
{
    return v->secure && (v->f->security_known || v->f->mx == FINDINGS_MX_NOT_ASKED);
}

static bool web_pki_usable(const struct view *v)
{
    return v->web_pki && v->terms->web_pki && (v->terms->can & VERDICT_CAN_WEB_PKI) != 0;
}

static void set(struct verdict *out, enum verdict_value value, enum verdict_reason reason)
{
    out->value = value;
    out->reason = reason;
}

/* Nothing is refused for good on the word of a resolver that may be wrong. */
static void refuse(const struct findings *f, enum verdict_reason reason, struct verdict *out)
{
    if (f->security_known)
        set(out, VERDICT_UNSATISFIED, reason);
    else
        set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
}

/* The domain is this host's own, so that there is nobody to demand TLS of. */
static void best_mx(const struct findings *f, struct verdict *out)
{
    if (f->security_known)
        set(out, VERDICT_NOT_APPLICABLE, VERDICT_REASON_BEST_MX);
    else
        set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
}

static void satisfy(struct verdict *out, enum verdict_basis basis)
{
    out->value = VERDICT_SATISFIED;
    out->basis = basis;
}

/* Whether the host, once its own lookups are done, may be used under the STS policy. */
static bool matches(const struct view *v, size_t i)
{
    return v->f->hosts[i].sts_match;
}

/* Whether mail may go to a host without DANE all the same. */
static bool leads_past_dane(const struct view *v)
{
    return v->terms->dane_every && !v->binds &&
           v->count[HOST_DANE] + v->count[HOST_OUT] < v->f->host_count;
}

/* (a): these alone count when there are any, since `dane-only` admits no others. */
static bool try_dane(const struct view *v, struct verdict *out)
{
    if (!dane_can(v) || v->count[HOST_DANE] == 0 || leads_past_dane(v))
        return false;
    for (size_t i = 0; i < v->f->host_count; i++) {
        if (v->standing[i] == HOST_DANE)
            out->hosts |= UINT32_C(1) << i;
    }
    satisfy(out, VERDICT_BASIS_DANE);
    return true;
}

/* (b) */
static bool try_sts(const struct view *v, struct verdict *out)
{
    uint32_t hosts = 0;

    if (!sts_can(v) || v->sts != STS_IN_FORCE)
        return false;
    for (size_t i = 0; i < v->f->host_count; i++) {
        if ((v->standing[i] == HOST_PLAIN || v->standing[i] == HOST_DANE) && matches(v, i))
            hosts |= UINT32_C(1) << i;
    }
    if (hosts == 0)
        return false;
    out->hosts = hosts;
    satisfy(out, VERDICT_BASIS_STS);
    return true;
}

/* RFC 8689 section 2 takes a trust chain for DANE as long as the host was found securely: who
 * cannot verify DANE may go by that, and who can must go by DANE (RFC 7672 section 2.2). */
static bool is_for_web_pki(const struct view *v, size_t i)
{
    return v->standing[i] == HOST_PLAIN || (v->standing[i] == HOST_DANE && !dane_can(v));
}

/* (c) to (e); a policy still in flight could forbid the host. */
static bool try_web_pki(const struct view *v, struct verdict *out)
{
    uint32_t hosts = 0;

    if (!web_pki_usable(v) || v->sts == STS_PENDING)
        return false;
    for (size_t i = 0; i < v->f->host_count; i++) {
        if (is_for_web_pki(v, i) && (!v->binds || matches(v, i)))
            hosts |= UINT32_C(1) << i;
    }
    if (hosts == 0)
        return false;
    out->hosts = hosts;
    satisfy(out, VERDICT_BASIS_WEB_PKI);
    return true;
}

/* A host of which nothing is known yet may turn out to have DANE. */
static bool could_have_dane(const struct view *v)
{
    return v->secure && dane_can(v) && v->f->security_known;
}

/* Whether a host whose lookups are in flight or failed could have satisfied the verdict. */
static bool could_satisfy(const struct view *v, size_t i)
{
    if (could_have_dane(v))
        return true;
    if (v->sts == STS_IN_FORCE && sts_can(v) && matches(v, i))
        return true;
    if ((v->sts == STS_PENDING || v->sts == STS_UNKNOWN) && sts_can(v))
        return true;
    return web_pki_usable(v) && (!v->binds || matches(v, i));
}

static bool any_could_satisfy(const struct view *v, enum standing standing)
{
    for (size_t i = 0; i < v->f->host_count; i++) {
        if (v->standing[i] == standing && could_satisfy(v, i))
            return true;
    }
    return false;
}

/* Not satisfied by what is known; waiting may still help. */
static bool must_wait(const struct view *v)
{
    unsigned reachable = v->count[HOST_PLAIN] + v->count[HOST_DANE];
    unsigned dane_only = dane_can(v) ? v->count[HOST_DANE] : 0;

    if (any_could_satisfy(v, HOST_PENDING))
        return true;
    if (v->sts != STS_PENDING)
        return false;
    /* A failed host leaves a doubt, unless the policy says that it would not have mattered. */
    if (v->count[HOST_FAILED] > 0 && !could_have_dane(v))
        reachable++;
    return (sts_can(v) && reachable > 0) || (web_pki_usable(v) && reachable > dane_only);
}

/* Not satisfied, and waiting does not help; a later try may. */
static enum verdict_reason doubt(const struct view *v)
{
    bool hosts = v->count[HOST_OUT] < v->f->host_count;

    if (any_could_satisfy(v, HOST_FAILED))
        return VERDICT_REASON_DNS_FAILED;
    if (v->sts == STS_UNKNOWN && sts_can(v) && hosts)
        return VERDICT_REASON_STS_FAILED;
    /* Another policy may have taken the place of the one we know (RFC 8461 5). */
    if (v->f->sts.state == FINDINGS_STS_POLICY && !v->f->sts.id_current && hosts &&
        (sts_can(v) || web_pki_usable(v)))
        return VERDICT_REASON_STS_FAILED;
    if (!v->f->security_known)
        return VERDICT_REASON_SECURITY_UNKNOWN;
    return VERDICT_REASON_NONE;
}

static bool any_tlsa(const struct view *v, enum findings_tlsa_state state)
{
    for (size_t i = 0; i < v->f->host_count; i++) {
        if (v->standing[i] != HOST_OUT && v->f->hosts[i].tlsa_state == state)
            return true;
    }
    return false;
}

static bool any_match(const struct view *v)
{
    for (size_t i = 0; i < v->f->host_count; i++) {
        if (v->standing[i] != HOST_OUT && matches(v, i))
            return true;
    }
    return false;
}

/* The most useful thing that can be said about a definite no: what would have been needed. */
static enum verdict_reason shortfall(const struct view *v)
{
    if (v->count[HOST_OUT] == v->f->host_count)
        return v->reachable < v->f->host_count ? VERDICT_REASON_NO_PRIMARY : VERDICT_REASON_NO_HOST;
    if (v->count[HOST_DANE] > 0 && !dane_can(v))
        return VERDICT_REASON_ROUTE_NO_DANE;
    if (v->count[HOST_DANE] > 0)
        return VERDICT_REASON_DANE_PARTIAL;
    if (v->sts == STS_IN_FORCE && any_match(v) && !sts_can(v))
        return VERDICT_REASON_ROUTE_NO_STS;
    if (v->sts == STS_IN_FORCE && !any_match(v))
        return VERDICT_REASON_STS_NO_MATCH;
    if (v->secure && any_tlsa(v, FINDINGS_TLSA_UNUSABLE))
        return v->terms->web_pki ? VERDICT_REASON_DANE_UNUSABLE_ROUTE
                                 : VERDICT_REASON_DANE_UNUSABLE;
    if (v->web_pki && !v->terms->web_pki)
        return VERDICT_REASON_WEB_PKI_OFF;
    if (v->web_pki)
        return VERDICT_REASON_ROUTE_NO_WEB_PKI;
    if (any_tlsa(v, FINDINGS_TLSA_USABLE))
        return VERDICT_REASON_DANE_INSECURE_MX;
    if (v->f->sts.state == FINDINGS_STS_POLICY)
        return VERDICT_REASON_STS_NOT_ENFORCE;
    return VERDICT_REASON_NOTHING_PUBLISHED;
}

bool verdict_cannot_offer(const struct verdict_terms *terms)
{
    return terms->level == VERDICT_LEVEL_ENFORCE && terms->require_offer &&
           (terms->can & VERDICT_CAN_REQUIRETLS) == 0;
}

/* It is known to have DANE, which cannot be seen now: nothing else takes its place (RFC 8461 2). */
static bool dane_is_lost(const struct findings *f)
{
    return !f->security_known && f->dane_seen;
}

static void derive_from_hosts(const struct findings *f, const struct verdict_terms *terms,
                              struct verdict *out)
{
    struct view v = {.f = f, .terms = terms, .secure = f->mx != FINDINGS_MX_INSECURE};
    enum verdict_reason reason;

    if (f->host_count > FINDINGS_MAX_HOSTS) {
        set(out, VERDICT_UNDECIDED, VERDICT_REASON_DNS_FAILED);
        return;
    }
    judge_sts(&v);
    judge_hosts(&v);
    v.web_pki = web_pki_open(&v);

    if (verdict_cannot_offer(terms) && (v.reachable > 0 || f->host_count == 0)) {
        set(out, VERDICT_UNSATISFIED, VERDICT_REASON_ROUTE_NO_REQUIRETLS);
        return;
    }
    if (!dane_is_lost(f) && (try_dane(&v, out) || try_sts(&v, out) || try_web_pki(&v, out)))
        return;
    if (v.reachable == 0 && f->host_count > 0) {
        best_mx(f, out);
    } else if (dane_is_lost(f)) {
        set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
    } else if (must_wait(&v)) {
        set(out, VERDICT_PENDING, VERDICT_REASON_NONE);
    } else if ((reason = doubt(&v)) != VERDICT_REASON_NONE) {
        set(out, VERDICT_UNDECIDED, reason);
    } else {
        set(out, VERDICT_UNSATISFIED, shortfall(&v));
    }
}

static void derive_enforce(const struct findings *f, const struct verdict_terms *terms,
                           struct verdict *out)
{
    if (f->nexthop.kind == NEXTHOP_LITERAL) {
        set(out, VERDICT_UNSATISFIED, VERDICT_REASON_LITERAL);
        return;
    }
    switch ((enum findings_mx)f->mx) {
    case FINDINGS_MX_PENDING:
        set(out, VERDICT_PENDING, VERDICT_REASON_NONE);
        return;
    case FINDINGS_MX_NULL:
        refuse(f, VERDICT_REASON_NULL_MX, out);
        return;
    case FINDINGS_MX_NXDOMAIN:
        if (dane_is_lost(f))
            set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
        else
            set(out, VERDICT_NOT_APPLICABLE, VERDICT_REASON_NO_DOMAIN);
        return;
    case FINDINGS_MX_NOT_ASKED:
    case FINDINGS_MX_SECURE:
    case FINDINGS_MX_INSECURE:
    case FINDINGS_MX_ABSENT:
        derive_from_hosts(f, terms, out);
        return;
    case FINDINGS_MX_FAILED:
    default:
        set(out, VERDICT_UNDECIDED, VERDICT_REASON_DNS_FAILED);
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

static void derive(const struct findings *f, const struct verdict_terms *terms, struct verdict *out)
{
    switch (terms->level) {
    case VERDICT_LEVEL_ENFORCE:
        derive_enforce(f, terms, out);
        return;
    case VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS:
        /* Servers known to lack STARTTLS would be refused; nobody probes for that yet. */
        if (f->mx == FINDINGS_MX_NULL && f->security_known)
            set(out, VERDICT_UNSATISFIED, VERDICT_REASON_NULL_MX);
        else if (f->mx == FINDINGS_MX_NXDOMAIN)
            set(out, VERDICT_NOT_APPLICABLE, VERDICT_REASON_NO_DOMAIN);
        else
            satisfy(out, VERDICT_BASIS_LEVEL);
        return;
    case VERDICT_LEVEL_OPPORTUNISTIC:
    case VERDICT_LEVEL_DISABLE:
        satisfy(out, VERDICT_BASIS_LEVEL);
        return;
    default:
        set(out, VERDICT_UNDECIDED, VERDICT_REASON_DNS_FAILED);
        return;
    }
}

void verdict_derive(const struct findings *f, const struct verdict_terms *terms,
                    struct verdict *out)
{
    memset(out, 0, sizeof *out);
    derive(f, terms, out);
    wait_for_check(f, out);
}
