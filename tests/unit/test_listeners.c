/*
 * The socketmap server and the metrics listener over real unix sockets, with an engine that does
 * what the name says (table_engine.h).
 */
#include "daemon/listeners.h"

#include "base/netstring.h"
#include "config_text.h"
#include "table_engine.h"

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
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct bench {
    char dir[64];
    char map_path[108];
    char http_path[108];
    struct config *config;
    struct engine *engine;
    struct metrics *metrics;
    struct listeners *listeners;
};

static struct config *make_config(const struct bench *b, const char *more)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "[socketmap]\nlisten = unix:%s\nsocket_mode = 0640\nmax_connections = 5\n"
             "[metrics]\nlisten = unix:%s\n%s",
             b->map_path, b->http_path, more);
    return config_from_text(text, "mx.self.example");
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    char err[256];
    strcpy(b->dir, "/tmp/test_listeners.XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->map_path, sizeof(b->map_path), "%s/map", b->dir);
    snprintf(b->http_path, sizeof(b->http_path), "%s/http", b->dir);
    b->config = make_config(b, "[rule exempt]\nnexthop = exempt.example\ntls_policy = skip\n"
                               "level = disable\n");
    b->engine = table_engine_new();
    table_engine_add(b->engine, "nexthop=cached-dane.example host=mx1.example.org,tlsa=usable");
    table_engine_add(b->engine, "nexthop=later-sts.example mx=insecure "
                                "host=mx1.example.org,a=i,match sts=enforce pat=*.example.org");
    table_engine_add(b->engine, "nexthop=cached-plain.example mx=insecure host=a.example,a=i");
    assert_int_equal(metrics_new(&b->metrics), 0);
    if (listeners_open(b->config, &b->listeners, err, sizeof(err)) < 0)
        fail_msg("%s", err);
    if (listeners_start(b->listeners, b->config, b->engine, b->metrics, err, sizeof(err)) < 0)
        fail_msg("%s", err);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    listeners_close(b->listeners);
    assert_int_equal(table_engine_held(b->engine), 0);
    engine_free(b->engine);
    metrics_free(b->metrics);
    config_unref(b->config);
    assert_int_equal(access(b->map_path, F_OK), -1);
    assert_int_equal(rmdir(b->dir), 0);
    free(b);
    return 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void ask(int fd, const char *request)
{
    char text[4096];
    snprintf(text, sizeof(text), "%zu:%s,", strlen(request), request);
    say(fd, text);
}

/* Reads until `len` octets or the end; terminated. */
static const char *hear(int fd, size_t len)
{
    static char text[65536];
    size_t got = 0;
    while (got < len && got < sizeof(text) - 1) {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&pollfd, 1, 20000), 1);
        ssize_t n = recv(fd, text + got, sizeof(text) - 1 - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    text[got] = '\0';
    return text;
}

/* Reads one reply, without its frame. */
static const char *hear_reply(int fd)
{
    static char text[65536];
    const char *data;
    size_t got = 0, len, used;
    while (netstring_read(text, got, sizeof(text), &data, &len, &used) == NETSTRING_MORE) {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&pollfd, 1, 20000), 1);
        ssize_t n = recv(fd, text + got, sizeof(text) - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_int_equal(netstring_read(text, got, sizeof(text), &data, &len, &used), NETSTRING_OK);
    assert_int_equal(used, got);
    text[used - 1] = '\0';
    return data;
}

static void expect(int fd, const char *request, const char *reply)
{
    ask(fd, request);
    assert_string_equal(hear_reply(fd), reply);
}

static void expect_closed(int fd)
{
    assert_string_equal(hear(fd, 1), "");
    close(fd);
}

static void test_answers(void **state)
{
    struct bench *b = *state;
    int fd = connect_to(b->map_path);
    expect(fd, "QUERY cached-dane.example", "OK dane-only");
    expect(fd, "enforce cached-dane.example", "OK dane-only");
    expect(fd, "QUERY .cached-dane.example", "NOTFOUND ");
    expect(fd, "QUERY cached-plain.example", "NOTFOUND ");
    expect(fd, "enforce cached-plain.example", "OK secure match=requiretls-unsatisfied.invalid");
    expect(fd, "opportunistic+starttls cached-plain.example", "OK encrypt");
    expect(fd, "QUERY later-sts.example", "OK secure match=.example.org servername=hostname");
    expect(fd, "enforce later-sts.example", "OK secure match=mx1.example.org servername=hostname");
    expect(fd, "requiretls anything.example", "OK enforce");
    expect(fd, "requiretls exempt.example", "OK disable");
    expect(fd, "QUERY exempt.example", "NOTFOUND ");
    expect(fd, "enforce exempt.example", "OK may");
    expect(fd, "enforce not..a.domain", "OK secure match=requiretls-unsatisfied.invalid");
    expect(fd, "QUERY null-x.example", "TEMP the lookup could not be made");
    expect(fd, "QUERY refuse-x.example", "TEMP the lookup could not be made");
    expect(fd, "nonsense x", "PERM no such map");
    expect(fd, "PURGE cached-dane.example", "OK forgotten");
    expect(fd, "PURGE other.example", "NOTFOUND ");
    close(fd);
}

/* Requests in one piece are answered in order, one in many pieces as if it had come in one. */
static void test_pieces(void **state)
{
    struct bench *b = *state;
    int fd = connect_to(b->map_path);
    static const char two[] = "25:QUERY cached-dane.example,23:QUERY later-sts.example,"
                              "26:QUERY cached-plain.example,";
    static const char replies[] =
        "12:OK dane-only,48:OK secure match=.example.org servername=hostname,9:NOTFOUND ,";
    say(fd, two);
    assert_string_equal(hear(fd, strlen(replies)), replies);
    for (const char *c = two; *c; c++) {
        assert_int_equal(send(fd, c, 1, MSG_NOSIGNAL), 1);
        usleep(1000);
    }
    assert_string_equal(hear(fd, strlen(replies)), replies);
    /* The client may close its side after the last request. */
    say(fd, two);
    shutdown(fd, SHUT_WR);
    assert_string_equal(hear(fd, sizeof(replies) + 10), replies);
    close(fd);
}

static void test_malformed(void **state)
{
    struct bench *b = *state;
    static const char *const bad[] = {"x",
                                      ":",
                                      "-1:a,",
                                      "05:hello,",
                                      "99999999999999999999:",
                                      "3:abc;",
                                      "2049:",
                                      "GET / HTTP/1.1\r\n",
                                      "\xff\xff",
                                      "0x3:abc,"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = connect_to(b->map_path);
        say(fd, bad[i]);
        expect_closed(fd);
    }
    /* What was asked before the nonsense is answered. */
    int fd = connect_to(b->map_path);
    say(fd, "25:QUERY cached-dane.example,nonsense");
    assert_string_equal(hear(fd, 100), "12:OK dane-only,");
    close(fd);
}

/* The reply is TEMP before Postfix gives up after 10 s; others are served meanwhile. */
static void test_slow_lookup(void **state)
{
    struct bench *b = *state;
    int slow = connect_to(b->map_path), other = connect_to(b->map_path);
    int gone = connect_to(b->map_path);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    ask(slow, "enforce slow.example");
    ask(gone, "enforce slow.example");
    close(gone);
    expect(other, "QUERY cached-dane.example", "OK dane-only");
    static const char reply[] = "49:TEMP the lookup takes long; it goes on, try again,";
    assert_string_equal(hear(slow, strlen(reply)), reply);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - begin.tv_sec >= 6 && end.tv_sec - begin.tv_sec <= 9);
    assert_int_equal(table_engine_held(b->engine), 2);
    expect(slow, "QUERY cached-dane.example", "OK dane-only");
    close(slow);
    close(other);
}

/* A client that never reads is not read from either; others are served. */
static void test_never_reads(void **state)
{
    struct bench *b = *state;
    int deaf = connect_to(b->map_path), other = connect_to(b->map_path);
    char flood[4000];
    size_t len = 0;
    while (len < sizeof(flood) - 40)
        len += (size_t)sprintf(flood + len, "25:QUERY cached-dane.example,");
    ssize_t total = 0, n;
    do {
        struct pollfd pollfd = {.fd = deaf, .events = POLLOUT};
        n = poll(&pollfd, 1, 300) == 1 ? send(deaf, flood, len, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
        total += n > 0 ? n : 0;
    } while (n > 0 && total < 64 << 20);
    assert_true(total < 8 << 20);
    expect(other, "QUERY cached-dane.example", "OK dane-only");
    close(deaf);
    close(other);
}

/* Five connections are allowed; a sixth takes the place of one that has been idle. */
static void test_too_many(void **state)
{
    struct bench *b = *state;
    int fds[5];
    for (size_t i = 0; i < 5; i++) {
        fds[i] = connect_to(b->map_path);
        expect(fds[i], "QUERY cached-dane.example", "OK dane-only");
    }
    int early = connect_to(b->map_path);
    expect_closed(early);
    sleep(2);
    expect(fds[0], "QUERY cached-dane.example", "OK dane-only");
    int late = connect_to(b->map_path);
    expect(late, "QUERY cached-dane.example", "OK dane-only");
    expect(fds[0], "QUERY cached-dane.example", "OK dane-only");
    unsigned closed = 0;
    for (size_t i = 1; i < 5; i++) {
        struct pollfd pollfd = {.fd = fds[i], .events = POLLIN};
        closed += poll(&pollfd, 1, 100) == 1;
    }
    assert_int_equal(closed, 1);
    for (size_t i = 0; i < 5; i++)
        close(fds[i]);
    close(late);
}

/* Half-sent requests, and replies that nobody reads, hold no connection that another needs; one
 * that is idle keeps its own. */
static void test_half_sent(void **state)
{
    struct bench *b = *state;
    int fds[5], deaf[5];
    fds[0] = connect_to(b->map_path);
    expect(fds[0], "QUERY cached-dane.example", "OK dane-only");
    sleep(2);
    for (size_t i = 1; i < 5; i++) {
        fds[i] = connect_to(b->map_path);
        say(fds[i], "25:QUERY ca");
    }
    usleep(600000);
    for (size_t i = 1; i < 5; i++) {
        deaf[i] = connect_to(b->map_path);
        expect(deaf[i], "QUERY cached-dane.example", "OK dane-only");
        expect_closed(fds[i]);
    }
    expect(fds[0], "QUERY cached-dane.example", "OK dane-only");
    for (size_t i = 1; i < 5; i++) {
        char flood[30 * 2000] = "";
        for (size_t len = 0; len < sizeof(flood) - 30;)
            len += (size_t)sprintf(flood + len, "25:QUERY cached-dane.example,");
        fcntl(deaf[i], F_SETFL, O_NONBLOCK);
        for (int n = 0; n < 200; n++) {
            send(deaf[i], flood, strlen(flood), MSG_NOSIGNAL);
            usleep(1000);
        }
    }
    sleep(1);
    int late = connect_to(b->map_path);
    expect(late, "QUERY cached-dane.example", "OK dane-only");
    expect(fds[0], "QUERY cached-dane.example", "OK dane-only");
    for (size_t i = 1; i < 5; i++)
        close(deaf[i]);
    close(fds[0]);
    close(late);
}

static void test_reload(void **state)
{
    struct bench *b = *state;
    int fd = connect_to(b->map_path);
    expect(fd, "requiretls a.example", "OK enforce");
    struct config *config = make_config(b, "[default]\nlevel = opportunistic\n");
    listeners_reload(b->listeners, config);
    config_unref(config);
    const char *seen = "";
    for (int i = 0; i < 6000 && strcmp(seen, "OK opportunistic") != 0; i++) {
        usleep(10000);
        ask(fd, "requiretls a.example");
        seen = hear_reply(fd);
    }
    assert_string_equal(seen, "OK opportunistic");
    close(fd);
}

static void test_dump(void **state)
{
    struct bench *b = *state;
    int fd = connect_to(b->map_path);
    ask(fd, "DUMP");
    shutdown(fd, SHUT_WR);
    const char *text = hear(fd, 65000);
    assert_non_null(strstr(text, ":OK {\"nexthop\":\"cached-dane.example\","));
    assert_non_null(strstr(text, ":OK {\"nexthop\":\"later-sts.example\","));
    assert_string_equal(text + strlen(text) - 6, "3:OK ,");
    close(fd);
    fd = connect_to(b->map_path);
    ask(fd, "JSON cached-dane.example");
    shutdown(fd, SHUT_WR);
    text = hear(fd, 65000);
    assert_non_null(strstr(text, ":OK {\"nexthop\":\"cached-dane.example\",\"summary\":"));
    close(fd);
}

static void expect_json(const struct bench *b, const char *request, const char *part, bool there)
{
    int fd = connect_to(b->map_path);
    ask(fd, request);
    shutdown(fd, SHUT_WR);
    const char *text = hear(fd, 65000);
    if ((strstr(text, part) != NULL) != there)
        fail_msg("%s: %s is %s in %s", request, part, there ? "not" : "there", text);
    close(fd);
}

/* JSON and DUMP show what is known from probes, from cached findings and from those just looked up,
 * unless probing is turned off. */
static void test_probes(void **state)
{
    struct bench *b = *state;
    static const char *const names[] = {"cached-probed.example", "later-probed.example"};
    char spec[200], request[100];
    for (size_t i = 0; i < 2; i++) {
        snprintf(spec, sizeof(spec), "nexthop=%s host=mx1.example.org,tlsa=usable", names[i]);
        table_engine_add(b->engine, spec);
        snprintf(spec, sizeof(spec), "nexthop=%s host=mx1.example.org,tlsa=usable,probe=r",
                 names[i]);
        table_engine_add_probed(b->engine, spec);
        snprintf(request, sizeof(request), "JSON %s", names[i]);
        expect_json(b, request, "\"result\":\"no-requiretls\"", true);
    }
    expect_json(b, "JSON cached-dane.example", "\"probe\":[]", true);
    expect_json(b, "DUMP", "\"result\":\"no-requiretls\"", true);
    struct config *config = make_config(b, "[probe]\nenable = no\n");
    listeners_reload(b->listeners, config);
    config_unref(config);
    int fd = connect_to(b->map_path);
    const char *seen = "";
    for (int i = 0; i < 6000 && strstr(seen, "\"probe\":{\"enabled\":false,") == NULL; i++) {
        usleep(10000);
        ask(fd, "STATUS ");
        seen = hear_reply(fd);
    }
    assert_non_null(strstr(seen, "\"resting\":false}"));
    assert_null(strstr(seen, "probe_rests"));
    close(fd);
    expect_json(b, "JSON cached-probed.example", "\"result\"", false);
}

/* How the daemon is, with the warnings that stand; the tool shows it. */
static void test_status(void **state)
{
    static const char *const parts[] = {
        "OK {\"version\":\"" PROJECT_VERSION "\",\"pid\":",
        ",\"present\":true,\"read\":\"20",
        "Z\",\"changed\":true},\"dnssec_known\":true,\"resolvers\":["
        "{\"address\":\"127.0.0.1\",\"trusted\":true,\"checked\":true,\"validates\":true,"
        "\"failure\":null},"
        "{\"address\":\"::1\",\"trusted\":true,\"checked\":true,\"validates\":false,"
        "\"failure\":\"com without AD\"},"
        "{\"address\":\"192.0.2.1\",\"trusted\":false,\"checked\":false,\"validates\":false,"
        "\"failure\":null}],"
        "\"store\":{\"path\":\"/var/lib/requiretls-milter/cache.db\",\"state\":\"down\","
        "\"failure\":\"disk full\"},\"shared_cache\":{\"state\":\"down\",\"server\":"
        "\"redis://192.0.2.7:6379/0\",\"failure\":\"Connection refused\"},"
        "\"sessions\":2,\"socketmap_connections\":1,\"cache_entries\":0,",
        "\"probe\":{\"enabled\":true,\"in_progress\":2,\"entries\":12,\"resting\":true},",
        "\"deliver\":{\"enabled\":false,\"sessions\":1,\"setup\":0,\"active\":1,\"idle\":0},",
        "\"warnings\":[{\"name\":\"resolver_not_validating\",\"text\":",
        "},{\"name\":\"store_down\",\"text\":",
        "},{\"name\":\"shared_down\",\"text\":",
        "},{\"name\":\"configuration_changed\",\"text\":",
        "},{\"name\":\"restart_needed\",\"text\":",
        "},{\"name\":\"probe_rests\",\"text\":",
    };
    struct bench *b = *state;
    int fd = connect_to(b->map_path);
    metrics_set_standing(b->metrics, STANDING_RESTART_NEEDED, true);
    metrics_set_standing(b->metrics, STANDING_CONFIGURATION_REFUSED, true);
    metrics_set_standing(b->metrics, STANDING_CONFIGURATION_REFUSED, false);
    for (int i = 0; i < 3; i++)
        metrics_session_begun(b->metrics);
    metrics_session_over(b->metrics);
    metrics_lmtp_session_begun(b->metrics);
    metrics_connection_moved(b->metrics, METRICS_CONNECTION_NONE, METRICS_CONNECTION_SETUP);
    metrics_connection_moved(b->metrics, METRICS_CONNECTION_SETUP, METRICS_CONNECTION_ACTIVE);
    ask(fd, "STATUS ");
    const char *text = hear_reply(fd), *at = text;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *found = strstr(at, parts[i]);
        if (found == NULL)
            fail_msg("no %s in %s", parts[i], text);
        at = found + strlen(parts[i]);
    }
    assert_null(strstr(text, "configuration_refused"));
    close(fd);
}

static void test_metrics(void **state)
{
    struct bench *b = *state;
    int map = connect_to(b->map_path);
    expect(map, "QUERY cached-dane.example", "OK dane-only");
    metrics_message(b->metrics, METRICS_REQUEST_REQUIRE, METRICS_REJECT);
    metrics_recipient(b->metrics, VERDICT_LEVEL_ENFORCE, VERDICT_UNSATISFIED);
    metrics_dsn_redacted(b->metrics);
    int fd = connect_to(b->http_path);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    const char *text = hear(fd, 65000);
    static const char *const lines[] = {
        "HTTP/1.1 200 OK\r\n",
        "\nrequiretls_socketmap_requests_total{map=\"QUERY\",result=\"ok\"} 1\n",
        "\nrequiretls_socketmap_connections 1\n",
        "\nrequiretls_messages_total{request=\"require\",action=\"reject\"} 1\n",
        "\nrequiretls_recipients_total{level=\"enforce\",verdict=\"unsatisfied\"} 1\n",
        "\nrequiretls_dsn_redacted_total 1\n",
        "\nrequiretls_store_up 0\n",
        "\nrequiretls_shared_up 0\n",
        "\nrequiretls_warning{name=\"shared_down\"} 1\n",
        "\nrequiretls_warning{name=\"shared_read_only\"} 0\n",
        "\nrequiretls_dns_waiting 17\n",
        "\nrequiretls_warning{name=\"store_down\"} 1\n",
        "\nrequiretls_warning{name=\"dnssec_unknown\"} 0\n",
        "\nrequiretls_warning{name=\"resolver_not_validating\"} 1\n",
        "\nrequiretls_lookup_seconds_bucket{le=\"0.005\"} 1\n",
        "\nrequiretls_lookup_seconds_bucket{le=\"0.010\"} 3\n",
        "\nrequiretls_lookup_seconds_bucket{le=\"+Inf\"} 6\n",
        "\nrequiretls_lookup_seconds_sum 1.234\n",
        "\nrequiretls_lookup_seconds_count 6\n",
        "\nrequiretls_warning{name=\"probe_rests\"} 1\n",
        "\nrequiretls_probe_total{result=\"ok\"} 5\n",
        "\nrequiretls_probe_total{result=\"no-starttls\"} 0\n",
        "\nrequiretls_probe_total{result=\"no-requiretls\"} 7\n",
        "\nrequiretls_probe_seconds_bucket{le=\"0.050\"} 0\n",
        "\nrequiretls_probe_seconds_bucket{le=\"0.100\"} 11\n",
        "\nrequiretls_probe_seconds_bucket{le=\"+Inf\"} 12\n",
        "\nrequiretls_probe_seconds_sum 70.056\n",
        "\nrequiretls_probe_seconds_count 12\n",
        "\nrequiretls_probe_left_out_total 9\n",
        "\nrequiretls_probes_in_progress 2\n",
        "\nrequiretls_probe_entries 12\n",
        "\nrequiretls_probe_bytes 3456\n",
        "\nrequiretls_shared_requests_total{result=\"found\"} 4\n",
        "\nrequiretls_shared_requests_total{result=\"late\"} 0\n",
        "\nrequiretls_shared_requests_total{result=\"not_written\"} 8\n",
        "\nrequiretls_shared_rejected_total{reason=\"mac\"} 2\n",
        "\nrequiretls_shared_rejected_total{reason=\"version\"} 0\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(text, lines[i]) == NULL)
            fail_msg("not in the metrics: %s", lines[i]);
    }
    close(fd);
    static const struct {
        const char *request;
        const char *reply;
    } others[] = {
        {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 404 "},
        {"HEAD /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 200 "},
        {"GET /metrics?x=1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 "},
        {"GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
        {"POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "},
        {"\r\n\r\n", "HTTP/1.1 405 "},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        fd = connect_to(b->http_path);
        say(fd, others[i].request);
        assert_memory_equal(hear(fd, 65000), others[i].reply, strlen(others[i].reply));
        close(fd);
    }
    char big[9000];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    fd = connect_to(b->http_path);
    say(fd, big);
    assert_memory_equal(hear(fd, 13), "HTTP/1.1 431 ", 13);
    close(fd);
    close(map);
}

/* More who ask for nothing, or never to the end, than there is room for: the oldest make room. */
static void test_metrics_crowd(void **state)
{
    struct bench *b = *state;
    int crowd[40];
    const size_t count = sizeof(crowd) / sizeof(crowd[0]), kept = 31;
    for (size_t i = 0; i < count; i++) {
        crowd[i] = connect_to(b->http_path);
        if (i % 2 == 0)
            say(crowd[i], "GET /metrics HTTP/1.1\r\nHost: x\r\n");
    }
    int fd = connect_to(b->http_path);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_memory_equal(hear(fd, 65000), "HTTP/1.1 200 ", 13);
    close(fd);
    for (size_t i = 0; i < count - kept; i++)
        expect_closed(crowd[i]);
    for (size_t i = count - kept; i < count; i++) {
        say(crowd[i], i % 2 == 0 ? "\r\n" : "GET /metrics HTTP/1.1\r\n\r\n");
        assert_memory_equal(hear(crowd[i], 65000), "HTTP/1.1 200 ", 13);
        close(crowd[i]);
    }
}

/* What is at the path, and who may use it. */
static void test_paths(void **state)
{
    struct bench *b = *state;
    struct stat st;
    struct listeners *second;
    char err[256];
    assert_int_equal(stat(b->map_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(listeners_open(b->config, &second, err, sizeof(err)), -EADDRINUSE);
    assert_non_null(strstr(err, b->map_path));
    int fd = connect_to(b->map_path);
    expect(fd, "QUERY cached-dane.example", "OK dane-only");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_lookup, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_never_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dump, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_probes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_crowd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
