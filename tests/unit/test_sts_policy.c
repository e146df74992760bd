/* The MTA-STS policy file: the grammar of RFC 8461 section 3.2, and what others got wrong. */
#include "sts/sts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NONE = FINDINGS_STS_MODE_NONE, TESTING = FINDINGS_STS_MODE_TESTING };
enum { ENFORCE = FINDINGS_STS_MODE_ENFORCE };

/* What most cases share; each adds or replaces a line. */
#define HEAD "version: STSv1\nmode: enforce\n"
#define MX "mx: mx.example.org\n"
#define AGE "max_age: 604800\n"

struct valid_case {
    const char *name;
    const char *body;
    int mode;
    uint32_t max_age_s;
    const char *mx; /* joined by blanks */
};

static const struct valid_case valid_cases[] = {
    {"LF", HEAD MX AGE, ENFORCE, 604800, "mx.example.org"},
    {"CRLF", "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 1\r\n", ENFORCE, 1,
     "mx.example.org"},
    {"LF and CRLF mixed", "version: STSv1\r\nmode: enforce\nmx: mx.example.org\r\nmax_age: 1\n",
     ENFORCE, 1, "mx.example.org"},
    {"no newline at the end", HEAD MX "max_age: 86400", ENFORCE, 86400, "mx.example.org"},
    {"blank line at the end", HEAD MX AGE "\n", ENFORCE, 604800, "mx.example.org"},
    {"blank line at the end, CRLF", HEAD MX AGE "\r\n", ENFORCE, 604800, "mx.example.org"},
    {"blank lines at the end", HEAD MX AGE "\n \t\r\n\n ", ENFORCE, 604800, "mx.example.org"},
    {"mode testing", "version: STSv1\nmode: testing\n" MX AGE, TESTING, 604800, "mx.example.org"},
    {"mode none with mx", "version: STSv1\nmode: none\n" MX AGE, NONE, 604800, "mx.example.org"},
    {"mode none without mx", "version: STSv1\nmode: none\n" AGE, NONE, 604800, ""},
    {"any order", AGE MX "mode: enforce\nversion: STSv1", ENFORCE, 604800, "mx.example.org"},
    {"several mx", HEAD "mx: mail.example.com\nmx: *.example.net\n" AGE "mx: b.example.com\n",
     ENFORCE, 604800, "mail.example.com *.example.net b.example.com"},
    {"no blank after the colon", "version:STSv1\nmode:enforce\nmx:mx.example.org\nmax_age:1\n",
     ENFORCE, 1, "mx.example.org"},
    {"many blanks, some at the end",
     "version: \t STSv1 \nmode:\tenforce\t\r\nmx:   mx.example.org  \nmax_age: 1 \t", ENFORCE, 1,
     "mx.example.org"},
    {"mx in upper case", HEAD "mx: MX.Example.ORG\n" AGE, ENFORCE, 604800, "mx.example.org"},
    {"unknown fields", HEAD MX "foo: bar\nx-0_.z: a b: c\n" AGE, ENFORCE, 604800, "mx.example.org"},
    {"unknown field of one octet", HEAD MX AGE "a: b", ENFORCE, 604800, "mx.example.org"},
    {"unknown field of 32 octets", HEAD MX AGE "a1234567890123456789012345678901: b", ENFORCE,
     604800, "mx.example.org"},
    {"UTF-8 in an extension", HEAD MX AGE "note: \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa7\n", ENFORCE,
     604800, "mx.example.org"},
    {"braces in an extension", HEAD MX AGE "note: } { x = {y} ;\n", ENFORCE, 604800,
     "mx.example.org"},
    {"key in another case is an extension", HEAD "MX: mx2.example.org\nMode: none\n" MX AGE,
     ENFORCE, 604800, "mx.example.org"},

    {"duplicates: the first wins, mx repeats",
     HEAD MX AGE "version: STSv2\nmode: none\nmax_age: 1\nmx: mx2.example.org\n", ENFORCE, 604800,
     "mx.example.org mx2.example.org"},
    {"duplicates of no valid form are ignored too", HEAD MX AGE "mode: strict\nmax_age: forever\n",
     ENFORCE, 604800, "mx.example.org"},

    {"max_age 0", HEAD MX "max_age: 0\n", ENFORCE, 0, "mx.example.org"},
    {"max_age with leading zeros", HEAD MX "max_age: 0000086400", ENFORCE, 86400, "mx.example.org"},
    {"max_age at the limit", HEAD MX "max_age: 31557600", ENFORCE, 31557600, "mx.example.org"},
    {"max_age over the limit", HEAD MX "max_age: 31557601", ENFORCE, 31557600, "mx.example.org"},
    {"max_age of ten digits", HEAD MX "max_age: 9999999999", ENFORCE, 31557600, "mx.example.org"},
    {"max_age 2^32+1, ten digits", HEAD MX "max_age: 4294967297", ENFORCE, 31557600,
     "mx.example.org"},

    {"mx that is no domain name is passed over",
     HEAD MX AGE "mx: *.*.example.org\nmx: [192.0.2.1]\nmx: 2001:db8::1\nmx: b\xc3\xbc"
                 "cher.example\nmx: mx.example.net.\nmx: *\nmx: a_b.example\nmx: a, b\n",
     ENFORCE, 604800, "mx.example.org"},
    {"IPv4 address has the form of a name", HEAD "mx: 192.0.2.1\n" AGE, ENFORCE, 604800,
     "192.0.2.1"},
    {"mode none with an mx that is none", "version: STSv1\nmode: none\nmx: *\n" AGE, NONE, 604800,
     ""},
};

struct invalid_case {
    const char *name;
    const char *body;
    const char *err;
};

static const struct invalid_case invalid_cases[] = {
    {"empty", "", "empty file"},
    {"newline only", "\n", "line 1: empty"},
    {"BOM", "\xef\xbb\xbf" HEAD MX AGE, "line 1: does not begin with a key"},
    {"HTML", "<!DOCTYPE html>\n<html>", "line 1: does not begin with a key"},
    {"empty line inside", HEAD "\n" MX AGE, "line 3: empty"},
    {"empty line at the end, and more after it", HEAD MX AGE "\nfoo: bar\n", "line 5: empty"},
    {"blank before the key", HEAD " " MX AGE, "line 3: does not begin with a key"},
    {"blank before the colon", HEAD "mx : a.example\n" AGE, "line 3: no colon after the key"},
    {"no colon", HEAD "mx\n" AGE, "line 3: no colon after the key"},
    {"equals for colon", "version=STSv1\n", "line 1: no colon after the key"},
    {"no key", HEAD ": x\n", "line 3: does not begin with a key"},
    {"key of 33 octets", HEAD MX AGE "a12345678901234567890123456789012: b",
     "line 5: key too long"},
    {"no value", HEAD MX AGE "foo:\n", "line 5: no value"},
    {"blanks for a value", HEAD "mx: \t \n" AGE, "line 3: no value"},
    {"CR alone for line ends", "version: STSv1\rmode: enforce\rmx: a\rmax_age: 1\r",
     "line 1: control characters or broken UTF-8 in the value"},
    {"CR before CRLF", "version: STSv1\r\r\nmode: none\r\nmax_age: 1\r\n",
     "line 1: control characters or broken UTF-8 in the value"},
    {"CR at the very end", "version: STSv1\nmode: none\nmax_age: 1\r",
     "line 3: control characters or broken UTF-8 in the value"},
    {"tab inside a value", HEAD MX AGE "x: a\tb",
     "line 5: control characters or broken UTF-8 in the value"},
    {"control character in an extension", HEAD MX AGE "x: a\x1b[1mb",
     "line 5: control characters or broken UTF-8 in the value"},
    {"DEL", HEAD MX AGE "x: \x7f", "line 5: control characters or broken UTF-8 in the value"},
    {"Latin-1", HEAD MX AGE "x: \xe4", "line 5: control characters or broken UTF-8 in the value"},
    {"overlong UTF-8", HEAD MX AGE "x: \xc0\xaf",
     "line 5: control characters or broken UTF-8 in the value"},
    {"overlong UTF-8 of three", HEAD MX AGE "x: \xe0\x80\xaf",
     "line 5: control characters or broken UTF-8 in the value"},
    {"overlong UTF-8 of four", HEAD MX AGE "x: \xf0\x80\x80\xaf",
     "line 5: control characters or broken UTF-8 in the value"},
    {"UTF-8 surrogate", HEAD MX AGE "x: \xed\xa0\x80",
     "line 5: control characters or broken UTF-8 in the value"},
    {"UTF-8 above U+10FFFF", HEAD MX AGE "x: \xf4\x90\x80\x80",
     "line 5: control characters or broken UTF-8 in the value"},
    {"UTF-8 cut short", HEAD MX AGE "x: \xe2\x82",
     "line 5: control characters or broken UTF-8 in the value"},

    {"no version", "mode: enforce\n" MX AGE, "no version"},
    {"version misspelt", "Version: STSv1\nmode: enforce\n" MX AGE, "no version"},
    {"another version", "version: STSv2\n", "line 1: version is not STSv1"},
    {"version with more after it", "version: STSv12\n", "line 1: version is not STSv1"},
    {"version in another case", "version: stsv1\n", "line 1: version is not STSv1"},
    {"no mode", "version: STSv1\n" MX AGE, "no mode"},
    {"another mode", "version: STSv1\nmode: strict\n",
     "line 2: mode is not enforce, testing or none"},
    {"mode in another case", "version: STSv1\nmode: Enforce\n",
     "line 2: mode is not enforce, testing or none"},
    {"mode: the first is broken", "version: STSv1\nmode: strict\nmode: enforce\n" MX AGE,
     "line 2: mode is not enforce, testing or none"},
    {"no max_age", HEAD MX, "no max_age"},
    {"max_age of eleven digits", HEAD MX "max_age: 00000000001",
     "line 4: max_age has more than ten digits"},
    {"max_age negative", HEAD MX "max_age: -1", "line 4: max_age is not a number"},
    {"max_age signed", HEAD MX "max_age: +1", "line 4: max_age is not a number"},
    {"max_age fraction", HEAD MX "max_age: 1.5", "line 4: max_age is not a number"},
    {"max_age with a unit", HEAD MX "max_age: 7d", "line 4: max_age is not a number"},
    {"no mx", HEAD AGE, "no mx"},
    {"mx misspelt", HEAD "nmx: mx.example.org\n" AGE, "no mx"},
    {"no mx, testing", "version: STSv1\nmode: testing\n" AGE, "no mx"},
    {"no usable mx", HEAD "mx: *.*.example.org\n" AGE, "no mx that is a domain name"},
};

static char *join(const struct sts_policy *policy)
{
    static char text[512];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < policy->mx_count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
                                policy->mx[i]);
    return text;
}

/* The parser gets a copy without terminator: a read beyond the body is seen by the sanitizer. */
static int parse(const char *body, size_t len, struct sts_policy **out, char err[128])
{
    char *copy = malloc(len > 0 ? len : 1);
    int r;

    assert_non_null(copy);
    memcpy(copy, body, len);
    err[0] = '\0';
    r = sts_policy_parse(copy, len, out, err, 128);
    free(copy);
    return r;
}

static void valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(valid_cases) / sizeof(valid_cases[0]); i++) {
        const struct valid_case *c = &valid_cases[i];
        struct sts_policy *policy;
        char err[128];

        if (parse(c->body, strlen(c->body), &policy, err) != 0)
            fail_msg("%s: invalid: %s", c->name, err);
        if ((int)policy->mode != c->mode || policy->max_age_s != c->max_age_s ||
            strcmp(join(policy), c->mx) != 0)
            fail_msg("%s: mode %d max_age %u mx '%s'", c->name, (int)policy->mode,
                     policy->max_age_s, join(policy));
        sts_policy_free(policy);
    }
}

/* What is told to a store again parses to the same. */
static void text_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(valid_cases) / sizeof(valid_cases[0]); i++) {
        const struct valid_case *c = &valid_cases[i];
        struct sts_policy *policy, *again;
        char err[128], *text;

        assert_int_equal(parse(c->body, strlen(c->body), &policy, err), 0);
        text = sts_policy_text(policy);
        assert_non_null(text);
        if (parse(text, strlen(text), &again, err) != 0)
            fail_msg("%s: invalid: %s", c->name, err);
        if (again->mode != policy->mode || again->max_age_s != policy->max_age_s ||
            strcmp(join(again), c->mx) != 0 || strcmp(again->lines, policy->lines) != 0)
            fail_msg("%s: became\n%s", c->name, text);
        free(text);
        sts_policy_free(again);
        sts_policy_free(policy);
    }
}

/* Of which not all lines are kept. */
static void long_text_again(void **state)
{
    enum { COUNT = 700 };
    char *body = malloc(100 + COUNT * 30), *text, err[128];
    size_t len = (size_t)sprintf(body, HEAD AGE);
    struct sts_policy *policy, *again;
    (void)state;

    for (int i = 0; i < COUNT; i++)
        len += (size_t)sprintf(body + len, "mx: *.d%d.example\n", i);
    assert_int_equal(parse(body, len, &policy, err), 0);
    text = sts_policy_text(policy);
    assert_int_equal(parse(text, strlen(text), &again, err), 0);
    assert_int_equal(again->mx_count, COUNT);
    assert_int_equal(again->mode, ENFORCE);
    assert_int_equal(again->max_age_s, 604800);
    assert_string_equal(again->mx[COUNT - 1], "*.d699.example");
    sts_policy_free(again);
    sts_policy_free(policy);
    free(text);
    free(body);
}

static void invalid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(invalid_cases) / sizeof(invalid_cases[0]); i++) {
        const struct invalid_case *c = &invalid_cases[i];
        struct sts_policy *policy;
        char err[128];
        int r = parse(c->body, strlen(c->body), &policy, err);

        if (r != -EBADMSG || strcmp(err, c->err) != 0)
            fail_msg("%s: %d '%s', expected '%s'", c->name, r, err, c->err);
    }
}

static void nul_bytes(void **state)
{
    static const char in_value[] = HEAD "mx: mx.example.org\0.evil.example\n" AGE;
    static const char in_key[] = HEAD MX "x\0: y\n" AGE;
    static const char at_end[] = HEAD MX "max_age: 1\0";
    struct sts_policy *policy;
    char err[128];

    (void)state;
    assert_int_equal(parse(in_value, sizeof(in_value) - 1, &policy, err), -EBADMSG);
    assert_int_equal(parse(in_key, sizeof(in_key) - 1, &policy, err), -EBADMSG);
    assert_int_equal(parse(at_end, sizeof(at_end) - 1, &policy, err), -EBADMSG);
}

static void lines(void **state)
{
    static const char body[] = "version: STSv1 \r\nmode: enforce\r\nmx:\tMX.example.org\r\n"
                               "note: \xc3\xa4 {b}\r\nmax_age: 1";
    struct sts_policy *policy;
    char err[128];

    (void)state;
    assert_int_equal(parse(body, sizeof(body) - 1, &policy, err), 0);
    assert_string_equal(policy->lines, "version: STSv1\nmode: enforce\nmx: MX.example.org\n"
                                       "note: ?? {b}\nmax_age: 1\n");
    sts_policy_free(policy);
}

/* A file of nothing but mx: the count and the quoted lines are bounded, the policy stands. */
static void many_mx(void **state)
{
    enum { COUNT = 20000 };
    char *body = malloc(100 + COUNT * 20);
    size_t len = (size_t)sprintf(body, HEAD AGE);
    struct sts_policy *policy;
    char err[128];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        len += (size_t)sprintf(body + len, "mx: m%d.example\n", i);
    assert_int_equal(parse(body, len, &policy, err), 0);
    free(body);
    assert_int_equal(policy->mx_count, 1024);
    assert_string_equal(policy->mx[1023], "m1023.example");
    assert_true(strlen(policy->lines) <= 4096);
    assert_true(strlen(policy->lines) > 4000);
    assert_int_equal(policy->lines[strlen(policy->lines) - 1], '\n');
    sts_policy_free(policy);
}

/* Every prefix of a good file is either valid or refused with a reason; never more than that. */
static void every_prefix(void **state)
{
    static const char body[] = HEAD MX "note: \xe2\x82\xac\r\n" AGE;

    (void)state;
    for (size_t len = 0; len < sizeof(body); len++) {
        struct sts_policy *policy;
        char err[128];
        int r = parse(body, len, &policy, err);

        if (r == 0)
            sts_policy_free(policy);
        else
            assert_true(r == -EBADMSG && err[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid),           cmocka_unit_test(text_again),
        cmocka_unit_test(long_text_again), cmocka_unit_test(invalid),
        cmocka_unit_test(nul_bytes),       cmocka_unit_test(lines),
        cmocka_unit_test(many_mx),         cmocka_unit_test(every_prefix),
    };

    return cmocka_run_group_tests_name("sts_policy", tests, NULL, NULL);
}
