/*
 * audit_template: a line of the administrator's own making for each transfer of a message, in the
 * template language of Postfix's mac_expand(3): $name, ${name}, ${name?text}, ${name:text},
 * ${name?{text}:{text}}, $$. Pure; any thread.
 */
#ifndef MILTER_BASE_AUDIT_H
#define MILTER_BASE_AUDIT_H

#include <stddef.h>

enum audit_name {
    AUDIT_RELAY,    /* host[address]:port */
    AUDIT_LEVEL,    /* Postfix's TLS level, after a fallback: may, encrypt, dane... */
    AUDIT_POLICY,   /* that before it; empty if there was none */
    AUDIT_AUTH,     /* Cleartext, Anonymous, Untrusted, Trusted, Verified */
    AUDIT_PROTOCOL, /* empty without TLS, as the next three */
    AUDIT_CIPHER,
    AUDIT_CERT_DIGEST, /* SHA-256 */
    AUDIT_SPKI_DIGEST,
    AUDIT_NAMES
};

/* NULL and "" are the same: empty. Borrowed. */
struct audit_values {
    const char *of[AUDIT_NAMES];
};

/* NULL, or what is wrong with the template, a clause without a full stop, static. For the
 * configuration. */
const char *audit_check(const char *template);

/* Writes at most out_size - 1 octets (out_size at least 4), printable ASCII; other octets as \xHH,
 * and what is too long is cut. A template that a check has not passed is expanded up to its error.
 * Returns out. */
const char *audit_expand(const char *template, const struct audit_values *values, char *out,
                         size_t out_size);

#endif
