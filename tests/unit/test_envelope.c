/* envelope.c: addresses as MTAs hand them over, the choice of the next-hop, tagged domains;
 * mailbox.c: which of them can be tagged. */
#include "decide/envelope.h"

#include "decide/mailbox.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct parse_case {
    const char *name, *arg;
    const char *text;   /* NULL: -EINVAL */
    const char *domain; /* NULL: none */
} parse_cases[] = {
    {"plain", "<bob@example.org>", "bob@example.org", "example.org"},
    {"without brackets", "bob@example.org", "bob@example.org", "example.org"},
    {"blanks around", " <bob@example.org>\t", "bob@example.org", "example.org"},
    {"null reverse-path", "<>", "", NULL},
    {"null reverse-path as empty string", "", "", NULL},
    {"blanks only", "  ", "", NULL},
    {"no domain", "<postmaster>", "postmaster", NULL},
    {"empty domain", "<bob@>", "bob@", NULL},
    {"quoted local part", "<\"a b\"@example.org>", "\"a b\"@example.org", "example.org"},
    {"@ in a quoted local part", "<\"a@b\"@example.org>", "\"a@b\"@example.org", "example.org"},
    {"only a quoted @", "<\"a@b.example\">", "\"a@b.example\"", NULL},
    {"> in a quoted local part", "<\"a>b\"@example.org>", "\"a>b\"@example.org", "example.org"},
    {"escaped quote", "<\"a\\\"@b\"@example.org>", "\"a\\\"@b\"@example.org", "example.org"},
    {"unbalanced quote, bare form", "a\"b@example.org", "a\"b@example.org", "example.org"},
    {"two @, unquoted", "<a@b@example.org>", "a@b@example.org", "example.org"},
    {"source route", "<@one.example,@two.example:bob@example.org>", "bob@example.org",
     "example.org"},
    {"source route without brackets", "@one.example:bob@example.org", "bob@example.org",
     "example.org"},
    {"source route without end", "<@one.example>", NULL, NULL},
    {"IPv4 literal", "<bob@[192.0.2.1]>", "bob@[192.0.2.1]", "[192.0.2.1]"},
    {"IPv6 literal", "<bob@[IPv6:2001:db8::1]>", "bob@[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"},
    {"UTF-8",
     "<j\xc3\xbcrgen@b\xc3\xbc"
     "cher.example>",
     "j\xc3\xbcrgen@b\xc3\xbc"
     "cher.example",
     "b\xc3\xbc"
     "cher.example"},
    {"root dot", "<bob@example.org.>", "bob@example.org.", "example.org."},
    {"percent hack", "<bob%b.example@example.org>", "bob%b.example@example.org", "example.org"},
    {"bang path", "<host!bob>", "host!bob", NULL},
    {"open bracket", "<bob@example.org", NULL, NULL},
    {"text after the path", "<bob@example.org>x", NULL, NULL},
    {"bracket in bracket", "<<bob@example.org>>", NULL, NULL},
    {"closing bracket only", "bob@example.org>", "bob@example.org>", "example.org>"},
    {"a bracket alone", "<", NULL, NULL},
    {"backslash at the end", "bob\\", "bob\\", NULL},
};

static void run_parse_case(void **state)
{
    const struct parse_case *c = *state;
    struct envelope_address got;

    assert_int_equal(envelope_parse(c->arg, &got), c->text == NULL ? -EINVAL : 0);
    if (c->text == NULL)
        return;
    assert_string_equal(got.text, c->text);
    assert_int_equal(got.null_path, c->text[0] == '\0');
    if (c->domain == NULL)
        assert_null(got.domain);
    else
        assert_string_equal(got.domain, c->domain);
}

static void test_long(void **state)
{
    char arg[ENVELOPE_ADDRESS_MAX + 4];
    struct envelope_address got;

    (void)state;
    memset(arg, 'a', sizeof(arg));
    arg[0] = '<';
    arg[ENVELOPE_ADDRESS_MAX + 1] = '>';
    arg[ENVELOPE_ADDRESS_MAX + 2] = '\0';
    assert_int_equal(envelope_parse(arg, &got), 0);
    assert_int_equal(strlen(got.text), ENVELOPE_ADDRESS_MAX);
    arg[ENVELOPE_ADDRESS_MAX + 1] = 'a';
    arg[ENVELOPE_ADDRESS_MAX + 2] = '>';
    arg[ENVELOPE_ADDRESS_MAX + 3] = '\0';
    assert_int_equal(envelope_parse(arg, &got), -EINVAL);
}

static const struct nexthop_case {
    const char *name, *domain, *host, *mailer;
    const char *text; /* of all next-hops, with a blank between; NULL: -EINVAL */
} nexthop_cases[] = {
    {"the domain", "Example.ORG", NULL, NULL, "example.org"},
    {"the MTA's choice", "example.org", "relay.example.net", "smtp", "relay.example.net"},
    {"the same", "example.org", "example.org", "smtp", "example.org"},
    {"with the root dot", "example.org", "example.org.", "esmtp", "example.org"},
    {"a smart host", "example.org", "[relay.example.net]:587", "relay", "[relay.example.net]:587"},
    {"an address", "example.org", "[192.0.2.1]", "smtp", "[192.0.2.1]"},
    {"an empty host", "example.org", "", "smtp", "example.org"},
    {"prose", "example.org", "5.1.1 User unknown in local recipient table", "error", "example.org"},
    {"prose that looks like a name", "example.org", "unknown", "error", "example.org"},
    {"prose of a retry", "example.org", "unknown", "retry", "example.org"},
    {"prose of another mailer", "example.org", "no such user, sorry!", "weird", "example.org"},
    {"discard", "example.org", "silently", "discard", "example.org"},
    {"a socket path", "example.org", "unix:private/lmtp", "lmtp", "example.org"},
    {"an LMTP server", "example.org", "inet:mail.example", "lmtp", "example.org"},
    {"Postfix's list", "example.org", "[a.example]:25, [b.example]:587", "relay",
     "[a.example] [b.example]:587"},
    {"commas only", "example.org", "a.example,b.example:smtp,c", "relay", "a.example b.example c"},
    {"blanks only", "example.org", "a.example b.example\t[192.0.2.1]", "relay",
     "a.example b.example [192.0.2.1]"},
    {"words", "example.org", "no such user", "weird", "example.org"},
    {"words with a dot", "example.org", "no such user at example.net", "weird", "example.org"},
    {"prose after a comma", "example.org", "a.example, !", "relay", "example.org"},
    {"a list of nothing", "example.org", " , ", "relay", "example.org"},
    {"sendmail's list", "example.org", "a.example:b.example", "esmtp", "a.example b.example"},
    {"of hosts", "example.org", "[a.example]:[b.example]", "esmtp", "[a.example] [b.example]"},
    {"of addresses", "example.org", "[IPv6:2001:db8::1]:[192.0.2.1],c.example", "esmtp",
     "[IPv6:2001:db8::1] [192.0.2.1] c.example"},
    {"of equals and others", "example.org", "a.example,b.example:c.example", "esmtp",
     "a.example b.example c.example"},
    {"a port is no second host", "example.org", "a.example:587", "esmtp", "a.example:587"},
    {"more than are looked at", "example.org",
     "a1.x,a2.x,a3.x,a4.x,a5.x,a6.x,a7.x,a8.x,a9.x,a10.x,a11.x,a12.x,a13.x,a14.x,a15.x,a16.x,a17.x",
     "relay",
     "a1.x a2.x a3.x a4.x a5.x a6.x a7.x a8.x a9.x a10.x a11.x a12.x a13.x a14.x a15.x a16.x"},
    {"a bracket that does not end", "example.org", "[a.example, b.example", "relay", "example.org"},
    {"no domain, a host", NULL, "relay.example.net", "smtp", "relay.example.net"},
    {"nothing", NULL, NULL, NULL, NULL},
    {"an empty domain", "", NULL, NULL, NULL},
    {"no domain name", "exa mple", NULL, NULL, NULL},
    {"a domain literal", "[192.0.2.1]", NULL, NULL, "[192.0.2.1]"},
    {"U-labels",
     "b\xc3\xbc"
     "cher.example",
     NULL, NULL, "xn--bcher-kva.example"},
};

static void run_nexthop_case(void **state)
{
    const struct nexthop_case *c = *state;
    struct envelope_nexthops got;
    char text[1000] = "";

    assert_int_equal(envelope_nexthops(c->domain, c->host, c->mailer, &got),
                     c->text == NULL ? -EINVAL : 0);
    for (size_t i = 0; i < got.count; i++) {
        strcat(text, i > 0 ? " " : "");
        strcat(text, got.items[i].text);
    }
    assert_string_equal(text, c->text != NULL ? c->text : "");
}

static const struct tag_case {
    const char *domain, *tag;
    bool tagged;
} tag_cases[] = {
    {"example.org", "requiretls.invalid", false},
    {"example.org.requiretls.invalid", "requiretls.invalid", true},
    {"example.org.RequireTLS.Invalid.", "requiretls.invalid", true},
    {"requiretls.invalid", "requiretls.invalid", true},
    {"notrequiretls.invalid", "requiretls.invalid", false},
    {"requiretls.invalid.example.org", "requiretls.invalid", false},
    {"example.org\xe3\x80\x82requiretls\xe3\x80\x82invalid", "requiretls.invalid", true},
    {"example.org", "", false},
    {"example.org", NULL, false},
    {NULL, "requiretls.invalid", false},
    {"", "requiretls.invalid", false},
    {".", "requiretls.invalid", false},
    {"[192.0.2.1]", "requiretls.invalid", false},
};

static void test_tag(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tag_cases) / sizeof(tag_cases[0]); i++) {
        const struct tag_case *c = &tag_cases[i];

        assert_int_equal(envelope_is_tagged(c->domain, c->tag), c->tagged);
    }
}

static const struct mailbox_case {
    const char *address, *resolved, *host;
    const char *out; /* NULL: none */
} mailbox_cases[] = {
    {"bob@example.org", NULL, NULL, "bob@example.org"},
    {"bob@example.org", "x@y.example", "here.example", "bob@example.org"},
    {"bob@example.org.", NULL, NULL, "bob@example.org."},
    {"a.b+c%d!e@example.org", NULL, NULL, "a.b+c%d!e@example.org"},
    {"\"a \\\" b\"@example.org", NULL, NULL, "\"a \\\" b\"@example.org"},
    {"\"a@b\"@example.org", NULL, NULL, "\"a@b\"@example.org"},
    {"\xc3\xa9@\xc3\xa9.example", NULL, NULL, "\xc3\xa9@\xc3\xa9.example"},
    {"all", "all", "here.example", "all@here.example"},
    {"\"all\"", "all", "here.example", "\"all\"@here.example"},
    {"all", "all", NULL, NULL},
    {"all", NULL, "here.example", NULL},
    {"all", "all", "here example", NULL},
    {"all", "all@there.example", "here.example", "all@there.example"},
    {"b%example.org", "b@example.org", "here.example", "b@example.org"},
    {"\"b@example.org\"", "b@example.org", "here.example", "b@example.org"},
    {"all@[192.0.2.1]", "all", "here.example", "all@here.example"},
    {"all@[192.0.2.1]", "all@[192.0.2.1]", "here.example", NULL},
    {"all@[192.0.2.1]", NULL, NULL, NULL},
    {"bob@example.org(c)", "bob@example.org", "here.example", NULL},
    {"(c)bob@example.org", "bob@example.org", "here.example", NULL},
    {"Bob <bob@example.org", "bob@example.org", "here.example", NULL},
    {"bob@a.example,bob@b.example", "bob@a.example", "here.example", NULL},
    {"bob@a.example@b.example", "bob@a.example", "here.example", NULL},
    {"bob @example.org", "bob@example.org", "here.example", NULL},
    {"bob@example.org ", "bob@example.org", "here.example", NULL},
    {"bob@\"example.org\"", "bob@example.org", "here.example", NULL},
    {"group:bob@example.org;", "bob@example.org", "here.example", NULL},
    {".bob@example.org", NULL, NULL, NULL},
    {"bob.@example.org", NULL, NULL, NULL},
    {"b..ob@example.org", NULL, NULL, NULL},
    {"bob\\@example.org", NULL, NULL, NULL},
    {"bob@example..org", NULL, NULL, NULL},
    {"bob@.example.org", NULL, NULL, NULL},
    {"bob@-a.example", NULL, NULL, NULL},
    {"bob@.", NULL, NULL, NULL},
    {"bob@", NULL, NULL, NULL},
    {"@example.org", NULL, NULL, NULL},
    {"\"bob@example.org", NULL, NULL, NULL},
    {"\"bob\\\"@example.org", NULL, NULL, NULL},
    {"\"bob\\", NULL, NULL, NULL},
    {"\"b\x01\"@example.org", NULL, NULL, NULL},
    {"\"b\\\x01\"@example.org", NULL, NULL, NULL},
    {"", "all", "here.example", NULL},
};

static void test_mailbox(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mailbox_cases) / sizeof(mailbox_cases[0]); i++) {
        const struct mailbox_case *c = &mailbox_cases[i];
        char out[64];
        bool done = mailbox_qualify(c->address, c->resolved, c->host, out, sizeof(out));

        assert_string_equal(out, c->out != NULL ? c->out : "");
        assert_int_equal(done, c->out != NULL);
        assert_false(mailbox_qualify(c->address, c->resolved, c->host, out,
                                     c->out != NULL ? strlen(c->out) : sizeof(out)));
    }
}

int main(void)
{
    enum {
        PARSE = sizeof parse_cases / sizeof parse_cases[0],
        NEXTHOP = sizeof nexthop_cases / sizeof nexthop_cases[0],
    };
    struct CMUnitTest tests[3 + PARSE + NEXTHOP] = {
        cmocka_unit_test(test_long), cmocka_unit_test(test_tag), cmocka_unit_test(test_mailbox)};
    struct CMUnitTest *next = tests + 3;

    for (size_t i = 0; i < PARSE; i++)
        *next++ = (struct CMUnitTest){.name = parse_cases[i].name,
                                      .test_func = run_parse_case,
                                      .initial_state = (void *)(uintptr_t)&parse_cases[i]};
    for (size_t i = 0; i < NEXTHOP; i++)
        *next++ = (struct CMUnitTest){.name = nexthop_cases[i].name,
                                      .test_func = run_nexthop_case,
                                      .initial_state = (void *)(uintptr_t)&nexthop_cases[i]};
    return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
