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

#include "policy/host_class.h"

#include <string.h>

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
    bool binds;   /* STS mode enforce: hosts that do not match must not be used (RFC 8461 5) */
    bool web_pki; /* case (c), (d) or (e) is open on these terms */
    struct host_classes classes;
    /* Sets of hosts; under unsigned MX records TLSA records and their lookups count for nothing. */
    uint32_t dane;    /* securely found, secure usable TLSA records */
    uint32_t plain;   /* reachable; DANE does not apply to it */
    uint32_t pending; /* lookups in flight decide whether and how it counts */
    uint32_t failed;  /* lookups failed: to be skipped now, perhaps better later */
};

static bool sts_can(const struct view *v)
{
    return (v->terms->can & VERDICT_CAN_STS) != 0;
}

static bool dane_can(const struct view *v)
{
    return (v->terms->can & VERDICT_CAN_DANE) != 0;
}

static void judge_hosts(struct view *v)
{
    const uint32_t *of = v->classes.of;

    host_classes_derive(v->f, v->terms, &v->classes);
    v->plain = of[HOST_CLASS_PLAIN] | of[HOST_CLASS_UNUSABLE];
    v->pending = of[HOST_CLASS_ADDRESS_PENDING];
    v->failed = of[HOST_CLASS_ADDRESS_FAILED];
    if (v->classes.tlsa_binds) {
        v->dane = of[HOST_CLASS_DANE];
        v->pending |= of[HOST_CLASS_TLSA_PENDING];
        v->failed |= of[HOST_CLASS_TLSA_FAILED];
    } else {
        v->plain |= of[HOST_CLASS_DANE] | of[HOST_CLASS_TLSA_PENDING] | of[HOST_CLASS_TLSA_FAILED];
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
    return v->classes.tlsa_binds && (v->f->security_known || v->f->mx == FINDINGS_MX_NOT_ASKED);
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

static void satisfy(struct verdict *out, enum verdict_basis basis, uint32_t hosts)
{
    out->value = VERDICT_SATISFIED;
    out->basis = basis;
    out->hosts = hosts;
}

/* Those of the hosts that an STS policy in mode enforce does not forbid. */
static uint32_t allowed(const struct view *v, uint32_t hosts)
{
    return v->binds ? hosts & v->classes.sts_match : hosts;
}

/* Whether mail may go to a host without DANE all the same. */
static bool leads_past_dane(const struct view *v)
{
    return v->terms->dane_every && !host_classes_dane_only(v->f, &v->classes);
}

/* (a): these alone count when there are any, since `dane-only` admits no others. */
static bool try_dane(const struct view *v, struct verdict *out)
{
    if (!dane_can(v) || v->dane == 0 || leads_past_dane(v))
        return false;
    satisfy(out, VERDICT_BASIS_DANE, v->dane);
    return true;
}

/* (b) */
static bool try_sts(const struct view *v, struct verdict *out)
{
    uint32_t hosts = (v->plain | v->dane) & v->classes.sts_match;

    if (!sts_can(v) || v->sts != STS_IN_FORCE || hosts == 0)
        return false;
    satisfy(out, VERDICT_BASIS_STS, hosts);
    return true;
}

/* RFC 8689 section 2 takes a trust chain for DANE as long as the host was found securely: who
 * cannot verify DANE may go by that, and who can must go by DANE (RFC 7672 section 2.2). */
static uint32_t for_web_pki(const struct view *v)
{
    return dane_can(v) ? v->plain : v->plain | v->dane;
}

/* (c) to (e); a policy still in flight could forbid the host. */
static bool try_web_pki(const struct view *v, struct verdict *out)
{
    uint32_t hosts = allowed(v, for_web_pki(v));

    if (!web_pki_usable(v) || v->sts == STS_PENDING || hosts == 0)
        return false;
    satisfy(out, VERDICT_BASIS_WEB_PKI, hosts);
    return true;
}

/* A host of which nothing is known yet may turn out to have DANE. */
static bool could_have_dane(const struct view *v)
{
    return v->classes.tlsa_binds && dane_can(v) && v->f->security_known;
}

/* Whether one of these hosts, whose lookups are in flight or failed, could have satisfied it. */
static bool could_satisfy(const struct view *v, uint32_t hosts)
{
    if (hosts == 0)
        return false;
    if (could_have_dane(v))
        return true;
    if (v->sts == STS_IN_FORCE && sts_can(v) && (hosts & v->classes.sts_match) != 0)
        return true;
    if ((v->sts == STS_PENDING || v->sts == STS_UNKNOWN) && sts_can(v))
        return true;
    return web_pki_usable(v) && allowed(v, hosts) != 0;
}

/* Not satisfied by what is known; waiting may still help. */
static bool must_wait(const struct view *v)
{
    /* A failed host leaves a doubt, unless the policy says that it would not have mattered. */
    bool in_doubt = v->failed != 0 && !could_have_dane(v);

    if (could_satisfy(v, v->pending))
        return true;
    if (v->sts != STS_PENDING)
        return false;
    return (sts_can(v) && (in_doubt || (v->plain | v->dane) != 0)) ||
           (web_pki_usable(v) && (in_doubt || for_web_pki(v) != 0));
}

/* Not satisfied, and waiting does not help; a later try may. */
static enum verdict_reason doubt(const struct view *v)
{
    bool hosts = v->classes.counted != 0;

    if (could_satisfy(v, v->failed))
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

/* The most useful thing that can be said about a definite no: what would have been needed. */
static enum verdict_reason shortfall(const struct view *v)
{
    const struct host_classes *c = &v->classes;
    bool any_match = (c->counted & c->sts_match) != 0;

    if (c->counted == 0)
        return c->of[HOST_CLASS_NOT_PREFERRED] != 0 ? VERDICT_REASON_NO_PRIMARY
                                                    : VERDICT_REASON_NO_HOST;
    if (v->dane != 0)
        return dane_can(v) ? VERDICT_REASON_DANE_PARTIAL : VERDICT_REASON_ROUTE_NO_DANE;
    if (v->sts == STS_IN_FORCE && !any_match)
        return VERDICT_REASON_STS_NO_MATCH;
    if (v->sts == STS_IN_FORCE && !sts_can(v))
        return VERDICT_REASON_ROUTE_NO_STS;
    if (c->tlsa_binds && c->of[HOST_CLASS_UNUSABLE] != 0)
        return v->terms->web_pki ? VERDICT_REASON_DANE_UNUSABLE_ROUTE
                                 : VERDICT_REASON_DANE_UNUSABLE;
    if (v->web_pki && !v->terms->web_pki)
        return VERDICT_REASON_WEB_PKI_OFF;
    if (v->web_pki)
        return VERDICT_REASON_ROUTE_NO_WEB_PKI;
    if (c->of[HOST_CLASS_DANE] != 0)
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
    struct view v = {.f = f, .terms = terms};
    enum verdict_reason reason;

    if (f->host_count > FINDINGS_MAX_HOSTS) {
        set(out, VERDICT_UNDECIDED, VERDICT_REASON_DNS_FAILED);
        return;
    }
    judge_sts(&v);
    judge_hosts(&v);
    v.web_pki = web_pki_open(&v);

    if (verdict_cannot_offer(terms) && !v.classes.best_mx) {
        set(out, VERDICT_UNSATISFIED, VERDICT_REASON_ROUTE_NO_REQUIRETLS);
        return;
    }
    if (!dane_is_lost(f) && (try_dane(&v, out) || try_sts(&v, out) || try_web_pki(&v, out)))
        return;
    if (v.classes.best_mx) {
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
            satisfy(out, VERDICT_BASIS_LEVEL, 0);
        return;
    case VERDICT_LEVEL_OPPORTUNISTIC:
    case VERDICT_LEVEL_DISABLE:
        satisfy(out, VERDICT_BASIS_LEVEL, 0);
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
