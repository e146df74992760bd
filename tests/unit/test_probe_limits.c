/*
 * How much is probed: the minute, the row of hosts that could not be reached, the rest; and which
 * addresses strangers may name.
 */
#include "probe/probe_address.h"
#include "probe/probe_limits.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE = PROBE_LIMITS_MINUTE_MS };

static size_t begin_all(struct probe_limits *limits, int64_t now_ms)
{
    size_t count = 0;

    while (probe_limits_may(limits, 0, now_ms) && count < 1000) {
        probe_limits_begun(limits, now_ms);
        count++;
    }
    return count;
}

static void so_many_in_a_minute(void **state)
{
    struct probe_limits limits;
    (void)state;

    probe_limits_init(&limits);
    probe_limits_configure(&limits, 60);
    assert_int_equal(begin_all(&limits, 5000), 60);
    assert_int_equal(begin_all(&limits, 5000 + MINUTE - 1), 0);
    assert_int_equal(begin_all(&limits, 5000 + MINUTE), 0);
    assert_int_equal(begin_all(&limits, 5000 + MINUTE + MINUTE / 2), 30);
    assert_int_equal(begin_all(&limits, 5000 + 2 * MINUTE), 30);
    assert_int_equal(begin_all(&limits, 5000 + 10 * MINUTE), 60);
}

/* In no 60 seconds many more than so many, whenever they are begun. */
static void evenly_spread(void **state)
{
    struct probe_limits limits;
    int64_t begun[4000];
    size_t count = 0;
    (void)state;

    probe_limits_init(&limits);
    probe_limits_configure(&limits, 60);
    for (int64_t now_ms = 0; now_ms < 20 * MINUTE; now_ms += 250) {
        if (probe_limits_may(&limits, 0, now_ms)) {
            probe_limits_begun(&limits, now_ms);
            begun[count++] = now_ms;
        }
    }
    assert_true(count > 18 * 60 && count <= 21 * 60);
    for (size_t i = 0; i + 90 < count; i++)
        assert_true(begun[i + 90] - begun[i] >= MINUTE);
}

static void those_that_wait_count(void **state)
{
    struct probe_limits limits;
    (void)state;

    probe_limits_init(&limits);
    probe_limits_configure(&limits, 2);
    assert_true(probe_limits_may(&limits, 1, 0));
    assert_false(probe_limits_may(&limits, 2, 0));
    probe_limits_configure(&limits, 0); /* one at least */
    assert_true(probe_limits_may(&limits, 0, 0));
    assert_false(probe_limits_may(&limits, 1, 0));
}

static void a_row_begins_a_rest(void **state)
{
    struct probe_limits limits;
    (void)state;

    probe_limits_init(&limits);
    for (uint64_t host = 1; host < PROBE_LIMITS_ROW; host++) {
        assert_false(probe_limits_ended(&limits, host, false, 1000));
        assert_false(probe_limits_ended(&limits, host, false, 1000)); /* counts once */
    }
    assert_false(probe_limits_rests(&limits, 1000));
    assert_true(probe_limits_ended(&limits, 100, false, 1000));
    assert_true(probe_limits_rests(&limits, 1000 + PROBE_LIMITS_REST_MS - 1));
    /* Those that were in flight warn of nothing more, and prolong nothing. */
    for (uint64_t host = 200; host < 200 + 2 * PROBE_LIMITS_ROW; host++)
        assert_false(probe_limits_ended(&limits, host, false, 2000));
    assert_false(probe_limits_rests(&limits, 1000 + PROBE_LIMITS_REST_MS));
    /* And one of them that is reached after all ends the rest. */
    for (uint64_t host = 1; host <= PROBE_LIMITS_ROW; host++)
        probe_limits_ended(&limits, host, false, 5000 + PROBE_LIMITS_REST_MS);
    assert_true(probe_limits_rests(&limits, 5000 + PROBE_LIMITS_REST_MS));
    assert_false(probe_limits_ended(&limits, 7, true, 5001 + PROBE_LIMITS_REST_MS));
    assert_false(probe_limits_rests(&limits, 5001 + PROBE_LIMITS_REST_MS));
}

static void one_that_is_reached_ends_the_row(void **state)
{
    struct probe_limits limits;
    (void)state;

    probe_limits_init(&limits);
    for (uint64_t host = 1; host < PROBE_LIMITS_ROW; host++)
        assert_false(probe_limits_ended(&limits, host, false, 0));
    assert_false(probe_limits_ended(&limits, 500, true, 0));
    for (uint64_t host = 1; host < PROBE_LIMITS_ROW; host++)
        assert_false(probe_limits_ended(&limits, host, false, 0));
    assert_true(probe_limits_ended(&limits, 501, false, 0));
}

static const struct {
    const char *address;
    bool is_public;
} addresses[] = {
    {"0.0.0.0", false},
    {"0.1.2.3", false},
    {"1.1.1.1", true},
    {"9.255.255.255", true},
    {"10.0.0.0", false},
    {"10.255.255.255", false},
    {"11.0.0.0", true},
    {"100.63.255.255", true},
    {"100.64.0.1", false},
    {"100.127.255.255", false},
    {"100.128.0.0", true},
    {"127.0.0.1", false},
    {"127.255.255.254", false},
    {"128.0.0.1", true},
    {"169.253.1.1", true},
    {"169.254.169.254", false},
    {"172.15.255.255", true},
    {"172.16.0.1", false},
    {"172.31.255.255", false},
    {"172.32.0.0", true},
    {"191.255.255.255", true},
    {"192.0.0.1", false},
    {"192.0.0.171", false},
    {"192.0.1.1", true},
    {"192.0.2.1", true},
    {"192.167.1.1", true},
    {"192.168.0.1", false},
    {"192.169.0.1", true},
    {"198.51.100.1", true},
    {"223.255.255.255", true},
    {"224.0.0.1", false},
    {"239.1.1.1", false},
    {"240.0.0.1", false},
    {"255.255.255.255", false},
    {"::", false},
    {"::1", false},
    {"::127.0.0.1", false},
    {"::ffff:127.0.0.1", false},
    {"::ffff:10.1.1.1", false},
    {"::ffff:192.0.2.1", true},
    {"64:ff9b::a00:1", false},
    {"64:ff9b::c000:201", true},
    {"64:ff9b:1::c000:201", false},
    {"::ffff:0:7f00:1", false},
    {"::ffff:0:c000:201", false},
    {"100::1", false},
    {"1fff::1", false},
    {"2000::1", true},
    {"3fff::1", true},
    {"4000::1", false},
    {"5f00::1", false},
    {"2002:7f00:1::1", false},
    {"2002:c000:201::1", true},
    {"2001:db8::1", true},
    {"2a00::1", true},
    {"fc00::1", false},
    {"fdff::1", false},
    {"fe80::1", false},
    {"febf::1", false},
    {"fec0::1", false},
    {"ff02::1", false},
};

static void which_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        bool ipv6 = strchr(addresses[i].address, ':') != NULL;
        uint8_t octets[16];

        assert_int_equal(inet_pton(ipv6 ? AF_INET6 : AF_INET, addresses[i].address, octets), 1);
        if (probe_address_is_public(octets, ipv6) != addresses[i].is_public)
            fail_msg("%s", addresses[i].address);
    }
}

static void endpoints(void **state)
{
    static const uint8_t ipv6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1}, ipv4[4] = {192, 0, 2, 1};
    char text[PROBE_ENDPOINT_MAX];
    (void)state;

    probe_address_endpoint(ipv4, false, 25, text);
    assert_string_equal(text, "192.0.2.1:25");
    probe_address_endpoint(ipv6, true, 65535, text);
    assert_string_equal(text, "[2001:db8::1]:65535");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_in_a_minute),
        cmocka_unit_test(evenly_spread),
        cmocka_unit_test(those_that_wait_count),
        cmocka_unit_test(a_row_begins_a_rest),
        cmocka_unit_test(one_that_is_reached_ends_the_row),
        cmocka_unit_test(which_addresses),
        cmocka_unit_test(endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
