/* A program that was built without hiredis: no server can be configured, and it is said why. */
#include "policy/shared_server.h"
#include "store/shared.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void no_server(void **state)
{
    static const char *const servers[] = {"unix:/tmp/socket", NULL};
    static const struct shared_mac_keys keys = {.lens = {SHARED_MAC_KEY_MIN}, .count = 1};
    struct shared_config config = {.servers = servers, .keys = &keys, .max_payload = 100};
    struct event_base *base = event_base_new();
    struct shared *shared = NULL;
    struct engine_health health = {.shared = ENGINE_SHARED_CONNECTED};
    char err[200] = "";
    (void)state;

    assert_int_equal(shared_new(base, &config, &shared, err, sizeof(err)), -ENOSYS);
    assert_non_null(strstr(err, "hiredis"));
    err[0] = '\0';
    assert_int_equal(shared_server_check(servers[0], err, sizeof(err)), -ENOSYS);
    assert_non_null(strstr(err, "hiredis"));
    assert_int_equal(shared_server_try(servers[0], NULL, 1000, err, sizeof(err)),
                     ENGINE_SHARED_NOT_CONNECTED);
    /* Without one it is as ever. */
    config.servers = NULL;
    assert_int_equal(shared_new(base, &config, &shared, err, sizeof(err)), 0);
    shared_health(shared, &health);
    assert_int_equal(health.shared, ENGINE_SHARED_OFF);
    assert_null(shared_get(shared, SHARED_POLICY, "example.org", NULL, NULL));
    shared_free(shared);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_server)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
