/* seen_ids.c: what is remembered, what is forgotten, by many threads at once. */
#include "dsn/seen_ids.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void remembers(void **state)
{
    struct seen_ids *ids = seen_ids_new(4);

    (void)state;
    assert_non_null(ids);
    assert_false(seen_ids_contains(ids, "4bABC"));
    assert_true(seen_ids_add(ids, "4bABC"));
    assert_true(seen_ids_contains(ids, "4bABC"));
    assert_false(seen_ids_contains(ids, "4bABc"));
    assert_false(seen_ids_contains(ids, "4bAB"));
    seen_ids_free(ids);
}

static void odd_ids(void **state)
{
    struct seen_ids *ids = seen_ids_new(4);
    static const char longest[] = "012345678901234567890123456789abcde";
    static const char longer[] = "012345678901234567890123456789abcdef";

    (void)state;
    assert_int_equal(strlen(longest), SEEN_IDS_LEN_MAX);
    assert_false(seen_ids_add(ids, ""));
    assert_false(seen_ids_contains(ids, ""));
    assert_true(seen_ids_add(ids, longest));
    assert_true(seen_ids_contains(ids, longest));
    assert_false(seen_ids_add(ids, longer));
    assert_false(seen_ids_contains(ids, longer));
    seen_ids_remove(ids, longer);
    seen_ids_free(ids);
    assert_null(seen_ids_new(0));
    assert_null(seen_ids_new(((size_t)1 << 24) + 1));
}

static void forgets_the_oldest(void **state)
{
    struct seen_ids *ids = seen_ids_new(3);

    (void)state;
    seen_ids_add(ids, "a");
    seen_ids_add(ids, "b");
    seen_ids_add(ids, "c");
    seen_ids_add(ids, "a"); /* the newest now */
    seen_ids_add(ids, "d");
    assert_true(seen_ids_contains(ids, "a"));
    assert_true(seen_ids_contains(ids, "d"));
    assert_true(seen_ids_contains(ids, "c"));
    assert_false(seen_ids_contains(ids, "b"));
    seen_ids_free(ids);
}

static void removes(void **state)
{
    struct seen_ids *ids = seen_ids_new(2);

    (void)state;
    seen_ids_add(ids, "a");
    seen_ids_remove(ids, "a");
    seen_ids_remove(ids, "never there");
    assert_false(seen_ids_contains(ids, "a"));
    seen_ids_add(ids, "b");
    seen_ids_add(ids, "c");
    seen_ids_add(ids, "d");
    assert_false(seen_ids_contains(ids, "b"));
    assert_true(seen_ids_contains(ids, "c"));
    assert_true(seen_ids_contains(ids, "d"));
    seen_ids_free(ids);
}

/* Against a plain model: the last CAPACITY distinct ids. */
static void many(void **state)
{
    enum { CAPACITY = 1000, N = 20000 };
    struct seen_ids *ids = seen_ids_new(CAPACITY);
    char id[32];

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(id, sizeof(id), "4b%X", i);
        assert_true(seen_ids_add(ids, id));
    }
    for (int i = 0; i < N; i++) {
        snprintf(id, sizeof(id), "4b%X", i);
        assert_int_equal(seen_ids_contains(ids, id), i >= N - CAPACITY);
    }
    seen_ids_free(ids);
}

struct worker {
    struct seen_ids *ids;
    int number;
    int lost;
    atomic_bool stop;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    char id[32];

    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof(id), "%d-%d", worker->number, i);
        seen_ids_add(worker->ids, id);
        if (!seen_ids_contains(worker->ids, id))
            worker->lost++;
        if (i % 2)
            seen_ids_remove(worker->ids, id);
    }
    return NULL;
}

static void from_many_threads(void **state)
{
    enum { THREADS = 4 };
    struct seen_ids *ids = seen_ids_new(THREADS * 5000);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.ids = ids, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].lost, 0);
    }
    assert_true(seen_ids_contains(ids, "0-0"));
    assert_false(seen_ids_contains(ids, "0-1"));
    seen_ids_free(ids);
}

static void *look_again_and_again(void *arg)
{
    struct worker *worker = arg;

    while (!atomic_load(&worker->stop))
        worker->lost += !seen_ids_contains(worker->ids, "4bXyZ");
    return NULL;
}

/* One that is there is found at any moment, also while it becomes the newest. */
static void an_id_that_comes_again_is_never_missed(void **state)
{
    struct worker looking = {.ids = seen_ids_new(10)};
    pthread_t thread;

    (void)state;
    assert_true(seen_ids_add(looking.ids, "4bXyZ"));
    assert_int_equal(pthread_create(&thread, NULL, look_again_and_again, &looking), 0);
    for (int i = 0; i < 300000; i++)
        seen_ids_add(looking.ids, "4bXyZ");
    atomic_store(&looking.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(looking.lost, 0);
    seen_ids_free(looking.ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers),
        cmocka_unit_test(odd_ids),
        cmocka_unit_test(forgets_the_oldest),
        cmocka_unit_test(removes),
        cmocka_unit_test(many),
        cmocka_unit_test(from_many_threads),
        cmocka_unit_test(an_id_that_comes_again_is_never_missed),
    };

    return cmocka_run_group_tests_name("seen_ids", tests, NULL, NULL);
}
