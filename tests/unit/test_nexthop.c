/* Next-hop texts and the canonical form that they get. */
#include "policy/nexthop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BAD = -1, D = NEXTHOP_DOMAIN, H = NEXTHOP_HOST, L = NEXTHOP_LITERAL };

#define L63 "a23456789012345678901234567890123456789012345678901234567890123"

struct nexthop_case {
    const char *text;
    int kind; /* or BAD */
    unsigned port;
    const char *canonical;
    const char *name;
};

static const struct nexthop_case next_hops[] = {
    {"example.org", D, 25, "example.org", "example.org"},
    {"Example.ORG.", D, 25, "example.org", "example.org"},
    {"localhost", D, 25, "localhost", "localhost"},
    {"_dmarc.example.org", D, 25, "_dmarc.example.org", "_dmarc.example.org"},
    {"example.org:587", D, 587, "example.org:587", "example.org"},
    {"example.org:25", D, 25, "example.org", "example.org"},
    {"example.org:submission", D, 587, "example.org:587", "example.org"},
    {"[relay.example.org]", H, 25, "[relay.example.org]", "relay.example.org"},
    {"[Relay.Example.org.]:465", H, 465, "[relay.example.org]:465", "relay.example.org"},
    {"[relay]:smtp", H, 25, "[relay]", "relay"},
    {"[192.0.2.1]", L, 25, "[192.0.2.1]", "192.0.2.1"},
    {"[192.0.2.1]:2525", L, 2525, "[192.0.2.1]:2525", "192.0.2.1"},
    {"192.0.2.1", L, 25, "[192.0.2.1]", "192.0.2.1"},
    {"[IPv6:2001:DB8:0::1]", L, 25, "[IPv6:2001:db8::1]", "2001:db8::1"},
    {"[ipv6:::1]:26", L, 26, "[IPv6:::1]:26", "::1"},
    {"[2001:db8::1]", L, 25, "[IPv6:2001:db8::1]", "2001:db8::1"},
    {"2001:db8::1", L, 25, "[IPv6:2001:db8::1]", "2001:db8::1"},
    {"b\xc3\xbc"
     "cher.example",
     D, 25, "xn--bcher-kva.example", "xn--bcher-kva.example"},
    {"B\xc3\x9c"
     "CHER.example.",
     D, 25, "xn--bcher-kva.example", "xn--bcher-kva.example"},
    {"[stra\xc3\x9f"
     "e.example]:587",
     H, 587, "[xn--strae-oqa.example]:587", "xn--strae-oqa.example"},
    {"xn--bcher-kva.example", D, 25, "xn--bcher-kva.example", "xn--bcher-kva.example"},
    {L63 ".org", D, 25, L63 ".org", L63 ".org"},
    {"", BAD, 0, NULL, NULL},
    {".", BAD, 0, NULL, NULL},
    {"..", BAD, 0, NULL, NULL},
    {"example..org", BAD, 0, NULL, NULL},
    {".example.org", BAD, 0, NULL, NULL},
    {"example.org..", BAD, 0, NULL, NULL},
    {"a b.example", BAD, 0, NULL, NULL},
    {"ex{ample.org", BAD, 0, NULL, NULL},
    {"example.org\n", BAD, 0, NULL, NULL},
    {"-a.example", BAD, 0, NULL, NULL},
    {"a-.example", BAD, 0, NULL, NULL},
    {"1.2.3", BAD, 0, NULL, NULL},
    {"192.0.2.256", BAD, 0, NULL, NULL},
    {"192.0.2.1:25", BAD, 0, NULL, NULL},
    {"x" L63 ".org", BAD, 0, NULL, NULL},
    {L63 "." L63 "." L63 "." L63, BAD, 0, NULL, NULL},
    {"example.org:", BAD, 0, NULL, NULL},
    {"example.org:0", BAD, 0, NULL, NULL},
    {"example.org:65536", BAD, 0, NULL, NULL},
    {"example.org:2x", BAD, 0, NULL, NULL},
    {"example.org:99999999999999999999", BAD, 0, NULL, NULL},
    {"[relay.example.org", BAD, 0, NULL, NULL},
    {"[relay.example.org]x", BAD, 0, NULL, NULL},
    {"[relay.example.org]:", BAD, 0, NULL, NULL},
    {"[]", BAD, 0, NULL, NULL},
    {"[IPv6:192.0.2.1]", BAD, 0, NULL, NULL},
    {"[IPv6:2001:db8::g]", BAD, 0, NULL, NULL},
    {"[fe80::1%eth0]", BAD, 0, NULL, NULL},
    {"[X-400:foo]", BAD, 0, NULL, NULL},
    {"b\xff.example", BAD, 0, NULL, NULL},
    {"User unknown in virtual alias table", BAD, 0, NULL, NULL},
};

static void parse(void **state)
{
    const struct nexthop_case *c = *state;
    struct nexthop nh;
    int status = nexthop_parse(c->text, &nh);

    if (c->kind == BAD) {
        assert_true(status < 0);
        return;
    }
    assert_int_equal(status, 0);
    assert_int_equal(nh.kind, c->kind);
    assert_int_equal(nh.port, c->port);
    assert_string_equal(nh.text, c->canonical);
    assert_string_equal(nh.name, c->name);

    /* The canonical form is a fixed point. */
    struct nexthop again;
    assert_int_equal(nexthop_parse(nh.text, &again), 0);
    assert_string_equal(again.text, nh.text);
    assert_int_equal(again.kind, nh.kind);
}

static void domains_of_addresses(void **state)
{
    static const char *const bad[] = {"[relay.example.org]",
                                      "example.org:25",
                                      "[192.0.2.1]:25",
                                      "192.0.2.1",
                                      "2001:db8::1",
                                      "",
                                      "[",
                                      "[]",
                                      "a@b"};
    struct nexthop nh;
    (void)state;

    assert_int_equal(nexthop_from_domain("Example.org", &nh), 0);
    assert_string_equal(nh.text, "example.org");
    assert_int_equal(nexthop_from_domain("[192.0.2.1]", &nh), 0);
    assert_int_equal(nh.kind, NEXTHOP_LITERAL);
    assert_int_equal(nexthop_from_domain("[IPv6:2001:db8::1]", &nh), 0);
    assert_int_equal(nh.kind, NEXTHOP_LITERAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (nexthop_from_domain(bad[i], &nh) >= 0)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void longest_names(void **state)
{
    char name[NEXTHOP_NAME_MAX + 3], out[NEXTHOP_NAME_MAX + 1];
    (void)state;

    memset(name, 'a', sizeof name);
    for (size_t i = 50; i < sizeof name; i += 51)
        name[i] = '.';
    name[NEXTHOP_NAME_MAX] = '\0';
    assert_int_equal(nexthop_to_ascii(name, out), 0);
    assert_int_equal(strlen(out), NEXTHOP_NAME_MAX);
    name[NEXTHOP_NAME_MAX] = 'a';
    name[NEXTHOP_NAME_MAX + 1] = '\0';
    assert_true(nexthop_to_ascii(name, out) < 0);
}

/* Canonical domains take a shorter way through the parser, capitals the longer one: same result. */
static void both_ways(void **state)
{
    static const char alphabet[] = "ab1-..0z";
    unsigned seed = 1, accepted = 0;
    (void)state;

    for (int i = 0; i < 200000; i++) {
        char text[80] = "", capitals[80];
        struct nexthop a, b;
        size_t len;

        seed = seed * 1103515245u + 12345u;
        len = (seed >> 16) % (i % 100 == 0 ? 78 : 9);
        for (size_t j = 0; j < len; j++) {
            seed = seed * 1103515245u + 12345u;
            text[j] = i % 100 == 0 ? 'a' : alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        for (size_t j = 0; j <= len; j++)
            capitals[j] = text[j] >= 'a' && text[j] <= 'z' ? (char)(text[j] - 'a' + 'A') : text[j];
        if (nexthop_parse(text, &a) != nexthop_parse(capitals, &b))
            fail_msg("%s", text);
        if (nexthop_parse(text, &a) < 0)
            continue;
        accepted++;
        assert_string_equal(a.text, b.text);
        assert_string_equal(a.name, b.name);
        assert_int_equal(a.kind, b.kind);
        assert_int_equal(a.port, b.port);
    }
    assert_true(accepted > 10000);
}

int main(void)
{
    enum { COUNT = sizeof next_hops / sizeof next_hops[0] };
    struct CMUnitTest tests[COUNT + 3] = {cmocka_unit_test(domains_of_addresses),
                                          cmocka_unit_test(longest_names),
                                          cmocka_unit_test(both_ways)};
    static char names[COUNT][80];

    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "parse %zu: %.40s", i,
                 next_hops[i].canonical != NULL ? next_hops[i].canonical : "refused");
        tests[i + 3].name = names[i];
        tests[i + 3].test_func = parse;
        tests[i + 3].initial_state = (void *)(uintptr_t)&next_hops[i];
    }
    return cmocka_run_group_tests_name("nexthop", tests, NULL, NULL);
}
