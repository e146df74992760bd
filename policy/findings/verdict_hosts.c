/*
 * Level enforce towards a next-hop with MX hosts: each host is judged for itself, then the three
 * ways are tried in order: DANE, MTA-STS, Web PKI; last come probes, which can only take away.
 * verdict_of_hosts is all of it. Findings may be incomplete: the verdict is PENDING only while
 * something that is still in flight could change it.
 *
 * RFC 8689 sections 2 and 4.2.1, with RFC 7672 section 2.1.2 (a host whose lookups failed is
 * skipped), RFC 8461 sections 2 and 5 (MTA-STS never overrides failing DANE; nothing permanent
 * before the policy id was checked).
 */
#include "findings/verdict_internal.h"

#include "policy/host_class.h"
#include "policy/host_probe.h"

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

/* The domain is this host's own, so that there is nobody to demand TLS of. */
static void best_mx(const struct findings *f, struct verdict *out)
{
    if (f->security_known)
        verdict_set(out, VERDICT_NOT_APPLICABLE, VERDICT_REASON_BEST_MX);
    else
        verdict_set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
}

/* Those of the hosts that an STS policy in mode enforce does not forbid. */
static uint32_t allowed_by_sts(const struct view *v, uint32_t hosts)
{
    return v->binds ? hosts & v->classes.sts_match : hosts;
}

/* Whether mail may go to a host without DANE all the same. */
static bool route_passes_dane(const struct view *v)
{
    return v->terms->dane_every && !host_classes_dane_only(v->f, &v->classes);
}

/* (a): these alone count when there are any, since `dane-only` admits no others. */
static bool try_dane(const struct view *v, struct verdict *out)
{
    if (!dane_can(v) || v->dane == 0 || route_passes_dane(v))
        return false;
    verdict_set_satisfied(out, VERDICT_BASIS_DANE, v->dane);
    return true;
}

/* (b) */
static bool try_sts(const struct view *v, struct verdict *out)
{
    uint32_t hosts = (v->plain | v->dane) & v->classes.sts_match;

    if (!sts_can(v) || v->sts != STS_IN_FORCE || hosts == 0)
        return false;
    verdict_set_satisfied(out, VERDICT_BASIS_STS, hosts);
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
    uint32_t hosts = allowed_by_sts(v, for_web_pki(v));

    if (!web_pki_usable(v) || v->sts == STS_PENDING || hosts == 0)
        return false;
    verdict_set_satisfied(out, VERDICT_BASIS_WEB_PKI, hosts);
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
    return web_pki_usable(v) && allowed_by_sts(v, hosts) != 0;
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
static enum verdict_reason reason_to_doubt(const struct view *v)
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
static enum verdict_reason reason_of_shortfall(const struct view *v)
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

static enum verdict_reason reason_of_probes(enum host_probe shown)
{
    switch (shown) {
    case HOST_PROBE_NO_STARTTLS:
        return VERDICT_REASON_SERVERS_NO_STARTTLS;
    case HOST_PROBE_STARTTLS_REFUSED:
        return VERDICT_REASON_SERVERS_STARTTLS_REFUSED;
    case HOST_PROBE_NOT_AUTHENTICATED:
        return VERDICT_REASON_SERVERS_NOT_AUTHENTICATED;
    case HOST_PROBE_NO_REQUIRETLS:
        return VERDICT_REASON_SERVERS_NO_REQUIRETLS;
    case HOST_PROBE_UNKNOWN:
    case HOST_PROBE_OK:
    default:
        return VERDICT_REASON_NONE;
    }
}

/* As judged from the findings. */
static void look_at(const struct findings *f, const struct verdict_terms *terms, struct view *v)
{
    *v = (struct view){.f = f, .terms = terms};
    judge_sts(v);
    judge_hosts(v);
    v->web_pki = web_pki_open(v);
}

/* Whether other hosts might count if DNS had said more, or later says something else. */
static bool hosts_in_doubt(const struct view *v, const struct verdict *verdict)
{
    bool replaced = v->f->sts.state == FINDINGS_STS_POLICY && !v->f->sts.id_current &&
                    verdict->basis != VERDICT_BASIS_DANE;

    return !v->f->security_known || replaced || could_satisfy(v, v->failed);
}

/* Of a satisfied verdict: whether its servers, all of them, have shown that it will not do. */
static void heed_probes(const struct view *v, struct verdict *out)
{
    bool offer = (v->terms->can & VERDICT_CAN_REQUIRETLS) != 0;
    enum verdict_reason reason = reason_of_probes(host_probe_of_hosts(
        v->f, out->hosts, offer ? HOST_PROBE_DEMAND_REQUIRETLS : HOST_PROBE_DEMAND_PROOF));

    if (v->terms->published_alone || reason == VERDICT_REASON_NONE || hosts_in_doubt(v, out))
        return;
    if (could_satisfy(v, v->pending))
        *out = (struct verdict){.value = VERDICT_PENDING};
    else
        verdict_set(out, VERDICT_UNSATISFIED, reason);
}

bool verdict_hosts_are_firm(const struct findings *f, const struct verdict_terms *terms,
                            const struct verdict *verdict)
{
    struct view v;

    if (verdict->value != VERDICT_SATISFIED || f->host_count > FINDINGS_MAX_HOSTS)
        return false;
    look_at(f, terms, &v);
    return !hosts_in_doubt(&v, verdict) && !could_satisfy(&v, v.pending);
}

bool verdict_cannot_offer(const struct verdict_terms *terms)
{
    return terms->level == VERDICT_LEVEL_ENFORCE && terms->require_offer &&
           (terms->can & VERDICT_CAN_REQUIRETLS) == 0;
}

void verdict_of_hosts(const struct findings *f, const struct verdict_terms *terms,
                      struct verdict *out)
{
    struct view v;
    enum verdict_reason reason;

    if (f->host_count > FINDINGS_MAX_HOSTS) {
        verdict_set(out, VERDICT_UNDECIDED, VERDICT_REASON_DNS_FAILED);
        return;
    }
    look_at(f, terms, &v);
    if (verdict_cannot_offer(terms) && !v.classes.best_mx) {
        verdict_set(out, VERDICT_UNSATISFIED, VERDICT_REASON_ROUTE_NO_REQUIRETLS);
        return;
    }
    if (!verdict_dane_is_lost(f) &&
        (try_dane(&v, out) || try_sts(&v, out) || try_web_pki(&v, out))) {
        heed_probes(&v, out);
        return;
    }
    if (v.classes.best_mx) {
        best_mx(f, out);
    } else if (verdict_dane_is_lost(f)) {
        verdict_set(out, VERDICT_UNDECIDED, VERDICT_REASON_SECURITY_UNKNOWN);
    } else if (must_wait(&v)) {
        verdict_set(out, VERDICT_PENDING, VERDICT_REASON_NONE);
    } else if ((reason = reason_to_doubt(&v)) != VERDICT_REASON_NONE) {
        verdict_set(out, VERDICT_UNDECIDED, reason);
    } else {
        verdict_set(out, VERDICT_UNSATISFIED, reason_of_shortfall(&v));
    }
}
