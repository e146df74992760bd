/*
 * The object that a TLSRPT collector gets. That it is libtlsrpt's octet by octet is for
 * tests/debian-testing, where that library is; here are its form, escapes and bounds.
 */
#include "base/json_read.h"
#include "deliver/tlsrpt.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const tlsa[] = {"3 1 1 DEADBEEF", "3 1 1 00", NULL};
static const char *const lines[] = {"version: STSv1", "mode: enforce", NULL};
static const char *const patterns[] = {"mx.example.org", "*.example.org", NULL};
static const char *const nothing[] = {NULL};

static const struct tlsrpt_session success = {
    .domain = "example.org",
    .record = "v=TLSRPTv1; rua=mailto:a@example.org",
    .policy = TLSRPT_NO_POLICY,
    .policy_domain = "example.org",
};

static const struct tlsrpt_session failure = {
    .domain = "example.org",
    .record = "v=TLSRPTv1; rua=mailto:a@example.org",
    .policy = TLSRPT_TLSA,
    .policy_domain = "mx.example.org",
    .policy_strings = tlsa,
    .code = TLSRPT_VALIDATION_FAILURE,
    .source_address = "192.0.2.9",
    .mx_name = "mx.example.org",
    .helo_name = "real.example.org",
    .address = "2001:db8::1",
    .info = "more",
    .reason = "no match",
    .failed = true,
};

static const char *written(const struct tlsrpt_session *session)
{
    static char text[TLSRPT_DATAGRAM_MAX + 1];
    size_t len = tlsrpt_write(session, text, sizeof text - 1);

    assert_int_not_equal(len, 0);
    text[len] = '\0';
    assert_int_equal(strlen(text), len);
    return text;
}

static void test_success(void **state)
{
    (void)state;
    assert_string_equal(written(&success),
                        "{\"dpv\": \"1\",\"d\": \"example.org\","
                        "\"pr\": \"v=TLSRPTv1; rua=mailto:a@example.org\","
                        "\"policies\":[{\"policy-type\":9,\"policy-domain\": \"example.org\","
                        "\"t\":0,\"f\":0}]}");
}

static void test_failure(void **state)
{
    (void)state;
    assert_string_equal(written(&failure),
                        "{\"dpv\": \"1\",\"d\": \"example.org\","
                        "\"pr\": \"v=TLSRPTv1; rua=mailto:a@example.org\","
                        "\"policies\":[{\"policy-type\":1,\"policy-domain\": \"mx.example.org\","
                        "\"policy-string\":[\"3 1 1 DEADBEEF\",\"3 1 1 00\"],"
                        "\"failure-details\":[{\"c\":205,\"s\": \"192.0.2.9\","
                        "\"n\": \"mx.example.org\",\"h\": \"real.example.org\","
                        "\"r\": \"2001:db8::1\",\"a\": \"more\",\"f\": \"no match\"}],"
                        "\"t\":1,\"f\":1}]}");
}

/* What is NULL, "" or empty is left out; a failure need not be the session's. */
static void test_left_out(void **state)
{
    struct tlsrpt_session session = success;

    (void)state;
    session.policy = TLSRPT_STS;
    session.policy_strings = lines;
    session.mx_hosts = patterns;
    session.code = TLSRPT_STS_POLICY_FETCH_ERROR;
    session.source_address = session.helo_name = "";
    assert_string_equal(strstr(written(&session), "\"policies\""),
                        "\"policies\":[{\"policy-type\":2,\"policy-domain\": \"example.org\","
                        "\"policy-string\":[\"version: STSv1\",\"mode: enforce\"],"
                        "\"mx-host\":[\"mx.example.org\",\"*.example.org\"],"
                        "\"failure-details\":[{\"c\":301}],\"t\":1,\"f\":0}]}");
    session.policy_strings = session.mx_hosts = nothing;
    session.code = TLSRPT_NONE;
    assert_string_equal(strstr(written(&session), "\"policies\""),
                        "\"policies\":[{\"policy-type\":2,\"policy-domain\": \"example.org\","
                        "\"t\":0,\"f\":0}]}");
}

static void test_strings(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"plain / text", "plain / text"},
        {"\"\\", "\\\"\\\\"},
        {"\b\t\n\f\r", "\\b\\t\\n\\f\\r"},
        {"\x01\x0b\x1f\x7f", "\\u0001\\u000b\\u001f\\u007f"},
        /* UTF-8, the first and the last of each length */
        {"\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf"},
        {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
         "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"},
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        /* none */
        {"a\x80z\xff", "a?z?"},
        {"\xc0\x80\xc1\xbf", "????"},
        {"\xe0\x9f\xbf", "???"},
        {"\xed\xa0\x80", "???"},
        {"\xf0\x8f\xbf\xbf", "????"},
        {"\xf4\x90\x80\x80", "????"},
        {"\xf5\x80\x80\x80", "????"},
        {"\xc3", "?"},
        {"\xe2\x82", "??"},
        {"\xf0\x90\x80", "???"},
        {"\xc3(\xe2\x82(\xf0\x90\x80(", "?(?"
                                        "?(?"
                                        "?"
                                        "?("},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tlsrpt_session session = failure;
        char want[100];

        session.reason = cases[i].text;
        snprintf(want, sizeof want, "\"f\": \"%s\"}],\"t\":1,\"f\":1}]}", cases[i].want);
        assert_string_equal(strstr(written(&session), "\"a\": \"more\",") + 12, want);
    }
}

/* As long as the room is, and not one octet more. */
static void test_room(void **state)
{
    char *text = malloc(1);
    size_t len = strlen(written(&failure));

    (void)state;
    for (size_t size = 0; size <= len + 1; size++) {
        text = realloc(text, size > 0 ? size : 1);
        assert_non_null(text);
        assert_int_equal(tlsrpt_write(&failure, text, size), size < len ? 0 : len);
    }
    free(text);
}

static void test_many_strings(void **state)
{
    const char *many[TLSRPT_STRINGS_MAX + 2] = {NULL};
    struct tlsrpt_session session = success;
    const char *text;
    size_t commas = 0;

    (void)state;
    for (size_t i = 0; i <= TLSRPT_STRINGS_MAX; i++)
        many[i] = "x";
    session.policy_strings = many;
    text = strstr(written(&session), "\"policy-string\"");
    for (; *text != ']'; text++)
        commas += *text == ',';
    assert_int_equal(commas, TLSRPT_STRINGS_MAX - 1);
}

/* Whatever the octets: JSON, and UTF-8 as the C library understands it. */
static void test_any_octets(void **state)
{
    unsigned seed = 8460;

    (void)state;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    for (int n = 0; n < 20000; n++) {
        struct tlsrpt_session session = failure;
        struct json_doc *doc;
        char octets[24];
        const char *text;
        size_t len = (size_t)rand_r(&seed) % sizeof octets;

        for (size_t i = 0; i < len; i++) {
            int octet = rand_r(&seed) >> 8;

            octets[i] = (char)(octet % 4 != 0 ? 0x80 + octet % 0x80 : 1 + octet % 0x7f);
        }
        octets[len] = '\0';
        session.reason = session.record = session.helo_name = octets;
        text = written(&session);
        assert_true(mbstowcs(NULL, text, 0) != (size_t)-1);
        assert_int_equal(json_read(text, strlen(text), &doc), 0);
        assert_string_equal(json_text(json_get(json_root(doc), "d")), "example.org");
        json_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),    cmocka_unit_test(test_failure),
        cmocka_unit_test(test_left_out),   cmocka_unit_test(test_strings),
        cmocka_unit_test(test_room),       cmocka_unit_test(test_many_strings),
        cmocka_unit_test(test_any_octets),
    };

    return cmocka_run_group_tests_name("tlsrpt_write", tests, NULL, NULL);
}
