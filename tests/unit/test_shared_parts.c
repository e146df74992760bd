/*
 * The parts of the shared cache's client that do no I/O: servers as the configuration writes them,
 * how long one that failed rests, and replies as octets.
 */
#include "policy/shared_server.h"
#include "store/shared_reply.h"
#include "store/shared_rest.h"
#include "store/shared_url.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct url {
    const char *text;
    const char *host; /* NULL: it is none, and `failure` is part of the message */
    const char *port;
    unsigned db;
    const char *path;
    const char *failure;
};

static void urls(void **state)
{
    static const struct url cases[] = {
        {"redis://cache.example", "cache.example", "6379", 0, "", NULL},
        {"redis://cache.example/", "cache.example", "6379", 0, "", NULL},
        {"redis://cache.example:6380/2", "cache.example", "6380", 2, "", NULL},
        {"redis://192.0.2.1/15", "192.0.2.1", "6379", 15, "", NULL},
        {"redis://[2001:db8::1]", "2001:db8::1", "6379", 0, "", NULL},
        {"redis://[fe80::1%eth0]:1/9999", "fe80::1%eth0", "1", 9999, "", NULL},
        {"unix:/run/redis/redis.sock", "", "", 0, "/run/redis/redis.sock", NULL},
        {"", NULL, NULL, 0, NULL, "neither"},
        {"cache.example:6379", NULL, NULL, 0, NULL, "neither"},
        {"http://cache.example", NULL, NULL, 0, NULL, "neither"},
        {"rediss://cache.example", NULL, NULL, 0, NULL, "TLS"},
        {"redis://", NULL, NULL, 0, NULL, "the host is"},
        {"redis:///1", NULL, NULL, 0, NULL, "the host is"},
        {"redis://a b", NULL, NULL, 0, NULL, "the host is"},
        {"redis://2001:db8::1", NULL, NULL, 0, NULL, "IPv6 address stands in brackets"},
        {"redis://a:1:2", NULL, NULL, 0, NULL, "brackets"},
        {"redis://[2001:db8::1", NULL, NULL, 0, NULL, "not closed"},
        {"redis://[cache.example]", NULL, NULL, 0, NULL, "no IPv6 address"},
        {"redis://[]", NULL, NULL, 0, NULL, "no IPv6 address"},
        {"redis://[::1]6379", NULL, NULL, 0, NULL, "followed by"},
        {"redis://a:", NULL, NULL, 0, NULL, "port"},
        {"redis://a:0", NULL, NULL, 0, NULL, "port"},
        {"redis://a:65536", NULL, NULL, 0, NULL, "port"},
        {"redis://a:1x", NULL, NULL, 0, NULL, "port"},
        {"redis://a/x", NULL, NULL, 0, NULL, "database"},
        {"redis://a/-1", NULL, NULL, 0, NULL, "database"},
        {"redis://a/10000", NULL, NULL, 0, NULL, "database"},
        {"redis://a/1/2", NULL, NULL, 0, NULL, "database"},
        {"redis://:s3cret@a", NULL, NULL, 0, NULL, "does not belong"},
        {"redis://:s3cret", NULL, NULL, 0, NULL, "does not belong"},
        {"s3cret@a", NULL, NULL, 0, NULL, "does not belong"},
        {"rediss://:s3cret@a", NULL, NULL, 0, NULL, "TLS"},
        {"redis://user:s3cret", NULL, NULL, 0, NULL, "port"},
        {"redis://a/s3cret", NULL, NULL, 0, NULL, "database"},
        {"unix:s3cret", NULL, NULL, 0, NULL, "absolute"},
        {"unix:redis.sock", NULL, NULL, 0, NULL, "absolute"},
        {"unix:", NULL, NULL, 0, NULL, "absolute"},
        {"unix:/"
         "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
         "89012345678901234567890",
         NULL, NULL, 0, NULL, "too long"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct url *c = &cases[i];
        struct shared_url url;
        char err[200] = "";
        int error = shared_url_parse(c->text, &url, err, sizeof(err));

        assert_int_equal(shared_server_check(c->text, err, sizeof(err)), error);
        if (error != (c->host != NULL ? 0 : -EINVAL))
            fail_msg("%s: %d %s", c->text, error, err);
        if (error != 0) {
            if (strstr(err, c->failure) == NULL || strstr(err, "s3cret") != NULL)
                fail_msg("%s: %s", c->text, err);
            continue;
        }
        assert_string_equal(url.text, c->text);
        assert_string_equal(url.host, c->host);
        assert_string_equal(url.port, c->port);
        assert_string_equal(url.path, c->path);
        assert_int_equal(url.db, c->db);
    }
}

static void rests(void **state)
{
    static const int64_t lengths_s[] = {1, 2, 4, 8, 16, 30, 30, 30};
    struct shared_rest rest = {0};
    int64_t now_ms = 5000;
    (void)state;

    for (size_t i = 0; i < sizeof(lengths_s) / sizeof(lengths_s[0]); i++) {
        shared_rest_begin(&rest, now_ms);
        assert_int_equal(rest.until_ms, now_ms + lengths_s[i] * 1000);
        now_ms = rest.until_ms;
    }
    shared_rest_begin(&rest, now_ms + 60000);
    assert_int_equal(rest.until_ms, now_ms + 90000);
    now_ms = rest.until_ms + 60001;
    shared_rest_begin(&rest, now_ms);
    assert_int_equal(rest.until_ms, now_ms + 1000);
}

/* Each way to cut two of them into pieces gives the same replies. */
static void replies(void **state)
{
    static const char octets[] = "+OK\r\n-ERR x\r\n$5\r\na\r\nb\0\r\n:-7\r\n$-1\r\n$0\r\n\r\n";
    static const struct shared_reply wanted[] = {
        {SHARED_REPLY_STATUS, "OK", 2, 0},       {SHARED_REPLY_ERROR, "ERR x", 5, 0},
        {SHARED_REPLY_STRING, "a\r\nb\0", 5, 0}, {SHARED_REPLY_INTEGER, NULL, 0, -7},
        {SHARED_REPLY_NIL, NULL, 0, 0},          {SHARED_REPLY_STRING, "", 0, 0},
    };
    const size_t len = sizeof(octets) - 1, count = sizeof(wanted) / sizeof(wanted[0]);
    (void)state;

    for (size_t piece = 1; piece <= len; piece++) {
        struct shared_reader *reader;
        struct shared_reply reply;
        size_t got = 0;

        assert_int_equal(shared_reader_new(100, &reader), 0);
        for (size_t at = 0; at < len; at += piece) {
            assert_int_equal(
                shared_reader_feed(reader, octets + at, piece < len - at ? piece : len - at), 0);
            while (shared_reader_next(reader, &reply) == 1) {
                assert_true(got < count);
                assert_int_equal(reply.type, wanted[got].type);
                assert_int_equal(reply.len, wanted[got].len);
                assert_int_equal(reply.integer, wanted[got].integer);
                if (wanted[got].text != NULL) {
                    assert_memory_equal(reply.text, wanted[got].text, reply.len);
                    assert_int_equal(reply.text[reply.len], '\0');
                }
                got++;
            }
        }
        assert_int_equal(got, count);
        assert_int_equal(shared_reader_next(reader, &reply), 0);
        shared_reader_free(reader);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(rests),
        cmocka_unit_test(replies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
