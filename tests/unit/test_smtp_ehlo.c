/* What servers offer in the lines of a reply to EHLO. */
#include "policy/smtp_ehlo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_LINES = 4 };

static const struct {
    const char *name;
    const char *lines[MAX_LINES];
    const char *offers;
} cases[] = {
    {"nothing", {NULL}, ""},
    {"starttls", {"STARTTLS"}, " STARTTLS"},
    {"pipelining", {"PIPELINING"}, " PIPELINING"},
    {"8bitmime", {"8BITMIME"}, " 8BITMIME"},
    {"smtputf8", {"SMTPUTF8"}, " SMTPUTF8"},
    {"dsn", {"DSN"}, " DSN"},
    {"enhanced codes", {"ENHANCEDSTATUSCODES"}, " ENHANCEDSTATUSCODES"},
    {"requiretls", {"REQUIRETLS"}, " REQUIRETLS"},
    {"several", {"DSN", "REQUIRETLS", "STARTTLS"}, " STARTTLS DSN REQUIRETLS"},
    {"letter case", {"StartTls", "requiretls"}, " STARTTLS REQUIRETLS"},
    {"a parameter that it does not have", {"STARTTLS now", "DSN=1"}, " STARTTLS"},
    {"blanks around", {"  STARTTLS\t"}, " STARTTLS"},
    {"part of a keyword", {"STARTTL", "REQUIRETLSX", "X REQUIRETLS", "AUT"}, ""},
    {"an empty line", {"", " "}, ""},
    {"octets beyond ASCII", {"STARTTLS\xff", "\xc3\xa4"}, ""},

    {"size", {"SIZE 10240000"}, " SIZE=10240000"},
    {"size without a limit", {"SIZE"}, " SIZE=0"},
    {"size 0 is no limit", {"SIZE 0"}, " SIZE=0"},
    {"size of 64 bits", {"SIZE 18446744073709551615"}, " SIZE=18446744073709551615"},
    {"size beyond", {"SIZE 18446744073709551616"}, " SIZE=0"},
    {"size far beyond", {"SIZE 99999999999999999999999"}, " SIZE=0"},
    {"size in words", {"SIZE large"}, " SIZE=0"},
    {"size negative", {"SIZE -1"}, " SIZE=0"},
    {"size with an equals sign is none", {"SIZE=100"}, ""},

    {"auth", {"AUTH LOGIN PLAIN"}, " AUTH PLAIN"},
    {"auth without PLAIN", {"AUTH CRAM-MD5 LOGIN"}, " AUTH"},
    {"auth of old servers", {"AUTH=LOGIN PLAIN"}, " AUTH PLAIN"},
    {"auth of old servers, PLAIN first", {"auth=plain LOGIN"}, " AUTH PLAIN"},
    {"auth both ways", {"AUTH LOGIN", "AUTH=PLAIN"}, " AUTH PLAIN"},
    {"auth without mechanisms", {"AUTH", "AUTH="}, ""},
    {"auth with part of a mechanism", {"AUTH PLAINX XPLAIN"}, " AUTH"},
};

static void describe(const struct smtp_extensions *e, char *to, size_t size)
{
    char limit[32] = "";

    if (e->size)
        snprintf(limit, sizeof(limit), " SIZE=%llu", (unsigned long long)e->size_limit);
    snprintf(to, size, "%s%s%s%s%s%s%s%s%s%s", e->starttls ? " STARTTLS" : "",
             e->pipelining ? " PIPELINING" : "", e->eightbitmime ? " 8BITMIME" : "",
             e->smtputf8 ? " SMTPUTF8" : "", limit, e->dsn ? " DSN" : "",
             e->enhanced_codes ? " ENHANCEDSTATUSCODES" : "", e->requiretls ? " REQUIRETLS" : "",
             e->auth ? " AUTH" : "", e->auth_plain ? " PLAIN" : "");
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct smtp_extensions extensions = {0};
        char offers[200];

        for (size_t k = 0; k < MAX_LINES && cases[i].lines[k] != NULL; k++) {
            size_t len = strlen(cases[i].lines[k]);
            char *exact = malloc(len > 0 ? len : 1);

            memcpy(exact, cases[i].lines[k], len);
            smtp_extensions_add(&extensions, exact, len);
            free(exact);
        }
        describe(&extensions, offers, sizeof(offers));
        if (strcmp(offers, cases[i].offers) != 0)
            fail_msg("%s:%s", cases[i].name, offers);
    }
}

/* What greets unknown clients in the place of a server offers no PIPELINING. */
static void test_complete(void **state)
{
    const struct smtp_extensions nothing = {0};
    const struct smtp_extensions postscreen = {.starttls = true, .size = true, .dsn = true};
    const struct smtp_extensions server = {.starttls = true, .pipelining = true};

    (void)state;
    assert_false(smtp_extensions_complete(&nothing));
    assert_false(smtp_extensions_complete(&postscreen));
    assert_true(smtp_extensions_complete(&server));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table),
                                       cmocka_unit_test(test_complete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
