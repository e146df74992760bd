/*
 * treatment.c: how a recipient is treated, from ticket, socket, header and rules; and that no
 * treatment is weaker than what was asked for.
 */
#include "deliver/treatment.h"

#include "config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S INT64_C(1800000000)
#define SENDER "alice@sender.example"
#define BOB "bob@example.org"

static struct config *config;
static const struct ticket_keys keys = {.keys = {"a key that the filter has"}, .count = 1};
static const struct ticket_keys others = {.keys = {"a key of somebody else"}, .count = 1};

static const char rules[] = "[deliver]\n"
                            "helo_name = out.example.net\n"
                            "[rule ignored]\n"
                            "recipient = ignored@example.org\n"
                            "request = ignore\n"
                            "[rule asks]\n"
                            "sender = boss@sender.example\n"
                            "request = require\n"
                            "[rule waives]\n"
                            "sender = waiver@sender.example\n"
                            "request = optional\n"
                            "[rule client]\n"
                            "client = 127.0.0.0/8\n"
                            "level = disable\n"
                            "request = ignore\n"
                            "[rule header]\n"
                            "header = Subject: *\n"
                            "level = disable\n"
                            "[rule partner]\n"
                            "nexthop = partner.example\n"
                            "level = opportunistic+starttls\n"
                            "[rule relay]\n"
                            "nexthop = relay.example\n"
                            "tls_policy = secure match=relay.example\n"
                            "[rule of-a-client]\n"
                            "client = 127.0.0.0/8\n"
                            "nexthop = doubt.example\n"
                            "tls_policy = secure match=doubt.example\n"
                            "[rule exempt]\n"
                            "nexthop = doubt.example, exempt.example\n"
                            "tls_policy = skip\n"
                            "[rule no-fallback]\n"
                            "nexthop = strict.example\n"
                            "fallback = none\n"
                            "require_offer = no\n"
                            "[default]\n"
                            "fallback = may\n";

static int setup(void **state)
{
    (void)state;
    config = config_from_text(rules, "out.example.net");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_unref(config);
    return 0;
}

/* request/level/offer/fallback nexthop policy */
static void spell(const struct treatment *t, char *out, size_t size)
{
    static const char *const fallbacks[] = {"none", "encrypt", "may"};

    snprintf(out, size, "%s/%s/%s/%s %s%s%s", decide_request_name(t->request),
             verdict_level_name(t->level), t->require_offer ? "offer" : "-", fallbacks[t->fallback],
             t->nexthop.text, t->tls_policy != NULL ? " " : "",
             t->tls_policy != NULL ? t->tls_policy : "");
}

enum { HEADER_NONE, HEADER_REQUIRE, HEADER_OPTIONAL, HEADER_BOTH };

static const struct request_header headers[] = {
    [HEADER_REQUIRE] = {.require_fields = 1, .require_esmtp = 1},
    [HEADER_OPTIONAL] = {.tls_required = 1, .tls_required_no = 1},
    [HEADER_BOTH] = {.require_fields = 1,
                     .require_esmtp = 1,
                     .tls_required = 1,
                     .tls_required_no = 1},
};

#define REQUIRE CONFIG_DELIVER_REQUIRE
#define OPTIONAL CONFIG_DELIVER_OPTIONAL
#define HEADER CONFIG_DELIVER_HEADER
#define ANY -1

static const struct socket_case {
    const char *name;
    enum config_deliver_request request;
    int level;
    const char *nexthop, *sender, *recipient;
    bool mail;
    int header;
    const char *wanted;
} socket_cases[] = {
    {"require is the default", REQUIRE, ANY, NULL, SENDER, BOB, false, HEADER_NONE,
     "require/enforce/offer/may example.org"},
    {"a rule may say ignore", REQUIRE, ANY, NULL, SENDER, "ignored@example.org", false, HEADER_NONE,
     "none/opportunistic/-/none example.org"},
    {"ignore beats REQUIRETLS, as in the filter", REQUIRE, ANY, NULL, SENDER, "ignored@example.org",
     true, HEADER_REQUIRE, "none/opportunistic/-/none example.org"},
    {"optional by rule is no way out of require", REQUIRE, ANY, NULL, "waiver@sender.example", BOB,
     false, HEADER_NONE, "require/enforce/offer/may example.org"},
    {"nor is TLS-Required: No", REQUIRE, ANY, NULL, SENDER, BOB, false, HEADER_OPTIONAL,
     "require/enforce/offer/may example.org"},
    {"a rule with the next-hop's level", REQUIRE, ANY, NULL, SENDER, "bob@partner.example", false,
     HEADER_NONE, "require/opportunistic+starttls/-/none partner.example"},
    {"the socket's level is before it", REQUIRE, VERDICT_LEVEL_ENFORCE, NULL, SENDER,
     "bob@partner.example", false, HEADER_NONE, "require/enforce/offer/may partner.example"},
    {"fallback = none withstands [default]", REQUIRE, ANY, NULL, SENDER, "bob@strict.example",
     false, HEADER_NONE, "require/enforce/-/none strict.example"},
    {"the socket's next-hop, which rules see too", REQUIRE, ANY, "[relay.example]:587", SENDER, BOB,
     false, HEADER_NONE,
     "require/enforce/offer/may [relay.example]:587 secure match=relay.example"},
    {"our own domain", REQUIRE, ANY, NULL, SENDER, "bob@example.net", false, HEADER_NONE,
     "require/opportunistic/-/none example.net"},
    {"a U-label", REQUIRE, ANY, NULL, SENDER,
     "bob@b\xc3\xbc"
     "cher.example",
     false, HEADER_NONE, "require/enforce/offer/may xn--bcher-kva.example"},
    {"an address literal", REQUIRE, VERDICT_LEVEL_ENFORCE, NULL, SENDER, "bob@[192.0.2.1]", false,
     HEADER_NONE, "require/enforce/offer/may [192.0.2.1]"},
    {"an @ in the local part", REQUIRE, ANY, NULL, SENDER, "\"bob@partner.example\"@example.org",
     false, HEADER_NONE, "require/enforce/offer/may example.org"},
    {"no domain", REQUIRE, ANY, NULL, SENDER, "bob", false, HEADER_NONE, NULL},
    {"no domain that is one", REQUIRE, ANY, NULL, SENDER, "bob@-..", false, HEADER_NONE, NULL},
    {"no domain, and a next-hop", REQUIRE, ANY, "[relay.example]", SENDER, "bob", false,
     HEADER_NONE, "require/enforce/offer/may [relay.example] secure match=relay.example"},

    {"optional", OPTIONAL, ANY, NULL, SENDER, BOB, false, HEADER_NONE,
     "optional/opportunistic/-/none example.org"},
    {"REQUIRETLS in MAIL beats optional", OPTIONAL, ANY, NULL, SENDER, BOB, true, HEADER_NONE,
     "require/enforce/offer/may example.org"},
    {"optional, whatever a rule asks", OPTIONAL, ANY, NULL, "boss@sender.example", BOB, false,
     HEADER_NONE, "optional/opportunistic/-/none example.org"},

    {"header: nothing", HEADER, ANY, NULL, SENDER, BOB, false, HEADER_NONE,
     "none/opportunistic/-/none example.org"},
    {"header: Require-TLS-ESMTP", HEADER, ANY, NULL, SENDER, BOB, false, HEADER_REQUIRE,
     "require/enforce/offer/may example.org"},
    {"header: REQUIRETLS in MAIL", HEADER, ANY, NULL, SENDER, BOB, true, HEADER_OPTIONAL,
     "require/enforce/offer/may example.org"},
    {"header: TLS-Required: No", HEADER, ANY, NULL, SENDER, BOB, false, HEADER_OPTIONAL,
     "optional/opportunistic/-/none example.org"},
    {"header: both", HEADER, ANY, NULL, SENDER, BOB, false, HEADER_BOTH,
     "require/enforce/offer/may example.org"},
    {"header: a rule asks", HEADER, ANY, NULL, "boss@sender.example", BOB, false, HEADER_OPTIONAL,
     "require/enforce/offer/may example.org"},
    {"header: a rule waives", HEADER, ANY, NULL, "waiver@sender.example", BOB, false, HEADER_NONE,
     "optional/opportunistic/-/none example.org"},
    {"header: a rule ignores", HEADER, ANY, NULL, SENDER, "ignored@example.org", true,
     HEADER_REQUIRE, "none/opportunistic/-/none example.org"},
};

static void test_socket(void **state)
{
    const struct socket_case *c = *state;
    const struct config_deliver_socket socket = {
        .request = c->request, .level = c->level, .nexthop = (char *)(uintptr_t)c->nexthop};
    const struct treatment_facts facts = {
        .config = config,
        .socket = &socket,
        .sender = c->sender,
        .recipient = c->recipient,
        .mail_requiretls = c->mail,
        .header = &headers[c->header],
    };
    struct treatment treatment;
    enum ticket_status ticket_status;
    enum treatment_status status = treatment_decide(&facts, &treatment, &ticket_status);
    char spelt[512];

    assert_int_equal(ticket_status, TICKET_VALID);
    assert_int_equal(status, c->wanted != NULL ? TREATMENT_OK : TREATMENT_BAD_DOMAIN);
    if (c->wanted == NULL)
        return;
    spell(&treatment, spelt, sizeof(spelt));
    assert_string_equal(spelt, c->wanted);
    assert_string_equal(treatment.helo_name, "out.example.net");
    assert_string_equal(treatment.queue_id, "");
}

/* ---- tickets ---- */

static const struct ticket strict = {.queue_id = "4bXYZ",
                                     .request = TICKET_REQUIRE,
                                     .level = VERDICT_LEVEL_ENFORCE,
                                     .require_offer = true,
                                     .nexthop = "[relay.example]:587",
                                     .made_at_s = NOW_S - 10};

struct made {
    char text[4][TICKET_TEXT_MAX + 1];
    const char *all[4];
    size_t count;
};

static void make(struct made *made, const struct ticket *ticket, const char *sender,
                 const char *recipient, const struct ticket_keys *with)
{
    const struct ticket_envelope envelope = {sender, recipient};

    assert_int_equal(ticket_write(ticket, &envelope, with, made->text[made->count]), 0);
    made->all[made->count] = made->text[made->count];
    made->count++;
}

static enum treatment_status decide(const struct made *made, const char *recipient,
                                    struct treatment *out, enum ticket_status *ticket_status)
{
    static const struct config_deliver_socket socket = {
        .tickets = true, .request = CONFIG_DELIVER_OPTIONAL, .level = VERDICT_LEVEL_DISABLE};
    const struct treatment_facts facts = {.config = config,
                                          .socket = &socket,
                                          .sender = SENDER,
                                          .recipient = recipient,
                                          .header = &headers[HEADER_OPTIONAL],
                                          .tickets = made->all,
                                          .ticket_count = made->count,
                                          .keys = &keys,
                                          .now_s = NOW_S};

    return treatment_decide(&facts, out, ticket_status);
}

static void expect(const struct made *made, const char *wanted)
{
    struct treatment treatment;
    enum ticket_status ticket_status;
    char spelt[512];

    assert_int_equal(decide(made, BOB, &treatment, &ticket_status), TREATMENT_OK);
    assert_int_equal(ticket_status, TICKET_VALID);
    spell(&treatment, spelt, sizeof(spelt));
    assert_string_equal(spelt, wanted);
}

static void expect_none(const struct made *made, enum ticket_status wanted)
{
    struct treatment treatment;
    enum ticket_status ticket_status;

    assert_int_equal(decide(made, BOB, &treatment, &ticket_status), TREATMENT_NO_TICKET);
    assert_int_equal(ticket_status, wanted);
}

static void test_ticket_counts_alone(void **state)
{
    struct made made = {.count = 0};
    struct treatment treatment;
    enum ticket_status status;

    (void)state;
    make(&made, &strict, SENDER, "carol@example.org", &keys);
    make(&made, &strict, SENDER, BOB, &keys);
    expect(&made, "require/enforce/offer/none [relay.example]:587 secure match=relay.example");
    assert_int_equal(decide(&made, BOB, &treatment, &status), TREATMENT_OK);
    assert_string_equal(treatment.queue_id, "4bXYZ");
    assert_string_equal(treatment.helo_name, "out.example.net");
}

static void test_ticket_terms(void **state)
{
    struct made made = {.count = 0};
    struct ticket ticket = strict;

    (void)state;
    ticket.level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
    ticket.fallback = CONFIG_FALLBACK_MAY;
    ticket.require_offer = false;
    strcpy(ticket.nexthop, "");
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "require/opportunistic+starttls/-/none example.org");
    made.count = 0;
    ticket.level = VERDICT_LEVEL_ENFORCE;
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "require/enforce/-/may example.org");
    made.count = 0;
    ticket.request = TICKET_OPTIONAL;
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "optional/opportunistic/-/none example.org");
    made.count = 0;
    ticket.request = TICKET_NONE;
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "none/opportunistic/-/none example.org");
}

/* A ticket does not take away what MAIL has asked for. */
static void test_mail_beats_ticket(void **state)
{
    static const struct config_deliver_socket socket = {.tickets = true};
    static const char *const recipients[] = {BOB, "bob@strict.example", "ignored@example.org"};
    static const char *const wanted[] = {"require/enforce/offer/may example.org",
                                         "require/enforce/-/none strict.example",
                                         "none/opportunistic/-/none example.org"};
    static const struct ticket none = {.level = VERDICT_LEVEL_OPPORTUNISTIC, .made_at_s = NOW_S};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct made made = {.count = 0};
        struct treatment_facts facts = {.config = config,
                                        .socket = &socket,
                                        .sender = SENDER,
                                        .recipient = recipients[i],
                                        .mail_requiretls = true,
                                        .header = &headers[HEADER_NONE],
                                        .keys = &keys,
                                        .now_s = NOW_S};
        struct treatment treatment;
        enum ticket_status ticket_status;
        char spelt[512];

        make(&made, &none, SENDER, recipients[i], &keys);
        facts.tickets = made.all;
        facts.ticket_count = made.count;
        assert_int_equal(treatment_decide(&facts, &treatment, &ticket_status), TREATMENT_OK);
        spell(&treatment, spelt, sizeof(spelt));
        assert_string_equal(spelt, wanted[i]);
    }
}

/* The rule that exempts a next-hop stands behind one that may have counted in the filter, and did,
 * as the ticket shows. */
static void test_exempt_in_doubt(void **state)
{
    struct made made = {.count = 0};
    struct ticket ticket = strict;

    (void)state;
    strcpy(ticket.nexthop, "doubt.example");
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "require/enforce/offer/none doubt.example");
    made.count = 0;
    ticket.level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "require/opportunistic+starttls/-/none doubt.example");
    made.count = 0;
    ticket.level = VERDICT_LEVEL_OPPORTUNISTIC;
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "require/opportunistic/-/none doubt.example skip");
    made.count = 0;
    ticket.level = VERDICT_LEVEL_ENFORCE;
    strcpy(ticket.nexthop, "exempt.example");
    make(&made, &ticket, SENDER, BOB, &keys);
    expect(&made, "require/enforce/offer/none exempt.example skip");
}

static void test_no_ticket_no_treatment(void **state)
{
    struct made made = {.count = 0};
    struct ticket old = strict, early = strict;

    (void)state;
    expect_none(&made, TICKET_MALFORMED);
    made.all[made.count++] = "v=1;nothing";
    expect_none(&made, TICKET_MALFORMED);
    make(&made, &strict, SENDER, "carol@example.org", &keys);
    expect_none(&made, TICKET_FORGED);
    make(&made, &strict, "mallory@sender.example", BOB, &keys);
    expect_none(&made, TICKET_FORGED);
    made.count = 0;
    make(&made, &strict, SENDER, BOB, &others);
    expect_none(&made, TICKET_FORGED);
    early.made_at_s = NOW_S + 3600;
    make(&made, &early, SENDER, BOB, &keys);
    expect_none(&made, TICKET_PREMATURE);
    old.made_at_s = NOW_S - config->deliver.ticket_life_s - 1;
    make(&made, &old, SENDER, BOB, &keys);
    expect_none(&made, TICKET_EXPIRED);
    make(&made, &strict, SENDER, BOB, &keys);
    expect(&made, "require/enforce/offer/none [relay.example]:587 secure match=relay.example");
}

/* Whatever the order. */
static void test_of_several_the_one_that_demands_most(void **state)
{
    const struct ticket none = {
        .request = TICKET_NONE, .level = VERDICT_LEVEL_ENFORCE, .made_at_s = NOW_S};
    const struct ticket optional = {
        .request = TICKET_OPTIONAL, .level = VERDICT_LEVEL_ENFORCE, .made_at_s = NOW_S};
    struct ticket tickets[] = {strict, strict, strict, strict, none, optional, strict};
    enum { COUNT = sizeof(tickets) / sizeof(tickets[0]) };

    (void)state;
    tickets[0].made_at_s = NOW_S; /* of equals the newest */
    strcpy(tickets[0].nexthop, "[newest.example]");
    tickets[2].fallback = CONFIG_FALLBACK_MAY;
    tickets[3].require_offer = false;
    tickets[3].fallback = CONFIG_FALLBACK_MAY;
    tickets[6].level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
    for (size_t a = 0; a < COUNT; a++) {
        for (size_t b = 0; b < COUNT; b++) {
            static const size_t order[COUNT] = {0, 1, 2, 3, 5, 6, 4}; /* the least is strictest */
            struct made one = {.count = 0}, two = {.count = 0};
            struct treatment of_one, of_two;
            enum ticket_status status;

            make(&one, &tickets[order[a] <= order[b] ? a : b], SENDER, BOB, &keys);
            make(&two, &tickets[a], SENDER, BOB, &keys);
            make(&two, &tickets[b], SENDER, BOB, &keys);
            assert_int_equal(decide(&one, BOB, &of_one, &status), TREATMENT_OK);
            assert_int_equal(decide(&two, BOB, &of_two, &status), TREATMENT_OK);
            assert_true(treatment_equal(&of_one, &of_two));
        }
    }
}

/* ---- grouping, fallback ---- */

static void test_equal(void **state)
{
    char policy[] = "secure", same[] = "secure", a[] = "192.0.2.1", b[] = "192.0.2.2";
    char *one[] = {a}, *two[] = {b};
    const struct config_list first = {one, 1}, second = {two, 1}, again = {one, 1},
                             empty = {one, 0};
    struct treatment base = {.request = DECIDE_REQUEST_REQUIRE,
                             .level = VERDICT_LEVEL_ENFORCE,
                             .require_offer = true,
                             .fallback = CONFIG_FALLBACK_MAY,
                             .tls_policy = policy,
                             .helo_name = "a.example",
                             .source = &first,
                             .queue_id = "4bXYZ"};
    struct treatment other;

    (void)state;
    assert_int_equal(nexthop_parse("example.org", &base.nexthop), 0);
    other = base;
    other.tls_policy = same;
    other.source = &again;
    assert_true(treatment_equal(&base, &other));
#define DIFFERS(change_)                                                                           \
    do {                                                                                           \
        other = base;                                                                              \
        change_;                                                                                   \
        assert_false(treatment_equal(&base, &other));                                              \
        assert_false(treatment_equal(&other, &base));                                              \
    } while (0)
    DIFFERS(other.request = DECIDE_REQUEST_NONE);
    DIFFERS(other.level = VERDICT_LEVEL_OPPORTUNISTIC);
    DIFFERS(other.require_offer = false);
    DIFFERS(other.fallback = CONFIG_FALLBACK_NONE);
    DIFFERS(other.tls_policy = NULL);
    DIFFERS(other.tls_policy = "encrypt");
    DIFFERS(other.helo_name = "b.example");
    DIFFERS(other.source = &second);
    DIFFERS(other.source = &empty);
    DIFFERS(other.source = NULL);
    DIFFERS(strcpy(other.queue_id, ""));
    DIFFERS(nexthop_parse("[example.org]", &other.nexthop));
    DIFFERS(nexthop_parse("example.org:587", &other.nexthop));
    DIFFERS(nexthop_parse("example.net", &other.nexthop));
}

static void test_fall_back(void **state)
{
    static const enum decide_request requests[] = {DECIDE_REQUEST_NONE, DECIDE_REQUEST_OPTIONAL,
                                                   DECIDE_REQUEST_REQUIRE};

    (void)state;
    for (unsigned i = 0; i < 3 * 4 * 3; i++) {
        struct treatment treatment = {.request = requests[i % 3],
                                      .level = (enum verdict_level)(i / 3 % 4),
                                      .require_offer = true,
                                      .fallback = (enum config_fallback)(i / 12)};
        enum config_fallback fallback = treatment.fallback;
        bool falls = treatment.request == DECIDE_REQUEST_REQUIRE &&
                     treatment.level == VERDICT_LEVEL_ENFORCE && fallback != CONFIG_FALLBACK_NONE;
        struct treatment before = treatment;

        assert_int_equal(treatment_fall_back(&treatment), falls);
        if (!falls) {
            assert_true(treatment_equal(&treatment, &before));
            continue;
        }
        assert_int_equal(treatment.level, fallback == CONFIG_FALLBACK_MAY
                                              ? VERDICT_LEVEL_OPPORTUNISTIC
                                              : VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS);
        assert_false(treatment.require_offer);
        assert_false(treatment_fall_back(&treatment)); /* once */
    }
}

int main(void)
{
    const struct CMUnitTest others_[] = {
        cmocka_unit_test(test_ticket_counts_alone),
        cmocka_unit_test(test_ticket_terms),
        cmocka_unit_test(test_exempt_in_doubt),
        cmocka_unit_test(test_mail_beats_ticket),
        cmocka_unit_test(test_no_ticket_no_treatment),
        cmocka_unit_test(test_of_several_the_one_that_demands_most),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_fall_back),
    };
    enum {
        CASES = sizeof(socket_cases) / sizeof(socket_cases[0]),
        OTHERS = sizeof(others_) / sizeof(others_[0])
    };
    static struct CMUnitTest tests[CASES + OTHERS];

    for (size_t i = 0; i < CASES; i++)
        tests[i] = (struct CMUnitTest){.name = socket_cases[i].name,
                                       .test_func = test_socket,
                                       .initial_state = (void *)(uintptr_t)&socket_cases[i]};
    memcpy(&tests[CASES], others_, sizeof(others_));
    return cmocka_run_group_tests_name("treatment", tests, setup, teardown);
}
