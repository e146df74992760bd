/*
 * What connections for delivery show (engine_probe_note) and the shared cache, with a Redis server
 * as Debian packages it: another engine knows it without connecting, and what it shows while the
 * shared cache is asked counts more than an older row that comes late.
 */
#include "asker.h"
#include "findings/findings_make.h"
#include "policy/ca_store.h"
#include "policy/clock.h"
#include "policy/engine_probe.h"
#include "policy/tls_client.h"
#include "probe/probe_cache.h"
#include "probe/probe_plan.h"
#include "redis_server.h"
#include "shared_client.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 20000 }; /* nothing is late here, however slow the machine */

static const char HOST[] = "n1.example";
static const uint8_t loopback[] = {127, 0, 0, 1};
static const char *const resolvers[] = {"127.0.0.1:1", NULL};
static const struct verdict_terms terms = {
    .can = VERDICT_CAN_DANE | VERDICT_CAN_WEB_PKI | VERDICT_CAN_REQUIRETLS, .web_pki = true};

/* ---- A connection for delivery ---- */

/* To a server without STARTTLS, until it is over; then nobody listens at the port. */
struct seen {
    struct event_base *base;
    struct bufferevent *server;
    uint16_t port;
    struct ca_store *ca_store;
    struct tls_client *tls_client;
    struct tls_demand demand;
    struct smtp_transport *transport;
};

/* bufferevent_data_cb of the server */
static void on_line(struct bufferevent *connection, void *arg)
{
    static const char ehlo[] = "250-mx.example\r\n250 PIPELINING\r\n", quit[] = "221 bye\r\n";
    char *line;
    (void)arg;

    while ((line = evbuffer_readln(bufferevent_get_input(connection), NULL, EVBUFFER_EOL_CRLF)) !=
           NULL) {
        const char *reply = strncmp(line, "EHLO ", 5) == 0 ? ehlo : quit;

        bufferevent_write(connection, reply, strlen(reply));
        free(line);
    }
}

/* evconnlistener_cb */
static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *from, int from_len, void *arg)
{
    static const char greeting[] = "220 mx.example ESMTP\r\n";
    struct seen *seen = arg;
    (void)from, (void)from_len;

    seen->server = bufferevent_socket_new(seen->base, fd, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(seen->server);
    bufferevent_setcb(seen->server, on_line, NULL, NULL, NULL);
    bufferevent_enable(seen->server, EV_READ);
    bufferevent_write(seen->server, greeting, strlen(greeting));
    evconnlistener_free(listener);
}

/* smtp_turn_fn */
static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    struct seen *seen = arg;
    (void)transport;

    assert_int_equal(turn, SMTP_TURN_OVER);
    event_base_loopbreak(seen->base);
}

static void look(struct seen *seen)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    struct smtp_transport_config config = {
        .address = (const struct sockaddr *)&address,
        .smtp = {.helo_name = "client.example", .tls = SMTP_TLS_REQUIRED},
        .limit_ms = TIMEOUT_MS,
        .on_turn = on_turn,
        .arg = seen,
    };
    struct evconnlistener *listener;
    char err[200];

    memset(seen, 0, sizeof(*seen));
    config.base = seen->base = event_base_new();
    assert_non_null(seen->base);
    listener = evconnlistener_new_bind(seen->base, on_connection, seen, LEV_OPT_CLOSE_ON_FREE, 1,
                                       (struct sockaddr *)&address, sizeof(address));
    assert_non_null(listener);
    assert_int_equal(
        getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len), 0);
    seen->port = ntohs(address.sin_port);
    assert_int_equal(ca_store_new(NULL, NULL, &seen->ca_store, err, sizeof(err)), 0);
    assert_int_equal(tls_client_new(seen->ca_store, 0, &seen->tls_client), 0);
    tls_demand_web_pki(HOST, &seen->demand);
    config.tls_client = seen->tls_client;
    config.demand = &seen->demand;
    assert_int_equal(smtp_transport_new(&config, &seen->transport), 0);
    event_base_dispatch(seen->base);
    assert_non_null(seen->server);
}

static void look_end(struct seen *seen)
{
    smtp_transport_free(seen->transport);
    bufferevent_free(seen->server);
    tls_client_free(seen->tls_client);
    ca_store_free(seen->ca_store);
    event_base_free(seen->base);
}

static void note(const struct seen *seen, struct engine *engine)
{
    const struct engine_probe_peer peer = {
        .host = HOST, .address = loopback, .port = seen->port, .demand = &seen->demand};

    engine_probe_note(engine, seen->transport, &peer, engine_probe_configured(engine));
}

/* ---- Engines ---- */

struct bench {
    struct redis_server redis;
    struct shared_client host; /* has the keys */
    struct engine *engines[2];
    struct seen seen;
};

static void await_connected(struct engine *engine)
{
    struct engine_health health;
    int64_t began_ms = clock_mono_ms();

    do {
        engine_get_health(engine, &health);
        if (health.shared == ENGINE_SHARED_CONNECTED)
            return;
        usleep(10000);
    } while (clock_mono_ms() - began_ms < CLIENT_WAIT_MS);
    fail_msg("the shared cache is %d: %s", health.shared, health.shared_failure);
}

static void bench_start(struct bench *b)
{
    const char *servers[2] = {NULL};
    struct engine_config config;
    char err[200];

    memset(b, 0, sizeof(*b));
    redis_server_start(&b->redis, "0", NULL);
    shared_client_start(&b->host, NULL, b->redis.url, NULL);
    shared_client_await(&b->host, ENGINE_SHARED_CONNECTED);
    servers[0] = b->redis.url;
    engine_config_init(&config);
    config.resolvers = resolvers;
    config.probe_helo_name = "client.example";
    config.shared_servers = servers;
    config.shared_keys = &b->host.keys;
    config.shared_timeout_ms = TIMEOUT_MS;
    for (int i = 0; i < 2; i++) {
        if (engine_new(&config, &b->engines[i], err, sizeof(err)) < 0)
            fail_msg("engine_new: %s", err);
        await_connected(b->engines[i]);
    }
    look(&b->seen);
}

static void bench_stop(struct bench *b)
{
    look_end(&b->seen);
    engine_free(b->engines[0]);
    engine_free(b->engines[1]);
    shared_client_end(&b->host);
    redis_server_end(&b->redis);
}

/* [n1.example] at this host, with the port of the server that was there. */
static const struct findings *findings_of(const struct bench *b)
{
    uint8_t room[sizeof(struct findings_addresses) + 4] = {1, 0, 127, 0, 0, 1};
    char name[] = "n1.example", text[60];
    struct findings_host host = {.name = name,
                                 .a = FINDINGS_ADDR_INSECURE,
                                 .aaaa = FINDINGS_ADDR_ABSENT,
                                 .tlsa_state = FINDINGS_TLSA_NONE,
                                 .addresses = (const struct findings_addresses *)room};
    struct findings draft = {
        .nexthop = {.name = name, .text = text, .port = b->seen.port, .kind = NEXTHOP_HOST},
        .mx = FINDINGS_MX_NOT_ASKED,
        .security_known = true,
        .host_count = 1,
        .hosts = &host,
        .sts = {.state = FINDINGS_STS_OFF},
    };
    const struct findings *f;

    snprintf(text, sizeof(text), "[%s]:%u", name, (unsigned)b->seen.port);
    f = findings_freeze(&draft);
    assert_non_null(f);
    return f;
}

static void ask(const struct bench *b, struct engine *engine, struct asker *a)
{
    const struct findings *f = findings_of(b);

    a->engine = engine;
    assert_int_equal(engine_probe(engine, f, &terms, asker_done, a, &a->request), 0);
    findings_unref(f);
}

/* What the asker was told, and what the engine has from then on: that STARTTLS is missing. */
static void expect_no_starttls(const struct bench *b, struct engine *engine, struct asker *a)
{
    const struct findings *f = findings_of(b), *known;

    asker_wait(a);
    assert_non_null(a->findings);
    assert_int_equal(a->findings->hosts[0].probe_count, 1);
    assert_int_equal(a->findings->hosts[0].probes[0].result, FINDINGS_PROBE_NO_STARTTLS);
    known = engine_probe_cached(engine, f, &terms);
    assert_non_null(known);
    assert_int_equal(known->hosts[0].probes[0].result, FINDINGS_PROBE_NO_STARTTLS);
    findings_unref(known);
    findings_unref(f);
    engine_cancel(engine, a->request);
    asker_free(a);
}

static size_t entries(struct engine *engine)
{
    struct engine_health health;
    struct engine_stats stats;

    engine_get_health(engine, &health); /* its thread has done what it was left */
    engine_get_stats(engine, &stats);
    assert_int_equal(stats.probes, 0);
    return stats.probe_entries;
}

static void another_engine_knows(void **state)
{
    struct engine_stats stats;
    struct bench b;
    struct asker *a = asker_new();
    int64_t began_ms = clock_mono_ms();
    (void)state;

    bench_start(&b);
    note(&b.seen, b.engines[0]);
    do {
        engine_get_stats(b.engines[0], &stats);
        assert_true(clock_mono_ms() - began_ms < CLIENT_WAIT_MS);
        usleep(1000);
    } while (stats.shared_results[ENGINE_SHARED_WRITTEN] == 0);
    ask(&b, b.engines[1], a);
    expect_no_starttls(&b, b.engines[1], a);
    assert_int_equal(entries(b.engines[1]), 1); /* without a probe */
    engine_get_stats(b.engines[1], &stats);
    assert_int_equal(stats.shared_results[ENGINE_SHARED_FOUND], 1);
    bench_stop(&b);
}

/* As another host has seen it a minute ago. */
static void share_ok(struct bench *b)
{
    struct findings_probe probe = {.result = FINDINGS_PROBE_OK,
                                   .family = 4,
                                   .port = b->seen.port,
                                   .starttls = true,
                                   .requiretls = true};
    char endpoint[PROBE_ENDPOINT_MAX], demand[TLS_DEMAND_KEY_MAX], text[PROBE_CACHE_KEY_MAX + 1];
    const struct probe_cache_key key = {.host = HOST, .endpoint = endpoint, .demand = demand};
    uint8_t record[PROBE_RESULT_RECORD_MAX];
    struct probe_result *result;

    memcpy(probe.address, loopback, sizeof(loopback));
    result = probe_result_new(&probe, clock_wall_s() - 60);
    assert_non_null(result);
    probe_address_endpoint(loopback, false, b->seen.port, endpoint);
    assert_int_equal(probe_plan_key(&b->seen.demand, demand), 0);
    probe_cache_key_text(&key, demand, text);
    shared_put(b->host.shared, SHARED_PROBE, text, record, probe_result_encode(result, record),
               clock_wall_s() + 3600);
    probe_result_unref(result);
    for (int i = 0; i < 1000 && shared_client_result(&b->host, ENGINE_SHARED_WRITTEN) == 0; i++)
        shared_client_turn(&b->host, 10);
    assert_int_equal(shared_client_result(&b->host, ENGINE_SHARED_WRITTEN), 1);
}

static void what_is_seen_meanwhile_counts(void **state)
{
    struct bench b;
    struct asker *a[2] = {asker_new(), asker_new()};
    (void)state;

    bench_start(&b);
    share_ok(&b);
    ask(&b, b.engines[0], a[0]); /* the row is one that counts */
    asker_wait(a[0]);
    assert_int_equal(a[0]->findings->hosts[0].probes[0].result, FINDINGS_PROBE_OK);
    engine_cancel(b.engines[0], a[0]->request);
    asker_free(a[0]);

    redis_server_signal(&b.redis, SIGSTOP);
    ask(&b, b.engines[1], a[1]);
    assert_int_equal(entries(b.engines[1]), 0);
    note(&b.seen, b.engines[1]);
    assert_int_equal(entries(b.engines[1]), 1);
    redis_server_signal(&b.redis, SIGCONT);
    expect_no_starttls(&b, b.engines[1], a[1]);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_engine_knows),
        cmocka_unit_test(what_is_seen_meanwhile_counts),
    };

    return cmocka_run_group_tests_name("engine_probe_shared", tests, NULL, NULL);
}
