/* How many lookups may be in flight at once, and that their room is free afterwards. */
#include "engine/core.h"
#include "lookup/lookup.h"
#include "policy/findings_summary.h"
#include "sim_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct core_waiter waiters[CORE_TASKS_MAX + 3];
static unsigned called, warnings;

static void on_done(const struct findings *findings, void *arg)
{
    (void)arg;
    assert_non_null(findings);
    called++;
}

static void on_log(void *arg, int priority, const char *message)
{
    (void)arg;
    (void)priority;
    (void)message;
    warnings++;
}

static int ask(struct core *core, size_t domain, struct core_waiter *waiter)
{
    const struct findings *f = NULL;
    struct nexthop nexthop;
    char name[40];
    int status;

    snprintf(name, sizeof(name), "d%zu.example", domain);
    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    *waiter = (struct core_waiter){.done = on_done};
    status = core_ask(core, &nexthop, waiter, &f);
    findings_unref(f);
    return status;
}

static void no_more_than_the_limit(void **state)
{
    struct sim_world *sim = sim_world_new();
    const struct core_settings settings = {.dane_enable = true,
                                           .sts_enable = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_refresh_ms = 86400000,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10,
                                           .log = on_log};
    struct core *core;
    (void)state;

    assert_int_equal(core_new(sim_world_world(sim), &settings, &core), 0);
    for (size_t i = 0; i < CORE_TASKS_MAX; i++)
        assert_int_equal(ask(core, i, &waiters[i]), 0);
    /* One more is refused, and so it is when those who asked have gone; the log is not flooded. */
    assert_int_equal(ask(core, CORE_TASKS_MAX, &waiters[CORE_TASKS_MAX]), -EAGAIN);
    core_drop(&waiters[0]);
    assert_int_equal(ask(core, CORE_TASKS_MAX, &waiters[CORE_TASKS_MAX]), -EAGAIN);
    assert_int_equal(core_task_count(core), CORE_TASKS_MAX);
    assert_int_equal(warnings, 1);
    /* What is being looked up already may be waited for by more. */
    assert_int_equal(ask(core, 1, &waiters[CORE_TASKS_MAX + 1]), 0);

    sim_world_run(sim, 1000);
    assert_int_equal(core_task_count(core), 0);
    assert_int_equal(called, CORE_TASKS_MAX);
    assert_int_equal(ask(core, CORE_TASKS_MAX, &waiters[CORE_TASKS_MAX + 2]), 0);
    sim_world_run(sim, 1000);
    assert_int_equal(called, CORE_TASKS_MAX + 1);
    core_free(core);
    assert_int_equal(sim_world_outstanding(sim), 0);
    sim_world_free(sim);
}

/* ---- What lookups in progress hold ---- */

enum {
    LARGE = 600, /* next-hops below a wildcard, each with the same hosts */
    HOSTS = 32,
    RECORDS = 64,
    DATA_LEN = 250, /* 16 kB of TLSA data for each host */
    MEMORY = 16 << 20,
};

static struct sim_dns *records(struct sim_world *sim, const char *name, uint16_t type, size_t count)
{
    struct sim_dns *d = sim_world_dns(sim, name, type);

    d->security = DNS_SECURE;
    d->count = count;
    d->ttl_s = 3600;
    d->records = calloc(count, sizeof(*d->records));
    d->text = calloc(count, SIM_NAME_MAX);
    return d;
}

static void publish_mx(struct sim_world *sim, const char *name, size_t hosts, const char *domain)
{
    struct sim_dns *d = records(sim, name, DNS_TYPE_MX, hosts);

    for (size_t i = 0; i < hosts; i++) {
        snprintf(d->text + i * SIM_NAME_MAX, SIM_NAME_MAX, "mx%zu.%s", i, domain);
        d->records[i].mx.host = d->text + i * SIM_NAME_MAX;
    }
}

/* A host with TLSA records, and an address of the other family that is long in coming. */
static void publish_host(struct sim_world *sim, const char *host, size_t count)
{
    char name[SIM_NAME_MAX];
    struct sim_dns *d;

    records(sim, host, DNS_TYPE_A, 1);
    records(sim, host, DNS_TYPE_AAAA, 1)->delay_ms = count > 1 ? 5000 : 10;
    snprintf(name, sizeof(name), "_25._tcp.%.200s", host);
    d = records(sim, name, DNS_TYPE_TLSA, count);
    for (size_t i = 0; i < count; i++) {
        bool usable = i == 0;

        d->records[i].tlsa.usage = 3;
        d->records[i].tlsa.selector = d->records[i].tlsa.matching_type = usable;
        d->records[i].tlsa.data_len = usable ? 32 : DATA_LEN;
    }
}

static struct answered {
    unsigned calls, complete, usable, failed, other;
} answered;

static void on_large(const struct findings *f, void *arg)
{
    struct answered *to = arg;

    assert_non_null(f);
    to->calls++;
    to->complete += f->host_count == HOSTS;
    for (size_t i = 0; i < f->host_count; i++) {
        const struct findings_host *host = &f->hosts[i];

        assert_true((findings_host_a(host, 0) != NULL) == (host->a == FINDINGS_ADDR_SECURE));
        assert_true((findings_host_aaaa(host, 0) != NULL) == (host->aaaa == FINDINGS_ADDR_SECURE));
        if (host->a == FINDINGS_ADDR_FAILED && host->aaaa == FINDINGS_ADDR_FAILED)
            to->failed++;
        else if (host->tlsa_state == FINDINGS_TLSA_FAILED)
            to->failed++;
        else if (host->tlsa_state == FINDINGS_TLSA_USABLE)
            to->usable++;
        else
            to->other++;
    }
}

static int ask_name(struct core *core, const char *name, engine_done_fn done, void *arg,
                    struct core_waiter *waiter)
{
    const struct findings *f = NULL;
    struct nexthop nexthop;
    int status;

    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    *waiter = (struct core_waiter){.done = done, .arg = arg};
    status = core_ask(core, &nexthop, waiter, &f);
    findings_unref(f);
    return status;
}

static size_t held(struct core *core)
{
    return atomic_load(&core_counters(core)->lookup_octets);
}

static void on_quick(const struct findings *f, void *arg)
{
    assert_non_null(f);
    assert_int_equal(findings_summarise(f, NULL), FINDINGS_SUMMARY_DANE);
    (*(unsigned *)arg)++;
}

/* Hundreds of names whose hosts publish more than anybody needs hold no more together than is set
 * aside for them. What has no room has failed, and is not absent; others are served meanwhile. */
static void lookups_in_progress_hold_no_more_than_max_memory(void **state)
{
    static const struct core_settings settings = {.dane_enable = true,
                                                  .sts_enable = true,
                                                  .sts_min_retry_ms = 300000,
                                                  .sts_refresh_ms = 86400000,
                                                  .negative_ttl_ms = 300000,
                                                  .max_ttl_ms = 86400000,
                                                  .max_domains = 1000,
                                                  .max_memory = MEMORY};
    static struct core_waiter large[LARGE], quick;
    struct sim_world *sim = sim_world_new();
    struct core *core;
    unsigned quick_calls = 0;
    char name[60];
    (void)state;

    answered = (struct answered){0};
    for (int i = 0; i < HOSTS; i++) {
        snprintf(name, sizeof(name), "mx%d.large.example", i);
        publish_host(sim, name, RECORDS);
    }
    for (int i = 0; i < LARGE; i++) {
        snprintf(name, sizeof(name), "d%d.large.example", i);
        publish_mx(sim, name, HOSTS, "large.example");
    }
    publish_mx(sim, "quick.example", 2, "quick.example");
    publish_host(sim, "mx0.quick.example", 1);
    publish_host(sim, "mx1.quick.example", 1);
    assert_int_equal(core_new(sim_world_world(sim), &settings, &core), 0);

    /* One by itself has all that one may have. */
    assert_int_equal(ask_name(core, "d0.large.example", on_large, &answered, &large[0]), 0);
    sim_world_run(sim, 1000);
    assert_true(held(core) > 100000 && held(core) <= LOOKUP_LARGEST + 4096);
    sim_world_run(sim, 10000);
    assert_int_equal(answered.complete, 1);
    assert_true(answered.usable > 8);
    assert_int_equal(answered.usable + answered.failed, HOSTS);
    assert_int_equal(held(core), 0);

    answered = (struct answered){0};
    for (int i = 1; i < LARGE; i++) {
        snprintf(name, sizeof(name), "d%d.large.example", i);
        assert_int_equal(ask_name(core, name, on_large, &answered, &large[i]), 0);
        sim_world_run(sim, 1);
        assert_true(held(core) <= MEMORY / 4 + core_task_count(core) * LOOKUP_SMALL);
    }
    sim_world_run(sim, 1000);
    assert_true(held(core) > MEMORY / 8);
    assert_true(held(core) <= MEMORY / 4 + core_task_count(core) * LOOKUP_SMALL);
    assert_int_equal(ask_name(core, "quick.example", on_quick, &quick_calls, &quick), 0);
    sim_world_run(sim, 1000);
    assert_int_equal(quick_calls, 1);
    sim_world_run(sim, 10000);
    assert_int_equal(answered.calls, LARGE - 1);
    assert_int_equal(answered.other, 0);
    assert_true(answered.failed > answered.usable);
    assert_int_equal(held(core), 0);
    core_free(core);
    sim_world_free(sim);
}

enum { HOUR_MS = 3600000 };

static struct world_query *no_memory(struct world *w, const char *nexthop, const char *name,
                                     uint16_t type, world_query_fn done, void *arg)
{
    (void)w;
    (void)nexthop;
    (void)name;
    (void)type;
    (void)done;
    (void)arg;
    return NULL;
}

/* Refreshes of policies for which memory was short for days: they are over, and hold no place. */
static void refreshes_that_could_not_begin_hold_no_place(void **state)
{
    struct sim_world *sim = sim_world_new();
    struct world *world = sim_world_world(sim);
    const struct world_ops *ops = world->ops;
    struct world_ops short_of_memory = *ops;
    const struct core_settings settings = {.sts_enable = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_refresh_ms = HOUR_MS,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10,
                                           .log = on_log};
    struct sim_dns *d = sim_world_dns(sim, "_mta-sts.d0.example", DNS_TYPE_TXT);
    struct sim_https *h = sim_world_https(sim, "d0.example");
    struct core_waiter waiter;
    struct core *core;
    unsigned fetched;
    (void)state;

    short_of_memory.query = no_memory;
    d->count = 1;
    d->ttl_s = 3600;
    d->records = calloc(1, sizeof(*d->records));
    d->text = calloc(1, SIM_NAME_MAX); /* as long as every text of the world */
    strcpy(d->text, "v=STSv1; id=1;");
    d->records[0].txt.text = d->text;
    d->records[0].txt.len = (uint16_t)strlen(d->text);
    h->status = FETCH_OK;
    h->body = strdup("version: STSv1\nmode: enforce\nmx: *.d0.example\nmax_age: 31557600\n");
    assert_int_equal(core_new(world, &settings, &core), 0);
    assert_int_equal(ask(core, 0, &waiter), 0);
    sim_world_run(sim, 1000);
    assert_int_equal(sim_world_fetched(sim, "d0.example"), 1);

    world->ops = &short_of_memory;
    sim_world_run(sim, INT64_C(100) * HOUR_MS);
    world->ops = ops;
    fetched = sim_world_fetched(sim, "d0.example");
    sim_world_run(sim, INT64_C(4) * HOUR_MS);
    assert_true(sim_world_fetched(sim, "d0.example") > fetched);
    core_free(core);
    assert_int_equal(sim_world_outstanding(sim), 0);
    sim_world_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_the_limit),
        cmocka_unit_test(lookups_in_progress_hold_no_more_than_max_memory),
        cmocka_unit_test(refreshes_that_could_not_begin_hold_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
