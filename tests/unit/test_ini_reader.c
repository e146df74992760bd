/*
 * The reader of ini files: a transcript of what it hands over for each text, line numbers included,
 * among them the texts that libinih alone would cut, join or skip.
 */
#include "config/ini_reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct transcript {
    char text[8192];
    size_t len;
};

static void add(struct transcript *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct transcript *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    t->len += (size_t)vsnprintf(t->text + t->len, sizeof(t->text) - t->len, format, args);
    va_end(args);
    assert_true(t->len < sizeof(t->text));
}

/* The section [bad] is one that the callee does not know. */
static bool on_section(void *arg, const char *section, unsigned line)
{
    add(arg, "%u [%s]\n", line, section);
    return strcmp(section, "bad") != 0;
}

static void on_value(void *arg, const char *key, const char *value, bool continued, unsigned line)
{
    if (continued)
        add(arg, "%u + <%s>\n", line, value);
    else
        add(arg, "%u %s = <%s>\n", line, key, value);
}

static void on_error(void *arg, unsigned line, const char *message)
{
    add(arg, "%u error: %s\n", line, message);
}

static int parse(const char *text, size_t len, struct transcript *t)
{
    const struct ini_reader_events events = {on_section, on_value, on_error, t};
    /* fmemopen refuses an empty buffer. */
    FILE *stream = len > 0 ? fmemopen((void *)(uintptr_t)text, len, "r") : fopen("/dev/null", "re");
    int status;

    assert_non_null(stream);
    t->len = 0;
    t->text[0] = '\0';
    status = ini_reader_parse(stream, &events);
    fclose(stream);
    return status;
}

static const struct {
    const char *name;
    const char *text;
    int status;
    const char *transcript;
} cases[] = {
    {"empty file", "", 0, ""},
    {"only comments", "# a\n; b\n   # c\n\n \t\n", 0, ""},
    {"values", "[a]\nk = v\nl=w\nm =\n", 0, "1 [a]\n2 k = <v>\n3 l = <w>\n4 m = <>\n"},
    {"no newline at the end", "[a]\nk = v", 0, "1 [a]\n2 k = <v>\n"},
    {"section at the end", "[a]", 0, "1 [a]\n"},
    {"empty sections are said", "[a]\n[bad]\n[c]\n", 0, "1 [a]\n2 [bad]\n3 [c]\n"},
    {"CRLF", "[a]\r\nk = v\r\n", 0, "1 [a]\n2 k = <v>\n"},
    {"blanks around all", "[a] \t\nk \t=\t v w \t\n", 0, "1 [a]\n2 k = <v w>\n"},
    {"blanks inside a section stay", "[a  b]\n", 0, "1 [a  b]\n"},
    {"lines are counted over comments", "# x\n\n[a]\n# y\nk = v\n", 0, "3 [a]\n5 k = <v>\n"},
    {"continued", "[a]\nk = v\n  w\n\n\tx\n", 0, "1 [a]\n2 k = <v>\n3 + <w>\n5 + <x>\n"},
    {"a comment does not end a continuation", "[a]\nk = v\n  # no\n  w\n", 0,
     "1 [a]\n2 k = <v>\n4 + <w>\n"},
    {"a key ends a continuation", "[a]\nk = v\nl = w\n  x\n", 0,
     "1 [a]\n2 k = <v>\n3 l = <w>\n4 + <x>\n"},
    {"a continuation may look like a key", "[a]\nk = v\n  l = w\n", 0,
     "1 [a]\n2 k = <v>\n3 + <l = w>\n"},
    {"nothing to continue after a section", "[a]\nk = v\n[b]\n  w\n", -EINVAL,
     "1 [a]\n2 k = <v>\n3 [b]\n"
     "4 error: an indented line continues a key, and there is none above it\n"},
    {"nothing to continue after an error", "[a]\nk = v\nl\n  w\n", -EINVAL,
     "1 [a]\n2 k = <v>\n3 error: neither [section] nor key = value\n"
     "4 error: an indented line continues a key, and there is none above it\n"},
    {"an indented section is none", "[a]\n  [b]\nk = v\n", -EINVAL,
     "1 [a]\n2 error: an indented line continues a key, and there is none above it\n"
     "3 k = <v>\n"},
    {"keys of an unknown section are left out", "[bad]\nk = v\n  w\n[a]\nl = x\n", 0,
     "1 [bad]\n4 [a]\n5 l = <x>\n"},
    {"section twice", "[a]\nk = v\n[b]\n[a]\nl = w\n", -EINVAL,
     "1 [a]\n2 k = <v>\n3 [b]\n4 error: section [a] is given twice\n"},
    {"section twice, once in capitals", "[a]\n[A]\n", -EINVAL,
     "1 [a]\n2 error: section [A] is given twice\n"},
    {"unknown section twice", "[bad]\n[bad]\n", -EINVAL,
     "1 [bad]\n2 error: section [bad] is given twice\n"},
    {"section without an end", "[a\nk = v\n", -EINVAL,
     "1 error: a section is [name] on a line of its own\n"},
    {"comment after a section", "[a] # x\n", -EINVAL,
     "1 error: a section is [name] on a line of its own\n"},
    {"empty name", "[]\n", 0, "1 []\n"},
    {"semicolon as part of a value", "[a]\nk = v;w\nl =;x\n", 0,
     "1 [a]\n2 k = <v;w>\n3 l = <;x>\n"},
    {"semicolon after a blank", "[a]\nk = v ;w\n", -EINVAL,
     "1 [a]\n2 error: ';' after a blank would cut the value off; comments start a line\n"},
    {"semicolon after a tab, continued", "[a]\nk = v\n  w\t; x\n", -EINVAL,
     "1 [a]\n2 k = <v>\n"
     "3 error: ';' after a blank would cut the value off; comments start a line\n"},
    {"hash after a blank stays", "[a]\nk = v # w\n", 0, "1 [a]\n2 k = <v # w>\n"},
    {"equals sign in a value", "[a]\nk = a=b\n", 0, "1 [a]\n2 k = <a=b>\n"},
    {"colon in a value", "[a]\nk = unix:/x\n", 0, "1 [a]\n2 k = <unix:/x>\n"},
    {"colon for equals", "[a]\nk: v\n", -EINVAL,
     "1 [a]\n2 error: neither [section] nor key = value\n"},
    {"quotes stay", "[a]\nk = \"v\"\n", 0, "1 [a]\n2 k = <\"v\">\n"},
    {"UTF-8 passes", "[a]\nk = b\xc3\xbc\n", 0, "1 [a]\n2 k = <b\xc3\xbc>\n"},
    {"before any section", "k = v\n  w\n[a]\n", -EINVAL,
     "1 error: a key before the first [section]\n2 error: a key before the first [section]\n"
     "3 [a]\n"},
    {"byte order mark", "\xef\xbb\xbf[a]\nk = v\n", -EINVAL,
     "1 error: the file begins with a byte order mark; save it as plain UTF-8\n"
     "2 error: a key before the first [section]\n"},
    {"form feed", "[a]\n\fk = v\n", -EINVAL,
     "1 [a]\n2 error: control character 0x0c in column 1\n"},
    {"delete", "[a]\nk = \x7f\n", -EINVAL, "1 [a]\n2 error: control character 0x7f in column 5\n"},
};

static void test_transcripts(void **state)
{
    struct transcript t;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = parse(cases[i].text, strlen(cases[i].text), &t);

        if (status != cases[i].status || strcmp(t.text, cases[i].transcript) != 0)
            print_error("%s: status %d, got\n%s", cases[i].name, status, t.text);
        assert_int_equal(status, cases[i].status);
        assert_string_equal(t.text, cases[i].transcript);
    }
}

static void test_zero_octets(void **state)
{
    static const char text[] = "[a]\nk = v\0w\n\0\nl = x\n";
    struct transcript t;

    (void)state;
    assert_int_equal(parse(text, sizeof(text) - 1, &t), -EINVAL);
    assert_string_equal(t.text, "1 [a]\n2 error: control character 0x00 in column 6\n"
                                "3 error: control character 0x00 in column 1\n4 l = <x>\n");
}

/* Lines around inih's own limit of 200 and around ours, each with a value that shows its end. */
static void test_line_lengths(void **state)
{
    static const size_t lens[] = {198,
                                  199,
                                  200,
                                  201,
                                  400,
                                  INI_READER_LINE_MAX - 1,
                                  INI_READER_LINE_MAX,
                                  INI_READER_LINE_MAX + 1,
                                  INI_READER_LINE_MAX + 2,
                                  100000};
    static char text[100100], wanted[8192];
    struct transcript t;

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        size_t len = lens[i];

        strcpy(text, "[a]\nk = ");
        memset(text + 8, 'v', len - 4);
        strcpy(text + 4 + len - 1, "!\nl = w\n");
        if (len <= INI_READER_LINE_MAX)
            snprintf(wanted, sizeof(wanted), "1 [a]\n2 k = <%.*s>\n3 l = <w>\n", (int)len - 4,
                     text + 8);
        else
            snprintf(wanted, sizeof(wanted),
                     "1 [a]\n2 error: line of %zu octets; at most 4000 are allowed\n3 l = <w>\n",
                     len);
        assert_int_equal(parse(text, strlen(text), &t), len <= INI_READER_LINE_MAX ? 0 : -EINVAL);
        assert_string_equal(t.text, wanted);
    }
}

static void test_section_lengths(void **state)
{
    char text[100], wanted[200];
    struct transcript t;

    (void)state;
    for (int len = 48; len <= 51; len++) {
        snprintf(text, sizeof(text), "[%0*d]\nk = v\n", len, 7);
        if (len <= INI_READER_SECTION_MAX)
            snprintf(wanted, sizeof(wanted), "1 [%0*d]\n2 k = <v>\n", len, 7);
        else
            snprintf(wanted, sizeof(wanted),
                     "1 error: section name of %d octets; at most 49 are allowed\n", len);
        assert_int_equal(parse(text, strlen(text), &t),
                         len <= INI_READER_SECTION_MAX ? 0 : -EINVAL);
        assert_string_equal(t.text, wanted);
    }
}

/* A device that never ends, by mistake: neither memory nor time runs out. */
static void test_endless_file(void **state)
{
    struct transcript t = {.len = 0};
    const struct ini_reader_events events = {on_section, on_value, on_error, &t};
    FILE *stream = fopen("/dev/zero", "re");

    (void)state;
    assert_non_null(stream);
    assert_int_equal(ini_reader_parse(stream, &events), -EINVAL);
    fclose(stream);
    assert_string_equal(t.text, "1 error: the file has more than 16777216 octets\n");
}

static void test_read_error(void **state)
{
    struct transcript t = {.len = 0};
    const struct ini_reader_events events = {on_section, on_value, on_error, &t};
    FILE *stream = fopen("/tmp", "re"); /* reading a directory fails */

    (void)state;
    assert_non_null(stream);
    assert_int_equal(ini_reader_parse(stream, &events), -EIO);
    fclose(stream);
    assert_string_equal(t.text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcripts),  cmocka_unit_test(test_zero_octets),
        cmocka_unit_test(test_line_lengths), cmocka_unit_test(test_section_lengths),
        cmocka_unit_test(test_endless_file), cmocka_unit_test(test_read_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
