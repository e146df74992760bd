/*
 * The real engine and its thread, asked by several others at once, against a DNS server on this
 * host (fake_dns.h) with a thread of its own. What it finds is the scenarios' business; here it is
 * that every caller is called back once, or never after a cancel, and that nothing is touched
 * after it was given back: sanitizers watch.
 */
#include "asker.h"
#include "fake_dns.h"
#include "policy/engine.h"
#include "policy/loop.h"
#include "policy/wakeup.h"
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { NAMES = 40 };

struct bench {
    struct loop *server_loop;
    struct wakeup *release; /* of what the server holds back */
    struct fake_dns *server;
    const char *addresses[3];
    struct engine_config config;
    struct engine *engine;
};

/* wakeup_fn */
static void on_release(void *arg)
{
    struct fake_dns *server = arg;

    fake_dns_state(server)->mode = FAKE_DNS_ANSWER;
    fake_dns_release(server);
}

static struct bench *bench_make(enum fake_dns_mode mode, bool validates)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_int_equal(loop_new("server", NULL, NULL, &b->server_loop), 0);
    b->server = fake_dns_new(loop_base(b->server_loop), "127.0.0.1");
    assert_int_equal(wakeup_new(loop_base(b->server_loop), on_release, b->server, &b->release), 0);
    fake_dns_state(b->server)->mode = mode;
    fake_dns_state(b->server)->validates = validates;
    b->addresses[0] = fake_dns_address(b->server);
    assert_int_equal(loop_start(b->server_loop), 0);
    engine_config_init(&b->config);
    b->config.resolvers = b->addresses;
    b->config.dns_timeout_ms = 20000; /* nothing times out here, however slow the machine */
    b->config.sts_enable = false;
    return b;
}

static struct bench *bench_new(enum fake_dns_mode mode)
{
    return bench_make(mode, true);
}

static void start(struct bench *b)
{
    char err[200];

    if (engine_new(&b->config, &b->engine, err, sizeof(err)) < 0)
        fail_msg("engine_new: %s", err);
}

static void bench_free(struct bench *b)
{
    engine_free(b->engine);
    loop_stop(b->server_loop);
    wakeup_free(b->release);
    fake_dns_free(b->server);
    loop_free(b->server_loop);
    free(b);
}

/* The server answers what it has held back, and from now on at once. */
static void release(struct bench *b)
{
    wakeup_send(b->release);
}

static void nexthop_of(unsigned number, struct nexthop *out)
{
    char name[40];

    snprintf(name, sizeof(name), "n%u.example", number);
    CHECK(nexthop_parse(name, out) == 0);
}

static bool on_enough(const struct findings *findings, void *arg)
{
    struct asker *a = arg;
    bool enough;

    pthread_mutex_lock(&a->lock);
    enough = a->calls == 0 && findings->mx != FINDINGS_MX_PENDING;
    pthread_mutex_unlock(&a->lock);
    return enough;
}

static void ask(struct bench *b, struct asker *a, unsigned number, engine_enough_fn enough)
{
    struct nexthop nexthop;

    nexthop_of(number, &nexthop);
    a->engine = b->engine;
    CHECK(engine_lookup(b->engine, &nexthop, enough, asker_done, a, &a->request) == 0);
}

/* Asks for every name, waits for all, then finds them in the cache. */
static void *ask_all(void *arg)
{
    struct bench *b = arg;
    struct asker *askers[NAMES];

    for (unsigned i = 0; i < NAMES; i++) {
        askers[i] = asker_new();
        ask(b, askers[i], i, NULL);
    }
    for (unsigned i = 0; i < NAMES; i++) {
        const struct findings *cached;
        struct nexthop nexthop;

        asker_wait(askers[i]);
        engine_cancel(b->engine, askers[i]->request);
        nexthop_of(i, &nexthop);
        CHECK(askers[i]->calls == 1);
        CHECK(askers[i]->findings != NULL);
        CHECK(findings_complete(askers[i]->findings));
        CHECK(strcmp(askers[i]->findings->nexthop.text, nexthop.text) == 0);
        CHECK(askers[i]->findings->mx == FINDINGS_MX_ABSENT);
        CHECK(askers[i]->findings->hosts[0].a == FINDINGS_ADDR_SECURE);
        cached = engine_cached(b->engine, &nexthop);
        CHECK(cached != NULL);
        findings_unref(cached);
        asker_free(askers[i]);
    }
    return NULL;
}

static void many_threads_ask(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct engine_stats stats;
    (void)state;

    start(b);
    asker_run_threads(ask_all, b);
    engine_get_stats(b->engine, &stats);
    assert_int_equal(stats.lookups, NAMES);
    assert_int_equal(stats.cache_entries, NAMES);
    assert_int_equal(stats.dns_outstanding, 0);
    assert_int_equal(stats.dns_queries, NAMES * 4);
    assert_int_equal(stats.dns_results[ENGINE_DNS_MX][ENGINE_DNS_NODATA], NAMES);
    assert_int_equal(stats.dns_results[ENGINE_DNS_A][ENGINE_DNS_FOUND], NAMES);
    assert_int_equal(stats.summaries[FINDINGS_SUMMARY_PKI], NAMES);
    assert_true(engine_security_known(b->engine));
    bench_free(b);
}

/* While the server holds its answers, everybody joins the one lookup. */
static void *ask_for_one(void *arg)
{
    struct bench *b = arg;
    struct asker *askers[NAMES];

    for (int i = 0; i < NAMES; i++) {
        askers[i] = asker_new();
        ask(b, askers[i], 7, i % 2 ? on_enough : NULL);
    }
    release(b);
    for (int i = 0; i < NAMES; i++) {
        asker_wait(askers[i]);
        engine_cancel(b->engine, askers[i]->request);
        CHECK(askers[i]->calls == 1);
        asker_free(askers[i]);
    }
    return NULL;
}

static void one_lookup_for_all(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_HOLD);
    struct engine_stats stats;
    (void)state;

    start(b);
    asker_run_threads(ask_for_one, b);
    engine_get_stats(b->engine, &stats);
    assert_int_equal(stats.lookups, 1);
    assert_int_equal(stats.dns_queries, 4);
    bench_free(b);
}

/* Asks and gives up at once, soon, or after the answer; frees what the callback would write to. */
static void *ask_and_cancel(void *arg)
{
    struct bench *b = arg;
    unsigned seed = (unsigned)(uintptr_t)&b;

    for (unsigned i = 0; i < 10 * NAMES; i++) {
        struct asker *a = asker_new();

        ask(b, a, 1000 + i, i % 3 ? on_enough : NULL);
        asker_wait_or_not(a, &seed);
        engine_cancel(b->engine, a->request);
        CHECK(a->calls <= 1);
        asker_free(a);
    }
    return NULL;
}

static void cancels_at_any_time(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    (void)state;

    start(b);
    asker_run_threads(ask_and_cancel, b);
    bench_free(b);
}

static void cancelled_in_flight(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_HOLD);
    struct asker *gone = asker_new(), *stays = asker_new();
    (void)state;

    start(b);
    ask(b, gone, 1, NULL);
    ask(b, stays, 1, NULL);
    while (true) { /* until both are with the core */
        struct engine_stats stats;
        engine_get_stats(b->engine, &stats);
        if (stats.dns_queries > 0)
            break;
        sched_yield();
    }
    engine_cancel(b->engine, gone->request);
    assert_int_equal(gone->calls, 0);
    asker_free(gone);
    release(b);
    asker_wait(stays);
    assert_non_null(stays->findings);
    engine_cancel(b->engine, stays->request);
    asker_free(stays);
    bench_free(b);
}

static void given_back_inside_the_callback(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_HOLD);
    struct asker *releases = asker_new(), *cancels = asker_new(), *early = asker_new();
    (void)state;

    releases->release_inside = true;
    cancels->cancel_inside = true;
    start(b);
    ask(b, releases, 1, NULL);
    ask(b, cancels, 1, NULL);
    ask(b, early, 1, NULL);
    engine_release(early->request);
    release(b);
    asker_wait(releases);
    asker_wait(cancels);
    asker_wait(early);
    bench_free(b);
    assert_int_equal(releases->calls, 1);
    assert_int_equal(cancels->calls, 1);
    assert_int_equal(early->calls, 1);
    asker_free(releases);
    asker_free(cancels);
    asker_free(early);
}

static void *ask_some(void *arg)
{
    struct bench *b = arg;

    for (unsigned i = 0; i < NAMES; i++) {
        struct asker *a = asker_new();
        ask(b, a, i, NULL);
        asker_wait(a);
        CHECK(a->findings != NULL);
        engine_cancel(b->engine, a->request);
        asker_free(a);
    }
    return NULL;
}

struct meddler {
    struct bench *bench;
    atomic_bool stop;
};

/* Everything that an administrator may do meanwhile. */
static void *meddle(void *arg)
{
    struct meddler *m = arg;
    struct bench *b = m->bench;
    struct engine_config config = b->config;
    char err[200];

    for (unsigned i = 0; !atomic_load(&m->stop); i++) {
        const struct findings **all;
        struct engine_stats stats;
        struct nexthop nexthop;
        size_t count;
        int status;

        config.max_domains = i % 2 ? 5 : 100;
        config.dane_enable = i % 3 != 0;
        CHECK(engine_reconfigure(b->engine, &config, err, sizeof(err)) == 0);
        nexthop_of(i % NAMES, &nexthop);
        status = engine_purge(b->engine, &nexthop);
        CHECK(status == 0 || status == -ENOENT);
        CHECK(engine_snapshot(b->engine, &all, &count) == 0);
        for (size_t f = 0; f < count; f++) {
            CHECK(all[f]->mx == FINDINGS_MX_ABSENT);
            findings_unref(all[f]);
        }
        free(all);
        engine_get_stats(b->engine, &stats);
        findings_unref(engine_cached(b->engine, &nexthop));
    }
    return NULL;
}

static void reconfigured_while_asked(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct meddler m = {.bench = b};
    pthread_t thread;
    (void)state;

    start(b);
    assert_int_equal(pthread_create(&thread, NULL, meddle, &m), 0);
    asker_run_threads(ask_some, b);
    atomic_store(&m.stop, true);
    pthread_join(thread, NULL);
    bench_free(b);
}

static void bad_configuration_changes_nothing(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    static const char *const nowhere[] = {"not an address", NULL};
    struct engine_config config = b->config;
    struct engine *engine = NULL;
    struct asker *a = asker_new();
    char err[200] = "";
    (void)state;

    config.resolvers = nowhere;
    assert_true(engine_new(&config, &engine, err, sizeof(err)) < 0);
    assert_non_null(strstr(err, "not an address"));
    start(b);
    err[0] = '\0';
    assert_true(engine_reconfigure(b->engine, &config, err, sizeof(err)) < 0);
    assert_non_null(strstr(err, "not an address"));
    config = b->config;
    config.sts_ca_file = "/nonexistent/ca.pem";
    config.sts_enable = true;
    err[0] = '\0';
    if (engine_reconfigure(b->engine, &config, err, sizeof(err)) < 0)
        assert_non_null(strstr(err, "/nonexistent/ca.pem"));
    ask(b, a, 3, NULL);
    asker_wait(a);
    assert_non_null(a->findings);
    engine_cancel(b->engine, a->request);
    asker_free(a);
    bench_free(b);
}

/* Nothing that rests on a trust withdrawn is handed out any more. */
static void a_reload_is_in_force_when_it_returns(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct engine_config config = b->config;
    const struct findings *cached;
    struct asker *a = asker_new();
    struct nexthop nexthop;
    char err[200] = "";
    (void)state;

    start(b);
    ask(b, a, 3, NULL);
    asker_wait(a);
    nexthop_of(3, &nexthop);
    cached = engine_cached(b->engine, &nexthop);
    assert_non_null(cached);
    findings_unref(cached);
    config.trust_ad = ENGINE_TRUST_AD_NO;
    strcpy(err, "what was there before");
    assert_int_equal(engine_reconfigure(b->engine, &config, err, sizeof(err)), 0);
    assert_string_equal(err, "");
    assert_false(engine_security_known(b->engine));
    assert_null(engine_cached(b->engine, &nexthop));
    engine_cancel(b->engine, a->request);
    asker_free(a);
    bench_free(b);
}

static void freed_with_requests_outstanding(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_HOLD);
    struct asker *askers[NAMES];
    (void)state;

    start(b);
    for (unsigned i = 0; i < NAMES; i++) {
        askers[i] = asker_new();
        askers[i]->release_inside = i % 2 == 0;
        ask(b, askers[i], i / 2, i % 3 ? NULL : on_enough);
    }
    engine_cancel(b->engine, askers[3]->request);
    bench_free(b);
    for (unsigned i = 0; i < NAMES; i++) {
        assert_int_equal(askers[i]->calls, i == 3 ? 0 : 1);
        assert_true(askers[i]->empty || i == 3);
        asker_free(askers[i]);
    }
}

static void freed_at_once(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_SILENT);
    (void)state;

    start(b);
    bench_free(b);
    engine_free(NULL);
}

static void purge_and_literals(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct asker *a = asker_new(), *literal = asker_new();
    struct nexthop nexthop;
    (void)state;

    start(b);
    nexthop_of(1, &nexthop);
    assert_null(engine_cached(b->engine, &nexthop));
    assert_int_equal(engine_purge(b->engine, &nexthop), -ENOENT);
    ask(b, a, 1, NULL);
    asker_wait(a);
    assert_int_equal(engine_purge(b->engine, &nexthop), 0);
    assert_null(engine_cached(b->engine, &nexthop));
    assert_int_equal(engine_purge(b->engine, &nexthop), -ENOENT);
    engine_cancel(b->engine, a->request);

    assert_int_equal(nexthop_parse("[192.0.2.1]", &nexthop), 0);
    assert_int_equal(
        engine_lookup(b->engine, &nexthop, NULL, asker_done, literal, &literal->request), 0);
    asker_wait(literal);
    assert_int_equal(literal->findings->mx, FINDINGS_MX_NOT_ASKED);
    engine_cancel(b->engine, literal->request);
    asker_free(literal);
    asker_free(a);
    bench_free(b);
}

struct herd {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned calls, found;
};

static void on_herd(const struct findings *findings, void *arg)
{
    struct herd *herd = arg;

    pthread_mutex_lock(&herd->lock);
    herd->calls++;
    herd->found += findings != NULL && findings->hosts[0].a == FINDINGS_ADDR_SECURE;
    pthread_cond_signal(&herd->changed);
    pthread_mutex_unlock(&herd->lock);
}

static void ten_thousand_cold_domains(void **state)
{
    enum { DOMAINS = 10000 };
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct herd herd = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct engine_stats stats;
    (void)state;

    b->config.dns_timeout_ms = 60000;
    start(b);
    for (unsigned i = 0; i < DOMAINS; i++) {
        struct nexthop nexthop;
        nexthop_of(i, &nexthop);
        assert_int_equal(engine_lookup(b->engine, &nexthop, NULL, on_herd, &herd, NULL), 0);
    }
    pthread_mutex_lock(&herd.lock);
    while (herd.calls < DOMAINS)
        pthread_cond_wait(&herd.changed, &herd.lock);
    pthread_mutex_unlock(&herd.lock);
    engine_get_stats(b->engine, &stats);
    assert_int_equal(herd.found, DOMAINS);
    assert_int_equal(stats.lookups, DOMAINS);
    assert_int_equal(stats.dns_queries, 4 * DOMAINS);
    assert_int_equal(stats.cache_entries, DOMAINS);
    bench_free(b);
}

/* A server of one's own needs a network of one's own, with nothing but this host in it. */
static int enter_namespace(void)
{
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd, status;

    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER) < 0)
        return -1;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    status = ioctl(fd, SIOCSIFFLAGS, &up);
    close(fd);
    return status;
}

static void ignore_policy(const struct store_policy *policy, uint32_t left_s, void *arg)
{
    (void)policy;
    (void)left_s;
    (void)arg;
}

static size_t policies_in(const char *path)
{
    struct store *store = store_new(&(struct store_config){.path = path});
    size_t count = store_load(store, time(NULL), ignore_policy, NULL);

    store_free(store);
    return count;
}

/* The engine's thread sees that its store is gone, and makes another one of what it knows. */
static void a_lost_store_is_written_again(void **state)
{
    static const char body[] = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 864000\n";
    char dir[] = "/tmp/engine-XXXXXX", path[40], moved[40];
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct store_policy policy = {.id = "1",
                                  .mode = FINDINGS_STS_MODE_ENFORCE,
                                  .max_age_s = 864000,
                                  .body = body,
                                  .body_len = strlen(body),
                                  .fetched_at_s = time(NULL),
                                  .used_at_s = time(NULL)};
    static const char *const domains[] = {"a.example", "b.example", "c.example"};
    struct nexthop nexthop;
    struct store *store;
    (void)state;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/cache.db", dir);
    snprintf(moved, sizeof(moved), "%s/moved.db", dir);
    store = store_new(&(struct store_config){.path = path, .batch_delay_ms = 1});
    assert_int_equal(store_load(store, time(NULL), ignore_policy, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        policy.domain = domains[i];
        assert_true(store_put(store, &policy));
    }
    store_free(store);
    b->config.store = path;
    b->config.sts_enable = true;
    start(b);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(nexthop_parse("c.example", &nexthop), 0);
    assert_int_equal(engine_purge(b->engine, &nexthop), 0); /* a change to write */
    for (int i = 0; i < 3000 && access(path, F_OK) != 0; i++)
        usleep(10000);
    sleep(3); /* the engine looks once a second; what is queued then is written at its end */
    bench_free(b);
    assert_int_equal(policies_in(path), 2);
    assert_int_equal(policies_in(moved), 3);
    unlink(moved);
    unlink(path);
    strcat(path, "-journal");
    unlink(path);
    strcat(moved, "-journal");
    unlink(moved);
    assert_int_equal(rmdir(dir), 0);
}

/* A resolver that validates or not, one that is not trusted, a store that is up or not. */
static void how_it_is(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct engine_health health = {.resolver_count = 0};
    (void)state;

    b->addresses[1] = "192.0.2.1:5300";
    b->config.store = "/nonexistent/dir/cache.db";
    start(b);
    for (int i = 0; i < 3000 && !health.security_known; i++) {
        usleep(1000);
        engine_get_health(b->engine, &health);
    }
    assert_true(health.security_known);
    assert_int_equal(health.resolver_count, 2);
    assert_int_equal(strncmp(health.resolvers[0].address, "127.0.0.1", 9), 0);
    assert_true(health.resolvers[0].trusted && health.resolvers[0].checked);
    assert_true(health.resolvers[0].validates);
    assert_string_equal(health.resolvers[0].failure, "");
    assert_string_equal(health.resolvers[1].address, "192.0.2.1:5300");
    assert_false(health.resolvers[1].trusted || health.resolvers[1].validates);
    assert_int_equal(health.store, ENGINE_STORE_DOWN);
    assert_true(strlen(health.store_failure) > 0);
    bench_free(b);

    b = bench_make(FAKE_DNS_ANSWER, false);
    start(b);
    engine_get_health(b->engine, &health);
    for (int i = 0; i < 3000 && !health.resolvers[0].checked; i++) {
        usleep(1000);
        engine_get_health(b->engine, &health);
    }
    assert_false(health.security_known || health.resolvers[0].validates);
    assert_true(health.resolvers[0].checked);
    assert_non_null(strstr(health.resolvers[0].failure, "without AD"));
    assert_int_equal(health.store, ENGINE_STORE_OFF);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_it_is),
        cmocka_unit_test(many_threads_ask),
        cmocka_unit_test(one_lookup_for_all),
        cmocka_unit_test(cancels_at_any_time),
        cmocka_unit_test(cancelled_in_flight),
        cmocka_unit_test(given_back_inside_the_callback),
        cmocka_unit_test(reconfigured_while_asked),
        cmocka_unit_test(bad_configuration_changes_nothing),
        cmocka_unit_test(a_reload_is_in_force_when_it_returns),
        cmocka_unit_test(freed_with_requests_outstanding),
        cmocka_unit_test(freed_at_once),
        cmocka_unit_test(purge_and_literals),
        cmocka_unit_test(a_lost_store_is_written_again),
        cmocka_unit_test(ten_thousand_cold_domains),
    };

    if (enter_namespace() < 0) {
        perror("cannot make a network namespace");
        return 1;
    }
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
