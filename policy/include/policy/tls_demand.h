/*
 * What is demanded of a TLS connection to one host of a next-hop: from the requirement, which is
 * for all its hosts, and from what was found about this one. RFC 7672 sections 2.2 and 3 (DANE),
 * RFC 8461 section 4.2 (MTA-STS), RFC 8689 section 4.2.1 (Web PKI under signed MX records). Pure;
 * any thread.
 */
#ifndef POLICY_TLS_DEMAND_H
#define POLICY_TLS_DEMAND_H

#include "policy/findings.h"
#include "policy/host_class.h"
#include "policy/requirement.h"

enum tls_demand_kind {
    TLS_DEMAND_NOT_USED, /* nothing may be sent to this host */
    TLS_DEMAND_MAY,      /* TLS of any kind where the server offers it; nothing is verified */
    TLS_DEMAND_ENCRYPT,  /* TLS 1.2 or later; nothing is verified */
    TLS_DEMAND_DANE,     /* TLS 1.2 or later, and one of the TLSA records matches */
    TLS_DEMAND_STS,      /* TLS 1.2 or later, and a Web PKI certificate with the host's name */
    TLS_DEMAND_WEB_PKI,  /* likewise */
    /* By an administrator's own policy, TLS 1.2 or later: */
    TLS_DEMAND_POLICY_NAMES, /* a Web PKI certificate with one of the names; one with a leading
                                dot stands for all below it */
    TLS_DEMAND_POLICY_FINGERPRINT, /* one of the TLSA records, of usage DANE-EE(3), matches */
};

enum {
    /* TLSA base domain, next-hop, alias target of the next-hop (RFC 7672 section 3.2.2); those of a
     * policy */
    TLS_DEMAND_NAMES = 6,
};

struct tls_demand {
    enum tls_demand_kind kind;
    size_t name_count; /* reference identifiers; 0: MAY, ENCRYPT, POLICY_FINGERPRINT */
    char names[TLS_DEMAND_NAMES][1 + NEXTHOP_NAME_MAX + 1];
    /* For SNI; "": the first of the names, or none. */
    char server_name[NEXTHOP_NAME_MAX + 1];
    /* DANE, POLICY_FINGERPRINT: belongs to who made the demand; unusable ones among them */
    const struct findings_tlsa *tlsa;
    size_t tlsa_count;
};

/*
 * The demand on findings->hosts[host], or on an address literal, whatever `host` is. Classes are
 * those of the findings (host_classes_derive). Never fails: NOT_USED is the answer to all that is
 * not known to be allowed, as an index out of range or a literal where a name would have to be
 * verified. The demand is valid for as long as the findings are.
 */
void tls_demand_of_host(const struct findings *findings, const struct host_classes *classes,
                        const struct requirement *requirement, size_t host, struct tls_demand *out);

/*
 * The same for the Web PKI and one name, whatever was found: what a probe tells beside DANE.
 * NOT_USED when the name is no host name.
 */
void tls_demand_web_pki(const char *name, struct tls_demand *out);

enum { TLS_DEMAND_KEY_MAX = 64 + 1 };

/*
 * Writes a text that is the same for two demands only if all that they demand is the same, and
 * `endpoint` (address and port) and `generation` (of the CA certificates) are. Returns 0, or
 * -ENOMEM.
 */
int tls_demand_key(const struct tls_demand *demand, const char *endpoint, unsigned generation,
                   char key[TLS_DEMAND_KEY_MAX]);

#endif
