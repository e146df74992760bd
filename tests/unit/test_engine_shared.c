/*
 * The engine and its thread with a shared cache on a Redis server, as Debian packages it: what
 * another host wrote is in force, purging says whether it is gone everywhere, and a server that
 * dies or stops delays nobody. The rules are tests/engine/test_shared_rules.c's business.
 */
#include "asker.h"
#include "fake_dns.h"
#include "policy/clock.h"
#include "policy/loop.h"
#include "redis_server.h"
#include "shared_client.h"
#include "store/shared_policy.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    TIMEOUT_MS = 300,
    /* A thread that is not run for a while on a busy machine is no delay of ours. */
    SLACK_MS = 10000,
};

/* Its TXT records are none of MTA-STS: see fake_dns.h. */
static const char DOMAIN[] = "n1.example";
static const char BODY[] = "version: STSv1\nmode: enforce\nmx: n1.example\nmax_age: 86400\n";

struct bench {
    struct redis_server redis;
    struct shared_client host; /* another one */
    struct loop *dns_loop;
    struct fake_dns *dns;
    const char *resolvers[2];
    const char *servers[2];
    struct engine_config config;
    struct engine *engine;
};

static void start_engine(struct bench *b)
{
    char err[200];

    if (engine_new(&b->config, &b->engine, err, sizeof(err)) < 0)
        fail_msg("engine_new: %s", err);
}

static void bench_start(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    redis_server_start(&b->redis, "0", "secret");
    shared_client_start(&b->host, "secret", b->redis.url, NULL);
    shared_client_await(&b->host, ENGINE_SHARED_CONNECTED);
    assert_int_equal(loop_new("server", NULL, NULL, &b->dns_loop), 0);
    b->dns = fake_dns_new(loop_base(b->dns_loop), "127.0.0.1");
    fake_dns_state(b->dns)->validates = true;
    b->resolvers[0] = fake_dns_address(b->dns);
    b->servers[0] = b->redis.url;
    assert_int_equal(loop_start(b->dns_loop), 0);
    engine_config_init(&b->config);
    b->config.resolvers = b->resolvers;
    b->config.dns_timeout_ms = 20000; /* nothing times out here, however slow the machine */
    b->config.shared_servers = b->servers;
    b->config.shared_password = "secret";
    b->config.shared_keys = &b->host.keys;
    b->config.shared_timeout_ms = TIMEOUT_MS;
}

static void bench_stop(struct bench *b)
{
    engine_free(b->engine);
    loop_stop(b->dns_loop);
    fake_dns_free(b->dns);
    loop_free(b->dns_loop);
    shared_client_end(&b->host);
    redis_server_end(&b->redis);
}

static void await(struct bench *b, enum engine_shared_health want)
{
    struct engine_health health;
    int64_t began_ms = clock_mono_ms();

    do {
        engine_get_health(b->engine, &health);
        if (health.shared == want)
            return;
        usleep(10000);
    } while (clock_mono_ms() - began_ms < CLIENT_WAIT_MS);
    fail_msg("the shared cache is %d: %s", health.shared, health.shared_failure);
}

static void expect_state(struct bench *b, enum engine_shared_health state)
{
    struct engine_health health;

    engine_get_health(b->engine, &health);
    assert_int_equal(health.shared, state);
}

/* As the other host does it that fetches a policy. */
static void share_policy(struct bench *b, const char *body)
{
    struct shared_policy policy = {
        .fetched_at_s = clock_wall_s() - 60, .body = body, .body_len = strlen(body)};
    uint64_t written = shared_client_result(&b->host, ENGINE_SHARED_WRITTEN);
    uint8_t *payload;
    size_t len;

    strcpy(policy.domain, DOMAIN);
    strcpy(policy.id, "1");
    assert_int_equal(shared_policy_write(&policy, &payload, &len), 0);
    shared_put(b->host.shared, SHARED_POLICY, DOMAIN, payload, len, clock_wall_s() + 3600);
    free(payload);
    for (int i = 0; i < 1000 && shared_client_result(&b->host, ENGINE_SHARED_WRITTEN) == written;
         i++)
        shared_client_turn(&b->host, 10);
    assert_int_equal(shared_client_result(&b->host, ENGINE_SHARED_WRITTEN), written + 1);
}

/* What the engine finds. The caller gives the reference back. */
static const struct findings *look_up(struct bench *b, int64_t *took_ms)
{
    struct asker *a = asker_new();
    const struct findings *findings;
    struct nexthop nexthop;
    int64_t began_ms = clock_mono_ms();

    assert_int_equal(nexthop_parse(DOMAIN, &nexthop), 0);
    assert_int_equal(engine_lookup(b->engine, &nexthop, NULL, asker_done, a, &a->request), 0);
    asker_wait(a);
    *took_ms = clock_mono_ms() - began_ms;
    engine_cancel(b->engine, a->request);
    assert_non_null(a->findings);
    findings = findings_ref(a->findings);
    asker_free(a);
    return findings;
}

static int purge(struct bench *b)
{
    struct nexthop nexthop;

    assert_int_equal(nexthop_parse(DOMAIN, &nexthop), 0);
    return engine_purge(b->engine, &nexthop);
}

static void expect_policy(struct bench *b, bool there)
{
    int64_t took_ms;
    const struct findings *f = look_up(b, &took_ms);

    assert_int_equal(f->sts.state, there ? FINDINGS_STS_POLICY : FINDINGS_STS_NONE);
    if (there) {
        assert_int_equal(f->sts.source, FINDINGS_STS_SHARED);
        assert_string_equal(f->sts.id, "1");
        assert_true(f->sts.fetched_at_s <= clock_wall_s() - 60);
    }
    assert_true(took_ms < TIMEOUT_MS + SLACK_MS);
    findings_unref(f);
}

static void what_another_host_fetched(void **state)
{
    struct engine_health health;
    struct engine_stats stats;
    struct bench b;
    (void)state;

    bench_start(&b);
    start_engine(&b);
    await(&b, ENGINE_SHARED_CONNECTED);
    engine_get_health(b.engine, &health);
    assert_string_equal(health.shared_server, b.redis.url);
    share_policy(&b, BODY);
    expect_policy(&b, true);
    engine_get_stats(b.engine, &stats);
    assert_int_equal(stats.shared_results[ENGINE_SHARED_FOUND], 1);

    assert_int_equal(purge(&b), 0);
    assert_null(shared_client_get(&b.host, DOMAIN));
    expect_policy(&b, false);
    bench_stop(&b);
}

/* A row with a right MAC that holds no policy. */
static void what_is_no_policy_is_counted(void **state)
{
    struct engine_stats stats;
    struct bench b;
    (void)state;

    bench_start(&b);
    start_engine(&b);
    await(&b, ENGINE_SHARED_CONNECTED);
    share_policy(&b, "version: STSv1\n");
    expect_policy(&b, false);
    engine_get_stats(b.engine, &stats);
    assert_int_equal(stats.shared_results[ENGINE_SHARED_FOUND], 0);
    assert_int_equal(stats.shared_results[ENGINE_SHARED_REJECTED], 1);
    assert_int_equal(stats.shared_rejected[SHARED_REJECT_CONTENT], 1);
    bench_stop(&b);
}

/* Stopped, then killed: lookups go on, and who purges is told what could not be done. */
static void a_server_that_stops(void **state)
{
    struct bench b;
    (void)state;

    bench_start(&b);
    start_engine(&b);
    await(&b, ENGINE_SHARED_CONNECTED);
    share_policy(&b, BODY);
    redis_server_signal(&b.redis, SIGSTOP);
    expect_policy(&b, false);
    assert_int_equal(purge(&b), -EIO);
    redis_server_signal(&b.redis, SIGCONT);
    redis_server_kill(&b.redis);
    await(&b, ENGINE_SHARED_NOT_CONNECTED);
    expect_policy(&b, false);
    assert_int_equal(purge(&b), -EIO);
    redis_server_restart(&b.redis);
    await(&b, ENGINE_SHARED_CONNECTED);
    assert_int_equal(purge(&b), -ENOENT);
    bench_stop(&b);
}

/* Turned on and off by a reload, which takes all of a configuration or nothing. */
static void reconfigured(void **state)
{
    const char *const wrong[] = {"redis:nonsense", NULL};
    struct engine_stats stats;
    struct bench b;
    char err[200];
    (void)state;

    bench_start(&b);
    b.config.shared_servers = NULL;
    start_engine(&b);
    await(&b, ENGINE_SHARED_OFF);
    share_policy(&b, BODY);
    expect_policy(&b, false);
    assert_int_equal(purge(&b), 0);
    b.config.shared_servers = wrong;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), -EINVAL);
    assert_string_not_equal(err, "");
    await(&b, ENGINE_SHARED_OFF);
    b.config.shared_servers = b.servers;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
    await(&b, ENGINE_SHARED_CONNECTED);
    expect_policy(&b, true);
    assert_int_equal(purge(&b), 0);
    b.config.shared_servers = NULL;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
    await(&b, ENGINE_SHARED_OFF);
    engine_get_stats(b.engine, &stats);
    assert_int_equal(stats.shared_results[ENGINE_SHARED_FOUND], 1);
    bench_stop(&b);
}

/* Where the resolver's part of a reload is refused, after all of the shared cache's was in order,
 * servers and keys are those of before: on, off, and others. */
static void refused_for_its_resolver(void **state)
{
    const char *const wrong[] = {"resolver.example.org", NULL};
    const char *const nobody[] = {"unix:/nonexistent/redis.sock", NULL};
    struct shared_mac_keys other;
    struct engine_stats stats;
    struct bench b;
    char err[200];
    (void)state;

    bench_start(&b);
    start_engine(&b);
    await(&b, ENGINE_SHARED_CONNECTED);
    share_policy(&b, BODY);
    other = b.host.keys;
    other.keys[0][0] ^= 1;
    b.config.resolvers = wrong;
    for (unsigned i = 0; i < 3; i++) {
        b.config.shared_servers = i == 0 ? NULL : i == 1 ? nobody : b.servers;
        b.config.shared_keys = &other;
        assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), -EINVAL);
        assert_non_null(strstr(err, wrong[0]));
        expect_state(&b, ENGINE_SHARED_CONNECTED);
    }
    expect_policy(&b, true);
    engine_get_stats(b.engine, &stats);
    assert_int_equal(stats.shared_rejected[SHARED_REJECT_MAC], 0);
    b.config.resolvers = b.resolvers;
    b.config.shared_servers = NULL;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
    expect_state(&b, ENGINE_SHARED_OFF);
    b.config.resolvers = wrong;
    b.config.shared_servers = b.servers;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), -EINVAL);
    expect_state(&b, ENGINE_SHARED_OFF);
    bench_stop(&b);
}

/* Other servers and keys come, and the engine's end, while a server owes answers and lookups wait
 * for them or were given up: each is called back once, or never; the sanitizers watch. */
static void reconfigured_while_asked(void **state)
{
    enum { ASKERS = 40 };
    const char *nobody[] = {"unix:/nonexistent/redis.sock", NULL};
    struct shared_mac_keys other;
    struct asker *askers[ASKERS];
    struct bench b;
    char err[200];
    (void)state;

    bench_start(&b);
    other = b.host.keys;
    other.keys[0][0] ^= 1;
    b.config.shared_timeout_ms = 2000;
    start_engine(&b);
    await(&b, ENGINE_SHARED_CONNECTED);
    redis_server_signal(&b.redis, SIGSTOP);
    for (unsigned i = 0; i < ASKERS; i++) {
        struct nexthop nexthop;
        char name[40];

        if (i % 10 == 5) {
            b.config.shared_servers = i % 20 == 5 ? nobody : b.servers;
            b.config.shared_keys = i < 20 ? &other : &b.host.keys;
            assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
        }
        snprintf(name, sizeof(name), "n%u.example", 1 + i);
        assert_int_equal(nexthop_parse(name, &nexthop), 0);
        askers[i] = asker_new();
        assert_int_equal(
            engine_lookup(b.engine, &nexthop, NULL, asker_done, askers[i], &askers[i]->request), 0);
    }
    for (unsigned i = 0; i < ASKERS; i += 2) {
        if (i % 4 == 0)
            asker_wait(askers[i]);
        engine_cancel(b.engine, askers[i]->request);
        assert_true(askers[i]->calls <= 1);
        asker_free(askers[i]);
    }
    b.config.shared_servers = NULL;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
    for (unsigned i = 1; i < ASKERS; i += 2) {
        asker_wait(askers[i]);
        engine_cancel(b.engine, askers[i]->request);
        assert_int_equal(askers[i]->calls, 1);
        asker_free(askers[i]);
    }
    bench_stop(&b);
}

static void *ask_for_a_while(void *arg)
{
    struct bench *b = arg;
    unsigned seed = (unsigned)(uintptr_t)&b;

    for (unsigned i = 0; i < 300; i++) {
        struct asker *a = asker_new();
        struct nexthop nexthop;
        char name[40];

        snprintf(name, sizeof(name), "n%u.example", (unsigned)rand_r(&seed) % 50);
        CHECK(nexthop_parse(name, &nexthop) == 0);
        CHECK(engine_lookup(b->engine, &nexthop, NULL, asker_done, a, &a->request) == 0);
        asker_wait_or_not(a, &seed);
        engine_cancel(b->engine, a->request);
        asker_free(a);
        if (i % 10 == 0)
            engine_purge(b->engine, &nexthop);
    }
    return NULL;
}

/* Many ask, give up and purge at a time: everybody is answered; the sanitizers watch. */
static void many_threads(void **state)
{
    struct bench b;
    (void)state;

    bench_start(&b);
    start_engine(&b);
    await(&b, ENGINE_SHARED_CONNECTED);
    asker_run_threads(ask_for_a_while, &b);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_host_fetched), cmocka_unit_test(what_is_no_policy_is_counted),
        cmocka_unit_test(a_server_that_stops),       cmocka_unit_test(reconfigured),
        cmocka_unit_test(reconfigured_while_asked),  cmocka_unit_test(many_threads),
        cmocka_unit_test(refused_for_its_resolver),
    };

    return cmocka_run_group_tests_name("engine_shared", tests, NULL, NULL);
}
