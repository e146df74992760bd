/*
 * The client of the shared cache with Redis servers as Debian packages them: what one host writes
 * another has, and whatever becomes of a server costs a question no more than its time. Servers
 * that answer nonsense: test_shared_scripted.c.
 */
#include "policy/clock.h"
#include "redis_server.h"
#include "shared_client.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char DOMAIN[] = "example.org";
static const char TEXT[] = "a policy";

/* Puts a row and sees it there. */
static void put_and_get(struct shared_client *client, const char *name, const char *payload)
{
    const char *got;

    shared_client_put(client, name, payload);
    got = shared_client_get(client, name);
    assert_non_null(got);
    assert_string_equal(got, payload);
}

static void one_writes_another_reads(void **state)
{
    struct redis_server server;
    struct shared_client one, other;
    (void)state;

    redis_server_start(&server, "0", NULL);
    shared_client_start(&one, NULL, server.url, NULL);
    shared_client_start(&other, NULL, server.url, NULL);
    shared_client_await(&one, ENGINE_SHARED_CONNECTED);
    shared_client_await(&other, ENGINE_SHARED_CONNECTED);
    assert_string_equal(shared_client_server(&one), server.url);
    assert_string_equal(shared_client_failure(&one), "");
    assert_null(shared_client_get(&other, DOMAIN));
    put_and_get(&one, DOMAIN, TEXT);
    assert_string_equal(shared_client_get(&other, DOMAIN), TEXT);
    assert_int_equal(shared_client_result(&other, ENGINE_SHARED_MISSING), 1);
    assert_int_equal(shared_client_result(&other, ENGINE_SHARED_FOUND), 1);
    assert_int_equal(shared_client_result(&one, ENGINE_SHARED_WRITTEN), 1);
    assert_int_equal(shared_client_delete(&other, DOMAIN), 1);
    assert_null(shared_client_get(&one, DOMAIN));
    assert_int_equal(one.lines, 1);
    shared_client_end(&one);
    shared_client_end(&other);
    redis_server_end(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_writes_another_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
