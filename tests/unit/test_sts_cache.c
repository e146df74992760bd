/*
 * The cache of MTA-STS policies by itself. Time is a number here.
 */
#include "sts/sts_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sts_policy *policy(const char *mode, unsigned max_age_s)
{
    struct sts_policy *p;
    char body[200], err[100];

    snprintf(body, sizeof(body), "version: STSv1\nmode: %s\nmx: mx.example\nmax_age: %u\n", mode,
             max_age_s);
    assert_int_equal(sts_policy_parse(body, strlen(body), &p, err, sizeof(err)), 0);
    return p;
}

static struct sts_cache *cache_of(size_t max)
{
    struct sts_cache *cache;

    assert_int_equal(sts_cache_new(max, &cache), 0);
    return cache;
}

static void put(struct sts_cache *cache, const char *domain, const char *mode, unsigned max_age_s,
                int64_t now_ms)
{
    assert_non_null(sts_cache_put(cache, domain, "1", policy(mode, max_age_s), "body", 4, now_ms,
                                  now_ms / 1000));
}

static bool in_force(struct sts_cache *cache, const char *domain, int64_t now_ms)
{
    const struct sts_cached *cached = sts_cache_find(cache, domain, now_ms, false);

    return cached != NULL && cached->policy != NULL;
}

static void expires_by_max_age(void **state)
{
    struct sts_cache *cache = cache_of(10);
    (void)state;

    put(cache, "a.example", "enforce", 60, 1000);
    assert_true(in_force(cache, "a.example", 60999));
    assert_false(in_force(cache, "a.example", 61000));
    assert_false(in_force(cache, "a.example", 1000)); /* gone for good */
    sts_cache_free(cache);
}

static void newer_policy_replaces(void **state)
{
    struct sts_cache *cache = cache_of(10);
    const struct sts_cached *cached;
    (void)state;

    put(cache, "a.example", "enforce", 60, 0);
    assert_non_null(
        sts_cache_fail(cache, "a.example", "2", FINDINGS_STS_FETCH_ERROR, true, "down", 10, 310));
    cached = sts_cache_find(cache, "a.example", 20, true);
    assert_non_null(cached->policy);
    assert_string_equal(cached->id, "1");
    assert_string_equal(cached->failed_id, "2");
    assert_string_equal(cached->failure_text, "down");
    assert_int_equal(cached->retry_ms, 310);
    assert_non_null(sts_cache_put(cache, "a.example", "2", policy("none", 60), "body", 4, 400, 0));
    cached = sts_cache_find(cache, "a.example", 400, true);
    assert_string_equal(cached->id, "2");
    assert_string_equal(cached->failed_id, "");
    assert_int_equal(cached->policy->mode, FINDINGS_STS_MODE_NONE);
    assert_int_equal(sts_cache_count(cache), 1);
    sts_cache_free(cache);
}

static void fail_fetch(struct sts_cache *cache, const char *domain, int64_t now_ms)
{
    assert_non_null(sts_cache_fail(cache, domain, "1", FINDINGS_STS_FETCH_ERROR, false, "404",
                                   now_ms, now_ms + 300));
}

static void evicts_by_worth(void **state)
{
    struct sts_cache *cache = cache_of(3);
    (void)state;

    put(cache, "enforce.example", "enforce", 60, 0);
    put(cache, "testing.example", "testing", 60, 1);
    fail_fetch(cache, "failed.example", 2);
    fail_fetch(cache, "failed2.example", 3);
    assert_null(sts_cache_find(cache, "failed.example", 4, false));
    put(cache, "d.example", "enforce", 60, 5);
    assert_true(in_force(cache, "testing.example", 5));
    put(cache, "e.example", "testing", 60, 6);
    assert_false(in_force(cache, "testing.example", 6));
    put(cache, "f.example", "enforce", 60, 7);
    assert_false(in_force(cache, "e.example", 8));
    assert_true(in_force(cache, "enforce.example", 8));
    put(cache, "g.example", "enforce", 60, 9);
    assert_false(in_force(cache, "enforce.example", 10)); /* the oldest of equals */
    sts_cache_set_max(cache, 1);
    assert_int_equal(sts_cache_count(cache), 2); /* and the failure that there is room for */
    assert_true(in_force(cache, "g.example", 10));
    sts_cache_free(cache);
}

static void a_failure_evicts_no_policy(void **state)
{
    struct sts_cache *cache = cache_of(3);
    char domain[40];
    (void)state;

    put(cache, "a.example", "enforce", 60, 0);
    put(cache, "b.example", "enforce", 60, 1);
    put(cache, "c.example", "testing", 60, 2);
    for (int i = 0; i < 100; i++) {
        snprintf(domain, sizeof(domain), "failed%d.example", i);
        fail_fetch(cache, domain, 3);
        assert_non_null(sts_cache_find(cache, domain, 3, true)); /* it is remembered */
    }
    assert_true(in_force(cache, "a.example", 4));
    assert_true(in_force(cache, "b.example", 4));
    assert_true(in_force(cache, "c.example", 4));
    assert_int_equal(sts_cache_count(cache), 4);
    sts_cache_free(cache);
}

static void nothing_less_evicts_an_enforce_policy(void **state)
{
    struct sts_cache *cache = cache_of(2);
    (void)state;

    put(cache, "a.example", "enforce", 60, 0);
    put(cache, "b.example", "enforce", 60, 1);
    put(cache, "c.example", "testing", 60, 2);
    put(cache, "d.example", "none", 60, 3);
    assert_true(in_force(cache, "a.example", 4));
    assert_true(in_force(cache, "b.example", 4));
    assert_false(in_force(cache, "c.example", 4));
    assert_int_equal(sts_cache_count(cache), 3);
    sts_cache_free(cache);
}

static size_t take_all(struct sts_cache *cache, int64_t now_ms)
{
    size_t count = 0;

    while (sts_cache_take_due(cache, now_ms) != NULL)
        count++;
    return count;
}

/* A policy in mode enforce that takes more than `octets`. */
static void put_large(struct sts_cache *cache, const char *domain, size_t octets)
{
    static char body[65536];
    struct sts_policy *p;
    char err[100];
    size_t len = (size_t)sprintf(body, "version: STSv1\nmode: enforce\nmax_age: 600\n");

    for (size_t i = 0; i < octets / 64 + 1; i++)
        len += (size_t)sprintf(body + len, "mx: mx%zu.%.40s\n", i,
                               "a-rather-long-name-of-a-host.example.org");
    assert_int_equal(sts_policy_parse(body, len, &p, err, sizeof(err)), 0);
    assert_non_null(sts_cache_put(cache, domain, "1", p, body, len, 0, 0));
}

/* Large policies drive out each other, and none of those that everybody has. */
static void policies_are_counted_by_octets(void **state)
{
    struct sts_cache *cache = cache_of(1000);
    size_t small, max;
    char name[40];
    (void)state;

    put(cache, "testing.example", "testing", 600, 0);
    small = sts_cache_octets(cache);
    max = 100 * small + 200000;
    sts_cache_set_max_octets(cache, max);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "small%d.example", i);
        put(cache, name, "enforce", 600, 0);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "large%d.example", i);
        put_large(cache, name, 20000);
        assert_true(sts_cache_octets(cache) <= max);
        assert_true(in_force(cache, name, 0));
    }
    assert_false(in_force(cache, "testing.example", 0));
    assert_false(in_force(cache, "large0.example", 0));
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "small%d.example", i);
        assert_true(in_force(cache, name, 0));
    }
    /* A policy that grows, ends or is forgotten is counted as it is then. */
    put_large(cache, "small0.example", 10000);
    assert_true(sts_cache_octets(cache) <= max);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "large%d.example", i);
        sts_cache_forget(cache, name);
        snprintf(name, sizeof(name), "small%d.example", i);
        assert_false(in_force(cache, name, 600000));
    }
    assert_int_equal(sts_cache_octets(cache), 0);
    sts_cache_free(cache);
}

/* What is remembered of failures is bounded in octets too, and costs no policy its place. */
static void failures_are_counted_by_octets(void **state)
{
    struct sts_cache *cache = cache_of(100000);
    char name[40];
    (void)state;

    sts_cache_set_max_octets(cache, 100000);
    put(cache, "example.org", "enforce", 600, 0);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "failing%d.example", i);
        assert_non_null(
            sts_cache_fail(cache, name, "1", FINDINGS_STS_FETCH_ERROR, true, "no", 0, 300000));
    }
    assert_true(sts_cache_count(cache) > 100);
    assert_true(sts_cache_count(cache) < 100000 / sizeof(struct sts_cached));
    assert_true(in_force(cache, "example.org", 0));
    assert_non_null(sts_cache_find(cache, "failing1999.example", 0, false));
    assert_null(sts_cache_find(cache, "failing0.example", 0, false));
    /* Policies take their place, but for an eighth. */
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "policy%d.example", i);
        put(cache, name, "enforce", 600, 0);
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "failing%d.example", i);
        sts_cache_fail(cache, name, "1", FINDINGS_STS_FETCH_ERROR, true, "no", 0, 300000);
    }
    assert_true(in_force(cache, "policy1999.example", 0));
    assert_non_null(sts_cache_find(cache, "failing1999.example", 0, false));
    assert_non_null(sts_cache_find(cache, "failing1990.example", 0, false));
    sts_cache_free(cache);
}

static void due_for_refresh(void **state)
{
    const struct sts_cache_refresh refresh = {
        .age_ms = 100 * 1000, .retry_ms = 10 * 1000, .use_ms = 1000 * 1000};
    struct sts_cache *cache = cache_of(10);
    (void)state;

    sts_cache_set_refresh(cache, &refresh, 0);
    assert_true(sts_cache_next_due(cache) == INT64_MAX);
    put(cache, "a.example", "testing", 10000, 0);
    put(cache, "b.example", "enforce", 10000, 1000);
    put(cache, "short.example", "enforce", 120, 0);
    put(cache, "shortest.example", "enforce", 19, 0); /* left to those who ask */
    assert_int_equal(sts_cache_next_due(cache), 60 * 1000);
    assert_int_equal(take_all(cache, 59 * 1000), 0);
    assert_string_equal(sts_cache_take_due(cache, 60 * 1000), "short.example");
    assert_int_equal(take_all(cache, 60 * 1000), 0);
    put(cache, "short.example", "enforce", 120, 61 * 1000);
    assert_string_equal(sts_cache_take_due(cache, 101 * 1000), "a.example");
    assert_string_equal(sts_cache_take_due(cache, 101 * 1000), "b.example");
    assert_int_equal(take_all(cache, 101 * 1000), 0);
    /* The fetches failed: the next try comes later. */
    assert_int_equal(take_all(cache, 110 * 1000), 0);
    assert_int_equal(take_all(cache, 111 * 1000), 2);
    /* short has expired; the others were not used for too long, until one is. */
    assert_int_equal(take_all(cache, 1002 * 1000), 0);
    assert_non_null(sts_cache_find(cache, "b.example", 1002 * 1000, true));
    assert_int_equal(take_all(cache, 1012 * 1000), 1);
    /* An administrator wants them more often. */
    put(cache, "a.example", "testing", 10000, 2000 * 1000);
    assert_non_null(sts_cache_find(cache, "a.example", 2000 * 1000, true));
    assert_int_equal(take_all(cache, 2050 * 1000), 0);
    sts_cache_set_refresh(
        cache,
        &(struct sts_cache_refresh){.age_ms = 20 * 1000, .retry_ms = 1000, .use_ms = 1000 * 1000},
        2050 * 1000);
    assert_string_equal(sts_cache_take_due(cache, 2050 * 1000), "a.example");
    sts_cache_free(cache);
}

static uint32_t most(void *arg, uint32_t below)
{
    (void)arg;
    return below - 1;
}

/* What was found overdue at a start is spread over an hour, or half of what is left of its life. */
static void overdue_is_spread(void **state)
{
    const int64_t hour = 60 * 60 * 1000, day = 24 * hour;
    const struct sts_cache_refresh refresh = {
        .age_ms = day, .retry_ms = hour, .use_ms = 30 * day, .random = most};
    struct sts_cache *cache = cache_of(10);
    (void)state;

    sts_cache_set_refresh(cache, &refresh, 0);
    assert_int_equal(
        sts_cache_restore(cache, "long.example", "1", policy("enforce", 864000), -2 * day, 0, 0, 0),
        0);
    assert_int_equal(sts_cache_next_due(cache), hour - 1);
    assert_int_equal(sts_cache_restore(cache, "ending.example", "1", policy("enforce", 86400),
                                       hour - day, 0, 0, 0),
                     0);
    assert_int_equal(sts_cache_next_due(cache), hour / 2 - 1);
    put(cache, "young.example", "enforce", 86400, 0);
    assert_string_equal(sts_cache_take_due(cache, hour - 1), "ending.example");
    assert_string_equal(sts_cache_take_due(cache, hour - 1), "long.example");
    assert_true(sts_cache_next_due(cache) < 3 * hour);
    put(cache, "ending.example", "enforce", 86400, hour);
    put(cache, "long.example", "enforce", 864000, hour);
    assert_int_equal(sts_cache_next_due(cache), day / 2 - day / 16 + 1);
    sts_cache_free(cache);
}

struct told {
    int saved, used, removed;
    char domain[40];
};

static void on_saved(const struct sts_cached *entry, const char *body, size_t len, void *arg)
{
    struct told *told = arg;

    assert_memory_equal(body, "body", len);
    snprintf(told->domain, sizeof(told->domain), "%s", entry->domain);
    told->saved++;
}

static void on_used(const struct sts_cached *entry, void *arg)
{
    assert_non_null(entry->policy);
    ((struct told *)arg)->used++;
}

static void on_removed(const char *domain, void *arg)
{
    snprintf(((struct told *)arg)->domain, 40, "%s", domain);
    ((struct told *)arg)->removed++;
}

static void sink_is_told(void **state)
{
    struct sts_cache *cache = cache_of(2);
    struct told told = {0};
    const int64_t hour = 60 * 60 * 1000;
    (void)state;

    sts_cache_set_sink(cache, &(struct sts_cache_sink){on_saved, on_used, on_removed, &told});
    put(cache, "a.example", "enforce", 86400, 0);
    assert_int_equal(told.saved, 1);
    assert_string_equal(told.domain, "a.example");
    for (int i = 0; i < 100; i++)
        assert_non_null(sts_cache_find(cache, "a.example", i * 1000, true));
    assert_int_equal(told.used, 0);
    assert_non_null(sts_cache_find(cache, "a.example", hour, false));
    assert_int_equal(told.used, 0);
    assert_non_null(sts_cache_find(cache, "a.example", hour, true));
    assert_int_equal(told.used, 1);
    assert_int_equal(
        sts_cache_restore(cache, "b.example", "1", policy("enforce", 60), -1000, 5, 0, 0), 0);
    assert_int_equal(told.saved, 1);
    assert_false(in_force(cache, "b.example", 59 * 1000));
    assert_int_equal(told.removed, 1);
    assert_true(sts_cache_forget(cache, "a.example"));
    assert_int_equal(told.removed, 2);
    assert_false(sts_cache_forget(cache, "a.example"));
    sts_cache_free(cache); /* an end is no removal */
    assert_int_equal(told.removed, 2);
}

/* A policy of another host keeps the time of its fetch, here and for the sink; it is in use. */
static void taken_over(void **state)
{
    struct told told = {0};
    struct sts_cache *cache = cache_of(10);
    const struct sts_cached *cached;
    (void)state;

    sts_cache_set_sink(cache, &(struct sts_cache_sink){on_saved, on_used, on_removed, &told});
    fail_fetch(cache, "a.example", 40000);
    cached = sts_cache_take_over(cache, "a.example", "7", policy("enforce", 60), "body", 4, -10000,
                                 1234, 45000);
    assert_non_null(cached);
    assert_int_equal(told.saved, 1);
    assert_string_equal(cached->id, "7");
    assert_string_equal(cached->failed_id, "");
    assert_int_equal(cached->fetched_ms, -10000);
    assert_int_equal(cached->fetched_wall_s, 1234);
    assert_int_equal(cached->expires_ms, 50000);
    assert_true(in_force(cache, "a.example", 49999));
    assert_false(in_force(cache, "a.example", 50000));
    cached = sts_cache_take_over(cache, "b.example", "7", policy("enforce", 60), "body", 4, -10000,
                                 1234, 45000);
    assert_int_equal(cached->used_ms, 45000);
    sts_cache_free(cache);
}

static void warns_now_and_then(void **state)
{
    struct sts_cache *cache = cache_of(2);
    (void)state;

    assert_false(sts_cache_may_warn(cache, "a.example", 0, 100));
    put(cache, "a.example", "enforce", 86400, 0);
    assert_true(sts_cache_may_warn(cache, "a.example", 0, 100));
    assert_false(sts_cache_may_warn(cache, "a.example", 99, 100));
    assert_true(sts_cache_may_warn(cache, "a.example", 100, 100));
    sts_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_by_max_age),
        cmocka_unit_test(newer_policy_replaces),
        cmocka_unit_test(evicts_by_worth),
        cmocka_unit_test(a_failure_evicts_no_policy),
        cmocka_unit_test(nothing_less_evicts_an_enforce_policy),
        cmocka_unit_test(policies_are_counted_by_octets),
        cmocka_unit_test(failures_are_counted_by_octets),
        cmocka_unit_test(due_for_refresh),
        cmocka_unit_test(overdue_is_spread),
        cmocka_unit_test(sink_is_told),
        cmocka_unit_test(taken_over),
        cmocka_unit_test(warns_now_and_then),
    };

    return cmocka_run_group_tests_name("sts_cache", tests, NULL, NULL);
}
