/* The decision line: text and JSON, hostile octets and absurd lengths included. */
#include "base/log.h"
#include "filter/logline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_text(void **state)
{
    const struct logline line = {.queue_id = "4bZ1",
                                 .from = "alice@example.com",
                                 .to = "bob@example.org",
                                 .nexthop = "example.org",
                                 .request = "require",
                                 .level = "enforce",
                                 .findings = "dane",
                                 .expect = "dane-only/requiretls",
                                 .verdict = "satisfied",
                                 .action = "accept",
                                 .route = "strict",
                                 .wait_us = 12400};
    char out[LOGLINE_MAX];

    (void)state;
    assert_string_equal(logline_text(&line, out, sizeof(out)),
                        "4bZ1: to=<bob@example.org>, from=<alice@example.com>, "
                        "nexthop=example.org, request=require, level=enforce, findings=dane, "
                        "expect=dane-only/requiretls, "
                        "verdict=satisfied, action=accept, route=strict, wait=0.012");
}

static void test_hostile(void **state)
{
    const struct logline line = {.from = "\"x>, to=<\"@\n",
                                 .to = "a\r\nb: \"x\"\xff\\@example.org",
                                 .request = "require",
                                 .reason = "said \"no\"\n",
                                 .wait_us = 61000000};
    char out[LOGLINE_MAX];
    char *json;

    (void)state;
    assert_string_equal(logline_text(&line, out, sizeof(out)),
                        "NOQUEUE: to=<a\\x0d\\x0ab:\\x20\"x\"\\xff\\x5c@example.org>, "
                        "from=<\"x\\x3e,\\x20to=\\x3c\"@\\x0a>, request=require, "
                        "wait=61.000, reason=\"said 'no'\\x0a\"");
    json = logline_json(&line);
    assert_non_null(json);
    assert_string_equal(json, "{\"queue_id\":\"NOQUEUE\",\"from\":\"\\\"x>, to=<\\\"@\\n\","
                              "\"to\":\"a\\u000d\\nb: \\\"x\\\"\\ufffd\\\\@example.org\","
                              "\"request\":\"require\",\"wait_ms\":61000,"
                              "\"reason\":\"said \\\"no\\\"\\n\"}");
    free(json);
}

/* A quoted local part that would have the line say something else. */
static void test_forged(void **state)
{
    const struct logline line = {.queue_id = "4bZ1",
                                 .to = "\"x>, verdict=satisfied, action=accept\"@example.org",
                                 .nexthop = "a, verdict=satisfied",
                                 .verdict = "unsatisfied",
                                 .wait_us = -1};
    char out[LOGLINE_MAX];

    (void)state;
    assert_string_equal(
        logline_text(&line, out, sizeof(out)),
        "4bZ1: to=<\"x\\x3e,\\x20verdict=satisfied,\\x20action=accept\"@example.org>,"
        " nexthop=a,\\x20verdict=satisfied, verdict=unsatisfied");
}

static void test_long(void **state)
{
    static char address[100001];
    const struct logline line = {
        .from = address, .to = address, .nexthop = "example.org", .reason = address};
    char out[LOGLINE_MAX];

    (void)state;
    memset(address, 1, sizeof(address) - 1);
    logline_text(&line, out, sizeof(out));
    assert_true(strlen(out) < 1400);
    assert_non_null(strstr(out, "...>, from=<"));
    assert_non_null(strstr(out, "...>, nexthop=example.org, wait=0.000, reason=\""));
    assert_int_equal(out[strlen(out) - 1], '"');
}

static void test_quote(void **state)
{
    char out[8];

    (void)state;
    assert_string_equal(log_quote(NULL, out, sizeof(out)), "");
    assert_string_equal(log_quote("abc", out, sizeof(out)), "abc");
    assert_string_equal(log_quote("abcdefgh", out, sizeof(out)), "abcd...");
    assert_string_equal(log_quote("\x01\x02", out, sizeof(out)), "\\x01...");
    assert_string_equal(log_quote("abc", out, 1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text), cmocka_unit_test(test_hostile), cmocka_unit_test(test_forged),
        cmocka_unit_test(test_long), cmocka_unit_test(test_quote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
