/*
 * Resumption of TLS sessions: only for the same demand, only after a peer that met it, and verified
 * as a full handshake is. With TLS 1.3 and 1.2, the latter with tickets and with session ids.
 */
#include "policy/tls_client.h"
#include "tls/tls_sessions.h"

#include "policy/clock.h"
#include "tls_certs.h"
#include "tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MX "mx.example.org"
#define ENDPOINT "192.0.2.1:25"

static struct ca_store *ca_store;
static struct tls_client *client;
static char ca_file[64];

static const struct way {
    const char *name;
    int version;
    bool stateful;
} ways[] = {
    {"TLS 1.3", TLS1_3_VERSION, false},
    {"TLS 1.2, ticket", TLS1_2_VERSION, false},
    {"TLS 1.2, session id", TLS1_2_VERSION, true},
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static SSL_CTX *server_of(const struct way *way, enum cert_id leaf)
{
    const struct tls_server_terms terms = {.leaf = leaf,
                                           .chain = {CERT_INTERMEDIATE, CERT_ROOT},
                                           .max_version = way->version,
                                           .stateful = way->stateful};

    return tls_pair_server(&terms);
}

static struct tls_demand web_pki(const char *name)
{
    struct tls_demand demand;

    tls_demand_web_pki(name, &demand);
    return demand;
}

static uint8_t tlsa_data[2][64];
static struct findings_tlsa tlsa[2];

static struct tls_demand dane(enum cert_id one, enum cert_id other)
{
    struct tls_demand demand = web_pki(MX);

    for (size_t i = 0; i < 2; i++) {
        enum cert_id of = i == 0 ? one : other;

        tlsa[i] = (struct findings_tlsa){.usage = certs_issuer(of) == CERT_NONE ? 2 : 3,
                                         .selector = 1,
                                         .matching_type = 1,
                                         .usable = true,
                                         .data = tlsa_data[i]};
        tlsa[i].data_len = (uint16_t)certs_tlsa(of, 1, 1, tlsa_data[i]);
    }
    demand.kind = TLS_DEMAND_DANE;
    demand.tlsa = tlsa;
    demand.tlsa_count = 2;
    return demand;
}

/* Whether the connection was a resumed one, and met the demand. */
static bool resumes(struct tls_demand demand, const char *endpoint, SSL_CTX *server)
{
    struct tls_peer peer;

    tls_pair_try(client, &demand, endpoint, server, &peer);
    assert_true(peer.met);
    assert_true(peer.certificate.present);
    return peer.resumed;
}

static void test_same_demand(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_MX);

    assert_false(resumes(web_pki(MX), ENDPOINT, server));
    for (int i = 0; i < 3; i++)
        assert_true(resumes(web_pki(MX), ENDPOINT, server));
    assert_false(resumes(dane(CERT_MX, CERT_SECOND), ENDPOINT, server));
    for (int i = 0; i < 3; i++)
        assert_true(resumes(dane(CERT_MX, CERT_SECOND), ENDPOINT, server));
    SSL_CTX_free(server);
}

/* All that is part of the key. */
static void test_other_demands(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_SECOND);
    struct tls_demand demand = {.kind = TLS_DEMAND_ENCRYPT};

    assert_false(resumes(demand, ENDPOINT, server));
    demand.kind = TLS_DEMAND_MAY;
    assert_false(resumes(demand, ENDPOINT, server));
    assert_false(resumes(web_pki(MX), ENDPOINT, server));
    assert_false(resumes(web_pki("mx.example.net"), ENDPOINT, server));
    assert_false(resumes(web_pki(MX), "192.0.2.2:25", server));
    demand = web_pki(MX);
    demand.kind = TLS_DEMAND_STS;
    assert_false(resumes(demand, ENDPOINT, server));
    assert_false(resumes(dane(CERT_SECOND, CERT_MX), ENDPOINT, server));
    assert_false(resumes(dane(CERT_SECOND, CERT_SELF), ENDPOINT, server));
    demand = dane(CERT_SECOND, CERT_MX);
    snprintf(demand.names[demand.name_count++], sizeof(demand.names[0]), "example.org");
    assert_false(resumes(demand, ENDPOINT, server));
    demand = dane(CERT_SECOND, CERT_MX);
    demand.tlsa_count = 1;
    assert_false(resumes(demand, ENDPOINT, server));
    /* And each of them is there now. */
    assert_true(resumes(web_pki(MX), ENDPOINT, server));
    assert_true(resumes(dane(CERT_SECOND, CERT_SELF), ENDPOINT, server));
    SSL_CTX_free(server);
}

static void test_other_ca_certificates(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_MX);
    char err[256];

    assert_false(resumes(web_pki(MX), ENDPOINT, server));
    assert_true(resumes(web_pki(MX), ENDPOINT, server));
    assert_int_equal(ca_store_reconfigure(ca_store, ca_file, NULL, err, sizeof(err)), 0);
    assert_false(resumes(web_pki(MX), ENDPOINT, server));
    SSL_CTX_free(server);
}

/* A session of a peer that did not meet the demand is not kept. */
static void test_not_met(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_OTHER_NAME);
    struct tls_demand demand = web_pki(MX);
    struct tls_peer peer;

    for (int i = 0; i < 2; i++) {
        tls_pair_try(client, &demand, ENDPOINT, server, &peer);
        assert_false(peer.met);
        assert_false(peer.resumed);
        assert_int_equal(peer.proof.why, TLS_WHY_NAME);
    }
    SSL_CTX_free(server);
}

/* Nor one of a connection whose peer nobody has verified. */
static void test_not_finished(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_MX);
    struct tls_demand demand = web_pki(MX);
    struct tls_pair pair;

    tls_pair_connect(&pair, client, &demand, ENDPOINT, server);
    tls_pair_free(&pair);
    assert_false(resumes(demand, ENDPOINT, server));
    SSL_CTX_free(server);
}

/* The time that certificates are verified at, as far as OpenSSL is concerned. */
static void set_days_from_now(int days)
{
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(ca_store_certificates(ca_store));

    X509_VERIFY_PARAM_set_time(param, time(NULL) + (time_t)days * 24 * 3600);
}

/* Two connections at once; the sessions of both are kept. */
static void leave_two_sessions(const struct tls_demand *demand, SSL_CTX *server)
{
    struct tls_pair pairs[2];
    struct tls_peer peer;

    for (size_t i = 0; i < 2; i++)
        tls_pair_connect(&pairs[i], client, demand, ENDPOINT, server);
    for (size_t i = 0; i < 2; i++) {
        tls_connection_finish(pairs[i].client, pairs[i].error, &peer);
        assert_true(peer.met);
        assert_false(peer.resumed);
        tls_pair_free(&pairs[i]);
    }
}

/* Connections that are open at once resume a session each. */
static void test_two_at_once(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_MX);
    struct tls_demand demand = web_pki(MX);
    struct tls_pair pairs[2];
    struct tls_peer peer;

    leave_two_sessions(&demand, server);
    for (size_t i = 0; i < 2; i++)
        tls_pair_connect(&pairs[i], client, &demand, ENDPOINT, server);
    for (size_t i = 0; i < 2; i++) {
        tls_connection_finish(pairs[i].client, pairs[i].error, &peer);
        assert_true(peer.met);
        assert_true(peer.resumed);
        tls_pair_free(&pairs[i]);
    }
    SSL_CTX_free(server);
}

/* The certificate ends between two connections: the session is resumed, and the peer not
 * authenticated, by the Web PKI and by DANE-TA(2). DANE-EE(3) knows no dates. */
static void test_expired_since(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_MX);
    struct tls_peer peer;

    for (int is_dane = 0; is_dane < 2; is_dane++) {
        struct tls_demand demand = is_dane ? dane(CERT_ROOT, CERT_OTHER_ROOT) : web_pki(MX);

        set_days_from_now(0);
        leave_two_sessions(&demand, server);
        set_days_from_now(31);
        tls_pair_try(client, &demand, ENDPOINT, server, &peer);
        assert_true(peer.resumed);
        assert_false(peer.met);
        assert_int_equal(peer.auth, TLS_AUTH_NONE);
        assert_int_equal(peer.proof.why, TLS_WHY_EXPIRED);
        /* That session is gone, and the other. */
        tls_pair_try(client, &demand, ENDPOINT, server, &peer);
        assert_false(peer.resumed);
        assert_int_equal(peer.proof.why, TLS_WHY_EXPIRED);
    }
    assert_false(resumes(dane(CERT_MX, CERT_SECOND), ENDPOINT, server));
    assert_true(resumes(dane(CERT_MX, CERT_SECOND), ENDPOINT, server));
    SSL_CTX_free(server);
}

/* A server that has forgotten its sessions: a full handshake, as if there had been none. */
static void test_server_forgets(void **state)
{
    const struct way *way = *state;
    SSL_CTX *server = server_of(way, CERT_MX), *other = server_of(way, CERT_OTHER_NAME);
    struct tls_demand demand = web_pki(MX);
    struct tls_peer peer;

    assert_false(resumes(demand, ENDPOINT, server));
    tls_pair_try(client, &demand, ENDPOINT, other, &peer);
    assert_false(peer.resumed);
    assert_false(peer.met);
    assert_int_equal(peer.proof.why, TLS_WHY_NAME);
    SSL_CTX_free(server);
    SSL_CTX_free(other);
}

/* A session that the server did not take, and gave no other for, is not offered again. */
static void test_server_refuses(void **state)
{
    SSL_CTX *server = server_of(&ways[2], CERT_MX), *other = server_of(&ways[2], CERT_MX);

    (void)state;
    SSL_CTX_set_session_cache_mode(other, SSL_SESS_CACHE_OFF);
    assert_false(resumes(web_pki(MX), ENDPOINT, server));
    assert_false(resumes(web_pki(MX), ENDPOINT, other));
    assert_false(resumes(web_pki(MX), ENDPOINT, server));
    SSL_CTX_free(server);
    SSL_CTX_free(other);
}

static void set_age(SSL_SESSION *session, long age_s)
{
#if OPENSSL_VERSION_NUMBER >= 0x30400000L
    SSL_SESSION_set_time_ex(session, (time_t)clock_wall_s() - age_s);
#else
    SSL_SESSION_set_time(session, (long)clock_wall_s() - age_s);
#endif
}

static SSL_SESSION *session_aged(long age_s, long timeout_s)
{
    const struct tls_server_terms terms = {.leaf = CERT_MX, .max_version = TLS1_2_VERSION};
    SSL_CTX *server = tls_pair_server(&terms);
    struct tls_demand demand = {.kind = TLS_DEMAND_ENCRYPT};
    SSL_SESSION *session;
    struct tls_pair pair;

    tls_pair_connect(&pair, client, &demand, "192.0.2.8:25", server);
    session = SSL_SESSION_dup(SSL_get_session(tls_connection_ssl(pair.client)));
    tls_pair_free(&pair);
    SSL_CTX_free(server);
    assert_non_null(session);
    set_age(session, age_s);
    SSL_SESSION_set_timeout(session, timeout_s);
    return session;
}

static void put(struct tls_sessions *sessions, const char *key, long age_s, long timeout_s)
{
    tls_sessions_put(sessions, key, session_aged(age_s, timeout_s));
}

static void test_store(void **state)
{
    struct tls_sessions *sessions = tls_sessions_new(2);
    SSL_SESSION *session;

    (void)state;
    assert_non_null(sessions);
    assert_null(tls_sessions_take(sessions, "a"));
    put(sessions, "a", 0, 300);
    put(sessions, "a", 0, 300);
    assert_int_equal(tls_sessions_count(sessions), 2);
    put(sessions, "b", 0, 300);
    put(sessions, "c", 0, 300); /* the oldest makes room */
    assert_int_equal(tls_sessions_count(sessions), 2);
    assert_null(tls_sessions_take(sessions, "a"));
    session = tls_sessions_take(sessions, "b");
    assert_non_null(session);
    assert_null(tls_sessions_take(sessions, "b")); /* once */
    SSL_SESSION_free(session);
    put(sessions, "late", 301, 300);
    put(sessions, "later", 3601, 100000);
    put(sessions, "future", -60, 300);
    assert_int_equal(tls_sessions_count(sessions), 1);
    session = session_aged(0, 300);
    SSL_SESSION_up_ref(session);
    tls_sessions_put(sessions, "d", session);
    set_age(session, 400); /* it grows old in there */
    assert_null(tls_sessions_take(sessions, "d"));
    SSL_SESSION_free(session);
    tls_sessions_free(sessions);
    sessions = tls_sessions_new(0);
    put(sessions, "a", 0, 300);
    assert_int_equal(tls_sessions_count(sessions), 0);
    tls_sessions_free(sessions);
}

/* As many as connections that are open to one address at once; the newest is taken first. */
static void test_many_of_a_key(void **state)
{
    struct tls_sessions *sessions = tls_sessions_new(TLS_SESSIONS_OF_KEY + 1);
    SSL_SESSION *session, *newest = session_aged(0, 300), *old = session_aged(0, 300);

    (void)state;
    put(sessions, "other", 0, 300);
    SSL_SESSION_up_ref(old);
    tls_sessions_put(sessions, "a", old);
    for (int i = 0; i < TLS_SESSIONS_OF_KEY; i++)
        put(sessions, "a", 0, 300);
    tls_sessions_put(sessions, "a", newest);
    assert_int_equal(tls_sessions_count(sessions), TLS_SESSIONS_OF_KEY + 1);
    for (int i = 0; i < TLS_SESSIONS_OF_KEY; i++) {
        session = tls_sessions_take(sessions, "a");
        assert_non_null(session);
        assert_int_equal(session == newest, i == 0);
        assert_ptr_not_equal(session, old);
        SSL_SESSION_free(session);
    }
    assert_null(tls_sessions_take(sessions, "a"));
    session = tls_sessions_take(sessions, "other"); /* the key's own oldest made room */
    assert_non_null(session);
    SSL_SESSION_free(session);
    assert_int_equal(tls_sessions_count(sessions), 0);
    /* An old one hides no good one. */
    put(sessions, "a", 0, 300);
    SSL_SESSION_up_ref(old);
    tls_sessions_put(sessions, "a", old);
    set_age(old, 400);
    session = tls_sessions_take(sessions, "a");
    assert_non_null(session);
    assert_ptr_not_equal(session, old);
    SSL_SESSION_free(session);
    SSL_SESSION_free(old);
    tls_sessions_free(sessions);
    /* The key's only session makes room for its next. */
    sessions = tls_sessions_new(1);
    put(sessions, "a", 0, 300);
    put(sessions, "a", 0, 300);
    assert_int_equal(tls_sessions_count(sessions), 1);
    tls_sessions_free(sessions);
}

/* At the beginning of a second, while time() is behind the clock that began the session. */
static void test_second_begins(void **state)
{
    struct tls_sessions *sessions = tls_sessions_new(1);
    SSL_SESSION *session = session_aged(0, 300);
    time_t behind = time(NULL);

    (void)state;
    while (clock_wall_s() == behind)
        behind = time(NULL);
    set_age(session, 0);
    tls_sessions_put(sessions, "a", session);
    session = tls_sessions_take(sessions, "a");
    assert_non_null(session);
    SSL_SESSION_free(session);
    tls_sessions_free(sessions);
}

static int setup(void **state)
{
    char err[256];
    int error;

    (void)state;
    certs_write(CERT_ROOT, ca_file, sizeof(ca_file));
    error = ca_store_new(ca_file, NULL, &ca_store, err, sizeof(err));
    return error != 0 ? error : tls_client_new(ca_store, 100, &client);
}

static int teardown(void **state)
{
    (void)state;
    unlink(ca_file);
    tls_client_free(client);
    ca_store_free(ca_store);
    certs_free();
    return 0;
}

/* Sessions of one case, and its time, are nothing to the next. */
static int setup_client(void **state)
{
    char err[256];

    (void)state;
    assert_int_equal(ca_store_reconfigure(ca_store, ca_file, NULL, err, sizeof(err)), 0);
    tls_client_free(client);
    client = NULL;
    return tls_client_new(ca_store, 100, &client);
}

#define OF(test_)                                                                                  \
    {                                                                                              \
#test_, test_                                                                              \
    }

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } cases[] = {OF(test_same_demand),    OF(test_other_demands), OF(test_other_ca_certificates),
                 OF(test_not_met),        OF(test_not_finished),  OF(test_expired_since),
                 OF(test_server_forgets), OF(test_two_at_once)};
    enum { CASES = sizeof(cases) / sizeof(cases[0]) };
    static struct CMUnitTest tests[CASES * WAYS + 4];
    static char names[CASES * WAYS][64];

    for (size_t i = 0; i < CASES * WAYS; i++) {
        snprintf(names[i], sizeof(names[i]), "%s, %s", cases[i / WAYS].name, ways[i % WAYS].name);
        tests[i] = (struct CMUnitTest){.name = names[i],
                                       .test_func = cases[i / WAYS].run,
                                       .setup_func = setup_client,
                                       .initial_state = (void *)(uintptr_t)&ways[i % WAYS]};
    }
    tests[CASES * WAYS] = (struct CMUnitTest){.name = "test_store", .test_func = test_store};
    tests[CASES * WAYS + 2] = (struct CMUnitTest){
        .name = "test_second_begins", .test_func = test_second_begins, .setup_func = setup_client};
    tests[CASES * WAYS + 1] = (struct CMUnitTest){.name = "test_server_refuses",
                                                  .test_func = test_server_refuses,
                                                  .setup_func = setup_client};
    tests[CASES * WAYS + 3] = (struct CMUnitTest){
        .name = "test_many_of_a_key", .test_func = test_many_of_a_key, .setup_func = setup_client};
    return cmocka_run_group_tests(tests, setup, teardown);
}
