/* Memory that is given back all at once: what it returns is zeroed, aligned, and kept apart. */
#include "policy/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void empty_is_all_zeros(void **state)
{
    struct arena arena = {0};

    (void)state;
    assert_non_null(arena_zalloc(&arena, 0)); /* with no block yet */
    assert_int_not_equal(arena.octets, 0);    /* now it lies in one */
    assert_non_null(arena_copy(&arena, NULL, 0));
    arena_fini(&arena);
    assert_int_equal(arena.octets, 0);
    arena_fini(&arena);
}

static void pieces_lie_apart(void **state)
{
    static const size_t lens[] = {0, 1, 15, 16, 17, 1999, 2000, 2001, 70000, 3};
    unsigned char *pieces[sizeof(lens) / sizeof(lens[0])];
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        pieces[i] = arena_zalloc(&arena, lens[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        for (size_t k = 0; k < lens[i]; k++)
            assert_int_equal(pieces[i][k], 0);
        memset(pieces[i], (int)i + 1, lens[i]);
    }
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
        for (size_t k = 0; k < lens[i]; k++)
            assert_int_equal(pieces[i][k], i + 1);
    assert_null(arena_zalloc(&arena, SIZE_MAX));
    arena_fini(&arena);
}

static void strings(void **state)
{
    struct arena arena = {0};

    (void)state;
    assert_string_equal(arena_string(&arena, "example.org"), "example.org");
    assert_string_equal(arena_string_part(&arena, "example.org", 7), "example");
    assert_string_equal(arena_string_part(&arena, "example.org", 0), "");
    arena_fini(&arena);
}

static void array_grows(void **state)
{
    struct arena arena = {0};
    size_t *array = NULL;

    (void)state;
    for (size_t count = 0; count < 1000; count++) {
        array = arena_grow(&arena, array, count, sizeof(*array));
        assert_non_null(array);
        array[count] = count;
        for (size_t i = 0; i <= count; i++)
            assert_int_equal(array[i], i);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_all_zeros),
        cmocka_unit_test(pieces_lie_apart),
        cmocka_unit_test(strings),
        cmocka_unit_test(array_grows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
