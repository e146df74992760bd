/*
 * Usability of TLSA records for SMTP: every combination of usage, selector and matching type with
 * every kind of data (RFC 6698 section 4.1, RFC 7672 section 3.1), and agreement with OpenSSL.
 */
#include "tls/tlsa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

enum { DATA_MAX = 2048 };

struct data {
    const char *name;
    /* which selector and matching type it is good for */
    int selector; /* -1: either */
    int matching_type;
    size_t len;
    uint8_t octets[DATA_MAX];
};

enum { NOTHING = 99 };

static struct data samples[] = {
    {.name = "32 octets", .selector = -1, .matching_type = TLSA_SHA2_256, .len = 32},
    {.name = "64 octets", .selector = -1, .matching_type = TLSA_SHA2_512, .len = 64},
    {.name = "none", .matching_type = NOTHING, .len = 0},
    {.name = "20 octets (SHA-1)", .matching_type = NOTHING, .len = 20},
    {.name = "31 octets", .matching_type = NOTHING, .len = 31},
    {.name = "33 octets", .matching_type = NOTHING, .len = 33},
    {.name = "48 octets (SHA-384)", .matching_type = NOTHING, .len = 48},
    {.name = "63 octets", .matching_type = NOTHING, .len = 63},
    {.name = "65 octets", .matching_type = NOTHING, .len = 65},
    {.name = "certificate", .selector = TLSA_CERT, .matching_type = TLSA_FULL},
    {.name = "certificate and an octet", .matching_type = NOTHING},
    {.name = "certificate cut short", .matching_type = NOTHING},
    {.name = "certificate with an unreadable key", .matching_type = NOTHING},
    {.name = "key", .selector = TLSA_SPKI, .matching_type = TLSA_FULL},
    {.name = "key and an octet", .matching_type = NOTHING},
    {.name = "key cut short", .matching_type = NOTHING},
    {.name = "key of an unknown algorithm", .matching_type = NOTHING},
};

enum { CERT = 9, CERT_MORE, CERT_CUT, CERT_BAD_KEY, KEY, KEY_MORE, KEY_CUT, KEY_UNKNOWN };

static void set(struct data *d, const uint8_t *octets, size_t len)
{
    assert_true(len < DATA_MAX);
    memcpy(d->octets, octets, len);
    d->len = len;
}

/* Spoils the algorithm id-ecPublicKey (1.2.840.10045.2.1) inside a DER structure. */
static void spoil_algorithm(struct data *d)
{
    static const uint8_t oid[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
    uint8_t *at = memmem(d->octets, d->len, oid, sizeof(oid));

    assert_non_null(at);
    at[sizeof(oid) - 1] = 0x7f;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();

    assert_non_null(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"mx.example.org", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

static int make_samples(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = make_certificate(key);
    uint8_t *der = NULL;
    int len;

    (void)state;
    len = i2d_X509(x, &der);
    assert_true(len > 0);
    set(&samples[CERT], der, (size_t)len);
    set(&samples[CERT_MORE], der, (size_t)len);
    samples[CERT_MORE].len++;
    set(&samples[CERT_CUT], der, (size_t)len - 1);
    set(&samples[CERT_BAD_KEY], der, (size_t)len);
    spoil_algorithm(&samples[CERT_BAD_KEY]);
    OPENSSL_free(der);

    der = NULL;
    len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    set(&samples[KEY], der, (size_t)len);
    set(&samples[KEY_MORE], der, (size_t)len);
    samples[KEY_MORE].len++;
    set(&samples[KEY_CUT], der, (size_t)len - 1);
    set(&samples[KEY_UNKNOWN], der, (size_t)len);
    spoil_algorithm(&samples[KEY_UNKNOWN]);
    OPENSSL_free(der);
    X509_free(x);
    EVP_PKEY_free(key);
    return 0;
}

static void all_combinations(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256u * 4 * 4; n++) {
        /* every usage with the first selectors and types, and beyond through the next loop */
        uint8_t usage = (uint8_t)(n >> 4), selector = n >> 2 & 3, type = n & 3;

        for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
            const struct data *d = &samples[i];
            bool expected = (usage == TLSA_DANE_TA || usage == TLSA_DANE_EE) &&
                            selector <= TLSA_SPKI && d->matching_type == type &&
                            (d->selector == -1 || d->selector == selector);

            if (tlsa_usable(usage, selector, type, d->octets, d->len) != expected)
                fail_msg("%u %u %u %s: expected %d", usage, selector, type, d->name, expected);
        }
    }
}

static void unknown_values(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 256; v++) {
        for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
            const struct data *d = &samples[i];

            if (v > TLSA_SPKI)
                for (uint8_t type = 0; type < 4; type++)
                    assert_false(tlsa_usable(3, (uint8_t)v, type, d->octets, d->len));
            if (v > TLSA_SHA2_512) {
                assert_false(tlsa_usable(3, 0, (uint8_t)v, d->octets, d->len));
                assert_false(tlsa_usable(2, 1, (uint8_t)v, d->octets, d->len));
            }
        }
    }
}

/* The MTA that acts on our findings uses OpenSSL: for usages 2 and 3 both must say the same. */
static void agrees_with_openssl(void **state)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    (void)state;
    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_dane_enable(ctx), 1);
    for (unsigned n = 0; n < 2 * 3 * 4; n++) {
        uint8_t usage = (uint8_t)(2 + n / 12), selector = n / 4 % 3, type = n % 4;

        for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
            SSL *ssl = SSL_new(ctx);
            int added;

            assert_int_equal(SSL_dane_enable(ssl, "mx.example.org"), 1);
            added =
                SSL_dane_tlsa_add(ssl, usage, selector, type, samples[i].octets, samples[i].len);
            if (tlsa_usable(usage, selector, type, samples[i].octets, samples[i].len) !=
                (added == 1))
                fail_msg("%u %u %u %s: OpenSSL says %d", usage, selector, type, samples[i].name,
                         added);
            SSL_free(ssl);
        }
    }
    SSL_CTX_free(ctx);
    ERR_clear_error();
}

static void error_queue_untouched(void **state)
{
    (void)state;
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 1);
    assert_false(tlsa_usable(3, 0, 0, samples[CERT_CUT].octets, samples[CERT_CUT].len));
    assert_false(tlsa_usable(3, 1, 0, samples[KEY_CUT].octets, samples[KEY_CUT].len));
    assert_int_not_equal(ERR_get_error(), 0);
    assert_int_equal(ERR_get_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_combinations),
        cmocka_unit_test(unknown_values),
        cmocka_unit_test(agrees_with_openssl),
        cmocka_unit_test(error_queue_untouched),
    };

    return cmocka_run_group_tests_name("tlsa", tests, make_samples, NULL);
}
