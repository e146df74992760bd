/* How many lookups may be in flight at once, and that room comes back. */
#include "core.h"
#include "sim_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct core_waiter waiters[CORE_FLIGHTS_MAX + 3];
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
                                           .sts_refresh_ms = 86400000,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10,
                                           .log = on_log};
    struct core *core;
    (void)state;

    assert_int_equal(core_new(sim_world_world(sim), &settings, &core), 0);
    for (size_t i = 0; i < CORE_FLIGHTS_MAX; i++)
        assert_int_equal(ask(core, i, &waiters[i]), 0);
    /* One more is refused, and so it is when those who asked have gone; the log is not flooded. */
    assert_int_equal(ask(core, CORE_FLIGHTS_MAX, &waiters[CORE_FLIGHTS_MAX]), -EAGAIN);
    core_drop(&waiters[0]);
    assert_int_equal(ask(core, CORE_FLIGHTS_MAX, &waiters[CORE_FLIGHTS_MAX]), -EAGAIN);
    assert_int_equal(core_flights(core), CORE_FLIGHTS_MAX);
    assert_int_equal(warnings, 1);
    /* What is being looked up already may be waited for by more. */
    assert_int_equal(ask(core, 1, &waiters[CORE_FLIGHTS_MAX + 1]), 0);

    sim_world_run(sim, 1000);
    assert_int_equal(core_flights(core), 0);
    assert_int_equal(called, CORE_FLIGHTS_MAX);
    assert_int_equal(ask(core, CORE_FLIGHTS_MAX, &waiters[CORE_FLIGHTS_MAX + 2]), 0);
    sim_world_run(sim, 1000);
    assert_int_equal(called, CORE_FLIGHTS_MAX + 1);
    core_free(core);
    assert_int_equal(sim_world_outstanding(sim), 0);
    sim_world_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
