/* The JSON reader: what it takes, what it refuses, and that it reads what the writer wrote. */
#include "base/json.h"
#include "base/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    int result;
} cases[] = {
    {"null", "null", 0},
    {"space around", " \r\n\t[ 1 , 2 ] ", 0},
    {"empty object", "{}", 0},
    {"number forms", "[0,-0,10,1.5,1e9,-2.5E-3]", 0},
    {"escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\udce7\"", 0},
    {"nothing", "", -EBADMSG},
    {"space only", "  ", -EBADMSG},
    {"two values", "1 2", -EBADMSG},
    {"leading zero", "01", -EBADMSG},
    {"bare minus", "-", -EBADMSG},
    {"dot without digits", "1.", -EBADMSG},
    {"exponent without digits", "1e+", -EBADMSG},
    {"plus", "+1", -EBADMSG},
    {"word", "nul", -EBADMSG},
    {"trailing comma in array", "[1,]", -EBADMSG},
    {"trailing comma in object", "{\"a\":1,}", -EBADMSG},
    {"no colon", "{\"a\" 1}", -EBADMSG},
    {"key not a string", "{1:1}", -EBADMSG},
    {"wrong bracket", "[1}", -EBADMSG},
    {"open array", "[[[[", -EBADMSG},
    {"open string", "\"abc", -EBADMSG},
    {"open escape", "\"\\", -EBADMSG},
    {"unknown escape", "\"\\x\"", -EBADMSG},
    {"short unicode", "\"\\u00e\"", -EBADMSG},
    {"zero in a string", "\"\\u0000\"", -EBADMSG},
    {"lone high surrogate", "\"\\ud83d\"", -EBADMSG},
    {"lone low surrogate", "\"\\udce7\"", -EBADMSG},
    {"control in a string", "\"a\nb\"", -EBADMSG},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_doc *doc = NULL;
        /* In memory of its own, so that a read past the end is seen. */
        size_t len = strlen(cases[i].text);
        char *copy = malloc(len ? len : 1);
        memcpy(copy, cases[i].text, len);
        int result = json_read(copy, len, &doc);
        free(copy);
        if (result != cases[i].result)
            fail_msg("%s: %d, not %d", cases[i].name, result, cases[i].result);
        json_doc_free(doc);
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[200];
    for (int depth = 30; depth <= 40; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        struct json_doc *doc = NULL;
        assert_int_equal(json_read(text, (size_t)(2 * depth), &doc), depth <= 32 ? 0 : -EBADMSG);
        json_doc_free(doc);
    }
}

static void test_access(void **state)
{
    (void)state;
    static const char text[] =
        "{\"name\":\"m\\u00fcller\",\"n\":-12,\"yes\":true,\"list\":[1,\"b\"],"
        "\"inner\":{\"deep\":\"x\"}}";
    struct json_doc *doc;
    assert_int_equal(json_read(text, strlen(text), &doc), 0);
    const struct json_value *root = json_root(doc);
    assert_string_equal(json_text(json_get(root, "name")), "m\xc3\xbcller");
    assert_int_equal(json_number(json_get(root, "n"), 7), -12);
    assert_int_equal(json_number(json_get(root, "name"), 7), 7);
    assert_true(json_is_true(json_get(root, "yes")));
    assert_false(json_is_true(json_get(root, "n")));
    assert_string_equal(json_text(json_get(json_get(root, "inner"), "deep")), "x");
    assert_null(json_get(json_get(root, "none"), "deep"));
    assert_null(json_text(NULL));
    const struct json_value *list = json_get(root, "list");
    assert_int_equal(json_number(list->first, 0), 1);
    assert_string_equal(json_text(list->first->next), "b");
    assert_null(list->first->next->next);
    json_doc_free(doc);
}

/* What the writer makes of any octets is JSON, and reads as valid UTF-8 again. */
static void test_round_trip(void **state)
{
    (void)state;
    struct json json;
    const char *text;
    size_t len;
    char all[255];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)(i + 1);
    json_init(&json, 1 << 20);
    json_string_n(&json, all, sizeof(all));
    assert_int_equal(json_finish(&json, &text, &len), 0);
    struct json_doc *doc;
    assert_int_equal(json_read(text, len, &doc), 0);
    const char *back = json_text(json_root(doc));
    assert_memory_equal(back, all, 0x7f);
    assert_int_equal(strlen(back), 0x7f + 3 * 0x80);
    json_doc_free(doc);
    json_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
