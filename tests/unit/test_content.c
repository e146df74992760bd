/* content.c: written once, read at any position by several, from memory and from a file. */
#include "deliver/content.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMORY = 10000 };

static char octet_at(uint64_t i)
{
    return (char)(i * 31 + i / 251);
}

static void fill(struct content *content, size_t len)
{
    char piece[777];

    for (size_t at = 0; at < len; at += sizeof(piece)) {
        size_t part = len - at < sizeof(piece) ? len - at : sizeof(piece);

        for (size_t i = 0; i < part; i++)
            piece[i] = octet_at(at + i);
        assert_int_equal(content_write(content, piece, part), 0);
    }
}

static void test_read(void **state)
{
    static const size_t lengths[] = {0, 1, MEMORY - 1, MEMORY, MEMORY + 1, 50 * MEMORY};

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct content *content = content_new("/tmp", MEMORY);
        uint64_t at[2] = {0, 0};
        char piece[999];
        size_t len;

        fill(content, lengths[i]);
        assert_int_equal(content_size(content), lengths[i]);
        content_unref(content_ref(content));
        /* Two readers, in turn. */
        do {
            for (size_t reader = 0; reader < 2; reader++) {
                size_t size = reader == 0 ? sizeof(piece) : 501;

                assert_int_equal(content_read(content, at[reader], piece, size, &len), 0);
                for (size_t j = 0; j < len; j++)
                    assert_int_equal(piece[j], octet_at(at[reader] + j));
                at[reader] += len;
            }
        } while (len > 0);
        assert_int_equal(at[0], lengths[i]);
        assert_int_equal(at[1], lengths[i]);
        assert_int_equal(content_read(content, UINT64_MAX, piece, sizeof(piece), &len), 0);
        assert_int_equal(len, 0);
        content_unref(content);
    }
}

static void test_no_directory(void **state)
{
    struct content *content = content_new("/nonexistent", 10);

    (void)state;
    assert_int_equal(content_write(content, "0123456789", 10), 0);
    assert_int_equal(content_write(content, "a", 1), -ENOENT);
    content_unref(content);
    content_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_no_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
