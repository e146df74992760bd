/* reply.c: nothing but printable ASCII, never more than a line. */
#include "decide/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct clean_case {
    const char *name, *text;
    size_t room;
    const char *wanted;
} clean_cases[] = {
    {"plain", "bob@example.org", 64, "bob@example.org"},
    {"empty", "", 64, ""},
    {"line ends", "a\r\n250 ok", 64, "a??250 ok"},
    {"controls", "a\x1b[2J\x7f", 64, "a?[2J?"},
    {"UTF-8", "b\xc3\xbc", 64, "b??"},
    {"just fits", "12345", 6, "12345"},
    {"cut", "123456", 6, "12..."},
    {"cut to almost nothing", "123456", 4, "..."},
};

static void cleans(void **state)
{
    const struct clean_case *c = *state;
    char out[64];

    assert_string_equal(reply_clean(c->text, out, c->room), c->wanted);
}

static void sets(void **state)
{
    struct reply reply;
    char text[3000];

    (void)state;
    reply_set(&reply, 550, "5.7.10", "<%s>: %d", "b\n@x", 7);
    assert_int_equal(reply.code, 550);
    assert_string_equal(reply.status, "5.7.10");
    assert_string_equal(reply.text, "<b?@x>: 7");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    reply_set(&reply, 451, "4.4.3", "%s", text);
    assert_int_equal(strlen(reply.text), REPLY_TEXT_MAX);
    assert_string_equal(reply.text + REPLY_TEXT_MAX - 4, "x...");
}

/* The table: what is only temporary never gets a permanent code, and who has a sentence has it all.
 */
static void has_codes(void **state)
{
    static const struct {
        enum reply_reason reason;
        const char *permanent, *temporary;
        const char *text; /* of reply_set_fixed; NULL: has none */
    } rows[] = {
        {REPLY_ENCRYPTION_NEEDED, "550 5.7.10", "451 4.7.10", NULL},
        {REPLY_REQUIRETLS_NEEDED, "550 5.7.30", "451 4.7.30", NULL},
        {REPLY_NULL_MX, "556 5.1.10", "451 4.1.10", NULL},
        {REPLY_NO_DOMAIN, "550 5.1.2", "451 4.7.10", NULL},
        {REPLY_LOOKUP_FAILED, "451 4.4.3", "451 4.4.3", NULL},
        {REPLY_BUSY, "451 4.3.2", "451 4.3.2", NULL},
        {REPLY_MTA_GONE, "451 4.4.2", "451 4.4.2", NULL},
        {REPLY_PARAMETER_VALUE, "501 5.5.4", "501 5.5.4", "REQUIRETLS takes no value"},
        {REPLY_FILTER_FAILED, "451 4.3.0", "451 4.3.0",
         "Temporary failure of a filter; try again later"},
        {REPLY_TOO_MANY_RECIPIENTS, "452 4.5.3", "452 4.5.3", "Too many recipients"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char got[20];
        const char *status;
        struct reply reply;
        int code = reply_code(rows[i].reason, true, &status);

        snprintf(got, sizeof(got), "%d %s", code, status);
        assert_string_equal(got, rows[i].permanent);
        code = reply_code(rows[i].reason, false, &status);
        snprintf(got, sizeof(got), "%d %s", code, status);
        assert_string_equal(got, rows[i].temporary);
        if (rows[i].text == NULL)
            continue;
        reply_set_fixed(&reply, rows[i].reason);
        assert_string_equal(reply.text, rows[i].text);
    }
}

static void unites(void **state)
{
    struct reply lines[3];

    (void)state;
    reply_set(&lines[0], 556, "5.1.10", "null MX");
    reply_unite(lines, 1);
    assert_string_equal(lines[0].text, "null MX");
    reply_set(&lines[1], 550, "5.7.10", "no TLS");
    reply_set(&lines[2], 451, "4.7.10", "not now");
    reply_unite(lines, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lines[i].code, 550);
        assert_string_equal(lines[i].status, "5.7.10");
    }
    assert_string_equal(lines[0].text, "null MX (556 5.1.10)");
    assert_string_equal(lines[1].text, "no TLS");
    assert_string_equal(lines[2].text, "not now (451 4.7.10)");
    reply_set(&lines[0], 451, "4.7.10", "not now");
    reply_set(&lines[1], 556, "5.1.10", "null MX");
    reply_unite(lines, 2);
    assert_int_equal(lines[0].code, 556);
    assert_string_equal(lines[0].text, "not now (451 4.7.10)");
    assert_string_equal(lines[1].text, "null MX");
    reply_set(&lines[0], 550, "5.1.2", "no domain");
    reply_set(&lines[1], 550, "5.7.30", "no REQUIRETLS");
    reply_unite(lines, 2);
    assert_string_equal(lines[0].text, "no domain (550 5.1.2)");
    assert_string_equal(lines[1].text, "no REQUIRETLS");
    reply_set(&lines[0], 451, "4.4.3", "failed");
    reply_set(&lines[1], 451, "4.3.2", "busy");
    reply_unite(lines, 2);
    assert_string_equal(lines[0].text, "failed");
    assert_string_equal(lines[1].text, "busy (451 4.3.2)");
}

static void escapes(void **state)
{
    char out[2 * REPLY_TEXT_MAX + 1], text[REPLY_TEXT_MAX + 1], small[6];

    (void)state;
    assert_string_equal(reply_escape("100%s %", out, sizeof(out)), "100%%s %%");
    memset(text, '%', sizeof(text));
    text[REPLY_TEXT_MAX] = '\0';
    assert_int_equal(strlen(reply_escape(text, out, sizeof(out))), 2 * REPLY_TEXT_MAX);
    /* Never half an escape at the end. */
    assert_string_equal(reply_escape("%%%", small, sizeof(small)), "%%%%");
}

int main(void)
{
    enum { COUNT = sizeof clean_cases / sizeof clean_cases[0] };
    struct CMUnitTest tests[COUNT + 4] = {cmocka_unit_test(sets), cmocka_unit_test(has_codes),
                                          cmocka_unit_test(unites), cmocka_unit_test(escapes)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[i + 4].name = clean_cases[i].name;
        tests[i + 4].test_func = cleans;
        tests[i + 4].initial_state = (void *)(uintptr_t)&clean_cases[i];
    }
    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
