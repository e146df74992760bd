/* The content after DATA, in pieces of every length: its end, dots, and line ends that are none. */
#include "deliver/lmtp_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/smtp_data.h"

#define LONG "0123456789012345678901234567890123456789012345678901234567890123"
#define LONGER LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG

/* `left`: what is not of the content any more; NULL: it has not ended. */
static const struct {
    const char *name;
    const char *sent;
    const char *content;
    const char *left;
} cases[] = {
    {"empty", ".\r\n", "", ""},
    {"a line", "a\r\n.\r\n", "a\r\n", ""},
    {"what follows is left", "a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"},
    {"an empty line", "\r\n.\r\n", "\r\n", ""},
    {"dot", "..\r\n.\r\n", ".\r\n", ""},
    {"dots at the begin of lines", "..a\r\n...\r\n.\r\n", ".a\r\n..\r\n", ""},
    {"a dot that was not stuffed", ".a\r\n.\r\n", "a\r\n", ""},
    {"dots inside", "a.\r\nb.c\r\n.\r\n", "a.\r\nb.c\r\n", ""},
    {"a long line", LONGER "\r\n.\r\n", LONGER "\r\n", ""},
    {"octets beyond ASCII", "\xc3\xa4\xff\x01\r\n.\r\n", "\xc3\xa4\xff\x01\r\n", ""},
    {"LF", "a\nb\r\n.\r\n", "a b\r\n", ""},
    {"CR", "a\rb\r\n.\r\n", "a b\r\n", ""},
    {"CR CR LF", "a\r\r\nb\r\n.\r\n", "a \r\nb\r\n", ""},
    {"LF CR", "a\n\rb\r\n.\r\n", "a  b\r\n", ""},
    {"a line that is LF alone", "\n\r\n.\r\n", " \r\n", ""},
    {"not the end: LF . LF", "a\n.\nb\r\n.\r\n", "a . b\r\n", ""},
    {"not the end: LF . CR LF", "a\n.\r\nb\r\n.\r\n", "a .\r\nb\r\n", ""},
    {"not the end: CR . CR", "a\r.\rb\r\n.\r\n", "a . b\r\n", ""},
    {"not the end: CR . CR LF", "a\r.\r\nb\r\n.\r\n", "a .\r\nb\r\n", ""},
    {"not the end: CR LF . LF", "a\r\n.\nb\r\n.\r\n", "a\r\n b\r\n", ""},
    {"not the end: CR LF . CR", "a\r\n.\rb\r\n.\r\n", "a\r\n b\r\n", ""},
    {"not the end: CR LF . CR .", "a\r\n.\r.\r\n.\r\n", "a\r\n .\r\n", ""},
    {"not the end: CR LF . CR CR LF", "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n \r\nb\r\n", ""},
    {"not the end: CR CR LF . CR CR LF", "a\r\r\n.\r\r\n.\r\n", "a \r\n \r\n", ""},
    {"not the end: . LF at the front", ".\nb\r\n.\r\n", " b\r\n", ""},
    {"no end: a CR may go on", "a\r\n.\r", "a\r\n", NULL},
    {"no end: LF", "a\r\n.\n", "a\r\n ", NULL},
    {"no end", "a\r\n", "a\r\n", NULL},
};

/* Takes it in pieces; returns whether it has ended. */
static bool take(const char *sent, size_t len, size_t piece, char *content, size_t *content_len,
                 size_t *used)
{
    struct lmtp_data data = {0};
    bool ended = false;

    *content_len = *used = 0;
    while (*used < len && !ended) {
        size_t given = piece < len - *used ? piece : len - *used, part, out_len;
        char *copy = malloc(given), *out = malloc(given + 1);

        memcpy(copy, sent + *used, given);
        ended = lmtp_data_piece(&data, copy, given, &part, out, &out_len);
        assert_true(part == given || ended);
        memcpy(content + *content_len, out, out_len);
        *content_len += out_len;
        *used += part;
        free(copy);
        free(out);
    }
    return ended;
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *sent = cases[i].sent, *wanted = cases[i].content;
        size_t len = strlen(sent), content_len, used;
        char content[2000];

        for (size_t piece = 1; piece <= len; piece++) {
            bool ended = take(sent, len, piece, content, &content_len, &used);

            if (ended != (cases[i].left != NULL) || content_len != strlen(wanted) ||
                memcmp(content, wanted, content_len) != 0)
                fail_msg("%s, in pieces of %zu: ended %d, `%.*s`", cases[i].name, piece, ended,
                         (int)content_len, content);
            if (ended)
                assert_string_equal(sent + used, cases[i].left);
        }
    }
}

/* What smtp_data.h sends comes back, and nothing of a content is its end. */
static void test_back(void **state)
{
    static const char letters[] = "\r\n.a\0";
    enum { LEN = 7 };

    (void)state;
    for (unsigned number = 0; number < 5 * 5 * 5 * 5 * 5 * 5 * 5; number++) {
        struct smtp_out once = {0}, twice = {0};
        struct smtp_data data;
        size_t content_len, used;
        char text[LEN], content[100];
        unsigned rest = number;

        for (size_t i = 0; i < LEN; i++, rest /= 5)
            text[i] = letters[rest % 5];
        smtp_data_init(&data);
        smtp_data_piece(&data, &once, text, LEN);
        smtp_data_end(&data, &once);
        assert_true(take(once.data + once.start, once.len, 3, content, &content_len, &used));
        assert_int_equal(used, once.len);
        smtp_data_init(&data);
        smtp_data_piece(&data, &twice, content, content_len);
        smtp_data_end(&data, &twice);
        assert_int_equal(twice.len, once.len);
        assert_memory_equal(twice.data + twice.start, once.data + once.start, once.len);
        smtp_out_fini(&once);
        smtp_out_fini(&twice);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
