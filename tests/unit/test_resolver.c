/*
 * The resolver against servers that fail on request (fake_dns.h), all on one thread. Times here are
 * short so that failures come soon; no test passes or fails by how quick something is.
 */
#include "dns/resolver.h"

#include "fake_dns.h"
#include "policy/clock.h"
#include "policy/engine_health.h"

#include <errno.h>
#include <event2/event.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

enum { SERVERS = 3, PATIENCE_S = 60 };

struct bench {
    struct event_base *base;
    struct fake_dns *servers[SERVERS];
    const char *addresses[SERVERS + 1];
    struct engine_config config;
    struct resolver *resolver;
    char log[16384];
};

struct reply {
    struct bench *bench;
    int calls;
    bool asking; /* inside resolver_query */
    enum dns_status status;
    uint32_t resolver;
    enum dns_security security;
    size_t count;
    struct dns_record first;
    size_t txt_len;
    char failure[100];
};

static void on_log(void *arg, int priority, const char *message)
{
    struct bench *b = arg;
    size_t len = strlen(b->log);

    (void)priority;
    assert_null(strchr(message, '\n'));
    snprintf(b->log + len, sizeof(b->log) - len, "%s\n", message);
}

static void on_reply(const struct dns_answer *answer, void *arg)
{
    struct reply *reply = arg;

    assert_non_null(answer);
    assert_false(reply->asking);
    reply->calls++;
    reply->status = answer->status;
    reply->security = answer->security;
    reply->resolver = answer->resolver;
    reply->count = answer->count;
    if (answer->count > 0) {
        reply->first = answer->records[0];
        reply->txt_len = answer->records[0].txt.len;
    }
    snprintf(reply->failure, sizeof(reply->failure), "%s",
             answer->failure != NULL ? answer->failure : "");
}

static struct bench *bench_new(int servers, const char *address)
{
    struct bench *b = calloc(1, sizeof(*b));

    b->base = event_base_new();
    for (int i = 0; i < servers; i++) {
        b->servers[i] = fake_dns_new(b->base, address);
        b->addresses[i] = fake_dns_address(b->servers[i]);
    }
    b->config = (struct engine_config){
        .resolvers = b->addresses,
        .dns_timeout_ms = 300,
        .dns_tries = 3,
        .check_name = "example",
        .check_interval_ms = 60000,
        .log = on_log,
        .log_arg = b,
    };
    return b;
}

static void bench_free(struct bench *b)
{
    resolver_free(b->resolver);
    for (int i = 0; i < SERVERS; i++) {
        if (b->servers[i] != NULL)
            fake_dns_free(b->servers[i]);
    }
    event_base_free(b->base);
    free(b);
}

static void start(struct bench *b)
{
    char err[200] = "";

    if (resolver_new(b->base, &b->config, &b->resolver, err, sizeof(err)) < 0)
        fail_msg("resolver_new: %s", err);
}

static struct fake_dns_state *server(struct bench *b, int i)
{
    return fake_dns_state(b->servers[i]);
}

/* Runs the loop until the condition holds; a test that hangs fails here. */
#define RUN_UNTIL(b, condition)                                                                    \
    do {                                                                                           \
        time_t give_up_at = time(NULL) + PATIENCE_S;                                               \
        while (!(condition)) {                                                                     \
            run_once(b);                                                                           \
            if (time(NULL) > give_up_at)                                                           \
                fail_msg("never came true: %s; log:\n%s", #condition, (b)->log);                   \
        }                                                                                          \
    } while (0)

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void run_once(struct bench *b)
{
    struct timeval tick = {.tv_usec = 20000};

    event_base_once(b->base, -1, EV_TIMEOUT, on_tick, NULL, &tick);
    event_base_loop(b->base, EVLOOP_ONCE);
}

static void run_for_ms(struct bench *b, int ms)
{
    struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_base_loopexit(b->base, &delay);
    event_base_dispatch(b->base);
}

static struct resolver_query *begin_for(struct bench *b, const char *nexthop, const char *name,
                                        uint16_t type, struct reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    reply->asking = true;
    struct resolver_query *query =
        resolver_query(b->resolver, nexthop, name, type, on_reply, reply);

    reply->asking = false;
    assert_non_null(query);
    return query;
}

/* For a next-hop that nothing else is asked for. */
static struct resolver_query *begin(struct bench *b, const char *name, uint16_t type,
                                    struct reply *reply)
{
    static unsigned nexthops;
    char nexthop[40];

    snprintf(nexthop, sizeof(nexthop), "nexthop%u.example", nexthops++);
    return begin_for(b, nexthop, name, type, reply);
}

static struct reply ask(struct bench *b, const char *name, uint16_t type)
{
    struct reply reply;

    begin(b, name, type, &reply);
    RUN_UNTIL(b, reply.calls > 0);
    assert_int_equal(reply.calls, 1);
    return reply;
}

static void expect_found(struct reply reply, enum dns_security security)
{
    if (reply.status == DNS_FAILED)
        fail_msg("failed: %s", reply.failure);
    assert_int_equal(reply.status, DNS_FOUND);
    assert_int_equal(reply.security, security);
}

static void expect_failed(struct reply reply, const char *failure)
{
    assert_int_equal(reply.status, DNS_FAILED);
    assert_string_equal(reply.failure, failure);
}

/* ---- Security of answers ---- */

#define NOT_VALIDATED "answered without DNSSEC validation"

static void test_secure_and_insecure(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    start(b);
    struct reply reply = ask(b, "n258.example.org", DNS_TYPE_A);

    expect_found(reply, DNS_SECURE);
    assert_memory_equal(reply.first.a, "\x0a\x00\x01\x02", 4);
    expect_found(ask(b, "unsigned.example.org.", DNS_TYPE_A), DNS_INSECURE);
    reply = ask(b, "example.org", DNS_TYPE_MX);
    assert_int_equal(reply.status, DNS_NODATA);
    assert_int_equal(reply.security, DNS_SECURE);
    assert_true(resolver_security_known(b->resolver));
    assert_int_equal(server(b, 0)->bad_queries, 0);
    assert_non_null(strstr(b->log, "DNS security is known: 127.0.0.1:"));
    bench_free(b);
}

static void test_without_ad(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    server(b, 0)->validates = false;
    start(b);
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_UNKNOWN);
    assert_false(resolver_security_known(b->resolver));
    assert_non_null(strstr(b->log, "DNS security is unknown"));
    assert_non_null(strstr(b->log, b->addresses[0]));
    assert_non_null(strstr(b->log, "(example without AD)"));
    bench_free(b);
}

static void test_untrusted(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    b->config.trust_ad = ENGINE_TRUST_AD_NO;
    start(b);
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_UNKNOWN);
    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_UNKNOWN);
    assert_false(resolver_security_known(b->resolver));
    assert_non_null(strstr(b->log, "trust_ad = no"));
    assert_int_equal(server(b, 0)->checks, 0);
    /* The administrator thinks otherwise now. */
    b->config.trust_ad = ENGINE_TRUST_AD_YES;
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, b->log, sizeof(b->log)), 0);
    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_INSECURE);
    assert_true(resolver_security_known(b->resolver));
    bench_free(b);
}

/* A check that fails for another reason than AD must fail twice: packets get lost. */
static void test_lost_and_found(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    b->config.check_interval_ms = 50;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    server(b, 0)->validates = false;
    RUN_UNTIL(b, !resolver_security_known(b->resolver));
    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_UNKNOWN);
    RUN_UNTIL(b, strstr(b->log, "DNS security is unknown") != NULL);
    assert_null(strstr(b->log, "known again"));
    server(b, 0)->validates = true;
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    assert_non_null(strstr(b->log, "DNS security is known again"));
    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_INSECURE);

    server(b, 0)->check_mode = FAKE_DNS_SERVFAIL;
    size_t checks = server(b, 0)->checks;

    RUN_UNTIL(b, !resolver_security_known(b->resolver));
    assert_true(server(b, 0)->checks >= checks + 2);
    server(b, 0)->check_mode = FAKE_DNS_ANSWER;
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    /* One warning and one all-clear in five minutes, however often it comes and goes. */
    char *first = strstr(b->log, "DNS security is unknown");

    assert_null(strstr(first + 1, "DNS security is unknown"));
    first = strstr(b->log, "known again");
    assert_null(strstr(first + 1, "known again"));
    bench_free(b);
}

static void test_queries_wait_for_the_first_check(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");
    struct reply reply;
    struct resolver_stats stats;

    (void)state;
    b->config.dns_timeout_ms = 10000;
    server(b, 0)->check_mode = FAKE_DNS_HOLD;
    start(b);
    begin(b, "unsigned.example.org", DNS_TYPE_A, &reply);
    RUN_UNTIL(b, fake_dns_held(b->servers[0]) == 1);
    run_for_ms(b, 50);
    assert_int_equal(reply.calls, 0);
    assert_int_equal(server(b, 0)->udp, 0);
    resolver_get_stats(b->resolver, &stats);
    assert_int_equal(stats.waiting, 1);
    server(b, 0)->check_mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    RUN_UNTIL(b, reply.calls == 1);
    expect_found(reply, DNS_INSECURE);
    bench_free(b);
}

static void test_but_not_for_ever(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    server(b, 0)->check_mode = FAKE_DNS_SILENT;
    start(b);
    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_UNKNOWN);
    assert_non_null(strstr(b->log, "(does not answer)"));
    bench_free(b);
}

/* ---- Whom to ask ---- */

static void failover(enum fake_dns_mode mode)
{
    struct bench *b = bench_new(2, "127.0.0.1");

    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1 && server(b, 1)->checks == 1);
    run_for_ms(b, 20);
    server(b, 0)->mode = mode;
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_SECURE);
    assert_true(server(b, 0)->udp >= 1); /* c-ares 1.34 may insist on a malformed answer */
    assert_int_equal(server(b, 1)->udp, 1);
    bench_free(b);
}

static void test_failover(void **state)
{
    static const enum fake_dns_mode modes[] = {
        FAKE_DNS_SERVFAIL, FAKE_DNS_REFUSED,  FAKE_DNS_SILENT,         FAKE_DNS_MALFORMED,
        FAKE_DNS_SHORT,    FAKE_DNS_WRONG_ID, FAKE_DNS_WRONG_QUESTION,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        failover(modes[i]);
}

static void test_all_fail(void **state)
{
    static const struct {
        enum fake_dns_mode mode;
        const char *failure;
        size_t sent; /* by both servers; 0: any number (c-ares 1.34 asks again by itself) */
    } cases[] = {
        {FAKE_DNS_SERVFAIL, "SERVFAIL", 2}, /* the same question again would be no use */
        {FAKE_DNS_REFUSED, "REFUSED", 2},    {FAKE_DNS_SILENT, "timed out", 3},
        {FAKE_DNS_WRONG_ID, "timed out", 3}, {FAKE_DNS_MALFORMED, "malformed answer", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench *b = bench_new(2, "127.0.0.1");

        start(b);
        server(b, 0)->mode = server(b, 1)->mode = cases[i].mode;
        struct reply reply = ask(b, "n1.example.org", DNS_TYPE_A);

        assert_int_equal(reply.status, DNS_FAILED);
        assert_memory_equal(reply.failure, cases[i].failure, strlen(cases[i].failure));
        if (cases[i].sent != 0)
            assert_int_equal(server(b, 0)->udp + server(b, 1)->udp, cases[i].sent);
        bench_free(b);
    }
}

/* As many as the configuration takes, not fewer. */
static void test_tries_means_what_it_says(void **state)
{
    static const int tries[] = {1, 2, 25, 100};

    (void)state;
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        struct bench *b = bench_new(2, "127.0.0.1");

        b->config.dns_timeout_ms = 10;
        b->config.dns_tries = tries[i];
        start(b);
        server(b, 0)->mode = server(b, 1)->mode = FAKE_DNS_SILENT;
        expect_failed(ask(b, "n1.example.org", DNS_TYPE_A), "timed out");
        assert_int_equal(server(b, 0)->udp + server(b, 1)->udp, tries[i]);
        bench_free(b);
    }
}

static void test_nobody_there(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    b->config.dns_timeout_ms = 50;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    fake_dns_free(b->servers[0]);
    b->servers[0] = NULL;
    expect_failed(ask(b, "n1.example.org", DNS_TYPE_A), "no resolver can be reached");
    bench_free(b);
}

/* A server that keeps silent is asked after its equals, and first again once it is back. */
static void test_silent_server_is_demoted(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");

    (void)state;
    b->config.dns_timeout_ms = 40;
    b->config.check_interval_ms = 4000;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1 && server(b, 1)->checks == 1);
    run_for_ms(b, 20);
    server(b, 0)->mode = FAKE_DNS_SILENT;
    for (int i = 0; i < 4; i++)
        expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_SECURE);
    assert_int_equal(server(b, 0)->udp, 4);
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_SECURE);
    assert_int_equal(server(b, 0)->udp, 4);
    assert_int_equal(server(b, 1)->udp, 5);
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    size_t checks = server(b, 0)->checks;

    RUN_UNTIL(b, server(b, 0)->checks > checks);
    run_for_ms(b, 20);
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_SECURE);
    assert_int_equal(server(b, 0)->udp, 5);
    bench_free(b);
}

static void test_validating_servers_come_first(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");

    (void)state;
    server(b, 0)->validates = false;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1 && server(b, 1)->checks == 1);
    run_for_ms(b, 20);
    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_INSECURE);
    assert_int_equal(server(b, 0)->udp, 0);
    /* The other is the last resort: but what it says without AD, while one validates, is no answer
     * to that one question (RFC 7672 section 2.1.1). */
    server(b, 1)->mode = FAKE_DNS_SILENT;
    expect_failed(ask(b, "unsigned.example.org", DNS_TYPE_A), NOT_VALIDATED);
    assert_int_equal(server(b, 1)->udp, 3);
    assert_int_equal(server(b, 0)->udp, 1);
    expect_failed(ask(b, "unsigned.example.org", DNS_TYPE_TXT), NOT_VALIDATED);
    assert_true(resolver_security_known(b->resolver));
    bench_free(b);
}

/* One whose own check failed is believed when it sets AD, and only then. */
static void test_own_check_failed(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");

    (void)state;
    b->config.check_interval_ms = 400; /* it fails when it fails twice */
    server(b, 0)->check_mode = FAKE_DNS_SERVFAIL;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks >= 2 && resolver_security_known(b->resolver));
    run_for_ms(b, 20);
    server(b, 1)->mode = FAKE_DNS_SILENT;
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_SECURE);
    expect_failed(ask(b, "unsigned.example.org", DNS_TYPE_A), NOT_VALIDATED);
    bench_free(b);
}

/* What a resolver kept beyond its life, without AD, is no answer while one validates. */
static void test_stale(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");

    (void)state;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1 && server(b, 1)->checks == 1);
    run_for_ms(b, 20);
    server(b, 0)->mode = FAKE_DNS_STALE;
    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_INSECURE);
    assert_int_equal(server(b, 0)->udp, 1);
    server(b, 1)->mode = FAKE_DNS_STALE;
    expect_failed(ask(b, "n1.example.org", DNS_TYPE_A), NOT_VALIDATED);
    assert_true(resolver_security_known(b->resolver));
    bench_free(b);
}

struct confirmation {
    int calls;
    bool passed;
};

static void on_confirmed(bool passed, void *arg)
{
    struct confirmation *c = arg;

    c->calls++;
    c->passed = passed;
}

/* Whether a resolver still validates is told by a check that was begun after the question. */
static void test_confirm(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");
    struct confirmation c[4] = {{0}};
    struct reply reply;
    size_t checks;

    (void)state;
    start(b);
    reply = ask(b, "unsigned.example.org", DNS_TYPE_A);
    expect_found(reply, DNS_INSECURE);
    checks = server(b, 0)->checks;
    /* One check serves all who came before it; those that come meanwhile need another. */
    server(b, 0)->check_mode = FAKE_DNS_HOLD;
    assert_non_null(resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[0]));
    assert_non_null(resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[1]));
    assert_int_equal(c[0].calls, 0);
    RUN_UNTIL(b, fake_dns_held(b->servers[0]) == 1);
    assert_non_null(resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[2]));
    resolver_confirm_cancel(resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[3]));
    server(b, 0)->check_mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    server(b, 0)->check_mode = FAKE_DNS_HOLD;
    RUN_UNTIL(b, c[0].calls == 1 && c[1].calls == 1);
    assert_true(c[0].passed && c[1].passed);
    run_for_ms(b, 20);
    assert_int_equal(c[2].calls, 0);
    assert_int_equal(server(b, 0)->checks, checks + 2);
    /* It ceases to validate. */
    server(b, 0)->validates = false;
    server(b, 0)->check_mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    RUN_UNTIL(b, c[2].calls == 1);
    assert_false(c[2].passed);
    assert_int_equal(c[3].calls, 0);
    /* And then it need not be asked; nor one that nobody knows. */
    memset(c, 0, sizeof(c));
    checks = server(b, 0)->checks;
    resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[0]);
    resolver_confirm(b->resolver, 99, on_confirmed, &c[1]);
    RUN_UNTIL(b, c[0].calls == 1 && c[1].calls == 1);
    assert_false(c[0].passed || c[1].passed);
    assert_int_equal(server(b, 0)->checks, checks);
    bench_free(b);
}

/* Those who wait for a check are told when its resolver is trusted no more; the end tells nobody.
 */
static void test_confirm_and_reconfigure(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");
    struct confirmation c[3] = {{0}};
    struct reply reply;
    char err[200];

    (void)state;
    start(b);
    reply = ask(b, "unsigned.example.org", DNS_TYPE_A);
    server(b, 0)->check_mode = FAKE_DNS_SILENT;
    resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[0]);
    run_for_ms(b, 20);
    /* A reload that changes nothing: the check begins anew, and is lost once. */
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, err, sizeof(err)), 0);
    RUN_UNTIL(b, server(b, 0)->checks == 3);
    server(b, 0)->check_mode = FAKE_DNS_ANSWER; /* the next one, after the time-out */
    RUN_UNTIL(b, c[0].calls == 1);
    server(b, 0)->check_mode = FAKE_DNS_SILENT;
    resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[1]);
    b->config.trust_ad = ENGINE_TRUST_AD_NO;
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, err, sizeof(err)), 0);
    RUN_UNTIL(b, c[1].calls == 1);
    assert_false(c[1].passed);
    resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c[2]);
    bench_free(b);
    assert_int_equal(c[2].calls, 0);
}

/* What others ask does not delay the check that tells when a resolver validates again: neither
 * names that are slow again and again, nor checks of another resolver that somebody waits for. */
static void test_checks_are_not_postponed(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");
    struct reply slow[4];
    int64_t stop_at;

    (void)state;
    b->config.dns_timeout_ms = 20;
    b->config.dns_tries = 1;
    b->config.check_interval_ms = 4000; /* while none validates in a 16th of that */
    server(b, 0)->validates = false;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1);
    run_for_ms(b, 10);
    assert_false(resolver_security_known(b->resolver));
    server(b, 0)->validates = true;
    stop_at = time(NULL) + 4;
    while (!resolver_security_known(b->resolver) && time(NULL) < stop_at) {
        for (int i = 0; i < 4; i++)
            begin(b, "slow.example.org", DNS_TYPE_A, &slow[i]);
        RUN_UNTIL(b, slow[0].calls && slow[1].calls && slow[2].calls && slow[3].calls);
        ask(b, "n1.example.org", DNS_TYPE_A);
    }
    assert_true(resolver_security_known(b->resolver));
    bench_free(b);
}

static void test_checks_of_one_do_not_postpone_those_of_another(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");
    struct confirmation c;
    struct reply reply;
    size_t checks;
    int64_t stop_at;

    (void)state;
    b->config.check_interval_ms = 800;
    server(b, 1)->validates = false;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1 && server(b, 1)->checks == 1);
    reply = ask(b, "unsigned.example.org", DNS_TYPE_A);
    expect_found(reply, DNS_INSECURE);
    checks = server(b, 1)->checks;
    stop_at = time(NULL) + 4;
    while (server(b, 1)->checks == checks && time(NULL) < stop_at) {
        c.calls = 0;
        assert_non_null(resolver_confirm(b->resolver, reply.resolver, on_confirmed, &c));
        RUN_UNTIL(b, c.calls == 1);
    }
    assert_true(server(b, 1)->checks > checks);
    bench_free(b);
}

/* The only one that validates ceases to: for a while that is a failure (it is restarted, perhaps),
 * then security is unknown. */
static void test_unknown_after_a_while(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    b->config.check_interval_ms = 1000;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    server(b, 0)->validates = false;
    RUN_UNTIL(b, strstr(b->log, "does not validate DNSSEC now (example without AD)") != NULL);
    if (!resolver_security_known(b->resolver))
        fail_msg("unknown at once");
    expect_failed(ask(b, "n1.example.org", DNS_TYPE_A), NOT_VALIDATED);
    assert_null(strstr(b->log, "others are used"));
    RUN_UNTIL(b, !resolver_security_known(b->resolver));
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_UNKNOWN);
    RUN_UNTIL(b, strstr(b->log, "DNS security is unknown") != NULL);
    bench_free(b);
}

/* What validation rejected is not asked for where nobody validates. */
static void test_bogus_stays_bogus(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");

    (void)state;
    server(b, 1)->validates = false;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1 && server(b, 1)->checks == 1);
    run_for_ms(b, 20);
    server(b, 0)->mode = FAKE_DNS_SERVFAIL;
    expect_failed(ask(b, "n1.example.org", DNS_TYPE_A), "SERVFAIL");
    assert_int_equal(server(b, 1)->udp, 0);
    bench_free(b);
}

/* One of two loses AD: queries go on with the other, and it is said. */
static void test_one_of_two_loses_ad(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");

    (void)state;
    b->config.check_interval_ms = 50;
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks > 0 && server(b, 1)->checks > 0);
    run_for_ms(b, 20);
    server(b, 0)->validates = false;
    RUN_UNTIL(b, strstr(b->log, "does not validate DNSSEC now (example without AD)") != NULL);
    assert_true(resolver_security_known(b->resolver));
    size_t before = server(b, 0)->udp;

    expect_found(ask(b, "unsigned.example.org", DNS_TYPE_A), DNS_INSECURE);
    assert_int_equal(server(b, 0)->udp, before);
    assert_null(strstr(b->log, "DNS security is unknown"));
    bench_free(b);
}

/* An answer that comes after the next try has begun is as good as any. */
static void test_late_answer(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");
    struct reply reply;

    (void)state;
    b->config.dns_timeout_ms = 500;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    server(b, 0)->mode = FAKE_DNS_HOLD;
    server(b, 1)->mode = FAKE_DNS_SILENT;
    begin(b, "n1.example.org", DNS_TYPE_A, &reply);
    RUN_UNTIL(b, server(b, 1)->udp == 1);
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    RUN_UNTIL(b, reply.calls == 1);
    expect_found(reply, DNS_SECURE);
    bench_free(b);
}

/* ---- The wire ---- */

static void test_truncation(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    start(b);
    struct reply reply = ask(b, "example.org", DNS_TYPE_TXT);

    expect_found(reply, DNS_SECURE);
    assert_int_equal(reply.txt_len, 4800);
    assert_int_equal(server(b, 0)->udp, 1);
    assert_int_equal(server(b, 0)->tcp, 1);
    server(b, 0)->mode = FAKE_DNS_TRUNCATED_TCP;
    expect_failed(ask(b, "example.org", DNS_TYPE_TXT), "truncated");
    assert_int_equal(server(b, 0)->bad_queries, 0);
    bench_free(b);
}

/* A TCP connection that breaks harms no query by UDP. */
static void test_tcp_hangs_up(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");
    struct reply plain, large;

    (void)state;
    b->config.dns_timeout_ms = 2000;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    server(b, 0)->mode = FAKE_DNS_HOLD;
    begin(b, "n1.example.org", DNS_TYPE_A, &plain);
    RUN_UNTIL(b, fake_dns_held(b->servers[0]) == 1);
    server(b, 0)->mode = FAKE_DNS_TCP_HANGS_UP;
    begin(b, "example.org", DNS_TYPE_TXT, &large);
    RUN_UNTIL(b, server(b, 0)->tcp == 1);
    run_for_ms(b, 50);
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    assert_int_equal(server(b, 0)->udp, 2);
    fake_dns_release(b->servers[0]);
    RUN_UNTIL(b, plain.calls == 1);
    expect_found(plain, DNS_SECURE);
    assert_int_equal(large.calls, 0);
    RUN_UNTIL(b, large.calls == 1); /* when its try is over it has another */
    expect_found(large, DNS_SECURE);
    bench_free(b);
}

static void test_forged_answers(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    start(b);
    server(b, 0)->mode = FAKE_DNS_FORGED_FIRST;
    for (int i = 0; i < 20; i++) {
        struct reply reply = ask(b, "n258.example.org", DNS_TYPE_A);

        expect_found(reply, DNS_SECURE);
        assert_memory_equal(reply.first.a, "\x0a\x00\x01\x02", 4);
    }
    bench_free(b);
}

static int compare_seen(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct fake_dns_seen));
}

/* Nothing about the next query can be told from those before it. */
static void test_ids_and_ports(void **state)
{
    enum { QUERIES = 1000 };
    static struct reply replies[QUERIES];
    struct bench *b = bench_new(1, "127.0.0.1");
    struct fake_dns_seen *seen = server(b, 0)->seen;
    size_t in_order = 0, ports = 1;

    (void)state;
    b->config.dns_timeout_ms = 10000;
    start(b);
    server(b, 0)->mode = FAKE_DNS_HOLD;
    for (int i = 0; i < QUERIES; i++) /* the same name: only the ID tells the answers apart */
        begin(b, "n1.example.org", DNS_TYPE_A, &replies[i]);
    RUN_UNTIL(b, server(b, 0)->udp == QUERIES);
    for (int i = 1; i < QUERIES; i++)
        in_order += (uint16_t)(seen[i].id - seen[i - 1].id) < 64;
    assert_true(in_order < 50);
    qsort(seen, QUERIES, sizeof(*seen), compare_seen);
    for (int i = 1; i < QUERIES; i++)
        assert_false(seen[i].id == seen[i - 1].id && seen[i].port == seen[i - 1].port);
    for (int i = 1; i < QUERIES; i++) {
        int j = 0;

        while (j < i && seen[j].port != seen[i].port)
            j++;
        ports += j == i;
    }
    assert_true(ports == 10 || ports == 11); /* a hundred each; the check took one, too */
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    for (int i = 0; i < QUERIES; i++)
        RUN_UNTIL(b, replies[i].calls == 1);
    struct resolver_stats stats;

    resolver_get_stats(b->resolver, &stats);
    assert_true(stats.sockets <= 2);
    bench_free(b);
}

/* ---- Many, and few ---- */

static void test_ten_thousand(void **state)
{
    enum { QUERIES = 10000, IN_FLIGHT = 500 };
    static struct reply replies[QUERIES];
    struct bench *b = bench_new(1, "127.0.0.1");
    struct resolver_stats stats;
    int done = 0;

    (void)state;
    b->config.dns_timeout_ms = 10000;
    b->config.dns_max_outstanding = IN_FLIGHT;
    start(b);
    for (int i = 0; i < QUERIES; i++) {
        char name[64];

        snprintf(name, sizeof(name), "n%d.example.org", i);
        begin(b, name, DNS_TYPE_A, &replies[i]);
    }
    resolver_get_stats(b->resolver, &stats);
    assert_int_equal(stats.waiting + stats.in_flight, QUERIES);
    while (done < QUERIES) {
        run_once(b);
        resolver_get_stats(b->resolver, &stats);
        assert_true(stats.in_flight <= IN_FLIGHT);
        assert_true(stats.sockets <= 64);
        for (done = 0; done < QUERIES && replies[done].calls == 1;)
            done++;
    }
    for (int i = 0; i < QUERIES; i++) {
        uint8_t expect[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};

        expect_found(replies[i], DNS_SECURE);
        assert_memory_equal(replies[i].first.a, expect, 4);
    }
    assert_int_equal(stats.in_flight, 0);
    assert_int_equal(stats.waiting, 0);
    assert_true(server(b, 0)->udp >= QUERIES); /* more only if this machine is slow */
    bench_free(b);
}

/* Asks `each` questions for each of so many next-hops, then one for another; all but that are never
 * answered. Returns how many of them had failed when it was answered. */
static int failed_before_the_quick_one(struct bench *b, int nexthops, int each,
                                       struct reply *replies)
{
    struct reply quick;
    int failed = 0;

    for (int i = 0; i < nexthops * each; i++) {
        char nexthop[40], name[64];

        snprintf(nexthop, sizeof(nexthop), "slow%d.example", i / each);
        snprintf(name, sizeof(name), "slow%d.example", i);
        begin_for(b, nexthop, name, DNS_TYPE_A, &replies[i]);
    }
    run_for_ms(b, 20);
    begin_for(b, "quick.example", "n1.quick.example", DNS_TYPE_A, &quick);
    RUN_UNTIL(b, quick.calls > 0);
    expect_found(quick, DNS_SECURE);
    for (int i = 0; i < nexthops * each; i++)
        failed += replies[i].calls;
    return failed;
}

/* A dozen names with 32 signed MX hosts each: A, AAAA, TLSA, and MX. */
static void test_a_nexthop_with_many_hosts_takes_no_more_than_its_share(void **state)
{
    enum { NEXTHOPS = 12, EACH = 97 };
    static struct reply replies[NEXTHOPS * EACH];
    struct bench *b = bench_new(1, "127.0.0.1");
    struct resolver_stats stats;

    (void)state;
    b->config.dns_timeout_ms = 20000;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    assert_int_equal(failed_before_the_quick_one(b, NEXTHOPS, EACH, replies), 0);
    resolver_get_stats(b->resolver, &stats);
    assert_int_equal(stats.slow, 0); /* it did not have to wait until the others were slow */
    assert_true(stats.in_flight <= 500);
    bench_free(b);
}

static void test_slow_names_give_up_their_slots(void **state)
{
    enum { NEXTHOPS = 400, EACH = 3 };
    static struct reply replies[NEXTHOPS * EACH];
    struct bench *b = bench_new(1, "127.0.0.1");
    struct resolver_stats stats;

    (void)state;
    b->config.dns_timeout_ms = 2000;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    assert_int_equal(failed_before_the_quick_one(b, NEXTHOPS, EACH, replies), 0);
    resolver_get_stats(b->resolver, &stats);
    assert_true(stats.slow > 0);
    assert_int_equal(stats.in_flight + stats.slow + stats.waiting, NEXTHOPS * EACH);
    bench_free(b);
}

/* More than may be slow: the oldest are given up for the others, as the resolver answers these. */
static void test_too_many_slow_queries(void **state)
{
    enum { NEXTHOPS = 100, SLOTS = 10 };
    static struct reply replies[NEXTHOPS];
    struct bench *b = bench_new(1, "127.0.0.1");
    struct resolver_stats stats;

    (void)state;
    b->config.dns_timeout_ms = 2000;
    b->config.dns_max_outstanding = SLOTS;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    for (int i = 0; i < 3; i++) { /* the second and third time, many are slow already */
        int failed = failed_before_the_quick_one(b, NEXTHOPS / 4, 1, replies + i * NEXTHOPS / 4);

        resolver_get_stats(b->resolver, &stats);
        assert_true(stats.slow <= 4 * SLOTS);
        assert_true(failed < NEXTHOPS / 4);
    }
    RUN_UNTIL(b, replies[0].calls == 1);
    assert_int_equal(replies[0].status, DNS_FAILED);
    assert_memory_equal(replies[0].failure, "no answer within ", 17);
    bench_free(b);
}

/* While it answers nothing it is the resolver that is slow: nothing is given up for that. */
/* Queries that came by UDP. What c-ares repeats has the ID of the first, and counts once. */
static size_t queries_seen(const struct fake_dns_state *state)
{
    size_t count = 0;

    for (size_t i = 0; i < state->udp; i++) {
        bool repeated = false;

        for (size_t j = 0; j < i && !repeated; j++)
            repeated = state->seen[j].id == state->seen[i].id;
        count += !repeated;
    }
    return count;
}

static void test_a_silent_resolver_costs_no_query(void **state)
{
    enum { QUERIES = 100 };
    static struct reply replies[QUERIES];
    struct bench *b = bench_new(1, "127.0.0.1");
    struct engine_health health;
    int64_t began_ms;

    (void)state;
    b->config.dns_timeout_ms = 4000;
    b->config.dns_max_outstanding = 10;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    server(b, 0)->mode = FAKE_DNS_HOLD;
    began_ms = clock_mono_ms();
    for (int i = 0; i < QUERIES; i++)
        begin(b, "n1.example.org", DNS_TYPE_A, &replies[i]);
    RUN_UNTIL(b, server(b, 0)->udp >= 50);
    run_for_ms(b, 1100); /* two more times 500 ms */
    resolver_health(b->resolver, &health);
    assert_int_equal(health.dns_waiting, QUERIES - 50);
    /* On a machine that took longer for this than dns_timeout some were sent once more. */
    if (clock_mono_ms() - began_ms < b->config.dns_timeout_ms)
        assert_int_equal(queries_seen(server(b, 0)), 50);
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    for (int i = 0; i < QUERIES; i++) {
        RUN_UNTIL(b, replies[i].calls == 1);
        expect_found(replies[i], DNS_SECURE);
    }
    bench_free(b);
}

/* One that answers all in order, but not as fast as it is asked: no query gives up its slot, which
 * would only make all of them later still. */
static void test_an_overloaded_resolver_gets_no_more_queries(void **state)
{
    enum { QUERIES = 250, SLOTS = 50, PER_SECOND = 100 };
    static struct reply replies[QUERIES];
    struct bench *b = bench_new(1, "127.0.0.1");
    struct resolver_stats stats;
    int done = 0;

    (void)state;
    b->config.dns_timeout_ms = 2000; /* slow after 250 ms; answered after 500 ms */
    b->config.dns_max_outstanding = SLOTS;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    server(b, 0)->per_second = PER_SECOND;
    for (int i = 0; i < QUERIES; i++) {
        char nexthop[40], name[64];

        snprintf(nexthop, sizeof(nexthop), "d%d.example", i);
        snprintf(name, sizeof(name), "n%d.d.example", i);
        begin_for(b, nexthop, name, DNS_TYPE_A, &replies[i]);
    }
    while (done < QUERIES) {
        run_once(b);
        resolver_get_stats(b->resolver, &stats);
        assert_int_equal(stats.slow, 0);
        while (done < QUERIES && replies[done].calls == 1)
            expect_found(replies[done++], DNS_SECURE);
    }
    bench_free(b);
}

static void test_cancel(void **state)
{
    enum { QUERIES = 30 };
    struct bench *b = bench_new(1, "127.0.0.1");
    struct resolver_query *queries[QUERIES];
    struct reply replies[QUERIES];
    struct resolver_stats stats;

    (void)state;
    b->config.dns_max_outstanding = 10;
    b->config.dns_timeout_ms = 60000; /* so that none of them is slow */
    start(b);
    server(b, 0)->mode = FAKE_DNS_HOLD;
    for (int i = 0; i < QUERIES; i++)
        queries[i] = begin(b, "n1.example.org", DNS_TYPE_A, &replies[i]);
    RUN_UNTIL(b, server(b, 0)->udp == 10);
    for (int i = 0; i < QUERIES; i += 2) /* in flight and in line */
        resolver_cancel(queries[i]);
    RUN_UNTIL(b, server(b, 0)->udp == 15);
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]); /* those that nobody waits for any more, too */
    RUN_UNTIL(b, replies[QUERIES - 1].calls == 1);
    for (int i = 0; i < QUERIES; i++)
        assert_int_equal(replies[i].calls, i % 2);
    resolver_get_stats(b->resolver, &stats);
    assert_int_equal(stats.in_flight + stats.waiting, 0);
    /* Settled, but not called back yet. */
    queries[0] = begin(b, "no name", DNS_TYPE_A, &replies[0]);
    resolver_cancel(queries[0]);
    run_for_ms(b, 20);
    assert_int_equal(replies[0].calls, 0);
    bench_free(b);
}

struct canceller {
    struct resolver_query *other;
    struct reply reply;
};

static void on_reply_cancel_other(const struct dns_answer *answer, void *arg)
{
    struct canceller *c = arg;

    on_reply(answer, &c->reply);
    resolver_cancel(c->other);
}

/* Both answers are there when the first callback cancels the second query. */
static void test_cancel_from_a_callback(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");
    struct canceller c = {0};
    struct reply other;

    (void)state;
    start(b);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    server(b, 0)->mode = FAKE_DNS_HOLD;
    assert_non_null(resolver_query(b->resolver, "example.org", "n1.example.org", DNS_TYPE_A,
                                   on_reply_cancel_other, &c));
    c.other = begin(b, "n2.example.org", DNS_TYPE_A, &other);
    RUN_UNTIL(b, fake_dns_held(b->servers[0]) == 2);
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    RUN_UNTIL(b, c.reply.calls == 1);
    run_for_ms(b, 50);
    assert_int_equal(other.calls, 0);
    bench_free(b);
}

static void test_free_with_queries_outstanding(void **state)
{
    struct bench *b = bench_new(1, "127.0.0.1");
    struct reply replies[5];

    (void)state;
    b->config.dns_max_outstanding = 2;
    start(b);
    server(b, 0)->mode = FAKE_DNS_SILENT;
    for (int i = 0; i < 4; i++)
        begin(b, "n1.example.org", DNS_TYPE_A, &replies[i]);
    begin(b, "no..name", DNS_TYPE_A, &replies[4]);
    RUN_UNTIL(b, server(b, 0)->udp == 2);
    resolver_free(b->resolver);
    b->resolver = NULL;
    for (int i = 0; i < 4; i++)
        assert_int_equal(replies[i].calls, 0);
    assert_int_equal(replies[4].calls, 1);
    bench_free(b);
}

static void test_no_name(void **state)
{
    static const char *const names[] = {"a..b", "a b", "[192.0.2.1]", "\xc3\xa4.org", "a\\032b"};
    struct bench *b = bench_new(1, "127.0.0.1");

    (void)state;
    start(b);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        expect_failed(ask(b, names[i], DNS_TYPE_A), "not a domain name");
    assert_int_equal(server(b, 0)->udp, 0);
    bench_free(b);
}

/* ---- Configuration ---- */

__attribute__((format(printf, 2, 3))) static void write_conf(const char *path, const char *format,
                                                             ...)
{
    FILE *file = fopen(path, "w");
    va_list args;

    assert_non_null(file);
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    fclose(file);
}

static void test_resolv_conf_changes(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");
    char path[] = "/tmp/test_resolver.XXXXXX";
    struct reply slow;

    (void)state;
    close(mkstemp(path));
    write_conf(path, "search example.net\nnameserver %s\noptions rotate\n", b->addresses[0]);
    b->config.resolvers = NULL;
    b->config.resolv_conf = path;
    b->config.dns_timeout_ms = 5000;
    start(b);
    expect_found(ask(b, "n1", DNS_TYPE_A), DNS_SECURE);
    assert_int_equal(server(b, 0)->udp, 1); /* no search domain was tried */
    server(b, 0)->mode = FAKE_DNS_HOLD;
    begin(b, "n1", DNS_TYPE_A, &slow);
    RUN_UNTIL(b, server(b, 0)->udp == 2);
    write_conf(path, "nameserver %s\nnameserver nonsense\n", b->addresses[1]);
    run_for_ms(b, 1100); /* it is looked at once a second */
    expect_found(ask(b, "unsigned", DNS_TYPE_A), DNS_INSECURE);
    assert_int_equal(server(b, 1)->udp, 1);
    assert_non_null(strstr(b->log, ":2: no address of a resolver"));
    /* What the old one was asked it may still answer. */
    server(b, 0)->mode = FAKE_DNS_ANSWER;
    fake_dns_release(b->servers[0]);
    RUN_UNTIL(b, slow.calls == 1);
    expect_found(slow, DNS_SECURE);
    /* Emptied, then removed: what it said before holds. */
    write_conf(path, "# under construction\n");
    run_for_ms(b, 1100);
    expect_found(ask(b, "n2", DNS_TYPE_A), DNS_SECURE);
    assert_non_null(strstr(b->log, "names no resolver now"));
    unlink(path);
    run_for_ms(b, 1100);
    expect_found(ask(b, "n3", DNS_TYPE_A), DNS_SECURE);
    assert_int_equal(server(b, 1)->udp, 3);
    write_conf(path, "nameserver %s\n", b->addresses[0]);
    run_for_ms(b, 1100);
    expect_found(ask(b, "n4", DNS_TYPE_A), DNS_SECURE);
    assert_int_equal(server(b, 0)->udp, 3);
    unlink(path);
    bench_free(b);
}

/* Cached findings whose security is unknown cause no question; the change is seen all the same. */
static void test_resolv_conf_changes_unasked(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");
    char path[] = "/tmp/test_resolver.XXXXXX";

    (void)state;
    close(mkstemp(path));
    write_conf(path, "nameserver %s\n", b->addresses[0]);
    b->config.resolvers = NULL;
    b->config.resolv_conf = path;
    b->config.check_interval_ms = 500;
    server(b, 0)->validates = false;
    start(b);
    RUN_UNTIL(b, strstr(b->log, "DNS security is unknown") != NULL);
    write_conf(path, "nameserver %s\n", b->addresses[1]);
    RUN_UNTIL(b, resolver_security_known(b->resolver));
    assert_non_null(strstr(b->log, "has changed"));
    assert_int_equal(server(b, 1)->udp, 0); /* but for checks */
    unlink(path);
    bench_free(b);
}

static void test_reconfigure(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");
    const char *wrong[] = {"127.0.0.1", "resolver.example.org", NULL};
    const char *only[] = {b->addresses[1], NULL};
    char err[200] = "";
    struct reply reply;

    (void)state;
    b->config.resolvers = wrong;
    assert_int_equal(resolver_new(b->base, &b->config, &b->resolver, err, sizeof(err)), -EINVAL);
    assert_string_equal(err, "resolver resolver.example.org: not an address");
    b->config.resolvers = b->addresses;
    b->config.check_name = "not a name";
    assert_int_equal(resolver_new(b->base, &b->config, &b->resolver, err, sizeof(err)), -EINVAL);
    b->config.check_name = "example";
    start(b);
    RUN_UNTIL(b, server(b, 0)->checks == 1 && server(b, 1)->checks == 1);
    run_for_ms(b, 20);
    b->config.resolvers = wrong;
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, err, sizeof(err)), -EINVAL);
    expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_SECURE);
    /* The only one asked so far goes; the query in flight finds the other. */
    server(b, 0)->mode = FAKE_DNS_SILENT;
    begin(b, "unsigned.example.org", DNS_TYPE_A, &reply);
    RUN_UNTIL(b, server(b, 0)->udp == 2);
    b->config.resolvers = only;
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, err, sizeof(err)), 0);
    assert_true(resolver_security_known(b->resolver)); /* what is known of it is kept */
    assert_int_equal(resolver_trust_withdrawn(b->resolver), 1);
    RUN_UNTIL(b, reply.calls == 1);
    expect_found(reply, DNS_INSECURE);
    assert_int_equal(server(b, 0)->udp, 2);
    assert_int_equal(server(b, 1)->udp, 1);
    bench_free(b);
}

/* Whoever names another resolver that does not validate is told of that one, and at once. */
static void test_reconfigure_unknown(void **state)
{
    struct bench *b = bench_new(2, "127.0.0.1");
    const char *first[] = {b->addresses[0], NULL}, *second[] = {b->addresses[1], NULL};
    char err[200] = "";

    (void)state;
    server(b, 0)->validates = server(b, 1)->validates = false;
    b->config.resolvers = first;
    start(b);
    RUN_UNTIL(b, strstr(b->log, b->addresses[0]) != NULL);
    assert_null(strstr(b->log, b->addresses[1]));
    b->log[0] = '\0';
    /* The same one again has been complained of. */
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, err, sizeof(err)), 0);
    RUN_UNTIL(b, server(b, 0)->checks == 2);
    run_for_ms(b, 20);
    assert_string_equal(b->log, "");
    b->config.resolvers = second;
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, err, sizeof(err)), 0);
    RUN_UNTIL(b, strstr(b->log, "DNS security is unknown") != NULL);
    assert_non_null(strstr(b->log, b->addresses[1]));
    /* And of the reason why it is not even asked. */
    b->log[0] = '\0';
    b->config.trust_ad = ENGINE_TRUST_AD_NO;
    assert_int_equal(resolver_reconfigure(b->resolver, &b->config, err, sizeof(err)), 0);
    RUN_UNTIL(b, strstr(b->log, "trust_ad = no") != NULL);
    bench_free(b);
}

/* ---- IPv6 ---- */

static void test_ipv6(void **state)
{
    static const char *const addresses[] = {"::1", "fe80::1%lo"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct bench *b = bench_new(1, addresses[i]);

        b->config.trust_ad = ENGINE_TRUST_AD_YES;
        start(b);
        expect_found(ask(b, "n1.example.org", DNS_TYPE_A), DNS_SECURE);
        struct reply reply = ask(b, "example.org", DNS_TYPE_TXT);

        expect_found(reply, DNS_SECURE);
        assert_int_equal(reply.txt_len, 4800);
        assert_non_null(strstr(b->log, addresses[i]));
        bench_free(b);
    }
}

/* A network of our own with a loopback interface, which also has a link-local address. */
static int enter_namespace(void)
{
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    struct {
        struct in6_addr addr;
        uint32_t prefix_len;
        int index;
    } local = {.addr = {{{0xfe, 0x80, [15] = 1}}}, .prefix_len = 64, .index = 1};
    int flags = geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER;
    int fd, fd6;

    if (unshare(flags) < 0)
        return -1;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    fd6 = socket(AF_INET6, SOCK_DGRAM, 0);
    int result =
        fd < 0 || fd6 < 0 || ioctl(fd, SIOCSIFFLAGS, &up) < 0 || ioctl(fd6, SIOCSIFADDR, &local) < 0
            ? -1
            : 0;

    close(fd);
    close(fd6);
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secure_and_insecure),
        cmocka_unit_test(test_without_ad),
        cmocka_unit_test(test_untrusted),
        cmocka_unit_test(test_lost_and_found),
        cmocka_unit_test(test_queries_wait_for_the_first_check),
        cmocka_unit_test(test_but_not_for_ever),
        cmocka_unit_test(test_failover),
        cmocka_unit_test(test_all_fail),
        cmocka_unit_test(test_tries_means_what_it_says),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_silent_server_is_demoted),
        cmocka_unit_test(test_validating_servers_come_first),
        cmocka_unit_test(test_own_check_failed),
        cmocka_unit_test(test_confirm),
        cmocka_unit_test(test_confirm_and_reconfigure),
        cmocka_unit_test(test_checks_are_not_postponed),
        cmocka_unit_test(test_checks_of_one_do_not_postpone_those_of_another),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_unknown_after_a_while),
        cmocka_unit_test(test_bogus_stays_bogus),
        cmocka_unit_test(test_one_of_two_loses_ad),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_tcp_hangs_up),
        cmocka_unit_test(test_forged_answers),
        cmocka_unit_test(test_ids_and_ports),
        cmocka_unit_test(test_ten_thousand),
        cmocka_unit_test(test_a_nexthop_with_many_hosts_takes_no_more_than_its_share),
        cmocka_unit_test(test_slow_names_give_up_their_slots),
        cmocka_unit_test(test_too_many_slow_queries),
        cmocka_unit_test(test_a_silent_resolver_costs_no_query),
        cmocka_unit_test(test_an_overloaded_resolver_gets_no_more_queries),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_from_a_callback),
        cmocka_unit_test(test_free_with_queries_outstanding),
        cmocka_unit_test(test_no_name),
        cmocka_unit_test(test_resolv_conf_changes),
        cmocka_unit_test(test_resolv_conf_changes_unasked),
        cmocka_unit_test(test_reconfigure),
        cmocka_unit_test(test_reconfigure_unknown),
        cmocka_unit_test(test_ipv6),
    };

    if (enter_namespace() < 0) {
        perror("network namespace");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
