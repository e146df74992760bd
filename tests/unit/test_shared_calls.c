/*
 * The client of the shared cache, and when it may be called: within callbacks, with requests open,
 * while it is configured anew; a server to be tried by the set-up check; an allocation that fails.
 */
#include "policy/shared_server.h"
#include "redis_server.h"
#include "shared_client.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *s);

static unsigned countdown; /* 0: none fails */
static unsigned failed;

static bool fails(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    failed++;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static const char DOMAIN[] = "example.org";
static const char TEXT[] = "a policy";

static void begin(struct redis_server *server, struct shared_client *client)
{
    redis_server_start(server, "0", NULL);
    shared_client_start(client, NULL, server->url, NULL);
    shared_client_await(client, ENGINE_SHARED_CONNECTED);
    shared_client_put(client, DOMAIN, TEXT);
    assert_string_equal(shared_client_get(client, DOMAIN), TEXT);
}

static void end(struct redis_server *server, struct shared_client *client)
{
    shared_client_end(client);
    redis_server_end(server);
}

static void dropped_is_not_called(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked asked = {.calls = 0};
    (void)state;

    begin(&server, &client);
    shared_client_ask(&client, &asked, DOMAIN);
    shared_drop(asked.request);
    shared_client_turn(&client, 50);
    assert_int_equal(asked.calls, 0);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_FOUND), 2);
    redis_server_signal(&server, SIGSTOP);
    shared_client_ask(&client, &asked, DOMAIN);
    shared_drop(asked.request);
    shared_client_turn(&client, CLIENT_TIMEOUT_MS + 50);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_LATE), 1);
    redis_server_signal(&server, SIGCONT);
    shared_client_turn(&client, 50);
    assert_int_equal(asked.calls, 0);
    end(&server, &client);
}

/* Freed with requests sent, in time and late, and not sent. */
static void freed_with_requests_open(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked late = {.calls = 0}, asked = {.calls = 0};
    (void)state;

    begin(&server, &client);
    redis_server_signal(&server, SIGSTOP);
    shared_client_ask(&client, &late, DOMAIN);
    shared_client_turn(&client, CLIENT_TIMEOUT_MS - 100);
    shared_client_ask(&client, &asked, DOMAIN);
    shared_client_turn(&client, 150);
    assert_int_equal(late.calls, 1);
    end(&server, &client);
    assert_int_equal(asked.calls, 0);
    redis_server_start(&server, "0", NULL);
    shared_client_start(&client, NULL, server.url, NULL);
    shared_client_ask(&client, &asked, DOMAIN);
    assert_non_null(asked.request);
    end(&server, &client);
    assert_int_equal(asked.calls, 0);
}

struct nested {
    struct shared_client *client;
    struct shared_request *other; /* is dropped */
    struct asked asked;
    unsigned calls;
};

static enum shared_reject on_nested(const struct shared_row *row, void *arg)
{
    struct nested *nested = arg;

    nested->calls++;
    shared_drop(nested->other);
    shared_client_put(nested->client, "other.example", "other");
    shared_client_ask(nested->client, &nested->asked, "other.example");
    return row != NULL ? SHARED_OK : SHARED_REJECT_CONTENT;
}

static void calls_within_a_callback(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct nested nested = {.client = &client};
    struct asked other = {.calls = 0};
    (void)state;

    begin(&server, &client);
    assert_non_null(shared_get(client.shared, SHARED_POLICY, DOMAIN, on_nested, &nested));
    shared_client_ask(&client, &other, DOMAIN);
    nested.other = other.request;
    shared_client_turn(&client, 60);
    assert_int_equal(nested.calls, 1);
    assert_int_equal(other.calls, 0);
    assert_true(nested.asked.found);
    assert_string_equal(nested.asked.payload, "other");
    /* Called as the connection ends, when there is none to ask by. */
    redis_server_signal(&server, SIGSTOP);
    assert_non_null(shared_get(client.shared, SHARED_POLICY, DOMAIN, on_nested, &nested));
    shared_client_ask(&client, &other, DOMAIN);
    nested.other = other.request;
    redis_server_kill(&server);
    shared_client_turn(&client, 60);
    assert_int_equal(nested.calls, 2);
    assert_null(nested.asked.request);
    end(&server, &client);
}

static void configured_anew(void **state)
{
    struct redis_server one, other;
    struct shared_client client;
    struct asked asked = {.calls = 0};
    char err[200] = "";
    (void)state;

    redis_server_start(&other, "0", "s3cret");
    begin(&one, &client);
    /* The same: nothing happens. */
    assert_int_equal(shared_reconfigure(client.shared, &client.config, err, sizeof(err)), 0);
    assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    assert_int_equal(client.lines, 1);
    /* One that is none: nothing happens either. */
    client.servers[1] = "redis://";
    assert_int_equal(shared_reconfigure(client.shared, &client.config, err, sizeof(err)), -EINVAL);
    assert_non_null(strstr(err, "server 2"));
    client.servers[1] = NULL;
    client.config.keys = NULL;
    assert_int_equal(shared_reconfigure(client.shared, &client.config, err, sizeof(err)), -EINVAL);
    client.config.keys = &client.keys;
    assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    /* Another key: a row of before is none. */
    client.keys.keys[0][0]++;
    assert_int_equal(shared_reconfigure(client.shared, &client.config, err, sizeof(err)), 0);
    assert_null(shared_client_get(&client, DOMAIN));
    assert_int_equal(shared_client_rejected(&client, SHARED_REJECT_MAC), 1);
    /* Another server: what is open ends, but not within the call. */
    shared_client_ask(&client, &asked, DOMAIN);
    client.servers[0] = other.url;
    client.config.password = "s3cret";
    assert_int_equal(shared_reconfigure(client.shared, &client.config, err, sizeof(err)), 0);
    assert_int_equal(asked.calls, 0);
    shared_client_turn(&client, 20);
    assert_int_equal(asked.calls, 1);
    assert_false(asked.found);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    shared_client_put(&client, DOMAIN, "another");
    assert_string_equal(shared_client_get(&client, DOMAIN), "another");
    /* None. */
    client.servers[0] = NULL;
    assert_int_equal(shared_reconfigure(client.shared, &client.config, err, sizeof(err)), 0);
    shared_client_await(&client, ENGINE_SHARED_OFF);
    assert_null(shared_client_get(&client, DOMAIN));
    shared_client_put(&client, DOMAIN, TEXT);
    assert_int_equal(shared_client_delete(&client, DOMAIN), -1);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_DOWN), 1);
    end(&one, &client);
    redis_server_end(&other);
}

static void names_without_a_key(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked asked = {.calls = 0};
    (void)state;

    begin(&server, &client);
    shared_client_ask(&client, &asked, "");
    assert_null(asked.request);
    shared_client_ask(&client, &asked, "a\r\nb");
    assert_null(asked.request);
    assert_int_equal(shared_client_delete(&client, ""), -1);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_FAILED), 2);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_NOT_WRITTEN), 1);
    end(&server, &client);
}

static void tried_for_the_setup_check(void **state)
{
    struct redis_server server;
    char why[200];
    (void)state;

    redis_server_start(&server, "0", "s3cret");
    assert_int_equal(shared_server_try(server.url, "s3cret", 5000, why, sizeof(why)),
                     ENGINE_SHARED_CONNECTED);
    assert_string_equal(why, "");
    assert_int_equal(shared_server_try(server.url, "wrong", 5000, why, sizeof(why)),
                     ENGINE_SHARED_NOT_CONNECTED);
    assert_non_null(strstr(why, "does not accept the password"));
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    assert_int_equal(shared_server_try(server.url, "s3cret", 5000, why, sizeof(why)),
                     ENGINE_SHARED_READ_ONLY);
    assert_non_null(strstr(why, "OOM"));
    redis_server_signal(&server, SIGSTOP);
    assert_int_equal(shared_server_try(server.url, "s3cret", 100, why, sizeof(why)),
                     ENGINE_SHARED_NOT_CONNECTED);
    assert_non_null(strstr(why, "does not answer"));
    redis_server_kill(&server);
    assert_int_equal(shared_server_try(server.url, "s3cret", 5000, why, sizeof(why)),
                     ENGINE_SHARED_NOT_CONNECTED);
    assert_non_null(strstr(why, "Connection refused"));
    assert_int_equal(shared_server_try("redis://", NULL, 5000, why, sizeof(why)),
                     ENGINE_SHARED_NOT_CONNECTED);
    redis_server_end(&server);
}

/* Each allocation of ours fails once: a call fails, and the next is as ever. */
static void out_of_memory(void **state)
{
    struct redis_server server;
    struct shared_client client;
    char err[200] = "";
    unsigned tries = 0;
    (void)state;

    begin(&server, &client);
    for (bool done = false; !done; tries++) {
        struct shared *shared = NULL;
        struct shared_config config = client.config;
        int error;

        config.password = "";
        countdown = tries + 1;
        error = shared_new(client.base, &config, &shared, err, sizeof(err));
        done = countdown != 0;
        countdown = 0;
        assert_true(error == 0 || error == -ENOMEM);
        if (error == 0)
            shared_free(shared);
    }
    assert_true(tries > 5);
    tries = 0;
    for (bool done = false; !done; tries++) {
        struct asked asked = {.calls = 0};

        countdown = tries + 1;
        shared_client_put(&client, DOMAIN, TEXT);
        shared_client_ask(&client, &asked, DOMAIN);
        shared_client_turn(&client, 20);
        done = countdown != 0;
        countdown = 0;
        assert_int_equal(asked.calls, asked.request != NULL ? 1 : 0);
        shared_client_await(&client, ENGINE_SHARED_CONNECTED);
        assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    }
    assert_true(tries > 3);
    end(&server, &client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropped_is_not_called),   cmocka_unit_test(freed_with_requests_open),
        cmocka_unit_test(calls_within_a_callback), cmocka_unit_test(configured_anew),
        cmocka_unit_test(names_without_a_key),     cmocka_unit_test(tried_for_the_setup_check),
        cmocka_unit_test(out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
