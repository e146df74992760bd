/*
 * The client of the shared cache with servers that err, are silent, late, or answer nonsense: a
 * question ends within its time without an answer, no reply is taken for another's, and nothing
 * grows without bounds.
 */
#include "policy/clock.h"
#include "scripted_redis.h"
#include "shared_client.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char DOMAIN[] = "example.org";
static const struct script good = SCRIPT_GOOD;

struct scene {
    struct scripted_redis server;
    struct shared_client client;
};

static void begin_with(struct scene *scene, const struct script *script, const char *password)
{
    scripted_redis_start(&scene->server, script);
    shared_client_start(&scene->client, password, scene->server.url, NULL);
    scripted_redis_listen(&scene->server, scene->client.base);
}

static void end(struct scene *scene)
{
    scripted_redis_end(&scene->server);
    shared_client_end(&scene->client);
}

/* A row of the policy DOMAIN as the client would write it, as a reply. */
static size_t row_reply(struct shared_client *client, const char *payload, char *out, size_t size)
{
    const struct shared_row row = {.kind = SHARED_POLICY,
                                   .written_at_s = clock_wall_s(),
                                   .ends_at_s = clock_wall_s() + 3600,
                                   .payload = (const uint8_t *)payload,
                                   .payload_len = strlen(payload)};
    uint8_t *octets;
    size_t len, head;

    assert_int_equal(shared_row_write(&client->keys, DOMAIN, &row, &octets, &len), 0);
    head = (size_t)snprintf(out, size, "$%zu\r\n", len);
    assert_true(head + len + 2 <= size);
    memcpy(out + head, octets, len);
    memcpy(out + head + len, "\r\n", 2);
    free(octets);
    return head + len + 2;
}

struct error {
    const char *name;
    const char *reply; /* to the row that shows whether it takes rows */
    enum engine_shared_health health;
    const char *failure; /* part of it */
};

static void what_it_says_at_first(void **state)
{
    static const struct error cases[] = {
        {"loading", "-LOADING Redis is loading the dataset in memory\r\n",
         ENGINE_SHARED_NOT_CONNECTED, "LOADING"},
        {"cluster", "-MOVED 1234 192.0.2.1:6379\r\n", ENGINE_SHARED_NOT_CONNECTED, "MOVED"},
        {"cluster down", "-CLUSTERDOWN The cluster is down\r\n", ENGINE_SHARED_NOT_CONNECTED,
         "CLUSTERDOWN"},
        {"primary down", "-MASTERDOWN Link with MASTER is down\r\n", ENGINE_SHARED_NOT_CONNECTED,
         "MASTERDOWN"},
        {"protected mode", "-DENIED Redis is running in protected mode\r\n",
         ENGINE_SHARED_NOT_CONNECTED, "DENIED"},
        {"no password", "-NOAUTH Authentication required.\r\n", ENGINE_SHARED_NOT_CONNECTED,
         "asks for a password"},
        {"no word that is known", "-XYZ\r\n", ENGINE_SHARED_NOT_CONNECTED, "XYZ"},
        {"a word that begins like one", "-OOMPH x\r\n", ENGINE_SHARED_NOT_CONNECTED, "OOMPH"},
        {"an empty error", "-\r\n", ENGINE_SHARED_NOT_CONNECTED, ""},
        {"read-only", "-READONLY You can't write against a read only replica.\r\n",
         ENGINE_SHARED_READ_ONLY, "READONLY"},
        {"full", "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
         ENGINE_SHARED_READ_ONLY, "OOM"},
        {"its disk is full", "-MISCONF Errors writing to the AOF file\r\n", ENGINE_SHARED_READ_ONLY,
         "MISCONF"},
        {"too few replicas", "-NOREPLICAS Not enough good replicas to write.\r\n",
         ENGINE_SHARED_READ_ONLY, "NOREPLICAS"},
        {"a user that may not", "-NOPERM this user has no permissions\r\n", ENGINE_SHARED_READ_ONLY,
         "NOPERM"},
        {"no printable text", "-OOM \033[2J\x80\r\n", ENGINE_SHARED_READ_ONLY, "OOM ?[2J?"},
        {"another status", "+FINE\r\n", ENGINE_SHARED_NOT_CONNECTED, "no answer to the command"},
        {"a number", ":1\r\n", ENGINE_SHARED_NOT_CONNECTED, "no answer to the command"},
        {"a string", "$2\r\nOK\r\n", ENGINE_SHARED_NOT_CONNECTED, "no answer to the command"},
        {"nil", "$-1\r\n", ENGINE_SHARED_NOT_CONNECTED, "no answer to the command"},
        {"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", ENGINE_SHARED_NOT_CONNECTED,
         "no reply of Redis"},
        {"SMTP", "220 mx.example.org ESMTP\r\n", ENGINE_SHARED_NOT_CONNECTED, "no reply of Redis"},
        {"an array", "*1\r\n+OK\r\n", ENGINE_SHARED_NOT_CONNECTED, "no reply of Redis"},
        {"an array without end", "*2147483647\r\n", ENGINE_SHARED_NOT_CONNECTED,
         "no reply of Redis"},
        {"a null of RESP3", "_\r\n", ENGINE_SHARED_NOT_CONNECTED, ""},
        {"a boolean of RESP3", "#t\r\n", ENGINE_SHARED_NOT_CONNECTED, ""},
        {"two replies", "+OK\r\n+OK\r\n", ENGINE_SHARED_NOT_CONNECTED, "what was not asked"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct error *c = &cases[i];
        struct script script = good;
        struct scene scene;
        struct engine_health health = {0};

        script.check = c->reply;
        begin_with(&scene, &script, NULL);
        shared_client_turn(&scene.client, 60);
        shared_health(scene.client.shared, &health);
        if (health.shared != c->health || strstr(health.shared_failure, c->failure) == NULL)
            fail_msg("%s: %d, %s", c->name, (int)health.shared, health.shared_failure);
        end(&scene);
    }
}

struct nonsense {
    const char *name;
    const char *get;
    bool closes;
    bool is_kept; /* the connection is: it was no fault of the server's */
};

/* What it says to a question: none is an answer, and where it was nonsense it is not asked again at
 * once. */
static void what_it_says_to_a_question(void **state)
{
    static const struct nonsense cases[] = {
        {"nothing there", "$0\r\n\r\n", false, true},
        {"nil", "$-1\r\n", false, true},
        {"no row", "$3\r\nabc\r\n", false, true},
        {"something else than a string", "-WRONGTYPE Operation against a key\r\n", false, true},
        {"moved", "-MOVED 1234 192.0.2.1:6379\r\n", false, false},
        {"no such command", "-ERR unknown command\r\n", false, false},
        {"may not", "-NOPERM this user has no permissions\r\n", false, false},
        {"a status", "+OK\r\n", false, false},
        {"a number", ":5\r\n", false, false},
        {"a number that is none", ":5x\r\n", false, false},
        {"an array", "*2\r\n$1\r\na\r\n$1\r\nb\r\n", false, false},
        {"an array of many", "*1000000000\r\n", false, false},
        {"an empty array", "*0\r\n", false, false},
        {"a length below zero", "$-7\r\nabc\r\n", false, false},
        {"a length that is none", "$abc\r\n", false, false},
        {"text", "hello\r\n", false, false},
        {"NULs", "$3\r\nabc\r\n$3\r\nabc\r\n", false, false},
        {"closed in the middle", "$100\r\nabc", true, false},
        {"closed without a word", "", true, false},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct nonsense *c = &cases[i];
        struct script script = good;
        struct scene scene;
        struct asked asked = {.calls = 0};

        script.get = c->get;
        script.closes = c->closes;
        begin_with(&scene, &script, NULL);
        shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
        shared_client_ask(&scene.client, &asked, DOMAIN);
        assert_non_null(asked.request);
        shared_client_turn(&scene.client, 60);
        if (asked.calls != 1 || asked.found)
            fail_msg("%s: %u calls", c->name, asked.calls);
        shared_client_ask(&scene.client, &asked, DOMAIN);
        if ((asked.request != NULL) != c->is_kept)
            fail_msg("%s: %s", c->name, shared_client_failure(&scene.client));
        end(&scene);
    }
}

/* A server that is good until it is asked: one that comes after it has its turn, and the log does
 * not say again and again that it has come. */
static void good_until_it_is_asked(void **state)
{
    struct script bad = good;
    struct scripted_redis second;
    struct scene scene;
    int64_t began_ms;
    unsigned at_most = 1; /* a turn may take a while */
    (void)state;

    bad.get = "+OK\r\n";
    began_ms = clock_awake_ms();
    begin_with(&scene, &bad, NULL);
    while (clock_awake_ms() - began_ms < 6000) {
        struct asked asked = {.calls = 0};

        shared_client_ask(&scene.client, &asked, DOMAIN);
        shared_client_turn(&scene.client, 2);
        if (asked.request != NULL && asked.calls == 0)
            shared_drop(asked.request);
    }
    /* At 0, 1, 3, 7 s and so on. */
    for (int64_t at_ms = 0; at_ms <= clock_awake_ms() - began_ms; at_ms = 2 * at_ms + 1000)
        at_most++;
    assert_true(scene.server.accepted >= 2 && scene.server.accepted <= at_most);
    assert_int_equal(scene.client.lines, 2);
    end(&scene);

    scripted_redis_start(&second, &good);
    scripted_redis_start(&scene.server, &bad);
    shared_client_start(&scene.client, NULL, scene.server.url, second.url);
    scripted_redis_listen(&scene.server, scene.client.base);
    scripted_redis_listen(&second, scene.client.base);
    shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
    assert_null(shared_client_get(&scene.client, DOMAIN));
    shared_client_turn(&scene.client, 100);
    assert_string_equal(shared_client_server(&scene.client), second.url);
    scripted_redis_end(&second);
    end(&scene);
}

/* The reply of a question that has ended comes when another waits. */
static void late_reply(void **state)
{
    struct script script = good;
    struct scene scene;
    struct asked first = {.calls = 0}, second = {.calls = 0};
    char one[300], two[300];
    size_t one_len, two_len;
    (void)state;

    script.get = NULL;
    begin_with(&scene, &script, NULL);
    shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
    one_len = row_reply(&scene.client, "one", one, sizeof(one));
    two_len = row_reply(&scene.client, "two", two, sizeof(two));
    shared_client_ask(&scene.client, &first, DOMAIN);
    shared_client_turn(&scene.client, CLIENT_TIMEOUT_MS - 50);
    shared_client_ask(&scene.client, &second, DOMAIN);
    assert_non_null(second.request);
    shared_client_turn(&scene.client, 100);
    assert_int_equal(first.calls, 1);
    assert_false(first.found);
    assert_int_equal(second.calls, 0);
    scripted_redis_say(&scene.server, one, one_len);
    shared_client_turn(&scene.client, 30);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
    /* In pieces. */
    for (size_t i = 0; i < two_len; i += 16) {
        scripted_redis_say(&scene.server, two + i, two_len - i < 16 ? two_len - i : 16);
        shared_client_turn(&scene.client, 1);
    }
    shared_client_turn(&scene.client, 10);
    assert_int_equal(second.calls, 1);
    assert_true(second.found);
    assert_string_equal(second.payload, "two");
    assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_LATE), 1);
    assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_FOUND), 1);
    end(&scene);
}

/* Asks, and lets the server answer after the question's time. */
static void ask_late(struct scene *scene)
{
    struct asked asked = {.calls = 0};

    shared_client_ask(&scene->client, &asked, DOMAIN);
    assert_non_null(asked.request);
    shared_client_turn(&scene->client, CLIENT_TIMEOUT_MS + 100);
    assert_int_equal(asked.calls, 1);
    assert_false(asked.found);
    scripted_redis_say(&scene->server, good.get, strlen(good.get));
    shared_client_turn(&scene->client, 20);
}

static bool is_asked(struct scene *scene)
{
    struct asked asked = {.calls = 0};

    shared_client_ask(&scene->client, &asked, DOMAIN);
    if (asked.request != NULL)
        shared_drop(asked.request);
    return asked.request != NULL;
}

/* A server that answers each question, but always late: of those that come one after the other one
 * a second costs its time; when it is quick again all are answered. */
static void always_late(void **state)
{
    struct script script = good;
    struct scene scene;
    (void)state;

    script.get = NULL;
    begin_with(&scene, &script, NULL);
    shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
    for (unsigned i = 0; i < 2; i++) {
        ask_late(&scene);
        assert_false(is_asked(&scene));
        assert_false(is_asked(&scene));
        assert_int_equal(scene.server.gets, i + 1);
        assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_LATE), 3 * (i + 1));
        shared_client_turn(&scene.client, 1000);
    }
    ask_late(&scene);
    scene.server.script.get = good.get;
    assert_false(is_asked(&scene));
    shared_client_turn(&scene.client, 1000);
    for (unsigned i = 1; i <= 3; i++) {
        assert_null(shared_client_get(&scene.client, DOMAIN));
        assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_MISSING), i);
    }
    assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_LATE), 8);
    assert_int_equal(scene.server.accepted, 1);
    end(&scene);
}

/* One that has answered anything in time since is asked at once: another question, a row, or a
 * deletion, which is not held back. */
static void late_once(void **state)
{
    struct script script = good;
    struct scene scene;
    struct asked second = {.calls = 0};
    (void)state;

    script.get = NULL;
    begin_with(&scene, &script, NULL);
    shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
    assert_true(is_asked(&scene));
    shared_client_turn(&scene.client, CLIENT_TIMEOUT_MS - 150);
    shared_client_ask(&scene.client, &second, DOMAIN);
    shared_client_turn(&scene.client, 200);
    assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_LATE), 1);
    scripted_redis_say(&scene.server, good.get, strlen(good.get));
    shared_client_turn(&scene.client, 20);
    assert_false(is_asked(&scene));
    scripted_redis_say(&scene.server, good.get, strlen(good.get));
    shared_client_turn(&scene.client, 20);
    assert_int_equal(second.calls, 1);
    ask_late(&scene);
    assert_false(is_asked(&scene));
    shared_client_put(&scene.client, DOMAIN, "row");
    shared_client_turn(&scene.client, 20);
    assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_WRITTEN), 1);
    ask_late(&scene);
    assert_false(is_asked(&scene));
    assert_int_equal(shared_client_delete(&scene.client, DOMAIN), 1);
    assert_true(is_asked(&scene));
    end(&scene);
}

/* A reply that has no end: no more of it is kept than a row can have. */
static void endless_reply(void **state)
{
    static const char *const heads[] = {"$1000000000\r\n", "+", "$", ":"};
    static char octets[65536];
    (void)state;

    memset(octets, '1', sizeof(octets));
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct script script = good;
        struct scene scene;
        struct asked asked = {.calls = 0};
        size_t before = mallinfo2().uordblks;

        script.get = heads[i];
        begin_with(&scene, &script, NULL);
        shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
        shared_client_ask(&scene.client, &asked, DOMAIN);
        shared_client_turn(&scene.client, 20);
        scripted_redis_say(&scene.server, octets, sizeof(octets));
        shared_client_turn(&scene.client, 50);
        assert_int_equal(asked.calls, 1);
        assert_non_null(strstr(shared_client_failure(&scene.client), "more than was asked for"));
        assert_int_equal(scene.server.closed, 1);
        end(&scene);
        assert_true(mallinfo2().uordblks < before + sizeof(octets));
    }
}

/* Connected, but silent: it has two seconds, then the next of the list its turn. */
static void silent(void **state)
{
    struct script script = good;
    struct scripted_redis second;
    struct scene scene;
    struct asked asked = {.calls = 0};
    int64_t began_ms = clock_awake_ms();
    (void)state;

    script.check = NULL;
    scripted_redis_start(&second, &good);
    scripted_redis_start(&scene.server, &script);
    shared_client_start(&scene.client, NULL, scene.server.url, second.url);
    scripted_redis_listen(&scene.server, scene.client.base);
    scripted_redis_listen(&second, scene.client.base);
    /* It may be there in a moment: that is worth the time of a question, and no more. */
    shared_client_ask(&scene.client, &asked, DOMAIN);
    assert_non_null(asked.request);
    shared_client_turn(&scene.client, CLIENT_TIMEOUT_MS + 50);
    assert_int_equal(asked.calls, 1);
    assert_false(asked.found);
    shared_client_ask(&scene.client, &asked, DOMAIN);
    assert_null(asked.request);
    shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
    assert_true(clock_awake_ms() - began_ms >= 1990);
    assert_true(clock_awake_ms() - began_ms < 4000);
    assert_string_equal(shared_client_server(&scene.client), second.url);
    scripted_redis_end(&second);
    end(&scene);
}

/* What was asked before the server was ready is sent then. */
static void asked_before_it_is_ready(void **state)
{
    struct scene scene;
    (void)state;

    begin_with(&scene, &good, NULL);
    assert_null(shared_client_get(&scene.client, DOMAIN));
    assert_int_equal(scene.server.gets, 1);
    assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_MISSING), 1);
    assert_int_equal(shared_client_delete(&scene.client, DOMAIN), 1);
    end(&scene);
}

/* Until a server reads, rows pile up to a bound, of commands or of octets, and then are left out.
 */
static void reads_nothing(void **state)
{
    enum { PUTS = 5000, COMMANDS = 1000, UNSENT = 4 * 1024 * 1024 };
    char payload[CLIENT_MAX_PAYLOAD + 1];
    (void)state;

    memset(payload, 'x', CLIENT_MAX_PAYLOAD);
    payload[CLIENT_MAX_PAYLOAD] = '\0';
    for (int is_large = 0; is_large < 2; is_large++) {
        size_t before = mallinfo2().uordblks;
        uint64_t left_out, taken;
        struct scene scene;

        begin_with(&scene, &good, NULL);
        shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
        for (size_t i = 0; i < PUTS; i++)
            shared_client_put(&scene.client, DOMAIN, is_large ? payload : "x");
        left_out = shared_client_result(&scene.client, ENGINE_SHARED_NOT_WRITTEN);
        taken = PUTS - left_out;
        if (is_large)
            assert_true(taken <= UNSENT / CLIENT_MAX_PAYLOAD && taken > COMMANDS * 9 / 10);
        else
            assert_int_equal(taken, COMMANDS);
        assert_true(mallinfo2().uordblks < before + 2 * UNSENT);
        assert_null(shared_get(scene.client.shared, SHARED_POLICY, DOMAIN, NULL, NULL));
        shared_client_turn(&scene.client, 500);
        assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_WRITTEN), taken);
        assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_NOT_WRITTEN), left_out);
        end(&scene);
    }
}

/* A deletion that is not done in time, or not at all, is said to be none. */
static void not_deleted(void **state)
{
    struct script script = good;
    struct scene scene;
    (void)state;

    script.del = NULL;
    begin_with(&scene, &script, NULL);
    shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
    assert_int_equal(shared_client_delete(&scene.client, DOMAIN), 0);
    scripted_redis_say(&scene.server, ":1\r\n", 4);
    shared_client_turn(&scene.client, 30);
    scene.server.script.del = "-READONLY x\r\n";
    assert_int_equal(shared_client_delete(&scene.client, DOMAIN), 0);
    end(&scene);
    script.del = "-ERR x\r\n";
    begin_with(&scene, &script, NULL);
    shared_client_await(&scene.client, ENGINE_SHARED_CONNECTED);
    assert_int_equal(shared_client_delete(&scene.client, DOMAIN), 0);
    assert_int_equal(shared_client_result(&scene.client, ENGINE_SHARED_NOT_WRITTEN), 1);
    end(&scene);
}

/* The password is in nothing that is said, though the server repeats it. */
static void password_is_not_told(void **state)
{
    static const char *const auths[] = {
        "-ERR unknown command 'AUTH', with args beginning with: 's3cret'\r\n", "-s3cret s3cret\r\n",
        "-WRONGPASS s3cret\r\n", "+s3cret\r\n", "s3cret\r\n"};
    static const char *const checks[] = {"-OOM s3cret\r\n", "-s3cret\r\n", "+s3cret\r\n"};
    (void)state;

    for (size_t i = 0; i < 8; i++) {
        struct script script = good;
        struct scene scene;

        if (i < 5)
            script.auth = auths[i];
        else
            script.check = checks[i - 5];
        begin_with(&scene, &script, "s3cret");
        shared_client_turn(&scene.client, 60);
        assert_true(scene.client.lines > 0);
        assert_null(strstr(scene.client.log, "s3cret"));
        assert_null(strstr(shared_client_failure(&scene.client), "s3cret"));
        end(&scene);
    }
}

/* A long one is cut in the message that a server, by two replies to one command, passes off as one
 * to another command. */
static void no_part_of_a_long_password_is_told(void **state)
{
    struct script script = good;
    char password[201] = "", auth[300];
    struct scene scene;
    (void)state;

    for (size_t i = 0; i < 200; i++)
        password[i] = (char)('a' + i % 26);
    snprintf(auth, sizeof(auth),
             "+OK\r\n-ERR unknown command 'AUTH', with args beginning with: '%.100s'\r\n",
             password);
    script.auth = auth;
    begin_with(&scene, &script, password);
    shared_client_turn(&scene.client, 60);
    assert_true(scene.client.lines > 0);
    assert_null(strstr(scene.client.log, "abcdefgh"));
    assert_null(strstr(shared_client_failure(&scene.client), "abcdefgh"));
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_at_first),
        cmocka_unit_test(what_it_says_to_a_question),
        cmocka_unit_test(good_until_it_is_asked),
        cmocka_unit_test(late_reply),
        cmocka_unit_test(always_late),
        cmocka_unit_test(late_once),
        cmocka_unit_test(endless_reply),
        cmocka_unit_test(silent),
        cmocka_unit_test(asked_before_it_is_ready),
        cmocka_unit_test(reads_nothing),
        cmocka_unit_test(not_deleted),
        cmocka_unit_test(password_is_not_told),
        cmocka_unit_test(no_part_of_a_long_password_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
