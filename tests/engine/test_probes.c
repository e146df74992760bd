/*
 * Many probes at once: servers that cannot be reached delay nobody else, memory is bounded, and
 * whatever happens in whatever order, everybody is called back once or has given up.
 */
#include "findings/findings_make.h"
#include "probe/prober.h"
#include "sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct verdict_terms terms = {
    .can = VERDICT_CAN_DANE | VERDICT_CAN_WEB_PKI | VERDICT_CAN_REQUIRETLS, .web_pki = true};

static const struct prober_settings defaults = {.enable = true,
                                                .ttl_ms = 86400000,
                                                .negative_ttl_ms = 600000,
                                                .parallel = 20,
                                                .per_minute = 60,
                                                .port = 25};

/* [nNUMBER.example], with one address: 192.0.2.N, or 10.x.y.z made of the number. */
static const struct findings *findings_of(unsigned number, unsigned last)
{
    uint8_t room[sizeof(struct findings_addresses) + 4] = {1, 0};
    char name[40], text[60];
    struct findings_host host = {.name = name,
                                 .a = FINDINGS_ADDR_INSECURE,
                                 .aaaa = FINDINGS_ADDR_ABSENT,
                                 .tlsa_state = FINDINGS_TLSA_NONE,
                                 .addresses = (const struct findings_addresses *)room};
    struct findings draft = {
        .nexthop = {.name = name, .text = text, .port = 25, .kind = NEXTHOP_HOST},
        .mx = FINDINGS_MX_NOT_ASKED,
        .security_known = true,
        .host_count = 1,
        .hosts = &host,
        .sts = {.state = FINDINGS_STS_OFF},
    };
    const struct findings *f;

    if (last > 0)
        memcpy(room + 2, (uint8_t[]){192, 0, 2, (uint8_t)last}, 4);
    else
        memcpy(room + 2,
               (uint8_t[]){10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number},
               4);
    snprintf(name, sizeof(name), "n%u.example", number);
    snprintf(text, sizeof(text), "[%s]", name);
    f = findings_freeze(&draft);
    assert_non_null(f);
    return f;
}

struct caller {
    struct sim_world *sim;
    struct probe_request *request; /* NULL: not waiting */
    int64_t asked_ms, answered_ms;
    unsigned calls;
    bool empty; /* called back without findings */
    unsigned probes, result;
};

/* No address twice. */
static void check_probes(const struct findings_host *host)
{
    for (size_t i = 0; i < host->probe_count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_false(host->probes[i].family == host->probes[j].family &&
                         memcmp(host->probes[i].address, host->probes[j].address, 16) == 0);
    }
}

static void note(struct caller *caller, const struct findings *findings)
{
    for (size_t i = 0; findings != NULL && i < findings->host_count; i++)
        check_probes(&findings->hosts[i]);

    caller->request = NULL;
    caller->calls++;
    caller->answered_ms = sim_world_now(caller->sim);
    caller->empty = findings == NULL;
    caller->probes = findings != NULL ? findings->hosts[0].probe_count : 0;
    if (caller->probes > 0)
        caller->result = findings->hosts[0].probes[0].result;
}

/* probe_done_fn */
static void on_done(const struct findings *findings, void *arg)
{
    note(arg, findings);
}

static void ask_for(struct prober *prober, struct sim_world *sim, struct caller *caller,
                    const struct findings *f, enum probe_scope scope)
{
    struct probe_plan *plan = prober_plan(prober, f, &terms, scope);
    const struct findings *found = NULL;
    int status;

    assert_non_null(plan);
    *caller = (struct caller){.sim = sim, .asked_ms = sim_world_now(sim)};
    status = prober_ask(prober, plan, on_done, caller, &caller->request, &found);
    if (status != 0)
        note(caller, found);
    findings_unref(found);
    probe_plan_unref(plan);
    findings_unref(f);
}

static void ask(struct prober *prober, struct sim_world *sim, struct caller *caller,
                const struct findings *f)
{
    ask_for(prober, sim, caller, f, PROBE_SCOPE_COUNTED);
}

static struct prober *make(struct sim_world *sim, const struct prober_settings *settings)
{
    struct prober *prober;

    assert_int_equal(prober_new(sim_world_world(sim), settings, &prober), 0);
    return prober;
}

enum { UNREACHABLE = 500, OTHERS = 200 };

/* What others get while servers cannot be reached: an answer, probed or not, at once or when they
 * have waited for a slot. */
static void others_are_not_delayed(const struct prober_settings *settings)
{
    static struct caller unreachable[UNREACHABLE], others[OTHERS];
    struct sim_world *sim = sim_world_new();
    struct prober *prober = make(sim, settings);
    unsigned probed = 0;

    sim_world_smtp(sim, "192.0.2.1")->result = FINDINGS_PROBE_NO_REQUIRETLS;
    for (unsigned i = 0; i < UNREACHABLE; i++)
        ask(prober, sim, &unreachable[i], findings_of(i, 0));
    for (unsigned i = 0; i < OTHERS; i++) {
        ask(prober, sim, &others[i], findings_of(1000 + i, 1));
        sim_world_run(sim, 100);
    }
    sim_world_run(sim, 60000);
    for (unsigned i = 0; i < OTHERS; i++) {
        assert_int_equal(others[i].calls, 1);
        assert_true(others[i].answered_ms - others[i].asked_ms <= PROBER_WAIT_MS + SIM_DELAY_MS);
        probed += others[i].probes;
    }
    for (unsigned i = 0; i < UNREACHABLE; i++)
        assert_int_equal(unreachable[i].calls, 1);
    assert_true(sim_world_at_once(sim, NULL) <= settings->parallel * (1 + PROBER_SLOW_SHARE));
    assert_true(sim_world_at_once(sim, "192.0.2.1") <= PROBER_ADDRESS_MAX);
    if (settings->per_minute > 1000)
        assert_true(probed > 0);
    prober_free(prober);
    sim_world_free(sim);
}

static void unreachable_servers_delay_nobody(void **state)
{
    struct prober_settings settings = defaults;
    (void)state;

    others_are_not_delayed(&settings);
    settings.per_minute = 100000;
    others_are_not_delayed(&settings);
    settings.parallel = 2;
    others_are_not_delayed(&settings);
}

/* All at once: so many wait, the others are answered at once; those that have waited too long are
 * answered then; the rest begins with the twentieth that times out. */
static void servers_that_time_out_are_bounded(void **state)
{
    static struct caller callers[UNREACHABLE];
    struct prober_settings settings = defaults;
    struct sim_world *sim = sim_world_new();
    struct prober *prober;
    struct engine_stats stats;
    size_t left = 0;
    (void)state;

    settings.per_minute = 100000;
    prober = make(sim, &settings);
    for (unsigned i = 0; i < UNREACHABLE; i++)
        ask(prober, sim, &callers[i], findings_of(i, 0));
    for (unsigned i = 0; i < UNREACHABLE; i++)
        left += callers[i].calls; /* answered at once */
    assert_int_equal(left, UNREACHABLE - settings.parallel * (1 + PROBER_SLOW_SHARE));
    sim_world_run(sim, PROBER_WAIT_MS);
    for (unsigned i = left = 0; i < UNREACHABLE; i++)
        left += callers[i].calls;
    assert_int_equal(left, UNREACHABLE - 3 * settings.parallel);
    assert_int_equal(sim_world_at_once(sim, NULL), 3 * settings.parallel);
    sim_world_run(sim, 60000);
    prober_read(prober, sim_world_world(sim)->ops->mono_ms(sim_world_world(sim)), &stats);
    assert_int_equal(stats.probes_left_out, left);
    assert_int_equal(stats.probes_in_flight, 0);
    assert_int_equal(stats.probe_results[FINDINGS_PROBE_UNREACHABLE], stats.probes);
    assert_true(stats.probe_rests);
    prober_free(prober);
    sim_world_free(sim);
}

static void memory_is_bounded(void **state)
{
    struct prober_settings settings = defaults;
    struct sim_world *sim = sim_world_new();
    struct prober *prober;
    struct engine_stats stats;
    struct caller caller;
    (void)state;

    settings.per_minute = 1000000;
    prober = make(sim, &settings);
    sim_world_smtp(sim, "192.0.2.1")->result = FINDINGS_PROBE_OK;
    for (unsigned i = 0; i < 40000; i++) {
        ask(prober, sim, &caller, findings_of(i, 1));
        sim_world_run(sim, SIM_DELAY_MS);
        assert_int_equal(caller.probes, 1);
    }
    prober_read(prober, 0, &stats);
    assert_true(stats.probe_octets <= PROBER_OCTETS_MAX);
    assert_true(stats.probe_octets > PROBER_OCTETS_MAX / 2);
    assert_true(stats.probe_entries > 10000 && stats.probe_entries < 40000);
    prober_free(prober);
    sim_world_free(sim);
}

/* ---- Anything in any order ---- */

static uint32_t seed;

static unsigned below(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

enum { SERVERS = 12, CALLERS = 60, STEPS = 3000, HOSTS_MAX = 4, EACH_MAX = 6 };

/* A domain with some hosts, each with some of the servers' addresses of either family. */
static const struct findings *random_findings(void)
{
    static const uint8_t digest[32];
    static const struct findings_tlsa tlsa = {3, 1, 1, true, 32, digest};
    _Alignas(8) uint8_t room[HOSTS_MAX][sizeof(struct findings_addresses) + EACH_MAX * 20];
    char names[HOSTS_MAX][20], name[20];
    struct findings_host hosts[HOSTS_MAX];
    struct findings draft = {
        .nexthop = {.name = name, .text = name, .port = 25, .kind = NEXTHOP_DOMAIN},
        .mx = FINDINGS_MX_SECURE,
        .security_known = true,
        .host_count = (uint16_t)(1 + below(HOSTS_MAX)),
        .hosts = hosts,
        .sts = {.state = FINDINGS_STS_OFF},
    };
    const struct findings *f;

    snprintf(name, sizeof name, "d%u.example", below(5));
    for (size_t i = 0; i < draft.host_count; i++) {
        struct findings_addresses *addresses = (struct findings_addresses *)room[i];
        unsigned start = below(SERVERS);

        snprintf(names[i], sizeof names[i], "n%zu.example", i + 10 * below(2));
        addresses->a_count = (uint8_t)below(EACH_MAX);
        addresses->aaaa_count = (uint8_t)below(EACH_MAX);
        for (unsigned a = 0; a < addresses->a_count; a++)
            memcpy(addresses->octets + 4 * a,
                   (uint8_t[]){192, 0, 2, (uint8_t)(1 + (start + a) % SERVERS)}, 4);
        for (unsigned a = 0; a < addresses->aaaa_count; a++)
            memcpy(addresses->octets + 4 * addresses->a_count + 16 * a,
                   (uint8_t[16]){0x20, 1, 0x0d, 0xb8, [15] = (uint8_t)(1 + (start + a) % SERVERS)},
                   16);
        hosts[i] = (struct findings_host){.name = names[i],
                                          .tlsa_base = names[i],
                                          .tlsa = &tlsa,
                                          .tlsa_count = 1,
                                          .preference = (uint16_t)i,
                                          .a = FINDINGS_ADDR_SECURE,
                                          .aaaa = FINDINGS_ADDR_SECURE,
                                          .tlsa_state = FINDINGS_TLSA_USABLE,
                                          .addresses = addresses};
        if (addresses->a_count == 0)
            hosts[i].a = FINDINGS_ADDR_ABSENT;
        if (addresses->aaaa_count == 0)
            hosts[i].aaaa = FINDINGS_ADDR_ABSENT;
    }
    f = findings_freeze(&draft);
    assert_non_null(f);
    return f;
}

static void look_up_known(struct prober *prober, struct sim_world *sim)
{
    const struct findings *f = random_findings(), *known;
    struct probe_plan *plan = prober_plan(prober, f, &terms, PROBE_SCOPE_COUNTED);

    known = prober_cached(prober, plan, sim_world_world(sim)->ops->mono_ms(sim_world_world(sim)));
    for (size_t i = 0; known != NULL && i < known->host_count; i++)
        check_probes(&known->hosts[i]);
    findings_unref(known);
    probe_plan_unref(plan);
    findings_unref(f);
}

static void change_server(struct sim_world *sim, unsigned last)
{
    char address[40];
    struct sim_smtp *smtp;

    snprintf(address, sizeof address, below(2) ? "192.0.2.%u" : "2001:db8::%x", last);
    smtp = sim_world_smtp(sim, address);
    smtp->result = below(FINDINGS_PROBE_FAILED + 1);
    smtp->delay_ms = below(5) == 0 ? 500 + below(5000) : below(200);
    smtp->local = below(20) == 0;
    smtp->fails = below(20) == 0;
}

static void change_settings(struct prober *prober)
{
    struct prober_settings settings = defaults;

    settings.enable = below(4) != 0;
    settings.parallel = below(5);
    settings.per_minute = 1 + below(500);
    settings.negative_ttl_ms = 1 + below(100000);
    prober_configure(prober, &settings);
}

static void step(struct prober *prober, struct sim_world *sim, struct caller *callers)
{
    struct caller *caller = &callers[below(CALLERS)];
    char host[40];

    switch (below(12)) {
    case 0:
        change_server(sim, 1 + below(SERVERS));
        break;
    case 1:
        if (below(10) == 0)
            change_settings(prober);
        break;
    case 2:
        snprintf(host, sizeof host, "n%u.example", below(14));
        prober_forget(prober, host, NULL, NULL);
        break;
    case 3:
    case 4:
        if (caller->request != NULL) {
            prober_drop(caller->request);
            caller->request = NULL;
            assert_int_equal(caller->calls, 0);
        }
        break;
    case 5:
        sim_world_run(sim, below(100) == 0 ? 700000 : below(2000));
        break;
    case 6:
        sim_world_run(sim, below(50));
        break;
    case 7:
        look_up_known(prober, sim);
        break;
    default:
        if (caller->request == NULL)
            ask_for(prober, sim, caller, random_findings(),
                    below(10) == 0 ? PROBE_SCOPE_ALL : PROBE_SCOPE_COUNTED);
        break;
    }
    assert_true(caller->calls + (caller->request != NULL) <= 1);
}

static void anything_in_any_order(void **state)
{
    (void)state;
    for (unsigned run = 1; run <= 30; run++) {
        static struct caller callers[CALLERS];
        struct sim_world *sim = sim_world_new();
        struct prober *prober = make(sim, &defaults);
        unsigned waiting = 0, empty = 0;

        seed = run;
        memset(callers, 0, sizeof callers);
        for (unsigned i = 0; i < 4 * SERVERS; i++)
            change_server(sim, 1 + i % SERVERS);
        for (unsigned i = 0; i < STEPS; i++)
            step(prober, sim, callers);
        if (run % 2 == 0) { /* all ends, if nobody does anything */
            sim_world_run(sim, 600000);
            assert_int_equal(sim_world_outstanding(sim), 0);
            for (unsigned i = 0; i < CALLERS; i++)
                assert_null(callers[i].request);
        }
        for (unsigned i = 0; i < CALLERS; i++)
            waiting += callers[i].request != NULL;
        prober_free(prober);
        for (unsigned i = 0; i < CALLERS; i++)
            empty += callers[i].calls == 1 && callers[i].empty;
        assert_int_equal(empty, waiting);
        assert_int_equal(sim_world_outstanding(sim), 0);
        sim_world_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unreachable_servers_delay_nobody),
        cmocka_unit_test(servers_that_time_out_are_bounded),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(anything_in_any_order),
    };
    return cmocka_run_group_tests_name("probes", tests, NULL, NULL);
}
