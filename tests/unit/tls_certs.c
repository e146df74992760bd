#include "tls_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

enum { DAY = 24 * 3600, NAMES = 2 };

struct spec {
    enum cert_id issuer; /* NONE: itself */
    const char *cn;
    const char *names[NAMES];
    size_t name_len; /* of the first name, where it has a NUL; else 0 */
    long from, to;   /* seconds from now; both 0: a day before to 30 days after */
    bool ca;
    bool client;
    bool weak;
};

#define MX "mx.example.org"
#define OTHER "mx.example.net"

static struct spec specs[CERT_IDS] = {
    [CERT_ROOT] = {.cn = "Root", .ca = true},
    [CERT_INTERMEDIATE] = {CERT_ROOT, .cn = "Intermediate", .ca = true},
    [CERT_OLD_INTERMEDIATE] = {CERT_ROOT, .cn = "Old Intermediate", .from = -9 * DAY, .to = -DAY,
                               .ca = true},
    [CERT_OTHER_ROOT] = {.cn = "Other Root", .ca = true},
    [CERT_MX] = {CERT_INTERMEDIATE, .cn = "A Server", .names = {MX}},
    [CERT_EXPIRED] = {CERT_INTERMEDIATE, .names = {MX}, .from = -9 * DAY, .to = -DAY},
    [CERT_FUTURE] = {CERT_INTERMEDIATE, .names = {MX}, .from = DAY, .to = 9 * DAY},
    [CERT_OTHER_NAME] = {CERT_INTERMEDIATE, .names = {OTHER}},
    [CERT_NEXTHOP] = {CERT_INTERMEDIATE, .names = {"example.org"}},
    [CERT_CN] = {CERT_INTERMEDIATE, .cn = MX},
    [CERT_CN_AND_OTHER] = {CERT_INTERMEDIATE, .cn = MX, .names = {OTHER}},
    [CERT_WILDCARD] = {CERT_INTERMEDIATE, .names = {"*.example.org"}},
    [CERT_PARTIAL] = {CERT_INTERMEDIATE, .names = {"m*.example.org"}},
    [CERT_NUL] = {CERT_INTERMEDIATE, .names = {MX "\0.example.net"}, .name_len = 27},
    [CERT_CLIENT] = {CERT_INTERMEDIATE, .names = {MX}, .client = true},
    [CERT_WEAK] = {CERT_INTERMEDIATE, .names = {MX}, .weak = true},
    [CERT_SECOND] = {CERT_INTERMEDIATE, .names = {OTHER, MX}},
    [CERT_MANY] = {CERT_INTERMEDIATE, .names = {MX}},
    [CERT_UNDER_OLD] = {CERT_OLD_INTERMEDIATE, .names = {MX}},
    [CERT_UNDER_LEAF] = {CERT_MX, .names = {MX}},
    [CERT_OTHER_CA] = {CERT_OTHER_ROOT, .names = {MX}},
    [CERT_SELF] = {.from = -9 * DAY, .to = -DAY},
};

static X509 *certificates[CERT_IDS];
static EVP_PKEY *keys[CERT_IDS];

EVP_PKEY *certs_key(enum cert_id id)
{
    if (keys[id] == NULL)
        keys[id] = specs[id].weak ? EVP_RSA_gen(1024) : EVP_EC_gen("P-256");
    assert_non_null(keys[id]);
    return keys[id];
}

enum cert_id certs_issuer(enum cert_id id)
{
    return specs[id].issuer;
}

static void add_dns_id(GENERAL_NAMES *names, const char *text, size_t len)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    assert_true(name != NULL && value != NULL);
    assert_int_equal(ASN1_STRING_set(value, text, (int)len), 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    assert_true(sk_GENERAL_NAME_push(names, name) > 0);
}

static void add_names(X509 *x509, enum cert_id id)
{
    const struct spec *spec = &specs[id];
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    char other[32];

    assert_non_null(names);
    for (int i = 0; id == CERT_MANY && i < 19; i++) {
        snprintf(other, sizeof(other), "mx%d\r\n\xc3.example.net", i);
        add_dns_id(names, other, strlen(other));
    }
    for (size_t i = 0; i < NAMES && spec->names[i] != NULL; i++)
        add_dns_id(names, spec->names[i],
                   spec->name_len != 0 ? spec->name_len : strlen(spec->names[i]));
    if (sk_GENERAL_NAME_num(names) > 0)
        assert_int_equal(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0), 1);
    GENERAL_NAMES_free(names);
}

static void add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *make(enum cert_id id)
{
    const struct spec *spec = &specs[id];
    X509 *x509 = X509_new(), *issuer = spec->issuer != CERT_NONE ? certs_get(spec->issuer) : NULL;
    EVP_PKEY *signer = certs_key(issuer != NULL ? spec->issuer : id);
    bool dated = spec->from != 0 || spec->to != 0;

    assert_non_null(x509);
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), id);
    X509_gmtime_adj(X509_getm_notBefore(x509), dated ? spec->from : -DAY);
    X509_gmtime_adj(X509_getm_notAfter(x509), dated ? spec->to : 30L * DAY);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "O", MBSTRING_ASC,
                               (const unsigned char *)"Test", -1, -1, 0);
    if (spec->cn != NULL)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                                   (const unsigned char *)spec->cn, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(issuer != NULL ? issuer : x509));
    assert_int_equal(X509_set_pubkey(x509, certs_key(id)), 1);
    if (id != CERT_SELF)
        add_extension(x509, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (spec->client)
        add_extension(x509, NID_ext_key_usage, "clientAuth");
    add_names(x509, id);
    assert_true(X509_sign(x509, signer, EVP_sha256()) > 0);
    return x509;
}

X509 *certs_get(enum cert_id id)
{
    if (certificates[id] == NULL)
        certificates[id] = make(id);
    return certificates[id];
}

void certs_free(void)
{
    for (int id = 0; id < CERT_IDS; id++) {
        X509_free(certificates[id]);
        EVP_PKEY_free(keys[id]);
        certificates[id] = NULL;
        keys[id] = NULL;
    }
}

size_t certs_tlsa(enum cert_id id, unsigned selector, unsigned matching_type, uint8_t *out)
{
    uint8_t der[2048], *end = der;
    unsigned len = 0;
    int der_len = selector == 0 ? i2d_X509(certs_get(id), NULL) : i2d_PUBKEY(certs_key(id), NULL);

    assert_true(der_len > 0 && (size_t)der_len < sizeof(der));
    der_len = selector == 0 ? i2d_X509(certs_get(id), &end) : i2d_PUBKEY(certs_key(id), &end);
    if (matching_type == 0) {
        memcpy(out, der, (size_t)der_len);
        return (size_t)der_len;
    }
    assert_int_equal(EVP_Digest(der, (size_t)der_len, out, &len,
                                matching_type == 1 ? EVP_sha256() : EVP_sha512(), NULL),
                     1);
    return len;
}

void certs_write(enum cert_id id, char *out, size_t out_size)
{
    FILE *file;
    int fd;

    snprintf(out, out_size, "/tmp/test_tls_XXXXXX");
    fd = mkstemp(out);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certs_get(id)), 1);
    assert_int_equal(fclose(file), 0);
}
