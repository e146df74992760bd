/*
 * A table that knows which entry was used least recently: the order, octets, and keys that move.
 */
#include "base/lru.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ENTRIES = 3 };

struct fixture {
    struct lru lru;
    struct lru_entry entries[ENTRIES];
};

static const char *const keys[ENTRIES] = {"a", "b", "c"};

/* Entries a, b and c, added in that order, of 1, 2 and 3 octets. */
static void begin(struct fixture *f)
{
    assert_int_equal(lru_init(&f->lru), 0);
    for (size_t i = 0; i < ENTRIES; i++)
        lru_add(&f->lru, &f->entries[i], keys[i], i + 1);
}

/* The keys, least recently used first. */
static void expect_order(const struct fixture *f, const char *wanted)
{
    char order[ENTRIES + 1] = "";

    for (struct lru_entry *e = lru_first(&f->lru); e != NULL; e = lru_next(&f->lru, e))
        strcat(order, e->node.key);
    assert_string_equal(order, wanted);
}

static void use_makes_it_the_last(void **state)
{
    struct fixture f;
    (void)state;

    begin(&f);
    expect_order(&f, "abc");
    lru_use(&f.lru, &f.entries[0]);
    expect_order(&f, "bca");
    lru_use(&f.lru, &f.entries[0]);
    expect_order(&f, "bca");
    lru_fini(&f.lru);
}

static void counts_and_octets(void **state)
{
    struct fixture f;
    (void)state;

    begin(&f);
    assert_int_equal(lru_count(&f.lru), 3);
    assert_int_equal(lru_octets(&f.lru), 6);
    lru_remove(&f.lru, &f.entries[1], 2);
    assert_int_equal(lru_count(&f.lru), 2);
    assert_int_equal(lru_octets(&f.lru), 4);
    assert_null(lru_find(&f.lru, "b"));
    expect_order(&f, "ac");
    lru_remove(&f.lru, &f.entries[0], 1);
    lru_remove(&f.lru, &f.entries[2], 3);
    assert_null(lru_first(&f.lru));
    assert_int_equal(lru_octets(&f.lru), 0);
    lru_fini(&f.lru);
}

/* What is put in anew has not been used by that. */
static void another_key_is_no_use(void **state)
{
    char moved[] = "a";
    struct fixture f;
    (void)state;

    begin(&f);
    lru_rekey(&f.lru, &f.entries[0], moved, 10, 1);
    assert_ptr_equal(lru_find(&f.lru, "a"), &f.entries[0]);
    assert_ptr_equal(f.entries[0].node.key, moved);
    assert_int_equal(lru_count(&f.lru), 3);
    assert_int_equal(lru_octets(&f.lru), 15);
    expect_order(&f, "abc");
    lru_fini(&f.lru);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_makes_it_the_last),
        cmocka_unit_test(counts_and_octets),
        cmocka_unit_test(another_key_is_no_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
