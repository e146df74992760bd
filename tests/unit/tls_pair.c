#include "tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>

SSL_CTX *tls_pair_server(const struct tls_server_terms *terms)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    assert_non_null(ctx);
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, terms->max_version);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    if (terms->stateful)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (terms->leaf == CERT_NONE) {
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
        assert_int_equal(SSL_CTX_set_cipher_list(ctx, "aNULL:!eNULL"), 1);
        return ctx;
    }
    assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL"), 1);
    assert_int_equal(SSL_CTX_use_certificate(ctx, certs_get(terms->leaf)), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, certs_key(terms->leaf)), 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
    for (size_t i = 0; i < 3 && terms->chain[i] != CERT_NONE; i++)
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, certs_get(terms->chain[i])), 1);
    return ctx;
}

/* False: it has failed. */
static bool step(SSL *ssl, unsigned long *error)
{
    int result, why;

    ERR_clear_error();
    result = SSL_do_handshake(ssl);
    why = SSL_get_error(ssl, result);
    if (result == 1 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return true;
    *error = ERR_peek_error();
    ERR_clear_error();
    return false;
}

static void shake_hands(struct tls_pair *pair)
{
    SSL *client = tls_connection_ssl(pair->client);
    unsigned long ignored;
    bool serving = true;
    char octet;

    for (int i = 0; i < 20; i++) {
        if (!step(client, &pair->error))
            return;
        if (serving)
            serving = step(pair->server, &ignored);
        if (SSL_is_init_finished(client) && SSL_is_init_finished(pair->server))
            break;
    }
    if (!SSL_is_init_finished(client))
        return;
    assert_int_equal(SSL_write(pair->server, "220", 3), 3);
    assert_int_equal(SSL_read(client, &octet, 1), 1);
    assert_int_equal(ERR_peek_error(), 0);
}

void tls_pair_shake(struct tls_pair *pair, struct tls_connection *client, SSL_CTX *server)
{
    BIO *near, *far;
    const char *sni;

    memset(pair, 0, sizeof(*pair));
    pair->client = client;
    pair->server = SSL_new(server);
    assert_non_null(pair->server);
    SSL_set_accept_state(pair->server);
    assert_int_equal(BIO_new_bio_pair(&near, 65536, &far, 65536), 1);
    SSL_set_connect_state(tls_connection_ssl(pair->client));
    SSL_set_bio(tls_connection_ssl(pair->client), near, near);
    SSL_set_bio(pair->server, far, far);
    shake_hands(pair);
    sni = SSL_get_servername(pair->server, TLSEXT_NAMETYPE_host_name);
    snprintf(pair->sni, sizeof(pair->sni), "%s", sni != NULL ? sni : "");
}

void tls_pair_connect(struct tls_pair *pair, struct tls_client *client,
                      const struct tls_demand *demand, const char *endpoint, SSL_CTX *server)
{
    struct tls_connection *connection;

    assert_int_equal(tls_connection_new(client, demand, endpoint, &connection), 0);
    assert_int_equal(ERR_peek_error(), 0);
    tls_pair_shake(pair, connection, server);
}

void tls_pair_free(struct tls_pair *pair)
{
    tls_connection_free(pair->client);
    /* Or the server would forget the session. */
    SSL_set_shutdown(pair->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(pair->server);
}

void tls_pair_try(struct tls_client *client, const struct tls_demand *demand, const char *endpoint,
                  SSL_CTX *server, struct tls_peer *out)
{
    struct tls_pair pair;

    tls_pair_connect(&pair, client, demand, endpoint, server);
    tls_connection_finish(pair.client, pair.error, out);
    tls_pair_free(&pair);
}
