/*
 * What the files of the TLS client share; nobody else includes this. tls_connection.c uses
 * tls_client.c, never the other way.
 */
#ifndef POLICY_TLS_TLS_INTERNAL_H
#define POLICY_TLS_TLS_INTERNAL_H

#include "policy/tls_client.h"
#include "tls/tls_sessions.h"

struct tls_client {
    SSL_CTX *ctx;
    /* OpenSSL's own, of the security level. */
    int (*security)(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other,
                    void *arg);
    struct ca_store *ca_store; /* borrowed */
    struct tls_sessions *sessions;
};

/* Where the newest session of this connection goes, with a reference; NULL: nowhere (any more). */
int tls_client_watch_session(SSL *ssl, SSL_SESSION **session);

#endif
