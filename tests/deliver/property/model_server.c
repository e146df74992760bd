/*
 * phase_begin() has what is demanded of each host: at level enforce (RFC 8689 section 4.2.1), and
 * of any mail (RFC 7672, RFC 8461). try_address() goes through a session as the server's script has
 * it, up to where the client must leave, or what the server answers.
 */
#include "model_server.h"

#include <string.h>

/* ---- what is demanded of whom ---- */

bool model_is_in_force(const struct situation *s)
{
    return s->sts == STS_ENFORCE || s->sts == STS_ENFORCE_STALE;
}

/* RFC 7672 sections 2.2.1 and 2.2.2: TLSA records bind unless unsigned MX records led to the host.
 */
bool model_tlsa_binds(const struct situation *s)
{
    return s->mx != MX_INSECURE;
}

static bool any_usable(const struct situation *s)
{
    for (size_t i = 0; i < s->host_count; i++) {
        if (s->hosts[i].found == FOUND && s->hosts[i].tlsa == TLSA_USABLE)
            return true;
    }
    return false;
}

/* RFC 8689 section 4.2.1: the host was found securely, or by a policy that is authenticated itself,
 * and is authenticated by what it was found by. */
static void demand_enforce(const struct situation *s, struct phase *out)
{
    bool secure_names = model_tlsa_binds(s) && (!s->unknown || s->mx == MX_NOT_ASKED);
    bool dane = secure_names && any_usable(s);

    for (size_t i = 0; i < s->host_count; i++) {
        const struct host *h = &s->hosts[i];

        if (h->found != FOUND || (model_tlsa_binds(s) && h->tlsa == TLSA_FAILED))
            continue;
        if (dane)
            out->of[i] = h->tlsa == TLSA_USABLE ? DANE : NOT_USED;
        else if (model_is_in_force(s))
            out->of[i] = h->match ? STS : NOT_USED;
        else if (secure_names)
            out->of[i] = WEB_PKI;
    }
}

/* Whether no mail goes to a host without DANE: all have it, or a policy forbids it. */
static bool dane_alone(const struct situation *s)
{
    bool all = true;

    for (size_t i = 0; i < s->host_count; i++) {
        if (s->hosts[i].found != FOUND_ABSENT)
            all = all && s->hosts[i].found == FOUND && s->hosts[i].tlsa == TLSA_USABLE;
    }
    return all || model_is_in_force(s);
}

static enum demand as_it_is(const struct host *h)
{
    static const enum demand of[] = {[TLSA_NONE] = MAY,
                                     [TLSA_USABLE] = DANE,
                                     [TLSA_UNUSABLE] = ENCRYPT,
                                     [TLSA_FAILED] = NOT_USED};

    return of[h->tlsa];
}

/* What any mail is given (section 6 of the manual, QUERY), and with TLS as the least. */
static void demand_opportunistic(const struct situation *s, bool starttls, struct phase *out)
{
    bool usable = any_usable(s), binds = model_tlsa_binds(s);

    for (size_t i = 0; i < s->host_count; i++) {
        const struct host *h = &s->hosts[i];

        if (h->found != FOUND || (binds && h->tlsa == TLSA_FAILED))
            continue;
        if (binds && usable && (starttls || dane_alone(s)))
            out->of[i] = h->tlsa == TLSA_USABLE ? DANE : NOT_USED;
        else if (model_is_in_force(s) && !(binds && usable))
            out->of[i] = h->match ? STS : NOT_USED;
        else if (starttls)
            out->of[i] = ENCRYPT;
        else
            out->of[i] = as_it_is(h);
    }
}

static void demand(struct phase *out)
{
    if (out->enforce)
        demand_enforce(out->s, out);
    else if (!out->optional)
        demand_opportunistic(out->s, out->starttls, out);
    for (size_t i = 0; out->optional && i < out->s->host_count; i++)
        out->of[i] = out->s->hosts[i].found == FOUND ? MAY : NOT_USED;
}

void phase_begin(const struct situation *s, const struct asked *asked, enum level level,
                 struct phase *out)
{
    bool require = asked->request == REQUEST_REQUIRE;

    *out = (struct phase){.s = s, .asked = asked};
    out->optional = asked->request == REQUEST_OPTIONAL;
    out->enforce = require && level == LEVEL_ENFORCE && !asked->null_sender;
    out->starttls = require && level == LEVEL_STARTTLS && !asked->null_sender;
    out->says_offer = require && level != LEVEL_DISABLE;
    out->demands_offer = out->enforce && asked->offer;
    demand(out);
}

/* ---- one server ---- */

static bool has_name(enum leaf leaf, const struct situation *s, size_t host)
{
    bool is_nexthop = s->mx >= MX_ABSENT; /* the host is the next-hop itself */

    switch (leaf) {
    case LEAF_FIRST:
    case LEAF_EXPIRED:
    case LEAF_UNTRUSTED:
        return !is_nexthop && host == 0;
    case LEAF_SECOND:
        return !is_nexthop && host == 1;
    case LEAF_BOTH:
        return !is_nexthop && host < 2;
    case LEAF_WILDCARD:
        return is_nexthop || host != 1;
    case LEAF_CN: /* the caller knows where it counts */
        return !is_nexthop && host == 0;
    case LEAF_NEXTHOP:
    case LEAF_SELF:
    case LEAVES:
    default:
        return false;
    }
}

/* A certificate by the CA, in its dates, for a DNS-ID. */
static bool is_good_for_web_pki(enum leaf leaf, const struct situation *s, size_t host)
{
    return leaf != LEAF_EXPIRED && leaf != LEAF_UNTRUSTED && leaf != LEAF_SELF && leaf != LEAF_CN &&
           has_name(leaf, s, host);
}

/* RFC 7672 section 3.1: DANE-EE goes by the key alone; DANE-TA by the chain, its dates and names,
 * that of the next-hop among them where it was found securely. */
static bool is_good_for_dane(enum leaf leaf, const struct situation *s, size_t host)
{
    const struct host *h = &s->hosts[host];

    if (!h->tlsa_is_ta)
        return leaf == h->tlsa_of;
    return leaf != LEAF_EXPIRED && leaf != LEAF_UNTRUSTED && leaf != LEAF_SELF &&
           (has_name(leaf, s, host) || (leaf == LEAF_WILDCARD && s->mx != MX_INSECURE));
}

static bool is_verified(const struct phase *p, size_t host, const struct script *script)
{
    switch (p->of[host]) {
    case DANE:
        return is_good_for_dane(script->leaf, p->s, host);
    case STS:
    case WEB_PKI:
        return is_good_for_web_pki(script->leaf, p->s, host);
    case NOT_USED:
    case MAY:
    case ENCRYPT:
    default:
        return true;
    }
}

static struct tried left(enum end end, bool definite)
{
    return (struct tried){.end = end, .definite = definite};
}

static struct tried left_by_reply(int reply)
{
    if (reply == SILENT)
        return left(TIMED_OUT, false);
    if (reply == CLOSES || reply == GARBAGE)
        return left(BROKE_OFF, false);
    return (struct tried){.end = REFUSED, .code = reply};
}

static struct tried answered(int code, const char *enhanced, struct tried said)
{
    said.end = ANSWERED;
    said.code = code;
    said.enhanced = enhanced;
    return said;
}

/* A reply in the transaction before the content. */
static struct tried answered_by_reply(int reply, struct tried said)
{
    if (reply == CLOSES) {
        said.end = BROKE_OFF;
    } else if (reply == 421) {
        said.end = REFUSED;
        said.code = reply;
    } else {
        said.end = reply < 500 ? ANSWERED_FOR_NOW : ANSWERED;
        said.code = reply;
        said.enhanced = reply < 500 ? "4.0.0" : "5.0.0";
    }
    return said;
}

static struct tried say(const struct phase *p, const struct script *script, bool tls,
                        unsigned offers)
{
    struct tried said = {.said = true, .said_in_tls = tls, .said_in_clear = !tls};

    said.said_requiretls = p->says_offer && tls && (offers & OFFER_REQUIRETLS) != 0;
    said.said_ret_hdrs = p->says_offer && (offers & OFFER_DSN) != 0;
    if (script->mail != 250)
        return answered_by_reply(script->mail, said);
    if (script->rcpt != 250)
        return answered_by_reply(script->rcpt, said);
    if (script->data != 354)
        return answered_by_reply(script->data, said);
    if (script->dot == CLOSES)
        return answered(451, "4.4.2", said);
    return answered(script->dot,
                    script->dot < 300   ? "2.0.0"
                    : script->dot < 500 ? "4.0.0"
                                        : "5.0.0",
                    said);
}

/* The server is one that the message may be said to; what it lacks for this message. */
static struct tried transact(const struct phase *p, const struct script *script, bool tls,
                             unsigned offers)
{
    bool definite = (offers & OFFER_PIPELINING) != 0;
    /* TLS that was offered and not had could have offered more. */
    struct tried lacks = left(LACKS, definite && (tls || (offers & OFFER_STARTTLS) == 0));

    if (p->demands_offer && !(tls && (offers & OFFER_REQUIRETLS) != 0))
        return left(NO_REQUIRETLS, definite);
    lacks.enhanced = NULL;
    if (p->asked->needs_smtputf8 && (offers & OFFER_SMTPUTF8) == 0)
        lacks.enhanced = "6.7";
    else if (p->asked->needs_8bitmime && (offers & OFFER_8BITMIME) == 0)
        lacks.enhanced = "6.3";
    else if ((offers & OFFER_SIZE_SMALL) != 0)
        lacks.enhanced = "3.4";
    return lacks.enhanced != NULL ? lacks : say(p, script, tls, offers);
}

static struct tried try_in_clear(const struct phase *p, const struct script *script)
{
    return transact(p, script, false, script->offers);
}

/* TLS was begun and did not come about. */
static struct tried tls_broken(const struct phase *p, size_t host, const struct script *script,
                               struct tried otherwise)
{
    return p->of[host] == MAY ? try_in_clear(p, script) : otherwise;
}

/* Where nothing is demanded, a connection that is lost at the first command of the message counts
 * as TLS that does not work. */
static struct tried lost_at_mail(const struct phase *p, size_t host, const struct script *script,
                                 struct tried in_tls)
{
    struct tried in_clear = tls_broken(p, host, script, in_tls);

    if (p->of[host] != MAY)
        return in_tls;
    in_clear.said_both = in_clear.said && in_clear.said_requiretls != in_tls.said_requiretls;
    in_clear.said_both_ret = in_clear.said && in_clear.said_ret_hdrs != in_tls.said_ret_hdrs;
    if (!in_clear.said) {
        in_clear.said_requiretls = in_tls.said_requiretls;
        in_clear.said_ret_hdrs = in_tls.said_ret_hdrs;
    }
    in_clear.said = in_clear.said_in_tls = true;
    return in_clear;
}

static struct tried try_in_tls(const struct phase *p, size_t host, const struct script *script)
{
    struct tried tried;

    if (script->injects || script->handshake != HANDSHAKE_DONE)
        return tls_broken(p, host, script, left(NO_HANDSHAKE, false));
    if (script->old_tls && p->of[host] != MAY)
        return left(NOT_VERIFIED, true);
    if (!is_verified(p, host, script))
        return left(NOT_VERIFIED, true);
    if (script->ehlo_tls == CLOSES)
        return tls_broken(p, host, script, left(BROKE_OFF, false));
    if (script->ehlo_tls != 250)
        return left_by_reply(script->ehlo_tls);
    tried = transact(p, script, true, script->offers_tls);
    return tried.said && script->mail == CLOSES ? lost_at_mail(p, host, script, tried) : tried;
}

static struct tried try_starttls(const struct phase *p, size_t host, const struct script *script)
{
    bool may = p->of[host] == MAY;

    if ((script->offers & OFFER_STARTTLS) == 0)
        return may ? try_in_clear(p, script)
                   : left(NO_STARTTLS, (script->offers & OFFER_PIPELINING) != 0);
    if (script->starttls == 220)
        return try_in_tls(p, host, script);
    if (may)
        return try_in_clear(p, script);
    if (script->starttls == 421 || script->starttls <= 0)
        return left_by_reply(script->starttls);
    return left(script->starttls < 500 ? STARTTLS_4XX : STARTTLS_5XX, script->starttls >= 500);
}

struct tried try_address(const struct phase *p, size_t host, unsigned family)
{
    const struct script *script = &p->s->hosts[host].scripts[family];

    if (script->unreachable)
        return left(UNREACHED, false);
    if (script->greeting != 220)
        return left_by_reply(script->greeting);
    /* An old server that does not know EHLO: nothing but HELO, where no extension is demanded. */
    if (script->ehlo >= 500 && p->of[host] == MAY)
        return transact(p, script, false, 0);
    if (script->ehlo != 250)
        return left_by_reply(script->ehlo);
    return try_starttls(p, host, script);
}
