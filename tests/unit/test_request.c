/* request.c: the parameters of MAIL, the marker, the header fields. */
#include "decide/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MARKER "SIZE=00000000000000008689"

static const struct mail_case {
    const char *name;
    const char *params[6];
    const char *marker;
    bool parameter, is_marker, with_value;
    enum request_ret ret;
    const char *envid;
} mail_cases[] = {
    {"no parameters", {NULL}, MARKER, false, false, false, REQUEST_RET_NONE, NULL},
    {"the parameter", {"REQUIRETLS"}, MARKER, true, false, false, REQUEST_RET_NONE, NULL},
    {"in any case", {"SIZE=10", "requireTls"}, MARKER, true, false, false, 0, NULL},
    {"twice", {"REQUIRETLS", "REQUIRETLS"}, MARKER, true, false, false, 0, NULL},
    {"with a value", {"REQUIRETLS=yes"}, MARKER, false, false, true, 0, NULL},
    {"with an empty value", {"requiretls="}, MARKER, false, false, true, 0, NULL},
    {"with and without", {"REQUIRETLS", "REQUIRETLS=1"}, MARKER, true, false, true, 0, NULL},
    {"a longer word", {"REQUIRETLSX"}, MARKER, false, false, false, 0, NULL},
    {"a shorter word", {"REQUIRETL"}, MARKER, false, false, false, 0, NULL},
    {"a value that looks like it", {"BODY=REQUIRETLS"}, MARKER, false, false, false, 0, NULL},
    {"the marker", {MARKER, "SIZE=512"}, MARKER, false, true, false, 0, NULL},
    {"the marker in lower case",
     {"size=00000000000000008689"},
     MARKER,
     false,
     true,
     false,
     0,
     NULL},
    {"the same number, other zeros", {"SIZE=8689"}, MARKER, false, false, false, 0, NULL},
    {"no marker configured", {MARKER}, NULL, false, false, false, 0, NULL},
    {"an empty marker", {""}, "", false, false, false, 0, NULL},
    {"another marker", {"XRTLS"}, "XRTLS", false, true, false, 0, NULL},
    {"RET=HDRS", {"RET=HDRS"}, MARKER, false, false, false, REQUEST_RET_HDRS, NULL},
    {"RET=full", {"ret=full"}, MARKER, false, false, false, REQUEST_RET_FULL, NULL},
    {"an unknown RET", {"RET=SOME"}, MARKER, false, false, false, REQUEST_RET_NONE, NULL},
    {"ENVID",
     {"RET=FULL", "ENVID=QQ314159+20x"},
     MARKER,
     0,
     0,
     0,
     REQUEST_RET_FULL,
     "QQ314159+20x"},
    {"an empty ENVID", {"ENVID="}, MARKER, 0, 0, 0, 0, NULL},
    {"a bare ENVID", {"ENVID"}, MARKER, 0, 0, 0, 0, NULL},
    {"ENVID with a control",
     {"ENVID=a\x01"
      "b"},
     MARKER,
     0,
     0,
     0,
     0,
     NULL},
    {"ENVID with a blank", {"ENVID=a b"}, MARKER, 0, 0, 0, 0, NULL},
    {"ENVID with an octet above 127", {"ENVID=\xc3\xa4"}, MARKER, 0, 0, 0, 0, NULL},
};

static void run_mail_case(void **state)
{
    const struct mail_case *c = *state;
    struct request_mail got;

    request_read_mail(c->params, c->marker, &got);
    assert_int_equal(got.parameter, c->parameter);
    assert_int_equal(got.marker, c->is_marker);
    assert_int_equal(got.with_value, c->with_value);
    assert_int_equal(got.ret, c->ret);
    if (c->envid == NULL)
        assert_null(got.envid);
    else
        assert_string_equal(got.envid, c->envid);
}

static void test_bodies(void **state)
{
    static const struct {
        const char *params[3];
        bool eight_bit, smtputf8;
    } rows[] = {
        {{NULL}, false, false},
        {{"Body=8bitMIME"}, true, false},
        {{"BODY=7BIT"}, false, false},
        {{"BODY"}, false, false},
        {{"smtputf8", "BODY=8BITMIME"}, true, true},
        {{"SMTPUTF8=1"}, false, false},
    };
    struct request_mail got;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        request_read_mail(rows[i].params, NULL, &got);
        assert_int_equal(got.eight_bit, rows[i].eight_bit);
        assert_int_equal(got.smtputf8, rows[i].smtputf8);
    }
}

static void test_long_envid(void **state)
{
    char param[6 + 300 + 1] = "ENVID=";
    const char *params[] = {param, NULL};
    struct request_mail got;

    (void)state;
    memset(param + 6, 'x', 256);
    request_read_mail(params, NULL, &got);
    assert_ptr_equal(got.envid, param + 6);
    param[6 + 256] = 'x';
    request_read_mail(params, NULL, &got);
    assert_null(got.envid);
}

struct field {
    const char *name, *value;
};

static const struct header_case {
    const char *name;
    struct field fields[4];
    bool optional, require;
} header_cases[] = {
    {"none", {{NULL, NULL}}, false, false},
    {"No", {{"TLS-Required", "No"}}, true, false},
    {"with the leading space", {{"TLS-Required", " No"}}, true, false},
    {"in any case", {{"tls-required", " nO"}}, true, false},
    {"folded", {{"TLS-Required", "\r\n\tNo"}}, true, false},
    {"folded, LF only", {{"TLS-Required", "\n No \n "}}, true, false},
    {"a blank before the colon", {{"TLS-Required ", "No"}}, true, false},
    {"twice", {{"TLS-Required", "No"}, {"TLS-Required", "No"}}, false, false},
    {"No and another value", {{"TLS-Required", "No"}, {"TLS-Required", "Yes"}}, false, false},
    {"another value", {{"TLS-Required", "Yes"}}, false, false},
    {"empty", {{"TLS-Required", ""}}, false, false},
    {"a comment", {{"TLS-Required", " No (please)"}}, false, false},
    {"a comment before", {{"TLS-Required", " (x) No"}}, false, false},
    {"two words", {{"TLS-Required", "No No"}}, false, false},
    {"a parameter", {{"TLS-Required", "No; x=y"}}, false, false},
    {"quoted", {{"TLS-Required", "\"No\""}}, false, false},
    {"folded within the word", {{"TLS-Required", "N\r\n o"}}, false, false},
    {"a vertical tab", {{"TLS-Required", "\vNo"}}, false, false},
    {"a longer name", {{"TLS-Required-X", "No"}}, false, false},
    {"a shorter name", {{"TLS-Require", "No"}}, false, false},
    {"Require-TLS-ESMTP", {{"Require-TLS-ESMTP", " yes"}}, false, true},
    {"Require-TLS-ESMTP in any case", {{"require-tls-esmtp", "YES"}}, false, true},
    {"Require-TLS-ESMTP twice",
     {{"Require-TLS-ESMTP", "no"}, {"Require-TLS-ESMTP", "yes"}},
     false,
     true},
    {"Require-TLS-ESMTP: no", {{"Require-TLS-ESMTP", "no"}}, false, false},
    {"Require-TLS-ESMTP: yes sir", {{"Require-TLS-ESMTP", "yes sir"}}, false, false},
    {"both", {{"TLS-Required", "No"}, {"Require-TLS-ESMTP", "yes"}}, true, true},
};

static void run_header_case(void **state)
{
    const struct header_case *c = *state;
    struct request_header got = {0};

    for (const struct field *f = c->fields; f->name != NULL; f++)
        request_read_header(&got, f->name, f->value);
    assert_int_equal(request_header_optional(&got), c->optional);
    assert_int_equal(got.require_esmtp > 0, c->require);
}

/* Postfix 3.11 compares what is behind the colon and its blanks with `yes`. */
static void test_exact(void **state)
{
    static const struct {
        const char *value;
        bool yes, exact;
    } rows[] = {
        {"yes", true, true},       {" yes", true, true},   {"yes ", true, false},
        {"  yes", true, false},    {"\tyes", true, false}, {"\r\n yes", true, false},
        {"yes\r\n ", true, false}, {"Yes", true, false},   {"yes sir", false, false},
        {"", false, false},        {" ", false, false},    {"no", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request_header got = {0};

        request_read_header(&got, "Require-TLS-ESMTP", "no");
        request_read_header(&got, "require-tls-esmtp", rows[i].value);
        request_read_header(&got, "Require-TLS-ESMTP", "maybe");
        assert_int_equal(got.require_fields, 3);
        assert_int_equal(got.require_esmtp, rows[i].yes ? 2 : 0);
        assert_int_equal(got.require_exact, rows[i].exact);
    }
}

static void test_signed(void **state)
{
    struct request_header got = {0};

    (void)state;
    request_read_header(&got, "DKIM-Signature", "v=1; h=From");
    assert_false(got.signed_tls_required || got.signed_require);
    request_read_header(&got, "X-DKIM-Signature", "h=tls-required");
    assert_false(got.signed_tls_required || got.signed_require);
    request_read_header(&got, "dkim-signature", "v=1; h=tls-required");
    assert_true(got.signed_tls_required && !got.signed_require);
    request_read_header(&got, "DKIM-Signature", "v=1; h=From:Require-TLS-ESMTP");
    assert_true(got.signed_tls_required && got.signed_require);
}

static void test_header_is_known(void **state)
{
    struct request_header got = {0};

    (void)state;
    assert_true(request_read_header(&got, "TLS-Required", "whatever"));
    assert_true(request_read_header(&got, "Require-TLS-ESMTP", "whatever"));
    assert_false(request_read_header(&got, "Subject", "TLS-Required: No"));
    assert_false(request_read_header(&got, "", "No"));
}

int main(void)
{
    enum {
        MAIL = sizeof mail_cases / sizeof mail_cases[0],
        HEADER = sizeof header_cases / sizeof header_cases[0],
    };
    struct CMUnitTest tests[5 + MAIL + HEADER] = {
        cmocka_unit_test(test_long_envid), cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_header_is_known), cmocka_unit_test(test_exact),
        cmocka_unit_test(test_signed)};
    struct CMUnitTest *next = tests + 5;

    for (size_t i = 0; i < MAIL; i++)
        *next++ = (struct CMUnitTest){.name = mail_cases[i].name,
                                      .test_func = run_mail_case,
                                      .initial_state = (void *)(uintptr_t)&mail_cases[i]};
    for (size_t i = 0; i < HEADER; i++)
        *next++ = (struct CMUnitTest){.name = header_cases[i].name,
                                      .test_func = run_header_case,
                                      .initial_state = (void *)(uintptr_t)&header_cases[i]};
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
