/*
 * The table of demands. Hosts are written `ADDRESS TLSA [+]`, each two or three characters, in
 * order of preference: the address s secure, i insecure, - absent, f failed, p pending; TLSA u
 * usable, x unusable, n none, f failed, p pending; + matches the STS policy. `want` is what is
 * demanded at opportunistic, opportunistic+starttls and enforce, in this order: a kind, and, where
 * hosts are named, their numbers from 1, or `policy` where the policy's patterns are. The route
 * can everything.
 */
#include "policy/requirement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum sts { OFF, ENFORCE, TESTING, PENDING, LATE, FAILED };

struct demand_case {
    const char *name;
    unsigned mx;
    const char *hosts;
    enum sts sts;
    const char *want[3];
};

enum {
    ASKED_NOT = FINDINGS_MX_NOT_ASKED,
    SECURE = FINDINGS_MX_SECURE,
    INSECURE = FINDINGS_MX_INSECURE,
    ABSENT = FINDINGS_MX_ABSENT,
    UNKNOWN = 100,  /* INSECURE, no resolver known to validate */
    UNKNOWN_SEEN,   /* likewise, and DANE was seen of late */
    UNCHECKED,      /* INSECURE, and no check has shown yet that this can be believed */
    UNCHECKED_DANE, /* SECURE, likewise for other answers */
    LITERAL,
};

static const struct demand_case cases[] = {
    {"all hosts have DANE", SECURE, "su su", OFF, {"dane-only 12", "dane-only 12", "dane-only 12"}},
    {"some hosts have DANE", SECURE, "su sn", OFF, {"dane 1", "dane-only 1", "dane-only 1"}},
    {"some hosts have DANE, sts forbids the others",
     SECURE,
     "su sn+",
     ENFORCE,
     {"dane-only 1", "dane-only 1", "dane-only 1"}},
    {"some hosts have DANE, sts in flight",
     SECURE,
     "su sn",
     PENDING,
     {"pending", "pending", "dane-only 1"}},
    {"some hosts have DANE, sts is late",
     SECURE,
     "su sn",
     LATE,
     {"dane 1", "dane-only 1", "dane-only 1"}},
    {"DANE, and a host in flight", SECURE, "su pp", OFF, {"pending", "pending", "dane-only 1"}},
    {"DANE, and a host that failed",
     SECURE,
     "su sf",
     OFF,
     {"dane 1", "dane-only 1", "dane-only 1"}},
    {"a dead MX host takes nothing from DANE",
     SECURE,
     "su -n",
     OFF,
     {"dane-only 1", "dane-only 1", "dane-only 1"}},
    {"implicit MX, DANE", ABSENT, "su", OFF, {"dane-only 1", "dane-only 1", "dane-only 1"}},
    {"implicit MX, no TLSA", ABSENT, "sn", OFF, {"none", "encrypt", "web-pki 1"}},
    {"implicit MX, tlsa failed", ABSENT, "sf", OFF, {"unknown", "unknown", "unknown"}},
    {"[host], DANE", ASKED_NOT, "su", OFF, {"dane-only 1", "dane-only 1", "dane-only 1"}},
    {"unusable records", SECURE, "sx", OFF, {"dane", "encrypt", "web-pki 1"}},
    {"unusable records, sts", SECURE, "sx+", ENFORCE, {"sts policy", "sts policy", "sts 1"}},
    {"signed MX, no TLSA", SECURE, "sn", OFF, {"none", "encrypt", "web-pki 1"}},
    {"signed MX, one host failed", SECURE, "sn sf", OFF, {"dane", "encrypt", "web-pki 1"}},
    {"signed MX, all failed", SECURE, "sf ff", OFF, {"unknown", "unknown", "unknown"}},
    {"signed MX, sts, one host's tlsa failed",
     SECURE,
     "sn+ sf+",
     ENFORCE,
     {"sts 1", "sts 1", "sts 1"}},
    {"signed MX, sts, all tlsa failed", SECURE, "sf+", ENFORCE, {"unknown", "unknown", "unknown"}},
    {"signed MX, sts testing", SECURE, "sn+", TESTING, {"none", "encrypt", "web-pki 1"}},
    {"unsigned MX, nothing", INSECURE, "in", OFF, {"none", "encrypt", "impossible"}},
    {"unsigned MX, TLSA", INSECURE, "su", OFF, {"dane 1", "encrypt", "impossible"}},
    {"unsigned MX, sts", INSECURE, "in+ in", ENFORCE, {"sts policy", "sts policy", "sts 1"}},
    {"unsigned MX, sts, tlsa failed",
     INSECURE,
     "sf+",
     ENFORCE,
     {"sts policy", "sts policy", "sts 1"}},
    {"unsigned MX, sts matches no host",
     INSECURE,
     "in",
     ENFORCE,
     {"sts policy", "sts policy", "impossible"}},
    {"unsigned MX, sts in flight", INSECURE, "in", PENDING, {"pending", "pending", "pending"}},
    {"unsigned MX, sts failed", INSECURE, "in", FAILED, {"none", "encrypt", "unknown"}},
    {"no validating resolver", UNKNOWN, "in", OFF, {"none", "encrypt", "unknown"}},
    {"no validating resolver, sts", UNKNOWN, "in+", ENFORCE, {"sts policy", "sts policy", "sts 1"}},
    {"no validating resolver, DANE was seen",
     UNKNOWN_SEEN,
     "in+",
     ENFORCE,
     {"unknown", "unknown", "unknown"}},
    {"unchecked answers", UNCHECKED, "in+", ENFORCE, {"pending", "pending", "pending"}},
    {"unchecked answers, DANE rests on AD",
     UNCHECKED_DANE,
     "su",
     OFF,
     {"dane-only 1", "dane-only 1", "dane-only 1"}},
    {"address literal", LITERAL, "", OFF, {"none", "encrypt", "impossible"}},
    {"null MX", FINDINGS_MX_NULL, "", OFF, {"none", "encrypt", "impossible"}},
    {"null MX, sts", FINDINGS_MX_NULL, "", ENFORCE, {"sts policy", "sts policy", "impossible"}},
    {"no domain", FINDINGS_MX_NXDOMAIN, "", OFF, {"none", "encrypt", "impossible"}},
    {"MX in flight", FINDINGS_MX_PENDING, "", OFF, {"pending", "pending", "pending"}},
    {"MX failed", FINDINGS_MX_FAILED, "", ENFORCE, {"unknown", "unknown", "unknown"}},
    {"impossible MX", 77, "", OFF, {"unknown", "unknown", "unknown"}},
};

static void add_hosts(const char *text, struct findings_host *hosts, struct findings *f)
{
    static const char *const names[] = {"mx1.example.org", "mx2.example.org"};

    while (*text != '\0') {
        struct findings_host *host = &hosts[f->host_count];

        host->name = names[f->host_count];
        host->preference = (uint16_t)(10 * ++f->host_count);
        host->a = text[0] == 's'   ? FINDINGS_ADDR_SECURE
                  : text[0] == 'i' ? FINDINGS_ADDR_INSECURE
                  : text[0] == 'f' ? FINDINGS_ADDR_FAILED
                  : text[0] == 'p' ? FINDINGS_ADDR_PENDING
                                   : FINDINGS_ADDR_ABSENT;
        host->aaaa = text[0] == 'p' ? FINDINGS_ADDR_PENDING : FINDINGS_ADDR_ABSENT;
        host->tlsa_state = text[1] == 'u'   ? FINDINGS_TLSA_USABLE
                           : text[1] == 'x' ? FINDINGS_TLSA_UNUSABLE
                           : text[1] == 'f' ? FINDINGS_TLSA_FAILED
                           : text[1] == 'p' ? FINDINGS_TLSA_PENDING
                                            : FINDINGS_TLSA_NONE;
        text += 2;
        host->sts_match = *text == '+';
        text += *text == '+';
        text += *text == ' ';
    }
}

static void set_mx(unsigned mx, struct findings *f)
{
    f->nexthop.kind = mx == ASKED_NOT ? NEXTHOP_HOST
                      : mx == LITERAL ? NEXTHOP_LITERAL
                                      : NEXTHOP_DOMAIN;
    f->security_known = mx != UNKNOWN && mx != UNKNOWN_SEEN;
    f->dane_seen = mx == UNKNOWN_SEEN;
    f->unchecked = mx == UNCHECKED || mx == UNCHECKED_DANE;
    if (mx == LITERAL)
        mx = FINDINGS_MX_NOT_ASKED;
    else if (mx == UNCHECKED_DANE)
        mx = FINDINGS_MX_SECURE;
    else if (mx >= UNKNOWN)
        mx = FINDINGS_MX_INSECURE;
    f->mx = (uint8_t)mx;
}

static void set_sts(enum sts sts, struct findings *f)
{
    static const struct findings_sts all[] = {
        [OFF] = {.state = FINDINGS_STS_OFF},
        [ENFORCE] = {.state = FINDINGS_STS_POLICY,
                     .mode = FINDINGS_STS_MODE_ENFORCE,
                     .id_current = true},
        [TESTING] = {.state = FINDINGS_STS_POLICY,
                     .mode = FINDINGS_STS_MODE_TESTING,
                     .id_current = true},
        [PENDING] = {.state = FINDINGS_STS_PENDING},
        [LATE] = {.state = FINDINGS_STS_PENDING, .late = true},
        [FAILED] = {.state = FINDINGS_STS_FAILED},
    };

    f->sts = all[sts];
}

static void write_demand(const struct requirement *r, char *out, size_t size)
{
    static const char *const kinds[] = {
        [REQUIREMENT_PENDING] = "pending",       [REQUIREMENT_UNKNOWN] = "unknown",
        [REQUIREMENT_IMPOSSIBLE] = "impossible", [REQUIREMENT_NONE] = "none",
        [REQUIREMENT_ENCRYPT] = "encrypt",       [REQUIREMENT_DANE] = "dane",
        [REQUIREMENT_DANE_ONLY] = "dane-only",   [REQUIREMENT_STS] = "sts",
        [REQUIREMENT_WEB_PKI] = "web-pki",
    };
    bool names = r->kind == REQUIREMENT_STS || r->kind == REQUIREMENT_WEB_PKI;
    bool dane = r->kind == REQUIREMENT_DANE || r->kind == REQUIREMENT_DANE_ONLY;
    size_t len = (size_t)snprintf(out, size, "%s", kinds[r->kind]);

    if (names && r->names == REQUIREMENT_NAMES_OF_POLICY) {
        snprintf(out + len, size - len, " policy");
    } else if ((names || dane) && r->hosts != 0) {
        len += (size_t)snprintf(out + len, size - len, " ");
        for (int i = 0; i < 2; i++)
            if ((r->hosts >> i & 1) != 0)
                len += (size_t)snprintf(out + len, size - len, "%d", i + 1);
    }
}

static const struct verdict_terms usual = {
    .level = VERDICT_LEVEL_DISABLE, /* disregarded */
    .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI,
    .web_pki = true,
};

static void demands(void **state)
{
    static const enum verdict_level levels[] = {
        VERDICT_LEVEL_OPPORTUNISTIC, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, VERDICT_LEVEL_ENFORCE};
    const struct demand_case *c = *state;
    struct findings_host hosts[2] = {0};
    struct findings f = {.hosts = hosts, .nexthop = {.name = "example.org", .text = "example.org"}};
    struct requirement r;
    char got[64];

    set_mx(c->mx, &f);
    set_sts(c->sts, &f);
    add_hosts(c->hosts, hosts, &f);
    for (size_t i = 0; i < 3; i++) {
        requirement_derive(&f, &usual, levels[i], &r);
        write_demand(&r, got, sizeof got);
        assert_string_equal(got, c->want[i]);
        if (r.kind == REQUIREMENT_UNKNOWN && levels[i] != VERDICT_LEVEL_ENFORCE)
            assert_non_null(r.failure);
    }
    requirement_derive(&f, &usual, VERDICT_LEVEL_DISABLE, &r);
    assert_int_equal(r.kind, REQUIREMENT_NONE);
}

/* What was told the sender, what QUERY is given and what expect= says are the same demand. */
static void same_basis_same_demand(unsigned mx, const char *text)
{
    struct findings_host hosts[2] = {0};
    struct findings f = {.hosts = hosts};
    struct verdict_terms terms = usual;
    struct requirement query;
    struct verdict verdict;

    set_mx(mx, &f);
    add_hosts(text, hosts, &f);
    set_sts(OFF, &f);
    terms.level = VERDICT_LEVEL_ENFORCE;
    terms.dane_every = true;
    verdict_derive(&f, &terms, &verdict);
    assert_int_equal(verdict.value, VERDICT_SATISFIED);
    assert_int_equal(verdict.hosts, 1);
    requirement_derive(&f, &terms, VERDICT_LEVEL_OPPORTUNISTIC, &query);
    assert_int_equal(query.kind, REQUIREMENT_DANE_ONLY);
    assert_int_equal(requirement_of_basis(&f, &terms, verdict.basis, VERDICT_LEVEL_ENFORCE, false),
                     query.kind);
}

static void agree_on_a_dead_mx_host(void **state)
{
    (void)state;
    same_basis_same_demand(SECURE, "su -n");
}

static void agree_on_implicit_mx(void **state)
{
    (void)state;
    same_basis_same_demand(ABSENT, "su");
}

static void basis_by_itself(void **state)
{
    (void)state;
    assert_int_equal(
        requirement_of_basis(NULL, &usual, VERDICT_BASIS_DANE, VERDICT_LEVEL_ENFORCE, false),
        REQUIREMENT_DANE_ONLY);
    assert_int_equal(requirement_of_basis(NULL, &usual, VERDICT_BASIS_LEVEL,
                                          VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, false),
                     REQUIREMENT_ENCRYPT);
    assert_int_equal(
        requirement_of_basis(NULL, &usual, VERDICT_BASIS_LEVEL, VERDICT_LEVEL_OPPORTUNISTIC, true),
        REQUIREMENT_NONE);
    assert_int_equal(
        requirement_of_basis(NULL, &usual, VERDICT_BASIS_NONE, VERDICT_LEVEL_ENFORCE, true),
        REQUIREMENT_IMPOSSIBLE);
    assert_string_equal(requirement_tls_level(REQUIREMENT_WEB_PKI), "secure");
    assert_string_equal(requirement_tls_level(REQUIREMENT_IMPOSSIBLE), "none");
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof cases[0], FIXED = 3 };
    struct CMUnitTest tests[FIXED + COUNT] = {cmocka_unit_test(agree_on_a_dead_mx_host),
                                              cmocka_unit_test(agree_on_implicit_mx),
                                              cmocka_unit_test(basis_by_itself)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[FIXED + i].name = cases[i].name;
        tests[FIXED + i].test_func = demands;
        tests[FIXED + i].initial_state = (void *)(uintptr_t)&cases[i];
    }
    return cmocka_run_group_tests_name("requirement", tests, NULL, NULL);
}
