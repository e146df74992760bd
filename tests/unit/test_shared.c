/*
 * The client of the shared cache with Redis servers as Debian packages them: what one host writes
 * another has, and whatever becomes of a server costs a question no more than its time. Servers
 * that answer nonsense: test_shared_scripted.c.
 */
#include "policy/clock.h"
#include "redis_server.h"
#include "shared_client.h"

#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void lives_as_long_as_it_says(void **state)
{
    struct redis_server server;
    struct shared_client client;
    long left_s;
    (void)state;

    redis_server_start(&server, "0", NULL);
    shared_client_start(&client, NULL, server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, DOMAIN, TEXT);
    left_s = atol(redis_server_do(&server, "TTL requiretls:1:policy:example.org"));
    assert_true(left_s > 3500 && left_s <= 3600);
    /* What is over is not written. */
    shared_put(client.shared, SHARED_POLICY, "over.example", TEXT, strlen(TEXT), clock_wall_s());
    assert_null(shared_client_get(&client, "over.example"));
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_NOT_WRITTEN), 1);
    assert_string_equal(redis_server_do(&server, "EXISTS requiretls:1:policy:over.example"), "0");
    /* A time that no server takes is no reason to lose the connection. */
    shared_put(client.shared, SHARED_POLICY, "long.example", TEXT, strlen(TEXT), INT64_MAX);
    assert_string_equal(shared_client_get(&client, "long.example"), TEXT);
    shared_client_end(&client);
    redis_server_end(&server);
}

/* Over TCP, by address and by name, and a database of its own. */
static void by_tcp(void **state)
{
    static const char *const urls[] = {"redis://127.0.0.1:6390/3", "redis://localhost:6390/3"};
    struct redis_server server;
    struct shared_client other;
    (void)state;

    redis_server_start(&server, "6390", NULL);
    shared_client_start(&other, NULL, "redis://127.0.0.1:6390", NULL);
    shared_client_await(&other, ENGINE_SHARED_CONNECTED);
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct shared_client client;

        shared_client_start(&client, NULL, urls[i], NULL);
        shared_client_await(&client, ENGINE_SHARED_CONNECTED);
        put_and_get(&client, DOMAIN, TEXT);
        assert_null(shared_client_get(&other, DOMAIN)); /* in database 0 */
        shared_client_end(&client);
    }
    shared_client_end(&other);
    redis_server_end(&server);
}

struct refusal {
    const char *name;
    const char *password; /* of the server */
    const char *said;     /* by the client */
    const char *url;      /* NULL: the server's socket */
    const char *failure;  /* part of what is told */
};

static void not_connected(void **state)
{
    static const struct refusal cases[] = {
        {"wrong password", "right", "wrong-secret", NULL, "does not accept the password"},
        {"no password", "right", NULL, NULL, "asks for a password"},
        {"a password too many", NULL, "wrong-secret", NULL, "it wants none"},
        {"no such database", NULL, NULL, "redis://127.0.0.1:6390/9999", "DB index is out of range"},
        {"nobody there", NULL, NULL, "redis://127.0.0.1:1", "Connection refused"},
        {"no socket", NULL, NULL, "unix:/tmp/test_shared.none", "No such file"},
        {"no name", NULL, NULL, "redis://none.invalid", "its name has no address"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct refusal *c = &cases[i];
        struct redis_server server;
        struct shared_client client;

        redis_server_start(&server, "6390", c->password);
        shared_client_start(&client, c->said, c->url != NULL ? c->url : server.url, NULL);
        shared_client_turn(&client, 1300);
        if (strstr(shared_client_failure(&client), c->failure) == NULL)
            fail_msg("%s: %s", c->name, shared_client_failure(&client));
        assert_int_equal(client.lines, 1);
        assert_non_null(strstr(client.log, c->failure));
        assert_null(strstr(client.log, "secret"));
        assert_null(shared_client_get(&client, DOMAIN));
        assert_int_equal(shared_client_result(&client, ENGINE_SHARED_DOWN), 1);
        assert_int_equal(shared_client_delete(&client, DOMAIN), -1);
        shared_client_end(&client);
        redis_server_end(&server);
    }
}

static void with_a_password(void **state)
{
    struct redis_server server;
    struct shared_client client;
    (void)state;

    redis_server_start(&server, "0", "right secret");
    shared_client_start(&client, "right secret", server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, DOMAIN, TEXT);
    assert_null(strstr(client.log, "secret"));
    shared_client_end(&client);
    redis_server_end(&server);
}

/* With no more than what etc/MANY-HOSTS says that the server must allow. */
static void restricted_user(void **state)
{
    struct redis_server server;
    struct shared_client client;
    (void)state;

    redis_server_start(&server, "6390", "right secret");
    assert_string_equal(redis_server_do(&server, "ACL SETUSER default resetkeys ~requiretls:1:* "
                                                 "-@all +select +getrange +set +del"),
                        "OK");
    shared_client_start(&client, "right secret", "redis://127.0.0.1:6390/3", NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, DOMAIN, TEXT);
    assert_int_equal(shared_client_delete(&client, DOMAIN), 1);
    assert_null(shared_client_get(&client, DOMAIN));
    assert_int_equal(client.lines, 1);
    shared_client_end(&client);
    redis_server_end(&server);
}

/* While it is gone a question is answered at once; it goes and comes, once each. */
static void killed_and_started_again(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked asked = {.calls = 0};
    (void)state;

    redis_server_start(&server, "0", NULL);
    shared_client_start(&client, NULL, server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, DOMAIN, TEXT);
    redis_server_signal(&server, SIGSTOP);
    shared_client_ask(&client, &asked, DOMAIN);
    assert_non_null(asked.request);
    redis_server_kill(&server);
    shared_client_await(&client, ENGINE_SHARED_NOT_CONNECTED);
    assert_int_equal(asked.calls, 1);
    assert_false(asked.found);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_FAILED), 1);
    shared_client_turn(&client, 1500);
    shared_client_ask(&client, &asked, DOMAIN);
    assert_null(asked.request);
    shared_client_put(&client, DOMAIN, TEXT);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_NOT_WRITTEN), 1);
    assert_int_equal(client.lines, 2);
    redis_server_restart(&server);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, DOMAIN, TEXT);
    assert_int_equal(client.lines, 3);
    shared_client_end(&client);
    redis_server_end(&server);
}

/*
 * A server that is stopped: the first question takes its time, those that come then end at once.
 * When it goes on, each reply belongs to its question.
 */
static void stopped(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked first = {.calls = 0}, second = {.calls = 0};
    (void)state;

    redis_server_start(&server, "0", NULL);
    shared_client_start(&client, NULL, server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, "first.example", "first");
    put_and_get(&client, "second.example", "second");
    redis_server_signal(&server, SIGSTOP);
    shared_client_ask(&client, &first, "first.example");
    shared_client_turn(&client, CLIENT_TIMEOUT_MS + 100);
    assert_int_equal(first.calls, 1);
    assert_false(first.found);
    assert_true(first.took_ms >= CLIENT_TIMEOUT_MS - 1);
    shared_client_ask(&client, &second, "second.example");
    assert_null(second.request);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_LATE), 2);
    redis_server_signal(&server, SIGCONT);
    shared_client_turn(&client, 1000);
    assert_string_equal(shared_client_get(&client, "second.example"), "second");
    assert_string_equal(shared_client_get(&client, "first.example"), "first");
    assert_int_equal(first.calls, 1);
    assert_int_equal(client.lines, 1);
    /* For good: its connection is closed, and another is not taken for one that is in use. */
    redis_server_signal(&server, SIGSTOP);
    assert_null(shared_client_get(&client, "first.example"));
    shared_client_await(&client, ENGINE_SHARED_NOT_CONNECTED);
    shared_client_turn(&client, 4000);
    assert_non_null(strstr(shared_client_failure(&client), "it does not answer"));
    assert_int_equal(client.lines, 2);
    redis_server_signal(&server, SIGCONT);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    shared_client_end(&client);
    redis_server_end(&server);
}

/* Full: it is read, and takes rows again when it can. */
static void full(void **state)
{
    struct redis_server server;
    struct shared_client client;
    (void)state;

    redis_server_start(&server, "0", NULL);
    shared_client_start(&client, NULL, server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, DOMAIN, TEXT);
    redis_server_do(&server, "CONFIG SET maxmemory 1");
    shared_client_put(&client, "other.example", TEXT);
    shared_client_await(&client, ENGINE_SHARED_READ_ONLY);
    assert_non_null(strstr(shared_client_failure(&client), "OOM"));
    shared_client_turn(&client, 1500);
    assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    assert_null(shared_client_get(&client, "other.example"));
    assert_int_equal(shared_client_delete(&client, DOMAIN), -1);
    assert_int_equal(client.lines, 2);
    redis_server_do(&server, "CONFIG SET maxmemory 0");
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, "other.example", TEXT);
    assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    assert_int_equal(client.lines, 3);
    shared_client_end(&client);
    redis_server_end(&server);
}

static bool has_row(void *arg)
{
    return strcmp(redis_server_do(arg, "EXISTS requiretls:1:policy:example.org"), "1") == 0;
}

/* A replica leaves its turn to a server that takes rows; alone it is read. */
static void replica(void **state)
{
    struct redis_server primary, copy;
    struct shared_client client, alone;
    (void)state;

    redis_server_start(&primary, "6391", NULL);
    redis_server_start(&copy, "6392", NULL);
    shared_client_start(&client, NULL, copy.url, primary.url);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    assert_string_equal(shared_client_server(&client), copy.url);
    redis_server_do(&copy, "REPLICAOF 127.0.0.1 6391");
    shared_client_put(&client, "lost.example", TEXT);
    shared_client_turn(&client, 2500);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    assert_string_equal(shared_client_server(&client), primary.url);
    put_and_get(&client, DOMAIN, TEXT);
    shared_client_start(&alone, NULL, copy.url, NULL);
    shared_client_await(&alone, ENGINE_SHARED_READ_ONLY);
    assert_non_null(strstr(alone.log, "READONLY"));
    assert_true(shared_client_until(&alone, has_row, &copy));
    assert_string_equal(shared_client_get(&alone, DOMAIN), TEXT);
    shared_client_put(&alone, DOMAIN, "other");
    assert_int_equal(shared_client_delete(&alone, DOMAIN), -1);
    assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    assert_int_equal(alone.lines, 1);
    shared_client_end(&alone);
    shared_client_end(&client);
    redis_server_end(&copy);
    redis_server_end(&primary);
}

/* The first that is there is used; one that comes before it, as soon as it is there again. */
static void order_of_the_list(void **state)
{
    struct redis_server first, second;
    struct shared_client client;
    (void)state;

    redis_server_start(&first, "0", NULL);
    redis_server_start(&second, "0", NULL);
    redis_server_kill(&first);
    shared_client_start(&client, NULL, first.url, second.url);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    assert_string_equal(shared_client_server(&client), second.url);
    put_and_get(&client, DOMAIN, TEXT);
    redis_server_restart(&first);
    shared_client_turn(&client, 5000);
    assert_string_equal(shared_client_server(&client), first.url);
    put_and_get(&client, DOMAIN, "another");
    redis_server_kill(&first);
    shared_client_turn(&client, 500);
    assert_string_equal(shared_client_server(&client), second.url);
    assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    assert_int_equal(client.lines, 3); /* second, first, second */
    shared_client_end(&client);
    redis_server_end(&first);
    redis_server_end(&second);
}

enum { MANY = 1000 };

static bool are_all_answered(void *arg)
{
    const struct asked *asked = arg;

    for (size_t i = 0; i < MANY; i++) {
        if (asked[i].calls == 0)
            return false;
    }
    return true;
}

/* Each of many questions at once has its own answer, and one more has none. */
static void many_at_once(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked *asked = calloc(MANY + 1, sizeof(*asked));
    char name[32], text[32];
    (void)state;

    assert_non_null(asked);
    redis_server_start(&server, "0", NULL);
    shared_client_start_with(&client, 4 * CLIENT_TIMEOUT_MS, NULL, server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        snprintf(text, sizeof(text), "text %d", i);
        put_and_get(&client, name, text);
    }
    for (int i = 0; i <= MANY; i++) {
        snprintf(name, sizeof(name), "d%d.example", i);
        shared_client_ask(&client, &asked[i], name);
        assert_true((asked[i].request != NULL) == (i < MANY));
    }
    assert_true(shared_client_until(&client, are_all_answered, asked));
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "text %d", i);
        assert_int_equal(asked[i].calls, 1);
        assert_true(asked[i].found);
        assert_string_equal(asked[i].payload, text);
    }
    shared_client_end(&client);
    redis_server_end(&server);
    free(asked);
}

/* What another has put there in place of a row. */
static void rows_that_are_none(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked asked = {.says = SHARED_REJECT_CONTENT};
    char row[512], large[CLIENT_MAX_PAYLOAD + 500];
    size_t len;
    (void)state;

    redis_server_start(&server, "0", NULL);
    shared_client_start(&client, NULL, server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    put_and_get(&client, DOMAIN, TEXT);
    len = redis_server_get(&server, "requiretls:1:policy:example.org", row, sizeof(row));
    redis_server_set(&server, "requiretls:1:policy:moved.example", row, len);
    assert_null(shared_client_get(&client, "moved.example"));
    assert_int_equal(shared_client_rejected(&client, SHARED_REJECT_MAC), 1);
    redis_server_set(&server, "requiretls:1:policy:example.org", row, len - 1);
    assert_null(shared_client_get(&client, DOMAIN));
    assert_int_equal(shared_client_rejected(&client, SHARED_REJECT_TRUNCATED), 1);
    redis_server_set(&server, "requiretls:1:policy:example.org", row, len);
    assert_string_equal(shared_client_get(&client, DOMAIN), TEXT);
    memset(large, 'x', sizeof(large));
    redis_server_set(&server, "requiretls:1:policy:large.example", large, sizeof(large));
    assert_null(shared_client_get(&client, "large.example"));
    assert_int_equal(shared_client_rejected(&client, SHARED_REJECT_TOO_LARGE), 1);
    redis_server_do(&server, "RPUSH requiretls:1:policy:list.example x");
    assert_null(shared_client_get(&client, "list.example"));
    assert_int_equal(shared_client_rejected(&client, SHARED_REJECT_VERSION), 1);
    /* What the caller finds wrong with the payload is counted with the others. */
    shared_client_ask(&client, &asked, DOMAIN);
    shared_client_turn(&client, 100);
    assert_true(asked.found);
    assert_int_equal(shared_client_rejected(&client, SHARED_REJECT_CONTENT), 1);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_REJECTED), 5);
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_FOUND), 2);
    assert_int_equal(client.lines, 1); /* none of it costs the connection */
    shared_client_end(&client);
    redis_server_end(&server);
}

/* The largest payload there may be, and one octet more. */
static void largest(void **state)
{
    struct redis_server server;
    struct shared_client client;
    struct asked asked = {.calls = 0};
    char *payload = malloc(CLIENT_MAX_PAYLOAD + 2);
    (void)state;

    assert_non_null(payload);
    memset(payload, 'x', CLIENT_MAX_PAYLOAD + 1);
    redis_server_start(&server, "0", NULL);
    shared_client_start(&client, NULL, server.url, NULL);
    shared_client_await(&client, ENGINE_SHARED_CONNECTED);
    payload[CLIENT_MAX_PAYLOAD] = '\0';
    shared_client_put(&client, DOMAIN, payload);
    shared_client_ask(&client, &asked, DOMAIN);
    shared_client_turn(&client, 100);
    assert_true(asked.found);
    assert_int_equal(asked.payload_len, CLIENT_MAX_PAYLOAD);
    payload[CLIENT_MAX_PAYLOAD] = 'x';
    payload[CLIENT_MAX_PAYLOAD + 1] = '\0';
    shared_client_put(&client, "other.example", payload);
    assert_null(shared_client_get(&client, "other.example"));
    assert_int_equal(shared_client_result(&client, ENGINE_SHARED_NOT_WRITTEN), 1);
    shared_client_end(&client);
    redis_server_end(&server);
    free(payload);
}

/* The network of the test alone, with a loopback interface. */
static bool enter_namespace(void)
{
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd, result;

    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER) < 0)
        return false;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    result = ioctl(fd, SIOCSIFFLAGS, &up);
    close(fd);
    return result == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_writes_another_reads),
        cmocka_unit_test(lives_as_long_as_it_says),
        cmocka_unit_test(by_tcp),
        cmocka_unit_test(not_connected),
        cmocka_unit_test(with_a_password),
        cmocka_unit_test(restricted_user),
        cmocka_unit_test(killed_and_started_again),
        cmocka_unit_test(stopped),
        cmocka_unit_test(full),
        cmocka_unit_test(replica),
        cmocka_unit_test(order_of_the_list),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(rows_that_are_none),
        cmocka_unit_test(largest),
    };

    if (!enter_namespace()) {
        perror("a network namespace of our own");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
