/*
 * One DNS answer, parsed: bytes in, records out. Bounded reading of foreign bytes, no I/O.
 * RFC 1035 (message format), RFC 6698 section 2.1 (TLSA), RFC 7505 (null MX), RFC 2308 (negative
 * TTL). Whether the AD bit is believed (RFC 6840 section 5.8) is decided by the caller, who knows
 * the resolver: answer_security in resolver_attempts.c. Asking is left to resolver.c.
 */
#ifndef POLICY_DNS_DNS_ANSWER_H
#define POLICY_DNS_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6, /* of the check for DNSSEC; records are only counted */
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_TLSA = 52,
};

enum dns_status {
    DNS_FOUND,    /* at least one record of the type asked for */
    DNS_NODATA,   /* the name exists, the type does not */
    DNS_NXDOMAIN, /* the name, or the end of its CNAME chain, does not exist */
    DNS_FAILED,   /* SERVFAIL (bogus included), REFUSED, time-out, malformed: temporary */
};

enum dns_security {
    DNS_SECURE,   /* AD from a trusted resolver */
    DNS_INSECURE, /* no AD from a resolver that is known to validate */
    DNS_UNKNOWN,  /* no trusted resolver is known to validate */
};

struct dns_record {
    union {
        struct {
            uint16_t preference; /* host byte order */
            const char *host;    /* lower case, no root dot; "" for the root */
        } mx;
        const char *cname; /* the target, same form */
        struct {
            uint8_t usage, selector, matching_type;
            uint16_t data_len;
            const uint8_t *data;
        } tlsa;
        struct {
            uint16_t len;     /* the strings of the record concatenated (RFC 7208 3.3 way) */
            const char *text; /* may hold any octet; not terminated */
        } txt;
        uint8_t a[4];
        uint8_t aaaa[16];
    };
};

struct dns_answer {
    enum dns_status status;
    enum dns_security security; /* of the whole answer, CNAMEs and denial included */
    uint32_t ttl_s;             /* shortest of what the answer rests on; negative: RFC 2308 5 */
    bool alias;                 /* a CNAME chain was followed inside the answer */
    const char *canonical;      /* end of that chain, else the name asked for */
    size_t count;               /* of records, all of the type asked for */
    const struct dns_record *records;
    uint32_t resolver;   /* who gave it, for world_ops.check; 0: nobody */
    const char *failure; /* for people, with DNS_FAILED: "SERVFAIL", "timed out"...; else NULL */
};

/*
 * Parses a response to the question name/type. Anything malformed, truncated, not matching the
 * question or with an rcode other than NOERROR and NXDOMAIN gives DNS_FAILED with a reason, never
 * less. `security` is the security of the answer if its AD bit is set / not set.
 * Always gives an answer (NULL only when out of memory); the caller frees it.
 */
struct dns_answer *dns_answer_parse(const uint8_t *message, size_t len, const char *name,
                                    uint16_t type, enum dns_security with_ad,
                                    enum dns_security without_ad);
struct dns_answer *dns_answer_failed(const char *reason);
void dns_answer_free(struct dns_answer *answer); /* NULL is allowed */

/*
 * Writes a query for name/type into out: RD, AD (RFC 6840 5.7), EDNS0 with 1232 octets, DO clear.
 * `name` is in presentation form without escapes. Returns the length in octets, or -EINVAL when
 * the name is no domain name (empty or over-long label, over 253 octets), -ENOSPC.
 */
int dns_query_build(const char *name, uint16_t type, uint16_t id, uint8_t *out, size_t out_len);

#endif
