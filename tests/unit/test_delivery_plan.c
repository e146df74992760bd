/*
 * In which order the servers of a next-hop are tried.
 */
#include "deliver/delivery_plan.h"
#include "findings/findings_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 192.0.HOST.N and 2001:db8::HOST:N. */
static const struct findings_addresses *addresses(uint8_t host, size_t a, size_t aaaa)
{
    static uint8_t room[64][512] __attribute__((aligned(8)));
    static size_t next;
    struct findings_addresses *out = (void *)room[next++ % 64];

    memset(out, 0, 512);
    out->a_count = (uint8_t)a;
    out->aaaa_count = (uint8_t)aaaa;
    for (size_t i = 0; i < a; i++)
        memcpy(&out->octets[4 * i], (uint8_t[]){192, 0, host, (uint8_t)(i + 1)}, 4);
    for (size_t i = 0; i < aaaa; i++)
        memcpy(&out->octets[4 * a + 16 * i],
               (uint8_t[16]){0x20, 1, 0x0d, 0xb8, [13] = host, [15] = (uint8_t)(i + 1)}, 16);
    return out;
}

static struct findings_host host(uint8_t number, uint16_t preference, size_t a, size_t aaaa)
{
    static char names[256][16];

    snprintf(names[number], sizeof(names[number]), "mx%u.example", number);
    return (struct findings_host){
        .name = names[number],
        .preference = preference,
        .a = a > 0 ? FINDINGS_ADDR_INSECURE : FINDINGS_ADDR_ABSENT,
        .aaaa = aaaa > 0 ? FINDINGS_ADDR_INSECURE : FINDINGS_ADDR_ABSENT,
        .addresses = addresses(number, a, aaaa),
    };
}

static const struct findings *findings_of(enum nexthop_kind kind, const char *name,
                                          const struct findings_host *hosts, size_t count)
{
    const struct findings draft = {
        .nexthop = {.name = name, .text = name, .port = NEXTHOP_PORT_DEFAULT, .kind = kind},
        .mx = kind == NEXTHOP_DOMAIN ? FINDINGS_MX_INSECURE : FINDINGS_MX_NOT_ASKED,
        .host_count = (uint16_t)count,
        .hosts = hosts,
        .sts = {.state = FINDINGS_STS_NONE},
    };

    return findings_freeze(&draft);
}

/* `0:4.1 0:6.1`: host, family, last octet; `!` in front where it is avoided. */
static const char *text_of(const struct delivery_plan *plan)
{
    static char text[2000];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < plan->count; i++) {
        const struct delivery_target *t = &plan->targets[i];

        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%u:%s%u", i > 0 ? " " : "",
                                 t->avoided ? "!" : "", t->host, t->ipv6 ? "6." : "4.",
                                 t->address[t->ipv6 ? 15 : 3]);
    }
    return text;
}

static struct delivery_plan plan_of(const struct delivery_plan_facts *facts)
{
    struct delivery_plan plan;

    delivery_plan_make(facts, &plan);
    return plan;
}

static void by_preference(void **state)
{
    struct findings_host hosts[] = {host(0, 10, 1, 0), host(1, 20, 1, 0), host(2, 30, 1, 0)};
    const struct findings *f = findings_of(NEXTHOP_DOMAIN, "example.org", hosts, 3);
    (void)state;

    for (uint64_t seed = 0; seed < 50; seed++) {
        const struct delivery_plan_facts facts = {.findings = f, .hosts = 7, .seed = seed};
        struct delivery_plan plan = plan_of(&facts);

        assert_string_equal(text_of(&plan), "0:4.1 1:4.1 2:4.1");
        assert_false(plan.loops);
    }
    findings_unref(f);
}

/* Each of the equals is first about as often as the others, and none comes before the better. */
static void equals_at_random(void **state)
{
    struct findings_host hosts[] = {host(0, 5, 1, 0), host(1, 10, 1, 0), host(2, 10, 1, 0),
                                    host(3, 10, 1, 0)};
    const struct findings *f = findings_of(NEXTHOP_DOMAIN, "example.org", hosts, 4);
    unsigned second[4] = {0};
    (void)state;

    for (uint64_t seed = 0; seed < 3000; seed++) {
        const struct delivery_plan_facts facts = {.findings = f, .hosts = 15, .seed = seed};
        struct delivery_plan plan = plan_of(&facts);

        assert_int_equal(plan.count, 4);
        assert_int_equal(plan.targets[0].host, 0);
        second[plan.targets[1].host]++;
    }
    for (size_t i = 1; i < 4; i++)
        assert_true(second[i] > 800 && second[i] < 1200);
    findings_unref(f);
}

static void families_in_turn(void **state)
{
    struct findings_host hosts[] = {host(0, 10, 2, 3)};
    const struct findings *f = findings_of(NEXTHOP_DOMAIN, "example.org", hosts, 1);
    unsigned ipv6_first = 0;
    (void)state;

    for (uint64_t seed = 0; seed < 1000; seed++) {
        const struct delivery_plan_facts facts = {.findings = f, .hosts = 1, .seed = seed};
        struct delivery_plan plan = plan_of(&facts);
        bool first = plan.targets[0].ipv6;

        assert_int_equal(plan.count, 5);
        assert_int_equal(plan.targets[1].ipv6, !first);
        assert_int_equal(plan.targets[2].ipv6, first);
        assert_int_equal(plan.targets[3].ipv6, !first);
        assert_true(plan.targets[4].ipv6);
        ipv6_first += first;
    }
    assert_true(ipv6_first > 400 && ipv6_first < 600);
    findings_unref(f);
}

/* What may not be contacted is in no plan. */
static void only_allowed_hosts(void **state)
{
    struct findings_host hosts[] = {host(0, 10, 4, 4), host(1, 10, 1, 0), host(2, 20, 1, 1)};
    const struct findings *f = findings_of(NEXTHOP_DOMAIN, "example.org", hosts, 3);
    (void)state;

    for (uint64_t seed = 0; seed < 200; seed++) {
        for (uint32_t allowed = 0; allowed < 8; allowed++) {
            const struct delivery_plan_facts facts = {
                .findings = f, .hosts = allowed, .seed = seed};
            struct delivery_plan plan = plan_of(&facts);

            for (size_t i = 0; i < plan.count; i++)
                assert_true((allowed >> plan.targets[i].host & 1) != 0);
            assert_int_equal(plan.count,
                             8 * (allowed & 1) + (allowed >> 1 & 1) + 2 * (allowed >> 2 & 1));
        }
    }
    findings_unref(f);
}

/* delivery_plan_address_fn: addresses of the host *arg. */
static bool is_of_host(const uint8_t *address, bool ipv6, void *arg)
{
    return address[ipv6 ? 13 : 2] == *(const uint8_t *)arg;
}

static void avoided_last(void **state)
{
    struct findings_host hosts[] = {host(0, 10, 1, 0), host(1, 20, 1, 0)};
    const struct findings *f = findings_of(NEXTHOP_DOMAIN, "example.org", hosts, 2);
    uint8_t avoided = 0;
    const struct delivery_plan_facts facts = {
        .findings = f, .hosts = 3, .is_avoided = is_of_host, .arg = &avoided};
    struct delivery_plan plan = plan_of(&facts);
    (void)state;

    assert_string_equal(text_of(&plan), "1:4.1 !0:4.1");
    findings_unref(f);
}

/* A host with an own address, its equals, and what is less preferred are left out. */
static void own_addresses(void **state)
{
    struct findings_host hosts[] = {host(0, 10, 1, 0), host(1, 20, 1, 1), host(2, 20, 1, 0),
                                    host(3, 30, 1, 0)};
    const struct findings *f = findings_of(NEXTHOP_DOMAIN, "example.org", hosts, 4);
    const struct findings *bracketed = findings_of(NEXTHOP_HOST, "mx2.example", hosts + 2, 1);
    uint8_t own = 2;
    struct delivery_plan_facts facts = {
        .findings = f, .hosts = 15, .is_own = is_of_host, .arg = &own};
    struct delivery_plan plan = plan_of(&facts);
    (void)state;

    assert_string_equal(text_of(&plan), "0:4.1");
    assert_false(plan.loops);
    own = 0;
    plan = plan_of(&facts);
    assert_int_equal(plan.count, 0);
    assert_true(plan.loops);
    /* Who writes [host] means that one. */
    own = 2;
    facts.findings = bracketed;
    plan = plan_of(&facts);
    assert_string_equal(text_of(&plan), "0:4.1");
    findings_unref(f);
    findings_unref(bracketed);
}

static void literals(void **state)
{
    const struct findings *ipv4 = findings_of(NEXTHOP_LITERAL, "192.0.2.77", NULL, 0);
    const struct findings *ipv6 = findings_of(NEXTHOP_LITERAL, "2001:db8::77", NULL, 0);
    struct delivery_plan_facts facts = {.findings = ipv4, .hosts = 1};
    struct delivery_plan plan = plan_of(&facts);
    char endpoint[DELIVERY_ENDPOINT_MAX];
    (void)state;

    assert_string_equal(text_of(&plan), "0:4.77");
    assert_string_equal(delivery_host_name(ipv4, 0), "192.0.2.77");
    delivery_target_endpoint(&plan.targets[0], 25, endpoint);
    assert_string_equal(endpoint, "192.0.2.77:25");
    facts.findings = ipv6;
    plan = plan_of(&facts);
    assert_string_equal(text_of(&plan), "0:6.119");
    delivery_target_endpoint(&plan.targets[0], 2525, endpoint);
    assert_string_equal(endpoint, "[2001:db8::77]:2525");
    facts.hosts = 0;
    plan = plan_of(&facts);
    assert_int_equal(plan.count, 0);
    findings_unref(ipv4);
    findings_unref(ipv6);
}

static void bounded(void **state)
{
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    const struct findings *f;
    struct delivery_plan_facts facts = {.hosts = UINT32_MAX};
    struct delivery_plan plan;
    (void)state;

    for (uint8_t i = 0; i < FINDINGS_MAX_HOSTS; i++)
        hosts[i] = host(i, i, 16, 16);
    f = findings_of(NEXTHOP_DOMAIN, "example.org", hosts, FINDINGS_MAX_HOSTS);
    facts.findings = f;
    plan = plan_of(&facts);
    assert_int_equal(plan.count, DELIVERY_PLAN_TARGETS);
    assert_int_equal(plan.targets[0].host, 0);
    findings_unref(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_preference),    cmocka_unit_test(equals_at_random),
        cmocka_unit_test(families_in_turn), cmocka_unit_test(only_allowed_hosts),
        cmocka_unit_test(avoided_last),     cmocka_unit_test(own_addresses),
        cmocka_unit_test(literals),         cmocka_unit_test(bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
