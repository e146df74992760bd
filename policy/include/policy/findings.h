/*
 * What the engine knows about one next-hop: the security of its MX RRset, each MX host for itself
 * (RFC 7672 section 2.2), the MTA-STS policy or why there is none (RFC 8461), and a summary.
 *
 * Findings are immutable once published and reference counted; any thread may read them.
 * All strings are A-labels in lower case or printable ASCII, and belong to the findings.
 */
#ifndef POLICY_FINDINGS_H
#define POLICY_FINDINGS_H

#include "policy/nexthop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds the work that one domain can cause; Postfix itself tries at most five addresses. */
enum {
    FINDINGS_MAX_HOSTS = 32,
    FINDINGS_MAX_ADDRESSES = 16, /* of a family, for each host; what is beyond is not kept */
    FINDINGS_MAX_PROBES = 2 * FINDINGS_MAX_ADDRESSES, /* for each host: one of each address */
    FINDINGS_MAX_PROBE_NAMES = 16, /* of a certificate; what is beyond is not kept */
};

/* Security of the MX RRset, CNAMEs that lead to it included (RFC 7672 section 2.2.1). */
enum findings_mx {
    FINDINGS_MX_PENDING,   /* the lookup is in flight; never in published, complete findings */
    FINDINGS_MX_NOT_ASKED, /* [host] or an address literal */
    FINDINGS_MX_SECURE,
    FINDINGS_MX_INSECURE, /* also when security is unknown: see findings.security_known */
    FINDINGS_MX_ABSENT,   /* no MX record: the domain itself is the host (RFC 5321 5.1) */
    FINDINGS_MX_NULL,     /* RFC 7505: accepts no mail */
    FINDINGS_MX_NXDOMAIN, /* the domain does not exist */
    FINDINGS_MX_FAILED,   /* SERVFAIL, bogus, time-out, malformed: temporary */
};

/* One address family of a host. Its addresses are kept where it is SECURE or INSECURE. */
enum findings_addr {
    FINDINGS_ADDR_PENDING,
    FINDINGS_ADDR_SECURE,
    FINDINGS_ADDR_INSECURE,
    FINDINGS_ADDR_ABSENT,
    FINDINGS_ADDR_FAILED,
};

/* The TLSA records of a host (RFC 7672 section 2.2.2; usability section 3.1, RFC 6698). */
enum findings_tlsa_state {
    FINDINGS_TLSA_PENDING,
    FINDINGS_TLSA_NONE,     /* proven absent, or not securely published, or not to be asked for */
    FINDINGS_TLSA_USABLE,   /* secure, at least one usable */
    FINDINGS_TLSA_UNUSABLE, /* secure, none usable: TLS mandatory, unauthenticated */
    FINDINGS_TLSA_FAILED,   /* temporary; the host must be skipped (RFC 7672 section 2.1.1) */
};

struct findings_tlsa {
    uint8_t usage;         /* as published; 0-255 */
    uint8_t selector;      /* as published */
    uint8_t matching_type; /* as published */
    bool usable;
    uint16_t data_len; /* octets */
    const uint8_t *data;
};

/*
 * The addresses of a host, as published, in the order of the answer: whether one may be connected
 * to (loopback, private, this host's own) is for the caller. Their security is that of their
 * family, findings_host.a and .aaaa. Without padding or alignment.
 */
struct findings_addresses {
    uint8_t a_count;    /* at most FINDINGS_MAX_ADDRESSES */
    uint8_t aaaa_count; /* likewise */
    uint8_t octets[];   /* a_count of 4, then aaaa_count of 16; network byte order */
};

/*
 * What a probe of one address came to. OK, NO_STARTTLS, NOT_AUTHENTICATED and NO_REQUIRETLS are
 * definite: a server that answered in full said so. The others say nothing about the server.
 */
enum findings_probe_result {
    FINDINGS_PROBE_OK,
    /* EHLO offers PIPELINING and no STARTTLS; or the server refused the command STARTTLS with 5xx:
     * then .starttls is true. */
    FINDINGS_PROBE_NO_STARTTLS,
    /* The certificate is definitely not what was demanded, or the version of TLS too old. */
    FINDINGS_PROBE_NOT_AUTHENTICATED,
    /* Authenticated; its EHLO behind STARTTLS has PIPELINING, but no REQUIRETLS. */
    FINDINGS_PROBE_NO_REQUIRETLS,
    /* No connection. */
    FINDINGS_PROBE_UNREACHABLE,
    /* 4xx, 5xx to connection or EHLO, too slow, handshake broken, plaintext injected, an EHLO
     * without PIPELINING that lacks STARTTLS or REQUIRETLS, a certificate of which nothing definite
     * can be said. */
    FINDINGS_PROBE_FAILED,
};

/* One way to authenticate the server. */
enum findings_probe_check {
    FINDINGS_PROBE_CHECK_NOT_TRIED,
    FINDINGS_PROBE_CHECK_OK,
    FINDINGS_PROBE_CHECK_FAILED,
};

/*
 * What one address of a host has shown. The fields from `starttls` on hold as far as the probe
 * came; strings are NULL, names empty, not_after_s 0 and has_spki false where it came less far.
 */
struct findings_probe {
    int64_t checked_at_s; /* wall clock, seconds since 1970 */
    int64_t not_after_s; /* end of the server's certificate, seconds since 1970; 0: none was seen */
    const char *failure; /* why the result is not OK, for people; NULL if it is */
    const char *protocol; /* as OpenSSL names it: TLSv1.3 */
    const char *cipher;   /* as OpenSSL names it */
    const char *dane_why; /* why .dane is FAILED, as OpenSSL says it, else NULL */
    const char *web_pki_why;
    const char *const *names; /* DNS-IDs of the server's certificate, as they stand there */
    uint8_t name_count;
    uint8_t result;  /* enum findings_probe_result */
    uint8_t family;  /* 4 or 6 */
    uint8_t dane;    /* enum findings_probe_check */
    uint8_t web_pki; /* enum findings_probe_check */
    bool starttls;   /* offered */
    bool requiretls; /* offered behind STARTTLS */
    bool pipelining; /* offered behind STARTTLS */
    bool has_spki;
    uint16_t port;
    uint8_t address[16];     /* 4 octets (IPv4) or 16 (IPv6), network byte order */
    uint8_t spki_sha256[32]; /* of the server's public key, where has_spki */
};

struct findings_host {
    const char *name;      /* as in the MX record */
    const char *tlsa_base; /* TLSA base domain in use, NULL if no TLSA records were found */
    const char *failure;   /* what went wrong with this host, for people; NULL if nothing did */
    const struct findings_tlsa *tlsa;
    const struct findings_addresses *addresses; /* NULL: none are known */
    const struct findings_probe *probes; /* one for each address that was looked at; never in what a
                                            lookup gives, see policy/engine_probe.h */
    uint16_t preference;
    uint8_t tlsa_count;
    uint8_t probe_count; /* at most FINDINGS_MAX_PROBES */
    uint8_t a;           /* enum findings_addr */
    uint8_t aaaa;        /* enum findings_addr */
    uint8_t tlsa_state;  /* enum findings_tlsa_state */
    bool sts_match;      /* matches a pattern of the STS policy (RFC 8461 section 4.1) */
};

enum findings_sts_state {
    FINDINGS_STS_PENDING,
    FINDINGS_STS_OFF,    /* disabled, or the next-hop cannot have one ([host], literal) */
    FINDINGS_STS_NONE,   /* definitely no policy in force; .failure says why */
    FINDINGS_STS_POLICY, /* a policy is in force: .mode and the rest hold */
    FINDINGS_STS_FAILED, /* it cannot be known now whether there is one, and none is cached */
};

enum findings_sts_mode {
    FINDINGS_STS_MODE_NONE,
    FINDINGS_STS_MODE_TESTING,
    FINDINGS_STS_MODE_ENFORCE
};

enum findings_sts_source {
    FINDINGS_STS_FRESH,         /* fetched for this lookup */
    FINDINGS_STS_CACHED,        /* cached, id checked or within the TXT record's TTL */
    FINDINGS_STS_CACHED_FAILED, /* cached, because TXT lookup or refresh failed */
    FINDINGS_STS_SHARED,        /* from the shared cache: another host has fetched it */
};

/* RFC 8460 section 4.3 result types where there is one. */
enum findings_sts_failure {
    FINDINGS_STS_FAILURE_NONE,
    FINDINGS_STS_NO_RECORD,
    FINDINGS_STS_INVALID_RECORD, /* none or several v=STSv1 records (RFC 8461 3.1) */
    FINDINGS_STS_DNS_ERROR,      /* the TXT lookup failed */
    FINDINGS_STS_FETCH_ERROR,    /* sts-policy-fetch-error */
    FINDINGS_STS_POLICY_INVALID, /* sts-policy-invalid */
    FINDINGS_STS_WEBPKI_INVALID, /* sts-webpki-invalid */
};

struct findings_sts {
    uint8_t state;            /* enum findings_sts_state */
    uint8_t mode;             /* enum findings_sts_mode */
    uint8_t source;           /* enum findings_sts_source */
    uint8_t failure;          /* enum findings_sts_failure; also set beside a cached policy */
    uint32_t max_age_s;       /* as published */
    int64_t fetched_at_s;     /* wall clock, seconds since 1970; for people, not for expiry */
    const char *id;           /* of the policy in force, else NULL */
    const char *failure_text; /* for people, else NULL */
    const char *policy_lines; /* of the policy in force, as served, for TLSRPT (RFC 8460 4.3):
                                 printable ASCII, each line ended by \n; else NULL */
    const char *const *mx;    /* patterns, `mx.example.org` or `*.example.org` */
    uint16_t mx_count;
    bool late; /* PENDING, no policy is in force, and the fetch takes longer than who delivers can
                  wait: for that delivery it has failed (RFC 8461 section 3.3). It goes on */
    bool
        id_current; /* DNS has shown lately, within the TXT record's TTL, that no other policy id
                       is published; without this MTA-STS makes no verdict permanent (RFC 8461 5) */
};

/* What all of it comes to: see findings_summarise(). */
enum findings_summary {
    FINDINGS_SUMMARY_DANE,             /* every MX host has secure usable TLSA, MX RRset secure */
    FINDINGS_SUMMARY_DANE_PARTIAL,     /* some have */
    FINDINGS_SUMMARY_DANE_INSECURE_MX, /* MX RRset insecure, a host's TLSA secure and usable */
    FINDINGS_SUMMARY_DANE_UNUSABLE,    /* secure TLSA, all unusable */
    FINDINGS_SUMMARY_STS_ENFORCE,
    FINDINGS_SUMMARY_STS_TESTING,
    FINDINGS_SUMMARY_DNSSEC_PKI, /* MX RRset secure, no TLSA */
    FINDINGS_SUMMARY_PKI,        /* [host] or implicit MX: Web PKI only */
    FINDINGS_SUMMARY_NONE,
    FINDINGS_SUMMARY_UNKNOWN, /* what is unsigned may be signed: no resolver validated */
    FINDINGS_SUMMARY_FAILED,  /* an MX, address or TLSA lookup failed where it matters */
};

/* Whose findings these are; the fields of struct nexthop, in the room that their text needs. */
struct findings_nexthop {
    const char *name;
    const char *text;
    uint16_t port;
    uint8_t kind; /* enum nexthop_kind */
};

struct findings {
    struct findings_nexthop nexthop;
    uint8_t mx;          /* enum findings_mx */
    bool security_known; /* false: no trusted resolver has lately shown AD; then nothing here
                            counts as secure, and insecure means unknown */
    bool unchecked;      /* answers without AD are in it of which no check has shown yet that their
                            resolver still validates: only what rests on AD is final; never in
                            published, complete findings */
    bool dane_seen;      /* with security_known false: it had usable TLSA records under signed MX
                            records in the last 30 days, so it is known to lose by that */
    uint16_t host_count;
    const struct findings_host *hosts; /* by preference, then name; implicit MX, [host]: one */
    struct findings_sts sts;
    const char *failure; /* why MX failed, for people; NULL if it did not */
    int64_t made_at_ms;  /* on the clock of clock_mono_ms */
    uint32_t ttl_s;      /* what is left of the shortest answer's life, from made_at_ms */
};

/* The same object with one more reference. Not for the drafts that an engine_enough_fn is shown. */
const struct findings *findings_ref(const struct findings *f);
void findings_unref(const struct findings *f); /* NULL is allowed */

/* True when nothing in it is PENDING. */
bool findings_complete(const struct findings *f);

/* Address number i of the host, for in_addr or in6_addr: 4 octets (IPv4) or 16 (IPv6), which belong
 * to the findings. NULL when there are no more. Any thread. */
const uint8_t *findings_host_a(const struct findings_host *host, size_t i);
const uint8_t *findings_host_aaaa(const struct findings_host *host, size_t i);

/* The name of each value as users see it (DANE summary names, RFC 8460 result types...);
 * a value out of range gives "unknown". */
const char *findings_summary_name(unsigned summary);
const char *findings_mx_name(unsigned mx);
const char *findings_addr_name(unsigned addr);
const char *findings_tlsa_state_name(unsigned state);
const char *findings_sts_mode_name(unsigned mode);
const char *findings_sts_source_name(unsigned source);
const char *findings_sts_failure_name(unsigned failure);
const char *findings_probe_result_name(unsigned result);
const char *findings_probe_check_name(unsigned check);

#endif
