/* Requests of Postfix and sendmail, and of anybody else. */
#include "serve/socketmap_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct {
    const char *request;
    enum socketmap_command command;
    enum answer_map map;
    const char *nexthop;
} cases[] = {
    /* Postfix */
    {"QUERY example.org", SOCKETMAP_ANSWER, ANSWER_QUERY, "example.org"},
    {"query Example.ORG.", SOCKETMAP_ANSWER, ANSWER_QUERY, "example.org"},
    {"QUERY .example.org", SOCKETMAP_NOTHING, ANSWER_QUERY, NULL},
    {"enforce .org", SOCKETMAP_NOTHING, ANSWER_ENFORCE, NULL},
    {"enforce [relay.example.org]", SOCKETMAP_ANSWER, ANSWER_ENFORCE, "[relay.example.org]"},
    {"enforce [relay.example.org]:587", SOCKETMAP_ANSWER, ANSWER_ENFORCE,
     "[relay.example.org]:587"},
    {"enforce [relay.example.org]:submission", SOCKETMAP_ANSWER, ANSWER_ENFORCE,
     "[relay.example.org]:587"},
    {"QUERY [relay.example.org]:smtp", SOCKETMAP_ANSWER, ANSWER_QUERY, "[relay.example.org]"},
    {"QUERY relay.example.org:submissions", SOCKETMAP_ANSWER, ANSWER_QUERY,
     "relay.example.org:465"},
    {"QUERY [192.0.2.1]", SOCKETMAP_ANSWER, ANSWER_QUERY, "[192.0.2.1]"},
    {"QUERY [IPv6:2001:db8::1]", SOCKETMAP_ANSWER, ANSWER_QUERY, "[IPv6:2001:db8::1]"},
    {"requiretls 192.0.2.1", SOCKETMAP_ANSWER, ANSWER_REQUIRETLS, "[192.0.2.1]"},
    {"requiretls example.org", SOCKETMAP_ANSWER, ANSWER_REQUIRETLS, "example.org"},
    {"QUERYwithTLSRPT m\xc3\xbcller.example", SOCKETMAP_ANSWER, ANSWER_QUERY_TLSRPT,
     "xn--mller-kva.example"},
    {"postfix example.org", SOCKETMAP_ANSWER, ANSWER_POSTFIX, "example.org"},
    /* sendmail */
    {"sts example.org", SOCKETMAP_ANSWER, ANSWER_STS, "example.org"},
    {"access TLS_Rcpt:bob@example.org", SOCKETMAP_ANSWER, ANSWER_ACCESS, "example.org"},
    {"enforce_pki example.org.", SOCKETMAP_ANSWER, ANSWER_ENFORCE_PKI, "example.org"},
    {"enforce_pki [relay.example.org]", SOCKETMAP_ANSWER, ANSWER_ENFORCE_PKI,
     "[relay.example.org]"},
    {"enforce_pki ", SOCKETMAP_NO_KEY, ANSWER_ENFORCE_PKI, NULL},
    {"access tls_rcpt:\"a@b\"@example.org", SOCKETMAP_ANSWER, ANSWER_ACCESS, "example.org"},
    {"enforce_pki .example.org", SOCKETMAP_NO_KEY, ANSWER_ENFORCE_PKI, NULL},
    {"access TLS_Rcpt:bob@", SOCKETMAP_NOTHING, ANSWER_ACCESS, NULL},
    {"access TLS_Rcpt:example.org", SOCKETMAP_NOTHING, ANSWER_ACCESS, NULL},
    {"access TLS_Rcpt:@example.org", SOCKETMAP_NOTHING, ANSWER_ACCESS, NULL},
    {"access TLS_Rcpt:", SOCKETMAP_NOTHING, ANSWER_ACCESS, NULL},
    {"access Connect:192.0.2.1", SOCKETMAP_NOTHING, ANSWER_ACCESS, NULL},
    {"access From:bob@example.org", SOCKETMAP_NOTHING, ANSWER_ACCESS, NULL},
    /* The administrator */
    {"JSON example.org", SOCKETMAP_JSON, ANSWER_QUERY, "example.org"},
    {"PURGE example.org", SOCKETMAP_PURGE, ANSWER_QUERY, "example.org"},
    {"STATUS", SOCKETMAP_STATUS, ANSWER_QUERY, NULL},
    {"status ", SOCKETMAP_STATUS, ANSWER_QUERY, NULL},
    {"DUMP", SOCKETMAP_DUMP, ANSWER_QUERY, NULL},
    {"dump ", SOCKETMAP_DUMP, ANSWER_QUERY, NULL},
    {"JSON .org", SOCKETMAP_NOTHING, ANSWER_QUERY, NULL},
    {"PURGE", SOCKETMAP_NO_KEY, ANSWER_QUERY, NULL},
    /* Nobody */
    {"", SOCKETMAP_UNKNOWN, ANSWER_QUERY, NULL},
    {" example.org", SOCKETMAP_UNKNOWN, ANSWER_QUERY, NULL},
    {"QUERIES example.org", SOCKETMAP_UNKNOWN, ANSWER_QUERY, NULL},
    {"QUERY", SOCKETMAP_NO_KEY, ANSWER_QUERY, NULL},
    {"enforce ", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce  example.org", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce example.org extra", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce a..b", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce [example.org", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce [example.org]:nonsense", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce [example.org]:0", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce exa\x01mple.org", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
    {"enforce \xff\xfe", SOCKETMAP_NO_KEY, ANSWER_ENFORCE, NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct socketmap_request out;
        socketmap_request_parse(cases[i].request, strlen(cases[i].request), &out);
        if (out.command != cases[i].command)
            fail_msg("%s: command %d, not %d", cases[i].request, out.command, cases[i].command);
        if (out.map != cases[i].map)
            fail_msg("%s: map %d, not %d", cases[i].request, out.map, cases[i].map);
        if (cases[i].nexthop != NULL && strcmp(out.nexthop.text, cases[i].nexthop) != 0)
            fail_msg("%s: %s, not %s", cases[i].request, out.nexthop.text, cases[i].nexthop);
    }
}

static void test_octets(void **state)
{
    (void)state;
    struct socketmap_request out;
    socketmap_request_parse("enforce example.org\0.evil", 25, &out);
    assert_int_equal(out.command, SOCKETMAP_NO_KEY);
    assert_int_equal(out.map, ANSWER_ENFORCE);

    char longest[SOCKETMAP_REQUEST_MAX + 20];
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "enforce ", 8);
    for (size_t len = 0; len <= sizeof(longest); len++) {
        socketmap_request_parse(longest, len, &out);
        assert_true(len > 8 + 63 ? out.command == SOCKETMAP_NO_KEY : true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
