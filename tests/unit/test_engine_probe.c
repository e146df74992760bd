/*
 * engine_probe with the engine's thread and real connections, to an SMTP server in this program
 * that offers PIPELINING and no STARTTLS, or says nothing. What follows from results is the
 * scenarios' business; here it is that every caller is called back once, or never after a cancel,
 * that one connection serves all, and that nothing is touched after it was given back: sanitizers
 * watch.
 */
#include "asker.h"
#include "findings/findings_make.h"
#include "policy/ca_store.h"
#include "policy/engine_probe.h"
#include "policy/loop.h"
#include "policy/tls_client.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { EACH = 40 };

/* ---- The server ---- */

struct server {
    struct loop *loop;
    struct evconnlistener *listener;
    uint16_t port;
    atomic_bool silent;
    atomic_uint connections;
};

static void say(struct bufferevent *connection, const char *text)
{
    bufferevent_write(connection, text, strlen(text));
}

/* bufferevent_data_cb */
static void on_line(struct bufferevent *connection, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(connection);
    char *line;
    (void)arg;

    while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF)) != NULL) {
        if (strncmp(line, "EHLO ", 5) == 0)
            say(connection, "250-mx.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
        else if (strcmp(line, "QUIT") == 0)
            say(connection, "221 bye\r\n");
        else
            say(connection, "500 what?\r\n");
        free(line);
    }
}

/* bufferevent_event_cb */
static void on_closed(struct bufferevent *connection, short what, void *arg)
{
    (void)what;
    (void)arg;
    bufferevent_free(connection);
}

/* evconnlistener_cb */
static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *from, int from_len, void *arg)
{
    struct server *server = arg;
    struct bufferevent *connection =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    (void)from;
    (void)from_len;

    CHECK(connection != NULL);
    atomic_fetch_add(&server->connections, 1);
    bufferevent_setcb(connection, on_line, NULL, on_closed, server);
    bufferevent_enable(connection, EV_READ);
    if (!atomic_load(&server->silent))
        say(connection, "220 mx.example ESMTP\r\n");
}

static void server_start(struct server *server, bool silent)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    atomic_init(&server->silent, silent);
    atomic_init(&server->connections, 0);
    assert_int_equal(loop_new("smtp", NULL, NULL, &server->loop), 0);
    server->listener = evconnlistener_new_bind(loop_base(server->loop), on_connection, server,
                                               LEV_OPT_CLOSE_ON_FREE, 100,
                                               (struct sockaddr *)&address, sizeof(address));
    assert_non_null(server->listener);
    getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
    assert_int_equal(loop_start(server->loop), 0);
}

static void server_stop(struct server *server)
{
    loop_stop(server->loop);
    evconnlistener_free(server->listener);
    loop_free(server->loop);
}

/* ---- Who asks ---- */

struct bench {
    struct server server;
    struct engine_config config;
    struct engine *engine;
};

static const char *const resolvers[] = {"127.0.0.1:1", NULL};

static void bench_start(struct bench *b, bool silent)
{
    char err[200];

    server_start(&b->server, silent);
    engine_config_init(&b->config);
    b->config.resolvers = resolvers;
    b->config.probe_per_minute = 100000;
    b->config.probe_parallel = 100;
    b->config.probe_timeout_ms = ASKER_WAIT_S * 1000;
    b->config.probe_helo_name = "client.example";
    if (engine_new(&b->config, &b->engine, err, sizeof(err)) < 0)
        fail_msg("engine_new: %s", err);
}

static void bench_stop(struct bench *b)
{
    engine_free(b->engine);
    server_stop(&b->server);
}

static const struct verdict_terms terms = {
    .can = VERDICT_CAN_DANE | VERDICT_CAN_WEB_PKI | VERDICT_CAN_REQUIRETLS, .web_pki = true};

/* [nNUMBER.example] at this host, with our server's port. */
static const struct findings *findings_of(const struct bench *b, unsigned number)
{
    uint8_t room[sizeof(struct findings_addresses) + 4] = {1, 0, 127, 0, 0, 1};
    char name[40], text[60];
    struct findings_host host = {.name = name,
                                 .a = FINDINGS_ADDR_INSECURE,
                                 .aaaa = FINDINGS_ADDR_ABSENT,
                                 .addresses = (const struct findings_addresses *)room};
    struct findings draft = {
        .nexthop = {.name = name, .text = text, .port = b->server.port, .kind = NEXTHOP_HOST},
        .mx = FINDINGS_MX_NOT_ASKED,
        .security_known = true,
        .host_count = 1,
        .hosts = &host,
        .sts = {.state = FINDINGS_STS_OFF},
    };
    const struct findings *f;

    host.tlsa_state = FINDINGS_TLSA_NONE;
    snprintf(name, sizeof(name), "n%u.example", number);
    snprintf(text, sizeof(text), "[%s]:%u", name, (unsigned)b->server.port);
    f = findings_freeze(&draft);
    CHECK(f != NULL);
    return f;
}

static void ask(struct bench *b, struct asker *a, unsigned number)
{
    const struct findings *f = findings_of(b, number);

    a->engine = b->engine;
    CHECK(engine_probe(b->engine, f, &terms, asker_done, a, &a->request) == 0);
    findings_unref(f); /* the engine has a reference of its own */
}

static void check_no_starttls(const struct findings *f)
{
    CHECK(f != NULL);
    CHECK(f->hosts[0].probe_count == 1);
    CHECK(f->hosts[0].probes[0].result == FINDINGS_PROBE_NO_STARTTLS);
    CHECK(f->hosts[0].probes[0].family == 4);
    CHECK(f->hosts[0].probes[0].checked_at_s > 0);
}

/* Asks for every host, waits for all, then finds what was seen in the cache. */
static void *ask_all(void *arg)
{
    struct bench *b = arg;
    struct asker *askers[EACH];

    for (unsigned i = 0; i < EACH; i++) {
        askers[i] = asker_new();
        ask(b, askers[i], i);
    }
    for (unsigned i = 0; i < EACH; i++) {
        const struct findings *f = findings_of(b, i), *known;

        asker_wait(askers[i]);
        engine_cancel(b->engine, askers[i]->request);
        CHECK(askers[i]->calls == 1);
        check_no_starttls(askers[i]->findings);
        known = engine_probe_cached(b->engine, f, &terms);
        check_no_starttls(known);
        findings_unref(known);
        findings_unref(f);
        asker_free(askers[i]);
    }
    return NULL;
}

static void many_threads_ask(void **state)
{
    struct bench b;
    struct engine_stats stats;
    (void)state;

    bench_start(&b, false);
    asker_run_threads(ask_all, &b);
    engine_get_stats(b.engine, &stats);
    assert_int_equal(atomic_load(&b.server.connections), EACH);
    assert_int_equal(stats.probes, EACH);
    assert_int_equal(stats.probe_results[FINDINGS_PROBE_NO_STARTTLS], EACH);
    assert_int_equal(stats.probe_entries, EACH);
    assert_int_equal(stats.probes_in_flight, 0);
    assert_false(stats.probe_rests);
    bench_stop(&b);
}

/* Asks and gives up at once, soon, or after the answer; frees what the callback would write to. */
static void *ask_and_cancel(void *arg)
{
    struct bench *b = arg;
    unsigned seed = (unsigned)(uintptr_t)&b;

    for (unsigned i = 0; i < 10 * EACH; i++) {
        struct asker *a = asker_new();

        ask(b, a, 1000 + i % EACH);
        asker_wait_or_not(a, &seed);
        engine_cancel(b->engine, a->request);
        CHECK(a->calls <= 1);
        asker_free(a);
    }
    return NULL;
}

/* Meanwhile the configuration changes, and an administrator purges. */
static void cancels_at_any_time(void **state)
{
    struct bench b;
    pthread_t threads[ASKER_THREADS];
    struct nexthop nexthop;
    struct engine_stats stats;
    char err[200];
    (void)state;

    bench_start(&b, false);
    for (int i = 0; i < ASKER_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_and_cancel, &b), 0);
    for (int i = 0; i < 30; i++) {
        b.config.probe_enable = i % 3 == 0 ? ENGINE_PROBE_NO : ENGINE_PROBE_AUTO;
        b.config.probe_parallel = 1 + i;
        assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
        assert_int_equal(nexthop_parse("n1003.example", &nexthop), 0);
        engine_purge(b.engine, &nexthop);
        engine_get_stats(b.engine, &stats);
        usleep(1000);
    }
    for (int i = 0; i < ASKER_THREADS; i++)
        pthread_join(threads[i], NULL);
    bench_stop(&b);
}

/* A server that says nothing: cancelled, released, given back from inside, or left to the end. */
static void the_end_in_flight(void **state)
{
    struct asker *askers[4], *unheld = asker_new();
    struct bench b;
    const struct findings *f;
    (void)state;

    bench_start(&b, true);
    for (unsigned i = 0; i < 4; i++) {
        askers[i] = asker_new();
        ask(&b, askers[i], 7);
    }
    f = findings_of(&b, 8);
    assert_int_equal(engine_probe(b.engine, f, &terms, asker_done, unheld, NULL), 0);
    assert_null(engine_probe_cached(b.engine, f, &terms));
    findings_unref(f);
    while (atomic_load(&b.server.connections) < 2)
        usleep(1000);
    engine_cancel(b.engine, askers[0]->request);
    askers[1]->release_inside = true;
    askers[2]->cancel_inside = true;
    engine_release(askers[3]->request);
    engine_free(b.engine);
    assert_int_equal(askers[0]->calls, 0);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(askers[i]->calls, 1);
        assert_null(askers[i]->findings);
    }
    assert_int_equal(unheld->calls, 1);
    for (unsigned i = 0; i < 4; i++)
        asker_free(askers[i]);
    asker_free(unheld);
    server_stop(&b.server);
}

static void turned_off(void **state)
{
    struct asker *a = asker_new();
    struct bench b;
    const struct findings *f;
    char err[200];
    (void)state;

    bench_start(&b, false);
    b.config.probe_enable = ENGINE_PROBE_NO;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
    f = findings_of(&b, 1);
    assert_null(engine_probe_cached(b.engine, f, &terms));
    ask(&b, a, 1);
    asker_wait(a);
    assert_non_null(a->findings);
    assert_int_equal(a->findings->hosts[0].probe_count, 0);
    engine_release(a->request);
    asker_free(a);

    a = asker_new();
    assert_int_equal(engine_probe_now(b.engine, f, &terms, asker_done, a, &a->request), 0);
    asker_wait(a);
    assert_int_equal(a->findings->hosts[0].probe_count, 0);
    assert_int_equal(atomic_load(&b.server.connections), 0);
    engine_release(a->request);
    asker_free(a);
    findings_unref(f);
    bench_stop(&b);
}

/* A reload that names what cannot be is refused whole. */
static void a_reload_that_is_refused(void **state)
{
    static const char *const sources[] = {"192.0.2.300", NULL};
    struct asker *a = asker_new();
    struct bench b;
    char err[200] = "";
    (void)state;

    bench_start(&b, false);
    b.config.probe_enable = ENGINE_PROBE_NO;
    b.config.probe_sources = sources;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), -EINVAL);
    assert_non_null(strstr(err, "192.0.2.300"));
    ask(&b, a, 1);
    asker_wait(a);
    check_no_starttls(a->findings);
    engine_release(a->request);
    asker_free(a);
    bench_stop(&b);
}

static void restart(struct bench *b)
{
    char err[200];

    engine_free(b->engine);
    if (engine_new(&b->config, &b->engine, err, sizeof(err)) < 0)
        fail_msg("engine_new: %s", err);
}

/* What was seen is known to the next engine, without a connection; what was purged is not. */
static void a_restart(void **state)
{
    char dir[] = "/tmp/engine-probe-XXXXXX", path[60];
    struct asker *a = asker_new();
    struct bench b;
    const struct findings *f, *known;
    struct nexthop nexthop;
    (void)state;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/cache.db", dir);
    bench_start(&b, false);
    b.config.store = path;
    restart(&b);
    ask(&b, a, 1);
    asker_wait(a);
    engine_cancel(b.engine, a->request);
    restart(&b);
    f = findings_of(&b, 1);
    known = engine_probe_cached(b.engine, f, &terms);
    check_no_starttls(known);
    findings_unref(known);
    assert_int_equal(atomic_load(&b.server.connections), 1);
    assert_int_equal(nexthop_parse("n1.example", &nexthop), 0);
    assert_int_equal(engine_purge(b.engine, &nexthop), 0);
    restart(&b);
    assert_null(engine_probe_cached(b.engine, f, &terms));
    findings_unref(f);
    asker_free(a);
    bench_stop(&b);
    unlink(path);
    strcat(path, "-journal");
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- What connections for delivery have shown ---- */

/* A connection to our server, as one for delivery, until it is over. */
struct seen {
    struct bench *bench;
    struct event_base *base;
    struct ca_store *ca_store;
    struct tls_client *tls_client;
    struct tls_demand demand;
    struct smtp_transport *transport;
    enum smtp_turn turn;
};

/* smtp_turn_fn */
static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    struct seen *seen = arg;
    (void)transport;

    seen->turn = turn;
    event_base_loopbreak(seen->base);
}

static void look(struct seen *seen, struct bench *b, enum smtp_tls tls)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(b->server.port)};
    char err[200];
    struct smtp_transport_config config = {
        .address = (const struct sockaddr *)&address,
        .smtp = {.helo_name = "client.example", .tls = tls},
        .limit_ms = atomic_load(&b->server.silent) ? 50 : ASKER_WAIT_S * 1000,
        .on_turn = on_turn,
        .arg = seen,
    };

    memset(seen, 0, sizeof(*seen));
    seen->bench = b;
    seen->base = event_base_new();
    assert_non_null(seen->base);
    assert_int_equal(ca_store_new(NULL, NULL, &seen->ca_store, err, sizeof(err)), 0);
    assert_int_equal(tls_client_new(seen->ca_store, 0, &seen->tls_client), 0);
    tls_demand_web_pki("n1.example", &seen->demand);
    if (tls != SMTP_TLS_REQUIRED)
        seen->demand = (struct tls_demand){.kind = TLS_DEMAND_MAY};
    config.base = seen->base;
    config.tls_client = seen->tls_client;
    config.demand = &seen->demand;
    assert_int_equal(smtp_transport_new(&config, &seen->transport), 0);
    event_base_dispatch(seen->base);
    assert_int_equal(seen->turn, tls == SMTP_TLS_REQUIRED ? SMTP_TURN_OVER : SMTP_TURN_COMMAND);
}

static void look_end(struct seen *seen)
{
    smtp_transport_free(seen->transport);
    tls_client_free(seen->tls_client);
    ca_store_free(seen->ca_store);
    event_base_free(seen->base);
}

/* It counts as one of [nNUMBER.example]. */
static void note(const struct seen *seen, unsigned number, unsigned configured)
{
    static const uint8_t loopback[] = {127, 0, 0, 1};
    char name[40];
    const struct engine_probe_peer peer = {
        .host = name,
        .address = loopback,
        .port = seen->bench->server.port,
        .demand = &seen->demand,
    };

    snprintf(name, sizeof(name), "n%u.example", number);
    engine_probe_note(seen->bench->engine, seen->transport, &peer, configured);
}

static size_t entries(struct bench *b)
{
    struct engine_health health;
    struct engine_stats stats;

    engine_get_health(b->engine, &health); /* its thread has taken what it was left */
    engine_get_stats(b->engine, &stats);
    assert_int_equal(stats.probes, 0);
    return stats.probe_entries;
}

static void a_delivery_counts(void **state)
{
    const struct findings *f, *known;
    struct asker *a = asker_new();
    struct seen seen;
    struct bench b;
    (void)state;

    bench_start(&b, false);
    for (int i = 0; i < 2; i++) {
        look(&seen, &b, i == 0 ? SMTP_TLS_REQUIRED : SMTP_TLS_OFFERED);
        note(&seen, 1 + (unsigned)i, engine_probe_configured(b.engine));
        assert_int_equal(entries(&b), 1 + i);
        look_end(&seen);
        f = findings_of(&b, 1 + (unsigned)i);
        known = engine_probe_cached(b.engine, f, &terms);
        check_no_starttls(known);
        findings_unref(known);
        findings_unref(f);
    }
    ask(&b, a, 1);
    asker_wait(a);
    check_no_starttls(a->findings);
    engine_cancel(b.engine, a->request);
    asker_free(a);
    assert_int_equal(atomic_load(&b.server.connections), 2);
    bench_stop(&b);
}

/* Other CA certificates, or another source address, may have come meanwhile. */
static void a_delivery_before_a_reload(void **state)
{
    struct seen seen;
    struct bench b;
    char err[200];
    unsigned before;
    (void)state;

    bench_start(&b, false);
    before = engine_probe_configured(b.engine);
    look(&seen, &b, SMTP_TLS_REQUIRED);
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
    note(&seen, 1, before);
    assert_int_equal(entries(&b), 0);
    note(&seen, 1, engine_probe_configured(b.engine));
    assert_int_equal(entries(&b), 1);
    b.config.probe_enable = ENGINE_PROBE_NO;
    assert_int_equal(engine_reconfigure(b.engine, &b.config, err, sizeof(err)), 0);
    note(&seen, 2, engine_probe_configured(b.engine));
    assert_int_equal(entries(&b), 1);
    look_end(&seen);
    bench_stop(&b);
}

/* A server that says nothing within the time. */
static void an_indefinite_delivery(void **state)
{
    struct seen seen;
    struct bench b;
    (void)state;

    bench_start(&b, true);
    look(&seen, &b, SMTP_TLS_REQUIRED);
    note(&seen, 1, engine_probe_configured(b.engine));
    assert_int_equal(entries(&b), 0);
    look_end(&seen);
    bench_stop(&b);
}

struct gate {
    pthread_mutex_t lock;
    bool entered; /* changed under the lock */
};

/* engine_done_fn: holds the engine's thread while the lock is held by others. */
static void on_gate(const struct findings *findings, void *arg)
{
    struct gate *gate = arg;
    (void)findings;

    __atomic_store_n(&gate->entered, true, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

/* While the engine's thread is busy so many are kept for it, and no more; those that are left at
 * its end are freed. */
static void many_deliveries(void **state)
{
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct findings *f;
    struct seen seen;
    struct bench b;
    (void)state;

    bench_start(&b, false);
    look(&seen, &b, SMTP_TLS_REQUIRED);
    note(&seen, 1, engine_probe_configured(b.engine));
    assert_int_equal(entries(&b), 1);
    pthread_mutex_lock(&gate.lock);
    f = findings_of(&b, 1); /* known: called back at once */
    assert_int_equal(engine_probe(b.engine, f, &terms, on_gate, &gate, NULL), 0);
    findings_unref(f);
    while (!__atomic_load_n(&gate.entered, __ATOMIC_SEQ_CST))
        usleep(1000);
    for (unsigned i = 0; i < 2 * ENGINE_PROBE_NOTES; i++)
        note(&seen, 2 + i, engine_probe_configured(b.engine));
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(entries(&b), 1 + ENGINE_PROBE_NOTES);
    for (unsigned i = 0; i < ENGINE_PROBE_NOTES; i++)
        note(&seen, 2000 + i, engine_probe_configured(b.engine));
    bench_stop(&b);
    look_end(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_ask),         cmocka_unit_test(cancels_at_any_time),
        cmocka_unit_test(the_end_in_flight),        cmocka_unit_test(turned_off),
        cmocka_unit_test(a_reload_that_is_refused), cmocka_unit_test(a_restart),
        cmocka_unit_test(a_delivery_counts),        cmocka_unit_test(a_delivery_before_a_reload),
        cmocka_unit_test(an_indefinite_delivery),   cmocka_unit_test(many_deliveries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
