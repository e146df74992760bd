/*
 * What a server may make the TLS client compute: one handshake, or the verification of one chain,
 * must not keep the thread that all share busy for long. And what is no fault of a server's.
 */
#include "policy/tls_client.h"

#include "tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#define MX "mx.example.org"
#define ENDPOINT "192.0.2.1:25"

static struct ca_store *ca_store;
static struct tls_client *client;

static int set_up(void **state)
{
    char err[256], ca_file[64];
    int error;
    (void)state;

    certs_write(CERT_ROOT, ca_file, sizeof(ca_file));
    error = ca_store_new(ca_file, NULL, &ca_store, err, sizeof(err));
    unlink(ca_file);
    return error != 0 ? error : tls_client_new(ca_store, 0, &client);
}

static int tear_down(void **state)
{
    (void)state;
    tls_client_free(client);
    ca_store_free(ca_store);
    certs_free();
    return 0;
}

/* Parameters of a group of so many bits. That the modulus is no prime is nothing a client sees. */
static EVP_PKEY *group_of(int bits)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    BIGNUM *p = BN_new(), *g = BN_new();
    EVP_PKEY *group = NULL;
    OSSL_PARAM *params;

    assert_int_equal(BN_rand(p, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    assert_int_equal(BN_set_word(g, 2), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_P, p), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_FFC_G, g), 1);
    params = OSSL_PARAM_BLD_to_param(build);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &group, EVP_PKEY_KEY_PARAMETERS, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(p);
    BN_free(g);
    return group;
}

static void try_server(SSL_CTX *server, const struct tls_demand *demand, struct tls_peer *peer)
{
    tls_pair_try(client, demand, ENDPOINT, server, peer);
    assert_int_equal(ERR_peek_error(), 0);
}

static SSL_CTX *server_with_group(X509 *x509, EVP_PKEY *key, int bits)
{
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());

    assert_int_equal(SSL_CTX_set_max_proto_version(server, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_use_certificate(server, x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(server, "DHE"), 1);
    assert_int_equal(SSL_CTX_set0_tmp_dh_pkey(server, group_of(bits)), 1);
    return server;
}

static X509 *self_signed(EVP_PKEY *key)
{
    X509 *x509 = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    return x509;
}

/* TLS 1.2: any group, as the server likes. A handshake that fails is no answer of the server's. */
static void test_groups_of_tls12(void **state)
{
    static const struct tls_demand demands[] = {{.kind = TLS_DEMAND_ENCRYPT},
                                                {.kind = TLS_DEMAND_MAY}};
    static const int bits[] = {2048, 4104};
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *x509 = self_signed(key);
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        SSL_CTX *server = server_with_group(x509, key, bits[i / 2]);
        bool taken = bits[i / 2] == 2048;
        struct tls_peer peer;

        try_server(server, &demands[i % 2], &peer);
        SSL_CTX_free(server);
        assert_int_equal(peer.established, taken);
        assert_int_equal(peer.proof.why, taken ? TLS_WHY_NOTHING : TLS_WHY_HANDSHAKE);
        assert_false(tls_why_definite(peer.proof.why));
    }
    X509_free(x509);
    EVP_PKEY_free(key);
}

/* TLS 1.3: the groups that have names. */
static void test_groups_of_tls13(void **state)
{
    static struct {
        char name[16];
        bool taken;
    } groups[] = {{"ffdhe2048", true}, {"ffdhe6144", false}, {"ffdhe8192", false}};
    struct tls_demand demand;
    struct tls_peer peer;
    (void)state;

    tls_demand_web_pki(MX, &demand);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        SSL_CTX *server = tls_pair_server(
            &(struct tls_server_terms){.leaf = CERT_MX, .chain = {CERT_INTERMEDIATE}});

        assert_int_equal(SSL_CTX_set1_groups_list(server, groups[i].name), 1);
        try_server(server, &demand, &peer);
        SSL_CTX_free(server);
        if (groups[i].taken != peer.met)
            fail_msg("%s", groups[i].name);
    }
}

/* ---- Chains ---- */

enum { LONGEST = 12 };

static X509 *chain[LONGEST]; /* the root, those below it, and last the server's */
static EVP_PKEY *keys[LONGEST];

static void add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509_NAME *name_of(size_t i)
{
    X509_NAME *name = X509_NAME_new();
    char text[32];

    snprintf(text, sizeof(text), "number %zu", i);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)text, -1, -1, 0),
                     1);
    return name;
}

static void make_certificate(size_t i, size_t length)
{
    X509_NAME *subject = name_of(i), *issuer = name_of(i > 0 ? i - 1 : 0);
    bool leaf = i + 1 == length;

    keys[i] = EVP_EC_gen("P-256");
    chain[i] = X509_new();
    X509_set_version(chain[i], X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(chain[i]), (long)i + 1);
    X509_gmtime_adj(X509_getm_notBefore(chain[i]), -3600);
    X509_gmtime_adj(X509_getm_notAfter(chain[i]), 3600);
    X509_set_subject_name(chain[i], subject);
    X509_set_issuer_name(chain[i], issuer);
    X509_set_pubkey(chain[i], keys[i]);
    add_extension(chain[i], NID_basic_constraints, leaf ? "CA:FALSE" : "critical,CA:TRUE");
    if (leaf)
        add_extension(chain[i], NID_subject_alt_name, "DNS:" MX);
    assert_true(X509_sign(chain[i], keys[i > 0 ? i - 1 : 0], EVP_sha256()) > 0);
    X509_NAME_free(subject);
    X509_NAME_free(issuer);
}

/* A server that shows the whole chain, whose root is the TLSA record's. */
static void try_chain(size_t length, struct tls_peer *peer)
{
    static uint8_t digest[SHA256_DIGEST_LENGTH];
    static struct findings_tlsa tlsa = {2, 0, 1, true, sizeof(digest), digest};
    struct tls_demand demand;
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());

    for (size_t i = 0; i < length; i++)
        make_certificate(i, length);
    assert_int_equal(X509_digest(chain[0], EVP_sha256(), digest, NULL), 1);
    assert_int_equal(SSL_CTX_use_certificate(server, chain[length - 1]), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, keys[length - 1]), 1);
    for (size_t i = length - 1; i-- > 0;)
        assert_int_equal(SSL_CTX_add1_chain_cert(server, chain[i]), 1);
    tls_demand_web_pki(MX, &demand);
    demand.kind = TLS_DEMAND_DANE;
    demand.tlsa = &tlsa;
    demand.tlsa_count = 1;
    try_server(server, &demand, peer);
    SSL_CTX_free(server);
    for (size_t i = 0; i < length; i++) {
        X509_free(chain[i]);
        EVP_PKEY_free(keys[i]);
    }
}

static void test_chains(void **state)
{
    struct tls_peer peer;
    (void)state;

    try_chain(11, &peer); /* nine between the root and the server's */
    assert_true(peer.met);
    try_chain(12, &peer);
    assert_true(peer.established);
    assert_false(peer.met);
}

/* ---- What this host lacks ---- */

/* A directory as c_rehash makes it. */
static void make_directory(char directory[64], char file[128])
{
    FILE *out;

    strcpy(directory, "/tmp/test-tls-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(file, 128, "%s/%08lx.0", directory, X509_subject_name_hash(certs_get(CERT_ROOT)));
    out = fopen(file, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_X509(out, certs_get(CERT_ROOT)), 1);
    fclose(out);
}

static void try_web_pki(struct tls_client *by, bool descriptors, struct tls_peer *peer)
{
    SSL_CTX *server =
        tls_pair_server(&(struct tls_server_terms){.leaf = CERT_MX, .chain = {CERT_INTERMEDIATE}});
    struct rlimit limit, none;
    struct tls_demand demand;

    tls_demand_web_pki(MX, &demand);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    if (!descriptors)
        none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    tls_pair_try(by, &demand, ENDPOINT, server, peer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    SSL_CTX_free(server);
}

/* A CA certificate that cannot be read for want of descriptors says nothing against a server. */
static void test_no_descriptors(void **state)
{
    char directory[64], file[128], err[256];
    struct ca_store *by_directory;
    struct tls_client *by;
    struct tls_peer peer;
    (void)state;

    make_directory(directory, file);
    assert_int_equal(ca_store_new(NULL, directory, &by_directory, err, sizeof(err)), 0);
    assert_int_equal(tls_client_new(by_directory, 0, &by), 0);
    try_web_pki(by, false, &peer);
    assert_false(peer.met);
    assert_int_equal(peer.proof.why, TLS_WHY_LOCAL);
    assert_false(tls_why_definite(peer.proof.why));
    try_web_pki(by, true, &peer);
    assert_true(peer.met);
    tls_client_free(by);
    ca_store_free(by_directory);
    unlink(file);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_of_tls12),
        cmocka_unit_test(test_groups_of_tls13),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_no_descriptors),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
