/*
 * Verdict and maps agree: over all findings of two hosts, what the filter accepts at level enforce
 * is demanded by the map that the transport then asks, and no map lets through less than its name
 * says.
 */
#include "answer/answer.h"
#include "decide/decide.h"
#include "policy/findings_summary.h"
#include "policy/requirement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct config_route native = {.name = "native",
                                           .can = VERDICT_CAN_DANE | VERDICT_CAN_STS};
static const struct config_route strict = {.name = "strict",
                                           .method = CONFIG_METHOD_HEADER,
                                           .can = VERDICT_CAN_DANE | VERDICT_CAN_STS |
                                                  VERDICT_CAN_WEB_PKI};
static const char *const mine[] = {"mx2.example.org"};

struct scene {
    struct findings findings;
    struct findings_host hosts[2];
    struct answer_terms terms;
    unsigned long count;
};

static void tell(const struct scene *s, const char *what, const char *got)
{
    const struct findings *f = &s->findings;

    print_error("%s: %s: mx %s known %d sts %u/%u%s\n", what, got, findings_mx_name(f->mx),
                f->security_known, f->sts.state, f->sts.mode, f->sts.late ? " late" : "");
    for (size_t i = 0; i < f->host_count; i++)
        print_error("  %s %s/%s %s%s\n", f->hosts[i].name, findings_addr_name(f->hosts[i].a),
                    findings_addr_name(f->hosts[i].aaaa),
                    findings_tlsa_state_name(f->hosts[i].tlsa_state),
                    f->hosts[i].sts_match ? " match" : "");
    fail();
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_unsatisfied(const char *text)
{
    return strcmp(text, ANSWER_UNSATISFIED) == 0;
}

static enum answer_kind ask(struct scene *s, enum answer_map map, char out[ANSWER_MAX])
{
    return answer_derive(&s->findings, &s->terms, map, out, ANSWER_MAX);
}

static void decide(struct scene *s, const struct config_route *route, bool mta,
                   struct decision *out)
{
    struct rules_settings settings = {.route = route};
    struct nexthop nexthop;
    const struct decide_input in = {.settings = &settings,
                                    .terms = &s->terms.enforce,
                                    .nexthop = &nexthop,
                                    .findings = &s->findings,
                                    .mta_requiretls = mta};

    nexthop_parse(s->findings.nexthop.text, &nexthop);
    decide_require(&in, out);
}

/* What was accepted for the ordinary way: QUERY demands it, with `dane` only where the MTA looks
 * for itself what becomes of hosts without TLSA records. */
static void check_native(struct scene *s, bool mta)
{
    static char got[ANSWER_MAX];
    struct decision decision;
    enum answer_kind kind;

    decide(s, &native, mta, &decision);
    kind = ask(s, ANSWER_QUERY, got);
    if (decision.verdict != VERDICT_SATISFIED || kind == ANSWER_PENDING)
        return;
    if (kind != ANSWER_OK || is_unsatisfied(got) ||
        (!begins(got, "dane") && !begins(got, "secure match=")))
        tell(s, "accepted, and QUERY does not demand it", got);
    if (!mta && strcmp(got, "dane") == 0)
        tell(s, "accepted, and QUERY lets plaintext through", got);
    if (begins(decision.expect, "secure/") != begins(got, "secure") ||
        (begins(got, "dane") && strcspn(decision.expect, "/") != strlen(got)))
        tell(s, decision.expect, got);
}

/* What was accepted for a transport: `enforce` demands it, and can be met. */
static void check_strict(struct scene *s)
{
    static char got[ANSWER_MAX];
    struct decision decision;
    enum answer_kind kind;

    decide(s, &strict, false, &decision);
    kind = ask(s, ANSWER_ENFORCE, got);
    if (kind == ANSWER_NOTFOUND ||
        (kind == ANSWER_OK && strcmp(got, "dane-only") != 0 && !begins(got, "secure match=")))
        tell(s, "enforce lets through what it should not", got);
    if (kind != ANSWER_PENDING && decision.verdict == VERDICT_SATISFIED &&
        (kind != ANSWER_OK || is_unsatisfied(got)))
        tell(s, "accepted, and enforce cannot be met", got);
    if (kind == ANSWER_OK && !is_unsatisfied(got) && decision.verdict != VERDICT_SATISFIED)
        tell(s, "not accepted, and enforce can be met", got);
    if (kind == ANSWER_OK && decision.verdict == VERDICT_SATISFIED &&
        strcspn(decision.expect, "/") != strcspn(got, " "))
        tell(s, decision.expect, got);
    kind = ask(s, ANSWER_ENFORCE_PKI, got);
    if (kind == ANSWER_NOTFOUND || (kind == ANSWER_OK && !begins(got, "secure match=")))
        tell(s, "enforce_pki lets through what it should not", got);
}

static void check_starttls(struct scene *s)
{
    static char got[ANSWER_MAX];
    enum answer_kind kind = ask(s, ANSWER_OPPORTUNISTIC_STARTTLS, got);

    if (kind == ANSWER_NOTFOUND || (kind == ANSWER_OK && strcmp(got, "encrypt") != 0 &&
                                    strcmp(got, "dane-only") != 0 && !begins(got, "secure match=")))
        tell(s, "opportunistic+starttls lets plaintext through", got);
}

/* At enforce the requirement is the verdict's: it can be met if and only if that is satisfied, by
 * the same hosts. */
static void check_requirement(struct scene *s)
{
    struct requirement demand;
    struct verdict_terms terms = s->terms.enforce;
    struct verdict verdict;
    bool met;

    terms.level = VERDICT_LEVEL_ENFORCE;
    verdict_derive(&s->findings, &terms, &verdict);
    requirement_derive(&s->findings, &terms, VERDICT_LEVEL_ENFORCE, &demand);
    met = demand.kind == REQUIREMENT_DANE_ONLY || demand.kind == REQUIREMENT_STS ||
          demand.kind == REQUIREMENT_WEB_PKI;
    if (met ? verdict.value != VERDICT_SATISFIED || demand.hosts != verdict.hosts
            : verdict.value == VERDICT_SATISFIED && demand.kind != REQUIREMENT_PENDING)
        tell(s, "verdict and requirement at enforce", verdict_value_name(verdict.value));
    if ((demand.kind == REQUIREMENT_IMPOSSIBLE) !=
        (verdict.value == VERDICT_UNSATISFIED || verdict.value == VERDICT_NOT_APPLICABLE))
        tell(s, "verdict and an impossible requirement", verdict_value_name(verdict.value));
    if ((demand.kind == REQUIREMENT_UNKNOWN) != (verdict.value == VERDICT_UNDECIDED))
        tell(s, "verdict and an unknown requirement", verdict_value_name(verdict.value));
    if (findings_complete(&s->findings) && demand.kind == REQUIREMENT_PENDING)
        tell(s, "a complete lookup is waited for", verdict_value_name(verdict.value));
}

/* The summary `dane` says that all hosts that count have it, and all mail is held to it. */
static void check_summary(struct scene *s)
{
    struct requirement demand;

    if (!findings_complete(&s->findings) || !s->findings.security_known ||
        findings_summarise(&s->findings, &s->terms.enforce) != FINDINGS_SUMMARY_DANE)
        return;
    requirement_derive(&s->findings, &s->terms.enforce, VERDICT_LEVEL_OPPORTUNISTIC, &demand);
    if (demand.kind != REQUIREMENT_DANE_ONLY)
        tell(s, "the summary is dane", requirement_tls_level(demand.kind));
}

static void check_all(struct scene *s)
{
    check_requirement(s);
    check_summary(s);
    s->count++;
    check_native(s, true);
    check_native(s, false);
    check_strict(s);
    check_starttls(s);
}

/* MTA-STS: each state, with a policy each mode. */
static void with_each_sts(struct scene *s)
{
    static const char *const patterns[] = {"mx1.example.org", "mx2.example.org"};
    static const struct findings_sts all[] = {
        {.state = FINDINGS_STS_PENDING},
        {.state = FINDINGS_STS_PENDING, .late = true},
        {.state = FINDINGS_STS_OFF},
        {.state = FINDINGS_STS_NONE, .failure = FINDINGS_STS_NO_RECORD},
        {.state = FINDINGS_STS_FAILED},
        {.state = FINDINGS_STS_POLICY, .mode = FINDINGS_STS_MODE_NONE, .id_current = true},
        {.state = FINDINGS_STS_POLICY, .mode = FINDINGS_STS_MODE_TESTING, .id_current = true},
        {.state = FINDINGS_STS_POLICY, .mode = FINDINGS_STS_MODE_ENFORCE, .id_current = true},
        {.state = FINDINGS_STS_POLICY, .mode = FINDINGS_STS_MODE_ENFORCE},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        s->findings.sts = all[i];
        if (all[i].state == FINDINGS_STS_POLICY) {
            s->findings.sts.mx = patterns;
            s->findings.sts.mx_count = 2;
        }
        if (all[i].state != FINDINGS_STS_POLICY && (s->hosts[0].sts_match || s->hosts[1].sts_match))
            continue;
        check_all(s);
    }
}

static bool is_possible(const struct scene *s, const struct findings_host *host)
{
    bool found = host->a == FINDINGS_ADDR_SECURE || host->aaaa == FINDINGS_ADDR_SECURE;

    /* TLSA records are asked for at a secure address only, and count only from who is trusted. */
    if (host->tlsa_state == FINDINGS_TLSA_USABLE || host->tlsa_state == FINDINGS_TLSA_UNUSABLE)
        return found && s->findings.security_known;
    return true;
}

static void with_each_host(struct scene *s, size_t at)
{
    static const uint8_t addresses[][2] = {
        {FINDINGS_ADDR_SECURE, FINDINGS_ADDR_ABSENT},
        {FINDINGS_ADDR_INSECURE, FINDINGS_ADDR_ABSENT},
        {FINDINGS_ADDR_ABSENT, FINDINGS_ADDR_ABSENT},
        {FINDINGS_ADDR_FAILED, FINDINGS_ADDR_ABSENT},
        {FINDINGS_ADDR_PENDING, FINDINGS_ADDR_PENDING},
        {FINDINGS_ADDR_SECURE, FINDINGS_ADDR_FAILED},
    };
    struct findings_host *host = &s->hosts[at];

    if (at == s->findings.host_count) {
        with_each_sts(s);
        return;
    }
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        for (unsigned tlsa = FINDINGS_TLSA_PENDING; tlsa <= FINDINGS_TLSA_FAILED; tlsa++)
            for (int match = 0; match < 2; match++) {
                host->a = addresses[i][0];
                host->aaaa = addresses[i][1];
                host->tlsa_state = (uint8_t)tlsa;
                host->sts_match = match != 0;
                if (is_possible(s, host))
                    with_each_host(s, at + 1);
            }
}

static void with_each_mx(struct scene *s)
{
    static const uint8_t states[] = {FINDINGS_MX_SECURE, FINDINGS_MX_INSECURE, FINDINGS_MX_ABSENT,
                                     FINDINGS_MX_NOT_ASKED};

    for (size_t i = 0; i < sizeof(states); i++)
        for (int known = 0; known < 2; known++) {
            struct findings *f = &s->findings;
            bool host = states[i] == FINDINGS_MX_NOT_ASKED;

            if (!known && states[i] == FINDINGS_MX_SECURE)
                continue; /* nothing is secure then */
            f->mx = states[i];
            f->security_known = known != 0;
            f->nexthop.kind = host ? NEXTHOP_HOST : NEXTHOP_DOMAIN;
            f->nexthop.name = "mx1.example.org";
            f->nexthop.text = host ? "[mx1.example.org]" : "mx1.example.org";
            f->host_count = host || states[i] == FINDINGS_MX_ABSENT ? 1 : 2;
            s->hosts[1].sts_match = false;
            with_each_host(s, 0);
        }
}

static void run(bool accept_testing, size_t own_names)
{
    struct scene s = {
        .hosts = {{.name = "mx1.example.org", .preference = 10},
                  {.name = "mx2.example.org", .preference = 20}},
        .terms = {.enforce = {.level = VERDICT_LEVEL_ENFORCE,
                              .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI,
                              .web_pki = true,
                              .accept_testing = accept_testing,
                              .my_names = mine,
                              .my_name_count = own_names}},
    };

    s.findings.hosts = s.hosts;
    with_each_mx(&s);
    assert_true(s.count > 20000);
}

static void usual_terms(void **state)
{
    (void)state;
    run(false, 0);
}

static void accept_testing(void **state)
{
    (void)state;
    run(true, 0);
}

static void as_backup_mx(void **state)
{
    (void)state;
    run(false, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(usual_terms),
                                       cmocka_unit_test(accept_testing),
                                       cmocka_unit_test(as_backup_mx)};

    return cmocka_run_group_tests_name("agreement", tests, NULL, NULL);
}
