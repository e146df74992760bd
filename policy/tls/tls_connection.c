/*
 * One connection: tls_connection_new() configures it for its demand, tls_connection_finish() judges
 * the peer, tls_connection_free() keeps the session of a peer that met the demand, under the key of
 * all that was demanded. A connection whose demand cannot be set in full is not made (-EINVAL,
 * -ENOMEM); a result is met only where the handshake is done and nothing was wrong.
 */
#include "tls/tls_internal.h"
#include "tls/tls_verify.h"
#include "tls/tlsa.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

struct tls_connection {
    struct tls_client *client;
    SSL *ssl;                 /* a reference */
    SSL_SESSION *used;        /* the session offered to the server, if it may be used again */
    SSL_SESSION *session;     /* the newest that the server gave; or NULL */
    X509_STORE *certificates; /* a reference: those that the key stands for */
    bool no_certificates;     /* there are none in it */
    bool is_offered;          /* a session was offered to the server */
    bool met;
    struct tls_demand demand; /* without its TLSA records, which the SSL has */
    char key[TLS_DEMAND_KEY_MAX];
};

/* By TLSA records, and not by the Web PKI. */
static bool is_by_records(enum tls_demand_kind kind)
{
    return kind == TLS_DEMAND_DANE || kind == TLS_DEMAND_POLICY_FINGERPRINT;
}

static bool is_verified(enum tls_demand_kind kind)
{
    return is_by_records(kind) || kind == TLS_DEMAND_STS || kind == TLS_DEMAND_WEB_PKI ||
           kind == TLS_DEMAND_POLICY_NAMES;
}

/* TLS of any kind is better than none where that is the choice: old versions, small keys, and
 * servers without a certificate (RFC 7672 section 8.2). */
static bool allow_anything(SSL *ssl)
{
    SSL_set_security_level(ssl, 0);
    SSL_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
    return SSL_set_min_proto_version(ssl, TLS1_VERSION) == 1 &&
           SSL_set_cipher_list(ssl, "ALL:+aNULL:!eNULL") == 1;
}

/* The usable records; 0, or -EINVAL if there is none, without which OpenSSL would go by the Web
 * PKI. */
static int add_records(SSL *ssl, const struct tls_demand *demand)
{
    size_t added = 0;

    for (size_t i = 0; i < demand->tlsa_count; i++) {
        const struct findings_tlsa *tlsa = &demand->tlsa[i];
        int result;

        if (!tlsa->usable || !tlsa_usable(tlsa->usage, tlsa->selector, tlsa->matching_type,
                                          tlsa->data, tlsa->data_len))
            continue;
        result = SSL_dane_tlsa_add(ssl, tlsa->usage, tlsa->selector, tlsa->matching_type,
                                   tlsa->data, tlsa->data_len);
        if (result < 0)
            return -ENOMEM;
        added += result > 0;
    }
    return added > 0 ? 0 : -EINVAL;
}

/* SSL_set_tlsext_host_name() without its cast, of which clang warns. */
static long set_server_name(SSL *ssl, const char *name)
{
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name);
}

/* SNI is the TLSA base domain (RFC 7672 section 8.1), the name of the MX host (RFC 8461 section 4),
 * or what a policy has for it. NULL: none. */
static const char *server_name(const struct tls_demand *demand)
{
    if (demand->server_name[0] != '\0')
        return demand->server_name;
    return demand->name_count > 0 && demand->names[0][0] != '.' ? demand->names[0] : NULL;
}

/* A fingerprint is of one certificate or key, whatever names it has. */
static bool lacks_names(const struct tls_demand *demand)
{
    return is_verified(demand->kind) && demand->kind != TLS_DEMAND_POLICY_FINGERPRINT &&
           demand->name_count == 0;
}

/* The names themselves are set by tls_verify(). */
static int apply_demand(SSL *ssl, const struct tls_demand *demand)
{
    const char *name = server_name(demand);

    if (demand->kind == TLS_DEMAND_NOT_USED || lacks_names(demand))
        return -EINVAL;
    if (demand->kind == TLS_DEMAND_MAY)
        return allow_anything(ssl) ? 0 : -ENOMEM;
    if (SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
        return -ENOMEM;
    if (!is_verified(demand->kind))
        return 0;
    if (name != NULL && set_server_name(ssl, name) != 1)
        return -EINVAL;
    if (!is_by_records(demand->kind))
        return 0;
    if (SSL_dane_enable(ssl, name) <= 0)
        return -ENOMEM;
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 section 3.2.1 */
    return add_records(ssl, demand);
}

/* A session of TLS 1.2 or earlier is good for many connections. */
static int apply_session(struct tls_connection *connection)
{
    SSL_SESSION *session = tls_sessions_take(connection->client->sessions, connection->key);
    int error = 0;

    if (session == NULL)
        return 0;
    connection->is_offered = true;
    if (SSL_SESSION_get_protocol_version(session) <= TLS1_2_VERSION)
        connection->used = SSL_SESSION_dup(session);
    if (SSL_set_session(connection->ssl, session) != 1)
        error = -ENOMEM;
    SSL_SESSION_free(session);
    return error;
}

static int configure(struct tls_connection *connection, const struct tls_demand *demand,
                     const char *endpoint)
{
    struct ca_store *ca_store = connection->client->ca_store;
    int error;

    connection->certificates = ca_store_certificates(ca_store);
    X509_STORE_up_ref(connection->certificates);
    connection->no_certificates = ca_store_empty(ca_store);
    connection->demand = *demand;
    connection->demand.tlsa = NULL;
    connection->demand.tlsa_count = 0;
    connection->ssl = SSL_new(connection->client->ctx);
    if (connection->ssl == NULL)
        return -ENOMEM;
    error = apply_demand(connection->ssl, demand);
    if (error == 0)
        error = tls_demand_key(demand, endpoint, ca_store_generation(ca_store), connection->key);
    if (error == 0)
        error = tls_client_watch_session(connection->ssl, &connection->session);
    return error != 0 ? error : apply_session(connection);
}

int tls_connection_new(struct tls_client *client, const struct tls_demand *demand,
                       const char *endpoint, struct tls_connection **out)
{
    struct tls_connection *connection = calloc(1, sizeof(*connection));
    int error;

    if (connection == NULL)
        return -ENOMEM;
    connection->client = client;
    ERR_set_mark();
    error = configure(connection, demand, endpoint);
    ERR_pop_to_mark();
    if (error != 0) {
        tls_connection_free(connection);
        return error;
    }
    *out = connection;
    return 0;
}

SSL *tls_connection_ssl(const struct tls_connection *connection)
{
    return connection->ssl;
}

/* OpenSSL reads a directory of CA certificates when it needs one of them, and says nothing when it
 * cannot. */
static bool can_read_files(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void verify(const struct tls_connection *connection, const struct tls_demand *demand,
                   struct tls_proof *out)
{
    const char *reason = NULL;

    tls_verify(connection->ssl, connection->certificates, demand, out);
    if (out->why != TLS_WHY_UNTRUSTED || is_by_records(demand->kind))
        return;
    if (connection->no_certificates)
        reason = "no CA certificates are installed here";
    else if (!can_read_files())
        reason = "CA certificates cannot be read: this host lacks descriptors";
    if (reason == NULL)
        return;
    out->why = TLS_WHY_LOCAL;
    snprintf(out->reason, sizeof(out->reason), "%s", reason);
}

void tls_connection_verify(const struct tls_connection *connection, const struct tls_demand *demand,
                           struct tls_proof *out)
{
    static const struct tls_demand not_used = {.kind = TLS_DEMAND_NOT_USED};

    if (demand->kind != TLS_DEMAND_WEB_PKI || SSL_is_init_finished(connection->ssl) == 0)
        demand = &not_used;
    verify(connection, demand, out);
}

static enum tls_auth auth_of(enum tls_demand_kind kind)
{
    switch (kind) {
    case TLS_DEMAND_DANE:
        return TLS_AUTH_DANE;
    case TLS_DEMAND_STS:
        return TLS_AUTH_STS;
    case TLS_DEMAND_WEB_PKI:
    case TLS_DEMAND_POLICY_NAMES:
        return TLS_AUTH_WEB_PKI;
    case TLS_DEMAND_POLICY_FINGERPRINT:
        return TLS_AUTH_FINGERPRINT;
    case TLS_DEMAND_NOT_USED:
    case TLS_DEMAND_MAY:
    case TLS_DEMAND_ENCRYPT:
    default:
        return TLS_AUTH_NONE;
    }
}

static void describe(SSL *ssl, struct tls_peer *out)
{
    const char *protocol = SSL_get_version(ssl), *cipher = SSL_get_cipher_name(ssl);

    out->established = true;
    out->resumed = SSL_session_reused(ssl) != 0;
    tls_printable(out->protocol, sizeof(out->protocol), protocol, strlen(protocol));
    tls_printable(out->cipher, sizeof(out->cipher), cipher, strlen(cipher));
    tls_certificate_read(SSL_get0_peer_certificate(ssl), &out->certificate);
}

void tls_connection_finish(struct tls_connection *connection, unsigned long openssl_error,
                           struct tls_peer *out)
{
    SSL *ssl = connection->ssl;

    memset(out, 0, sizeof(*out));
    connection->met = false;
    if (SSL_is_init_finished(ssl) == 0) {
        tls_verify_no_handshake(openssl_error, &out->proof);
        return;
    }
    describe(ssl, out);
    verify(connection, &connection->demand, &out->proof);
    if (out->proof.why != TLS_WHY_NOTHING)
        return;
    out->met = connection->met = true;
    out->auth = auth_of(connection->demand.kind);
    if (out->auth == TLS_AUTH_DANE)
        SSL_get0_dane_tlsa(ssl, &out->tlsa_usage, &out->tlsa_selector, &out->tlsa_matching_type,
                           NULL, NULL);
}

/* Only of a peer that met the demand. Where one with a session did not, or broke off, its other
 * sessions would fail one after the other (a certificate that has ended since): they go too. */
static void keep_session(struct tls_connection *connection)
{
    SSL_SESSION **newest = &connection->session;

    if (*newest == NULL && SSL_session_reused(connection->ssl) != 0)
        newest = &connection->used;
    if (!connection->met && connection->is_offered)
        tls_sessions_forget(connection->client->sessions, connection->key);
    if (!connection->met || *newest == NULL)
        return;
    tls_sessions_put(connection->client->sessions, connection->key, *newest);
    *newest = NULL;
}

void tls_connection_free(struct tls_connection *connection)
{
    if (connection == NULL)
        return;
    if (connection->ssl != NULL) {
        ERR_set_mark();
        tls_client_watch_session(connection->ssl, NULL);
        ERR_pop_to_mark();
        keep_session(connection);
    }
    SSL_SESSION_free(connection->session);
    SSL_SESSION_free(connection->used);
    SSL_free(connection->ssl);
    X509_STORE_free(connection->certificates);
    free(connection);
}
