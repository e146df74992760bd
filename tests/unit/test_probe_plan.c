/*
 * What is to be probed, by findings and terms; and which address is next.
 */
#include "findings/findings_make.h"
#include "probe/probe_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t digest[32] = {1};
static const struct findings_tlsa ee = {3, 1, 1, true, 32, digest};

/* So many addresses of each family, 192.0.2.N and 2001:db8::N. */
static const struct findings_addresses *addresses(size_t a, size_t aaaa)
{
    static uint8_t room[40][512] __attribute__((aligned(8)));
    static size_t next;
    struct findings_addresses *out = (void *)room[next++ % 40];

    memset(out, 0, 512);
    out->a_count = (uint8_t)a;
    out->aaaa_count = (uint8_t)aaaa;
    for (size_t i = 0; i < a; i++)
        memcpy(&out->octets[4 * i], (uint8_t[]){192, 0, 2, (uint8_t)(i + 1)}, 4);
    for (size_t i = 0; i < aaaa; i++)
        memcpy(&out->octets[4 * a + 16 * i],
               (uint8_t[16]){0x20, 1, 0x0d, 0xb8, [15] = (uint8_t)(i + 1)}, 16);
    return out;
}

static struct findings_host dane_host(const char *name, uint16_t preference, size_t a, size_t aaaa)
{
    return (struct findings_host){
        .name = name,
        .tlsa_base = name,
        .tlsa = &ee,
        .tlsa_count = 1,
        .preference = preference,
        .a = a > 0 ? FINDINGS_ADDR_SECURE : FINDINGS_ADDR_ABSENT,
        .aaaa = aaaa > 0 ? FINDINGS_ADDR_SECURE : FINDINGS_ADDR_ABSENT,
        .tlsa_state = FINDINGS_TLSA_USABLE,
        .addresses = addresses(a, aaaa),
    };
}

static struct probe_plan *plan_of(const struct findings_host *hosts, size_t count,
                                  const struct verdict_terms *terms, enum probe_scope scope)
{
    const struct findings draft = {
        .nexthop = {.name = "example.org",
                    .text = "example.org",
                    .port = NEXTHOP_PORT_DEFAULT,
                    .kind = NEXTHOP_DOMAIN},
        .mx = FINDINGS_MX_SECURE,
        .security_known = true,
        .host_count = (uint16_t)count,
        .hosts = hosts,
        .sts = {.state = FINDINGS_STS_NONE},
    };
    const struct findings *f = findings_freeze(&draft);
    struct probe_plan *plan = probe_plan_new(f, terms, 25, scope);

    findings_unref(f); /* the plan has a reference of its own */
    assert_non_null(plan);
    return plan;
}

static const struct verdict_terms enforce = {
    .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_REQUIRETLS, .web_pki = true};

/* `0:4.1 0:6.1`: number of the host in the plan, family, last octet. */
static const char *candidates(const struct probe_plan *plan)
{
    static char text[1000];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < plan->candidate_count; i++) {
        const struct probe_candidate *c = &plan->candidates[i];

        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u:%s%u", i > 0 ? " " : "",
                                 c->host, c->ipv6 ? "6." : "4.", c->address[c->ipv6 ? 15 : 3]);
    }
    return text;
}

static void families_in_turn(void **state)
{
    struct findings_host hosts[] = {dane_host("a.example", 10, 1, 3),
                                    dane_host("b.example", 10, 5, 0),
                                    dane_host("c.example", 20, 2, 2)};
    struct probe_plan *plan = plan_of(hosts, 3, &enforce, PROBE_SCOPE_COUNTED);
    (void)state;

    assert_string_equal(candidates(plan), "0:4.1 0:6.1 0:6.2 0:6.3 "
                                          "1:4.1 1:4.2 1:4.3 1:4.4 "
                                          "2:4.1 2:6.1 2:4.2 2:6.2");
    assert_true(plan->connects);
    assert_string_equal(plan->findings->hosts[plan->hosts[1].index].name, "b.example");
    assert_int_equal(plan->hosts[0].demand.kind, TLS_DEMAND_DANE);
    assert_int_equal(strlen(plan->hosts[0].demand_key), TLS_DEMAND_KEY_MAX - 1);
    assert_string_not_equal(plan->hosts[0].demand_key, plan->hosts[1].demand_key);
    probe_plan_unref(probe_plan_ref(plan));
    probe_plan_unref(plan);
    probe_plan_unref(NULL);
}

/* In whatever order the addresses were answered. */
static void rotated_addresses(void **state)
{
    struct findings_host hosts[] = {dane_host("a.example", 10, 6, 1)};
    struct findings_addresses *rotated = (struct findings_addresses *)(uintptr_t)hosts[0].addresses;
    (void)state;

    for (unsigned turn = 0; turn < 6; turn++) {
        uint8_t first[4];
        struct probe_plan *plan = plan_of(hosts, 1, &enforce, PROBE_SCOPE_COUNTED);

        assert_string_equal(candidates(plan), "0:4.1 0:6.1 0:4.2 0:4.3");
        probe_plan_unref(plan);
        memcpy(first, rotated->octets, 4);
        memmove(rotated->octets, rotated->octets + 4, 5 * 4);
        memcpy(rotated->octets + 5 * 4, first, 4);
    }
}

/* However many a domain publishes. */
static void bounded(void **state)
{
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    char names[FINDINGS_MAX_HOSTS][20];
    struct probe_plan *plan;
    (void)state;

    for (unsigned i = 0; i < FINDINGS_MAX_HOSTS; i++) {
        snprintf(names[i], sizeof names[i], "mx%02u.example", i);
        hosts[i] = dane_host(names[i], 10, 16, 16);
    }
    plan = plan_of(hosts, FINDINGS_MAX_HOSTS, &enforce, PROBE_SCOPE_COUNTED);
    assert_int_equal(plan->host_count, FINDINGS_MAX_HOSTS);
    assert_int_equal(plan->candidate_count, PROBE_PLAN_ADDRESSES);
    probe_plan_unref(plan);
    plan = plan_of(hosts, FINDINGS_MAX_HOSTS, &enforce, PROBE_SCOPE_ALL);
    assert_int_equal(plan->candidate_count, PROBE_PLAN_ADDRESSES_NOW);
    probe_plan_unref(plan);
    plan = plan_of(hosts, 1, &enforce, PROBE_SCOPE_ALL);
    assert_int_equal(plan->candidate_count, PROBE_HOST_ADDRESSES_NOW);
    probe_plan_unref(plan);
}

static void which_hosts(void **state)
{
    static const char *const own[] = {"b.example"};
    struct findings_host hosts[] = {dane_host("a.example", 10, 1, 0),
                                    dane_host("b.example", 20, 1, 0),
                                    dane_host("c.example", 30, 1, 0)};
    struct verdict_terms terms = enforce;
    struct probe_plan *plan;
    (void)state;

    /* Not preferred over ourselves. */
    terms.my_names = own;
    terms.my_name_count = 1;
    plan = plan_of(hosts, 3, &terms, PROBE_SCOPE_COUNTED);
    assert_string_equal(candidates(plan), "0:4.1");
    probe_plan_unref(plan);

    /* Without DANE beside DANE; addresses that are not known; a TLSA lookup that failed. */
    hosts[0].tlsa_state = FINDINGS_TLSA_NONE;
    hosts[0].tlsa_count = 0;
    plan = plan_of(hosts, 3, &enforce, PROBE_SCOPE_COUNTED);
    assert_int_equal(plan->host_count, 2);
    assert_int_equal(plan->hosts[0].index, 1);
    probe_plan_unref(plan);
    plan = plan_of(hosts, 3, &enforce, PROBE_SCOPE_ALL);
    assert_int_equal(plan->host_count, 3);
    assert_int_equal(plan->hosts[0].demand.kind, TLS_DEMAND_ENCRYPT);
    assert_int_equal(plan->hosts[1].demand.kind, TLS_DEMAND_DANE);
    probe_plan_unref(plan);
    hosts[1].addresses = NULL;
    hosts[1].a = FINDINGS_ADDR_FAILED;
    hosts[2].tlsa_state = FINDINGS_TLSA_FAILED;
    plan = plan_of(hosts, 3, &enforce, PROBE_SCOPE_COUNTED);
    assert_int_equal(plan->candidate_count, 0);
    probe_plan_unref(plan);
}

static void by_level(void **state)
{
    struct findings_host hosts[] = {dane_host("a.example", 10, 1, 0)};
    struct verdict_terms terms = enforce;
    struct probe_plan *plan;
    (void)state;

    terms.level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
    plan = plan_of(hosts, 1, &terms, PROBE_SCOPE_COUNTED);
    assert_int_equal(plan->candidate_count, 1);
    assert_false(plan->connects);
    assert_string_equal(plan->hosts[0].demand_key, "");
    probe_plan_unref(plan);
    terms.level = VERDICT_LEVEL_OPPORTUNISTIC;
    plan = plan_of(hosts, 1, &terms, PROBE_SCOPE_COUNTED);
    assert_int_equal(plan->candidate_count, 0);
    probe_plan_unref(plan);
    /* Who wants to see sees, at each level. */
    plan = plan_of(hosts, 1, &terms, PROBE_SCOPE_ALL);
    assert_int_equal(plan->candidate_count, 1);
    assert_int_equal(plan->hosts[0].demand.kind, TLS_DEMAND_DANE);
    probe_plan_unref(plan);
}

/* ---- Which is next ---- */

/* For each candidate a letter: . open, a asked, s slow, l left, K ok, n no, u unreachable, f
 * failed. The choice: number of a candidate, W or D. */
static const struct {
    const char *seen; /* of hosts with two addresses, one of each family */
    const char *choice;
} choices[] = {
    {"....", "0"}, {"a...", "W"}, /* the first alone */
    {"K...", "D"},                /* it settles it */
    {"n...", "1"},                /* the other family, and beside it the other host */
    {"na..", "2"}, {"naa.", "W"}, {"nnaa", "W"}, {"s...", "1"}, /* slow: it is not waited for
                                                                   alone */
    {"sa..", "2"}, {"ssss", "W"}, {"Ks..", "D"}, {"ua..", "2"}, {"nnnn", "D"},
    {"uuuu", "D"}, {"nnKa", "D"}, {"nnff", "D"}, {"nnln", "D"}, /* not all were looked at */
    {"llll", "D"}, {"llKl", "D"}, {"l...", "D"}, /* then nobody waits for the others */
    {"nlaa", "D"},
};

static void the_next(void **state)
{
    struct findings_host hosts[] = {dane_host("a.example", 10, 1, 1),
                                    dane_host("b.example", 20, 1, 1)};
    struct probe_plan *plan = plan_of(hosts, 2, &enforce, PROBE_SCOPE_COUNTED);
    (void)state;

    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        static const char letters[] = ".aslKnuf";
        static const struct probe_seen values[] = {
            {PROBE_STAGE_OPEN, 0},
            {PROBE_STAGE_ASKED, 0},
            {PROBE_STAGE_SLOW, 0},
            {PROBE_STAGE_LEFT, 0},
            {PROBE_STAGE_KNOWN, FINDINGS_PROBE_OK},
            {PROBE_STAGE_KNOWN, FINDINGS_PROBE_NO_REQUIRETLS},
            {PROBE_STAGE_KNOWN, FINDINGS_PROBE_UNREACHABLE},
            {PROBE_STAGE_KNOWN, FINDINGS_PROBE_FAILED},
        };
        struct probe_seen seen[4];
        char got[8];
        size_t next = 0;

        for (size_t c = 0; c < 4; c++)
            seen[c] = values[strchr(letters, choices[i].seen[c]) - letters];
        switch (probe_plan_choose(plan, seen, &next)) {
        case PROBE_CHOICE_ASK:
            snprintf(got, sizeof got, "%zu", next);
            break;
        case PROBE_CHOICE_WAIT:
            strcpy(got, "W");
            break;
        case PROBE_CHOICE_DONE:
            strcpy(got, "D");
            break;
        }
        if (strcmp(got, choices[i].choice) != 0)
            fail_msg("%s: %s, not %s", choices[i].seen, got, choices[i].choice);
    }
    probe_plan_unref(plan);
}

/* A family that has given a definite answer needs no second address. */
static void second_addresses(void **state)
{
    struct findings_host hosts[] = {dane_host("a.example", 10, 2, 2)};
    struct probe_plan *plan = plan_of(hosts, 1, &enforce, PROBE_SCOPE_COUNTED);
    struct probe_seen seen[4] = {{PROBE_STAGE_KNOWN, FINDINGS_PROBE_NO_STARTTLS},
                                 {PROBE_STAGE_KNOWN, FINDINGS_PROBE_FAILED}};
    size_t next = 99;
    (void)state;

    assert_string_equal(candidates(plan), "0:4.1 0:6.1 0:4.2 0:6.2");
    assert_int_equal(probe_plan_choose(plan, seen, &next), PROBE_CHOICE_ASK);
    assert_int_equal(next, 3);
    seen[3] = (struct probe_seen){PROBE_STAGE_KNOWN, FINDINGS_PROBE_UNREACHABLE};
    assert_int_equal(probe_plan_choose(plan, seen, &next), PROBE_CHOICE_DONE);
    probe_plan_unref(plan);
    plan = plan_of(hosts, 1, &enforce, PROBE_SCOPE_ALL);
    assert_int_equal(probe_plan_choose(plan, seen, &next), PROBE_CHOICE_ASK);
    assert_int_equal(next, 2);
    probe_plan_unref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_in_turn), cmocka_unit_test(rotated_addresses),
        cmocka_unit_test(bounded),          cmocka_unit_test(which_hosts),
        cmocka_unit_test(by_level),         cmocka_unit_test(the_next),
        cmocka_unit_test(second_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
