/*
 * A next-hop: where the MTA sends a recipient. It is the policy domain of MTA-STS
 * (RFC 8461 section 3.4) and the TLSA initial name of DANE (RFC 7672 section 2.2.1).
 * Pure: no I/O.
 */
#ifndef POLICY_NEXTHOP_H
#define POLICY_NEXTHOP_H

#include <stdbool.h>
#include <stdint.h>

enum nexthop_kind {
    NEXTHOP_DOMAIN,  /* example.org: MX lookup, else implicit MX (RFC 5321 5.1) */
    NEXTHOP_HOST,    /* [relay.example.org]: no MX lookup */
    NEXTHOP_LITERAL, /* [192.0.2.1], [IPv6:2001:db8::1]: can publish nothing */
};

enum {
    NEXTHOP_NAME_MAX = 253, /* RFC 1035 2.3.4, presentation form without the root dot */
    NEXTHOP_TEXT_MAX = NEXTHOP_NAME_MAX + 2 + 6,
    NEXTHOP_PORT_DEFAULT = 25,
};

struct nexthop {
    enum nexthop_kind kind;
    uint16_t port;                   /* host byte order; 25 unless the text says otherwise */
    char name[NEXTHOP_NAME_MAX + 1]; /* A-labels, lower case, no root dot; or the address */
    char text[NEXTHOP_TEXT_MAX + 1]; /* canonical form, the key of caches and logs:
                                        example.org, [relay.example.org], [relay.example.org]:587 */
};

/*
 * Parses what an MTA calls a next-hop: `domain`, `domain:port`, `[host]`, `[host]:port`,
 * `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `[2001:db8::1]` and bare addresses. U-labels (UTF-8) become
 * A-labels (RFC 5891), letters lower case, one trailing dot is dropped.
 * Returns 0, or -EINVAL when the text is no domain name, address or port.
 * Any thread; allocates nothing that outlives the call.
 */
int nexthop_parse(const char *text, struct nexthop *out);

/* The same for the domain of a mail address (`example.org`, `[192.0.2.1]`): never a port. */
int nexthop_from_domain(const char *domain, struct nexthop *out);

/*
 * Writes `name` as A-labels in lower case without the root dot. Returns 0 or -EINVAL.
 * Underscore labels are allowed (they are host names in the wild); other non-LDH ASCII is not.
 */
int nexthop_to_ascii(const char *name, char out[NEXTHOP_NAME_MAX + 1]);

#endif
