/*
 * What a TLS connection has shown of its peer: whether the demand is met, how the peer was
 * authenticated or why it was not, and what the log, the probe and TLSRPT tell of it.
 */
#ifndef POLICY_TLS_PEER_H
#define POLICY_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

/* How the peer was authenticated. */
enum tls_auth {
    TLS_AUTH_NONE,        /* it was not, or nobody asked */
    TLS_AUTH_DANE,        /* by a TLSA record (RFC 7672) */
    TLS_AUTH_STS,         /* by the Web PKI, as MTA-STS demands (RFC 8461 section 4.2) */
    TLS_AUTH_WEB_PKI,     /* by the Web PKI */
    TLS_AUTH_FINGERPRINT, /* by a fingerprint of an administrator's own policy */
};

/* Why the demand is not met. */
enum tls_why {
    TLS_WHY_NOTHING,              /* it is met */
    TLS_WHY_EXPIRED,              /* a certificate of the chain is outside its dates */
    TLS_WHY_NAME,                 /* the certificate has none of the names */
    TLS_WHY_UNTRUSTED,            /* the chain does not end at a CA that is trusted, or is broken */
    TLS_WHY_WEAK,                 /* a key or a signature of the chain is too weak */
    TLS_WHY_NO_TLSA_MATCH,        /* no TLSA record matches the chain */
    TLS_WHY_NO_FINGERPRINT_MATCH, /* no fingerprint of an administrator's policy matches */
    TLS_WHY_NO_CERTIFICATE,       /* the server sent none */
    TLS_WHY_PROTOCOL,             /* the server speaks no version of TLS that is new enough */
    TLS_WHY_HANDSHAKE,            /* the handshake failed or was broken off, whoever did it */
    TLS_WHY_LOCAL, /* our own doing (memory, CA certificates): says nothing of the peer */
};

enum {
    TLS_REASON_MAX = 128,
    TLS_PEER_NAMES = 8, /* of a certificate are kept: some have hundreds */
    TLS_PEER_NAME_MAX = 256,
    TLS_SHA256_LEN = 32,
};

struct tls_proof {
    enum tls_why why;
    char reason[TLS_REASON_MAX]; /* OpenSSL's, in printable ASCII; empty: none */
};

struct tls_certificate {
    bool present;         /* false: all else is 0 */
    int64_t not_after_s;  /* wall clock, seconds since 1970; 0 where it is none */
    int64_t not_before_s; /* likewise */
    uint8_t sha256[TLS_SHA256_LEN];
    uint8_t spki_sha256[TLS_SHA256_LEN];
    size_t name_count;                             /* DNS-IDs, or the CN-ID where there are none */
    size_t names_left_out;                         /* how many more there are */
    char names[TLS_PEER_NAMES][TLS_PEER_NAME_MAX]; /* printable ASCII; `?` for any other octet */
};

struct tls_peer {
    bool met;         /* the demand is met: the one thing that allows to send what demanded it */
    bool established; /* the handshake is done: what is sent is encrypted */
    bool resumed;     /* with an earlier session; its chain was verified all the same */
    enum tls_auth auth;
    struct tls_proof proof;
    char protocol[16];  /* TLSv1.3; empty before the handshake is done */
    char cipher[64];    /* OpenSSL's name */
    uint8_t tlsa_usage; /* with TLS_AUTH_DANE: the record that matched */
    uint8_t tlsa_selector;
    uint8_t tlsa_matching_type;
    struct tls_certificate certificate;
};

/* Reads a certificate, NULL for none. Any thread; leaves OpenSSL's error queue as it was. */
void tls_certificate_read(X509 *x509, struct tls_certificate *out);

/* Copies text, `?` for each octet that is not printable ASCII, and cuts it. */
void tls_printable(char *out, size_t out_size, const void *text, size_t len);

/*
 * RFC 8460 section 4.3: the result type for a failure, NULL for NOTHING and for LOCAL. For people:
 * what is wrong, "unknown" for a value out of range.
 */
const char *tls_why_result_type(enum tls_why why);
const char *tls_why_text(enum tls_why why);
const char *tls_auth_name(enum tls_auth auth); /* none, dane, sts, web-pki, fingerprint */

/*
 * Whether the peer itself has shown that it does not meet the demand, with its certificate or its
 * versions of TLS. A handshake that broke, or an error of ours, may come to something else next
 * time.
 */
bool tls_why_definite(enum tls_why why);

#endif
