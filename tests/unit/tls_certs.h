/*
 * Certificates for tests, made by OpenSSL when they are needed: a CA that is trusted and one that
 * is not, an intermediate CA, and servers of every kind. Any failure aborts the test.
 */
#ifndef TESTS_UNIT_TLS_CERTS_H
#define TESTS_UNIT_TLS_CERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

enum cert_id {
    CERT_NONE,
    CERT_ROOT,             /* the CA that the CA store has */
    CERT_INTERMEDIATE,     /* by ROOT */
    CERT_OLD_INTERMEDIATE, /* by ROOT, expired */
    CERT_OTHER_ROOT,       /* a CA that nobody trusts */
    /* by INTERMEDIATE, where nothing else is said */
    CERT_MX,           /* mx.example.org */
    CERT_EXPIRED,      /* the same name, expired */
    CERT_FUTURE,       /* the same name, not yet valid */
    CERT_OTHER_NAME,   /* mx.example.net */
    CERT_NEXTHOP,      /* example.org */
    CERT_CN,           /* only a CN: mx.example.org */
    CERT_CN_AND_OTHER, /* CN mx.example.org, DNS-ID mx.example.net */
    CERT_WILDCARD,     /* *.example.org */
    CERT_PARTIAL,      /* m*.example.org */
    CERT_NUL,          /* mx.example.org, NUL, .example.net */
    CERT_CLIENT,       /* mx.example.org, for clients only */
    CERT_WEAK,         /* mx.example.org, RSA of 1024 bits */
    CERT_SECOND,       /* two names: mx.example.net, mx.example.org */
    CERT_MANY,         /* 20 names, the last is mx.example.org */
    CERT_UNDER_OLD,    /* mx.example.org, by OLD_INTERMEDIATE */
    CERT_UNDER_LEAF,   /* mx.example.org, by MX, which is no CA */
    CERT_OTHER_CA,     /* mx.example.org, by OTHER_ROOT */
    CERT_SELF,         /* self-signed, expired, without any name */
    CERT_IDS
};

X509 *certs_get(enum cert_id id); /* made at first use; belongs to the helper */
EVP_PKEY *certs_key(enum cert_id id);
enum cert_id certs_issuer(enum cert_id id);
void certs_free(void);

/* TLSA data of a certificate; returns its length. size: 2048 is enough. */
size_t certs_tlsa(enum cert_id id, unsigned selector, unsigned matching_type, uint8_t *out);

/* Writes the certificate as PEM into a file of its own; the name is out, which the caller unlinks.
 */
void certs_write(enum cert_id id, char *out, size_t out_size);

#endif
