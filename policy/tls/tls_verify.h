/*
 * Verifies the chain that a peer has shown against a demand: DANE (RFC 7671, RFC 7672 section 3) or
 * the Web PKI (RFC 5280, RFC 6125). Also for a resumed session, which has the chain of the
 * handshake it began with. Any thread that may use the SSL.
 */
#ifndef POLICY_TLS_TLS_VERIFY_H
#define POLICY_TLS_TLS_VERIFY_H

#include "policy/tls_demand.h"
#include "policy/tls_peer.h"

/*
 * ssl: the handshake is done, and for TLS_DEMAND_DANE the TLSA records were given to it before.
 * certificates: of the Web PKI; DANE disregards them. out->why is NOTHING when the demand is met,
 * which one that demands no authentication is. Leaves OpenSSL's error queue as it was.
 */
void tls_verify(SSL *ssl, X509_STORE *certificates, const struct tls_demand *demand,
                struct tls_proof *out);

/* What a failed handshake comes to, from OpenSSL's error code; 0: the connection was closed. */
void tls_verify_no_handshake(unsigned long openssl_error, struct tls_proof *out);

#endif
