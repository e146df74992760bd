/*
 * tls_verify() runs X509_verify_cert() over the peer's chain, as OpenSSL itself does in a full
 * handshake, and sorts its result into enum tls_why. The handshake does not verify (tls_client.c),
 * so there is one verification, and a resumed session cannot go by an old result.
 * tls_verify_no_handshake() sorts the errors of a handshake that did not come to that.
 *
 * OpenSSL's DANE has the digest agility of RFC 7671 section 9, takes CA certificates and keys from
 * Full(0) records, and looks at no CA of the system where the usages are DANE-TA(2) and DANE-EE(3).
 */
#include "tls/tls_verify.h"

#include "tls/reference_names.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>

/* CA certificates between the server's and the one that is trusted; each is a signature to verify,
 * and OpenSSL goes to 100. Postfix has the same bound (smtp_tls_scert_verifydepth). */
enum { DEPTH_MAX = 9 };

static enum tls_why why_of(int code)
{
    switch (code) {
    case X509_V_OK:
        return TLS_WHY_NOTHING;
    case X509_V_ERR_CERT_NOT_YET_VALID:
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
        return TLS_WHY_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return TLS_WHY_NAME;
    case X509_V_ERR_DANE_NO_MATCH:
        return TLS_WHY_NO_TLSA_MATCH;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
        return TLS_WHY_WEAK;
    case X509_V_ERR_UNSPECIFIED:
    case X509_V_ERR_OUT_OF_MEM:
    case X509_V_ERR_INVALID_CALL:
    case X509_V_ERR_STORE_LOOKUP:
    case X509_V_ERR_APPLICATION_VERIFICATION:
        return TLS_WHY_LOCAL;
    default:
        return TLS_WHY_UNTRUSTED;
    }
}

static void set_proof(struct tls_proof *out, enum tls_why why, const char *reason)
{
    out->why = why;
    tls_printable(out->reason, sizeof(out->reason), reason, strlen(reason));
}

static enum reference_names_rule rule_of(enum tls_demand_kind kind)
{
    switch (kind) {
    case TLS_DEMAND_DANE:
        return REFERENCE_NAMES_CN_ID;
    case TLS_DEMAND_POLICY_NAMES:
        return REFERENCE_NAMES_POLICY;
    case TLS_DEMAND_NOT_USED:
    case TLS_DEMAND_MAY:
    case TLS_DEMAND_ENCRYPT:
    case TLS_DEMAND_STS:
    case TLS_DEMAND_WEB_PKI:
    case TLS_DEMAND_POLICY_FINGERPRINT:
    default:
        return REFERENCE_NAMES_DNS_ID;
    }
}

/* The parameters that OpenSSL sets for a client, with the names of the demand. */
static bool prepare(X509_STORE_CTX *ctx, SSL *ssl, const struct tls_demand *demand)
{
    const char *names[TLS_DEMAND_NAMES];
    bool by_records =
        demand->kind == TLS_DEMAND_DANE || demand->kind == TLS_DEMAND_POLICY_FINGERPRINT;
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

    for (size_t i = 0; i < demand->name_count; i++)
        names[i] = demand->names[i];
    X509_VERIFY_PARAM_set_auth_level(param, SSL_get_security_level(ssl));
    X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
    if (by_records)
        X509_STORE_CTX_set0_dane(ctx, SSL_get0_dane(ssl));
    if (X509_STORE_CTX_set_default(ctx, "ssl_server") != 1)
        return false;
    return demand->kind == TLS_DEMAND_POLICY_FINGERPRINT ||
           reference_names_set(param, rule_of(demand->kind), names, demand->name_count) == 0;
}

/* X509_V_OK or an error. */
static int verify_chain(SSL *ssl, X509_STORE *certificates, const struct tls_demand *demand,
                        X509 *leaf, STACK_OF(X509) * chain)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int code = X509_V_ERR_OUT_OF_MEM;

    if (ctx != NULL && X509_STORE_CTX_init(ctx, certificates, leaf, chain) == 1 &&
        prepare(ctx, ssl, demand)) {
        int verified = X509_verify_cert(ctx);

        code = X509_STORE_CTX_get_error(ctx);
        if (verified != 1 && code == X509_V_OK)
            code = X509_V_ERR_UNSPECIFIED;
    }
    X509_STORE_CTX_free(ctx);
    return code;
}

/* The same, of certificates that are read anew. */
static int verify_copies(SSL *ssl, X509_STORE *certificates, const struct tls_demand *demand,
                         X509 *leaf)
{
    STACK_OF(X509) *chain = sk_X509_deep_copy(SSL_get_peer_cert_chain(ssl), X509_dup, X509_free);
    X509 *copy = X509_dup(leaf);
    int code = X509_V_ERR_OUT_OF_MEM;

    if (chain != NULL && copy != NULL)
        code = verify_chain(ssl, certificates, demand, copy, chain);
    X509_free(copy);
    sk_X509_pop_free(chain, X509_free);
    return code;
}

/* Where memory runs out, OpenSSL may miss a CA certificate or a TLSA record and say nothing of it,
 * and it may not know for ever after what is in a certificate of the chain. A no is permanent to a
 * sender, so it must come twice; a yes is proof. */
static int verify_twice(SSL *ssl, X509_STORE *certificates, const struct tls_demand *demand,
                        X509 *leaf)
{
    int code = verify_chain(ssl, certificates, demand, leaf, SSL_get_peer_cert_chain(ssl)), again;

    if (code == X509_V_OK)
        return code;
    again = verify_copies(ssl, certificates, demand, leaf);
    return again == code || again == X509_V_OK ? again : X509_V_ERR_OUT_OF_MEM;
}

/* Without any TLSA record OpenSSL goes by the Web PKI: what no record matched is no success. */
static int confirm_dane(SSL *ssl, int code)
{
    SSL_set_verify_result(ssl, code); /* SSL_get0_dane_authority() and ..._tlsa() go by it */
    if (code != X509_V_OK || SSL_get0_dane_authority(ssl, NULL, NULL) >= 0)
        return code;
    SSL_set_verify_result(ssl, X509_V_ERR_DANE_NO_MATCH);
    return X509_V_ERR_DANE_NO_MATCH;
}

void tls_verify(SSL *ssl, X509_STORE *certificates, const struct tls_demand *demand,
                struct tls_proof *out)
{
    X509 *leaf = SSL_get0_peer_certificate(ssl);
    int code;

    memset(out, 0, sizeof(*out));
    switch (demand->kind) {
    case TLS_DEMAND_MAY:
    case TLS_DEMAND_ENCRYPT:
        return;
    case TLS_DEMAND_DANE:
    case TLS_DEMAND_STS:
    case TLS_DEMAND_WEB_PKI:
    case TLS_DEMAND_POLICY_NAMES:
    case TLS_DEMAND_POLICY_FINGERPRINT:
        break;
    case TLS_DEMAND_NOT_USED:
    default:
        set_proof(out, TLS_WHY_LOCAL, "the server is not to be used");
        return;
    }
    if (leaf == NULL) {
        set_proof(out, TLS_WHY_NO_CERTIFICATE, "no certificate");
        return;
    }
    ERR_set_mark();
    code = verify_twice(ssl, certificates, demand, leaf);
    ERR_pop_to_mark();
    if (demand->kind == TLS_DEMAND_DANE || demand->kind == TLS_DEMAND_POLICY_FINGERPRINT)
        code = confirm_dane(ssl, code);
    if (code == X509_V_ERR_DANE_NO_MATCH && demand->kind == TLS_DEMAND_POLICY_FINGERPRINT)
        set_proof(out, TLS_WHY_NO_FINGERPRINT_MATCH,
                  "no fingerprint of this host's policy matches");
    else if (code != X509_V_OK)
        set_proof(out, why_of(code), X509_verify_cert_error_string(code));
}

/* This host cannot send or receive at present, or finds no way there: nothing of TLS. */
static bool is_own_error(int error)
{
    return error == ENOMEM || error == ENOBUFS || error == EPERM || error == EACCES ||
           error == ENETDOWN || error == ENETUNREACH || error == EHOSTUNREACH;
}

/* Who is to blame, as far as OpenSSL's reason tells. */
static enum tls_why why_no_handshake(unsigned long openssl_error)
{
    if (ERR_SYSTEM_ERROR(openssl_error))
        return is_own_error(ERR_GET_REASON(openssl_error)) ? TLS_WHY_LOCAL : TLS_WHY_HANDSHAKE;
    if (ERR_GET_REASON(openssl_error) == ERR_R_MALLOC_FAILURE)
        return TLS_WHY_LOCAL;
    if (ERR_GET_LIB(openssl_error) != ERR_LIB_SSL)
        return TLS_WHY_HANDSHAKE;
    switch (ERR_GET_REASON(openssl_error)) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return TLS_WHY_PROTOCOL;
    case SSL_R_NO_PROTOCOLS_AVAILABLE: /* openssl.cnf */
    case SSL_R_NO_CIPHERS_AVAILABLE:
        return TLS_WHY_LOCAL;
    default:
        return TLS_WHY_HANDSHAKE;
    }
}

void tls_verify_no_handshake(unsigned long openssl_error, struct tls_proof *out)
{
    const char *reason = ERR_reason_error_string(openssl_error);
    char text[TLS_REASON_MAX] = "TLS handshake failed";

    memset(out, 0, sizeof(*out));
    if (openssl_error == 0)
        reason = "connection closed during the TLS handshake";
    else if (ERR_GET_REASON(openssl_error) == SSL_R_DH_KEY_TOO_SMALL) /* or tls_client.c's bound */
        reason = "Diffie-Hellman group too small or too large";
    else if (ERR_SYSTEM_ERROR(openssl_error))
        reason = strerror_r(ERR_GET_REASON(openssl_error), text, sizeof(text));
    set_proof(out, why_no_handshake(openssl_error), reason != NULL ? reason : text);
}
