/*
 * Reads an administrator's tls_policy whole, for the delivery agent, which must honour all of it
 * itself: the level and the attributes of Postfix's smtp_tls_policy_maps (its TLS_README). What the
 * agent cannot honour is an error, never less than what was written. Pure.
 */
#ifndef MILTER_CONFIG_TLS_POLICY_PARSE_H
#define MILTER_CONFIG_TLS_POLICY_PARSE_H

#include "policy/nexthop.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TLS_POLICY_NAMES_MAX = 6,
    TLS_POLICY_DIGESTS_MAX = 16,
    TLS_POLICY_DIGEST_LEN = 32, /* SHA-256 */
};

enum tls_policy_level {
    TLS_POLICY_LEVEL_SKIP,
    TLS_POLICY_LEVEL_NONE,
    TLS_POLICY_LEVEL_MAY,
    TLS_POLICY_LEVEL_ENCRYPT,
    TLS_POLICY_LEVEL_DANE,
    TLS_POLICY_LEVEL_DANE_ONLY,
    TLS_POLICY_LEVEL_FINGERPRINT,
    TLS_POLICY_LEVEL_VERIFY,
    TLS_POLICY_LEVEL_SECURE,
};

/* A name of match= or servername=. */
struct tls_policy_name {
    enum tls_policy_name_kind {
        TLS_POLICY_NAME_HOSTNAME,    /* that of the MX host */
        TLS_POLICY_NAME_NEXTHOP,     /* that of the next-hop */
        TLS_POLICY_NAME_DOT_NEXTHOP, /* any below the next-hop */
        TLS_POLICY_NAME_LITERAL,     /* the text, A-labels in lower case */
    } kind;
    char text[1 + NEXTHOP_NAME_MAX + 1]; /* with a leading dot: any below it */
};

struct tls_policy {
    enum tls_policy_level level;
    /* VERIFY, SECURE: one or more, Postfix's defaults where the text has no match=. */
    struct tls_policy_name names[TLS_POLICY_NAMES_MAX];
    size_t name_count;
    /* For SNI; HOSTNAME where the text has no servername=. */
    struct tls_policy_name server_name;
    /* FINGERPRINT: SHA-256 of a certificate or of its public key; one or more. */
    uint8_t digests[TLS_POLICY_DIGESTS_MAX][TLS_POLICY_DIGEST_LEN];
    size_t digest_count;
};

/* NULL, or why the agent cannot honour the text: a clause for people, static. */
const char *tls_policy_parse(const char *text, struct tls_policy *out);

/* The level as Postfix calls it: may, secure...; "unknown" for a value out of range. */
const char *tls_policy_level_name(enum tls_policy_level level);

#endif
