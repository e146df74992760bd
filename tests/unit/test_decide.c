/* decide.c: what is said and logged of a decision. What is done is in test_message.c, too. */
#include "decide/decide.h"

#include "findings/findings_make.h"
#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct config_route native = {.name = "native",
                                           .can = VERDICT_CAN_DANE | VERDICT_CAN_STS};
static const struct config_route able = {.name = "able",
                                         .can = VERDICT_CAN_DANE | VERDICT_CAN_STS |
                                                VERDICT_CAN_WEB_PKI | VERDICT_CAN_FALLBACK};

static const struct config_route mta = {
    .name = "native", .can = VERDICT_CAN_DANE | VERDICT_CAN_STS, .can_follows_mta = true};
static const struct config_route strict = {.name = "strict",
                                           .method = CONFIG_METHOD_HEADER,
                                           .can = VERDICT_CAN_DANE | VERDICT_CAN_REQUIRETLS |
                                                  VERDICT_CAN_FALLBACK};
static const struct config_route by_hand = {.name = "native",
                                            .can = VERDICT_CAN_DANE | VERDICT_CAN_REQUIRETLS};

/* Under accept_testing. */
static const struct config_route testing_native = {.name = "native",
                                                   .can = VERDICT_CAN_DANE | VERDICT_CAN_STS};
static const struct config_route testing_strict = {
    .name = "strict", .method = CONFIG_METHOD_HEADER, .can = VERDICT_CAN_DANE | VERDICT_CAN_STS};

static const struct decide_case {
    const char *name;
    const char *findings; /* findings_text.h; NULL: none */
    const char *tls_policy;
    const struct config_route *route;
    enum verdict_level level;
    enum config_fallback fallback;
    const char *wanted; /* verdict, action, findings, expect */
} cases[] = {
#define PLAIN "mx=insecure host=mx.example.org,10,a=i"
    {"DANE on every host", "host=mx1,10,tlsa=usable host=mx2,20,tlsa=usable", NULL, &native, 0, 0,
     "satisfied accept dane dane-only/requiretls"},
    {"DANE on some hosts, Postfix 3.11", "host=mx1,10,tlsa=usable host=mx2,20", NULL, &mta, 0, 0,
     "satisfied accept dane-partial dane/requiretls"},
    {"DANE on some hosts, and the MTA goes to the others too",
     "host=mx1,10,tlsa=usable host=mx2,20", NULL, &native, 0, 0,
     "unsatisfied reject dane-partial -"},
    {"DANE on some hosts, MTA-STS in force",
     "host=mx1,10,tlsa=usable host=mx2,20,match sts=enforce pat=mx2", NULL, &native, 0, 0,
     "satisfied accept dane-partial dane-only/requiretls"},
    {"DANE on every host that exists, as the map QUERY counts",
     "host=mx1,10,tlsa=usable host=mx2,20,a=-", NULL, &native, 0, 0,
     "satisfied accept dane dane-only/requiretls"},
    {"DANE on some hosts, one of unknown addresses", "host=mx1,10,tlsa=usable host=mx2,20,a=f",
     NULL, &mta, 0, 0, "satisfied accept dane-partial dane/requiretls"},
    {"the same, and the MTA goes there too", "host=mx1,10,tlsa=usable host=mx2,20,a=f", NULL,
     &native, 0, 0, "undecided tempfail dane-partial -"},
    {"DANE on some hosts, MTA-STS not known yet, and the MTA goes to the others too",
     "host=mx1,10,tlsa=usable host=mx2,20 sts=pending", NULL, &native, 0, 0,
     "undecided tempfail failed -"},
    {"DANE on some hosts, a transport that asks the map enforce",
     "host=mx1,10,tlsa=usable host=mx2,20", NULL, &strict, 0, 0,
     "satisfied accept dane-partial dane-only/requiretls"},
    {"DANE on every host preferred over us",
     "host=mx1,10,tlsa=usable host=mx.self.example,20 host=mx3,30", NULL, &native, 0, 0,
     "satisfied accept dane-partial dane-only/requiretls"},
    {"MTA-STS in mode testing, which the map QUERY does not demand",
     "mx=insecure host=mx,10,a=i,match sts=testing pat=mx", NULL, &testing_native, 0, 0,
     "unsatisfied reject sts-testing -"},
    {"MTA-STS in mode testing, a transport that asks the map enforce",
     "mx=insecure host=mx,10,a=i,match sts=testing pat=mx", NULL, &testing_strict, 0, 0,
     "satisfied accept sts-testing secure/requiretls"},
    {"DANE, MTA-STS not known yet", "host=mx1,10,tlsa=usable sts=pending", NULL, &native, 0, 0,
     "satisfied accept dane dane-only/requiretls"},
    {"MTA-STS", "mx=insecure host=mx,10,a=i,match sts=enforce pat=mx", NULL, &native, 0, 0,
     "satisfied accept sts-enforce secure/requiretls"},
    {"Web PKI", "host=mx,10", NULL, &able, 0, 0, "satisfied accept dnssec-pki secure/requiretls"},
    {"Web PKI, a route that cannot", "host=mx,10", NULL, &native, 0, 0,
     "unsatisfied reject dnssec-pki -"},
    {"nothing", PLAIN, NULL, &native, 0, 0, "unsatisfied reject none -"},
    {"failed", "mx=failed", NULL, &native, 0, 0, "undecided tempfail failed -"},
    {"null MX", "mx=null", NULL, &native, 0, 0, "unsatisfied reject none -"},
    {"no such domain", "mx=nxdomain", NULL, &native, 0, 0, "not-applicable accept none -"},
    {"we are the best MX", "host=mx.self.example,10 host=mx2,20,tlsa=usable", NULL, &native, 0, 0,
     "not-applicable accept dane-partial -"},
    {"DANE on every host before us", "host=mx1,10,tlsa=usable host=mx.self.example,20", NULL,
     &native, 0, 0, "satisfied accept dane-partial dane-only/requiretls"},
    {"no findings", NULL, NULL, &native, 0, 0, "undecided tempfail - -"},
    {"not enough findings", "mx=pending", NULL, &native, 0, 0, "undecided tempfail failed -"},
    {"opportunistic", NULL, NULL, &native, VERDICT_LEVEL_OPPORTUNISTIC, 0,
     "satisfied accept - may/requiretls:nocertmatch"},
    {"opportunistic+starttls", NULL, NULL, &native, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, 0,
     "satisfied accept - encrypt/requiretls:nocertmatch"},
    {"disable", NULL, NULL, &native, VERDICT_LEVEL_DISABLE, 0, "satisfied accept - may"},
    {"a level that does not exist", PLAIN, NULL, &native, (enum verdict_level)17, 0,
     "undecided tempfail none -"},
    {"fallback = encrypt", PLAIN, NULL, &able, 0, CONFIG_FALLBACK_ENCRYPT,
     "unsatisfied accept none encrypt/requiretls:nocertmatch"},
    {"fallback = may", PLAIN, NULL, &able, 0, CONFIG_FALLBACK_MAY,
     "unsatisfied accept none may/requiretls:nocertmatch"},
    {"fallback, a route that cannot", PLAIN, NULL, &native, 0, CONFIG_FALLBACK_MAY,
     "unsatisfied reject none -"},
    {"own policy, secure", NULL, "secure match=x", &native, 0, 0,
     "satisfied accept policy secure/requiretls"},
    {"own policy, fingerprint", NULL, "fingerprint match=ab:cd", &native, 0, 0,
     "satisfied accept policy fingerprint/requiretls"},
    {"own policy, skip", NULL, "skip", &native, 0, 0,
     "satisfied accept policy may/requiretls:nocertmatch"},
    {"own policy, may", NULL, "may", &native, 0, 0, "unsatisfied reject policy -"},
    {"own policy, may, opportunistic", NULL, "may", &native, VERDICT_LEVEL_OPPORTUNISTIC, 0,
     "satisfied accept policy may/requiretls:nocertmatch"},
};

static void run_case(void **state)
{
    const struct decide_case *c = *state;
    static struct findings_text text;
    struct rules_settings settings = {
        .route = c->route, .level = c->level, .fallback = c->fallback, .tls_policy = c->tls_policy};
    static const char *const mine[] = {"mx.self.example"};
    struct verdict_terms terms = {.web_pki = true,
                                  .accept_testing =
                                      c->route == &testing_native || c->route == &testing_strict,
                                  .my_names = mine,
                                  .my_name_count = 1};
    struct nexthop nexthop;
    struct decide_input in = {.settings = &settings,
                              .terms = &terms,
                              .nexthop = &nexthop,
                              .mta_requiretls = c->route == &mta};
    struct decision decision;
    char got[300];

    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    if (c->findings != NULL) {
        findings_from_text(c->findings, &text);
        text.findings.summary = (uint8_t)findings_summarise(&text.findings);
        in.findings = &text.findings;
    }
    decide_require(&in, &decision);
    snprintf(got, sizeof(got), "%s %s %s %s", verdict_value_name(decision.verdict),
             decide_action_name(decision.action), decision.findings,
             decision.expect[0] != '\0' ? decision.expect : "-");
    assert_string_equal(got, c->wanted);
    /* Whatever is not satisfied says why, and whatever is refused has a code to say it with. */
    assert_true((decision.verdict == VERDICT_SATISFIED) == (decision.reason[0] == '\0'));
    assert_true(decide_is_refusal(&decision) == (decision.code != 0));
    /* What another look of the MTA may find is held to the request by the route. */
    assert_ptr_equal(decision.route, c->route);
}

static const struct offer_case {
    const char *name;
    enum config_offer offer;
    const struct config_route *route;
    bool postfix_3_11;
    enum decide_asker asker;
    const char *tls_policy;
    enum config_fallback fallback;
    enum config_action on_unsatisfied;
    const char *wanted; /* verdict, action, code, status */
} offer_cases[] = {
    {"require_offer = auto, a route without requiretls", 0, &native, false, 0, NULL, 0, 0,
     "satisfied accept 0 -"},
    {"require_offer = no, a route with requiretls", CONFIG_OFFER_NO, &strict, false, 0, NULL, 0, 0,
     "satisfied accept 0 -"},
    {"require_offer = yes, a route without requiretls", CONFIG_OFFER_YES, &native, true, 0, NULL, 0,
     0, "unsatisfied reject 550 5.7.30"},
    {"require_offer = yes, a route with requiretls", CONFIG_OFFER_YES, &strict, false,
     DECIDE_ASKED_BY_RULE, NULL, 0, 0, "satisfied accept 0 -"},
    {"require_offer = yes, native, Postfix 3.11", CONFIG_OFFER_YES, &mta, true, 0, NULL, 0, 0,
     "satisfied accept 0 -"},
    {"require_offer = yes, native, another MTA", CONFIG_OFFER_YES, &mta, false, 0, NULL, 0, 0,
     "unsatisfied reject 550 5.7.30"},
    {"require_offer = yes, native, a rule asks, of which Postfix knows nothing", CONFIG_OFFER_YES,
     &mta, true, DECIDE_ASKED_BY_RULE, NULL, 0, 0, "unsatisfied reject 550 5.7.30"},
    {"require_offer = yes, native by hand, a rule asks", CONFIG_OFFER_YES, &by_hand, true,
     DECIDE_ASKED_BY_RULE, NULL, 0, 0, "unsatisfied reject 550 5.7.30"},
    {"require_offer = yes, on_unsatisfied = tempfail", CONFIG_OFFER_YES, &native, false, 0, NULL, 0,
     CONFIG_ACTION_TEMPFAIL, "unsatisfied tempfail 451 4.7.30"},
    {"require_offer = yes, fallback", CONFIG_OFFER_YES, &able, false, 0, NULL,
     CONFIG_FALLBACK_ENCRYPT, 0, "unsatisfied accept 0 -"},
    {"require_offer = yes, own policy that authenticates", CONFIG_OFFER_YES, &native, false, 0,
     "secure match=x", 0, 0, "unsatisfied reject 550 5.7.30"},
    {"require_offer = yes, own policy, skip", CONFIG_OFFER_YES, &native, false, 0, "skip", 0, 0,
     "satisfied accept 0 -"},
};

/* With findings that satisfy the level. */
static void run_offer_case(void **state)
{
    const struct offer_case *c = *state;
    static struct findings_text text;
    struct rules_settings settings = {.route = c->route,
                                      .require_offer = c->offer,
                                      .fallback = c->fallback,
                                      .on_unsatisfied = c->on_unsatisfied,
                                      .tls_policy = c->tls_policy};
    struct verdict_terms terms = {.web_pki = true};
    struct nexthop nexthop;
    struct decide_input in = {.settings = &settings,
                              .terms = &terms,
                              .nexthop = &nexthop,
                              .findings = &text.findings,
                              .mta_requiretls = c->postfix_3_11,
                              .asker = c->asker};
    struct decision decision;
    char got[100];

    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    findings_from_text("host=mx1,10,tlsa=usable", &text);
    text.findings.summary = (uint8_t)findings_summarise(&text.findings);
    decide_require(&in, &decision);
    snprintf(got, sizeof(got), "%s %s %d %s", verdict_value_name(decision.verdict),
             decide_action_name(decision.action), decision.code,
             decision.status != NULL ? decision.status : "-");
    assert_string_equal(got, c->wanted);
    if (decision.verdict == VERDICT_UNSATISFIED)
        assert_string_equal(decision.reason, "this host cannot pass REQUIRETLS on to the mail "
                                             "servers of example.org");
}

static void an_unknown_action_is_a_refusal(void **state)
{
    struct decision decision = {.action = (enum decide_action)99};

    (void)state;
    assert_true(decide_is_refusal(&decision));
    assert_string_equal(decide_action_name((enum decide_action)99), "tempfail");
}

static void an_unknown_setting_is_temporary(void **state)
{
    struct rules_settings settings = {.route = &native, .on_unsatisfied = (enum config_action)99};
    struct verdict_terms terms = {.web_pki = true};
    static struct findings_text text;
    struct nexthop nexthop;
    struct decide_input in = {
        .settings = &settings, .terms = &terms, .nexthop = &nexthop, .findings = &text.findings};
    struct decision decision;

    (void)state;
    nexthop_parse("example.org", &nexthop);
    findings_from_text(PLAIN, &text);
    decide_require(&in, &decision);
    assert_int_equal(decision.action, DECIDE_TEMPFAIL);
    assert_int_equal(decision.code, 451);
}

static void a_reply_fits_a_line(void **state)
{
    struct decision decision = {.action = DECIDE_TEMPFAIL, .code = 451, .status = "4.4.3"};
    char address[2000];
    struct reply reply;

    (void)state;
    memset(address, 'a', sizeof(address));
    address[sizeof(address) - 1] = '\0';
    memset(decision.reason, 'r', sizeof(decision.reason) - 1);
    decide_reply(&decision, address, DECIDE_ASKED_BY_SENDER, &reply);
    assert_int_equal(strlen(reply.text), REPLY_TEXT_MAX);
    assert_non_null(strstr(reply.text, "...>: Sender requested REQUIRETLS, but rrr"));
}

int main(void)
{
    enum {
        COUNT = sizeof cases / sizeof cases[0],
        OFFERS = sizeof offer_cases / sizeof *offer_cases
    };
    struct CMUnitTest tests[COUNT + OFFERS + 3] = {
        cmocka_unit_test(an_unknown_action_is_a_refusal),
        cmocka_unit_test(an_unknown_setting_is_temporary), cmocka_unit_test(a_reply_fits_a_line)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[i + 3].name = cases[i].name;
        tests[i + 3].test_func = run_case;
        tests[i + 3].initial_state = (void *)(uintptr_t)&cases[i];
    }
    for (size_t i = 0; i < OFFERS; i++) {
        tests[COUNT + i + 3].name = offer_cases[i].name;
        tests[COUNT + i + 3].test_func = run_offer_case;
        tests[COUNT + i + 3].initial_state = (void *)(uintptr_t)&offer_cases[i];
    }
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
