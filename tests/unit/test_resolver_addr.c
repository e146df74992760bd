/* Addresses of resolvers: what the configuration and resolv.conf may say (resolver_addr.h). */
#include "dns/resolver_addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        const char *people; /* NULL: not an address */
        bool loopback;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", false},
        {"192.0.2.1:53", "192.0.2.1", false},
        {"192.0.2.1:5353", "192.0.2.1:5353", false},
        {"[192.0.2.1]:5353", "192.0.2.1:5353", false},
        {"127.0.0.53", "127.0.0.53", true},
        {"128.0.0.1", "128.0.0.1", false},
        {"::1", "::1", true},
        {"[::1]", "::1", true},
        {"[::1]:54", "[::1]:54", true},
        {"2001:DB8:0:0::1", "2001:db8::1", false},
        {"::ffff:127.0.0.1", "::ffff:127.0.0.1", false},
        {"fe80::1%lo", "fe80::1%lo", false},
        {"[fe80::1%lo]:54", "[fe80::1%lo]:54", false},
        {"fe80::1%1", "fe80::1%lo", false},
        {"fe80::1%99999", "fe80::1%99999", false},
        {"fe80::1%no-such-if", NULL, false},
        {"fe80::1%", NULL, false},
        {"fe80::1%0", NULL, false},
        {"192.0.2.1%lo", NULL, false},
        {"", NULL, false},
        {"localhost", NULL, false},
        {"192.0.2", NULL, false},
        {"192.0.2.1:", NULL, false},
        {"192.0.2.1:0", NULL, false},
        {"192.0.2.1:65536", NULL, false},
        {"192.0.2.1:53x", NULL, false},
        {"192.0.2.1:+53", NULL, false},
        {"[::1", NULL, false},
        {"[::1]53", NULL, false},
        {"[]", NULL, false},
        {"1:2:3", NULL, false},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1",
         NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct resolver_addr addr;
        int result = resolver_addr_parse(cases[i].text, &addr);

        if (result != (cases[i].people != NULL ? 0 : -EINVAL))
            fail_msg("%s: %d", cases[i].text, result);
        if (result < 0)
            continue;
        assert_string_equal(addr.text, cases[i].people);
        assert_int_equal(resolver_addr_is_loopback(&addr), cases[i].loopback);
    }
}

static void test_conf(void **state)
{
    static const struct {
        const char *name, *conf;
        size_t max;
        const char *expect; /* the addresses, each followed by a blank */
        unsigned bad_line;
    } cases[] = {
        {"empty", "", 9, "", 0},
        {"all of them",
         "nameserver 192.0.2.1\nnameserver ::1\nnameserver 192.0.2.3\nnameserver 1.1.1.1\n", 9,
         "192.0.2.1 ::1 192.0.2.3 1.1.1.1 ", 0},
        {"no newline at the end", "nameserver 192.0.2.1", 9, "192.0.2.1 ", 0},
        {"blanks, tabs, CR, a comment behind",
         "nameserver \t192.0.2.1 \nnameserver\t::1\r\n"
         "nameserver 192.0.2.2 # here\n",
         9, "192.0.2.1 ::1 192.0.2.2 ", 0},
        {"other lines",
         "# nameserver 192.0.2.9\n;nameserver 192.0.2.9\nsearch a b\ndomain x\n"
         "options trust-ad\nnameservers 192.0.2.9\n nameserver 192.0.2.9\nnameserver 192.0.2.1\n",
         9, "192.0.2.1 ", 0},
        {"the same twice", "nameserver ::1\nnameserver 0:0::1\nnameserver [::1]:54\n", 9,
         "::1 [::1]:54 ", 0},
        {"link-local with its interface", "nameserver fe80::1%lo\n", 9, "fe80::1%lo ", 0},
        {"wrong ones are passed over",
         "nameserver x\nnameserver\nnameserver 192.0.2.1\n"
         "nameserver fe80::1%no-such-if\n",
         9, "192.0.2.1 ", 1},
        {"a wrong one late", "search x\nnameserver 192.0.2.1\nnameserver 300.1.1.1\n", 9,
         "192.0.2.1 ", 3},
        {"more than there is room for", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n", 1,
         "192.0.2.1 ", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct resolver_addr list[9];
        char got[400] = "";
        unsigned bad_line;
        size_t count = resolver_addr_from_conf(cases[i].conf, strlen(cases[i].conf), list,
                                               cases[i].max, &bad_line);

        for (size_t j = 0; j < count; j++) {
            strcat(got, list[j].text);
            strcat(got, " ");
        }
        if (strcmp(got, cases[i].expect) != 0 || bad_line != cases[i].bad_line)
            fail_msg("%s: got %s(line %u)", cases[i].name, got, bad_line);
    }
}

static void test_equal(void **state)
{
    static const char *const texts[] = {"192.0.2.1", "192.0.2.2", "192.0.2.1:54",
                                        "::1",       "[::1]:54",  "::2",
                                        "fe80::1%1", "fe80::1%2", "::ffff:192.0.2.1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
            struct resolver_addr a, b;

            assert_int_equal(resolver_addr_parse(texts[i], &a), 0);
            assert_int_equal(resolver_addr_parse(texts[j], &b), 0);
            assert_int_equal(resolver_addr_equal(&a, &b), i == j);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_conf),
        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
