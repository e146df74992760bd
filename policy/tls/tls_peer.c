/*
 * tls_certificate_read() takes from a certificate what is told of it, within bounds and in
 * printable ASCII: it is the peer's text. The rest names the values of the enumerations; what is
 * unknown is never definite.
 */
#include "policy/tls_peer.h"

#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

void tls_printable(char *out, size_t out_size, const void *text, size_t len)
{
    const unsigned char *from = text;
    size_t n = 0;

    for (; n + 1 < out_size && n < len; n++)
        out[n] = from[n] >= ' ' && from[n] <= '~' ? (char)from[n] : '?';
    out[n] = '\0';
}

static void add_name(struct tls_certificate *out, const ASN1_STRING *name)
{
    if (out->name_count == TLS_PEER_NAMES) {
        out->names_left_out++;
        return;
    }
    tls_printable(out->names[out->name_count++], TLS_PEER_NAME_MAX, ASN1_STRING_get0_data(name),
                  (size_t)ASN1_STRING_length(name));
}

static void read_dns_ids(X509 *x509, struct tls_certificate *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            add_name(out, name->d.dNSName);
    }
    GENERAL_NAMES_free(names);
}

/* The last is the most specific. */
static void read_cn_id(X509 *x509, struct tls_certificate *out)
{
    const X509_NAME *subject = X509_get_subject_name(x509);
    int at = -1;

    for (int next = -1; (next = X509_NAME_get_index_by_NID(subject, NID_commonName, next)) >= 0;)
        at = next;
    if (at >= 0)
        add_name(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

static int64_t seconds(const ASN1_TIME *at)
{
    struct tm tm;

    return ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

void tls_certificate_read(X509 *x509, struct tls_certificate *out)
{
    unsigned char *spki = NULL;
    int spki_len;

    memset(out, 0, sizeof(*out));
    if (x509 == NULL)
        return;
    ERR_set_mark();
    out->present = true;
    out->not_before_s = seconds(X509_get0_notBefore(x509));
    out->not_after_s = seconds(X509_get0_notAfter(x509));
    X509_digest(x509, EVP_sha256(), out->sha256, NULL);
    spki_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
    if (spki_len > 0)
        SHA256(spki, (size_t)spki_len, out->spki_sha256);
    OPENSSL_free(spki);
    read_dns_ids(x509, out);
    if (out->name_count == 0)
        read_cn_id(x509, out);
    ERR_pop_to_mark();
}

const char *tls_why_result_type(enum tls_why why)
{
    switch (why) {
    case TLS_WHY_EXPIRED:
        return "certificate-expired";
    case TLS_WHY_NAME:
        return "certificate-host-mismatch";
    case TLS_WHY_UNTRUSTED:
    case TLS_WHY_WEAK:
        return "certificate-not-trusted";
    case TLS_WHY_NO_TLSA_MATCH:
    case TLS_WHY_NO_FINGERPRINT_MATCH:
    case TLS_WHY_NO_CERTIFICATE:
    case TLS_WHY_PROTOCOL:
    case TLS_WHY_HANDSHAKE:
        return "validation-failure";
    case TLS_WHY_NOTHING:
    case TLS_WHY_LOCAL:
    default:
        return NULL;
    }
}

const char *tls_why_text(enum tls_why why)
{
    switch (why) {
    case TLS_WHY_NOTHING:
        return "nothing";
    case TLS_WHY_EXPIRED:
        return "certificate expired or not yet valid";
    case TLS_WHY_NAME:
        return "certificate does not have the name of the server";
    case TLS_WHY_UNTRUSTED:
        return "certificate not trusted";
    case TLS_WHY_WEAK:
        return "key or signature of the certificate too weak";
    case TLS_WHY_NO_TLSA_MATCH:
        return "no TLSA record matches the certificate";
    case TLS_WHY_NO_FINGERPRINT_MATCH:
        return "the certificate has none of the fingerprints of this host's policy";
    case TLS_WHY_NO_CERTIFICATE:
        return "no certificate";
    case TLS_WHY_PROTOCOL:
        return "TLS version too old";
    case TLS_WHY_HANDSHAKE:
        return "TLS handshake failed";
    case TLS_WHY_LOCAL:
        return "local error";
    default:
        return "unknown";
    }
}

const char *tls_auth_name(enum tls_auth auth)
{
    switch (auth) {
    case TLS_AUTH_NONE:
        return "none";
    case TLS_AUTH_DANE:
        return "dane";
    case TLS_AUTH_STS:
        return "sts";
    case TLS_AUTH_WEB_PKI:
        return "web-pki";
    case TLS_AUTH_FINGERPRINT:
        return "fingerprint";
    default:
        return "unknown";
    }
}

bool tls_why_definite(enum tls_why why)
{
    switch (why) {
    case TLS_WHY_EXPIRED:
    case TLS_WHY_NAME:
    case TLS_WHY_UNTRUSTED:
    case TLS_WHY_WEAK:
    case TLS_WHY_NO_TLSA_MATCH:
    case TLS_WHY_NO_FINGERPRINT_MATCH:
    case TLS_WHY_NO_CERTIFICATE:
    case TLS_WHY_PROTOCOL:
        return true;
    case TLS_WHY_NOTHING:
    case TLS_WHY_HANDSHAKE:
    case TLS_WHY_LOCAL:
    default:
        return false;
    }
}
