/*
 * What follows from findings for a message that requires TLS: one pure function.
 * RFC 8689 section 2 and 4.2.1 (what enforce demands), RFC 7672, RFC 8461 section 2
 * (MTA-STS never overrides failing DANE), RFC 7505.
 */
#ifndef POLICY_VERDICT_H
#define POLICY_VERDICT_H

#include "policy/findings.h"
#include "policy/nexthop.h"

/* How strictly a request is enforced towards a next-hop: Postfix's names. */
enum verdict_level {
    VERDICT_LEVEL_ENFORCE,
    VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS,
    VERDICT_LEVEL_OPPORTUNISTIC,
    VERDICT_LEVEL_DISABLE,
};

/* What the route of the message can enforce at delivery; a verdict counts nothing else. */
enum {
    VERDICT_CAN_DANE = 1 << 0,
    VERDICT_CAN_STS = 1 << 1,
    VERDICT_CAN_WEB_PKI = 1 << 2,
    VERDICT_CAN_FALLBACK = 1 << 3, /* can carry mail at a lower level than enforce */
    /* Says REQUIRETLS in MAIL FROM, and goes only to servers that offer it. */
    VERDICT_CAN_REQUIRETLS = 1 << 4,
};

struct verdict_terms {
    enum verdict_level level;
    unsigned can;        /* VERDICT_CAN_... */
    bool web_pki;        /* cases (c) to (e) may be satisfied by a Web PKI certificate */
    bool accept_testing; /* an STS policy in mode testing counts like enforce */
    bool dane_every; /* DANE satisfies only if every host that mail can go to has it, as the route
                        lets mail go to the others too, unless an STS policy forbids it */
    bool require_offer;   /* authenticated TLS is not enough: the route must can requiretls, so that
                             the next server is told (RFC 8689 section 4.2.1 to the letter) */
    bool published_alone; /* probes that the findings carry are not heeded: answers of maps, which
                             say what is demanded and not what will come of it */
    /* Our own MX names, A-labels in lower case: MX hosts not preferred over them do not count. */
    const char *const *my_names;
    size_t my_name_count;
};

enum verdict_value {
    VERDICT_SATISFIED,
    VERDICT_UNSATISFIED,    /* permanent: 5xx */
    VERDICT_UNDECIDED,      /* temporary: 4xx */
    VERDICT_NOT_APPLICABLE, /* the MTA says it better, or nothing is to be enforced */
    VERDICT_PENDING,        /* the findings are not complete enough to tell: wait */
};

enum verdict_basis {
    VERDICT_BASIS_NONE,
    VERDICT_BASIS_DANE,
    VERDICT_BASIS_STS,
    VERDICT_BASIS_WEB_PKI,
    VERDICT_BASIS_LEVEL, /* the level asks for nothing that must be found first */
};

enum verdict_reason {
    VERDICT_REASON_NONE,
    VERDICT_REASON_NOTHING_PUBLISHED, /* neither DANE nor MTA-STS, MX not signed */
    VERDICT_REASON_STS_NOT_ENFORCE,   /* an STS policy, but in mode testing or none */
    VERDICT_REASON_STS_NO_MATCH,      /* no MX host matches the STS policy in force */
    VERDICT_REASON_DANE_PARTIAL,  /* some hosts have no DANE, and the route does not avoid them */
    VERDICT_REASON_DANE_UNUSABLE, /* no usable TLSA records, and web_pki = no */
    VERDICT_REASON_DANE_UNUSABLE_ROUTE, /* likewise, and this route cannot use the Web PKI */
    VERDICT_REASON_DANE_INSECURE_MX,
    VERDICT_REASON_ROUTE_NO_WEB_PKI, /* only the Web PKI could do, and this route cannot use it */
    VERDICT_REASON_ROUTE_NO_DANE,
    VERDICT_REASON_ROUTE_NO_STS,
    VERDICT_REASON_ROUTE_NO_REQUIRETLS, /* the next server must be told, and this route cannot */
    VERDICT_REASON_WEB_PKI_OFF,         /* only the Web PKI could do, and web_pki = no */
    VERDICT_REASON_LITERAL,             /* an address literal can publish nothing */
    VERDICT_REASON_NULL_MX,
    VERDICT_REASON_NO_DOMAIN,
    VERDICT_REASON_NO_HOST,    /* no MX host has an address */
    VERDICT_REASON_NO_PRIMARY, /* no MX host preferred over ourselves has an address */
    VERDICT_REASON_BEST_MX,    /* no MX host is preferred over ourselves: the domain is ours */
    VERDICT_REASON_DNS_FAILED, /* an MX, address or TLSA lookup failed where it matters */
    VERDICT_REASON_STS_FAILED, /* STS could still have satisfied it, but cannot be known now */
    VERDICT_REASON_SECURITY_UNKNOWN,
    /* What probes of every server that counts have shown; of several the one that came farthest. */
    VERDICT_REASON_SERVERS_NO_STARTTLS,
    VERDICT_REASON_SERVERS_STARTTLS_REFUSED,
    VERDICT_REASON_SERVERS_NOT_AUTHENTICATED,
    VERDICT_REASON_SERVERS_NO_REQUIRETLS,
};

struct verdict {
    enum verdict_value value;
    enum verdict_basis basis;
    enum verdict_reason reason;
    uint32_t hosts; /* bit i: findings.hosts[i] counts (FINDINGS_MAX_HOSTS bits). With a reason of
                       SERVERS_... basis and hosts are those that would have satisfied */
};

/*
 * Probes that the findings carry turn SATISFIED into UNSATISFIED where every host that counts was
 * reached and each says no (host_probe.h); nothing else of them changes a verdict, and no probe
 * makes a verdict SATISFIED. They must have been made under the same terms. While lookups in flight
 * could show one more host that counts it is PENDING.
 *
 * Never fails; an impossible value in the findings is UNDECIDED. Any thread. What must be demanded
 * at delivery follows from it at level enforce: requirement.h.
 */
void verdict_derive(const struct findings *findings, const struct verdict_terms *terms,
                    struct verdict *out);

/*
 * The verdict as far as the level and the kind of next-hop alone decide it: below enforce nothing
 * must be found out first, at enforce an address literal can publish nothing. Returns false where
 * findings are needed; *out is then UNDECIDED, as if the lookup had failed. Any thread.
 */
bool verdict_without_findings(enum nexthop_kind kind, enum verdict_level level,
                              struct verdict *out);

/*
 * Whether no server could satisfy these terms: the level is enforce, require_offer is set, and the
 * route cannot pass REQUIRETLS on. Any thread.
 */
bool verdict_cannot_offer(const struct verdict_terms *terms);

/*
 * Whether the hosts of a satisfied verdict at level enforce are all that could satisfy: no other
 * would if DNS said more, or says something else once an MTA-STS policy is looked up afresh
 * (RFC 8461 section 5). Only then is what every one of them has shown a permanent no. Any thread.
 */
bool verdict_hosts_are_firm(const struct findings *findings, const struct verdict_terms *terms,
                            const struct verdict *verdict);

/* Whether what servers did decides it, and not what is published. Any thread. */
bool verdict_is_by_probes(const struct verdict *verdict);

/*
 * One clause for people, what is missing at which next-hop, e.g. "example.org publishes neither
 * DANE nor MTA-STS and its MX records are not signed". Writes at most out_len - 1 octets of
 * printable ASCII; returns out. Any thread.
 */
const char *verdict_explain(const struct findings *findings, const struct verdict *verdict,
                            char *out, size_t out_len);

const char *verdict_level_name(unsigned level); /* enforce, opportunistic+starttls, ... */
const char *verdict_value_name(unsigned value); /* satisfied, unsatisfied, undecided, ... */
int verdict_level_parse(const char *name, enum verdict_level *out); /* 0 or -EINVAL */

#endif
