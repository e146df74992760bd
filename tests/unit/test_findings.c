/* Findings: the frozen copy, its size, completeness, the summary and the names. */
#include "findings/findings_make.h"
#include "findings/findings_parts.h"
#include "policy/findings_summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct findings plain_domain(const struct findings_host *hosts, size_t count)
{
    return (struct findings){
        .nexthop = {.name = "customer.example",
                    .text = "customer.example",
                    .port = 25,
                    .kind = NEXTHOP_DOMAIN},
        .mx = FINDINGS_MX_INSECURE,
        .security_known = true,
        .hosts = hosts,
        .host_count = (uint16_t)count,
        .sts = {.state = FINDINGS_STS_NONE, .failure = FINDINGS_STS_NO_RECORD},
    };
}

/* One IPv4 and one IPv6 address, as struct findings_addresses has them. */
static const uint8_t two_octets[] = {1, 1, 192, 0, 2, 1, 0x20, 1, 0xd, 0xb8, 0,
                                     0, 0, 0,   0, 0, 0, 0,    0, 0,   0,    7};
static const struct findings_addresses *const two = (const void *)two_octets;

static void has_two_addresses(const struct findings_host *host)
{
    assert_ptr_not_equal(host->addresses, two);
    assert_memory_equal(findings_host_a(host, 0), "\300\0\2\1", 4);
    assert_null(findings_host_a(host, 1));
    assert_memory_equal(findings_host_aaaa(host, 0), "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\7", 16);
    assert_null(findings_host_aaaa(host, 1));
}

static void copies_everything(void **state)
{
    static const uint8_t data1[] = {1, 2, 3}, data2[] = {4};
    static const struct findings_tlsa tlsa[] = {
        {.usage = 3,
         .selector = 1,
         .matching_type = 1,
         .usable = true,
         .data_len = 3,
         .data = data1},
        {.usage = 9, .data_len = 1, .data = data2},
    };
    static const char *const patterns[] = {"mx.example", "*.example"};
    char name[] = "mx.example", base[] = "mx.example";
    struct findings_host hosts[] = {
        {.name = name,
         .tlsa_base = base,
         .tlsa = tlsa,
         .tlsa_count = 2,
         .addresses = two,
         .preference = 10,
         .a = FINDINGS_ADDR_SECURE,
         .tlsa_state = FINDINGS_TLSA_USABLE,
         .sts_match = true},
        {.name = "mx2.example", .failure = "A: \t\xc3", .preference = 20},
    };
    struct findings draft = plain_domain(hosts, 2);
    const struct findings *f;
    (void)state;

    draft.failure = "why";
    draft.sts = (struct findings_sts){.state = FINDINGS_STS_POLICY,
                                      .mode = FINDINGS_STS_MODE_ENFORCE,
                                      .max_age_s = 77,
                                      .id = "abc",
                                      .policy_lines = "version: STSv1\nmode: \x07\n",
                                      .mx = patterns,
                                      .mx_count = 2,
                                      .failure_text = "refresh"};
    f = findings_freeze(&draft);
    assert_non_null(f);
    memset(name, 'x', sizeof name - 1);
    memset(base, 'x', sizeof base - 1);
    assert_string_equal(f->nexthop.text, "customer.example");
    assert_ptr_equal(f->nexthop.text, f->nexthop.name);
    assert_int_equal(f->host_count, 2);
    assert_string_equal(f->hosts[0].name, "mx.example");
    assert_ptr_equal(f->hosts[0].tlsa_base, f->hosts[0].name);
    assert_int_equal(f->hosts[0].tlsa_count, 2);
    assert_memory_equal(f->hosts[0].tlsa[0].data, data1, 3);
    assert_ptr_not_equal(f->hosts[0].tlsa[0].data, data1);
    assert_memory_equal(f->hosts[0].tlsa[1].data, data2, 1);
    assert_int_equal(f->hosts[0].tlsa[1].usage, 9);
    has_two_addresses(&f->hosts[0]);
    assert_null(f->hosts[1].addresses);
    assert_null(findings_host_a(&f->hosts[1], 0));
    assert_null(findings_host_aaaa(&f->hosts[1], 0));
    assert_string_equal(f->hosts[1].failure, "A: \?\?");
    assert_null(f->hosts[1].tlsa);
    assert_null(f->hosts[1].tlsa_base);
    assert_string_equal(f->failure, "why");
    assert_string_equal(f->sts.id, "abc");
    assert_string_equal(f->sts.failure_text, "refresh");
    assert_string_equal(f->sts.policy_lines, "version: STSv1\nmode: ?\n");
    assert_string_equal(f->sts.mx[0], "mx.example");
    assert_string_equal(f->sts.mx[1], "*.example");
    findings_unref(findings_ref(f));
    assert_string_equal(f->sts.id, "abc");
    findings_unref(f);
    findings_unref(NULL);
}

static void probes_are_copied_and_replaced(void **state)
{
    char name[] = "mx.example", why[] = "EHLO without\tREQUIRETLS";
    const char *const names[] = {name, "*.example"};
    const struct findings_probe first[] = {
        {.address = {192, 0, 2, 1},
         .family = 4,
         .port = 25,
         .result = FINDINGS_PROBE_NO_REQUIRETLS,
         .starttls = true,
         .failure = why,
         .protocol = "TLSv1.3",
         .cipher = "TLS_AES_256_GCM_SHA384",
         .names = names,
         .name_count = 2,
         .dane = FINDINGS_PROBE_CHECK_FAILED,
         .dane_why = "no match",
         .web_pki_why = "self-signed",
         .spki_sha256 = {1, 2},
         .has_spki = true},
        {.address = {0x20, 1, [15] = 7}, .family = 6, .result = FINDINGS_PROBE_UNREACHABLE},
    };
    const struct findings_probe ok = {.result = FINDINGS_PROBE_OK};
    const struct findings_probe *of_host[] = {first, NULL}, *other[] = {NULL, &ok};
    const uint8_t counts[] = {2, 0}, other_counts[] = {0, 1};
    struct findings_host hosts[] = {{.name = "a.example", .addresses = two},
                                    {.name = "b.example", .failure = "SERVFAIL"}};
    struct findings draft = plain_domain(hosts, 2);
    const struct findings *f = findings_freeze(&draft), *probed, *again;
    (void)state;

    probed = findings_with_probes(f, of_host, counts);
    assert_non_null(probed);
    assert_true(findings_size(probed) > findings_size(f) + 2 * sizeof(struct findings_probe));
    assert_null(f->hosts[0].probes);
    memset(name, 'x', sizeof name - 1);
    memset(why, 'x', sizeof why - 1);
    assert_int_equal(probed->hosts[0].probe_count, 2);
    assert_string_equal(probed->hosts[0].probes[0].failure, "EHLO without?REQUIRETLS");
    assert_string_equal(probed->hosts[0].probes[0].names[0], "mx.example");
    assert_string_equal(probed->hosts[0].probes[0].names[1], "*.example");
    assert_string_equal(probed->hosts[0].probes[0].protocol, "TLSv1.3");
    assert_string_equal(probed->hosts[0].probes[0].cipher, "TLS_AES_256_GCM_SHA384");
    assert_string_equal(probed->hosts[0].probes[0].dane_why, "no match");
    assert_string_equal(probed->hosts[0].probes[0].web_pki_why, "self-signed");
    assert_memory_equal(probed->hosts[0].probes[0].spki_sha256, first[0].spki_sha256, 32);
    assert_int_equal(probed->hosts[0].probes[1].family, 6);
    assert_null(probed->hosts[0].probes[1].names);
    assert_null(probed->hosts[0].probes[1].failure);
    has_two_addresses(&probed->hosts[0]);
    assert_int_equal(probed->hosts[1].probe_count, 0);
    assert_null(probed->hosts[1].probes);
    assert_string_equal(probed->hosts[1].failure, "SERVFAIL");

    again = findings_with_probes(probed, other, other_counts);
    assert_null(again->hosts[0].probes);
    assert_int_equal(again->hosts[0].probe_count, 0);
    assert_int_equal(again->hosts[1].probe_count, 1);
    assert_int_equal(again->hosts[1].probes[0].result, FINDINGS_PROBE_OK);
    findings_unref(f);
    findings_unref(probed);
    findings_unref(again);
}

static void empty_parts(void **state)
{
    struct findings draft = plain_domain(NULL, 0);
    const struct findings *f = findings_freeze(&draft);
    (void)state;

    assert_non_null(f);
    assert_null(f->hosts);
    assert_null(f->sts.mx);
    assert_null(f->failure);
    assert_true(findings_complete(f));
    findings_unref(f);
}

/* A hundred thousand plain domains share 60 MB with the cache's own bookkeeping. */
static void plain_domains_are_small(void **state)
{
    struct findings_host hosts[] = {
        {.name = "mx1.provider.example", .preference = 10, .a = FINDINGS_ADDR_INSECURE},
        {.name = "mx2.provider.example", .preference = 20, .a = FINDINGS_ADDR_INSECURE}};
    struct findings draft = plain_domain(hosts, 2);
    const struct findings *f = findings_freeze(&draft);
    size_t without = findings_size(f);
    (void)state;

    assert_true(without <= 360);
    findings_unref(f);
    /* Addresses are counted, and take no more than what they are made of and their counts. */
    hosts[0].addresses = hosts[1].addresses = two;
    f = findings_freeze(&draft);
    assert_int_equal(findings_size(f), without + 2 * (2 + 4 + 16));
    findings_unref(f);
}

static const struct findings *merge(const struct findings *dane, const struct findings *sts)
{
    const struct findings *const from[FINDINGS_PARTS] = {
        [FINDINGS_PART_DANE] = dane, [FINDINGS_PART_STS] = sts};
    const struct findings *f = findings_merge(from, 1, 2);

    assert_non_null(f);
    assert_int_equal(f->made_at_ms, 1);
    assert_int_equal(f->ttl_s, 2);
    return f;
}

/* Addresses belong to the part that MX records, addresses and TLSA records make up. */
static void merging_keeps_addresses(void **state)
{
    struct findings_host hosts[] = {{.name = "mx.example",
                                     .addresses = two,
                                     .a = FINDINGS_ADDR_SECURE,
                                     .aaaa = FINDINGS_ADDR_INSECURE}};
    struct findings_host others[] = {{.name = "mx.example", .a = FINDINGS_ADDR_ABSENT}};
    struct findings with = plain_domain(hosts, 1), without = plain_domain(others, 1);
    const struct findings *f = merge(&with, &without);
    (void)state;

    has_two_addresses(&f->hosts[0]);
    findings_unref(f);
    f = merge(&without, &with);
    assert_null(f->hosts[0].addresses);
    findings_unref(f);
}

/* Each part comes whole from its own findings; what rests on both is found anew. */
static void merges_part_by_part(void **state)
{
    static const char *const patterns[] = {"*.example"};
    struct findings_host mine[] = {{.name = "mx.example",
                                    .a = FINDINGS_ADDR_INSECURE,
                                    .aaaa = FINDINGS_ADDR_ABSENT,
                                    .tlsa_state = FINDINGS_TLSA_NONE}};
    struct findings_host others[] = {{.name = "mx.invalid", .sts_match = true}};
    struct findings dane = plain_domain(mine, 1), sts = plain_domain(others, 1);
    const struct findings *f;
    (void)state;

    dane.mx = FINDINGS_MX_ABSENT;
    dane.failure = "why";
    dane.security_known = false;
    dane.dane_seen = true;
    sts.failure = "another";
    sts.sts = (struct findings_sts){.state = FINDINGS_STS_POLICY,
                                    .mode = FINDINGS_STS_MODE_ENFORCE,
                                    .source = FINDINGS_STS_FRESH,
                                    .id = "abc",
                                    .mx = patterns,
                                    .mx_count = 1};
    f = merge(&dane, &sts);
    assert_string_equal(f->nexthop.text, "customer.example");
    assert_int_equal(f->mx, FINDINGS_MX_ABSENT);
    assert_string_equal(f->failure, "why");
    assert_false(f->security_known);
    assert_true(f->dane_seen);
    assert_int_equal(f->host_count, 1);
    assert_string_equal(f->hosts[0].name, "mx.example");
    assert_true(f->hosts[0].sts_match);
    assert_string_equal(f->sts.id, "abc");
    assert_int_equal(f->sts.source, FINDINGS_STS_CACHED); /* it was fetched before */
    assert_int_equal(findings_summarise(f, NULL), FINDINGS_SUMMARY_STS_ENFORCE);
    findings_unref(f);
}

static void parts_end_at_times_of_their_own(void **state)
{
    struct findings_ends ends = findings_ends_all(7);
    (void)state;

    for (unsigned part = 0; part < FINDINGS_PARTS; part++)
        assert_int_equal(ends.ms[part], 7);
    assert_int_equal(findings_ends_first(&ends), 7);
    assert_int_equal(findings_ends_last(&ends), 7);
    for (unsigned part = 0; part < FINDINGS_PARTS; part++) {
        ends = findings_ends_all(7);
        ends.ms[part] = INT64_MIN;
        assert_true(findings_ends_first(&ends) == INT64_MIN);
        assert_int_equal(findings_ends_last(&ends), 7);
        ends.ms[part] = 8;
        assert_int_equal(findings_ends_first(&ends), 7);
        assert_int_equal(findings_ends_last(&ends), 8);
    }
}

static void completeness(void **state)
{
    struct findings_host host = {
        .a = FINDINGS_ADDR_ABSENT, .aaaa = FINDINGS_ADDR_ABSENT, .tlsa_state = FINDINGS_TLSA_NONE};
    struct findings f = plain_domain(&host, 1);
    (void)state;

    assert_true(findings_complete(&f));
    f.mx = FINDINGS_MX_PENDING;
    assert_false(findings_complete(&f));
    f.mx = FINDINGS_MX_SECURE;
    f.sts.state = FINDINGS_STS_PENDING;
    assert_false(findings_complete(&f));
    f.sts.state = FINDINGS_STS_NONE;
    host.a = FINDINGS_ADDR_PENDING;
    assert_false(findings_complete(&f));
    host.a = FINDINGS_ADDR_SECURE;
    host.aaaa = FINDINGS_ADDR_PENDING;
    assert_false(findings_complete(&f));
    host.aaaa = FINDINGS_ADDR_SECURE;
    host.tlsa_state = FINDINGS_TLSA_PENDING;
    assert_false(findings_complete(&f));
}

/* Hosts in two letters: the address (s, i, - absent, f failed), then TLSA (u usable, x unusable,
 * n none, f failed). */
struct summary_case {
    const char *name;
    unsigned mx;
    const char *hosts;
    int sts_mode; /* -1: none */
    const char *want;
};

enum { NO_STS = -1, TESTING = FINDINGS_STS_MODE_TESTING, ENFORCE = FINDINGS_STS_MODE_ENFORCE };

static const struct summary_case summaries[] = {
    {"dane", FINDINGS_MX_SECURE, "su su", NO_STS, "dane"},
    {"dane beside a host that does not exist", FINDINGS_MX_SECURE, "su -n", NO_STS, "dane"},
    {"dane beats sts", FINDINGS_MX_SECURE, "su", ENFORCE, "dane"},
    {"dane on some", FINDINGS_MX_SECURE, "su sn", NO_STS, "dane-partial"},
    {"dane on some, beats sts", FINDINGS_MX_SECURE, "su sn", ENFORCE, "dane-partial"},
    {"dane beside unusable", FINDINGS_MX_SECURE, "su sx", NO_STS, "dane-partial"},
    {"dane beside failed addresses", FINDINGS_MX_SECURE, "su fn", NO_STS, "dane-partial"},
    {"dane beside failed tlsa", FINDINGS_MX_SECURE, "su sf", NO_STS, "dane-partial"},
    {"failed tlsa beside a plain host", FINDINGS_MX_SECURE, "sf sn", NO_STS, "dane-partial"},
    {"failed tlsa alone", FINDINGS_MX_SECURE, "sf", NO_STS, "failed"},
    {"failed tlsa is not overridden by sts", FINDINGS_MX_SECURE, "sf", ENFORCE, "failed"},
    {"failed addresses alone", FINDINGS_MX_SECURE, "fn", NO_STS, "failed"},
    {"failed addresses beside a plain host", FINDINGS_MX_SECURE, "fn sn", NO_STS, "dnssec-pki"},
    {"unusable", FINDINGS_MX_SECURE, "sx", NO_STS, "dane-unusable"},
    {"unusable on some", FINDINGS_MX_SECURE, "sx sn", NO_STS, "dane-unusable"},
    {"unusable, sts enforce", FINDINGS_MX_SECURE, "sx", ENFORCE, "sts-enforce"},
    {"unusable, sts testing", FINDINGS_MX_SECURE, "sx", TESTING, "dane-unusable"},
    {"signed", FINDINGS_MX_SECURE, "sn in", NO_STS, "dnssec-pki"},
    {"signed, sts enforce", FINDINGS_MX_SECURE, "sn", ENFORCE, "sts-enforce"},
    {"signed, sts testing", FINDINGS_MX_SECURE, "sn", TESTING, "sts-testing"},
    {"signed, no host", FINDINGS_MX_SECURE, "-n", NO_STS, "none"},
    {"insecure mx with tlsa", FINDINGS_MX_INSECURE, "su", NO_STS, "dane-insecure-mx"},
    {"insecure mx with tlsa, sts enforce", FINDINGS_MX_INSECURE, "su", ENFORCE, "sts-enforce"},
    {"insecure mx with tlsa, sts testing", FINDINGS_MX_INSECURE, "su", TESTING, "dane-insecure-mx"},
    {"insecure mx, tlsa failed", FINDINGS_MX_INSECURE, "sf", NO_STS, "none"},
    {"insecure mx, addresses failed", FINDINGS_MX_INSECURE, "fn", NO_STS, "failed"},
    {"insecure mx, one host failed", FINDINGS_MX_INSECURE, "fn in", NO_STS, "none"},
    {"insecure mx, sts testing", FINDINGS_MX_INSECURE, "in", TESTING, "sts-testing"},
    {"insecure mx, sts mode none", FINDINGS_MX_INSECURE, "in", FINDINGS_STS_MODE_NONE, "none"},
    {"plain", FINDINGS_MX_INSECURE, "in", NO_STS, "none"},
    {"implicit mx", FINDINGS_MX_ABSENT, "in", NO_STS, "pki"},
    {"implicit mx, dane", FINDINGS_MX_ABSENT, "su", NO_STS, "dane"},
    {"implicit mx, sts", FINDINGS_MX_ABSENT, "in", ENFORCE, "sts-enforce"},
    {"implicit mx, no address", FINDINGS_MX_ABSENT, "-n", NO_STS, "none"},
    {"[host]", FINDINGS_MX_NOT_ASKED, "in", NO_STS, "pki"},
    {"[host], dane", FINDINGS_MX_NOT_ASKED, "su", NO_STS, "dane"},
    {"null mx", FINDINGS_MX_NULL, "", NO_STS, "none"},
    {"no domain", FINDINGS_MX_NXDOMAIN, "", NO_STS, "none"},
    {"mx failed", FINDINGS_MX_FAILED, "", ENFORCE, "failed"},
    {"impossible mx", 77, "", ENFORCE, "failed"},
};

static void summarises(void **state)
{
    const struct summary_case *c = *state;
    struct findings_host hosts[4] = {0};
    struct findings f = plain_domain(hosts, 0);

    f.mx = (uint8_t)c->mx;
    for (const char *p = c->hosts; *p; p += p[2] ? 3 : 2) {
        struct findings_host *host = &hosts[f.host_count++];
        host->a = p[0] == 's'   ? FINDINGS_ADDR_SECURE
                  : p[0] == 'i' ? FINDINGS_ADDR_INSECURE
                  : p[0] == 'f' ? FINDINGS_ADDR_FAILED
                                : FINDINGS_ADDR_ABSENT;
        host->aaaa = FINDINGS_ADDR_ABSENT;
        host->tlsa_state = p[1] == 'u'   ? FINDINGS_TLSA_USABLE
                           : p[1] == 'x' ? FINDINGS_TLSA_UNUSABLE
                           : p[1] == 'f' ? FINDINGS_TLSA_FAILED
                                         : FINDINGS_TLSA_NONE;
    }
    if (c->sts_mode != NO_STS)
        f.sts = (struct findings_sts){.state = FINDINGS_STS_POLICY, .mode = (uint8_t)c->sts_mode};
    assert_string_equal(findings_summary_name(findings_summarise(&f, NULL)), c->want);
}

/* Where we are an MX host ourselves, what is not preferred over us takes nothing from the others,
 * as in the verdict; who knows of no own names counts all. */
static void summarises_for_a_backup_mx(void **state)
{
    static const char *const mine[] = {"mx2.example"};
    const struct verdict_terms terms = {.my_names = mine, .my_name_count = 1};
    struct findings_host hosts[] = {
        {.name = "mx1.example", .preference = 10, .tlsa_state = FINDINGS_TLSA_USABLE},
        {.name = "mx2.example", .preference = 20, .tlsa_state = FINDINGS_TLSA_NONE},
    };
    struct findings f = plain_domain(hosts, 2);

    (void)state;
    f.mx = FINDINGS_MX_SECURE;
    for (size_t i = 0; i < 2; i++) {
        hosts[i].a = FINDINGS_ADDR_SECURE;
        hosts[i].aaaa = FINDINGS_ADDR_ABSENT;
    }
    assert_int_equal(findings_summarise(&f, NULL), FINDINGS_SUMMARY_DANE_PARTIAL);
    assert_int_equal(findings_summarise(&f, &terms), FINDINGS_SUMMARY_DANE);
    hosts[0].preference = 20; /* we are the best MX ourselves */
    assert_int_equal(findings_summarise(&f, &terms), FINDINGS_SUMMARY_NONE);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(findings_summary_name(FINDINGS_SUMMARY_DANE_INSECURE_MX),
                        "dane-insecure-mx");
    assert_string_equal(findings_mx_name(FINDINGS_MX_NULL), "null-mx");
    assert_string_equal(findings_addr_name(FINDINGS_ADDR_FAILED), "failed");
    assert_string_equal(findings_tlsa_state_name(FINDINGS_TLSA_UNUSABLE), "unusable");
    assert_string_equal(findings_sts_mode_name(FINDINGS_STS_MODE_TESTING), "testing");
    assert_string_equal(findings_probe_result_name(FINDINGS_PROBE_OK), "ok");
    assert_string_equal(findings_probe_result_name(FINDINGS_PROBE_NOT_AUTHENTICATED),
                        "not-authenticated");
    assert_string_equal(findings_probe_result_name(FINDINGS_PROBE_FAILED), "failed");
    assert_string_equal(findings_probe_result_name(FINDINGS_PROBE_FAILED + 1), "unknown");
    assert_string_equal(findings_probe_check_name(FINDINGS_PROBE_CHECK_NOT_TRIED), "not-tried");
    assert_string_equal(findings_probe_check_name(FINDINGS_PROBE_CHECK_FAILED + 1), "unknown");
    assert_string_equal(findings_sts_source_name(FINDINGS_STS_FRESH), "fresh");
    assert_string_equal(findings_sts_source_name(FINDINGS_STS_SHARED), "shared");
    assert_string_equal(findings_sts_failure_name(FINDINGS_STS_WEBPKI_INVALID),
                        "sts-webpki-invalid");
    assert_string_equal(findings_summary_name(200), "unknown");
    assert_string_equal(findings_mx_name(200), "unknown");
    assert_string_equal(findings_addr_name(200), "unknown");
    assert_string_equal(findings_tlsa_state_name(200), "unknown");
    assert_string_equal(findings_sts_mode_name(200), "unknown");
    assert_string_equal(findings_sts_source_name(200), "unknown");
    assert_string_equal(findings_sts_failure_name(200), "unknown");
}

int main(void)
{
    enum { COUNT = sizeof summaries / sizeof summaries[0], FIXED = 9 };
    struct CMUnitTest tests[FIXED + COUNT] = {cmocka_unit_test(copies_everything),
                                              cmocka_unit_test(probes_are_copied_and_replaced),
                                              cmocka_unit_test(empty_parts),
                                              cmocka_unit_test(plain_domains_are_small),
                                              cmocka_unit_test(merging_keeps_addresses),
                                              cmocka_unit_test(merges_part_by_part),
                                              cmocka_unit_test(parts_end_at_times_of_their_own),
                                              cmocka_unit_test(completeness),
                                              cmocka_unit_test(summarises_for_a_backup_mx),
                                              cmocka_unit_test(names)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[FIXED + i].name = summaries[i].name;
        tests[FIXED + i].test_func = summarises;
        tests[FIXED + i].initial_state = (void *)(uintptr_t)&summaries[i];
    }
    return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
