/*
 * The frame of a DNS response: header, question, and what the authority and additional sections
 * say about the answer. Bounded reading of foreign bytes; allocates nothing.
 */
#ifndef POLICY_DNS_DNS_MESSAGE_H
#define POLICY_DNS_DNS_MESSAGE_H

#include "dns/dns_name.h"

enum { DNS_CLASS_IN = 1 };

/* One resource record. */
struct dns_rr {
    bool owner_usable;
    char owner[DNS_NAME_MAX + 1];
    uint16_t type, class;
    uint32_t ttl_s;   /* of OPT: its flags */
    struct buf rdata; /* at the first octet; ends where the RDATA ends */
};

enum dns_rcode { DNS_RCODE_NOERROR = 0, DNS_RCODE_NXDOMAIN = 3 };

struct dns_message {
    bool response; /* QR is set */
    bool ad;
    unsigned rcode;    /* with the upper bits from OPT */
    bool stale;        /* the resolver says that it kept this beyond its life (RFC 8914) */
    int ede;           /* the first extended error, or -1 */
    struct buf answer; /* at the first record; every record is within bounds */
    uint16_t answer_count;
    bool has_soa;
    bool referral;         /* NS records, but no SOA, in the authority section */
    uint32_t denial_ttl_s; /* with has_soa: min(TTL, MINIMUM), RFC 2308 section 5 */
};

/*
 * Reads a response to the question name/type (name in text form). Returns NULL, or what is wrong
 * with it: then only `response`, `rcode` and `ede` may be looked at.
 */
const char *dns_message_scan(struct dns_message *m, const uint8_t *message, size_t len,
                             const char *name, uint16_t type);

/* Reads the record at b->pos and steps over it; false when it is malformed. */
bool dns_message_rr(struct buf *b, struct dns_rr *rr);

/* A name that must be the last thing in the RDATA. */
enum dns_name_status dns_message_last_name(struct buf *rdata, char out[DNS_NAME_MAX + 1]);

/* What an rcode says, for people; static. */
const char *dns_message_rcode_text(const struct dns_message *m);

#endif
