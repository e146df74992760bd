/* resolver_pace.c: whether the resolver is slow, or the destinations of some queries are. */
#include "dns/resolver_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SLOTS = 320, FEW = 10, SLOW_MS = 250 };

static struct resolver_pace fresh(void)
{
    struct resolver_pace pace;

    resolver_pace_init(&pace);
    resolver_pace_configure(&pace, SLOTS, SLOW_MS);
    return pace;
}

/* So many answers at one time to what was sent at another. */
static void answers(struct resolver_pace *pace, int count, int64_t sent_ms, int64_t now_ms)
{
    for (int i = 0; i < count; i++)
        resolver_pace_answered(pace, sent_ms, now_ms);
}

static void without_answers(void **state)
{
    struct resolver_pace pace = fresh();

    (void)state;
    assert_int_equal(resolver_pace_since(&pace, 1000, 1250), RESOLVER_QUIET);
    answers(&pace, FEW - 1, 1000, 1010);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1250), RESOLVER_QUIET);
    resolver_pace_probed(&pace, 1001);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1250), RESOLVER_PROMPT);
    assert_int_equal(resolver_pace_since(&pace, 1001, 1251), RESOLVER_QUIET);
}

/* What is sent after the slow ones is answered at once. */
static void slow_destinations(void **state)
{
    struct resolver_pace pace = fresh();

    (void)state;
    answers(&pace, 2 * FEW, 1000, 1020);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1250), RESOLVER_LATE); /* not shown yet */
    answers(&pace, 1, 1020, 1040);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1250), RESOLVER_PROMPT);
}

/* All is answered in order, 800 a second, with 400 before it: what is sent later is answered later.
 */
static void overloaded(void **state)
{
    struct resolver_pace pace = fresh();

    (void)state;
    for (int64_t now_ms = 1000; now_ms < 3000; now_ms += 10) {
        int64_t sent_ms = now_ms < 1500 ? 1000 : now_ms - 500, first_ms = now_ms - 490;

        answers(&pace, 8, sent_ms, now_ms);
        if (first_ms < 1000)
            first_ms = 1000;
        if (now_ms - first_ms >= SLOW_MS)
            assert_int_equal(resolver_pace_since(&pace, first_ms, now_ms), RESOLVER_LATE);
    }
}

/* It knows some answers already, and gives these promptly, but most not. */
static void overloaded_with_a_cache(void **state)
{
    struct resolver_pace pace = fresh();

    (void)state;
    answers(&pace, 2 * FEW, 1000, 1400);
    answers(&pace, FEW, 1390, 1400);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1400), RESOLVER_LATE);
    answers(&pace, 2 * FEW, 1390, 1400);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1400), RESOLVER_PROMPT);
}

/* Late answers count for twice slow_ms at most. */
static void recovered(void **state)
{
    struct resolver_pace pace = fresh();

    (void)state;
    answers(&pace, 4 * FEW, 1000, 1600);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1600 + 2 * SLOW_MS - 1), RESOLVER_LATE);
    assert_int_equal(resolver_pace_since(&pace, 1000, 1600 + 2 * SLOW_MS), RESOLVER_QUIET);
    answers(&pace, FEW, 1850, 1860); /* another window; what was before it still counts */
    assert_int_equal(resolver_pace_since(&pace, 1000, 1860), RESOLVER_LATE);
    answers(&pace, FEW, 2100, 2120);
    assert_int_equal(resolver_pace_since(&pace, 1000, 2120), RESOLVER_PROMPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_answers), cmocka_unit_test(slow_destinations),
        cmocka_unit_test(overloaded),      cmocka_unit_test(overloaded_with_a_cache),
        cmocka_unit_test(recovered),
    };

    return cmocka_run_group_tests_name("resolver_pace", tests, NULL, NULL);
}
