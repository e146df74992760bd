/*
 * Rules: which matches, which setting comes from where, what is still open while facts are missing.
 */
#include "config/config_rule.h"
#include "config_text.h"
#include "decide/rules.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config *load(const char *text)
{
    return config_from_text(text, "mail.example.org");
}

/* What a case sets; NULL fields keep these of an ordinary message. */
struct message {
    const char *client; /* "-" : locally submitted mail */
    const char *client_name;
    const char *login;
    bool tls;
    const char *sender;
    const char *recipient;
    const char *mailer;
    const char *nexthop;
    const char *daemon;
    const char *header_name;
    const char *header_value;
    unsigned unknown; /* facts not seen yet */
};

static void evaluate(const struct config *config, const struct message *m,
                     struct rules_settings *out)
{
    static struct sockaddr_storage address;
    static struct nexthop nexthop;
    static struct rules_header header;
    struct rules_facts facts = {.known = ~m->unknown, .tls = m->tls};
    const char *client = m->client != NULL ? m->client : "192.0.2.7";
    struct sockaddr_in *in = (struct sockaddr_in *)&address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;

    memset(&address, 0, sizeof(address));
    if (inet_pton(AF_INET, client, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, client, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
    facts.client_address = strcmp(client, "-") == 0 ? NULL : (struct sockaddr *)&address;
    facts.client_name = m->client_name;
    facts.authenticated = m->login;
    facts.sender = m->sender != NULL ? m->sender : "alice@example.org";
    facts.recipient = m->recipient != NULL ? m->recipient : "bob@example.com";
    facts.mailer = m->mailer != NULL ? m->mailer : "smtp";
    facts.daemon = m->daemon;
    assert_int_equal(nexthop_parse(m->nexthop != NULL ? m->nexthop : "example.com", &nexthop), 0);
    facts.nexthop = &nexthop;
    if (m->header_name != NULL) {
        header = (struct rules_header){m->header_name, m->header_value};
        facts.headers = &header;
        facts.header_count = 1;
    }
    rules_evaluate(config, &facts, out);
}

/* --- matching: does [rule r] with this matcher apply? ------------------------------------------
 */

static const struct {
    const char *name;
    const char *matcher;
    struct message message;
    bool matches;
} match_cases[] = {
    {"client in net", "client = 192.0.2.0/24", {.client = "192.0.2.255"}, true},
    {"client not in net", "client = 192.0.2.0/24", {.client = "192.0.3.0"}, false},
    {"client in IPv6 net", "client = 2001:db8::/33", {.client = "2001:db8:7fff::1"}, true},
    {"client beyond IPv6 net", "client = 2001:db8::/33", {.client = "2001:db8:8000::1"}, false},
    {"mapped address is IPv4", "client = 192.0.2.0/24", {.client = "::ffff:192.0.2.1"}, true},
    {"client by name", "client = mx.example.net", {.client_name = "MX.example.NET"}, true},
    {"client name below", "client = .example.net", {.client_name = "a.b.example.net"}, true},
    {"a domain is not below itself",
     "client = .example.net",
     {.client_name = "example.net"},
     false},
    {"no label border", "client = .example.net", {.client_name = "badexample.net"}, false},
    {"client without a name", "client = .example.net", {.client_name = NULL}, false},
    {"local client", "client = local", {.client = "-"}, true},
    {"local is not loopback", "client = local", {.client = "127.0.0.1"}, false},
    {"net does not match local mail", "client = 0.0.0.0/0", {.client = "-"}, false},
    {"any net", "client = 0.0.0.0/0", {.client = "203.0.113.1"}, true},
    {"authenticated", "authenticated = yes", {.login = "alice"}, true},
    {"authenticated, but is not", "authenticated = yes", {.login = NULL}, false},
    {"not authenticated", "authenticated = no", {.login = NULL}, true},
    {"by login name", "authenticated = bob, alice", {.login = "alice"}, true},
    {"login names have case", "authenticated = Alice", {.login = "alice"}, false},
    {"login name, not authenticated", "authenticated = alice", {.login = NULL}, false},
    {"all but one login", "authenticated = !alice", {.login = "bob"}, true},
    {"tls", "tls = yes", {.tls = true}, true},
    {"no tls", "tls = yes", {.tls = false}, false},
    {"tls = no", "tls = no", {.tls = false}, true},
    {"sender address", "sender = Alice@Example.ORG", {.sender = "alice@example.org"}, true},
    {"another sender", "sender = alice@example.org", {.sender = "alicex@example.org"}, false},
    {"sender domain", "sender = example.org", {.sender = "x@EXAMPLE.org"}, true},
    {"subdomain is not the domain", "sender = example.org", {.sender = "x@a.example.org"}, false},
    {"below the domain", "sender = .example.org", {.sender = "x@a.example.org"}, true},
    {"null sender", "sender = <>", {.sender = ""}, true},
    {"null sender is no domain", "sender = .org", {.sender = ""}, false},
    {"sender is not null", "sender = <>", {.sender = "a@example.org"}, false},
    {"U-label pattern, A-label address",
     "sender = b\xc3\xbc"
     "cher.example",
     {.sender = "a@xn--bcher-kva.example"},
     true},
    {"A-label pattern, U-label address",
     "sender = xn--bcher-kva.example",
     {.sender = "a@B\xc3\x9c"
                "CHER.example"},
     true},
    {"at sign in a quoted local part",
     "sender = example.org",
     {.sender = "\"a@b\"@example.org"},
     true},
    {"exception before the rest",
     "sender = !eve@example.org, example.org",
     {.sender = "eve@example.org"},
     false},
    {"the rest after an exception",
     "sender = !eve@example.org, example.org",
     {.sender = "adam@example.org"},
     true},
    {"exception after the rest",
     "sender = example.org, !eve@example.org",
     {.sender = "eve@example.org"},
     false},
    {"the rest before an exception",
     "sender = example.org, !eve@example.org",
     {.sender = "adam@example.org"},
     true},
    {"an exception that something else fits",
     "sender = eve@example.org, !example.org",
     {.sender = "eve@example.org"},
     false},
    {"exception in a continued line",
     "sender = example.org,\n    ! eve@example.org",
     {.sender = "eve@example.org"},
     false},
    {"outside a list with an exception",
     "sender = !eve@example.org, example.org",
     {.sender = "a@example.net"},
     false},
    {"only exceptions: everyone else", "sender = !example.net", {.sender = "a@example.org"}, true},
    {"only exceptions: not this one", "sender = !example.net", {.sender = "a@example.net"}, false},
    {"recipient", "recipient = bob@example.com", {.sender = NULL}, true},
    {"next-hop", "nexthop = example.com", {.nexthop = "example.com"}, true},
    {"next-hop in brackets and port",
     "nexthop = relay.example.com",
     {.nexthop = "[relay.example.com]:587"},
     true},
    {"literal next-hop", "nexthop = 198.51.100.0/24", {.nexthop = "[198.51.100.9]"}, true},
    {"literal is no domain", "nexthop = .example.com", {.nexthop = "[198.51.100.9]"}, false},
    {"IPv6 literal", "nexthop = 2001:db8::/32", {.nexthop = "[IPv6:2001:db8::9]"}, true},
    {"mailer", "mailer = SMTP", {.mailer = "smtp"}, true},
    {"another mailer", "mailer = relay", {.mailer = "smtp"}, false},
    {"daemon", "daemon = MSA", {.daemon = "MSA"}, true},
    {"daemon not given", "daemon = MSA", {.daemon = NULL}, false},
    {"header",
     "header = sensitivity: company-confidential",
     {.header_name = "Sensitivity", .header_value = " Company-Confidential"},
     true},
    {"folded header",
     "header = Subject: a b",
     {.header_name = "Subject", .header_value = "a\r\n b\r\n"},
     true},
    {"header glob",
     "header = Subject: *secret*",
     {.header_name = "subject", .header_value = "a SECRET b"},
     true},
    {"all but one value",
     "header = X-Class: *\n   !X-Class: public",
     {.header_name = "X-Class", .header_value = "Public"},
     false},
    {"another than that value",
     "header = X-Class: *\n   !X-Class: public",
     {.header_name = "X-Class", .header_value = "internal"},
     true},
    {"client name with a root dot",
     "client = mx.example.net",
     {.client_name = "mx.example.net."},
     true},
    {"client name that is none", "client = !mx.example.net", {.client_name = "a b"}, true},
    {"sender without a domain", "sender = .org", {.sender = "root"}, false},
    {"sender whose domain is none", "sender = !example.org", {.sender = "a@-"}, true},
    {"blank before the colon",
     "header = Subject: a",
     {.header_name = "Subject ", .header_value = "a"},
     true},
    {"another header", "header = Subject: *", {.header_name = "X", .header_value = "y"}, false},
    {"no header at all", "header = Subject: *", {.header_name = NULL}, false},
    {"all matchers must match", "sender = example.org\ntls = yes", {.tls = false}, false},
    {"all matchers do", "sender = example.org\ntls = yes", {.tls = true}, true},
    {"no matcher matches all", "", {.tls = false}, true},
};

static void test_matching(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(match_cases) / sizeof(match_cases[0]); i++) {
        struct rules_settings out;
        struct config *config;
        char text[500];

        snprintf(text, sizeof(text), "[rule r]\n%s\non_unsatisfied = quarantine\n",
                 match_cases[i].matcher);
        config = load(text);
        evaluate(config, &match_cases[i].message, &out);
        if ((out.on_unsatisfied == CONFIG_ACTION_QUARANTINE) != match_cases[i].matches)
            print_error("%s\n", match_cases[i].name);
        assert_int_equal(out.on_unsatisfied == CONFIG_ACTION_QUARANTINE, match_cases[i].matches);
        assert_int_equal(out.undecided, 0);
        config_unref(config);
    }
}

static void test_first_match_per_setting(void **state)
{
    struct config *config = load("[default]\nmixed = keep\nlevel = disable\n"
                                 "[route strict]\nmethod = header\n"
                                 "[rule a]\nsender = example.org\nlevel = opportunistic\n"
                                 "[rule b]\nlevel = enforce\nroute = strict\nfallback = may\n"
                                 "[rule c]\nfallback = encrypt\nmixed = reject\n");
    struct rules_settings out;
    char name[64];

    (void)state;
    evaluate(config, &(struct message){0}, &out);
    assert_int_equal(out.level, VERDICT_LEVEL_OPPORTUNISTIC);
    assert_string_equal(out.route->name, "strict");
    assert_int_equal(out.fallback, CONFIG_FALLBACK_MAY);
    assert_int_equal(out.mixed, CONFIG_MIXED_REJECT);
    assert_int_equal(out.on_undecided, CONFIG_ACTION_TEMPFAIL);
    assert_string_equal(out.optional_route->name, "native");
    assert_string_equal(rules_origin_name(&out.origin[CONFIG_SETTING_LEVEL], name, sizeof(name)),
                        "[rule a]");
    assert_string_equal(rules_origin_name(&out.origin[CONFIG_SETTING_MIXED], name, sizeof(name)),
                        "[rule c]");
    assert_string_equal(
        rules_origin_name(&out.origin[CONFIG_SETTING_ON_UNDECIDED], name, sizeof(name)),
        "built in");

    evaluate(config, &(struct message){.sender = "x@example.net"}, &out);
    assert_int_equal(out.level, VERDICT_LEVEL_ENFORCE);
    config_unref(config);

    config = load("[default]\nlevel = disable\non_undecided = log\n");
    evaluate(config, &(struct message){0}, &out);
    assert_int_equal(out.level, VERDICT_LEVEL_DISABLE);
    assert_int_equal(out.on_undecided, CONFIG_ACTION_LOG);
    assert_string_equal(rules_origin_name(&out.origin[CONFIG_SETTING_LEVEL], name, sizeof(name)),
                        "[default]");
    config_unref(config);
}

static void test_unknown_facts(void **state)
{
    struct config *config = load("[rule a]\nheader = X: y\nlevel = disable\nrequest = require\n"
                                 "[rule b]\nsender = example.org\nlevel = opportunistic\n"
                                 "[rule c]\nrecipient = x@example.net\nfallback = may\n"
                                 "[rule d]\nclient = 10.0.0.0/8\nheader = X: y\nmixed = keep\n");
    const struct rules_facts sender_only = {.known = CONFIG_FACT_SENDER | CONFIG_FACT_CLIENT |
                                                     CONFIG_FACT_TLS | CONFIG_FACT_AUTHENTICATED |
                                                     CONFIG_FACT_DAEMON,
                                            .sender = "a@example.org"};
    struct rules_settings out;
    struct rules_origin origin;
    bool undecided;

    (void)state;
    evaluate(config, &(struct message){.unknown = CONFIG_FACT_HEADER}, &out);
    assert_int_equal(out.undecided, (1u << CONFIG_SETTING_LEVEL) | (1u << CONFIG_SETTING_REQUEST));
    assert_int_equal(out.level, VERDICT_LEVEL_OPPORTUNISTIC);
    /* [rule d] cannot match whatever the header says: the client is known not to. */
    assert_int_equal(out.mixed, CONFIG_MIXED_REJECT);

    rules_evaluate(config, &sender_only, &out);
    assert_int_equal(out.undecided, (1u << CONFIG_SETTING_LEVEL) | (1u << CONFIG_SETTING_REQUEST) |
                                        (1u << CONFIG_SETTING_FALLBACK));

    assert_int_equal(rules_request(config, &sender_only, &undecided, &origin), CONFIG_REQUEST_NONE);
    assert_true(undecided);
    config_unref(config);
}

static void test_request(void **state)
{
    struct config *config = load("[rule a]\nsender = example.net\nrequest = ignore\n"
                                 "[rule b]\nsender = .net\nrequest = require\n"
                                 "[rule c]\nsender = example.net\nrequest = optional\n");
    static const struct {
        const char *sender;
        enum config_request request;
    } cases[] = {{"a@example.net", CONFIG_REQUEST_IGNORE},
                 {"a@b.example.net", CONFIG_REQUEST_REQUIRE},
                 {"a@example.org", CONFIG_REQUEST_NONE}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct rules_facts facts = {.known = CONFIG_FACT_SENDER, .sender = cases[i].sender};
        struct rules_origin origin;
        bool undecided;

        assert_int_equal(rules_request(config, &facts, &undecided, &origin), cases[i].request);
        assert_false(undecided);
        assert_int_equal(origin.built_in, cases[i].request == CONFIG_REQUEST_NONE);
    }
    config_unref(config);
}

static const struct {
    const char *name;
    const char *nexthop;
    enum verdict_level level;
} built_in_cases[] = {
    {"our domain", "example.org", VERDICT_LEVEL_OPPORTUNISTIC},
    {"below our domain", "inner.mx.example.org", VERDICT_LEVEL_OPPORTUNISTIC},
    {"not our domain", "badexample.org", VERDICT_LEVEL_ENFORCE},
    {"the domain above ours", "org", VERDICT_LEVEL_ENFORCE},
    {"localhost", "localhost", VERDICT_LEVEL_OPPORTUNISTIC},
    {"[localhost]", "[localhost]:10025", VERDICT_LEVEL_OPPORTUNISTIC},
    {"address literal", "[198.51.100.1]", VERDICT_LEVEL_OPPORTUNISTIC},
    {"IPv6 literal", "[IPv6:2001:db8::1]:25", VERDICT_LEVEL_OPPORTUNISTIC},
    {"all else", "example.com", VERDICT_LEVEL_ENFORCE},
    {"a smart host", "[relay.example.com]:587", VERDICT_LEVEL_ENFORCE},
};

static void test_built_in_levels(void **state)
{
    struct config *config = load("");

    (void)state;
    for (size_t i = 0; i < sizeof(built_in_cases) / sizeof(built_in_cases[0]); i++) {
        struct rules_settings out;
        struct nexthop nexthop;

        evaluate(config, &(struct message){.nexthop = built_in_cases[i].nexthop}, &out);
        if (out.level != built_in_cases[i].level)
            print_error("%s\n", built_in_cases[i].name);
        assert_int_equal(out.level, built_in_cases[i].level);
        assert_int_equal(nexthop_parse(built_in_cases[i].nexthop, &nexthop), 0);
        rules_evaluate_nexthop(config, &nexthop, &out);
        assert_int_equal(out.level, built_in_cases[i].level);
    }
    config_unref(config);
}

static void test_local_mailers(void **state)
{
    struct config *config =
        load("[rule a]\nmailer = lmtp\nnexthop = example.net\nlevel = enforce\n");
    struct rules_settings out;

    (void)state;
    evaluate(config, &(struct message){.mailer = "smtp"}, &out);
    assert_false(out.not_applicable);
    evaluate(config, &(struct message){.mailer = "Local"}, &out);
    assert_true(out.not_applicable);
    evaluate(config, &(struct message){.mailer = "error"}, &out);
    assert_true(out.not_applicable);
    evaluate(config, &(struct message){.mailer = "lmtp"}, &out);
    assert_true(out.not_applicable);
    evaluate(config, &(struct message){.mailer = "lmtp", .nexthop = "example.net"}, &out);
    assert_false(out.not_applicable); /* a rule with a mailer matcher says otherwise */
    config_unref(config);
}

static void test_local_mailers_by_default(void **state)
{
    static const char *const local[] = {"local",   "virtual", "lmtp",     "pipe",     "error",
                                        "discard", "retry",   "maildrop", "dovecot",  "mailman",
                                        "Cyrus",   "cyrusv2", "uucp",     "uucp-dom", "bsmtp",
                                        "prog",    "*file*",  "*include*"};
    /* sendmail has mailers whose names look like patterns. */
    static const char *const others[] = {"smtp",  "relay",     "esmtp",        "requiretls",
                                         "smtp8", "profile",   "file",         "localsmtp",
                                         "*",     "uucp-smtp", "smtp-include", ""};
    struct config *config = load("");

    (void)state;
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        assert_true(rules_is_local_mailer(config, local[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(rules_is_local_mailer(config, others[i]));
    assert_false(rules_is_local_mailer(config, NULL));
    config_unref(config);
}

static void test_local_mailers_by_pattern(void **state)
{
    struct config *config =
        load("[milter]\nlocal_mailers = *file*, dovecot-*, lmtp[0-9], Cyrus?\n");

    (void)state;
    assert_true(rules_is_local_mailer(config, "*FILE*"));
    assert_true(rules_is_local_mailer(config, "Dovecot-lda"));
    assert_true(rules_is_local_mailer(config, "lmtp2"));
    assert_true(rules_is_local_mailer(config, "cyrus2"));
    assert_false(rules_is_local_mailer(config, "profile"));
    assert_false(rules_is_local_mailer(config, "dovecot"));
    assert_false(rules_is_local_mailer(config, "lmtp"));
    assert_false(rules_is_local_mailer(config, "lmtp[0-9]x"));
    assert_false(rules_is_local_mailer(config, "local"));
    config_unref(config);
}

static void test_nexthop_alone(void **state)
{
    struct config *config = load("[rule a]\nnexthop = .example.net\nsender = x@example.org\n"
                                 "level = disable\n"
                                 "[rule b]\nnexthop = example.net, .example.net\n"
                                 "level = opportunistic+starttls\ntls_policy = skip\n"
                                 "[rule c]\nlevel = opportunistic\n");
    struct rules_settings out;
    struct nexthop nexthop;

    (void)state;
    assert_int_equal(nexthop_parse("a.example.net", &nexthop), 0);
    rules_evaluate_nexthop(config, &nexthop, &out);
    assert_int_equal(out.level, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS);
    assert_string_equal(out.tls_policy, "skip");
    assert_int_equal(nexthop_parse("example.com", &nexthop), 0);
    rules_evaluate_nexthop(config, &nexthop, &out);
    assert_int_equal(out.level, VERDICT_LEVEL_OPPORTUNISTIC); /* a rule without matchers */
    assert_null(out.tls_policy);
    config_unref(config);
}

/* What the delivery agent asks: with sender, recipient and next-hop, and nothing else known. */
static void test_of_the_agent(void **state)
{
    static const struct {
        const char *sender, *nexthop, *helo_name, *source; /* source "": none */
        enum config_fallback fallback;
    } cases[] = {
        {"x@other.example", "example.net", "default.example", "192.0.2.1", CONFIG_FALLBACK_ENCRYPT},
        {"x@a.example", "example.net", "a.example", "192.0.2.1", CONFIG_FALLBACK_ENCRYPT},
        {"x@a.example", "strict.example", "a.example", "192.0.2.9", CONFIG_FALLBACK_NONE},
        {"x@b.example", "strict.example", "default.example", "", CONFIG_FALLBACK_NONE},
    };
    struct config *config =
        load("[deliver]\nhelo_name = deliver.example\nsource = 192.0.2.1\n"
             "[default]\nhelo_name = default.example\nfallback = encrypt\n"
             "[rule client]\nclient = !192.0.2.0/24\nfallback = may\n"
             "[rule a]\nsender = a.example\nhelo_name = a.example\n"
             "[rule b]\nsender = b.example\nsource =\n"
             "[rule strict]\nnexthop = strict.example\nfallback = none\nsource = 192.0.2.9\n");
    struct rules_settings out;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nexthop nexthop;
        const struct rules_facts facts = {.known = CONFIG_FACT_SENDER | CONFIG_FACT_RECIPIENT,
                                          .sender = cases[i].sender,
                                          .recipient = "bob@example.net",
                                          .nexthop = &nexthop};

        assert_int_equal(nexthop_parse(cases[i].nexthop, &nexthop), 0);
        rules_evaluate(config, &facts, &out);
        assert_int_equal(out.fallback, cases[i].fallback);
        assert_string_equal(out.helo_name, cases[i].helo_name);
        assert_int_equal(out.source->count, cases[i].source[0] != '\0');
        if (out.source->count > 0)
            assert_string_equal(out.source->items[0], cases[i].source);
    }
    config_unref(config);
    config = load("");
    rules_evaluate(config, &(const struct rules_facts){0}, &out);
    assert_string_equal(out.helo_name, config->deliver.helo_name);
    assert_int_equal(out.source->count, 0);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_of_the_agent),
        cmocka_unit_test(test_matching),
        cmocka_unit_test(test_first_match_per_setting),
        cmocka_unit_test(test_unknown_facts),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_built_in_levels),
        cmocka_unit_test(test_local_mailers),
        cmocka_unit_test(test_local_mailers_by_default),
        cmocka_unit_test(test_local_mailers_by_pattern),
        cmocka_unit_test(test_nexthop_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
