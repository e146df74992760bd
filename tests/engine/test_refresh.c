/*
 * A hundred thousand MTA-STS policies of one day's max_age on a simulated clock: each is fetched
 * again in time, though a quarter of the policy hosts hang; not all at once, and never many at
 * once.
 */
#include "engine/core.h"
#include "sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    POLICIES = 100000,
    MINUTE_MS = 60 * 1000,
    MINUTES = 2 * 24 * 60,
    IN_FLIGHT_MAX = 64, /* the bound of core_renew.c */
};

static const char body[] = "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n";

static struct {
    struct sim_world *sim;
    const struct world_ops *ops;
    unsigned fetched_in[MINUTES + 1];
    unsigned most_in_flight;
} run;

static bool hangs(size_t domain)
{
    return domain % 4 == 3;
}

/* One record answers for all. */
static struct world_query *query(struct world *w, const char *nexthop, const char *name,
                                 uint16_t type, world_query_fn done, void *arg)
{
    assert_int_equal(strncmp(name, "_mta-sts.d", 10), 0);
    return run.ops->query(w, nexthop, "_mta-sts.example", type, done, arg);
}

static struct world_fetch *fetch_prepare(struct world *w, const char *domain, world_fetch_fn done,
                                         void *arg)
{
    unsigned in_flight = sim_world_outstanding(run.sim); /* its TXT question included */

    run.fetched_in[sim_world_now(run.sim) / MINUTE_MS]++;
    if (in_flight > run.most_in_flight)
        run.most_in_flight = in_flight;
    return run.ops->fetch_prepare(
        w, hangs((size_t)atol(domain + 1)) ? "hangs.example" : "good.example", done, arg);
}

static void make_world(void)
{
    struct sim_dns *txt = sim_world_dns(run.sim, "_mta-sts.example", DNS_TYPE_TXT);
    struct sim_https *good = sim_world_https(run.sim, "good.example");
    struct sim_https *bad = sim_world_https(run.sim, "hangs.example");

    txt->count = 1;
    txt->records = calloc(1, sizeof(*txt->records));
    txt->text = calloc(1, SIM_NAME_MAX); /* as long as every text of the world */
    strcpy(txt->text, "v=STSv1; id=1;");
    txt->records[0].txt.text = txt->text;
    txt->records[0].txt.len = (uint16_t)strlen(txt->text);
    txt->delay_ms = 50;
    good->status = FETCH_OK;
    good->body = strdup(body);
    good->delay_ms = 500;
    bad->status = FETCH_FAILED;
    bad->delay_ms = 10000;
}

static void fill(struct core *core)
{
    struct world *world = sim_world_world(run.sim);
    struct sts_policy *policy;
    char domain[40], err[100];

    for (size_t i = 0; i < POLICIES; i++) {
        snprintf(domain, sizeof(domain), "d%zu.example", i);
        assert_int_equal(sts_policy_parse(body, strlen(body), &policy, err, sizeof(err)), 0);
        assert_non_null(sts_cache_put(core_sts_cache(core), domain, "1", policy, body, strlen(body),
                                      world->ops->mono_ms(world), world->ops->wall_s(world)));
    }
}

static void expect_all_in_force(struct core *core)
{
    struct world *world = sim_world_world(run.sim);
    const struct sts_cached *cached;
    char domain[40];

    for (size_t i = 0; i < POLICIES; i++) {
        snprintf(domain, sizeof(domain), "d%zu.example", i);
        cached = sts_cache_find(core_sts_cache(core), domain, world->ops->mono_ms(world), false);
        if (!hangs(i) && !(cached != NULL && cached->policy != NULL))
            fail_msg("%s is over after %lld s", domain, (long long)sim_world_now(run.sim) / 1000);
    }
}

/* All were fetched at the same moment; an hour and a half is the time by which chance may bring
 * their first refresh forward, and more that of those after it. */
static void expect_no_crowd(void)
{
    unsigned most = 0;

    for (size_t i = 0; i < MINUTES; i++) {
        if (run.fetched_in[i] > most)
            most = run.fetched_in[i];
    }
    assert_true(most < 2 * POLICIES / 90);
    assert_true(run.most_in_flight <= IN_FLIGHT_MAX);
}

static void a_hundred_thousand_policies_of_a_day(void **state)
{
    const struct core_settings settings = {.sts_enable = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_refresh_ms = 86400000,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = POLICIES};
    struct world_ops ops;
    struct world *world;
    struct core *core;
    (void)state;

    run.sim = sim_world_new();
    world = sim_world_world(run.sim);
    make_world();
    run.ops = world->ops;
    ops = *world->ops;
    ops.query = query;
    ops.fetch_prepare = fetch_prepare;
    world->ops = &ops;
    assert_int_equal(core_new(world, &settings, &core), 0);
    fill(core);
    for (int minute = 0; minute < MINUTES; minute += 30) {
        sim_world_run(run.sim, INT64_C(30) * MINUTE_MS);
        expect_all_in_force(core);
    }
    expect_no_crowd();
    core_free(core);
    sim_world_free(run.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_policies_of_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
