/*
 * An administrator's own TLS policy for a next-hop (`tls_policy` of a rule): the text of a Postfix
 * smtp_tls_policy_maps result, or `skip`. Pure.
 */
#ifndef MILTER_CONFIG_TLS_POLICY_H
#define MILTER_CONFIG_TLS_POLICY_H

enum tls_policy_kind {
    TLS_POLICY_SKIP,          /* the next-hop is exempt: satisfied */
    TLS_POLICY_AUTHENTICATES, /* dane-only, fingerprint, verify, secure */
    TLS_POLICY_ENCRYPTS,      /* encrypt */
    TLS_POLICY_NONE,          /* dane (clear text where there is no TLSA), may, none, other words */
};

/* What the first word of the text makes sure of. */
enum tls_policy_kind tls_policy_kind(const char *text);

#endif
