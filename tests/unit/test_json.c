/* The JSON writer: structure, escapes, foreign octets, bounds. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

static void test_structure(void **state)
{
    (void)state;
    struct json json;
    const char *text;
    size_t len;
    json_init(&json, 4096);
    json_object_begin(&json);
    json_key(&json, "empty");
    json_array_begin(&json);
    json_array_end(&json);
    json_key(&json, "list");
    json_array_begin(&json);
    json_int(&json, -1);
    json_bool(&json, true);
    json_null(&json);
    json_object_begin(&json);
    json_object_end(&json);
    json_raw(&json, "{\"a\":1}", 7);
    json_array_end(&json);
    json_key(&json, "hex");
    json_hex(&json, (const uint8_t *)"\x00\xab\x7f", 3);
    json_key(&json, "none");
    json_string(&json, NULL);
    json_object_end(&json);
    assert_int_equal(json_finish(&json, &text, &len), 0);
    assert_string_equal(text,
                        "{\"empty\":[],\"list\":[-1,true,null,{},{\"a\":1}],\"hex\":\"00ab7f\","
                        "\"none\":null}");
    assert_int_equal(len, strlen(text));
    json_fini(&json);
}

static const struct {
    const char *name;
    const char *in;
    size_t len;
    const char *out;
} strings[] = {
    {"plain", "abc", 3, "\"abc\""},
    {"empty", "", 0, "\"\""},
    {"quote and backslash", "a\"b\\c", 5, "\"a\\\"b\\\\c\""},
    {"controls", "\n\r\t\x1b\x01", 5, "\"\\n\\u000d\\u0009\\u001b\\u0001\""},
    {"zero octet", "a\0b", 3, "\"a\\u0000b\""},
    {"DEL", "\x7f", 1, "\"\\u007f\""},
    {"UTF-8 passes", "m\xc3\xbcller", 7, "\"m\xc3\xbcller\""},
    {"four octets pass", "\xf0\x9f\x93\xa7", 4, "\"\xf0\x9f\x93\xa7\""},
    {"last code point", "\xf4\x8f\xbf\xbf", 4, "\"\xf4\x8f\xbf\xbf\""},
    {"beyond the last", "\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"C1 control", "\xc2\x9b", 2, "\"\\u009b\""},
    {"Latin-1", "m\xfcller", 6, "\"m\\ufffdller\""},
    {"cut sequence", "a\xe2\x82", 3, "\"a\\ufffd\\ufffd\""},
    {"over-long slash", "\xc0\xaf", 2, "\"\\ufffd\\ufffd\""},
    {"over-long three", "\xe0\x80\xaf", 3, "\"\\ufffd\\ufffd\\ufffd\""},
    {"over-long four", "\xf0\x80\x80\xaf", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"surrogate", "\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\""},
    {"lone continuation", "\x80\xbf", 2, "\"\\ufffd\\ufffd\""},
    {"0xff", "\xff\xfe", 2, "\"\\ufffd\\ufffd\""},
};

static void test_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        struct json json;
        const char *text;
        json_init(&json, 4096);
        json_string_n(&json, strings[i].in, strings[i].len);
        assert_int_equal(json_finish(&json, &text, NULL), 0);
        if (strcmp(text, strings[i].out) != 0)
            fail_msg("%s: %s, not %s", strings[i].name, text, strings[i].out);
        json_fini(&json);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct json json;
    const char *text;
    json_init(&json, 5);
    json_string(&json, "abc");
    assert_int_equal(json_finish(&json, &text, NULL), 0);
    assert_string_equal(text, "\"abc\"");
    json_fini(&json);

    json_init(&json, 5);
    json_string(&json, "abcd");
    json_string(&json, "");
    assert_int_equal(json_finish(&json, &text, NULL), -EMSGSIZE);
    json_fini(&json);

    /* Growth over several sizes of the buffer keeps every octet. */
    json_init(&json, 1 << 20);
    json_array_begin(&json);
    for (int i = 0; i < 10000; i++)
        json_int(&json, i % 10);
    json_array_end(&json);
    size_t len;
    assert_int_equal(json_finish(&json, &text, &len), 0);
    assert_int_equal(len, 20001);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(text[1 + 2 * i], '0' + (int)(i % 10));
    json_fini(&json);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        int64_t when_s;
        const char *out;
    } rows[] = {
        {0, "\"1970-01-01T00:00:00Z\""},
        {1795931125, "\"2026-11-29T05:45:25Z\""},
        {253402300799, "\"9999-12-31T23:59:59Z\""},
        {253402300800, "null"},
        {-62167219201, "null"},
        {INT64_MAX, "null"},
        {INT64_MIN, "null"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json json;
        const char *text;
        json_init(&json, 4096);
        json_time(&json, rows[i].when_s);
        assert_int_equal(json_finish(&json, &text, NULL), 0);
        assert_string_equal(text, rows[i].out);
        json_fini(&json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
