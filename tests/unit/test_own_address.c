/*
 * Which addresses are this host's own.
 */
#include "policy/own_address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static bool is_own(const char *text)
{
    bool ipv6 = strchr(text, ':') != NULL;
    uint8_t octets[16];

    assert_int_equal(inet_pton(ipv6 ? AF_INET6 : AF_INET, text, octets), 1);
    return own_address_is(octets, ipv6);
}

/* Loopback is what every host has. */
static void which_are_own(void **state)
{
    (void)state;
    assert_true(is_own("127.0.0.1"));
    assert_true(is_own("::ffff:127.0.0.1"));
    assert_false(is_own("203.0.113.77"));
    assert_false(is_own("::ffff:203.0.113.77"));
    assert_false(is_own("2001:db8::203:113"));
}

/* What cannot be known is not connected to. */
static void no_descriptors(void **state)
{
    struct rlimit limit, none;
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool own = is_own("203.0.113.77");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_are_own),
        cmocka_unit_test(no_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
