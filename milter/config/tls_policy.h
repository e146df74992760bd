/*
 * An administrator's own TLS policy for a next-hop (`tls_policy` of a rule): the text of a Postfix
 * smtp_tls_policy_maps result, or `skip`. Pure.
 */
#ifndef MILTER_CONFIG_TLS_POLICY_H
#define MILTER_CONFIG_TLS_POLICY_H

#include <stdbool.h>
#include <stddef.h>

enum tls_policy_kind {
    TLS_POLICY_SKIP,          /* the next-hop is exempt: satisfied */
    TLS_POLICY_WEB_PKI,       /* verify, secure: a trust chain and names */
    TLS_POLICY_AUTHENTICATES, /* otherwise: dane-only, fingerprint */
    TLS_POLICY_ENCRYPTS,      /* encrypt */
    TLS_POLICY_NONE,          /* dane (clear text where there is no TLSA), may, none, other words */
};

/* What the first word of the text makes sure of. */
enum tls_policy_kind tls_policy_kind(const char *text);

/* Whether mail goes only to servers that the text authenticates. Not with `skip`. */
bool tls_policy_authenticates(const char *text);

/* The first word, *len octets of it. Blanks and commas separate, as in Postfix. */
const char *tls_policy_word(const char *text, size_t *len);

/* The value of the first attribute of that name (`match`), *len octets of it; NULL if there is
 * none. */
const char *tls_policy_attribute(const char *text, const char *name, size_t *len);

#endif
