/*
 * Certificates of many policy hosts, for tests/bench/builds:
 *
 *   policy_certificates DIRECTORY DOMAIN COUNT
 *
 * Writes ca.pem, and for each number below COUNT mta-sts.d<number>.DOMAIN.pem: a certificate of
 * that CA with this name, and its key. All of them have one key, of P-256, and so has the CA.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>

static EVP_PKEY *key;

/* NULL: the CA itself. */
static X509 *make(X509 *issuer, long serial, const char *extension_value, int nid)
{
    X509 *x509 = X509_new();
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, extension_value);
    const unsigned char *name = (const unsigned char *)(issuer == NULL ? "CA" : "policy host");

    if (x509 == NULL || extension == NULL)
        return NULL;
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x509), 30L * 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC, name, -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(issuer == NULL ? x509 : issuer));
    X509_set_pubkey(x509, key);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
    return X509_sign(x509, key, EVP_sha256()) > 0 ? x509 : NULL;
}

static int write_pem(const char *directory, const char *name, X509 *x509, EVP_PKEY *with_key)
{
    char path[1024];
    FILE *file;
    int written;

    snprintf(path, sizeof(path), "%s/%s.pem", directory, name);
    file = fopen(path, "w");
    if (file == NULL)
        return 0;
    written = PEM_write_X509(file, x509);
    if (written == 1 && with_key != NULL)
        written = PEM_write_PrivateKey(file, with_key, NULL, NULL, 0, NULL, NULL);
    return fclose(file) == 0 && written == 1;
}

int main(int argc, char **argv)
{
    X509 *ca;

    if (argc != 4)
        return 64;
    key = EVP_EC_gen("P-256");
    ca = key != NULL ? make(NULL, 1, "critical,CA:TRUE", NID_basic_constraints) : NULL;
    if (ca == NULL || !write_pem(argv[1], "ca", ca, NULL))
        return 1;
    for (long i = 0; i < atol(argv[3]); i++) {
        char name[300], names[310];
        X509 *leaf;

        snprintf(name, sizeof(name), "mta-sts.d%ld.%s", i, argv[2]);
        snprintf(names, sizeof(names), "DNS:%s", name);
        leaf = make(ca, i + 2, names, NID_subject_alt_name);
        if (leaf == NULL || !write_pem(argv[1], name, leaf, key))
            return 1;
        X509_free(leaf);
    }
    X509_free(ca);
    EVP_PKEY_free(key);
    return 0;
}
