/*
 * The SSL_CTX that all connections share: tls_client_new(), tls_client_prefer_quick(),
 * tls_client_free(), and for tls_connection.c tls_client_watch_session(). It has what is the same
 * for all: DANE's digests, no renegotiation (the peer that was verified stays the peer), no
 * verification in the handshake, which tls_verify() does afterwards for full and resumed handshakes
 * alike, no Diffie-Hellman groups that would keep this thread busy. Each gives 0 or -ENOMEM.
 */
#include "tls/tls_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/obj_mac.h>

/* Bits of a finite-field Diffie-Hellman group. The server chooses it, and OpenSSL takes 10,000,
 * which costs a second of this thread for each handshake. */
enum { DH_BITS_MAX = 4096 };

static pthread_once_t session_once = PTHREAD_ONCE_INIT;
static int session_index; /* of an SSL: where its newest session goes (SSL_SESSION **) */

static void session_init(void)
{
    session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

int tls_client_watch_session(SSL *ssl, SSL_SESSION **session)
{
    return SSL_set_ex_data(ssl, session_index, session) == 1 ? 0 : -ENOMEM;
}

/* A copy is kept: OpenSSL marks the original as not resumable when a connection ends without
 * close_notify. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **newest = SSL_get_ex_data(ssl, session_index);

    if (newest != NULL) {
        SSL_SESSION_free(*newest);
        *newest = SSL_SESSION_dup(session);
    }
    return 0;
}

/* Until tls_verify() has looked, nobody is to find a result that looks good. */
static int on_certificate(X509_STORE_CTX *ctx, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
    return 1;
}

static bool is_too_large(int op, int nid, const void *other)
{
    switch (op) {
    case SSL_SECOP_TMP_DH:
        return other != NULL && EVP_PKEY_get_bits(other) > DH_BITS_MAX;
    case SSL_SECOP_CURVE_SUPPORTED:
    case SSL_SECOP_CURVE_SHARED:
    case SSL_SECOP_CURVE_CHECK:
        return nid == NID_ffdhe6144 || nid == NID_ffdhe8192;
    default:
        return false;
    }
}

/* Asked by OpenSSL whether something is secure enough, beside its own security level. */
static int on_security(const SSL *ssl, const SSL_CTX *ctx, int op, int bits, int nid, void *other,
                       void *arg)
{
    const struct tls_client *client = arg;

    return is_too_large(op, nid, other) ? 0
                                        : client->security(ssl, ctx, op, bits, nid, other, NULL);
}

static void bound_groups(struct tls_client *client)
{
    client->security = SSL_CTX_get_security_callback(client->ctx);
    SSL_CTX_set_security_callback(client->ctx, on_security);
    SSL_CTX_set0_security_ex_data(client->ctx, client);
}

static bool prepare(SSL_CTX *ctx)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, on_certificate, NULL);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    return SSL_CTX_dane_enable(ctx) == 1;
}

int tls_client_new(struct ca_store *ca_store, size_t max_sessions, struct tls_client **out)
{
    struct tls_client *client = calloc(1, sizeof(*client));
    bool prepared;

    if (client == NULL)
        return -ENOMEM;
    pthread_once(&session_once, session_init);
    ERR_set_mark();
    client->ca_store = ca_store;
    client->sessions = tls_sessions_new(max_sessions);
    client->ctx = SSL_CTX_new(TLS_client_method());
    prepared = client->sessions != NULL && client->ctx != NULL && prepare(client->ctx);
    if (prepared)
        bound_groups(client);
    ERR_pop_to_mark();
    if (!prepared) {
        tls_client_free(client);
        return -ENOMEM;
    }
    *out = client;
    return 0;
}

void tls_client_prefer_quick(struct tls_client *client)
{
    static const char suites[] =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    char groups[] = "X25519:P-256:P-384:P-521:X448:ffdhe2048:ffdhe3072:ffdhe4096";

    ERR_set_mark();
    SSL_CTX_set_ciphersuites(client->ctx, suites);
    SSL_CTX_set1_groups_list(client->ctx, groups);
    ERR_pop_to_mark();
}

void tls_client_free(struct tls_client *client)
{
    if (client == NULL)
        return;
    tls_sessions_free(client->sessions);
    SSL_CTX_free(client->ctx);
    free(client);
}
