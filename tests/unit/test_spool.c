/* spool.c: what goes in comes out, from memory and from a file that nobody sees. */
#include "base/spool.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MEMORY = 10000 };

static char dir[] = "/tmp/test_spool.XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static size_t files_in_dir(void)
{
    DIR *open = opendir(dir);
    size_t n = 0;

    assert_non_null(open);
    while (readdir(open) != NULL)
        n++;
    closedir(open);
    return n - 2; /* . and .. */
}

static char byte_at(uint64_t i)
{
    return (char)(i * 31 + i / 251);
}

struct reader {
    uint64_t len;
    size_t calls;
    size_t stop_after;
};

static int take(void *arg, const char *data, size_t len)
{
    struct reader *reader = arg;

    assert_true(len >= 1 && len <= SPOOL_PIECE);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], byte_at(reader->len + i));
    reader->len += len;
    reader->calls++;
    return reader->calls == reader->stop_after ? 77 : 0;
}

static struct spool *filled(uint64_t len, size_t piece)
{
    struct spool *spool = spool_new(MEMORY, dir);
    char *data = malloc(piece);

    assert_non_null(spool);
    assert_non_null(data);
    for (uint64_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? (size_t)(len - at) : piece;

        for (size_t i = 0; i < n; i++)
            data[i] = byte_at(at + i);
        assert_int_equal(spool_write(spool, data, n), 0);
    }
    free(data);
    return spool;
}

static void gives_back(void **state)
{
    static const uint64_t lens[] = {0, 1, MEMORY - 1, MEMORY, MEMORY + 1, 65535, 65536, 200001};
    static const size_t pieces[] = {1, 999, MEMORY, 65535, 300000};

    (void)state;
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
            struct spool *spool = filled(lens[i], pieces[j]);

            for (int again = 0; again < 2; again++) {
                struct reader reader = {0};

                assert_int_equal(spool_each(spool, take, &reader), 0);
                assert_int_equal(reader.len, lens[i]);
            }
            assert_int_equal(files_in_dir(), 0);
            spool_free(spool);
        }
    }
}

static void stops_when_told(void **state)
{
    struct spool *spool = filled(200001, 4096);
    struct reader reader = {.stop_after = 2};

    (void)state;
    assert_int_equal(spool_each(spool, take, &reader), 77);
    assert_int_equal(reader.calls, 2);
    spool_free(spool);
}

static int count(void *arg, const char *data, size_t len)
{
    (void)data;
    *(uint64_t *)arg += len;
    return 0;
}

static uint64_t octets_in(struct spool *spool)
{
    uint64_t octets = 0;

    assert_int_equal(spool_each(spool, count, &octets), 0);
    return octets;
}

static void no_directory(void **state)
{
    struct spool *spool = spool_new(4, "/nonexistent/directory");

    (void)state;
    assert_int_equal(spool_write(spool, "abcd", 4), 0);
    assert_int_equal(spool_write(spool, "e", 1), -ENOENT);
    assert_int_equal(octets_in(spool), 4);
    spool_free(spool);
}

static void no_files_there(void **state)
{
    struct spool *spool = spool_new(0, "/proc/self"); /* not even root can make one */

    (void)state;
    assert_int_not_equal(spool_write(spool, "a", 1), 0);
    assert_int_equal(octets_in(spool), 0);
    spool_free(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(no_directory),
        cmocka_unit_test(no_files_there),
    };

    return cmocka_run_group_tests_name("spool", tests, make_dir, remove_dir);
}
