/*
 * The names that a peer's certificate is compared with (reference identifiers, RFC 6125 section
 * 6.2), set into OpenSSL's verification: a certificate must have one of them, or its verification
 * fails. Wildcards stand for the whole left-most label and nothing else (RFC 6125 section 6.4.3,
 * RFC 7672 section 3.2.3).
 */
#ifndef POLICY_TLS_REFERENCE_NAMES_H
#define POLICY_TLS_REFERENCE_NAMES_H

#include <stddef.h>

#include <openssl/x509_vfy.h>

enum reference_names_rule {
    /* Only a DNS-ID counts (RFC 8461 sections 3.3 and 4.2). */
    REFERENCE_NAMES_DNS_ID,
    /* The CN-ID counts where there is no DNS-ID (RFC 7672 section 3.2.3). */
    REFERENCE_NAMES_CN_ID,
    /* Likewise, and a name with a leading dot stands for all below it, at any depth: names of an
     * administrator's policy, as Postfix compares them. */
    REFERENCE_NAMES_POLICY,
};

/*
 * Replaces the names of param with `count` of them (A-labels). Returns 0, -ENOMEM, or -EINVAL: no
 * name, or one that the rule does not allow; then param is not to be used. Any thread.
 */
int reference_names_set(X509_VERIFY_PARAM *param, enum reference_names_rule rule,
                        const char *const *names, size_t count);

#endif
