/*
 * What probes do to a verdict: a table of cases, and generated findings with probes on which must
 * hold: a probe never makes a verdict satisfied, nothing indefinite changes one, and it is a
 * definite no only where every host that counts said no.
 */
#include "findings_text.h"
#include "policy/host_class.h"
#include "policy/host_probe.h"
#include "policy/requirement.h"
#include "policy/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CAN = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI | VERDICT_CAN_REQUIRETLS,
    CANNOT = CAN & ~VERDICT_CAN_REQUIRETLS,
    BELOW = -1, /* level opportunistic+starttls */
};

#define MX1 "host=mx1.example.org"
#define MX2 "host=mx2.example.org,20"

static const struct probe_case {
    const char *name;
    int can;
    const char *findings;
    enum verdict_value want;
    enum verdict_reason reason;
    const char *words; /* of the explanation; NULL: none is looked at */
} cases[] = {
    {"nothing was probed", CAN, MX1 ",tlsa=usable", VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"it does all", CAN, MX1 ",tlsa=usable,probe=o", VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"no REQUIRETLS", CAN, MX1 ",tlsa=usable,probe=r", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_NO_REQUIRETLS,
     "the mail server of example.org does not support REQUIRETLS (mx1.example.org[192.0.2.1])"},
    {"no REQUIRETLS at both", CAN, MX1 ",tlsa=usable,probe=r " MX2 ",tlsa=usable,probe=r",
     VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NO_REQUIRETLS,
     "the mail servers of example.org do not support REQUIRETLS (mx1.example.org[192.0.2.1])"},
    {"no STARTTLS", CAN, MX1 ",tlsa=usable,probe=t", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_NO_STARTTLS,
     "the mail server of example.org does not offer STARTTLS (mx1.example.org[192.0.2.1])"},
    {"STARTTLS refused", CAN, MX1 ",tlsa=usable,probe=x", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_STARTTLS_REFUSED,
     "the mail server of example.org refuses STARTTLS (mx1.example.org[192.0.2.1]: 502 5.5.1 not "
     "today)"},
    {"a wrong certificate", CAN, MX1 ",tlsa=usable,probe=a", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_NOT_AUTHENTICATED,
     "the mail server of example.org cannot be authenticated (mx1.example.org[192.0.2.1]: "
     "certificate has expired)"},
    {"unreachable", CAN, MX1 ",tlsa=usable,probe=u", VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"failed", CAN, MX1 ",tlsa=usable,probe=f", VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},

    /* Several addresses of a host */
    {"an address that is not reached is left out", CAN, MX1 ",tlsa=usable,probe=ur",
     VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NO_REQUIRETLS,
     "the mail server of example.org does not support REQUIRETLS (mx1.example.org[192.0.2.2])"},
    {"an address that failed leaves a doubt", CAN, MX1 ",tlsa=usable,probe=rf", VERDICT_SATISFIED,
     VERDICT_REASON_NONE, NULL},
    {"one address will do", CAN, MX1 ",tlsa=usable,probe=rafo", VERDICT_SATISFIED,
     VERDICT_REASON_NONE, NULL},
    {"the address that came farthest is told of", CAN, MX1 ",tlsa=usable,probe=tarx",
     VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NO_REQUIRETLS,
     "the mail server of example.org does not support REQUIRETLS (mx1.example.org[192.0.2.3])"},

    /* Several hosts */
    {"one host will do", CAN, MX1 ",tlsa=usable,probe=r " MX2 ",tlsa=usable,probe=o",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"one host was not reached", CAN, MX1 ",tlsa=usable,probe=r " MX2 ",tlsa=usable,probe=u",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"one host was not looked at", CAN, MX1 ",tlsa=usable,probe=r " MX2 ",tlsa=usable",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"the host that came farthest is told of", CAN,
     MX1 ",tlsa=usable,probe=t " MX2 ",tlsa=usable,probe=a", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_NOT_AUTHENTICATED,
     "the mail servers of example.org cannot be authenticated (mx2.example.org[192.0.2.1]: "
     "certificate has expired)"},
    {"a host that does not count is none", CAN, MX1 ",tlsa=usable,probe=r " MX2 ",probe=o",
     VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NO_REQUIRETLS, NULL},
    {"a host that cannot be looked up now may be better", CAN,
     MX1 ",tlsa=usable,probe=r " MX2 ",tlsa=failed", VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"a host that is being looked up may be better", CAN,
     MX1 ",tlsa=usable,probe=r " MX2 ",a=p,aaaa=p,tlsa=pending", VERDICT_PENDING,
     VERDICT_REASON_NONE, NULL},
    {"the policy that is being fetched is no matter to DANE", CAN,
     MX1 ",tlsa=usable,probe=r sts=pending", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_NO_REQUIRETLS, NULL},
    {"answers that are not checked yet may hide another host", CAN,
     MX1 ",tlsa=usable,probe=r unchecked", VERDICT_PENDING, VERDICT_REASON_NONE, NULL},

    /* A route that says no REQUIRETLS needs none of the server */
    {"no REQUIRETLS, none is said", CANNOT, MX1 ",tlsa=usable,probe=r", VERDICT_SATISFIED,
     VERDICT_REASON_NONE, NULL},
    {"a wrong certificate, no REQUIRETLS is said", CANNOT, MX1 ",tlsa=usable,probe=a",
     VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NOT_AUTHENTICATED, NULL},

    /* MTA-STS and Web PKI */
    {"sts", CAN, "mx=insecure sts=enforce " MX1 ",a=i,match,probe=r", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_NO_REQUIRETLS, NULL},
    {"sts, a policy that may have been replaced", CAN,
     "mx=insecure sts=enforce stale " MX1 ",a=i,match,probe=r", VERDICT_SATISFIED,
     VERDICT_REASON_NONE, NULL},
    {"web pki among the hosts of a policy that may have been replaced", CAN & ~VERDICT_CAN_STS,
     "sts=enforce stale " MX1 ",match,probe=a", VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"sts, no resolver validates", CAN, "mx=insecure unknown sts=enforce " MX1 ",a=i,match,probe=r",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"web pki", CAN, MX1 ",probe=a", VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NOT_AUTHENTICATED,
     NULL},
    {"a host by name", CAN,
     "nexthop=[relay.example.org] mx=not-asked host=relay.example.org,probe=r", VERDICT_UNSATISFIED,
     VERDICT_REASON_SERVERS_NO_REQUIRETLS,
     "the mail server of relay.example.org does not support REQUIRETLS "
     "(relay.example.org[192.0.2.1])"},

    /* What is not satisfied stays as it is */
    {"nothing published, and all is well", CAN, "mx=insecure " MX1 ",a=i,probe=o",
     VERDICT_UNSATISFIED, VERDICT_REASON_NOTHING_PUBLISHED, NULL},
    {"undecided, and all is well", CAN, MX1 ",tlsa=failed,probe=o", VERDICT_UNDECIDED,
     VERDICT_REASON_DNS_FAILED, NULL},
    {"undecided, and nothing is", CAN, MX1 ",tlsa=failed,probe=t", VERDICT_UNDECIDED,
     VERDICT_REASON_DNS_FAILED, NULL},

    /* opportunistic+starttls */
    {"below: no STARTTLS anywhere", BELOW, "mx=insecure " MX1 ",a=i,probe=t " MX2 ",a=i,probe=tu",
     VERDICT_UNSATISFIED, VERDICT_REASON_SERVERS_NO_STARTTLS,
     "the mail servers of example.org do not offer STARTTLS (mx1.example.org[192.0.2.1])"},
    {"below: no STARTTLS at one", BELOW, "mx=insecure " MX1 ",a=i,probe=t " MX2 ",a=i,probe=a",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"below: one was not looked at", BELOW, "mx=insecure " MX1 ",a=i,probe=t " MX2 ",a=i",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"below: STARTTLS refused is no lack of it", BELOW, "mx=insecure " MX1 ",a=i,probe=x",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"below: no REQUIRETLS is no matter", BELOW, "mx=insecure " MX1 ",a=i,probe=r",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
    {"below: no resolver validates", BELOW, "mx=insecure unknown " MX1 ",a=i,probe=t",
     VERDICT_SATISFIED, VERDICT_REASON_NONE, NULL},
};

static void run_case(void **state)
{
    const struct probe_case *c = *state;
    static struct findings_text text;
    struct verdict_terms terms = {.can = c->can == BELOW ? CAN : (unsigned)c->can, .web_pki = true};
    struct requirement requirement;
    struct verdict verdict;
    char words[400];

    terms.level = c->can == BELOW ? VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS : VERDICT_LEVEL_ENFORCE;
    findings_from_text(c->findings, &text);
    verdict_derive(&text.findings, &terms, &verdict);
    assert_string_equal(verdict_value_name(verdict.value), verdict_value_name(c->want));
    assert_int_equal(verdict.reason, c->reason);
    if (c->words != NULL)
        assert_string_equal(verdict_explain(&text.findings, &verdict, words, sizeof(words)),
                            c->words);
    requirement_derive(&text.findings, &terms, VERDICT_LEVEL_ENFORCE, &requirement);
    if (c->can != BELOW && c->want == VERDICT_UNSATISFIED)
        assert_int_equal(requirement.kind, REQUIREMENT_IMPOSSIBLE);
}

/* A server may be called and say what it likes: the clause stays within its room. */
static void long_words_are_cut(void **state)
{
    static struct findings_text text;
    const struct verdict_terms terms = {.can = CAN, .web_pki = true};
    struct verdict verdict;
    char words[1000], cut[60], said[301];

    (void)state;
    memset(said, 'x', 300);
    said[300] = '\0';
    findings_from_text(MX1 ",tlsa=usable,probe=a", &text);
    text.probes[0][0].failure = said;
    verdict_derive(&text.findings, &terms, &verdict);
    verdict_explain(&text.findings, &verdict, words, sizeof(words));
    assert_int_equal(strlen(words), strlen("the mail server of example.org cannot be authenticated "
                                           "(mx1.example.org[192.0.2.1]: )") +
                                        120);
    verdict_explain(&text.findings, &verdict, cut, sizeof(cut));
    assert_memory_equal(cut, words, sizeof(cut) - 1);
    text.probes[0][0].family = 6;
    verdict_explain(&text.findings, &verdict, words, sizeof(words));
    assert_non_null(strstr(words, "mx1.example.org[c000:201::]: xx"));
}

/* --- generated findings ----------------------------------------------------------------------- */

enum { ROUNDS = 200000, HOSTS = 4, ADDRESSES = 3 };

static uint32_t seed = 20260101;

static unsigned below(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

struct scene {
    struct findings findings;
    struct findings_host hosts[HOSTS];
    struct findings_probe probes[HOSTS][ADDRESSES];
    struct verdict_terms terms;
    const char *own[1];
};

static void generate_host(struct scene *s, size_t i)
{
    static const char *const names[HOSTS] = {"a.example", "b.example", "c.example", "d.example"};
    /* Mostly what satisfies, or little would be left to be looked at. */
    static const uint8_t addr[] = {FINDINGS_ADDR_SECURE,   FINDINGS_ADDR_SECURE,
                                   FINDINGS_ADDR_INSECURE, FINDINGS_ADDR_ABSENT,
                                   FINDINGS_ADDR_FAILED,   FINDINGS_ADDR_PENDING};
    static const uint8_t tlsa[] = {
        FINDINGS_TLSA_NONE,   FINDINGS_TLSA_USABLE, FINDINGS_TLSA_USABLE, FINDINGS_TLSA_UNUSABLE,
        FINDINGS_TLSA_USABLE, FINDINGS_TLSA_FAILED, FINDINGS_TLSA_PENDING};
    struct findings_host *host = &s->hosts[i];

    *host = (struct findings_host){.name = names[i],
                                   .preference = (uint16_t)(10 * i),
                                   .a = addr[below(sizeof addr)],
                                   .aaaa = addr[below(sizeof addr)],
                                   .tlsa_state = tlsa[below(sizeof tlsa)],
                                   .sts_match = below(3) != 0,
                                   .probes = s->probes[i],
                                   .probe_count = (uint8_t)below(ADDRESSES + 1)};
    for (size_t p = 0; p < host->probe_count; p++)
        s->probes[i][p] = (struct findings_probe){
            .family = 4,
            .starttls = below(2) != 0,
            .result = (uint8_t)(below(4) != 0 ? below(4) : below(FINDINGS_PROBE_FAILED + 2))};
}

static void generate(struct scene *s)
{
    static const uint8_t mx[] = {FINDINGS_MX_SECURE,    FINDINGS_MX_SECURE, FINDINGS_MX_INSECURE,
                                 FINDINGS_MX_NOT_ASKED, FINDINGS_MX_ABSENT, FINDINGS_MX_PENDING,
                                 FINDINGS_MX_FAILED,    FINDINGS_MX_NULL,   FINDINGS_MX_NXDOMAIN};
    struct findings *f = &s->findings;

    memset(s, 0, sizeof(*s));
    f->nexthop = (struct findings_nexthop){.name = "example", .text = "example"};
    f->mx = mx[below(sizeof mx)];
    f->nexthop.kind = f->mx == FINDINGS_MX_NOT_ASKED ? NEXTHOP_HOST : NEXTHOP_DOMAIN;
    f->security_known = below(4) != 0;
    f->unchecked = below(8) == 0;
    f->dane_seen = below(8) == 0;
    f->hosts = s->hosts;
    f->host_count = (uint16_t)below(HOSTS + 1);
    for (size_t i = 0; i < f->host_count; i++)
        generate_host(s, i);
    f->sts.state = (uint8_t)below(FINDINGS_STS_FAILED + 1);
    f->sts.mode = (uint8_t)below(3);
    f->sts.id_current = below(3) != 0;
    s->own[0] = "c.example";
    s->terms = (struct verdict_terms){.level = below(8) == 0 ? VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS
                                                             : VERDICT_LEVEL_ENFORCE,
                                      .can = below(32),
                                      .web_pki = below(4) != 0,
                                      .accept_testing = below(2) != 0,
                                      .dane_every = below(4) == 0,
                                      .require_offer = below(4) == 0,
                                      .my_names = s->own,
                                      .my_name_count = below(4) == 0};
}

static void derive_without(const struct scene *s, struct verdict *out)
{
    struct findings_host hosts[HOSTS];
    struct findings f = s->findings;

    memcpy(hosts, s->hosts, sizeof(hosts));
    for (size_t i = 0; i < HOSTS; i++)
        hosts[i].probe_count = 0;
    f.hosts = hosts;
    verdict_derive(&f, &s->terms, out);
}

/* Said once more, in other words than host_probe.c's. */
static bool says_no(const struct findings_host *host, const struct verdict_terms *terms)
{
    bool enforce = terms->level == VERDICT_LEVEL_ENFORCE;
    size_t no = 0, unreachable = 0;

    for (size_t i = 0; i < host->probe_count; i++) {
        const struct findings_probe *p = &host->probes[i];

        unreachable += p->result == FINDINGS_PROBE_UNREACHABLE;
        no += p->result == FINDINGS_PROBE_NO_STARTTLS && (enforce || !p->starttls);
        no += p->result == FINDINGS_PROBE_NOT_AUTHENTICATED && enforce;
        no += p->result == FINDINGS_PROBE_NO_REQUIRETLS && enforce &&
              (terms->can & VERDICT_CAN_REQUIRETLS) != 0;
    }
    return no > 0 && no + unreachable == host->probe_count;
}

static bool same(const struct verdict *a, const struct verdict *b)
{
    return a->value == b->value && a->basis == b->basis && a->reason == b->reason &&
           a->hosts == b->hosts;
}

static uint32_t counting(const struct scene *s, const struct verdict *without)
{
    struct host_classes classes;

    if (s->terms.level == VERDICT_LEVEL_ENFORCE)
        return without->hosts;
    host_classes_derive(&s->findings, &s->terms, &classes);
    return classes.counted;
}

static void check_change(const struct scene *s, const struct verdict *without,
                         const struct verdict *with)
{
    uint32_t hosts = counting(s, without);

    assert_int_equal(without->value, VERDICT_SATISFIED);
    assert_true(with->value == VERDICT_UNSATISFIED || with->value == VERDICT_PENDING);
    if (with->value == VERDICT_PENDING)
        assert_false(findings_complete(&s->findings));
    assert_true(s->findings.security_known);
    if (without->basis == VERDICT_BASIS_STS)
        assert_true(s->findings.sts.id_current);
    assert_int_not_equal(hosts, 0);
    for (size_t i = 0; i < s->findings.host_count; i++) {
        if ((hosts >> i & 1) != 0)
            assert_true(says_no(&s->hosts[i], &s->terms));
    }
}

/* One host of which another thing is known than a no takes the no away. */
static void check_doubt(struct scene *s, const struct verdict *without)
{
    static const uint8_t other[] = {FINDINGS_PROBE_OK, FINDINGS_PROBE_FAILED,
                                    FINDINGS_PROBE_FAILED + 1};
    uint32_t hosts = counting(s, without);

    for (size_t i = 0; i < s->findings.host_count; i++) {
        struct findings_probe *first = s->probes[i], old = *first;
        struct verdict with;

        if ((hosts >> i & 1) == 0)
            continue;
        first->result = other[below(sizeof other)];
        verdict_derive(&s->findings, &s->terms, &with);
        assert_true(same(&with, without));
        *first = old;
    }
}

static void probes_only_take_away(void **state)
{
    static struct scene s;
    unsigned changed = 0, unsatisfied = 0, satisfied = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct verdict without, with;

        generate(&s);
        derive_without(&s, &without);
        verdict_derive(&s.findings, &s.terms, &with);
        satisfied += with.value == VERDICT_SATISFIED;
        if (same(&without, &with))
            continue;
        changed++;
        unsatisfied += with.value == VERDICT_UNSATISFIED;
        check_change(&s, &without, &with);
        check_doubt(&s, &without);
    }
    /* The generator finds what it is for. */
    assert_true(changed > 1000 && unsatisfied > 1000 && satisfied > 10000);
}

/* Where all hosts that count say no and nothing is in doubt, it is a no. */
static void a_definite_no_counts(void **state)
{
    static struct scene s;
    unsigned seen = 0;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct verdict without, with;
        bool all = true;

        generate(&s);
        s.findings.security_known = s.findings.sts.id_current = true;
        derive_without(&s, &without);
        for (size_t i = 0; i < s.findings.host_count; i++) {
            enum host_class class = host_class_of(&s.hosts[i]);

            all = all && (class == HOST_CLASS_DANE || class == HOST_CLASS_PLAIN ||
                          class == HOST_CLASS_ABSENT);
            if ((counting(&s, &without) >> i & 1) != 0)
                all = all && says_no(&s.hosts[i], &s.terms);
        }
        if (without.value != VERDICT_SATISFIED || counting(&s, &without) == 0 || !all ||
            s.findings.unchecked)
            continue;
        seen++;
        verdict_derive(&s.findings, &s.terms, &with);
        assert_int_equal(with.value, VERDICT_UNSATISFIED);
        assert_true(with.reason >= VERDICT_REASON_SERVERS_NO_STARTTLS);
    }
    assert_true(seen > 500);
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof cases[0], FIXED = 3 };
    struct CMUnitTest tests[FIXED + COUNT] = {cmocka_unit_test(long_words_are_cut),
                                              cmocka_unit_test(probes_only_take_away),
                                              cmocka_unit_test(a_definite_no_counts)};

    for (size_t i = 0; i < COUNT; i++)
        tests[FIXED + i] = (struct CMUnitTest){.name = cases[i].name,
                                               .test_func = run_case,
                                               .initial_state = (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
