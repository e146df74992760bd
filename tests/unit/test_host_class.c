/*
 * The classes of hosts. The addresses of a host are two letters, for the A and the AAAA records:
 * s secure, i insecure, - absent, f failed, p pending.
 */
#include "policy/host_class.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct host_case {
    const char *name;
    const char *addresses;
    enum findings_tlsa_state tlsa;
    enum host_class want;
};

static const struct host_case host_cases[] = {
    {"host: usable TLSA records", "ss", FINDINGS_TLSA_USABLE, HOST_CLASS_DANE},
    {"host: one family failed, the other secure", "sf", FINDINGS_TLSA_USABLE, HOST_CLASS_DANE},
    {"host: one family pending, the other secure", "ps", FINDINGS_TLSA_USABLE, HOST_CLASS_DANE},
    {"host: unusable TLSA records", "s-", FINDINGS_TLSA_UNUSABLE, HOST_CLASS_UNUSABLE},
    {"host: no TLSA records", "s-", FINDINGS_TLSA_NONE, HOST_CLASS_PLAIN},
    {"host: insecure address", "i-", FINDINGS_TLSA_NONE, HOST_CLASS_PLAIN},
    {"host: TLSA lookup failed", "-s", FINDINGS_TLSA_FAILED, HOST_CLASS_TLSA_FAILED},
    {"host: TLSA lookup in flight", "s-", FINDINGS_TLSA_PENDING, HOST_CLASS_TLSA_PENDING},
    {"host: impossible TLSA state", "s-", (enum findings_tlsa_state)77, HOST_CLASS_TLSA_FAILED},
    {"host: no address", "--", FINDINGS_TLSA_NONE, HOST_CLASS_ABSENT},
    {"host: no address, whatever its TLSA records", "--", FINDINGS_TLSA_USABLE, HOST_CLASS_ABSENT},
    {"host: address lookups failed", "ff", FINDINGS_TLSA_NONE, HOST_CLASS_ADDRESS_FAILED},
    {"host: one family absent, one failed", "-f", FINDINGS_TLSA_NONE, HOST_CLASS_ADDRESS_FAILED},
    {"host: address lookups in flight", "pp", FINDINGS_TLSA_PENDING, HOST_CLASS_ADDRESS_PENDING},
    {"host: one family failed, one in flight", "fp", FINDINGS_TLSA_PENDING,
     HOST_CLASS_ADDRESS_PENDING},
    {"host: impossible address state", "?-", FINDINGS_TLSA_NONE, HOST_CLASS_ADDRESS_FAILED},
};

static uint8_t addr_of(char c)
{
    switch (c) {
    case 's':
        return FINDINGS_ADDR_SECURE;
    case 'i':
        return FINDINGS_ADDR_INSECURE;
    case '-':
        return FINDINGS_ADDR_ABSENT;
    case 'f':
        return FINDINGS_ADDR_FAILED;
    case 'p':
        return FINDINGS_ADDR_PENDING;
    default:
        return 77;
    }
}

static void classifies_host(void **state)
{
    const struct host_case *c = *state;
    struct findings_host host = {.a = addr_of(c->addresses[0]),
                                 .aaaa = addr_of(c->addresses[1]),
                                 .tlsa_state = (uint8_t)c->tlsa};

    assert_int_equal(host_class_of(&host), c->want);
}

static const struct findings_host four[] = {
    {.name = "mx1.example.org",
     .preference = 10,
     .a = FINDINGS_ADDR_SECURE,
     .aaaa = FINDINGS_ADDR_ABSENT,
     .tlsa_state = FINDINGS_TLSA_USABLE},
    {.name = "mx2.example.org",
     .preference = 20,
     .a = FINDINGS_ADDR_SECURE,
     .aaaa = FINDINGS_ADDR_ABSENT,
     .tlsa_state = FINDINGS_TLSA_NONE,
     .sts_match = true},
    {.name = "mx3.example.org",
     .preference = 20,
     .a = FINDINGS_ADDR_ABSENT,
     .aaaa = FINDINGS_ADDR_ABSENT,
     .tlsa_state = FINDINGS_TLSA_NONE},
    {.name = "mx4.example.org",
     .preference = 30,
     .a = FINDINGS_ADDR_FAILED,
     .aaaa = FINDINGS_ADDR_FAILED,
     .tlsa_state = FINDINGS_TLSA_NONE,
     .sts_match = true},
};

static void derive(unsigned mx, const char *mine, struct host_classes *out)
{
    const char *names[] = {mine};
    const struct verdict_terms terms = {.my_names = names, .my_name_count = mine != NULL ? 1 : 0};
    const struct findings f = {.mx = (uint8_t)mx, .hosts = four, .host_count = 4};

    host_classes_derive(&f, &terms, out);
}

static void all_hosts(void **state)
{
    struct host_classes c;
    (void)state;

    derive(FINDINGS_MX_SECURE, NULL, &c);
    assert_int_equal(c.of[HOST_CLASS_DANE], 1 << 0);
    assert_int_equal(c.of[HOST_CLASS_PLAIN], 1 << 1);
    assert_int_equal(c.of[HOST_CLASS_ABSENT], 1 << 2);
    assert_int_equal(c.of[HOST_CLASS_ADDRESS_FAILED], 1 << 3);
    assert_int_equal(c.counted, 1 << 0 | 1 << 1 | 1 << 3);
    assert_int_equal(c.sts_match, 1 << 1 | 1 << 3);
    assert_false(c.best_mx);
}

/* RFC 5321 section 5.1: also those of the same preference are not tried. */
static void hosts_not_preferred(void **state)
{
    struct host_classes c;
    (void)state;

    derive(FINDINGS_MX_SECURE, "mx3.example.org", &c);
    assert_int_equal(c.of[HOST_CLASS_NOT_PREFERRED], 1 << 1 | 1 << 2 | 1 << 3);
    assert_int_equal(c.counted, 1 << 0);
    assert_false(c.best_mx);
    derive(FINDINGS_MX_SECURE, "mx1.example.org", &c);
    assert_int_equal(c.counted, 0);
    assert_true(c.best_mx);
    derive(FINDINGS_MX_NOT_ASKED, "mx1.example.org", &c);
    assert_int_equal(c.of[HOST_CLASS_NOT_PREFERRED], 0);
    assert_false(c.best_mx);
}

static void tlsa_binds(void **state)
{
    struct host_classes c;
    (void)state;

    derive(FINDINGS_MX_SECURE, NULL, &c);
    assert_true(c.tlsa_binds);
    derive(FINDINGS_MX_ABSENT, NULL, &c); /* implicit MX (RFC 7672 section 2.2.2) */
    assert_true(c.tlsa_binds);
    derive(FINDINGS_MX_NOT_ASKED, NULL, &c);
    assert_true(c.tlsa_binds);
    derive(FINDINGS_MX_INSECURE, NULL, &c);
    assert_false(c.tlsa_binds);
    assert_int_equal(c.of[HOST_CLASS_DANE], 1 << 0);
}

static void no_terms(void **state)
{
    const struct findings f = {.mx = FINDINGS_MX_SECURE, .hosts = four, .host_count = 4};
    const struct findings none = {.mx = FINDINGS_MX_NXDOMAIN};
    struct host_classes c;
    (void)state;

    host_classes_derive(&f, NULL, &c);
    assert_int_equal(c.of[HOST_CLASS_NOT_PREFERRED], 0);
    host_classes_derive(&none, NULL, &c);
    assert_int_equal(c.counted, 0);
    assert_false(c.best_mx);
}

static void too_many_hosts(void **state)
{
    static struct findings_host hosts[FINDINGS_MAX_HOSTS + 1];
    const struct findings f = {
        .mx = FINDINGS_MX_SECURE, .hosts = hosts, .host_count = FINDINGS_MAX_HOSTS + 1};
    struct host_classes c;
    (void)state;

    for (size_t i = 0; i <= FINDINGS_MAX_HOSTS; i++)
        hosts[i] = four[0];
    host_classes_derive(&f, NULL, &c);
    assert_int_equal(c.of[HOST_CLASS_ADDRESS_FAILED], UINT32_MAX);
    assert_int_equal(c.of[HOST_CLASS_DANE], 0);
}

int main(void)
{
    enum { COUNT = sizeof host_cases / sizeof host_cases[0], FIXED = 5 };
    struct CMUnitTest tests[FIXED + COUNT] = {
        cmocka_unit_test(all_hosts), cmocka_unit_test(hosts_not_preferred),
        cmocka_unit_test(tlsa_binds), cmocka_unit_test(no_terms), cmocka_unit_test(too_many_hosts)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[FIXED + i].name = host_cases[i].name;
        tests[FIXED + i].test_func = classifies_host;
        tests[FIXED + i].initial_state = (void *)(uintptr_t)&host_cases[i];
    }
    return cmocka_run_group_tests_name("host_class", tests, NULL, NULL);
}
