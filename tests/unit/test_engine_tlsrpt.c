/*
 * TLSRPT records by the real engine and its thread, asked by several others at once, against a DNS
 * server on this host (fake_dns.h): every caller is called back once, or never after a cancel, and
 * nothing is touched after it was given back: sanitizers watch.
 */
#include "asker.h"
#include "fake_dns.h"
#include "policy/engine.h"
#include "policy/engine_tlsrpt.h"
#include "policy/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NAMES = 40 };

struct bench {
    struct loop *server_loop;
    struct fake_dns *server;
    const char *addresses[2];
    struct engine *engine;
};

static struct bench *bench_new(enum fake_dns_mode mode)
{
    struct bench *b = calloc(1, sizeof *b);
    struct engine_config config;
    char err[200];

    assert_non_null(b);
    assert_int_equal(loop_new("server", NULL, NULL, &b->server_loop), 0);
    b->server = fake_dns_new(loop_base(b->server_loop), "127.0.0.1");
    fake_dns_state(b->server)->mode = mode;
    fake_dns_state(b->server)->validates = true;
    b->addresses[0] = fake_dns_address(b->server);
    assert_int_equal(loop_start(b->server_loop), 0);
    engine_config_init(&config);
    config.resolvers = b->addresses;
    config.dns_timeout_ms = 20000; /* nothing times out here, however slow the machine */
    if (engine_new(&config, &b->engine, err, sizeof err) < 0)
        fail_msg("engine_new: %s", err);
    return b;
}

static void bench_free(struct bench *b)
{
    engine_free(b->engine);
    loop_stop(b->server_loop);
    fake_dns_free(b->server);
    loop_free(b->server_loop);
    free(b);
}

/* One who asks for a record; freed as soon as that is allowed, so that a late call would show. */
struct record_asker {
    struct asker asker;
    char record[64];
    struct engine_tlsrpt_request *request;
    struct engine *cancel_inside; /* NULL: not */
};

/* engine_tlsrpt_fn */
static void on_record(const char *record, void *arg)
{
    struct record_asker *a = arg;

    if (a->cancel_inside != NULL)
        engine_tlsrpt_cancel(a->cancel_inside, a->request);
    snprintf(a->record, sizeof a->record, "%s", record != NULL ? record : "none");
    asker_done(NULL, &a->asker);
}

static struct record_asker *ask(struct bench *b, unsigned number)
{
    struct record_asker *a = calloc(1, sizeof *a);
    char name[40];

    CHECK(a != NULL);
    asker_init(&a->asker);
    snprintf(name, sizeof name, "n%u.example", number);
    CHECK(engine_tlsrpt(b->engine, name, on_record, a, &a->request) == 0);
    return a;
}

static void record_asker_free(struct record_asker *a)
{
    asker_fini(&a->asker);
    free(a);
}

static void *ask_all(void *arg)
{
    struct bench *b = arg;
    struct record_asker *askers[NAMES];

    for (unsigned i = 0; i < NAMES; i++)
        askers[i] = ask(b, i);
    for (unsigned i = 0; i < NAMES; i++) {
        asker_wait(&askers[i]->asker);
        engine_tlsrpt_cancel(b->engine, askers[i]->request);
        CHECK(askers[i]->asker.calls == 1);
        CHECK(strcmp(askers[i]->record, FAKE_DNS_TLSRPT) == 0);
        record_asker_free(askers[i]);
    }
    return NULL;
}

static void many_threads_ask(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    struct engine_stats stats;
    struct nexthop nexthop;
    (void)state;

    asker_run_threads(ask_all, b);
    engine_get_stats(b->engine, &stats);
    assert_int_equal(stats.dns_results[ENGINE_DNS_TXT][ENGINE_DNS_FOUND], NAMES);
    assert_int_equal(stats.dns_queries, NAMES);
    assert_int_equal(stats.dns_outstanding, 0);
    assert_int_equal(nexthop_parse("n1.example", &nexthop), 0);
    assert_int_equal(engine_purge(b->engine, &nexthop), 0);
    assert_int_equal(engine_purge(b->engine, &nexthop), -ENOENT);
    bench_free(b);
}

/* Gives up at once, soon, or after the answer; frees what the callback would write to. */
static void *ask_and_cancel(void *arg)
{
    struct bench *b = arg;
    unsigned seed = (unsigned)(uintptr_t)&b;

    for (unsigned i = 0; i < 10 * NAMES; i++) {
        struct record_asker *a = ask(b, 1000 + i);

        asker_wait_or_not(&a->asker, &seed);
        engine_tlsrpt_cancel(b->engine, a->request);
        CHECK(a->asker.calls <= 1);
        record_asker_free(a);
    }
    return NULL;
}

static void cancels_at_any_time(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    (void)state;

    asker_run_threads(ask_and_cancel, b);
    bench_free(b);
}

static void cancelled_inside(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_HOLD);
    struct record_asker *a = ask(b, 1);
    (void)state;

    a->cancel_inside = b->engine;
    engine_free(b->engine);
    b->engine = NULL;
    assert_int_equal(a->asker.calls, 1);
    assert_string_equal(a->record, "none");
    record_asker_free(a);
    bench_free(b);
}

/* The engine ends while lookups are in flight: all are told that there is none. */
static void the_end_of_the_engine(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_HOLD);
    struct record_asker *askers[NAMES];
    (void)state;

    for (unsigned i = 0; i < NAMES; i++)
        askers[i] = ask(b, i / 2);
    engine_free(b->engine);
    b->engine = NULL;
    for (unsigned i = 0; i < NAMES; i++) {
        assert_int_equal(askers[i]->asker.calls, 1);
        assert_string_equal(askers[i]->record, "none");
        record_asker_free(askers[i]);
    }
    bench_free(b);
}

static void names_that_cannot_be(void **state)
{
    struct bench *b = bench_new(FAKE_DNS_ANSWER);
    char name[NEXTHOP_NAME_MAX + 2];
    struct engine_tlsrpt_request *request;
    struct record_asker *a = calloc(1, sizeof *a);
    (void)state;

    asker_init(&a->asker);
    memset(name, 'a', sizeof name);
    for (size_t i = 50; i < sizeof name; i += 50)
        name[i] = '.';
    name[NEXTHOP_NAME_MAX + 1] = '\0';
    assert_int_equal(engine_tlsrpt(b->engine, name, on_record, a, &request), -EINVAL);
    name[NEXTHOP_NAME_MAX] = '\0';
    assert_int_equal(engine_tlsrpt(b->engine, name, on_record, a, &a->request), 0);
    asker_wait(&a->asker);
    engine_tlsrpt_cancel(b->engine, a->request);
    assert_string_equal(a->record, "none");
    assert_int_equal(fake_dns_state(b->server)->udp, 0);
    record_asker_free(a);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_ask),     cmocka_unit_test(cancels_at_any_time),
        cmocka_unit_test(cancelled_inside),     cmocka_unit_test(the_end_of_the_engine),
        cmocka_unit_test(names_that_cannot_be),
    };

    return cmocka_run_group_tests_name("engine_tlsrpt", tests, NULL, NULL);
}
