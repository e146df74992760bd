/* Which next-hops had DANE: for 30 days, hundreds of thousands of them, within bounds. */
#include "findings/dane_seen.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S INT64_C(1800000000)
#define DAY_S INT64_C(86400)

struct told {
    size_t seen, forgotten;
    bool refuse;
    uint64_t key;
};

static bool on_seen(uint64_t key, int64_t seen_at_s, void *arg)
{
    struct told *told = arg;

    (void)seen_at_s;
    told->seen++;
    told->key = key;
    return !told->refuse;
}

static void on_forgotten(uint64_t key, void *arg)
{
    struct told *told = arg;

    told->forgotten++;
    told->key = key;
}

static struct dane_seen *seen_new(struct told *told)
{
    struct dane_seen *seen;

    assert_int_equal(dane_seen_new(&seen), 0);
    *told = (struct told){0};
    dane_seen_set_sink(seen, &(struct dane_seen_sink){on_seen, on_forgotten, told});
    return seen;
}

static void counts_for_30_days(void **state)
{
    struct told told;
    struct dane_seen *seen = seen_new(&told);

    (void)state;
    assert_false(dane_seen_has(seen, "example.org", NOW_S));
    assert_true(dane_seen_add(seen, "example.org", NOW_S));
    assert_true(dane_seen_has(seen, "example.org", NOW_S));
    assert_false(dane_seen_has(seen, "[example.org]", NOW_S));
    assert_true(dane_seen_has(seen, "example.org", NOW_S + 30 * DAY_S - 60));
    assert_false(dane_seen_has(seen, "example.org", NOW_S + 30 * DAY_S + 60));
    /* A clock that jumped is not believed. */
    assert_true(dane_seen_has(seen, "example.org", NOW_S - 400 * DAY_S));
    assert_true(dane_seen_has(seen, "example.org", NOW_S + 400 * DAY_S));
    dane_seen_free(seen);
}

static void the_store_is_told_once_a_day(void **state)
{
    struct told told;
    struct dane_seen *seen = seen_new(&told);

    (void)state;
    for (int i = 0; i < 100; i++)
        dane_seen_add(seen, "example.org", NOW_S + i * 600);
    assert_int_equal(told.seen, 1);
    assert_int_equal(told.key, dane_seen_key("example.org"));
    dane_seen_add(seen, "example.org", NOW_S + DAY_S);
    assert_int_equal(told.seen, 2);
    /* What could not be noted is told again. */
    told.refuse = true;
    dane_seen_add(seen, "example.net", NOW_S);
    dane_seen_add(seen, "example.net", NOW_S);
    assert_int_equal(told.seen, 4);
    /* What came from the store is there. */
    assert_true(dane_seen_restore(seen, dane_seen_key("example.com"), NOW_S - 100, NOW_S));
    dane_seen_add(seen, "example.com", NOW_S);
    assert_int_equal(told.seen, 4);
    assert_false(dane_seen_restore(seen, 0, NOW_S, NOW_S));
    dane_seen_free(seen);
}

static void forgotten(void **state)
{
    struct told told;
    struct dane_seen *seen = seen_new(&told);

    (void)state;
    dane_seen_add(seen, "example.org", NOW_S);
    assert_true(dane_seen_forget(seen, "example.org"));
    assert_int_equal(told.forgotten, 1);
    assert_false(dane_seen_has(seen, "example.org", NOW_S));
    assert_false(dane_seen_forget(seen, "example.org"));
    assert_int_equal(told.forgotten, 1);
    dane_seen_free(seen);
}

/* Removal closes gaps: whatever order things come and go in, the rest is found. */
static void comes_and_goes(void **state)
{
    enum { NAMES = 500 };
    struct told told;
    struct dane_seen *seen = seen_new(&told);
    bool there[NAMES] = {false};
    size_t count = 0;
    char name[40];

    (void)state;
    srand(1);
    for (int i = 0; i < 50000; i++) {
        int n = rand() % NAMES;

        snprintf(name, sizeof(name), "d%d.example", n);
        if (there[n])
            assert_true(dane_seen_forget(seen, name));
        else
            assert_true(dane_seen_add(seen, name, NOW_S));
        there[n] = !there[n];
        count += there[n] ? 1 : (size_t)-1;
        assert_int_equal(dane_seen_count(seen), count);
        n = rand() % NAMES;
        snprintf(name, sizeof(name), "d%d.example", n);
        assert_int_equal(dane_seen_has(seen, name, NOW_S), there[n]);
    }
    dane_seen_free(seen);
}

static void count_each(uint64_t key, int64_t seen_at_s, void *arg)
{
    assert_true(key != 0);
    assert_true(seen_at_s <= NOW_S && seen_at_s > NOW_S - 60);
    ++*(size_t *)arg;
}

/* 700,000 next-hops in 16 MB; then what is known stays, and what is over makes room. */
static void hundreds_of_thousands(void **state)
{
    struct told told;
    size_t before = (size_t)mallinfo2().uordblks + (size_t)mallinfo2().hblkhd;
    struct dane_seen *seen = seen_new(&told);
    size_t count = 0;
    char name[40];

    (void)state;
    for (int i = 0; i < DANE_SEEN_MAX; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        assert_true(dane_seen_add(seen, name, NOW_S));
    }
    assert_true((size_t)mallinfo2().uordblks + (size_t)mallinfo2().hblkhd - before < 17 << 20);
    assert_false(dane_seen_add(seen, "one-more.example", NOW_S));
    assert_int_equal(told.seen, DANE_SEEN_MAX);
    assert_true(dane_seen_has(seen, "d0.example", NOW_S));
    assert_true(dane_seen_add(seen, "d1.example", NOW_S));
    dane_seen_each(seen, count_each, &count);
    assert_int_equal(count, DANE_SEEN_MAX);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        dane_seen_add(seen, name, NOW_S + 10 * DAY_S);
    }
    assert_true(dane_seen_add(seen, "one-more.example", NOW_S + 31 * DAY_S));
    assert_true(dane_seen_count(seen) >= 1001 && dane_seen_count(seen) <= 1001 + 10);
    assert_true(dane_seen_has(seen, "d999.example", NOW_S + 31 * DAY_S));
    dane_seen_free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_for_30_days),
        cmocka_unit_test(the_store_is_told_once_a_day),
        cmocka_unit_test(forgotten),
        cmocka_unit_test(comes_and_goes),
        cmocka_unit_test(hundreds_of_thousands),
    };

    return cmocka_run_group_tests_name("dane_seen", tests, NULL, NULL);
}
