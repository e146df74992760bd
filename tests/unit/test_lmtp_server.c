/*
 * The LMTP server on a socket, with an agent of the test's own: what is delivered, to whom, what
 * the client hears and when, and what ends a session.
 */
#include "deliver/lmtp_server.h"

#include "config_text.h"
#include "deliver/lmtp_conn.h"
#include "deliver/report.h"
#include "net/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *s);

static unsigned countdown; /* which allocation of the server's fails; 0: none */
static bool in_server;

static bool fails(void)
{
    return in_server && countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return fails() ? NULL : __real_realloc(at, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

/* ---- an agent that does what the test says ---- */

enum { DELIVERIES_MAX = 8, RCPTS_MAX = 8, CONTENT_MAX = 3000000 };

struct delivery {
    struct delivery_request request;
    char rcpts[200]; /* with a comma behind each */
    bool cancelled, done, stopped;
};

static struct delivery deliveries[DELIVERIES_MAX];
static size_t delivery_count;
static bool no_memory;
static const char *busy_nexthop;
static char reported[1000];

int delivery_start(struct agent *agent, const struct delivery_request *request,
                   struct delivery **out)
{
    struct delivery *delivery = &deliveries[delivery_count];

    (void)agent;
    if (no_memory)
        return -ENOMEM;
    assert_true(delivery_count++ < DELIVERIES_MAX);
    *delivery = (struct delivery){.request = *request};
    content_ref(request->content);
    for (size_t i = 0; i < request->mail->rcpt_count; i++)
        sprintf(delivery->rcpts + strlen(delivery->rcpts), "%s,", request->mail->rcpts[i].address);
    *out = delivery;
    return 0;
}

void delivery_cancel(struct delivery *delivery)
{
    assert_false(delivery->cancelled || delivery->done);
    delivery->cancelled = true;
    content_unref(delivery->request.content);
}

void delivery_stop(struct delivery *delivery)
{
    assert_false(delivery->cancelled || delivery->done);
    delivery->stopped = true;
}

bool agent_is_busy(const struct agent *agent, const struct nexthop *nexthop)
{
    (void)agent;
    return busy_nexthop != NULL && strcmp(nexthop->name, busy_nexthop) == 0;
}

void report_recipient(struct metrics *metrics, const struct report_recipient *recipient)
{
    (void)metrics;
    sprintf(reported + strlen(reported), "%s %d,", recipient->address,
            recipient->result->outcome.code);
}

/* Every recipient gets `code`, and its number in the delivery as text. */
static void finish(size_t number, int code)
{
    struct delivery *delivery = &deliveries[number];
    struct delivery_result results[RCPTS_MAX];

    assert_true(number < delivery_count && !delivery->cancelled && !delivery->done);
    delivery->done = true;
    for (size_t i = 0; i < delivery->request.mail->rcpt_count; i++) {
        results[i] = (struct delivery_result){.treatment = delivery->request.treatment};
        results[i].outcome.code = code;
        strcpy(results[i].outcome.enhanced, "0.9.9");
        results[i].outcome.enhanced[0] = (char)('0' + code / 100);
        snprintf(results[i].outcome.text, sizeof(results[i].outcome.text), "%zu", i);
    }
    in_server = true;
    delivery->request.done(results, delivery->request.mail->rcpt_count, delivery->request.arg);
    in_server = false;
    content_unref(delivery->request.content);
}

static char *content_of(size_t number, size_t *len)
{
    struct content *content = deliveries[number].request.content;
    char *text = malloc(CONTENT_MAX + 1);
    size_t part;

    for (*len = 0; *len < CONTENT_MAX; *len += part) {
        assert_int_equal(content_read(content, *len, text + *len, 60000, &part), 0);
        if (part == 0)
            break;
    }
    text[*len] = '\0';
    return text;
}

static void expect_content(size_t number, const char *wanted)
{
    size_t len;
    char *text = content_of(number, &len);

    assert_string_equal(text, wanted);
    assert_int_equal(deliveries[number].request.mail->size, len);
    free(text);
}

/* ---- the server, and clients ---- */

struct world {
    char dir[64];
    struct event_base *base;
    struct config *config;
    struct listen_set sockets[2];
    struct ticket_keys keys;
    struct metrics *metrics;
    struct lmtp_server *server;
    unsigned idle;
};

static void on_idle(void *arg)
{
    ((struct world *)arg)->idle++;
}

static struct config *configure(const struct world *w, const char *more)
{
    char text[1000];

    snprintf(text, sizeof(text),
             "[deliver a]\nlisten = unix:%s/a\n[deliver t]\nlisten = unix:%s/t\ntickets = yes\n"
             "[deliver]\nhelo_name = mx.test\n%s",
             w->dir, w->dir, more);
    return config_from_text(text, "mail.example.org");
}

static void begin(struct world *w, const char *more)
{
    char err[200];

    memset(w, 0, sizeof(*w));
    delivery_count = 0;
    no_memory = false;
    busy_nexthop = NULL;
    reported[0] = '\0';
    strcpy(w->dir, "/tmp/test_lmtp.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->base = event_base_new();
    w->config = configure(w, more);
    w->keys.count = 1;
    for (size_t i = 0; i < 2; i++) {
        if (listen_open(&w->config->deliver.sockets[i].listen, 0600, NULL, &w->sockets[i], err,
                        sizeof(err)) < 0)
            fail_msg("%s", err);
    }
    assert_int_equal(metrics_new(&w->metrics), 0);
    const struct lmtp_server_config config = {
        .base = w->base,
        .metrics = w->metrics,
        .config = w->config,
        .keys = &w->keys,
        .sockets = w->sockets,
        .socket_count = 2,
        .on_idle = on_idle,
        .arg = w,
    };
    assert_int_equal(lmtp_server_new(&config, &w->server), 0);
}

static void end(struct world *w)
{
    lmtp_server_free(w->server);
    assert_int_equal(metrics_lmtp_sessions(w->metrics), 0);
    metrics_free(w->metrics);
    for (size_t i = 0; i < 2; i++)
        listen_close(&w->sockets[i]);
    event_base_free(w->base);
    config_unref(w->config);
    assert_int_equal(rmdir(w->dir), 0);
}

static void turn(const struct world *w)
{
    in_server = true;
    for (int i = 0; i < 5; i++)
        event_base_loop(w->base, EVLOOP_NONBLOCK);
    in_server = false;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int connect_to(const struct world *w, const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", w->dir, name);
    assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    turn(w);
    return fd;
}

static void say_n(const struct world *w, int fd, const char *text, size_t len)
{
    int64_t end_ms = now_ms() + 10000;

    while (len > 0 && now_ms() < end_ms) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else {
            assert_int_equal(errno, EAGAIN);
        }
        turn(w);
    }
    assert_int_equal(len, 0);
    turn(w);
}

static void say(const struct world *w, int fd, const char *text)
{
    say_n(w, fd, text, strlen(text));
}

/* Everything that is said now; an exclamation mark at the end: the connection is closed. */
static const char *hear(const struct world *w, int fd)
{
    static char text[4000000];
    size_t len = 0;
    ssize_t n = 1;

    turn(w);
    while (n > 0) {
        n = recv(fd, text + len, sizeof(text) - len - 2, 0);
        if (n > 0)
            len += (size_t)n;
        turn(w);
    }
    if (n == 0)
        text[len++] = '!';
    text[len] = '\0';
    return text;
}

/* Waits for something to be said. */
static const char *wait_for(const struct world *w, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int64_t end_ms = now_ms() + 20000;

    while (poll(&poll_fd, 1, 10) == 0 && now_ms() < end_ms)
        turn(w);
    return hear(w, fd);
}

static int greeted(const struct world *w, const char *name)
{
    int fd = connect_to(w, name);

    assert_string_equal(hear(w, fd), "220 requiretls-deliver LMTP\r\n");
    say(w, fd, "LHLO client\r\n");
    assert_non_null(strstr(hear(w, fd), "250 REQUIRETLS\r\n"));
    return fd;
}

/* ---- tests ---- */

#define FROM "MAIL FROM:<s@a.test>\r\n"
#define TO(address) "RCPT TO:<" address ">\r\n"
#define DATA "DATA\r\nSubject: x\r\n\r\n..b\r\n.\r\n"
#define FROM_OK "250 2.1.0 ok\r\n"
#define TO_OK "250 2.1.5 ok\r\n"
#define GO "354 end with a line that is a dot alone\r\n"

static void test_message(void **state)
{
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = greeted(&w, "a");
    say(&w, fd,
        "MAIL FROM:<s@a.test> BODY=8BITMIME ENVID=e RET=FULL SMTPUTF8 REQUIRETLS SIZE=999\r\n"
        "RCPT TO:<r@b.test> NOTIFY=FAILURE ORCPT=rfc822;x\r\n" DATA);
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK GO);
    assert_int_equal(delivery_count, 1);
    const struct delivery_request *request = &deliveries[0].request;
    const struct smtp_mail *mail = request->mail;

    assert_string_equal(mail->sender, "s@a.test");
    assert_int_equal(mail->body, SMTP_BODY_8BITMIME);
    assert_string_equal(mail->envid, "e");
    assert_int_equal(mail->ret, SMTP_RET_FULL);
    assert_true(mail->smtputf8);
    assert_int_equal(mail->rcpt_count, 1);
    assert_string_equal(mail->rcpts[0].address, "r@b.test");
    assert_string_equal(mail->rcpts[0].orcpt, "rfc822;x");
    assert_int_equal(mail->rcpts[0].notify, SMTP_NOTIFY_FAILURE);
    assert_string_equal(request->treatment->nexthop.text, "b.test");
    assert_int_equal(request->treatment->request, DECIDE_REQUEST_REQUIRE);
    expect_content(0, "Subject: x\r\n\r\n.b\r\n");
    assert_int_equal(lmtp_server_busy(w.server), 1);
    finish(0, 250);
    assert_string_equal(hear(&w, fd), "250 2.9.9 0\r\n");
    assert_int_equal(lmtp_server_busy(w.server), 0);
    assert_string_equal(reported, "r@b.test 250,");
    say(&w, fd, "QUIT\r\n");
    assert_string_equal(hear(&w, fd), "221 2.0.0 bye\r\n!");
    close(fd);
    end(&w);
}

/* Recipients of one next-hop go together; replies come in the order of the recipients, each as soon
 * as all before it are known. */
static void test_recipients(void **state)
{
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = greeted(&w, "a");
    say(&w, fd,
        FROM TO("1@b.test") TO("2@c.test") TO("nowhere") TO("3@B.test") TO("4@d.test") DATA);
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK TO_OK
                        "550 5.1.2 the recipient has no domain to send it to\r\n" TO_OK TO_OK GO);
    assert_int_equal(delivery_count, 3);
    assert_string_equal(deliveries[0].rcpts, "1@b.test,3@B.test,");
    assert_string_equal(deliveries[1].rcpts, "2@c.test,");
    assert_string_equal(deliveries[2].rcpts, "4@d.test,");
    finish(2, 550);
    assert_string_equal(hear(&w, fd), "");
    finish(0, 250);
    assert_string_equal(hear(&w, fd), "250 2.9.9 0\r\n");
    /* What is sent ahead waits. */
    say(&w, fd, FROM TO("5@b.test"));
    assert_string_equal(hear(&w, fd), "");
    finish(1, 450);
    assert_string_equal(hear(&w, fd),
                        "450 4.9.9 0\r\n250 2.9.9 1\r\n550 5.9.9 0\r\n" FROM_OK TO_OK);
    assert_string_equal(reported,
                        "nowhere 550,4@d.test 550,1@b.test 250,3@B.test 250,2@c.test 450,");
    close(fd);
    end(&w);
}

/* Without a ticket nobody is sent anything; tickets do not leave. */
static void test_tickets(void **state)
{
    const struct ticket_envelope envelope = {"s@a.test", "1@b.test"};
    struct ticket ticket = {.queue_id = "Q1", .request = TICKET_REQUIRE, .made_at_s = time(NULL)};
    char value[TICKET_TEXT_MAX + 1], message[2000];
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    strcpy(ticket.nexthop, "[relay.test]:26");
    assert_int_equal(ticket_write(&ticket, &envelope, &w.keys, value), 0);
    fd = greeted(&w, "t");
    snprintf(message, sizeof(message),
             FROM TO("1@b.test") TO("2@b.test") "DATA\r\nA: b\r\n" TICKET_HEADER
                                                ": %s\r\nX: y\r\n" TICKET_HEADER
                                                ": foreign\r\n\r\nbody\r\n.\r\n",
             value);
    say(&w, fd, message);
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK TO_OK GO);
    assert_int_equal(delivery_count, 1);
    assert_string_equal(deliveries[0].rcpts, "1@b.test,");
    assert_string_equal(deliveries[0].request.treatment->nexthop.text, "[relay.test]:26");
    assert_string_equal(deliveries[0].request.treatment->queue_id, "Q1");
    expect_content(0, "A: b\r\nX: y\r\n\r\nbody\r\n");
    finish(0, 250);
    assert_string_equal(hear(&w, fd), "250 2.9.9 0\r\n451 4.3.5 the message has no valid ticket "
                                      "for this recipient\r\n");
    close(fd);
    end(&w);
}

/* The client has gone: what was not sent is not sent. */
static void test_gone(void **state)
{
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") TO("2@c.test") DATA);
    finish(0, 250);
    close(fd);
    turn(&w);
    assert_false(deliveries[0].cancelled);
    assert_true(deliveries[1].cancelled);
    assert_int_equal(lmtp_server_busy(w.server), 0);
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") "DATA\r\nhalf of it");
    close(fd);
    turn(&w);
    assert_int_equal(delivery_count, 2);
    end(&w);
}

static void test_busy(void **state)
{
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    busy_nexthop = "b.test";
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") TO("2@c.test"));
    assert_string_equal(hear(&w, fd),
                        FROM_OK "451 4.3.2 this next-hop has its share of connections\r\n" TO_OK);
    close(fd);
    fd = greeted(&w, "t"); /* its next-hop is not known yet */
    say(&w, fd, FROM TO("1@b.test"));
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK);
    close(fd);
    end(&w);
}

static void test_no_memory(void **state)
{
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    no_memory = true;
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") TO("2@c.test") DATA "NOOP\r\n");
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK TO_OK GO
                        "451 4.3.0 out of memory\r\n451 4.3.0 out of memory\r\n250 2.0.0 ok\r\n");
    close(fd);
    end(&w);
}

/* A large message is kept in a file; one beyond max_message, and one that there is no room for, are
 * read to their end and refused. */
static void test_large(void **state)
{
    size_t len = 2500000, kept_len;
    char *text = malloc(len + 10), *kept;
    struct world w;
    int fd;

    (void)state;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(i % 1000 == 998 ? '\r' : i % 1000 == 999 ? '\n' : 'a' + i % 26);
    begin(&w, "max_message = 2500000\n");
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") "DATA\r\n");
    say_n(&w, fd, text, len);
    say(&w, fd, ".\r\n");
    assert_int_equal(delivery_count, 1);
    kept = content_of(0, &kept_len);
    assert_int_equal(kept_len, len);
    assert_memory_equal(kept, text, len);
    free(kept);
    finish(0, 250);
    hear(&w, fd);
    say(&w, fd, FROM TO("1@b.test") "DATA\r\na");
    say_n(&w, fd, text, len);
    say(&w, fd, ".\r\nNOOP\r\n");
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK GO
                        "552 5.3.4 the message is larger than max_message\r\n250 2.0.0 ok\r\n");
    w.config->deliver.content_dir = "/nonexistent";
    say(&w, fd, FROM TO("1@b.test") "DATA\r\n");
    say_n(&w, fd, text, len);
    say(&w, fd, ".\r\nNOOP\r\n");
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK GO
                        "451 4.3.0 the message cannot be kept\r\n250 2.0.0 ok\r\n");
    assert_int_equal(delivery_count, 1);
    close(fd);
    end(&w);
    free(text);
}

/* When all messages together have their share of memory, one that is not small is in a file; what
 * it had in memory before goes there too. */
static void test_scarce_memory(void **state)
{
    char text[18000];
    struct world w;
    size_t before;
    int fd;

    (void)state;
    memset(text, 'a', sizeof(text));
    begin(&w, "");
    w.config->deliver.content_dir = "/nonexistent";
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") "DATA\r\n");
    say_n(&w, fd, text, 10000);
    before = w.server->shared.memory;
    w.server->shared.memory += 64 * 1024 * 1024;
    say(&w, fd, "\r\n.\r\n");
    assert_int_equal(delivery_count, 1); /* small enough */
    finish(0, 250);
    hear(&w, fd);
    say(&w, fd, FROM TO("1@b.test") "DATA\r\n");
    say_n(&w, fd, text, 9000);
    say_n(&w, fd, text, 9000);
    say(&w, fd, "\r\n.\r\n");
    assert_string_equal(hear(&w, fd), FROM_OK TO_OK GO "451 4.3.0 the message cannot be kept\r\n");
    w.server->shared.memory -= 64 * 1024 * 1024;
    say(&w, fd, FROM TO("1@b.test") "DATA\r\n");
    say_n(&w, fd, text, sizeof(text));
    say(&w, fd, "\r\n.\r\n");
    assert_int_equal(delivery_count, 2);
    finish(1, 250);
    hear(&w, fd);
    assert_true(before > 9000);
    assert_int_equal(w.server->shared.memory, 0);
    close(fd);
    end(&w);
}

static void test_too_many_sessions(void **state)
{
    enum { MAX = 4 };
    struct world w;
    int fds[MAX], more;

    (void)state;
    begin(&w, "max_sessions = 4\n");
    for (size_t i = 0; i < MAX; i++)
        fds[i] = greeted(&w, i % 2 == 0 ? "a" : "t");
    more = connect_to(&w, "a"); /* waits for one that ends */
    assert_string_equal(hear(&w, more), "");
    close(fds[0]);
    turn(&w);
    assert_int_equal(metrics_lmtp_sessions(w.metrics), MAX);
    assert_string_equal(hear(&w, more), "220 requiretls-deliver LMTP\r\n");
    fds[0] = more;
    more = connect_to(&w, "t"); /* ten seconds at most */
    assert_string_equal(wait_for(&w, more), "421 4.3.2 too many sessions\r\n!");
    close(more);
    more = connect_to(&w, "a"); /* and then nobody waits, until one has ended */
    assert_string_equal(hear(&w, more), "421 4.3.2 too many sessions\r\n!");
    close(more);
    assert_int_equal(metrics_lmtp_sessions(w.metrics), MAX);
    close(fds[0]);
    turn(&w);
    assert_int_equal(metrics_lmtp_sessions(w.metrics), MAX - 1);
    fds[0] = greeted(&w, "a");
    for (size_t i = 0; i < MAX; i++)
        close(fds[i]);
    end(&w);
}

/* A session that says nothing is ended; not while a message is being delivered. */
static void test_timeout(void **state)
{
    struct world w;
    int quiet, half, waiting;

    (void)state;
    begin(&w, "command_timeout = 2s\n");
    waiting = greeted(&w, "a");
    say(&w, waiting, FROM TO("1@b.test") DATA);
    hear(&w, waiting);
    quiet = greeted(&w, "a");
    half = greeted(&w, "a");
    say(&w, half, FROM TO("1@b.test") "DATA\r\nhalf");
    hear(&w, half);
    assert_string_equal(wait_for(&w, quiet), "421 4.4.2 nothing came for too long\r\n!");
    assert_string_equal(wait_for(&w, half), "421 4.4.2 nothing came for too long\r\n!");
    assert_string_equal(hear(&w, waiting), "");
    finish(0, 250);
    assert_string_equal(hear(&w, waiting), "250 2.9.9 0\r\n");
    close(waiting);
    close(quiet);
    close(half);
    end(&w);
}

/* A client that reads no replies is not read from any more, and later gets all of them. */
static void test_reads_no_replies(void **state)
{
    enum { COUNT = 100000 };
    struct world w;
    size_t sent = 0, heard = 0;
    int fd;

    (void)state;
    begin(&w, "");
    fd = greeted(&w, "a");
    while (sent < COUNT * 6) {
        ssize_t n = send(fd, &"NOOP\r\n"[sent % 6], 6 - sent % 6, MSG_NOSIGNAL);

        if (n < 0)
            break;
        sent += (size_t)n;
        event_base_loop(w.base, EVLOOP_NONBLOCK);
    }
    turn(&w);
    assert_true(sent < COUNT * 6);
    assert_true(send(fd, "NOOP\r\n", 6, MSG_NOSIGNAL) < 0);
    for (const char *text = hear(&w, fd); *text != '\0'; text = hear(&w, fd))
        heard += strlen(text);
    assert_int_equal(heard, sent / 6 * strlen("250 2.0.0 ok\r\n"));
    close(fd);
    end(&w);
}

/* Sessions end where no message is lost by it; the others after theirs. */
static void test_drain(void **state)
{
    struct world w;
    int idle, envelope, content, waiting;
    int64_t begin_ms;

    (void)state;
    begin(&w, "");
    idle = greeted(&w, "a");
    envelope = greeted(&w, "a");
    say(&w, envelope, FROM TO("1@b.test"));
    hear(&w, envelope);
    content = greeted(&w, "a");
    say(&w, content, FROM TO("1@b.test") "DATA\r\nhalf");
    hear(&w, content);
    waiting = greeted(&w, "a");
    say(&w, waiting, FROM TO("1@b.test") DATA);
    hear(&w, waiting);
    lmtp_server_drain(w.server);
    /* All of them have just spoken, and may begin a message. */
    assert_string_equal(hear(&w, idle), "");
    assert_string_equal(wait_for(&w, idle), "421 4.3.2 this service is stopping\r\n!");
    assert_string_equal(wait_for(&w, envelope), "421 4.3.2 this service is stopping\r\n!");
    assert_string_equal(hear(&w, waiting), "");
    assert_int_equal(lmtp_server_busy(w.server), 2);
    assert_false(deliveries[0].stopped);
    lmtp_server_drain(w.server);
    begin_ms = now_ms();
    while (!deliveries[0].stopped && now_ms() - begin_ms < 20000)
        turn(&w);
    assert_true(deliveries[0].stopped); /* it may: that is the agent's to say */
    finish(0, 250);
    assert_string_equal(hear(&w, waiting),
                        "250 2.9.9 0\r\n421 4.3.2 this service is stopping\r\n!");
    assert_int_equal(w.idle, 0);
    say(&w, content, "\r\n.\r\n");
    finish(1, 250);
    assert_string_equal(hear(&w, content),
                        "250 2.9.9 0\r\n421 4.3.2 this service is stopping\r\n!");
    assert_int_equal(w.idle, 1);
    close(idle);
    close(envelope);
    close(content);
    close(waiting);
    end(&w);
}

/* A session that has just spoken may yet send a message; it is the last. */
static void test_drain_young(void **state)
{
    struct world w;
    int young;

    (void)state;
    begin(&w, "");
    young = greeted(&w, "a");
    lmtp_server_drain(w.server);
    assert_int_equal(w.idle, 0);
    say(&w, young, FROM TO("1@b.test") DATA);
    assert_int_equal(lmtp_server_busy(w.server), 1);
    finish(0, 250);
    assert_non_null(
        strstr(hear(&w, young), "250 2.9.9 0\r\n421 4.3.2 this service is stopping\r\n!"));
    assert_int_equal(w.idle, 1);
    close(young);
    end(&w);
}

/* The last reply that does not go out yet is waited for, too: else its message would be sent again.
 */
static void test_drain_unread(void **state)
{
    const int little = 1;
    struct world w;
    const char *text;
    int fd, ours;

    (void)state;
    begin(&w, "");
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") DATA);
    hear(&w, fd);
    ours = TAILQ_FIRST(&w.server->connections)->fd;
    assert_int_equal(setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
    while (send(ours, "x", 1, MSG_NOSIGNAL) == 1)
        continue;
    assert_int_equal(errno, EAGAIN);
    lmtp_server_drain(w.server);
    finish(0, 250);
    turn(&w);
    lmtp_server_drain(w.server);
    assert_int_equal(lmtp_server_busy(w.server), 0);
    assert_int_equal(w.idle, 0);
    for (text = hear(&w, fd); *text == 'x'; text++)
        continue;
    assert_string_equal(text, "250 2.9.9 0\r\n421 4.3.2 this service is stopping\r\n!");
    assert_int_equal(w.idle, 1);
    close(fd);
    end(&w);
}

/* The next transaction has the new configuration; a socket that it has not got is 451. */
static void test_reload(void **state)
{
    struct config *config;
    struct world w;
    int fd;

    (void)state;
    begin(&w, "");
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test"));
    config = configure(&w, "[default]\nlevel = opportunistic\n");
    lmtp_server_reconfigure(w.server, config);
    config_unref(config);
    say(&w, fd, DATA);
    assert_int_equal(deliveries[0].request.treatment->level, VERDICT_LEVEL_ENFORCE);
    finish(0, 250);
    say(&w, fd, FROM TO("1@b.test") DATA);
    assert_int_equal(deliveries[1].request.treatment->level, VERDICT_LEVEL_OPPORTUNISTIC);
    finish(1, 250);
    hear(&w, fd);
    config = config_from_text("[deliver other]\nlisten = unix:/nowhere\n", "mail.example.org");
    lmtp_server_reconfigure(w.server, config);
    config_unref(config);
    say(&w, fd, FROM);
    assert_string_equal(hear(&w, fd), "451 4.3.5 not configured any more\r\n");
    close(fd);
    end(&w);
}

/* Whatever is under way, the end is clean. */
static void test_end_at_once(void **state)
{
    struct world w;
    int fd, other;

    (void)state;
    begin(&w, "");
    fd = greeted(&w, "a");
    say(&w, fd, FROM TO("1@b.test") TO("2@c.test") DATA);
    other = greeted(&w, "a");
    say(&w, other, FROM TO("1@b.test"));
    finish(0, 250);
    end(&w);
    assert_true(deliveries[1].cancelled);
    close(fd);
    close(other);
}

/* How often the text holds the words. */
static size_t count_words(const char *text, const char *words)
{
    size_t count = 0;

    while ((text = strstr(text, words)) != NULL) {
        count++;
        text += strlen(words);
    }
    return count;
}

/* One session in which the n-th allocation fails; returns whether one did. Nothing is delivered but
 * the whole message, and nobody hears of a success that there was not. */
static bool run_out_of_memory(unsigned n, const char *message, const char *wanted)
{
    char said[2000] = "";
    size_t sent = 0, delivered = 0;
    struct world w;
    int fd;

    begin(&w, "");
    countdown = n;
    fd = connect_to(&w, "a");
    while (sent < strlen(message)) {
        ssize_t len = send(fd, message + sent, strlen(message) - sent, MSG_NOSIGNAL);

        turn(&w);
        if (len < 0 && errno != EAGAIN)
            break;
        sent += len > 0 ? (size_t)len : 0;
    }
    turn(&w);
    for (size_t i = 0; i < delivery_count; i++) {
        if (deliveries[i].cancelled)
            continue;
        expect_content(i, wanted);
        delivered += deliveries[i].request.mail->rcpt_count;
        finish(i, 250);
    }
    strncat(said, hear(&w, fd), sizeof(said) - 1);
    assert_true(count_words(said, "\r\n250 2.9.9 ") <= delivered);
    if (countdown > 0) {
        assert_int_equal(delivered, 3);
        assert_int_equal(count_words(said, "\r\n250 2.9.9 "), 3);
        assert_non_null(strstr(said, "221 2.0.0 bye\r\n!"));
    }
    n = countdown;
    countdown = 0;
    close(fd);
    end(&w);
    return n == 0;
}

static void test_memory(void **state)
{
    static const char envelope[] = "LHLO c\r\nMAIL FROM:<s@a.test> ENVID=e\r\n" TO(
        "1@b.test") "RCPT TO:<2@c.test> ORCPT=rfc822;x\r\n" TO("3@b.test") "DATA\r\n";
    char *message = calloc(1, 100000), *wanted = calloc(1, 100000);
    unsigned n = 1;

    (void)state;
    sprintf(wanted, "X: y\r\nA: %20000s\r\n\r\n%30000s\r\n", "b", "c");
    sprintf(message, "%sX: y\r\n%s: t\r\n%s.\r\nQUIT\r\n", envelope, TICKET_HEADER, wanted + 6);
    while (run_out_of_memory(n, message, wanted))
        n++;
    assert_true(n > 10);
    free(message);
    free(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_recipients),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_scarce_memory),
        cmocka_unit_test(test_too_many_sessions),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_reads_no_replies),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_young),
        cmocka_unit_test(test_drain_unread),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_end_at_once),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
