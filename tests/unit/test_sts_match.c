/* MTA-STS patterns: their form (RFC 8461 section 3.2) and the match of an MX host (4.1). */
#include "findings/sts_match.h"
#include "sts/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

static void match(void **state)
{
    static const struct {
        const char *name, *pattern, *host;
        bool match;
    } cases[] = {
        {"same name", "mx.example.org", "mx.example.org", true},
        {"letter case", "mx.example.org", "MX.Example.ORG", true},
        {"another name", "mx.example.org", "mx2.example.org", false},
        {"a suffix is no match", "example.org", "mx.example.org", false},
        {"a prefix is no match", "mx.example.org", "mx.example.org.net", false},
        {"wildcard, one label", "*.example.org", "mx.example.org", true},
        {"wildcard, letter case", "*.example.org", "mx.EXAMPLE.org", true},
        {"wildcard, no label", "*.example.org", "example.org", false},
        {"wildcard, empty label", "*.example.org", ".example.org", false},
        {"wildcard, two labels", "*.example.org", "a.mx.example.org", false},
        {"wildcard, A-label", "*.example.org", "xn--bcher-kva.example.org", true},
        {"wildcard, underscore host", "*.example.org", "mx_1.example.org", true},
        {"wildcard, no dot at the border", "*.example.org", "mxexample.org", false},
        {"wildcard, longer domain", "*.example.org", "mx.example.org.net", false},
        {"wildcard under a top level", "*.org", "example.org", true},
        {"host that is a wildcard", "*.example.org", "*.example.org", false},
        {"empty host", "mx.example.org", "", false},
        {"empty host, wildcard", "*.example.org", "", false},
        {"single label", "localhost", "localhost", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (sts_pattern_match(cases[i].pattern, cases[i].host) != cases[i].match)
            fail_msg("%s: expected %d", cases[i].name, cases[i].match);
}

static void form(void **state)
{
    static const struct {
        const char *pattern;
        bool valid;
    } cases[] = {
        {"mx.example.org", true},
        {"MX.Example.Org", true},
        {"*.example.org", true},
        {"org", true},
        {"*.org", true},
        {"1-2.3com", true},
        {"192.0.2.1", true}, /* the form of a name; no MX host is called so */
        {"xn--bcher-kva.example", true},
        {LABEL63 ".org", true},
        {"a" LABEL63 ".org", false},
        {LABEL63 "." LABEL63 "." LABEL63 "." LABEL63, false},
        {"", false},
        {"*", false},
        {"*.", false},
        {".", false},
        {"*.*.example.org", false},
        {"mx.*.example.org", false},
        {"m*.example.org", false},
        {"**.example.org", false},
        {"*example.org", false},
        {".example.org", false},
        {"*..example.org", false},
        {"mx..example.org", false},
        {"mx.example.org.", false},
        {"-mx.example.org", false},
        {"mx-.example.org", false},
        {"m_x.example.org", false},
        {"b\xc3\xbc"
         "cher.example",
         false},
        {"[192.0.2.1]", false},
        {"2001:db8::1", false},
        {"[IPv6:2001:db8::1]", false},
        {"mx.example.org:25", false},
        {"mx.example.org mx2.example.org", false},
        {"mx.example.org,mx2.example.org", false},
        {"mx.{example}.org", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (sts_pattern_valid(cases[i].pattern, strlen(cases[i].pattern)) != cases[i].valid)
            fail_msg("'%s': expected %d", cases[i].pattern, cases[i].valid);
    assert_false(sts_pattern_valid("mx\0.org", 7));
    assert_true(sts_pattern_valid("mx.org/rest", 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match),
        cmocka_unit_test(form),
    };

    return cmocka_run_group_tests_name("sts_match", tests, NULL, NULL);
}
