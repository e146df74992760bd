/*
 * Rows of the shared cache without memory: each allocation of ours and of OpenSSL fails once. No
 * row is written then, none counts, and nothing is lost; a row is never rejected for what it is
 * not.
 */
#include "store/shared_policy.h"
#include "store/shared_row.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void __real_free(void *block);
void __wrap_free(void *block);

static unsigned countdown; /* 0: none fails */
static long held;          /* blocks that are not freed yet */

static bool fails(void)
{
    return countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
    void *block = fails() ? NULL : __real_malloc(size);

    held += block != NULL;
    return block;
}

void __wrap_free(void *block)
{
    held -= block != NULL;
    __real_free(block);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    void *block = fails() ? NULL : __real_malloc(size);

    (void)file;
    (void)line;
    held += block != NULL;
    return block;
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    void *block = fails() ? NULL : realloc(old, size);

    (void)file;
    (void)line;
    held += old == NULL && block != NULL;
    return block;
}

static void openssl_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

enum { NOW_S = 1764407000 };

static const struct shared_mac_keys keys = {
    .keys = {"another key of thirty-two octets", "0123456789abcdef0123456789abcdef"},
    .lens = {32, 32},
    .count = 2};
static const struct shared_mac_keys old_keys = {
    .keys = {"0123456789abcdef0123456789abcdef"}, .lens = {32}, .count = 1};
static const struct shared_mac_keys other_keys = {
    .keys = {"no key of ours, and as long....."}, .lens = {32}, .count = 1};
static const struct shared_row row = {SHARED_POLICY, NOW_S, NOW_S + 100, (const uint8_t *)"x", 1};

static int write_row(const struct shared_mac_keys *with, uint8_t **out, size_t *len)
{
    return shared_row_write(with, "example.org", &row, out, len);
}

/* Whichever of its allocations fails, the call has no row, and leaves nothing behind. */
static void no_row_is_written(void **state)
{
    long before = held;
    unsigned failed = 0;
    int result;

    (void)state;
    for (unsigned i = 1;; i++) {
        uint8_t *out = NULL;
        size_t len = 1;
        bool has_failed;

        countdown = i;
        result = write_row(&keys, &out, &len);
        has_failed = countdown == 0;
        countdown = 0;
        ERR_clear_error();
        if (!has_failed) {
            assert_int_equal(result, 0);
            free(out);
            break;
        }
        /* OpenSSL may do without some of what it asks for. */
        assert_true(result == 0 || result == -ENOMEM);
        assert_true((result == 0) == (out != NULL) && (result == 0) == (len != 0));
        failed += result == -ENOMEM;
        free(out);
    }
    assert_true(failed >= 3);
    assert_int_equal(held, before);
}

static void check_reads(const uint8_t *octets, size_t len, const struct shared_mac_keys *with,
                        enum shared_reject expected)
{
    long before = held;
    unsigned failed = 0;

    for (unsigned i = 1;; i++) {
        struct shared_row got, nothing;
        enum shared_reject result;
        bool has_failed;

        memset(&nothing, 0, sizeof(nothing));
        countdown = i;
        result = shared_row_read(with, SHARED_POLICY, "example.org", octets, len, 100, NOW_S, &got);
        has_failed = countdown == 0;
        countdown = 0;
        ERR_clear_error();
        if (!has_failed) {
            assert_int_equal(result, expected);
            break;
        }
        assert_true(result == expected || result == SHARED_REJECT_MEMORY);
        if (result != SHARED_OK)
            assert_memory_equal(&got, &nothing, sizeof(got));
        failed += result == SHARED_REJECT_MEMORY;
    }
    assert_true(failed >= 2);
    assert_int_equal(held, before);
}

static void no_row_counts(void **state)
{
    uint8_t *octets;
    size_t len;

    (void)state;
    assert_int_equal(write_row(&old_keys, &octets, &len), 0);
    check_reads(octets, len, &keys, SHARED_OK); /* by its second key */
    check_reads(octets, len, &other_keys, SHARED_REJECT_MAC);
    free(octets);
}

static void no_policy_is_written(void **state)
{
    static const struct shared_policy policy = {
        .domain = "example.org", .id = "1", .fetched_at_s = NOW_S, .body = "x", .body_len = 1};
    uint8_t *out = NULL;
    size_t len = 1;

    (void)state;
    countdown = 1;
    assert_int_equal(shared_policy_write(&policy, &out, &len), -ENOMEM);
    assert_int_equal(countdown, 0);
    assert_null(out);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_row_is_written),
        cmocka_unit_test(no_row_counts),
        cmocka_unit_test(no_policy_is_written),
    };
    uint8_t *out;
    size_t len;

    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        return 1;
    if (write_row(&keys, &out, &len) == 0) /* what OpenSSL sets up once */
        free(out);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
