/*
 * Whom to trust as a policy host (RFC 8461 section 3.3): the CA certificates, and the checks that
 * libcurl alone would not make, set into its TLS context.
 */
#ifndef POLICY_TLS_STS_TRUST_H
#define POLICY_TLS_STS_TRUST_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

/*
 * Loads the CA certificates of a PEM file and of a hashed directory; both NULL: the system's.
 * Returns 0 and the store (X509_STORE_free), or a negative errno and a message in err.
 */
int sts_trust_load(const char *ca_file, const char *ca_path, X509_STORE **out, char *err,
                   size_t err_len);

/*
 * Makes ctx accept only TLS 1.2 or later and a chain to `store` whose leaf has a DNS-ID for host.
 * The handshake fails otherwise, before a request is sent. Returns 0 or -ENOMEM.
 */
int sts_trust_apply(SSL_CTX *ctx, X509_STORE *store, const char *host);

/*
 * Whether the peer of the connection made with ctx has ended it by TLS's own close_notify. libcurl
 * 7.88 cannot tell that from a connection somebody cut.
 */
bool sts_trust_closed(const SSL_CTX *ctx);

#endif
