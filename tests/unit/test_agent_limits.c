/*
 * The agent's limits: connections to an address, deliveries to a next-hop, addresses to be avoided.
 */
#include "deliver/agent_limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void shares(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    (void)state;

    assert_non_null(limits);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "192.0.2.1:25", 3), 0);
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "192.0.2.1:25", 3), -EBUSY);
    /* Neither another address nor a next-hop of that name is concerned. */
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "192.0.2.2:25", 3), 0);
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_NEXTHOP, "192.0.2.1:25", 3), 0);
    agent_limits_release(limits, AGENT_LIMITS_ADDRESS, "192.0.2.1:25");
    assert_int_equal(agent_limits_taken(limits, AGENT_LIMITS_ADDRESS, "192.0.2.1:25"), 2);
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "192.0.2.1:25", 3), 0);
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "192.0.2.3:25", 0), -EBUSY);
    for (unsigned i = 0; i < 5; i++)
        agent_limits_release(limits, AGENT_LIMITS_ADDRESS, "192.0.2.1:25");
    assert_int_equal(agent_limits_taken(limits, AGENT_LIMITS_ADDRESS, "192.0.2.1:25"), 0);
    agent_limits_free(limits);
    agent_limits_free(NULL);
}

static void avoided_for_a_minute(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    const char *address = "[2001:db8::1]:25";
    (void)state;

    assert_false(agent_limits_is_avoided(limits, address, 1000));
    agent_limits_failed(limits, address, 1000);
    assert_true(agent_limits_is_avoided(limits, address, 1000));
    assert_true(agent_limits_is_avoided(limits, address, 60999));
    assert_false(agent_limits_is_avoided(limits, address, 61000));
    assert_false(agent_limits_is_avoided(limits, "[2001:db8::2]:25", 1000));
    agent_limits_failed(limits, address, 70000);
    agent_limits_connected(limits, address);
    assert_false(agent_limits_is_avoided(limits, address, 70000));
    agent_limits_free(limits);
}

/* An address that is in use stays counted while it is avoided, and after. */
static void avoided_in_use(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    (void)state;

    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "a:25", 9), 0);
    agent_limits_failed(limits, "a:25", 0);
    agent_limits_release(limits, AGENT_LIMITS_ADDRESS, "a:25");
    assert_true(agent_limits_is_avoided(limits, "a:25", 1));
    agent_limits_failed(limits, "a:25", 100000);
    assert_true(agent_limits_is_avoided(limits, "a:25", 150000));
    agent_limits_connected(limits, "a:25");
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "a:25", 1), 0);
    assert_int_equal(agent_limits_taken(limits, AGENT_LIMITS_ADDRESS, "a:25"), 1);
    agent_limits_free(limits);
}

/* Strangers' names do not fill the memory: what is remembered is bounded, and what is in use is
 * never lost. */
static void many_failures(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    unsigned remembered = 0;
    char address[32];
    (void)state;

    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "mine", 9), 0);
    for (unsigned i = 0; i < 300000; i++) {
        snprintf(address, sizeof(address), "%u", i);
        agent_limits_failed(limits, address, 0);
    }
    for (unsigned i = 0; i < 300000; i++) {
        snprintf(address, sizeof(address), "%u", i);
        remembered += agent_limits_is_avoided(limits, address, 1);
    }
    assert_int_equal(remembered, 1024 * 64);
    assert_int_equal(agent_limits_taken(limits, AGENT_LIMITS_ADDRESS, "mine"), 1);
    agent_limits_free(limits);
}

struct waiter {
    struct agent_limits_wait wait;
    unsigned turns;
};

static void on_turn(void *arg)
{
    ((struct waiter *)arg)->turns++;
}

static void join(struct agent_limits *limits, const char *address, struct waiter *waiter)
{
    *waiter = (struct waiter){.wait = {.on_turn = on_turn, .arg = waiter}};
    assert_int_equal(agent_limits_join(limits, AGENT_LIMITS_ADDRESS, address, &waiter->wait), 0);
    assert_string_equal(agent_limits_name(&waiter->wait), address);
}

/* First come, first served, each address for itself. */
static void line(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    struct waiter first, second, third, other;
    (void)state;

    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25");
    assert_false(agent_limits_has_line(limits, AGENT_LIMITS_ADDRESS, "a:25"));
    join(limits, "a:25", &first);
    join(limits, "a:25", &second);
    join(limits, "a:25", &third);
    join(limits, "b:25", &other);
    assert_true(agent_limits_has_line(limits, AGENT_LIMITS_ADDRESS, "a:25"));
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25");
    assert_true(first.wait.woken && first.turns == 1 && second.turns == 0);
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25");
    assert_true(second.wait.woken && first.turns == 1 && second.turns == 1);
    /* Who has tried in vain is the first again. */
    first.wait.woken = false;
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25");
    assert_true(first.turns == 2 && third.turns == 0);
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25");
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25"); /* all are woken */
    assert_true(first.turns == 2 && second.turns == 1 && third.turns == 1 && other.turns == 0);
    agent_limits_leave(limits, &second.wait);
    agent_limits_leave(limits, &second.wait);
    agent_limits_leave(limits, &first.wait);
    assert_true(agent_limits_has_line(limits, AGENT_LIMITS_ADDRESS, "a:25"));
    agent_limits_leave(limits, &third.wait);
    assert_false(agent_limits_has_line(limits, AGENT_LIMITS_ADDRESS, "a:25"));
    agent_limits_free(limits);
    assert_null(other.wait.entry);
}

/* The line outlives what is taken and what has failed, and neither is lost with it. */
static void line_in_use(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    struct waiter waiter;
    (void)state;

    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "a:25", 1), 0);
    join(limits, "a:25", &waiter);
    agent_limits_release(limits, AGENT_LIMITS_ADDRESS, "a:25");
    agent_limits_failed(limits, "a:25", 0);
    agent_limits_connected(limits, "a:25");
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25");
    assert_int_equal(waiter.turns, 1);
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_ADDRESS, "a:25", 1), 0);
    agent_limits_leave(limits, &waiter.wait);
    assert_int_equal(agent_limits_taken(limits, AGENT_LIMITS_ADDRESS, "a:25"), 1);
    agent_limits_free(limits);
}

/* A next-hop is slow when nothing got on for three seconds, or somebody has waited in vain. */
static void slow(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    (void)state;

    agent_limits_moved(limits, "a.test", 0);
    agent_limits_lagged(limits, "a.test", 0);
    assert_false(agent_limits_is_slow(limits, "a.test", 1)); /* nothing of it is taken */
    assert_int_equal(agent_limits_take(limits, AGENT_LIMITS_NEXTHOP, "a.test", 9), 0);
    agent_limits_moved(limits, "a.test", 50000);
    assert_false(agent_limits_is_slow(limits, "a.test", 52999));
    assert_true(agent_limits_is_slow(limits, "a.test", 53000));
    assert_false(agent_limits_is_slow(limits, "b.test", 53000));
    agent_limits_moved(limits, "a.test", 54000);
    assert_false(agent_limits_is_slow(limits, "a.test", 54000));
    agent_limits_lagged(limits, "a.test", 55000);
    agent_limits_moved(limits, "a.test", 64000);
    assert_true(agent_limits_is_slow(limits, "a.test", 64999));
    assert_false(agent_limits_is_slow(limits, "a.test", 65000));
    /* Those that fill the share have three seconds, too; not in the place of one that failed. */
    agent_limits_filled(limits, "a.test", 80000);
    assert_false(agent_limits_is_slow(limits, "a.test", 82999));
    assert_true(agent_limits_is_slow(limits, "a.test", 83000));
    agent_limits_stuck(limits, "a.test");
    agent_limits_filled(limits, "a.test", 83000);
    assert_true(agent_limits_is_slow(limits, "a.test", 83000));
    agent_limits_moved(limits, "a.test", 84000);
    agent_limits_filled(limits, "a.test", 90000);
    assert_false(agent_limits_is_slow(limits, "a.test", 90000));
    agent_limits_release(limits, AGENT_LIMITS_NEXTHOP, "a.test");
    assert_false(agent_limits_is_slow(limits, "a.test", 99000));
    agent_limits_free(limits);
}

/* The lines for a next-hop and for an address of that name are two. */
static void line_of_nexthop(void **state)
{
    struct agent_limits *limits = agent_limits_new();
    struct waiter waiter = {.wait = {.on_turn = on_turn, .arg = &waiter}};
    (void)state;

    assert_int_equal(agent_limits_join(limits, AGENT_LIMITS_NEXTHOP, "a:25", &waiter.wait), 0);
    assert_false(agent_limits_has_line(limits, AGENT_LIMITS_ADDRESS, "a:25"));
    assert_true(agent_limits_has_line(limits, AGENT_LIMITS_NEXTHOP, "a:25"));
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, "a:25");
    assert_int_equal(waiter.turns, 0);
    agent_limits_wake(limits, AGENT_LIMITS_NEXTHOP, "a:25");
    assert_int_equal(waiter.turns, 1);
    agent_limits_leave(limits, &waiter.wait);
    assert_false(agent_limits_has_line(limits, AGENT_LIMITS_NEXTHOP, "a:25"));
    agent_limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),         cmocka_unit_test(avoided_for_a_minute),
        cmocka_unit_test(avoided_in_use), cmocka_unit_test(many_failures),
        cmocka_unit_test(line),           cmocka_unit_test(line_in_use),
        cmocka_unit_test(slow),           cmocka_unit_test(line_of_nexthop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
