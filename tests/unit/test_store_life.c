/* How long a stored policy still lives, whatever the wall clock says. */
#include "store/store_life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW INT64_C(1800000000)
#define MAX_AGE (30 * DAY)

enum { DAY = 86400, YEAR = 365 * DAY, WEEK = 7 * DAY };

static void table(void **state)
{
    static const struct {
        const char *name;
        int64_t age_s;
        uint32_t max_age_s;
        unsigned doubts;
        enum store_life_value value;
        uint32_t left_s;
    } cases[] = {
        {"just fetched", 0, MAX_AGE, 0, STORE_LIFE_ALIVE, MAX_AGE},
        {"a day old", DAY, MAX_AGE, 0, STORE_LIFE_ALIVE, 29 * DAY},
        {"the last second", MAX_AGE - 1, MAX_AGE, 0, STORE_LIFE_ALIVE, 1},
        {"just over", MAX_AGE, MAX_AGE, 0, STORE_LIFE_OVER, 0},
        {"over since a month", 60 * DAY, MAX_AGE, 0, STORE_LIFE_OVER, 0},
        {"over since almost half a year", 212 * DAY, MAX_AGE, 0, STORE_LIFE_OVER, 0},
        {"clock a year ahead now", YEAR + DAY, MAX_AGE, 0, STORE_LIFE_DOUBTFUL, WEEK},
        {"clock fifty years ahead", 50L * YEAR, MAX_AGE, 0, STORE_LIFE_DOUBTFUL, WEEK},
        {"a year ahead, but long-lived", YEAR - DAY, YEAR, 0, STORE_LIFE_ALIVE, DAY},
        {"clock corrected by a minute", -60, MAX_AGE, 0, STORE_LIFE_ALIVE, MAX_AGE},
        {"clock corrected by a day", -DAY, MAX_AGE, 0, STORE_LIFE_ALIVE, MAX_AGE},
        {"from the day after tomorrow", -2 * DAY, MAX_AGE, 0, STORE_LIFE_DOUBTFUL, WEEK},
        {"clock was a year ahead then", -YEAR, MAX_AGE, 0, STORE_LIFE_DOUBTFUL, WEEK},
        {"clock is at 1970 now", -NOW, MAX_AGE, 0, STORE_LIFE_DOUBTFUL, WEEK},
        {"short-lived, clock a year off", -YEAR, 3600, 0, STORE_LIFE_DOUBTFUL, 3600},
        {"second doubt", -YEAR, MAX_AGE, 1, STORE_LIFE_DOUBTFUL, WEEK},
        {"third doubt", -YEAR, MAX_AGE, 2, STORE_LIFE_DOUBTFUL, WEEK},
        {"no fourth doubt", -YEAR, MAX_AGE, 3, STORE_LIFE_OVER, 0},
        {"no fourth doubt, other way", YEAR * 2, MAX_AGE, 3, STORE_LIFE_OVER, 0},
        {"doubts do not matter while alive", DAY, MAX_AGE, 3, STORE_LIFE_ALIVE, 29 * DAY},
        {"max_age 0", 0, 0, 0, STORE_LIFE_OVER, 0},
        {"max_age 0, clock off", -YEAR, 0, 0, STORE_LIFE_OVER, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_life life =
            store_life(NOW, NOW - cases[i].age_s, cases[i].max_age_s, cases[i].doubts);

        if (life.value != cases[i].value || life.left_s != cases[i].left_s)
            fail_msg("%s: %d, %u s left", cases[i].name, (int)life.value, life.left_s);
        if (life.value != STORE_LIFE_DOUBTFUL) {
            assert_int_equal(life.fetched_at_s, NOW - cases[i].age_s);
            assert_int_equal(life.doubts, cases[i].doubts);
        }
    }
}

/* What a doubtful row is rewritten to runs out as told, on a clock that goes on from now. */
static void doubt_ends(void **state)
{
    struct store_life first = store_life(NOW, NOW + YEAR, MAX_AGE, 0);
    struct store_life again = store_life(NOW + DAY, first.fetched_at_s, MAX_AGE, first.doubts);

    (void)state;
    assert_int_equal(again.value, STORE_LIFE_ALIVE);
    assert_int_equal(again.left_s, 6 * DAY);
    again = store_life(NOW + WEEK, first.fetched_at_s, MAX_AGE, first.doubts);
    assert_int_equal(again.value, STORE_LIFE_OVER);
}

/* However often and far the clock jumps, without a fetch every policy ends. */
static void no_eternal_life(void **state)
{
    static const int64_t jumps[] = {-YEAR, 3L * YEAR, 0, -50L * YEAR, 80L * YEAR, -2 * DAY};
    int64_t now = NOW, fetched_at = NOW;
    unsigned doubts = 0, restarts = 0;

    (void)state;
    for (; restarts < 100; restarts++) {
        struct store_life life;

        now += jumps[restarts % (sizeof(jumps) / sizeof(jumps[0]))] + DAY;
        life = store_life(now, fetched_at, MAX_AGE, doubts);
        if (life.value == STORE_LIFE_OVER)
            break;
        fetched_at = life.fetched_at_s;
        doubts = life.doubts;
    }
    assert_true(restarts < 10);
}

static void absurd_times(void **state)
{
    (void)state;
    assert_int_equal(store_life(NOW, INT64_MAX, MAX_AGE, 0).value, STORE_LIFE_OVER);
    assert_int_equal(store_life(NOW, INT64_MIN, MAX_AGE, 0).value, STORE_LIFE_OVER);
    assert_int_equal(store_life(INT64_MAX, NOW, MAX_AGE, 0).value, STORE_LIFE_OVER);
    assert_int_equal(store_life(INT64_MIN, NOW, MAX_AGE, 0).value, STORE_LIFE_OVER);
    /* a clock at 1970 leads to a time before it, which is understood again */
    assert_int_equal(store_life(60, store_life(0, NOW, MAX_AGE, 0).fetched_at_s, MAX_AGE, 1).left_s,
                     WEEK - 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(doubt_ends),
        cmocka_unit_test(no_eternal_life),
        cmocka_unit_test(absurd_times),
    };

    return cmocka_run_group_tests_name("store_life", tests, NULL, NULL);
}
