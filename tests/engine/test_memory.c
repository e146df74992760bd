/*
 * Memory that runs out at any one allocation: the caller is called back once, with findings or
 * without, and what it gets with findings is no more than what is true. Nothing crashes or leaks
 * (the sanitizer builds watch). The linker sends every allocation of the library through the
 * wrappers below.
 */
#include "engine/core.h"
#include "findings/findings_make.h"
#include "policy/verdict.h"
#include "sim_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned long allocations, fail_at; /* 0: none */

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *p, size_t len);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *p, size_t len);
char *__wrap_strdup(const char *s);

static bool fails(void)
{
    return ++allocations == fail_at;
}

void *__wrap_malloc(size_t len)
{
    return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len)
{
    return fails() ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *p, size_t len)
{
    return fails() ? NULL : __real_realloc(p, len);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static struct sim_dns *dns(struct sim_world *sim, const char *name, uint16_t type, size_t count)
{
    struct sim_dns *d = sim_world_dns(sim, name, type);

    d->security = DNS_SECURE;
    d->records = __real_calloc(count, sizeof(*d->records));
    d->text = __real_calloc(count, SIM_NAME_MAX);
    d->count = count;
    return d;
}

/* One domain with everything: DANE at an alias, a host that fails, a policy. */
static void make_world(struct sim_world *sim)
{
    struct sim_dns *d = dns(sim, "example.org", DNS_TYPE_MX, 2);
    struct sim_https *h = sim_world_https(sim, "example.org");

    for (int i = 0; i < 2; i++) {
        sprintf(d->text + i * SIM_NAME_MAX, "mx%d.example.org", i);
        d->records[i].mx.host = d->text + i * SIM_NAME_MAX;
    }
    d = dns(sim, "mx0.example.org", DNS_TYPE_A, 1);
    strcpy(d->alias, "real.example.org");
    d = dns(sim, "_25._tcp.real.example.org", DNS_TYPE_TLSA, 1);
    d->records[0].tlsa.usage = 3;
    d->records[0].tlsa.selector = d->records[0].tlsa.matching_type = 1;
    d->records[0].tlsa.data_len = 32;
    d->records[0].tlsa.data = (const uint8_t *)d->text;
    d = sim_world_dns(sim, "mx1.example.org", DNS_TYPE_A);
    d->status = DNS_FAILED;
    strcpy(d->failure, "SERVFAIL");
    d = dns(sim, "_mta-sts.example.org", DNS_TYPE_TXT, 1);
    d->records[0].txt.len = (uint16_t)sprintf(d->text, "v=STSv1; id=1;");
    d->records[0].txt.text = d->text;
    h->status = FETCH_OK;
    h->body = __real_strdup("version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 864000\n");
}

struct caller {
    struct core_waiter waiter;
    unsigned calls, empty;
};

static void on_done(const struct findings *f, void *arg)
{
    struct caller *caller = arg;
    const struct verdict_terms terms = {.can = VERDICT_CAN_DANE, .web_pki = true};
    struct verdict verdict;

    caller->calls++;
    if (f == NULL) {
        caller->empty++;
        return;
    }
    verdict_derive(f, &terms, &verdict);
    assert_true(verdict.value == VERDICT_SATISFIED || verdict.value == VERDICT_UNDECIDED);
}

static void ask(struct core *core, struct sim_world *sim, struct caller *caller)
{
    const struct findings *f = NULL;
    struct nexthop nexthop;
    int status;

    caller->waiter = (struct core_waiter){.done = on_done, .arg = caller};
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    status = core_ask(core, &nexthop, &caller->waiter, &f);
    if (status != 0)
        on_done(f, caller);
    findings_unref(f);
    sim_world_run(sim, 1000);
}

/* Everything once: a lookup, an answer from the cache, renewal, refresh. */
static void run(unsigned long at, unsigned *empty)
{
    const struct core_settings settings = {.dane_enable = true,
                                           .sts_enable = true,
                                           .prefetch = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_refresh_ms = 86400000,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10};
    struct sim_world *sim = sim_world_new();
    struct caller first = {0}, second = {0}, third = {0};
    struct core *core;

    make_world(sim);
    allocations = 0;
    fail_at = at;
    if (core_new(sim_world_world(sim), &settings, &core) == 0) {
        ask(core, sim, &first);
        ask(core, sim, &second);
        sim_world_run(sim, 2 * 86400000);
        ask(core, sim, &third);
        core_free(core);
        assert_int_equal(first.calls, 1);
        assert_int_equal(second.calls, 1);
        assert_int_equal(third.calls, 1);
        *empty += first.empty + second.empty + third.empty;
    }
    fail_at = 0;
    sim_world_free(sim);
}

static void every_allocation_may_fail(void **state)
{
    unsigned empty = 0;
    unsigned long total;
    (void)state;

    run(0, &empty);
    total = allocations;
    assert_int_equal(empty, 0);
    assert_true(total > 50);
    for (unsigned long at = 1; at <= total; at++)
        run(at, &empty);
    assert_true(empty > 5);
}

/* ---- Probes ---- */

struct prober_caller {
    struct probe_request *request;
    unsigned calls, empty, probed;
};

static void note_probed(struct prober_caller *caller, const struct findings *f)
{
    caller->calls++;
    caller->empty += f == NULL;
    for (size_t i = 0; f != NULL && i < f->host_count; i++) {
        caller->probed += f->hosts[i].probe_count;
        if (f->hosts[i].probe_count > 0)
            assert_int_equal(f->hosts[i].probes[0].result, FINDINGS_PROBE_NO_REQUIRETLS);
    }
}

/* probe_done_fn */
static void on_probed(const struct findings *f, void *arg)
{
    note_probed(arg, f);
}

static void probe(struct prober *prober, struct sim_world *sim, const struct findings *f,
                  struct prober_caller *caller)
{
    const struct verdict_terms terms = {.can = VERDICT_CAN_DANE | VERDICT_CAN_REQUIRETLS};
    struct probe_plan *plan = prober_plan(prober, f, &terms, PROBE_SCOPE_COUNTED);
    const struct findings *found = NULL;
    int status = -ENOMEM;

    if (plan != NULL)
        status = prober_ask(prober, plan, on_probed, caller, &caller->request, &found);
    if (status != 0)
        note_probed(caller, found);
    findings_unref(found);
    sim_world_run(sim, 5000);
    if (plan != NULL) {
        found =
            prober_cached(prober, plan, sim_world_world(sim)->ops->mono_ms(sim_world_world(sim)));
        if (found != NULL)
            assert_int_equal(found->hosts[0].probes[0].result, FINDINGS_PROBE_NO_REQUIRETLS);
        findings_unref(found);
    }
    probe_plan_unref(plan);
}

/* A probe, one from what is known, one that is slow, and the end. */
static unsigned probe_all(const struct findings *f, unsigned long at)
{
    const struct prober_settings settings = {.enable = true,
                                             .ttl_ms = 86400000,
                                             .negative_ttl_ms = 600000,
                                             .parallel = 20,
                                             .per_minute = 60,
                                             .port = 25};
    struct sim_world *sim = sim_world_new();
    struct prober_caller callers[3] = {{0}};
    struct prober *prober;
    unsigned probed = 0;

    sim_world_smtp(sim, "192.0.2.1")->result = FINDINGS_PROBE_NO_REQUIRETLS;
    allocations = 0;
    fail_at = at;
    if (prober_new(sim_world_world(sim), &settings, &prober) == 0) {
        probe(prober, sim, f, &callers[0]);
        probe(prober, sim, f, &callers[1]);
        probe_cache_clear(prober_cache(prober));
        sim_world_smtp(sim, "192.0.2.1")->delay_ms = 2000;
        probe(prober, sim, f, &callers[2]);
        prober_free(prober);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(callers[i].calls, 1);
            probed += callers[i].probed;
        }
    }
    fail_at = 0;
    sim_world_free(sim);
    return probed;
}

static const struct findings *with_one_host(void)
{
    static const uint8_t digest[32];
    static const struct findings_tlsa tlsa = {3, 1, 1, true, 32, digest};
    uint8_t room[sizeof(struct findings_addresses) + 4] = {1, 0, 192, 0, 2, 1};
    const struct findings_host host = {.name = "mx.example.org",
                                       .tlsa_base = "mx.example.org",
                                       .tlsa = &tlsa,
                                       .tlsa_count = 1,
                                       .a = FINDINGS_ADDR_SECURE,
                                       .aaaa = FINDINGS_ADDR_ABSENT,
                                       .tlsa_state = FINDINGS_TLSA_USABLE,
                                       .addresses = (const struct findings_addresses *)room};
    const struct findings draft = {.nexthop = {.name = "example.org",
                                               .text = "example.org",
                                               .port = NEXTHOP_PORT_DEFAULT,
                                               .kind = NEXTHOP_DOMAIN},
                                   .mx = FINDINGS_MX_SECURE,
                                   .security_known = true,
                                   .host_count = 1,
                                   .hosts = &host,
                                   .sts = {.state = FINDINGS_STS_OFF}};

    return findings_freeze(&draft);
}

static void every_allocation_of_a_probe_may_fail(void **state)
{
    const struct findings *f = with_one_host();
    unsigned long total;
    unsigned failed = 0;
    (void)state;

    assert_int_equal(probe_all(f, 0), 3);
    total = allocations;
    assert_true(total > 20);
    for (unsigned long at = 1; at <= total; at++)
        failed += probe_all(f, at) < 3;
    assert_true(failed > 5);
    findings_unref(f);
}

/* ---- The shared cache ---- */

struct taker {
    struct core_waiter waiter;
    unsigned calls, taken;
    int purged; /* 1: not yet */
};

/* The policy of the other host, or that it is not known whether there is one. */
static void on_taken(const struct findings *f, void *arg)
{
    struct taker *taker = arg;

    taker->calls++;
    if (f == NULL)
        return;
    if (f->sts.state != FINDINGS_STS_POLICY) {
        assert_int_equal(f->sts.state, FINDINGS_STS_FAILED);
        return;
    }
    assert_string_equal(f->sts.id, "1");
    assert_int_equal(f->sts.max_age_s, 864000);
    taker->taken++;
}

/* core_purged_fn */
static void on_purged(int status, void *arg)
{
    struct taker *taker = arg;

    taker->purged = status;
}

static void take(struct core *core, struct sim_world *sim, struct taker *taker)
{
    const struct findings *f = NULL;
    struct nexthop nexthop;
    int status;

    taker->waiter = (struct core_waiter){.done = on_taken, .arg = taker};
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    status = core_ask(core, &nexthop, &taker->waiter, &f);
    if (status != 0)
        on_taken(f, taker);
    findings_unref(f);
    sim_world_run(sim, 1000);
    assert_int_equal(taker->calls, 1);
    taker->purged = 1;
    core_purge(core, &nexthop, on_purged, taker);
    sim_world_run(sim, 1000);
    /* Whoever is told that it is forgotten can rely upon that. */
    if (taker->purged == 0)
        assert_null(sim_world_row(sim, SHARED_POLICY, "example.org"));
    else
        assert_true(taker->purged == -EIO || taker->purged == -ENOMEM || taker->purged == -ENOENT);
}

/* What another host has fetched, of a policy host that is down by now. */
static unsigned take_over(unsigned long at)
{
    const struct core_settings settings = {.sts_enable = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_max_policy = 65536,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10};
    struct sim_world *sim = sim_world_new();
    struct sim_https *h;
    struct taker taker = {.calls = 0};
    struct core *core;

    make_world(sim);
    h = sim_world_https(sim, "example.org");
    h->status = FETCH_FAILED;
    sim_world_share_policy(sim, "example.org", "1",
                           "version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 864000\n",
                           1700000000 - 60, 1700000000 + 864000);
    sim_world_set_shared(sim, SIM_SHARED_UP, 1);
    allocations = 0;
    fail_at = at;
    if (core_new(sim_world_world(sim), &settings, &core) == 0) {
        take(core, sim, &taker);
        core_free(core);
    }
    fail_at = 0;
    sim_world_free(sim);
    return taker.taken;
}

static void every_allocation_of_a_take_over_may_fail(void **state)
{
    unsigned long total;
    unsigned taken = 0;
    (void)state;

    assert_int_equal(take_over(0), 1);
    total = allocations;
    assert_true(total > 20);
    for (unsigned long at = 1; at <= total; at++)
        taken += take_over(at);
    assert_true(taken > 5 && taken < total - 5);
}

/* One host probes and shares, another takes over; what it takes over is true. */
static unsigned probe_and_share(const struct findings *f, unsigned long at)
{
    const struct prober_settings settings = {.enable = true,
                                             .ttl_ms = 86400000,
                                             .negative_ttl_ms = 600000,
                                             .parallel = 20,
                                             .per_minute = 60,
                                             .port = 25};
    struct sim_world *sim = sim_world_new();
    unsigned probed = 0;

    sim_world_smtp(sim, "192.0.2.1")->result = FINDINGS_PROBE_NO_REQUIRETLS;
    sim_world_set_shared(sim, SIM_SHARED_UP, 1);
    allocations = 0;
    fail_at = at;
    for (int host = 0; host < 2; host++) {
        struct prober_caller caller = {0};
        struct prober *prober;

        if (prober_new(sim_world_world(sim), &settings, &prober) < 0)
            continue;
        probe(prober, sim, f, &caller);
        prober_free(prober);
        assert_int_equal(caller.calls, 1);
        probed += caller.probed;
    }
    if (at == 0)
        assert_int_equal(sim_world_connected(sim, NULL), 1);
    fail_at = 0;
    sim_world_free(sim);
    return probed;
}

static void every_allocation_of_a_shared_probe_may_fail(void **state)
{
    const struct findings *f = with_one_host();
    unsigned long total;
    unsigned failed = 0;
    (void)state;

    assert_int_equal(probe_and_share(f, 0), 2);
    total = allocations;
    for (unsigned long at = 1; at <= total; at++)
        failed += probe_and_share(f, at) < 2;
    assert_true(failed > 5);
    findings_unref(f);
}

/* ---- TLSRPT records ---- */

struct record_caller {
    struct tlsrpt_waiter waiter;
    unsigned calls, empty;
};

/* tlsrpt_record_fn */
static void on_record(const char *record, void *arg)
{
    struct record_caller *caller = arg;

    caller->calls++;
    caller->empty += record == NULL;
    if (record != NULL)
        assert_string_equal(record, "v=TLSRPTv1;rua=a:b");
}

static void ask_record(struct tlsrpt_lookups *lookups, struct sim_world *sim,
                       struct record_caller *caller)
{
    const char *record;

    caller->waiter = (struct tlsrpt_waiter){.done = on_record, .arg = caller};
    if (tlsrpt_lookups_ask(lookups, "example.org", &caller->waiter, &record) != 0)
        on_record(record, caller);
    sim_world_run(sim, 1000);
}

static unsigned look_records_up(unsigned long at)
{
    struct sim_world *sim = sim_world_new();
    struct sim_dns *d = dns(sim, "_smtp._tls.example.org", DNS_TYPE_TXT, 1);
    struct record_caller callers[2] = {0};
    struct tlsrpt_lookups *lookups;
    struct counters counters = {0};
    unsigned empty = 0;

    d->records[0].txt.len = (uint16_t)sprintf(d->text, "v=TLSRPTv1;rua=a:b");
    d->records[0].txt.text = d->text;
    d->ttl_s = 3600;
    allocations = 0;
    fail_at = at;
    if (tlsrpt_lookups_new(sim_world_world(sim), &counters, &lookups) == 0) {
        tlsrpt_lookups_configure(lookups, 300000, 86400000);
        for (size_t i = 0; i < 2; i++) {
            ask_record(lookups, sim, &callers[i]);
            assert_int_equal(callers[i].calls, 1);
            empty += callers[i].empty;
        }
        tlsrpt_lookups_free(lookups);
    }
    fail_at = 0;
    sim_world_free(sim);
    return empty;
}

static void every_allocation_of_a_record_may_fail(void **state)
{
    unsigned long total;
    unsigned empty = 0;
    (void)state;

    assert_int_equal(look_records_up(0), 0);
    total = allocations;
    for (unsigned long at = 1; at <= total; at++) {
        unsigned now = look_records_up(at);

        assert_true(now <= 1); /* the next one asks anew */
        empty += now;
    }
    assert_true(empty >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_allocation_of_a_probe_may_fail),
        cmocka_unit_test(every_allocation_of_a_take_over_may_fail),
        cmocka_unit_test(every_allocation_of_a_shared_probe_may_fail),
        cmocka_unit_test(every_allocation_of_a_record_may_fail)};

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
