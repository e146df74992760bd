/*
 * A situation that the delivery agent may meet: a message and what is asked for it, what was found
 * about its next-hop, and how each of its servers behaves. Made by situation_make(), judged by
 * model.c, acted by servers.c. Knows nothing of the agent.
 */
#ifndef TESTS_DELIVER_PROPERTY_SITUATION_H
#define TESTS_DELIVER_PROPERTY_SITUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOSTS_MAX = 3, FAMILIES = 2, DELIVERIES = 2, RCPTS_MAX = 2 };

enum { IPV4, IPV6 };

enum request { REQUEST_NONE, REQUEST_OPTIONAL, REQUEST_REQUIRE };
enum level { LEVEL_ENFORCE, LEVEL_STARTTLS, LEVEL_OPPORTUNISTIC, LEVEL_DISABLE };
enum fallback { FALL_BACK_NOT, FALL_BACK_ENCRYPT, FALL_BACK_MAY };

/* Certificates by who they are good for. The next-hop of a situation is s<number>.example.org;
 * where there are no MX records, its only host has that name. */
enum leaf {
    LEAF_FIRST,     /* mx.example.org */
    LEAF_SECOND,    /* mx.example.net */
    LEAF_BOTH,      /* both */
    LEAF_WILDCARD,  /* *.example.org */
    LEAF_CN,        /* mx.example.org, as a CN alone */
    LEAF_NEXTHOP,   /* example.org */
    LEAF_EXPIRED,   /* mx.example.org */
    LEAF_UNTRUSTED, /* mx.example.org, by a CA that nobody knows */
    LEAF_SELF,      /* self-signed */
    LEAVES
};

extern const char *const names_of_hosts[HOSTS_MAX];

/* Bits of an EHLO reply. */
enum {
    OFFER_STARTTLS = 1 << 0,
    OFFER_PIPELINING = 1 << 1,
    OFFER_8BITMIME = 1 << 2,
    OFFER_SMTPUTF8 = 1 << 3,
    OFFER_SIZE_SMALL = 1 << 4, /* SIZE 10 */
    OFFER_DSN = 1 << 5,
    OFFER_REQUIRETLS = 1 << 6,
};

/* Replies: a code, or one of these. */
enum { CLOSES = 0, GARBAGE = -1, SILENT = -2 };

enum handshake { HANDSHAKE_DONE, HANDSHAKE_GARBAGE, HANDSHAKE_CLOSES };

/* How a server behaves at one address. */
struct script {
    bool exists; /* the host has an address of this family */
    bool unreachable;
    int greeting, ehlo, starttls, ehlo_tls, mail, rcpt, data, dot;
    unsigned offers, offers_tls;
    bool injects; /* plaintext behind its reply to STARTTLS */
    enum handshake handshake;
    enum leaf leaf;
    bool old_tls; /* no later than TLS 1.1 */
};

/* What a server has been told in a delivery; written by servers.c. */
struct seen {
    unsigned mails;          /* MAIL FROM */
    unsigned mails_in_clear; /* of them without TLS */
    unsigned mails_requiretls, mails_ret_hdrs;
    unsigned others;   /* RCPT, DATA without a MAIL before */
    unsigned contents; /* whole messages */
    unsigned octets;   /* of content, whole or not */
    unsigned changed;  /* messages that were not the one that was sent */
};

enum tlsa { TLSA_NONE, TLSA_USABLE, TLSA_UNUSABLE, TLSA_FAILED };
enum found { FOUND, FOUND_ABSENT, FOUND_FAILED };

struct host {
    unsigned preference;
    enum found found;
    bool secure; /* its addresses */
    enum tlsa tlsa;
    enum leaf tlsa_of; /* USABLE: the certificate that the record is of */
    bool tlsa_is_ta;   /* it is of the CA that issued all but UNTRUSTED and SELF */
    bool match;        /* the policy */
    struct script scripts[FAMILIES];
};

enum mx { MX_SECURE, MX_INSECURE, MX_ABSENT, MX_NOT_ASKED };
enum sts { STS_NONE, STS_ENFORCE, STS_ENFORCE_STALE, STS_TESTING, STS_FAILED };

/* One message. */
struct asked {
    enum request request;
    enum level level;
    bool offer;
    enum fallback fallback;
    bool null_sender;
    bool needs_8bitmime, needs_smtputf8;
    unsigned rcpts;
};

struct situation {
    unsigned number;
    bool unknown; /* DNS security */
    enum mx mx;
    enum sts sts;
    size_t host_count;
    struct host hosts[HOSTS_MAX];
    struct asked asked[DELIVERIES]; /* one after the other, over the same servers */
    struct seen seen[DELIVERIES][HOSTS_MAX][FAMILIES];
    unsigned connected[HOSTS_MAX][FAMILIES]; /* by servers.c */
};

/* The same for the same numbers. */
void situation_make(uint64_t seed, unsigned number, struct situation *out);

/* For people: what a failure is reported with. Returns out. */
const char *situation_text(const struct situation *s, unsigned delivery, char *out, size_t size);

#endif
