/*
 * Usability of one TLSA record for SMTP (RFC 6698 section 4.1, RFC 7671 sections 5 and 9, RFC 7672
 * section 3.1): tlsa_usable() says yes or no.
 *
 * Only what the RFCs say makes a record unusable: a usage, selector or matching type that is not
 * understood, malformed data, and the PKIX usages, which RFC 7672 section 3.1.3 leaves to the
 * client and no MTA supports. Key sizes and signature algorithms are not judged here: RFC 6698
 * section 4.1 leaves that to the TLS client, whose limits differ from ours.
 *
 * Full(0) records are parsed exactly as OpenSSL's SSL_dane_tlsa_add() does, which is what the MTAs
 * use: a record counts if that would take it. About the two trust anchor forms of it:
 *  - `2 0 0` holds the whole CA certificate; the server may leave it out of its chain, and every
 *    client must cope (RFC 7671 section 5.2.2).
 *  - `2 1 0` holds a bare CA key. Servers must send the CA certificate, and clients should fall
 *    back to testing the topmost signature (RFC 7671 section 5.2.3), as OpenSSL does. The record
 *    can authenticate a server either way, so it is usable.
 */
#include "tls/tlsa.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

/* A certificate in DER, whole, nothing after it, with a public key OpenSSL can read. */
static bool certificate_valid(const uint8_t *data, size_t len)
{
    const unsigned char *p = data;
    X509 *certificate = d2i_X509(NULL, &p, (long)len);
    bool valid = certificate != NULL && p == data + len && X509_get0_pubkey(certificate) != NULL;

    X509_free(certificate);
    return valid;
}

/* The same for a bare SubjectPublicKeyInfo. */
static bool spki_valid(const uint8_t *data, size_t len)
{
    const unsigned char *p = data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)len);
    bool valid = key != NULL && p == data + len;

    EVP_PKEY_free(key);
    return valid;
}

static bool full_valid(uint8_t selector, const uint8_t *data, size_t len)
{
    bool valid;

    if (len == 0)
        return false;
    ERR_set_mark();
    valid = selector == TLSA_CERT ? certificate_valid(data, len) : spki_valid(data, len);
    ERR_pop_to_mark();
    return valid;
}

bool tlsa_usable(uint8_t usage, uint8_t selector, uint8_t matching_type, const uint8_t *data,
                 size_t len)
{
    if (usage != TLSA_DANE_TA && usage != TLSA_DANE_EE)
        return false;
    if (selector != TLSA_CERT && selector != TLSA_SPKI)
        return false;
    switch (matching_type) {
    case TLSA_FULL:
        return full_valid(selector, data, len);
    case TLSA_SHA2_256:
        return len == SHA256_DIGEST_LENGTH;
    case TLSA_SHA2_512:
        return len == SHA512_DIGEST_LENGTH;
    default:
        return false;
    }
}
