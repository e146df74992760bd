/*
 * The configuration when memory runs out, at each allocation in turn: -ENOMEM, nothing else,
 * nothing lost. The linker puts __wrap_X in the place of X. An allocation is one of the arena's,
 * whether or not it takes a block of memory for it.
 */
#include "config/config.h"
#include "policy/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static long allocations_left = -1; /* negative: no end */

static bool has_memory(void)
{
    if (allocations_left == 0)
        return false;
    if (allocations_left > 0)
        allocations_left--;
    return true;
}

/* The linker's names. */
/* NOLINTBEGIN */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_arena_zalloc(struct arena *arena, size_t len);
void *__wrap_arena_zalloc(struct arena *arena, size_t len);
char *__real_arena_string(struct arena *arena, const char *s);
char *__wrap_arena_string(struct arena *arena, const char *s);
char *__real_arena_string_part(struct arena *arena, const char *s, size_t len);
char *__wrap_arena_string_part(struct arena *arena, const char *s, size_t len);
void *__real_arena_grow(struct arena *arena, void *array, size_t count, size_t size);
void *__wrap_arena_grow(struct arena *arena, void *array, size_t count, size_t size);
/* NOLINTEND */

void *__wrap_calloc(size_t count, size_t size)
{
    return has_memory() ? __real_calloc(count, size) : NULL;
}

void *__wrap_arena_zalloc(struct arena *arena, size_t len)
{
    return has_memory() ? __real_arena_zalloc(arena, len) : NULL;
}

char *__wrap_arena_string(struct arena *arena, const char *s)
{
    return has_memory() ? __real_arena_string(arena, s) : NULL;
}

char *__wrap_arena_string_part(struct arena *arena, const char *s, size_t len)
{
    return has_memory() ? __real_arena_string_part(arena, s, len) : NULL;
}

void *__wrap_arena_grow(struct arena *arena, void *array, size_t count, size_t size)
{
    return has_memory() ? __real_arena_grow(arena, array, count, size) : NULL;
}

static const char text[] =
    "[milter]\nsocket = unix:/a\nmydomain = example.org\nmy_mx_names = a.example b.example "
    "c.example\n"
    "trusted_clients = 10.0.0.0/8 192.0.2.0/24 ::1\nlocal_mailers = local, lmtp\n"
    "[dns]\nresolvers = 127.0.0.1 ::1\n[mta_sts]\nca_file = /a\n[cache]\nstore = sqlite:/a\n"
    "[socketmap]\nlisten = unix:/b inet:127.0.0.1:8461\n[metrics]\nlisten = inet:[::1]:9000\n"
    "[deliver]\nsource = ::1 192.0.2.1\nticket_key = /k\naudit_template = $relay\n"
    "helo_name = a.example\n[tlsrpt]\nsocket = unix:/t\n"
    "[deliver a]\nlisten = unix:/d\nnexthop = [a]:26\n[deliver b]\nlisten = inet:[::1]:24\n"
    "[deliver c]\nlisten = inet:127.0.0.1:24\n"
    "[route a]\ncan = dane\n[route b]\n[route c]\n[route d]\n"
    "[default]\nroute = a\n"
    "[rule a]\nclient = 10.0.0.1, local, mx.example, .example\nauthenticated = alice\n"
    "sender = a@example.org, <>\nheader = A: b\nrequest = require\n"
    "[rule b]\nnexthop = example.net\ntls_policy = skip\n[rule c]\nroute = b\n"
    "[rule d]\nlevel = enforce\nsource = ::1\nhelo_name = d.example\n[rule e]\nlevel = disable\n";

static void on_error(void *arg, const char *message)
{
    (void)arg;
    fail_msg("%s", message);
}

static void test_out_of_memory(void **state)
{
    char path[] = "/tmp/test_config_memory.XXXXXX";
    int fd = mkstemp(path), status;
    long n = -1;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    do {
        struct config *config = NULL;

        allocations_left = ++n;
        status = config_load(path, "mail.example.org", on_error, NULL, NULL, &config);
        allocations_left = -1;
        if (status == 0) {
            assert_int_equal(config->rule_count, 5);
            assert_int_equal(config->route_count, 5);
            assert_int_equal(config->deliver.socket_count, 3);
            config_unref(config);
        } else {
            assert_int_equal(status, -ENOMEM);
            assert_null(config);
        }
    } while (status != 0);
    unlink(path);
    assert_true(n > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_out_of_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
