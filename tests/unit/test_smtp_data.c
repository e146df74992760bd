/* Dot-stuffing and line ends of a message's content, in pieces of every length. */
#include "smtp/smtp_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    const char *content;
    const char *sent;
} cases[] = {
    {"empty", "", ".\r\n"},
    {"a line", "a\r\n", "a\r\n.\r\n"},
    {"no line end at the end", "a", "a\r\n.\r\n"},
    {"dot", ".\r\n", "..\r\n.\r\n"},
    {"dot without line end", ".", "..\r\n.\r\n"},
    {"dots at the begin of lines", ".a\r\n..\r\n", "..a\r\n...\r\n.\r\n"},
    {"dots inside", "a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n"},
    {"empty lines", "\r\n\r\n", "\r\n\r\n.\r\n"},
    {"LF", "a\nb\r\n", "a b\r\n.\r\n"},
    {"CR", "a\rb\r\n", "a b\r\n.\r\n"},
    {"CR at the end", "a\r", "a \r\n.\r\n"},
    {"LF at the end", "a\n", "a \r\n.\r\n"},
    {"LF CR", "a\n\rb", "a  b\r\n.\r\n"},
    {"CR CR LF", "a\r\r\nb\r\n", "a \r\nb\r\n.\r\n"},
    {"only CR", "\r", " \r\n.\r\n"},
    {"smuggling: LF . LF", "a\n.\nMAIL", "a . MAIL\r\n.\r\n"},
    {"smuggling: LF . CR LF", "a\n.\r\nMAIL", "a .\r\nMAIL\r\n.\r\n"},
    {"smuggling: CR . CR", "a\r.\rMAIL", "a . MAIL\r\n.\r\n"},
    {"smuggling: CR LF . LF", "a\r\n.\nMAIL", "a\r\n.. MAIL\r\n.\r\n"},
    {"smuggling: CR LF . CR", "a\r\n.\rMAIL", "a\r\n.. MAIL\r\n.\r\n"},
    {"smuggling: CR LF . CR LF", "a\r\n.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n"},
    {"smuggling: CR CR LF . CR LF", "a\r\r\n.\r\nMAIL", "a \r\n..\r\nMAIL\r\n.\r\n"},
    {"octets beyond ASCII", "\xc3\xa4\xff\r\n", "\xc3\xa4\xff\r\n.\r\n"},
};

/* The content in pieces, then its end. */
static void send_content(struct smtp_out *out, const char *content, size_t len, size_t piece)
{
    struct smtp_data data;

    smtp_data_init(&data);
    for (size_t at = 0; at < len; at += piece) {
        size_t given = piece < len - at ? piece : len - at;
        char *copy = malloc(given);

        memcpy(copy, content + at, given);
        smtp_data_piece(&data, out, copy, given);
        free(copy);
    }
    smtp_data_end(&data, out);
    assert_int_equal(out->error, 0);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].content), want = strlen(cases[i].sent);

        for (size_t piece = 1; piece <= len + 1; piece++) {
            struct smtp_out out = {0};

            send_content(&out, cases[i].content, len, piece);
            if (out.len != want || memcmp(out.data + out.start, cases[i].sent, want) != 0)
                fail_msg("%s, pieces of %zu: %.*s", cases[i].name, piece, (int)out.len,
                         out.data + out.start);
            smtp_out_fini(&out);
        }
    }
}

/* What a server makes of it: unstuffed lines up to the dot, which must be the very end. Another
 * way to the same rules: first the line ends, then the lines. */
static void check_by_model(const char *content, size_t len, const char *sent, size_t sent_len)
{
    char want[64], got[64];
    size_t want_len = 0, got_len = 0, at = 0;

    for (size_t i = 0; i < len; i++) {
        bool cr = content[i] == '\r' && i + 1 < len && content[i + 1] == '\n';
        bool lf = content[i] == '\n' && i > 0 && content[i - 1] == '\r';
        bool alone = (content[i] == '\r' && !cr) || (content[i] == '\n' && !lf);

        want[want_len++] = alone ? ' ' : content[i];
    }
    if (want_len > 0 && !(want_len > 1 && memcmp(want + want_len - 2, "\r\n", 2) == 0)) {
        memcpy(want + want_len, "\r\n", 2);
        want_len += 2;
    }
    for (;;) {
        const char *end = memmem(sent + at, sent_len - at, "\r\n", 2);
        size_t line;

        assert_non_null(end);
        line = (size_t)(end - sent) - at;
        assert_null(memchr(sent + at, '\r', line));
        assert_null(memchr(sent + at, '\n', line));
        if (line == 1 && sent[at] == '.')
            break;
        if (line > 0 && sent[at] == '.') {
            at++;
            line--;
        }
        memcpy(got + got_len, sent + at, line + 2);
        got_len += line + 2;
        at += line + 2;
    }
    assert_int_equal(at + 3, sent_len);
    assert_int_equal(got_len, want_len);
    assert_memory_equal(got, want, want_len);
}

/* Every text of up to eight of these octets, in pieces of every length. */
static void test_every_short_text(void **state)
{
    static const char alphabet[] = {'a', '.', '\r', '\n'};
    enum { MAX_LEN = 8 };

    (void)state;
    for (unsigned len = 0; len <= MAX_LEN; len++) {
        for (unsigned number = 0; number < 1U << 2 * len; number++) {
            char content[MAX_LEN];

            for (unsigned i = 0; i < len; i++)
                content[i] = alphabet[number >> 2 * i & 3];
            for (size_t piece = 1; piece <= len; piece++) {
                struct smtp_out out = {0};

                send_content(&out, content, len, piece);
                check_by_model(content, len, out.data + out.start, out.len);
                smtp_out_fini(&out);
            }
        }
    }
}

/* Much content through a little memory, as the connection takes it. */
static void test_bounded_memory(void **state)
{
    static char piece[16384];
    struct smtp_out out = {0};
    struct smtp_data data;

    (void)state;
    memset(piece, '\r', sizeof(piece));
    smtp_data_init(&data);
    for (int i = 0; i < 200; i++) {
        smtp_data_piece(&data, &out, piece, sizeof(piece));
        smtp_out_take(&out, out.len - 100); /* never all of it */
    }
    assert_true(out.room <= 4 * sizeof(piece));
    smtp_data_end(&data, &out);
    assert_int_equal(smtp_out_end(&out), 200 * sizeof(piece) + strlen("\r\n.\r\n"));
    smtp_out_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_every_short_text),
        cmocka_unit_test(test_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
