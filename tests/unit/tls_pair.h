/*
 * A TLS server in memory for the client under test: what it is made of, and a handshake between the
 * two over a BIO pair. Any failure of its own aborts the test.
 */
#ifndef TESTS_UNIT_TLS_PAIR_H
#define TESTS_UNIT_TLS_PAIR_H

#include "policy/tls_client.h"
#include "tls_certs.h"

struct tls_server_terms {
    enum cert_id leaf;     /* NONE: no certificate, anonymous ciphers only */
    enum cert_id chain[3]; /* sent behind it; up to NONE */
    int max_version;       /* TLS1_1_VERSION...; 0: the newest */
    bool stateful;         /* no tickets with what the session is in (TLS 1.2: session ids) */
};

/* For several connections, which may resume sessions. SSL_CTX_free. */
SSL_CTX *tls_pair_server(const struct tls_server_terms *terms);

struct tls_pair {
    struct tls_connection *client;
    SSL *server;
    unsigned long error; /* the client's first error of the handshake; 0: none, or it was closed */
    char sni[256];       /* what the server was asked for; empty: nothing */
};

/* Makes the connection of client and server and shakes hands as far as it goes, and lets the client
 * read what the server has to say then (sessions). */
void tls_pair_connect(struct tls_pair *pair, struct tls_client *client,
                      const struct tls_demand *demand, const char *endpoint, SSL_CTX *server);
/* The same for a connection that is made; tls_pair_free() frees it. */
void tls_pair_shake(struct tls_pair *pair, struct tls_connection *client, SSL_CTX *server);
void tls_pair_free(struct tls_pair *pair);

/* The whole of it: connect, finish, free. */
void tls_pair_try(struct tls_client *client, const struct tls_demand *demand, const char *endpoint,
                  SSL_CTX *server, struct tls_peer *out);

#endif
