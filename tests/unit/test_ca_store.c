/* CA certificates: what can be read, what is said of what cannot, and what is in use after that. */
#include "policy/ca_store.h"

#include "tls_certs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

static char file[64], other_file[64], directory[] = "/tmp/test_ca_XXXXXX";

static int64_t now_ms = 1000;

int64_t __wrap_clock_mono_ms(void);

int64_t __wrap_clock_mono_ms(void)
{
    return now_ms;
}

static bool trusts(const struct ca_store *store, enum cert_id id)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bool trusted;

    assert_non_null(ctx);
    assert_int_equal(X509_STORE_CTX_init(ctx, ca_store_certificates(store), certs_get(id), NULL),
                     1);
    trusted = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return trusted;
}

static void test_file(void **state)
{
    struct ca_store *store;
    char err[256];

    (void)state;
    assert_int_equal(ca_store_new(file, NULL, &store, err, sizeof(err)), 0);
    assert_false(ca_store_empty(store));
    assert_true(trusts(store, CERT_INTERMEDIATE));
    assert_false(trusts(store, CERT_OTHER_CA));
    ca_store_free(store);
}

/* After an hour, and then again after an hour only; what cannot be read changes nothing. */
static void test_refresh(void **state)
{
    enum { HOUR_MS = 3600 * 1000 };
    struct ca_store *store;
    char err[256], link[80];

    (void)state;
    snprintf(link, sizeof(link), "%s/link", directory);
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(ca_store_new(link, NULL, &store, err, sizeof(err)), 0);
    unlink(link);
    assert_int_equal(symlink(other_file, link), 0);
    now_ms += HOUR_MS - 1;
    ca_store_refresh(store);
    assert_int_equal(ca_store_generation(store), 1);
    assert_true(trusts(store, CERT_INTERMEDIATE));
    now_ms++;
    ca_store_refresh(store);
    assert_int_equal(ca_store_generation(store), 2);
    assert_false(trusts(store, CERT_INTERMEDIATE));
    assert_true(trusts(store, CERT_OTHER_CA));
    unlink(link);
    now_ms += HOUR_MS;
    ca_store_refresh(store);
    assert_int_equal(ca_store_generation(store), 2);
    assert_true(trusts(store, CERT_OTHER_CA));
    ca_store_free(store);
}

static void test_reconfigure(void **state)
{
    struct ca_store *store;
    X509_STORE *before;
    char err[256];

    (void)state;
    assert_int_equal(ca_store_new(file, NULL, &store, err, sizeof(err)), 0);
    before = ca_store_certificates(store);
    assert_int_equal(ca_store_reconfigure(store, "/nowhere", NULL, err, sizeof(err)), -EINVAL);
    assert_string_equal(err, "/nowhere: cannot load CA certificates: No such file or directory");
    assert_ptr_equal(ca_store_certificates(store), before);
    assert_int_equal(ca_store_generation(store), 1);
    assert_true(trusts(store, CERT_INTERMEDIATE));
    X509_STORE_up_ref(before); /* as a connection does */
    assert_int_equal(ca_store_reconfigure(store, other_file, NULL, err, sizeof(err)), 0);
    assert_int_equal(ca_store_generation(store), 2);
    assert_false(trusts(store, CERT_INTERMEDIATE));
    assert_true(trusts(store, CERT_OTHER_CA));
    X509_STORE_free(before);
    ca_store_free(store);
}

static void test_what_cannot_be_read(void **state)
{
    static const struct {
        const char *file, *path, *err;
    } cases[] = {
        {"/dev/null", NULL, "/dev/null: cannot load CA certificates: there are none in it"},
        {NULL, "/nowhere",
         "/nowhere: not a directory of CA certificates: No such file or directory"},
    };
    struct ca_store *store = NULL;
    char err[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(ca_store_new(cases[i].file, cases[i].path, &store, err, sizeof(err)),
                         -EINVAL);
        assert_string_equal(err, cases[i].err);
        assert_int_equal(ca_store_check(cases[i].file, cases[i].path, err, sizeof(err)), -EINVAL);
        assert_null(store);
        assert_int_equal(ERR_peek_error(), 0);
    }
    assert_int_equal(ca_store_check(file, NULL, err, sizeof(err)), 0);
}

/* A hashed directory is read when it is used; that there is nothing in it is known before. */
static void test_directory(void **state)
{
    struct ca_store *store;
    char err[256], hashed[64];

    (void)state;
    assert_int_equal(ca_store_new(NULL, directory, &store, err, sizeof(err)), 0);
    assert_true(ca_store_empty(store));
    assert_false(trusts(store, CERT_INTERMEDIATE));
    snprintf(hashed, sizeof(hashed), "%s/%08lx.0", directory,
             X509_NAME_hash_ex(X509_get_subject_name(certs_get(CERT_ROOT)), NULL, NULL, NULL));
    assert_int_equal(symlink(file, hashed), 0);
    assert_int_equal(ca_store_reconfigure(store, NULL, directory, err, sizeof(err)), 0);
    assert_false(ca_store_empty(store));
    assert_true(trusts(store, CERT_INTERMEDIATE));
    unlink(hashed);
    ca_store_free(store);
}

static void test_of_the_system(void **state)
{
    struct ca_store *store;
    char err[256];

    (void)state;
    setenv("SSL_CERT_DIR", directory, 1);
    setenv("SSL_CERT_FILE", "/nowhere", 1);
    assert_int_equal(ca_store_new(NULL, NULL, &store, err, sizeof(err)), 0);
    assert_true(ca_store_empty(store));
    setenv("SSL_CERT_FILE", file, 1);
    assert_int_equal(ca_store_reconfigure(store, NULL, NULL, err, sizeof(err)), 0);
    assert_false(ca_store_empty(store));
    assert_true(trusts(store, CERT_INTERMEDIATE));
    ca_store_free(store);
}

static int setup(void **state)
{
    (void)state;
    certs_write(CERT_ROOT, file, sizeof(file));
    certs_write(CERT_OTHER_ROOT, other_file, sizeof(other_file));
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    unlink(file);
    unlink(other_file);
    rmdir(directory);
    certs_free();
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_reconfigure), cmocka_unit_test(test_what_cannot_be_read),
        cmocka_unit_test(test_directory),   cmocka_unit_test(test_of_the_system),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
