/* decide.c: what is said and logged of a decision. What is done is in test_message.c, too. */
#include "decide/decide.h"

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
static const struct config_route web = {.name = "web",
                                        .method = CONFIG_METHOD_HEADER,
                                        .can = VERDICT_CAN_DANE | VERDICT_CAN_STS |
                                               VERDICT_CAN_WEB_PKI | VERDICT_CAN_REQUIRETLS |
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
     "satisfied accept dane dane-only/requiretls"},
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
     "not-applicable accept none -"},
    {"DANE on every host before us", "host=mx1,10,tlsa=usable host=mx.self.example,20", NULL,
     &native, 0, 0, "satisfied accept dane dane-only/requiretls"},
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
    decide_require(&in, &decision);
    snprintf(got, sizeof(got), "%s %s %d %s", verdict_value_name(decision.verdict),
             decide_action_name(decision.action), decision.code,
             decision.status != NULL ? decision.status : "-");
    assert_string_equal(got, c->wanted);
    if (decision.verdict == VERDICT_UNSATISFIED)
        assert_string_equal(decision.reason, "this host cannot pass REQUIRETLS on to the mail "
                                             "servers of example.org");
}

static const struct probe_case {
    const char *name;
    const char *findings;
    const struct config_route *route;
    enum verdict_level level;
    enum config_offer offer;
    enum config_fallback fallback;
    enum config_action on_unsatisfied;
    const char *wanted; /* verdict, action, findings, expect, code, status */
} probe_cases[] = {
    {"probe: no REQUIRETLS", "host=mx1,tlsa=usable,probe=r", &strict, 0, 0, 0, 0,
     "unsatisfied reject dane - 550 5.7.30"},
    {"probe: no STARTTLS", "host=mx1,tlsa=usable,probe=t", &strict, 0, 0, 0, 0,
     "unsatisfied reject dane - 550 5.7.30"},
    {"probe: STARTTLS refused", "host=mx1,tlsa=usable,probe=x", &strict, 0, 0, 0, 0,
     "unsatisfied reject dane - 550 5.7.10"},
    {"probe: a wrong certificate", "host=mx1,tlsa=usable,probe=a", &strict, 0, 0, 0, 0,
     "unsatisfied reject dane - 550 5.7.10"},
    {"probe: before all is looked up", "host=mx1,tlsa=usable,probe=r sts=pending", &strict, 0, 0, 0,
     0, "unsatisfied reject dane - 550 5.7.30"},
    {"probe: on_unsatisfied = tempfail", "host=mx1,tlsa=usable,probe=r", &strict, 0, 0, 0,
     CONFIG_ACTION_TEMPFAIL, "unsatisfied tempfail dane - 451 4.7.30"},
    {"probe: on_unsatisfied = log", "host=mx1,tlsa=usable,probe=r", &strict, 0, 0, 0,
     CONFIG_ACTION_LOG, "unsatisfied log dane - 0 -"},
    {"probe: failed", "host=mx1,tlsa=usable,probe=f", &strict, 0, 0, 0, 0,
     "satisfied accept dane dane-only/requiretls 0 -"},
    {"probe: no REQUIRETLS, fallback = encrypt", "host=mx1,tlsa=usable,probe=r", &strict, 0, 0,
     CONFIG_FALLBACK_ENCRYPT, 0, "unsatisfied accept dane encrypt/requiretls:nocertmatch 0 -"},
    {"probe: no STARTTLS, fallback = encrypt", "host=mx1,tlsa=usable,probe=t", &strict, 0, 0,
     CONFIG_FALLBACK_ENCRYPT, 0, "unsatisfied reject dane - 550 5.7.30"},
    {"probe: no STARTTLS, fallback = may, where DANE demands TLS of all mail",
     "host=mx1,tlsa=usable,probe=t", &strict, 0, 0, CONFIG_FALLBACK_MAY, 0,
     "unsatisfied reject dane - 550 5.7.30"},
    {"probe: a wrong certificate, fallback = may, where DANE demands another of all mail",
     "host=mx1,tlsa=usable,probe=a", &strict, 0, 0, CONFIG_FALLBACK_MAY, 0,
     "unsatisfied reject dane - 550 5.7.10"},
    {"probe: a wrong certificate, fallback = encrypt, where MTA-STS demands another of all mail",
     "mx=insecure sts=enforce host=mx1,a=i,match,probe=a", &web, 0, 0, CONFIG_FALLBACK_ENCRYPT, 0,
     "unsatisfied reject sts-enforce - 550 5.7.10"},
    {"probe: a wrong certificate, fallback = encrypt, where nothing else demands it",
     "host=mx1,probe=a", &web, 0, 0, CONFIG_FALLBACK_ENCRYPT, 0,
     "unsatisfied accept dnssec-pki encrypt/requiretls:nocertmatch 0 -"},
    {"probe: no STARTTLS, fallback = may", "host=mx1,probe=t", &web, 0, 0, CONFIG_FALLBACK_MAY, 0,
     "unsatisfied accept dnssec-pki may/requiretls:nocertmatch 0 -"},
    {"probe: no REQUIRETLS, require_offer = no", "host=mx1,tlsa=usable,probe=r", &strict, 0,
     CONFIG_OFFER_NO, 0, 0, "satisfied accept dane dane-only/requiretls 0 -"},
    {"probe: no REQUIRETLS, a route that passes none on", "host=mx1,tlsa=usable,probe=r", &native,
     0, 0, 0, 0, "satisfied accept dane dane-only/requiretls 0 -"},
    {"probe: no STARTTLS, opportunistic+starttls", "host=mx1,probe=t", &strict,
     VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, 0, 0, 0, "unsatisfied reject dnssec-pki - 550 5.7.10"},
    {"probe: no STARTTLS, opportunistic", "host=mx1,probe=t", &strict, VERDICT_LEVEL_OPPORTUNISTIC,
     0, 0, 0, "satisfied accept dnssec-pki may/requiretls:nocertmatch 0 -"},
};

static void run_probe_case(void **state)
{
    const struct probe_case *c = *state;
    static struct findings_text text;
    struct rules_settings settings = {.route = c->route,
                                      .level = c->level,
                                      .require_offer = c->offer,
                                      .fallback = c->fallback,
                                      .on_unsatisfied = c->on_unsatisfied};
    struct verdict_terms terms = {.web_pki = true};
    struct nexthop nexthop;
    struct decide_input in = {
        .settings = &settings, .terms = &terms, .nexthop = &nexthop, .findings = &text.findings};
    struct decision decision;
    char got[200];

    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    findings_from_text(c->findings, &text);
    decide_require(&in, &decision);
    snprintf(got, sizeof(got), "%s %s %s %s %d %s", verdict_value_name(decision.verdict),
             decide_action_name(decision.action), decision.findings,
             decision.expect[0] != '\0' ? decision.expect : "-", decision.code,
             decision.status != NULL ? decision.status : "-");
    assert_string_equal(got, c->wanted);
}

static void says_which_server_and_what_was_wrong(void **state)
{
    static struct findings_text text;
    struct rules_settings settings = {.route = &strict};
    struct verdict_terms terms = {.web_pki = true};
    struct nexthop nexthop;
    struct decide_input in = {
        .settings = &settings, .terms = &terms, .nexthop = &nexthop, .findings = &text.findings};
    struct decision decision;
    struct reply reply;

    (void)state;
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    findings_from_text("host=mx1.example.org,tlsa=usable,probe=r "
                       "host=mx2.example.org,20,tlsa=usable,probe=a",
                       &text);
    decide_require(&in, &decision);
    decide_reply(&decision, "bob@example.org", DECIDE_ASKED_BY_SENDER, &reply);
    assert_int_equal(reply.code, 550);
    assert_string_equal(reply.status, "5.7.30");
    assert_string_equal(reply.text,
                        "<bob@example.org>: Sender requested REQUIRETLS, but the mail servers of "
                        "example.org do not support REQUIRETLS (mx1.example.org[192.0.2.1])");
    findings_from_text("host=mx1.example.org,tlsa=usable,probe=a", &text);
    decide_require(&in, &decision);
    decide_reply(&decision, "bob@example.org", DECIDE_ASKED_BY_RULE, &reply);
    assert_string_equal(reply.status, "5.7.10");
    assert_string_equal(reply.text,
                        "<bob@example.org>: This message requires TLS, but the mail server of "
                        "example.org cannot be authenticated (mx1.example.org[192.0.2.1]: "
                        "certificate has expired)");
}

/* [probe] enable, and whose mail it is. */
static void whose_mail_may_cause_a_probe(void **state)
{
    struct config config = {.engine.probe_enable = ENGINE_PROBE_AUTO};

    (void)state;
    assert_int_equal(decide_client_probe(&config, false, false), DECIDE_PROBE_KNOWN);
    assert_int_equal(decide_client_probe(&config, true, false), DECIDE_PROBE_LOOK);
    assert_int_equal(decide_client_probe(&config, false, true), DECIDE_PROBE_LOOK);
    config.engine.probe_enable = ENGINE_PROBE_YES;
    assert_int_equal(decide_client_probe(&config, false, false), DECIDE_PROBE_LOOK);
    config.engine.probe_enable = ENGINE_PROBE_NO;
    assert_int_equal(decide_client_probe(&config, true, true), DECIDE_PROBE_NO);
    config.engine.probe_enable = (enum engine_probe_enable)99;
    assert_int_equal(decide_client_probe(&config, true, true), DECIDE_PROBE_NO);
}

static const struct wanted_case {
    const char *name;
    const char *findings; /* NULL: none */
    const struct config_route *route;
    enum verdict_level level;
    enum config_offer offer;
    const char *tls_policy;
    bool null_sender;
    enum decide_asker asker;
    enum decide_probe wanted;
} wanted_cases[] = {
#define DANE "host=mx1,tlsa=usable"
    {"satisfied", DANE, &strict, 0, 0, NULL, false, 0, DECIDE_PROBE_LOOK},
    {"satisfied, native, Postfix 3.11", DANE, &mta, 0, 0, NULL, false, 0, DECIDE_PROBE_LOOK},
    {"native, Postfix 3.11, a rule asks", DANE, &mta, 0, 0, NULL, false, DECIDE_ASKED_BY_RULE,
     DECIDE_PROBE_NO},
    {"no findings", NULL, &strict, 0, 0, NULL, false, 0, DECIDE_PROBE_NO},
    {"unsatisfied", PLAIN, &strict, 0, 0, NULL, false, 0, DECIDE_PROBE_NO},
    {"undecided", "mx=failed", &strict, 0, 0, NULL, false, 0, DECIDE_PROBE_NO},
    {"a route that passes no REQUIRETLS on", DANE, &native, 0, 0, NULL, false, 0, DECIDE_PROBE_NO},
    {"require_offer = no", DANE, &strict, 0, CONFIG_OFFER_NO, NULL, false, 0, DECIDE_PROBE_NO},
    {"an own policy", DANE, &strict, 0, 0, "secure", false, 0, DECIDE_PROBE_NO},
    {"the null sender", DANE, &strict, 0, 0, NULL, true, 0, DECIDE_PROBE_NO},
    {"opportunistic+starttls", DANE, &strict, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, 0, NULL, false,
     0, DECIDE_PROBE_KNOWN},
    {"opportunistic", DANE, &strict, VERDICT_LEVEL_OPPORTUNISTIC, 0, NULL, false, 0,
     DECIDE_PROBE_NO},
};

static void what_a_probe_could_change(void **state)
{
    static struct findings_text text;
    struct verdict_terms terms = {.web_pki = true};
    struct nexthop nexthop;

    (void)state;
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    for (size_t i = 0; i < sizeof wanted_cases / sizeof *wanted_cases; i++) {
        const struct wanted_case *c = &wanted_cases[i];
        struct rules_settings settings = {.route = c->route,
                                          .level = c->level,
                                          .require_offer = c->offer,
                                          .tls_policy = c->tls_policy};
        struct decide_input in = {.settings = &settings,
                                  .terms = &terms,
                                  .nexthop = &nexthop,
                                  .null_sender = c->null_sender,
                                  .mta_requiretls = c->route == &mta,
                                  .asker = c->asker,
                                  .probe = DECIDE_PROBE_LOOK};

        if (c->findings != NULL) {
            findings_from_text(c->findings, &text);
            in.findings = &text.findings;
        }
        if (decide_probe(&in) != c->wanted)
            fail_msg("%s", c->name);
        in.probe = DECIDE_PROBE_KNOWN;
        assert_int_equal(decide_probe(&in),
                         c->wanted == DECIDE_PROBE_LOOK ? DECIDE_PROBE_KNOWN : c->wanted);
        in.probe = DECIDE_PROBE_NO;
        assert_int_equal(decide_probe(&in), DECIDE_PROBE_NO);
    }
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
        OFFERS = sizeof offer_cases / sizeof *offer_cases,
        PROBES = sizeof probe_cases / sizeof *probe_cases,
        FIXED = 6,
    };
    struct CMUnitTest tests[COUNT + OFFERS + PROBES + FIXED] = {
        cmocka_unit_test(an_unknown_action_is_a_refusal),
        cmocka_unit_test(an_unknown_setting_is_temporary),
        cmocka_unit_test(a_reply_fits_a_line),
        cmocka_unit_test(says_which_server_and_what_was_wrong),
        cmocka_unit_test(whose_mail_may_cause_a_probe),
        cmocka_unit_test(what_a_probe_could_change),
    };

    for (size_t i = 0; i < COUNT; i++) {
        tests[i + FIXED].name = cases[i].name;
        tests[i + FIXED].test_func = run_case;
        tests[i + FIXED].initial_state = (void *)(uintptr_t)&cases[i];
    }
    for (size_t i = 0; i < OFFERS; i++) {
        tests[COUNT + i + FIXED].name = offer_cases[i].name;
        tests[COUNT + i + FIXED].test_func = run_offer_case;
        tests[COUNT + i + FIXED].initial_state = (void *)(uintptr_t)&offer_cases[i];
    }
    for (size_t i = 0; i < PROBES; i++) {
        tests[COUNT + OFFERS + i + FIXED].name = probe_cases[i].name;
        tests[COUNT + OFFERS + i + FIXED].test_func = run_probe_case;
        tests[COUNT + OFFERS + i + FIXED].initial_state = (void *)(uintptr_t)&probe_cases[i];
    }
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
