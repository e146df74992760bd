/*
 * The life of the delivery agent: sockets, thread, reload, drain and end, with an engine that is a
 * table. What it delivers is tests/deliver.
 */
#include "deliver/deliver.h"

#include "config_text.h"
#include "policy/clock.h"
#include "policy/engine_tlsrpt.h"
#include "table_engine.h"
#include "ticket/ticket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The table has no records of where reports go. */
int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    (void)engine;
    (void)domain;
    (void)done;
    (void)arg;
    (void)out;
    return -ENOMEM;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    (void)engine;
    (void)request;
}

struct world {
    char dir[64];
    struct config *config;
    struct engine *engine;
    struct metrics *metrics;
    struct deliver *deliver;
};

static const struct ticket_keys keys = {.keys = {{1}}, .count = 1};

static struct config *configure(const struct world *w, const char *more)
{
    char text[1000];

    snprintf(text, sizeof(text),
             "[deliver a]\nlisten = unix:%s/a\n[deliver t]\nlisten = unix:%s/t\ntickets = yes\n"
             "[deliver]\nhelo_name = mx.test\n%s",
             w->dir, w->dir, more);
    return config_from_text(text, "mail.example.org");
}

static void begin(struct world *w)
{
    char err[500];

    memset(w, 0, sizeof(*w));
    strcpy(w->dir, "/tmp/test_deliver.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->config = configure(w, "");
    w->engine = table_engine_new();
    assert_int_equal(metrics_new(&w->metrics), 0);
    if (deliver_open(w->config, &w->deliver, err, sizeof(err)) < 0)
        fail_msg("%s", err);
}

static void start(struct world *w)
{
    char err[500];

    if (deliver_start(w->deliver, w->config, &keys, w->engine, w->metrics, err, sizeof(err)) < 0)
        fail_msg("%s", err);
}

static void end(struct world *w)
{
    deliver_close(w->deliver);
    engine_free(w->engine);
    metrics_free(w->metrics);
    config_unref(w->config);
    assert_int_equal(rmdir(w->dir), 0); /* and so the socket is gone */
}

static int connect_to_socket(const struct world *w, const char *name)
{
    const struct timeval limit = {.tv_sec = 20};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", w->dir, name);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static int connect_to(const struct world *w)
{
    return connect_to_socket(w, "a");
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads so many lines; returns the last. */
static const char *hear(int fd, int lines)
{
    static char line[1000];
    size_t len = 0;

    while (lines > 0) {
        assert_true(len < sizeof(line) - 1);
        assert_int_equal(recv(fd, line + len, 1, 0), 1);
        line[++len] = '\0';
        if (line[len - 1] == '\n' && --lines > 0)
            len = 0;
    }
    return line;
}

static void expect(int fd, int lines, const char *beginning)
{
    const char *line = hear(fd, lines);

    if (strncmp(line, beginning, strlen(beginning)) != 0)
        fail_msg("`%s`, wanted `%s`", line, beginning);
}

static void expect_closed(int fd)
{
    char c;

    assert_int_equal(recv(fd, &c, 1, 0), 0);
    close(fd);
}

#define MESSAGE(domain)                                                                            \
    "LHLO c\r\nMAIL FROM:<s@a.test>\r\nRCPT TO:<r@" domain ">\r\nDATA\r\nX: y\r\n\r\n.\r\n"

static void test_none(void **state)
{
    struct config *config = config_from_text("", "mail.example.org");
    struct deliver *deliver = (struct deliver *)&config;
    char err[100];

    (void)state;
    assert_int_equal(deliver_open(config, &deliver, err, sizeof(err)), 0);
    assert_null(deliver);
    deliver_close(deliver);
    config_unref(config);
}

static void test_open_fails(void **state)
{
    struct config *config =
        config_from_text("[deliver a]\nlisten = unix:/nonexistent/a\n", "mail.example.org");
    struct deliver *deliver;
    char err[500];

    (void)state;
    assert_int_equal(deliver_open(config, &deliver, err, sizeof(err)), -ENOENT);
    assert_non_null(strstr(err, "unix:/nonexistent/a"));
    config_unref(config);
}

/* Opened and never started; and a start that fails: both are closed. */
static void test_start_fails(void **state)
{
    struct world w;
    char err[500];

    (void)state;
    begin(&w);
    end(&w);
    begin(&w);
    config_unref(w.config);
    w.config = configure(&w, "credentials = /nonexistent/file\n");
    assert_int_equal(
        deliver_start(w.deliver, w.config, &keys, w.engine, w.metrics, err, sizeof(err)), -ENOENT);
    assert_non_null(strstr(err, "/nonexistent/file"));
    end(&w);
}

/* What the engine cannot say is 451 4.4.3. */
static void test_undecided(void **state)
{
    struct world w;
    int fd;

    (void)state;
    begin(&w);
    start(&w);
    fd = connect_to(&w);
    expect(fd, 1, "220 requiretls-deliver ");
    say(fd, MESSAGE("null-x.test"));
    expect(fd, 8, "250 REQUIRETLS");
    expect(fd, 3, "354 ");
    expect(fd, 1, "451 4.4.3 ");
    close(fd);
    end(&w);
}

static void test_reload(void **state)
{
    struct config *config;
    bool accepted;
    struct world w;
    int fd, tries = 0;

    (void)state;
    begin(&w);
    config = configure(&w, "max_message = 10\n");
    deliver_reload(w.deliver, config, &keys); /* before it has started: nothing happens */
    start(&w);
    deliver_reload(w.deliver, w.config, &keys);
    deliver_reload(w.deliver, config, &keys);
    config_unref(config);
    fd = connect_to(&w);
    hear(fd, 1);
    say(fd, MESSAGE("null-x.test"));
    hear(fd, 8 + 3);
    hear(fd, 1); /* under the one or the other */
    close(fd);
    do { /* the thread sees it soon */
        fd = connect_to(&w);
        hear(fd, 1);
        say(fd, "LHLO c\r\nMAIL FROM:<s@a.test> SIZE=11\r\n");
        hear(fd, 8);
        accepted = strncmp(hear(fd, 1), "250 ", 4) == 0;
        close(fd);
    } while (accepted && tries++ < 1000);
    assert_false(accepted);
    end(&w);
}

/* What a message with a ticket of `keys` is answered. */
static const char *answer_to_ticket(const struct world *w)
{
    const struct ticket_envelope envelope = {"s@a.test", "r@null-x.test"};
    struct ticket ticket = {.queue_id = "Q1", .request = TICKET_REQUIRE, .made_at_s = time(NULL)};
    char value[TICKET_TEXT_MAX + 1];
    const char *answer;
    int fd = connect_to_socket(w, "t");

    strcpy(ticket.nexthop, "null-x.test");
    assert_int_equal(ticket_write(&ticket, &envelope, &keys, value), 0);
    hear(fd, 1);
    say(fd, "LHLO c\r\nMAIL FROM:<s@a.test>\r\nRCPT TO:<r@null-x.test>\r\nDATA\r\n");
    expect(fd, 8 + 3, "354 ");
    say(fd, TICKET_HEADER ": ");
    say(fd, value);
    say(fd, "\r\n\r\n.\r\n");
    answer = hear(fd, 1);
    close(fd);
    return answer;
}

/* The keys that it waited for hold, though a file of the configuration has gone meanwhile. */
static void test_keys_come(void **state)
{
    static const struct ticket_keys none;
    struct config *config;
    const char *answer;
    struct world w;
    int tries = 0;
    char err[500];

    (void)state;
    begin(&w);
    assert_int_equal(
        deliver_start(w.deliver, w.config, &none, w.engine, w.metrics, err, sizeof(err)), 0);
    assert_int_equal(strncmp(answer_to_ticket(&w), "451 4.3.5 ", 10), 0);
    config = configure(&w, "credentials = /nonexistent/file\n");
    deliver_reload(w.deliver, config, &keys);
    config_unref(config);
    do { /* the thread sees it soon */
        usleep(10 * 1000);
        answer = answer_to_ticket(&w);
    } while (strncmp(answer, "451 4.4.3 ", 10) != 0 && tries++ < 100);
    if (tries > 100)
        fail_msg("%s", answer);
    end(&w);
}

/* setup_timeout is all that there is, with the wait for a share of the next-hop. */
static void test_share_and_lookup(void **state)
{
    int64_t begin_ms = clock_awake_ms(), took_ms;
    struct world w;
    int first, second;

    (void)state;
    begin(&w);
    config_unref(w.config);
    w.config = configure(
        &w, "max_sessions = 4\nsetup_timeout = 4s\nconnect_timeout = 1s\n"); /* a share is one */
    start(&w);
    first = connect_to(&w);
    hear(first, 1);
    say(first, MESSAGE("never.test"));
    hear(first, 8 + 3);
    second = connect_to(&w);
    hear(second, 1);
    say(second, MESSAGE("never.test"));
    hear(second, 8 + 3);
    usleep(2000 * 1000);
    assert_int_equal(table_engine_lookups(w.engine), 1);
    close(first);
    expect(second, 1, "451 4.4.3 ");
    assert_int_equal(table_engine_lookups(w.engine), 2);
    took_ms = clock_awake_ms() - begin_ms;
    if (took_ms < 3500 || took_ms > 5500)
        fail_msg("%d ms", (int)took_ms);
    close(second);
    end(&w);
}

static int begin_message(const struct world *w)
{
    int fd = connect_to(w);

    hear(fd, 1);
    say(fd, MESSAGE("never.test"));
    hear(fd, 8 + 3);
    return fd;
}

/* A message that takes long does not make its next-hop slow for those that come when there is a
 * share left: who comes beyond it has the time to see how quick these are. */
static void test_share_beside_long(void **state)
{
    struct world w;
    int first, second, third;

    (void)state;
    begin(&w);
    config_unref(w.config);
    w.config = configure(&w, "max_sessions = 8\n"); /* a share is two */
    start(&w);
    first = begin_message(&w);
    usleep(3200 * 1000);
    second = begin_message(&w);
    third = begin_message(&w);
    usleep(300 * 1000);
    assert_int_equal(table_engine_lookups(w.engine), 2);
    close(second);
    for (int i = 0; i < 200 && table_engine_lookups(w.engine) < 3; i++)
        usleep(10 * 1000);
    assert_int_equal(table_engine_lookups(w.engine), 3);
    close(first);
    close(third);
    end(&w);
}

/* Sessions without a message end at once; one that waits for the engine ends with deliver_close. */
static void test_drain(void **state)
{
    struct world w;
    int idle, waiting;

    (void)state;
    begin(&w);
    assert_int_equal(deliver_drain(w.deliver, 1000), 0); /* not started */
    start(&w);
    idle = connect_to(&w);
    hear(idle, 1);
    waiting = connect_to(&w);
    hear(waiting, 1);
    say(waiting, MESSAGE("never.test"));
    hear(waiting, 8 + 3);
    while (table_engine_lookups(w.engine) == 0)
        usleep(1000);
    deliver_drain(w.deliver, 0);
    expect(idle, 1, "421 4.3.2 ");
    expect_closed(idle);
    assert_int_equal(deliver_drain(w.deliver, 50), 1);
    close(waiting);
    assert_int_equal(deliver_drain(w.deliver, 20000), 0);
    assert_int_equal(table_engine_held(w.engine), 0);
    end(&w);
}

static void test_close(void **state)
{
    struct world w;
    int waiting;

    (void)state;
    begin(&w);
    start(&w);
    waiting = connect_to(&w);
    hear(waiting, 1);
    say(waiting, MESSAGE("never.test"));
    hear(waiting, 8 + 3);
    end(&w);
    expect_closed(waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_open_fails),
        cmocka_unit_test(test_start_fails),
        cmocka_unit_test(test_undecided),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_keys_come),
        cmocka_unit_test(test_share_and_lookup),
        cmocka_unit_test(test_share_beside_long),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
