/* The keys under which servers have the rows of the shared cache. */
#include "store/shared_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void row_keys(void **state)
{
    char key[SHARED_KEY_MAX + 1], name[SHARED_NAME_MAX + 2];

    (void)state;
    assert_int_equal(shared_key_text(SHARED_POLICY, "example.org", key), 31);
    assert_string_equal(key, "requiretls:1:policy:example.org");
    assert_int_equal(shared_key_text(SHARED_PROBE, "mx.example.org 192.0.2.1:25 a b", key), 50);
    assert_string_equal(key, "requiretls:1:probe:mx.example.org 192.0.2.1:25 a b");
    memset(name, 'a', sizeof(name));
    name[SHARED_NAME_MAX] = '\0';
    assert_int_equal(shared_key_text(SHARED_POLICY, name, key), 20 + SHARED_NAME_MAX);
    assert_int_equal(strlen(key), 20 + SHARED_NAME_MAX);
    name[SHARED_NAME_MAX] = 'a';
    name[SHARED_NAME_MAX + 1] = '\0';
    assert_int_equal(shared_key_text(SHARED_POLICY, name, key), 0);
    assert_string_equal(key, "");
}

static void row_keys_that_are_none(void **state)
{
    static const char *const names[] = {"", "a\nb", "a\rb", "a\tb", "\x7f", "ex\xc3\xa4mple"};
    char key[SHARED_KEY_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        strcpy(key, "something");
        assert_int_equal(shared_key_text(SHARED_POLICY, names[i], key), 0);
        assert_string_equal(key, "");
    }
    assert_int_equal(shared_key_text((enum shared_kind)0, "example.org", key), 0);
    assert_int_equal(shared_key_text((enum shared_kind)3, "example.org", key), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_keys),
        cmocka_unit_test(row_keys_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
