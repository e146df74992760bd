/*
 * TLS of an SMTP client: one SSL_CTX for all connections, each configured for what is demanded of
 * it, and its peer verified afterwards. RFC 7672 sections 2.2, 3 and 8.1 (DANE, SNI), RFC 7671,
 * RFC 8461 section 4 (MTA-STS), RFC 6125, RFC 8689.
 *
 *     tls_connection_new()     before the handshake; the transport works with tls_connection_ssl()
 *     tls_connection_finish()  once, when the handshake is done or has failed
 *     tls_connection_free()    at the end; a session of a peer that met the demand is kept
 *
 * The handshake itself succeeds with any peer, so that it can be told what was wrong: nothing that
 * made a demand may be sent before tls_peer.met was seen to be true. One thread.
 */
#ifndef POLICY_TLS_CLIENT_H
#define POLICY_TLS_CLIENT_H

#include "policy/ca_store.h"
#include "policy/tls_demand.h"
#include "policy/tls_peer.h"

struct tls_client;
struct tls_connection;

/*
 * The CA certificates are borrowed, and must outlive the client; a refresh of them counts for
 * connections made later. At most max_sessions sessions are kept for resumption; 0: none.
 * Returns 0, or -ENOMEM.
 */
int tls_client_new(struct ca_store *ca_store, size_t max_sessions, struct tls_client **out);
/*
 * For what is public anyway, before the first connection: the quickest cipher suite is preferred,
 * and no key exchange is offered that withstands quantum computers, which keeps secret what is said
 * and proves nothing. Verification is the same. What OpenSSL does not have stays as it is.
 */
void tls_client_prefer_quick(struct tls_client *client);
void tls_client_free(struct tls_client *client); /* after its connections; NULL is allowed */

/*
 * A connection for this demand, without a BIO; its transport begins with SSL_connect(). The demand
 * is copied; its TLSA records are used here only. `endpoint` is the address and port, as text:
 * sessions are resumed only with the same. Returns 0, -ENOMEM, or -EINVAL: the host is not to be
 * used, or there is no name or usable TLSA record to verify it by.
 */
int tls_connection_new(struct tls_client *client, const struct tls_demand *demand,
                       const char *endpoint, struct tls_connection **out);

/* Belongs to the connection. A transport that frees the SSL takes a reference (SSL_up_ref). */
SSL *tls_connection_ssl(const struct tls_connection *connection);

/*
 * What the peer has shown. openssl_error: of a handshake that failed, the first in OpenSSL's queue
 * (ERR_peek_error(), bufferevent_get_openssl_error()), or 0 if the connection was closed; of no
 * account once the handshake is done. Leaves OpenSSL's error queue as it was.
 */
void tls_connection_finish(struct tls_connection *connection, unsigned long openssl_error,
                           struct tls_peer *out);

/*
 * After a handshake that is done: whether this peer would also meet another demand, by the Web PKI
 * (tls_demand_web_pki); with any other demand, LOCAL. Has no effect on the connection.
 */
void tls_connection_verify(const struct tls_connection *connection, const struct tls_demand *demand,
                           struct tls_proof *out);

void tls_connection_free(struct tls_connection *connection); /* NULL is allowed */

#endif
