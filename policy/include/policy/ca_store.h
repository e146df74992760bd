/*
 * The CA certificates that Web PKI certificates are verified with (RFC 8461 sections 3.3 and 4.2):
 * read once, for the MTA-STS fetch and the SMTP client alike, and read anew after an hour, so that
 * what the system has withdrawn is forgotten. One object, one thread.
 */
#ifndef POLICY_CA_STORE_H
#define POLICY_CA_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

struct ca_store;

/*
 * Reads a PEM file and a hashed directory; both NULL: the system's. The strings are copied.
 * Returns 0 and the object (ca_store_free), or -EINVAL (no such certificates) or -ENOMEM and a
 * message in err.
 */
int ca_store_new(const char *ca_file, const char *ca_path, struct ca_store **out, char *err,
                 size_t err_size);
void ca_store_free(struct ca_store *store); /* NULL is allowed */

/* The same into an object that is in use; after an error it is as it was. */
int ca_store_reconfigure(struct ca_store *store, const char *ca_file, const char *ca_path,
                         char *err, size_t err_size);

/* Likewise, with what another object has, which is freed. Never fails. */
void ca_store_replace(struct ca_store *store, struct ca_store *by);

/* Reads the certificates again if that was done more than an hour ago. A set that cannot be read
 * leaves the old one in use. */
void ca_store_refresh(struct ca_store *store);

/* What is in use: belongs to the object, until the next refresh or reconfigure. To keep it longer,
 * take a reference (X509_STORE_up_ref). */
X509_STORE *ca_store_certificates(const struct ca_store *store);

/* Another number for each set that was read. */
unsigned ca_store_generation(const struct ca_store *store);

/* True when no CA certificate was found, so that nothing can be verified. */
bool ca_store_empty(const struct ca_store *store);

/* Whether ca_store_new() would succeed: 0, or its error and message. Any thread. */
int ca_store_check(const char *ca_file, const char *ca_path, char *err, size_t err_size);

#endif
