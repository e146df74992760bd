/*
 * The TLSRPT record: one test for each rule of the grammar (RFC 8460 section 3).
 */
#include "lookup/tlsrpt_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TEXTS_MAX = 4 };

struct record_case {
    const char *name;
    const char *texts[TEXTS_MAX];
    int found; /* which of them; -1: none */
};

static const struct record_case cases[] = {
    {"as in the RFC", {"v=TLSRPTv1;rua=mailto:reports@example.com"}, 0},
    {"blanks after the delimiter", {"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"}, 0},
    {"blanks before the delimiter", {"v=TLSRPTv1 \t;\trua=mailto:a@example.com \t; "}, 0},
    {"a delimiter at the end", {"v=TLSRPTv1; rua=mailto:a@example.com;"}, 0},
    {"two URIs", {"v=TLSRPTv1; rua=mailto:a@example.com,https://example.com/x?y=z"}, 0},
    {"blanks around the comma",
     {"v=TLSRPTv1; rua=mailto:a@example.com \t,\t https://example.com"},
     0},
    {"encoded octets", {"v=TLSRPTv1; rua=mailto:a%2cb%21c%3B@example.com"}, 0},
    {"an unknown field before", {"v=TLSRPTv1; x-1.a_b=<:>; rua=mailto:a@example.com"}, 0},
    {"an unknown field after", {"v=TLSRPTv1; rua=mailto:a@example.com; ruf=!,!"}, 0},
    {"two rua fields", {"v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com"}, 0},
    {"a scheme that nobody knows", {"v=TLSRPTv1; rua=x-y+z.1:a"}, 0},
    {"a name of 32", {"v=TLSRPTv1; a2345678901234567890123456789012=1; rua=a:b"}, 0},

    {"empty", {""}, -1},
    {"the version alone", {"v=TLSRPTv1"}, -1},
    {"no field", {"v=TLSRPTv1;"}, -1},
    {"no field but a blank", {"v=TLSRPTv1; "}, -1},
    {"no rua", {"v=TLSRPTv1; x=1"}, -1},
    {"another version", {"v=TLSRPTv12; rua=mailto:a@example.com"}, -1},
    {"the version in another case", {"v=tlsrptv1; rua=mailto:a@example.com"}, -1},
    {"a blank before the version", {" v=TLSRPTv1; rua=mailto:a@example.com"}, -1},
    {"rua in another case", {"v=TLSRPTv1; RUA=mailto:a@example.com"}, -1},
    {"no value", {"v=TLSRPTv1; rua="}, -1},
    {"no equals sign", {"v=TLSRPTv1; rua"}, -1},
    {"a blank before the equals sign", {"v=TLSRPTv1; rua =mailto:a@example.com"}, -1},
    {"no scheme", {"v=TLSRPTv1; rua=reports@example.com"}, -1},
    {"a scheme that begins with a digit", {"v=TLSRPTv1; rua=1a:b"}, -1},
    {"a scheme alone", {"v=TLSRPTv1; rua=mailto:"}, -1},
    {"a comma without a URI", {"v=TLSRPTv1; rua=mailto:a@example.com,"}, -1},
    {"an exclamation mark", {"v=TLSRPTv1; rua=mailto:a@example.com!10m"}, -1},
    {"half an encoded octet", {"v=TLSRPTv1; rua=mailto:a%2"}, -1},
    {"no encoded octet", {"v=TLSRPTv1; rua=mailto:a%zz"}, -1},
    {"a blank in the URI", {"v=TLSRPTv1; rua=mailto:a b"}, -1},
    {"two delimiters", {"v=TLSRPTv1;; rua=mailto:a@example.com"}, -1},
    {"a comma for a delimiter", {"v=TLSRPTv1, rua=mailto:a@example.com"}, -1},
    {"an octet beyond ASCII", {"v=TLSRPTv1; rua=mailto:\xc3\xa4@example.com"}, -1},
    {"an octet beyond ASCII in an unknown field", {"v=TLSRPTv1; rua=a:b; x=\xe4"}, -1},
    {"a control character", {"v=TLSRPTv1; rua=mailto:a\x01@example.com"}, -1},
    {"a quotation mark in the URI", {"v=TLSRPTv1; rua=mailto:\"a\"@example.com"}, -1},
    {"an equals sign in an unknown field", {"v=TLSRPTv1; rua=a:b; x=1=2"}, -1},
    {"a name of 33", {"v=TLSRPTv1; a23456789012345678901234567890123=1; rua=a:b"}, -1},
    {"a blank at the end", {"v=TLSRPTv1; rua=mailto:a@example.com "}, -1},

    {"others are discarded", {"v=spf1 -all", "v=TLSRPTv1; rua=a:b", "v=TLSRPTv12;"}, 1},
    {"two", {"v=TLSRPTv1; rua=a:b", "v=TLSRPTv1; rua=a:b"}, -1},
    {"two, one of them not valid", {"v=TLSRPTv1; rua=a:b", "v=TLSRPTv1; x"}, -1},
    {"two, one with a blank before the delimiter",
     {"v=TLSRPTv1; rua=a:b", "v=TLSRPTv1 ; rua=a:c"},
     -1},
};

static void test_records(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dns_record records[TEXTS_MAX];
        struct dns_answer answer = {.status = DNS_FOUND, .records = records};
        const struct dns_record *found;

        for (; answer.count < TEXTS_MAX && cases[i].texts[answer.count] != NULL; answer.count++) {
            records[answer.count].txt.text = cases[i].texts[answer.count];
            records[answer.count].txt.len = (uint16_t)strlen(cases[i].texts[answer.count]);
        }
        found = tlsrpt_record_find(&answer);
        if ((found != NULL ? found - records : -1) != cases[i].found)
            fail_msg("%s", cases[i].name);
    }
}

static void test_a_nul_is_not_valid(void **state)
{
    static const char text[] = "v=TLSRPTv1; rua=a:b\0c";
    const struct dns_record record = {.txt = {.text = text, .len = sizeof text - 1}};
    const struct dns_answer answer = {.status = DNS_FOUND, .count = 1, .records = &record};
    (void)state;

    assert_null(tlsrpt_record_find(&answer));
}

static void test_long_records(void **state)
{
    static const char begin[] = "v=TLSRPTv1; rua=a:";
    char text[TLSRPT_RECORD_MAX + 1];
    struct dns_record record = {.txt = {.text = text, .len = TLSRPT_RECORD_MAX}};
    const struct dns_answer answer = {.status = DNS_FOUND, .count = 1, .records = &record};
    (void)state;

    memset(text, 'x', sizeof text);
    memcpy(text, begin, sizeof begin - 1);
    assert_ptr_equal(tlsrpt_record_find(&answer), &record);
    record.txt.len++;
    assert_null(tlsrpt_record_find(&answer));
}

static void test_only_what_was_found(void **state)
{
    const struct dns_record record = {.txt = {.text = "v=TLSRPTv1;rua=a:b", .len = 18}};
    struct dns_answer answer = {.status = DNS_FAILED, .count = 1, .records = &record};
    (void)state;

    assert_null(tlsrpt_record_find(&answer));
    answer.status = DNS_FOUND;
    assert_ptr_equal(tlsrpt_record_find(&answer), &record);
    answer.count = 0;
    assert_null(tlsrpt_record_find(&answer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_a_nul_is_not_valid),
        cmocka_unit_test(test_long_records),
        cmocka_unit_test(test_only_what_was_found),
    };

    return cmocka_run_group_tests_name("tlsrpt_record", tests, NULL, NULL);
}
