/* Replies of SMTP servers: good, odd, broken and endless ones, in pieces of every length. */
#include "policy/smtp_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OF(literal) literal, sizeof(literal) - 1

static const struct {
    const char *name;
    const char *octets;
    size_t len;
    enum smtp_reply_status status; /* of the last call */
    int code;
    const char *enhanced;
    const char *text;
} cases[] = {
    {"one line", OF("220 mx.example ESMTP\r\n"), SMTP_REPLY_DONE, 220, "2.0.0", "mx.example ESMTP"},
    {"several lines", OF("250-a\r\n250-b\r\n250 c\r\n"), SMTP_REPLY_DONE, 250, "2.0.0", "a b c"},
    {"code alone", OF("250\r\n"), SMTP_REPLY_DONE, 250, "2.0.0", ""},
    {"code and blank", OF("250 \r\n"), SMTP_REPLY_DONE, 250, "2.0.0", ""},
    {"empty line among others", OF("550-\r\n550 no\r\n"), SMTP_REPLY_DONE, 550, "5.0.0", "no"},
    {"code alone ends lines", OF("550-no\r\n550\r\n"), SMTP_REPLY_DONE, 550, "5.0.0", "no"},
    {"LF alone ends a line", OF("250-a\n250 b\n"), SMTP_REPLY_DONE, 250, "2.0.0", "a b"},
    {"CR CR LF ends a line", OF("250-a\r\r\n250 b\r\r\r\n"), SMTP_REPLY_DONE, 250, "2.0.0", "a b"},
    {"571, which RFC 5321 does not have", OF("571 no\r\n"), SMTP_REPLY_DONE, 571, "5.0.0", "no"},
    {"354 has no class of enhanced codes", OF("354 go\r\n"), SMTP_REPLY_DONE, 354, "", "go"},
    {"nor is there one", OF("354 3.1.1 go\r\n"), SMTP_REPLY_DONE, 354, "", "3.1.1 go"},
    {"enhanced code", OF("550 5.1.1 nobody\r\n"), SMTP_REPLY_DONE, 550, "5.1.1", "nobody"},
    {"enhanced code of three digits", OF("450 4.123.999 x\r\n"), SMTP_REPLY_DONE, 450, "4.123.999",
     "x"},
    {"enhanced code of four digits is text", OF("450 4.1234.1 x\r\n"), SMTP_REPLY_DONE, 450,
     "4.0.0", "4.1234.1 x"},
    {"enhanced code alone", OF("250 2.0.0\r\n"), SMTP_REPLY_DONE, 250, "2.0.0", ""},
    {"enhanced code in each line", OF("550-5.7.1 a\r\n550 5.7.1 b\r\n"), SMTP_REPLY_DONE, 550,
     "5.7.1", "a b"},
    {"enhanced code: the first counts", OF("550-5.7.1 a\r\n550 5.7.2 b\r\n"), SMTP_REPLY_DONE, 550,
     "5.7.1", "a b"},
    {"enhanced code of another class is text", OF("550 2.1.5 ok\r\n"), SMTP_REPLY_DONE, 550,
     "5.0.0", "2.1.5 ok"},
    {"enhanced code without its end is text", OF("550 5.1.1: x\r\n"), SMTP_REPLY_DONE, 550, "5.0.0",
     "5.1.1: x"},
    {"enhanced code without a part is text", OF("550 5.1 x\r\n"), SMTP_REPLY_DONE, 550, "5.0.0",
     "5.1 x"},
    {"enhanced code with an empty part is text", OF("550 5..1 x\r\n"), SMTP_REPLY_DONE, 550,
     "5.0.0", "5..1 x"},
    {"text is made printable", OF("550 a\tb\x01\x7f\xc3\xa4\x1b[2J\r\n"), SMTP_REPLY_DONE, 550,
     "5.0.0", "a b?????[2J"},

    {"cut short", OF("250 o"), SMTP_REPLY_MORE, 0, "", ""},
    {"cut after CR", OF("250 ok\r"), SMTP_REPLY_MORE, 0, "", ""},
    {"cut after a line", OF("250-ok\r\n"), SMTP_REPLY_LINE, 250, "2.0.0", "ok"},

    {"empty line", OF("\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"two digits", OF("25\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"four digits", OF("2500 ok\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"words", OF("SSH-2.0-OpenSSH_9\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"blank first", OF(" 250 ok\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"1yz", OF("150 ok\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"6yz", OF("650 ok\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"tab behind the code", OF("250\tok\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"two codes", OF("250-ok\r\n550 no\r\n"), SMTP_REPLY_BAD, 250, "2.0.0", "ok"},
    {"second line without code", OF("250-ok\r\nok\r\n"), SMTP_REPLY_BAD, 250, "2.0.0", "ok"},
    {"NUL in the text", OF("250 o\0k\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"NUL first", OF("\0"), SMTP_REPLY_BAD, 0, "", ""},
    {"CR in the text", OF("250 o\rk\r\n"), SMTP_REPLY_BAD, 0, "", ""},
    {"CR CR in the text", OF("250 o\r\rk\r\n"), SMTP_REPLY_BAD, 0, "", ""},
};

/* Octets in pieces of `piece` until a reply ends or they do; the parser sees an exact copy. */
static enum smtp_reply_status feed(struct smtp_reply_parser *p, const char *octets, size_t len,
                                   size_t piece, size_t *left)
{
    enum smtp_reply_status status = SMTP_REPLY_MORE;

    while (len > 0 && (status == SMTP_REPLY_MORE || status == SMTP_REPLY_LINE)) {
        size_t given = piece < len ? piece : len, used = 0;
        char *copy = malloc(given);

        memcpy(copy, octets, given);
        status = smtp_reply_parse(p, copy, given, &used);
        free(copy);
        assert_true(used > 0 && used <= given);
        assert_true(status != SMTP_REPLY_MORE || used == given);
        octets += used;
        len -= used;
    }
    *left = len;
    return status;
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 1; piece <= cases[i].len; piece++) {
            struct smtp_reply_parser p = {0};
            size_t left;
            enum smtp_reply_status status = feed(&p, cases[i].octets, cases[i].len, piece, &left);

            if (status != cases[i].status || p.reply.code != cases[i].code ||
                strcmp(p.reply.enhanced, cases[i].enhanced) != 0 ||
                strcmp(p.reply.text, cases[i].text) != 0)
                fail_msg("%s, pieces of %zu: status %d, %d %s %s", cases[i].name, piece, status,
                         p.reply.code, p.reply.enhanced, p.reply.text);
            assert_int_equal(smtp_reply_begun(&p), status != SMTP_REPLY_DONE);
        }
    }
}

static void test_one_after_the_other(void **state)
{
    static const char octets[] = "550-5.7.1 a\r\n550 b\r\n250 ok\r\n";
    struct smtp_reply_parser p = {0};
    size_t left;

    (void)state;
    assert_false(smtp_reply_begun(&p));
    assert_int_equal(feed(&p, octets, sizeof(octets) - 1, 100, &left), SMTP_REPLY_DONE);
    assert_int_equal(left, strlen("250 ok\r\n"));
    assert_true(p.reply.enhanced_given);
    assert_int_equal(feed(&p, octets + sizeof(octets) - 1 - left, left, 100, &left),
                     SMTP_REPLY_DONE);
    assert_int_equal(p.reply.code, 250);
    assert_string_equal(p.reply.text, "ok");
    assert_string_equal(p.reply.enhanced, "2.0.0");
    assert_false(p.reply.enhanced_given);
}

static void test_lines_as_sent(void **state)
{
    static const char octets[] = "250-mx\r\n250-SIZE  \xff\r\n";
    struct smtp_reply_parser p = {0};
    size_t used;

    (void)state;
    assert_int_equal(smtp_reply_parse(&p, octets, sizeof(octets) - 1, &used), SMTP_REPLY_LINE);
    assert_string_equal(p.line, "mx");
    assert_int_equal(smtp_reply_parse(&p, octets + used, sizeof(octets) - 1 - used, &used),
                     SMTP_REPLY_LINE);
    assert_int_equal(p.line_len, 7);
    assert_string_equal(p.line, "SIZE  \xff");
    assert_int_equal(p.lines, 2);
}

/* `250 ` and as many x as make the line that long. */
static enum smtp_reply_status long_line(size_t len, size_t *text_len)
{
    struct smtp_reply_parser p = {0};
    char *octets = malloc(len + 2);
    enum smtp_reply_status status;
    size_t left;

    memset(octets, 'x', len);
    memcpy(octets, "250 ", 4);
    memcpy(octets + len, "\r\n", 2);
    status = feed(&p, octets, len + 2, 4096, &left);
    free(octets);
    *text_len = strlen(p.reply.text);
    return status;
}

static void test_long_line(void **state)
{
    size_t text_len;

    (void)state;
    assert_int_equal(long_line(SMTP_REPLY_LINE_MAX, &text_len), SMTP_REPLY_DONE);
    assert_int_equal(text_len, SMTP_REPLY_TEXT_MAX);
    assert_int_equal(long_line(SMTP_REPLY_LINE_MAX + 1, &text_len), SMTP_REPLY_TOO_LONG);
    assert_int_equal(long_line(100000, &text_len), SMTP_REPLY_TOO_LONG);
}

/* Lines of that length without end; how many are read. */
static unsigned endless(const char *line)
{
    struct smtp_reply_parser p = {0};
    enum smtp_reply_status status = SMTP_REPLY_LINE;
    unsigned lines = 0;
    size_t left;

    while (status == SMTP_REPLY_LINE && lines < 100000) {
        status = feed(&p, line, strlen(line), 4096, &left);
        lines++;
    }
    assert_int_equal(status, SMTP_REPLY_TOO_LONG);
    assert_true(strlen(p.reply.text) <= SMTP_REPLY_TEXT_MAX);
    return lines;
}

static void test_endless(void **state)
{
    char line[1024];

    (void)state;
    assert_int_equal(endless("220-\r\n"), SMTP_REPLY_LINES_MAX);
    memset(line, 'x', sizeof(line));
    memcpy(line, "220-", 4);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    assert_int_equal(endless(line), SMTP_REPLY_OCTETS_MAX / (sizeof(line) - 1) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_one_after_the_other),
        cmocka_unit_test(test_lines_as_sent), cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_endless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
