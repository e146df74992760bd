/*
 * What is demanded of each host of a next-hop. Hosts are written as in test_requirement.c:
 * `ADDRESS TLSA [+]`, the address s secure, i insecure, - absent, f failed; TLSA u usable, x
 * unusable, n none, f failed; + matches the STS policy. `want` is, for opportunistic,
 * opportunistic+starttls and enforce, the demand on each host: may, encrypt, dane, sts, pki, or -
 * for one that is not to be used; behind / the names.
 */
#include "policy/tls_demand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct demand_case {
    const char *name;
    unsigned mx;
    const char *hosts;
    bool sts;
    const char *want[3];
    const char *own_name; /* of an MX host that we are; or NULL */
    enum nexthop_kind nexthop;
    const char *base; /* the TLSA base domain of the first host; NULL: its name */
};

enum {
    NOT_ASKED = FINDINGS_MX_NOT_ASKED,
    SECURE = FINDINGS_MX_SECURE,
    INSECURE = FINDINGS_MX_INSECURE,
    ABSENT = FINDINGS_MX_ABSENT,
    HOSTS = 3,
    MAX_NAMES = 80,
};

#define DANE_1 "dane/mx1.example.org,example.org"
#define DANE_2 "dane/mx2.example.org,example.org"

static const struct demand_case cases[] = {
    {"DANE", SECURE, "su su", .want = {DANE_1 " " DANE_2, DANE_1 " " DANE_2, DANE_1 " " DANE_2}},
    {"DANE, the base domain is an alias target", SECURE, "su", .base = "mail.example.net",
     .want = {"dane/mail.example.net,example.org", "dane/mail.example.net,example.org",
              "dane/mail.example.net,example.org"}},
    {"DANE beside a host without", SECURE, "su sn",
     .want = {DANE_1 " may", DANE_1 " -", DANE_1 " -"}},
    {"DANE beside unusable records", SECURE, "su sx",
     .want = {DANE_1 " encrypt", DANE_1 " -", DANE_1 " -"}},
    {"DANE beside a failed TLSA lookup", SECURE, "su sf",
     .want = {DANE_1 " -", DANE_1 " -", DANE_1 " -"}},
    {"DANE beside MTA-STS that forbids the others", SECURE, "su sn+", .sts = true,
     .want = {DANE_1 " -", DANE_1 " -", DANE_1 " -"}},
    {"unsigned MX records: the host's name only", INSECURE, "su in",
     .want = {"dane/mx1.example.org may", "encrypt encrypt", "- -"}},
    {"unsigned MX records, MTA-STS", INSECURE, "su+ in+ in", .sts = true,
     .want = {"sts/mx1.example.org sts/mx2.example.org -",
              "sts/mx1.example.org sts/mx2.example.org -",
              "sts/mx1.example.org sts/mx2.example.org -"}},
    {"signed MX records, MTA-STS", SECURE, "sn+ sn", .sts = true,
     .want = {"sts/mx1.example.org -", "sts/mx1.example.org -", "sts/mx1.example.org -"}},
    {"signed MX records, MTA-STS, a failed TLSA lookup", SECURE, "sn+ sf+", .sts = true,
     .want = {"sts/mx1.example.org -", "sts/mx1.example.org -", "sts/mx1.example.org -"}},
    {"signed MX records", SECURE, "sn sn",
     .want = {"may may", "encrypt encrypt", "pki/mx1.example.org pki/mx2.example.org"}},
    {"signed MX records, a failed TLSA lookup", SECURE, "sn sf",
     .want = {"may -", "encrypt -", "pki/mx1.example.org -"}},
    {"signed MX records, unusable TLSA", SECURE, "sx",
     .want = {"encrypt", "encrypt", "pki/mx1.example.org"}},
    {"unsigned MX records, a failed TLSA lookup", INSECURE, "in sf",
     .want = {"may -", "encrypt encrypt", "- -"}},
    {"every TLSA lookup failed", SECURE, "sf sf", .want = {"- -", "- -", "- -"}},
    {"nothing", INSECURE, "in", .want = {"may", "encrypt", "-"}},
    {"implicit MX, DANE", ABSENT, "su", .want = {DANE_1, DANE_1, DANE_1}},
    {"[host], DANE", NOT_ASKED, "su", .nexthop = NEXTHOP_HOST, .want = {DANE_1, DANE_1, DANE_1}},
    {"[host], Web PKI", NOT_ASKED, "sn", .nexthop = NEXTHOP_HOST,
     .want = {"may", "encrypt", "pki/mx1.example.org"}},
    {"we are the second MX host", SECURE, "sn sn sn", .own_name = "mx2.example.org",
     .want = {"may - -", "encrypt - -", "pki/mx1.example.org - -"}},
    {"the name begins with a dot", SECURE, "su", .base = ".example.org", .want = {"-", "-", "-"}},
    {"the name is empty", SECURE, "su", .base = "", .want = {"-", "-", "-"}},
};

static const uint8_t digest[32] = {1};
static const struct findings_tlsa usable[] = {
    {.usage = 1, .selector = 1, .matching_type = 1, .data = digest, .data_len = 32},
    {.usage = 3, .selector = 1, .matching_type = 1, .usable = true, .data = digest, .data_len = 32},
};

static void add_hosts(const struct demand_case *c, struct findings_host *hosts, struct findings *f)
{
    static const char *const names[] = {"mx1.example.org", "mx2.example.org", "mx3.example.org"};

    for (const char *text = c->hosts; *text != '\0'; text += strspn(text, " ")) {
        struct findings_host *host = &hosts[f->host_count];

        host->name = names[f->host_count];
        host->preference = (uint16_t)(10 * ++f->host_count);
        host->a = text[0] == 's'   ? FINDINGS_ADDR_SECURE
                  : text[0] == 'i' ? FINDINGS_ADDR_INSECURE
                  : text[0] == 'f' ? FINDINGS_ADDR_FAILED
                                   : FINDINGS_ADDR_ABSENT;
        host->aaaa = FINDINGS_ADDR_ABSENT;
        host->tlsa_state = text[1] == 'u'   ? FINDINGS_TLSA_USABLE
                           : text[1] == 'x' ? FINDINGS_TLSA_UNUSABLE
                           : text[1] == 'f' ? FINDINGS_TLSA_FAILED
                                            : FINDINGS_TLSA_NONE;
        if (text[1] == 'u') {
            host->tlsa_base = c->base != NULL ? c->base : host->name;
            host->tlsa = usable;
            host->tlsa_count = 2;
        }
        text += 2;
        host->sts_match = *text == '+';
        text += *text == '+';
    }
}

static void write_demand(const struct tls_demand *demand, char *out, size_t size)
{
    static const char *const kinds[] = {
        [TLS_DEMAND_NOT_USED] = "-", [TLS_DEMAND_MAY] = "may", [TLS_DEMAND_ENCRYPT] = "encrypt",
        [TLS_DEMAND_DANE] = "dane",  [TLS_DEMAND_STS] = "sts", [TLS_DEMAND_WEB_PKI] = "pki",
    };
    size_t len = strlen(out);

    len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "", kinds[demand->kind]);
    for (size_t i = 0; i < demand->name_count; i++)
        len +=
            (size_t)snprintf(out + len, size - len, "%c%s", i == 0 ? '/' : ',', demand->names[i]);
}

static void test_demand(void **state)
{
    static const enum verdict_level levels[] = {
        VERDICT_LEVEL_OPPORTUNISTIC, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, VERDICT_LEVEL_ENFORCE};
    const struct demand_case *c = *state;
    struct findings_host hosts[HOSTS] = {0};
    struct findings f = {
        .hosts = hosts,
        .mx = (uint8_t)c->mx,
        .security_known = true,
        .nexthop = {.name = "example.org", .text = "example.org", .kind = c->nexthop}};
    struct verdict_terms terms = {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI,
                                  .web_pki = true,
                                  .my_names = &c->own_name,
                                  .my_name_count = c->own_name != NULL};
    struct host_classes classes;
    struct requirement requirement;
    struct tls_demand demand;

    if (c->sts)
        f.sts = (struct findings_sts){
            .state = FINDINGS_STS_POLICY, .mode = FINDINGS_STS_MODE_ENFORCE, .id_current = true};
    else
        f.sts.state = FINDINGS_STS_OFF;
    add_hosts(c, hosts, &f);
    host_classes_derive(&f, &terms, &classes);
    for (size_t level = 0; level < 3; level++) {
        char got[HOSTS * MAX_NAMES] = "";

        requirement_derive(&f, &terms, levels[level], &requirement);
        for (size_t i = 0; i < f.host_count; i++) {
            tls_demand_of_host(&f, &classes, &requirement, i, &demand);
            write_demand(&demand, got, sizeof(got));
            assert_int_equal(demand.kind == TLS_DEMAND_DANE, demand.tlsa_count > 0);
        }
        assert_string_equal(got, c->want[level]);
    }
    tls_demand_of_host(&f, &classes, &requirement, f.host_count, &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_NOT_USED);
}

/* Requirements that allow nothing allow no host. */
static void test_no_delivery(void **state)
{
    static const enum requirement_kind kinds[] = {REQUIREMENT_PENDING, REQUIREMENT_UNKNOWN,
                                                  REQUIREMENT_IMPOSSIBLE, 77};
    const struct findings_host host = {
        .name = "mx1.example.org", .a = FINDINGS_ADDR_SECURE, .tlsa_state = FINDINGS_TLSA_NONE};
    const struct findings f = {.mx = SECURE,
                               .security_known = true,
                               .hosts = &host,
                               .host_count = 1,
                               .nexthop = {.name = "example.org"}};
    struct host_classes classes;
    struct tls_demand demand;

    (void)state;
    host_classes_derive(&f, NULL, &classes);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct requirement requirement = {.kind = kinds[i], .hosts = 1};

        tls_demand_of_host(&f, &classes, &requirement, 0, &demand);
        assert_int_equal(demand.kind, TLS_DEMAND_NOT_USED);
    }
}

/* DANE of a host of which no record is usable, whatever the requirement says. */
static void test_no_usable_record(void **state)
{
    const struct findings_host host = {.name = "mx1.example.org",
                                       .tlsa_base = "mx1.example.org",
                                       .a = FINDINGS_ADDR_SECURE,
                                       .tlsa_state = FINDINGS_TLSA_USABLE,
                                       .tlsa = usable,
                                       .tlsa_count = 1};
    const struct findings f = {.mx = SECURE,
                               .security_known = true,
                               .hosts = &host,
                               .host_count = 1,
                               .nexthop = {.name = "example.org"}};
    const struct requirement requirement = {.kind = REQUIREMENT_DANE_ONLY, .hosts = 1};
    struct host_classes classes;
    struct tls_demand demand;

    (void)state;
    host_classes_derive(&f, NULL, &classes);
    tls_demand_of_host(&f, &classes, &requirement, 0, &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_NOT_USED);
    assert_int_equal(demand.tlsa_count, 0);
}

/* An address literal has no name that could be verified, and needs none below that. */
static void test_literal(void **state)
{
    static const struct {
        enum requirement_kind requirement;
        enum tls_demand_kind demand;
    } want[] = {
        {REQUIREMENT_NONE, TLS_DEMAND_MAY},
        {REQUIREMENT_ENCRYPT, TLS_DEMAND_ENCRYPT},
        {REQUIREMENT_DANE, TLS_DEMAND_NOT_USED},
        {REQUIREMENT_DANE_ONLY, TLS_DEMAND_NOT_USED},
        {REQUIREMENT_STS, TLS_DEMAND_NOT_USED},
        {REQUIREMENT_WEB_PKI, TLS_DEMAND_NOT_USED},
        {REQUIREMENT_UNKNOWN, TLS_DEMAND_NOT_USED},
        {REQUIREMENT_PENDING, TLS_DEMAND_NOT_USED},
        {REQUIREMENT_IMPOSSIBLE, TLS_DEMAND_NOT_USED},
    };
    const struct findings f = {.mx = NOT_ASKED,
                               .nexthop = {.name = "192.0.2.1", .kind = NEXTHOP_LITERAL}};
    struct requirement requirement = {.hosts = 1};
    struct host_classes classes;
    struct tls_demand demand;

    (void)state;
    host_classes_derive(&f, NULL, &classes);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        requirement.kind = want[i].requirement;
        tls_demand_of_host(&f, &classes, &requirement, 0, &demand);
        assert_int_equal(demand.kind, want[i].demand);
    }
}

static void test_web_pki(void **state)
{
    char long_name[300];
    struct tls_demand demand;

    (void)state;
    tls_demand_web_pki("mx.example.org", &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_WEB_PKI);
    assert_string_equal(demand.names[0], "mx.example.org");
    tls_demand_web_pki("", &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_NOT_USED);
    tls_demand_web_pki(".example.org", &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_NOT_USED);
    tls_demand_web_pki(NULL, &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_NOT_USED);
    memset(long_name, 'a', sizeof(long_name));
    long_name[253] = '\0';
    tls_demand_web_pki(long_name, &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_WEB_PKI);
    long_name[253] = 'a';
    long_name[254] = '\0';
    tls_demand_web_pki(long_name, &demand);
    assert_int_equal(demand.kind, TLS_DEMAND_NOT_USED);
}

/* Each thing that is demanded makes another key, and no two parts run into each other. */
static void test_key(void **state)
{
    enum { KEYS = 12 };
    char keys[KEYS][TLS_DEMAND_KEY_MAX], again[TLS_DEMAND_KEY_MAX];
    struct findings_tlsa record = usable[1];
    struct tls_demand demand;

    (void)state;
    tls_demand_web_pki("mx.example.org", &demand);
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[0]), 0);
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, again), 0);
    assert_string_equal(keys[0], again);
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:2", 1, keys[1]), 0);
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 2, keys[2]), 0);
    demand.kind = TLS_DEMAND_STS;
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[3]), 0);
    snprintf(demand.names[demand.name_count++], sizeof(demand.names[0]), "example.org");
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[4]), 0);
    demand.tlsa = &record;
    demand.tlsa_count = 1;
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[5]), 0);
    record.selector = 0;
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[6]), 0);
    record.data_len = 31;
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[7]), 0);
    record.usable = false;
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[8]), 0);
    demand = (struct tls_demand){.kind = TLS_DEMAND_WEB_PKI, .name_count = 2, .names = {"ab", "c"}};
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[9]), 0);
    demand = (struct tls_demand){.kind = TLS_DEMAND_WEB_PKI, .name_count = 2, .names = {"a", "bc"}};
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[10]), 0);
    strcpy(demand.server_name, "a");
    assert_int_equal(tls_demand_key(&demand, "192.0.2.1:25", 1, keys[11]), 0);
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(strlen(keys[i]), TLS_DEMAND_KEY_MAX - 1);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
    }
}

int main(void)
{
    enum { COUNT = sizeof(cases) / sizeof(cases[0]), FIXED = 5 };
    struct CMUnitTest tests[FIXED + COUNT] = {
        cmocka_unit_test(test_no_delivery), cmocka_unit_test(test_no_usable_record),
        cmocka_unit_test(test_literal), cmocka_unit_test(test_web_pki), cmocka_unit_test(test_key)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[FIXED + i].name = cases[i].name;
        tests[FIXED + i].test_func = test_demand;
        tests[FIXED + i].initial_state = (void *)(uintptr_t)&cases[i];
    }
    return cmocka_run_group_tests_name("tls_demand", tests, NULL, NULL);
}
