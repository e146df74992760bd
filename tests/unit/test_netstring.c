/* Netstrings: every malformed length, split at every octet, pipelined. */
#include "base/netstring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 1000 };

static const struct {
    const char *name;
    const char *in;
    size_t len; /* 0: strlen */
    enum netstring_result result;
    const char *data;
    size_t used;
} cases[] = {
    {"plain", "5:hello,", 0, NETSTRING_OK, "hello", 8},
    {"empty", "0:,", 0, NETSTRING_OK, "", 3},
    {"another follows", "3:abc,3:def,", 0, NETSTRING_OK, "abc", 6},
    {"holds its own syntax", "6:3:abc,,", 0, NETSTRING_OK, "3:abc,", 9},
    {"nothing yet", "", 0, NETSTRING_MORE, NULL, 0},
    {"length only", "12", 0, NETSTRING_MORE, NULL, 0},
    {"no data yet", "5:", 0, NETSTRING_MORE, NULL, 0},
    {"no comma yet", "5:hello", 0, NETSTRING_MORE, NULL, 0},
    {"missing comma", "5:hello;", 0, NETSTRING_BAD, NULL, 0},
    {"too short a length", "4:hello,", 0, NETSTRING_BAD, NULL, 0},
    {"no length", ":hello,", 0, NETSTRING_BAD, NULL, 0},
    {"negative", "-5:hello,", 0, NETSTRING_BAD, NULL, 0},
    {"plus", "+5:hello,", 0, NETSTRING_BAD, NULL, 0},
    {"leading zero", "05:hello,", 0, NETSTRING_BAD, NULL, 0},
    {"two zeros", "00:,", 0, NETSTRING_BAD, NULL, 0},
    {"hexadecimal", "0x5:hello,", 0, NETSTRING_BAD, NULL, 0},
    {"leading blank", " 5:hello,", 0, NETSTRING_BAD, NULL, 0},
    {"blank before the colon", "5 :hello,", 0, NETSTRING_BAD, NULL, 0},
    {"over the limit, refused before the colon", "1001", 0, NETSTRING_BAD, NULL, 0},
    {"2^32", "4294967296:", 0, NETSTRING_BAD, NULL, 0},
    {"2^64", "18446744073709551616:", 0, NETSTRING_BAD, NULL, 0},
    {"2^64 + 5", "18446744073709551621:hello,", 0, NETSTRING_BAD, NULL, 0},
    {"endless digits", "99999999999999999999999999999999", 0, NETSTRING_BAD, NULL, 0},
    {"binary", "\x00\xff\x80", 3, NETSTRING_BAD, NULL, 0},
    {"HTTP", "GET / HTTP/1.0\r\n", 0, NETSTRING_BAD, NULL, 0},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].in), data_len = 0, used = 0;
        const char *data = NULL;
        char *copy = malloc(len ? len : 1);
        memcpy(copy, cases[i].in, len);
        enum netstring_result result = netstring_read(copy, len, MAX, &data, &data_len, &used);
        if (result != cases[i].result)
            fail_msg("%s: %d, not %d", cases[i].name, result, cases[i].result);
        if (result == NETSTRING_OK) {
            assert_int_equal(data_len, strlen(cases[i].data));
            assert_memory_equal(data, cases[i].data, data_len);
            assert_int_equal(used, cases[i].used);
        }
        free(copy);
    }
}

static void test_longest(void **state)
{
    (void)state;
    char buf[MAX + NETSTRING_HEAD_MAX + 1];
    const char *data;
    size_t data_len, used;
    for (size_t want = 990; want <= 1010; want++) {
        char head[NETSTRING_HEAD_MAX];
        size_t head_len = netstring_head(want, head);
        memset(buf, 'x', sizeof(buf));
        memcpy(buf, head, head_len);
        size_t total = head_len + want + 1;
        if (total <= sizeof(buf))
            buf[total - 1] = ',';
        size_t len = total < sizeof(buf) ? total : sizeof(buf);
        assert_int_equal(netstring_read(buf, len, MAX, &data, &data_len, &used),
                         want <= MAX ? NETSTRING_OK : NETSTRING_BAD);
    }
}

/* Whatever the split, the same netstring comes out, and never before it is whole. */
static void test_split(void **state)
{
    (void)state;
    static const char in[] = "19:QUERY a.example.org,,";
    const char *data;
    size_t data_len, used, len = strlen(in) - 1;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(netstring_read(in, i, MAX, &data, &data_len, &used), NETSTRING_MORE);
    assert_int_equal(netstring_read(in, len, MAX, &data, &data_len, &used), NETSTRING_OK);
    assert_int_equal(data_len, 19);
    assert_int_equal(used, len);
}

static void test_head(void **state)
{
    (void)state;
    static const size_t values[] = {0, 1, 9, 10, 99, 100, 65535, 100000, SIZE_MAX};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char out[NETSTRING_HEAD_MAX], expected[32];
        size_t len = netstring_head(values[i], out);
        assert_int_equal(len, snprintf(expected, sizeof(expected), "%zu:", values[i]));
        assert_memory_equal(out, expected, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
