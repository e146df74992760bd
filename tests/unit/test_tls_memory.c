/*
 * Memory that runs out inside OpenSSL, at each of its allocations in turn: no connection without
 * all of its demand, no peer authenticated that is not, and no word against one that is good.
 */
#include "policy/tls_client.h"

#include "tls_certs.h"
#include "tls_pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

enum { NEVER = -1, MOST = 20000 };

static int allocations_left = NEVER; /* the one after these fails, and no other */
static bool failed;

static bool fails(void)
{
    if (allocations_left == NEVER || allocations_left-- > 0)
        return false;
    failed = true;
    return true;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(size);
}

static void *reallocate(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(old, size);
}

static void release(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

static struct ca_store *ca_store;
static struct tls_client *client;
static uint8_t digest[64];
static struct findings_tlsa tlsa = {
    .selector = 1, .matching_type = 1, .usable = true, .data = digest};

static const struct memory_case {
    const char *name;
    enum tls_demand_kind kind;
    uint8_t usage;
    enum cert_id record, leaf;
    bool good;
} cases[] = {
    {"pki: good", TLS_DEMAND_WEB_PKI, 0, CERT_NONE, CERT_MX, true},
    {"pki: another name", TLS_DEMAND_WEB_PKI, 0, CERT_NONE, CERT_OTHER_NAME, false},
    {"pki: expired", TLS_DEMAND_WEB_PKI, 0, CERT_NONE, CERT_EXPIRED, false},
    {"pki: another CA", TLS_DEMAND_WEB_PKI, 0, CERT_NONE, CERT_OTHER_CA, false},
    {"ee: good", TLS_DEMAND_DANE, 3, CERT_MX, CERT_MX, true},
    {"ee: another key", TLS_DEMAND_DANE, 3, CERT_SECOND, CERT_MX, false},
    {"ta: good", TLS_DEMAND_DANE, 2, CERT_INTERMEDIATE, CERT_MX, true},
    {"ta: another name", TLS_DEMAND_DANE, 2, CERT_INTERMEDIATE, CERT_OTHER_NAME, false},
    {"ta: another CA", TLS_DEMAND_DANE, 2, CERT_OTHER_ROOT, CERT_MX, false},
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static struct tls_demand demand_of(const struct memory_case *c)
{
    struct tls_demand demand;

    tls_demand_web_pki("mx.example.org", &demand);
    demand.kind = c->kind;
    if (c->kind == TLS_DEMAND_DANE) {
        tlsa.usage = c->usage;
        tlsa.data_len = (uint16_t)certs_tlsa(c->record, 1, 1, digest);
        demand.tlsa = &tlsa;
        demand.tlsa_count = 1;
    }
    return demand;
}

static SSL_CTX *server_of(const struct memory_case *c)
{
    const struct tls_server_terms terms = {.leaf = c->leaf, .chain = {CERT_INTERMEDIATE}};

    return tls_pair_server(&terms);
}

/* In the verification. */
static void test_verification(void **state)
{
    const struct memory_case *c = *state;
    struct tls_demand demand = demand_of(c);
    SSL_CTX *server = server_of(c);
    struct tls_pair pair;
    struct tls_peer peer;
    int n = 0;

    tls_pair_connect(&pair, client, &demand, "192.0.2.1:25", server);
    do {
        failed = false;
        allocations_left = n;
        tls_connection_finish(pair.client, 0, &peer);
        allocations_left = NEVER;
        assert_true(c->good || !peer.met);
        if (c->good && !peer.met && tls_why_definite(peer.proof.why))
            fail_msg("allocation %d: %s", n, peer.proof.reason);
    } while (failed && ++n < MOST);
    assert_true(n > 5 && n < MOST);
    assert_int_equal(peer.met, c->good);
    tls_pair_free(&pair);
    SSL_CTX_free(server);
    ERR_clear_error();
}

/* When the connection is made: all of the demand, or none. */
static void test_connection(void **state)
{
    const struct memory_case *c = *state;
    struct tls_demand demand = demand_of(c);
    SSL_CTX *server = server_of(c);
    struct tls_connection *connection;
    struct tls_peer peer;
    int n = 0, error;

    do {
        struct tls_pair pair;

        failed = false;
        allocations_left = n;
        error = tls_connection_new(client, &demand, "192.0.2.1:25", &connection);
        allocations_left = NEVER;
        if (error != 0) {
            assert_true(error == -ENOMEM || error == -EINVAL);
            continue;
        }
        tls_pair_shake(&pair, connection, server);
        tls_connection_finish(connection, pair.error, &peer);
        assert_int_equal(peer.met, c->good);
        tls_pair_free(&pair);
    } while (failed && ++n < MOST);
    assert_true(n > 5 && n < MOST);
    assert_int_equal(error, 0);
    SSL_CTX_free(server);
    ERR_clear_error();
}

static int setup(void **state)
{
    char name[64], err[256];
    int error;

    (void)state;
    certs_write(CERT_ROOT, name, sizeof(name));
    error = ca_store_new(name, NULL, &ca_store, err, sizeof(err));
    unlink(name);
    return error != 0 ? error : tls_client_new(ca_store, 0, &client);
}

static int teardown(void **state)
{
    (void)state;
    tls_client_free(client);
    ca_store_free(ca_store);
    certs_free();
    return 0;
}

int main(void)
{
    static struct CMUnitTest tests[2 * CASES];
    static char names[CASES][64];

    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1)
        return 1;
    for (size_t i = 0; i < CASES; i++) {
        void *c = (void *)(uintptr_t)&cases[i];

        snprintf(names[i], sizeof(names[i]), "connection, %s", cases[i].name);
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name, .test_func = test_verification, .initial_state = c};
        tests[CASES + i] =
            (struct CMUnitTest){.name = names[i], .test_func = test_connection, .initial_state = c};
    }
    return cmocka_run_group_tests_name("tls_memory", tests, setup, teardown);
}
