/*
 * Responses of policy hosts, right and wrong, read at once, octet by octet and in two pieces: the
 * result is the same (RFC 9112).
 */
#include "sts/http_response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BODY_MAX = 16, WHOLE = 0 };

/* How the connection ends behind the octets. */
enum end { OPEN, BY_PEER, CUT };

#define OK "HTTP/1.1 200 OK\r\n"
#define MORE HTTP_RESPONSE_MORE
#define DONE HTTP_RESPONSE_DONE
#define BAD HTTP_RESPONSE_BAD
#define IS_CUT HTTP_RESPONSE_CUT
#define LONG HTTP_RESPONSE_BODY_TOO_LONG

struct response_case {
    const char *name, *octets;
    enum end end;
    enum http_response_status status;
    unsigned code;    /* 0: no head */
    const char *type; /* NULL: none */
    const char *body;
    size_t len; /* of octets, where there is a NUL in them */
};

static const struct response_case cases[] = {
    {"length", OK "Content-Length: 3\r\n\r\nabc", OPEN, DONE, 200, NULL, "abc", WHOLE},
    {"type", OK "content-TYPE: \ttext/plain \r\nContent-Length: 0\r\n\r\n", OPEN, DONE, 200,
     "text/plain", "", WHOLE},
    {"octets behind the body", OK "Content-Length: 3\r\n\r\nabcdef", OPEN, DONE, 200, NULL, "abc",
     WHOLE},
    {"lines that end in LF", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", OPEN, DONE, 200, NULL,
     "abc", WHOLE},
    {"no reason", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", OPEN, DONE, 404, NULL, "", WHOLE},
    {"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nabc", BY_PEER, DONE, 200, NULL, "abc", WHOLE},
    {"until close", OK "\r\nabc", BY_PEER, DONE, 200, NULL, "abc", WHOLE},
    {"until cut", OK "\r\nabc", CUT, IS_CUT, 200, NULL, "abc", WHOLE},
    {"until close, not yet", OK "\r\nabc", OPEN, MORE, 200, NULL, "abc", WHOLE},
    {"no content", "HTTP/1.1 204 No\r\n\r\n", OPEN, DONE, 204, NULL, "", WHOLE},
    {"not modified", "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", OPEN, DONE, 304, NULL, "",
     WHOLE},
    {"as much as may be", OK "\r\n0123456789abcdef", BY_PEER, DONE, 200, NULL, "0123456789abcdef",
     WHOLE},

    {"chunks",
     OK "Transfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n1;x=\"y\"\r\nc\r\n0\r\nT: x\r\n\r\n", OPEN,
     DONE, 200, NULL, "abc", WHOLE},
    {"size with zeros and blank",
     OK "Transfer-Encoding: chunked\r\n\r\n00A \r\n0123456789\r\n0\r\n\r\n", OPEN, DONE, 200, NULL,
     "0123456789", WHOLE},
    {"no last chunk", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", BY_PEER, IS_CUT, 200,
     NULL, "abc", WHOLE},
    {"end within the trailer", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n",
     BY_PEER, IS_CUT, 200, NULL, "abc", WHOLE},
    {"chunk with more than its size", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
     OPEN, BAD, 200, NULL, "abc", WHOLE},
    {"size below 0", OK "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n", OPEN, BAD, 200, NULL, "",
     WHOLE},
    {"size with 0x", OK "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n", OPEN, BAD, 200, NULL,
     "", WHOLE},
    {"no size", OK "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n", OPEN, BAD, 200, NULL, "",
     WHOLE},
    {"size of 64 bits and more", OK "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc",
     OPEN, BAD, 200, NULL, "", WHOLE},
    {"chunk too long", OK "Transfer-Encoding: chunked\r\n\r\n11\r\n", OPEN, LONG, 200, NULL, "",
     WHOLE},
    {"chunks too long", OK "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n7\r\n", OPEN, LONG,
     200, NULL, "0123456789", WHOLE},

    {"early hints",
     "HTTP/1.1 103 Hints\r\nContent-Length: 9\r\nContent-Type: x\r\n\r\n" OK
     "Content-Length: 3\r\n\r\nabc",
     OPEN, DONE, 200, NULL, "abc", WHOLE},
    {"continue", "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 3\r\n\r\nabc", OPEN, DONE, 200,
     NULL, "abc", WHOLE},
    {"nothing behind continue", "HTTP/1.1 100 Continue\r\n\r\n", BY_PEER, IS_CUT, 0, NULL, "",
     WHOLE},
    {"switching protocols", "HTTP/1.1 101 Now\r\n\r\n", BY_PEER, DONE, 101, NULL, "", WHOLE},

    {"nothing", "", BY_PEER, IS_CUT, 0, NULL, "", WHOLE},
    {"half a head", OK "Content-Le", BY_PEER, IS_CUT, 0, NULL, "", WHOLE},
    {"half a body", OK "Content-Length: 3\r\n\r\nab", BY_PEER, IS_CUT, 200, NULL, "ab", WHOLE},
    {"length too long", OK "Content-Length: 17\r\n\r\n", OPEN, LONG, 200, NULL, "", WHOLE},
    {"body too long", OK "\r\n0123456789abcdefg", OPEN, LONG, 200, NULL, NULL, WHOLE},

    {"same length twice", OK "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", OPEN, DONE, 200,
     NULL, "abc", WHOLE},
    {"two lengths", OK "Content-Length: 3\r\nContent-Length: 2\r\n\r\nabc", OPEN, BAD, 0, NULL, "",
     WHOLE},
    {"list of lengths", OK "Content-Length: 3, 3\r\n\r\nabc", OPEN, BAD, 0, NULL, "", WHOLE},
    {"length with a sign", OK "Content-Length: +3\r\n\r\nabc", OPEN, BAD, 0, NULL, "", WHOLE},
    {"no length", OK "Content-Length:\r\n\r\nabc", OPEN, BAD, 0, NULL, "", WHOLE},
    {"length of 64 bits and more", OK "Content-Length: 18446744073709551619\r\n\r\nabc", OPEN, BAD,
     0, NULL, "", WHOLE},
    {"length and chunks", OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", OPEN, BAD,
     0, NULL, "", WHOLE},
    {"another coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", OPEN, BAD, 0, NULL, "",
     WHOLE},
    {"coding twice", OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", OPEN,
     BAD, 0, NULL, "", WHOLE},
    {"coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", OPEN, BAD, 0,
     NULL, "", WHOLE},
    {"two types", OK "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", OPEN, BAD, 0,
     NULL, "", WHOLE},
    {"folded", OK "X: a\r\n b\r\n\tc\r\nContent-Length: 3\r\n\r\nabc", OPEN, DONE, 200, NULL, "abc",
     WHOLE},
    {"folded length", OK "Content-Length: 3\r\n 4\r\n\r\nabc", OPEN, BAD, 0, NULL, "", WHOLE},
    {"blank before the colon", OK "Content-Length : 3\r\n\r\nabc", OPEN, BAD, 0, NULL, "", WHOLE},
    {"no colon", OK "junk\r\n\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"no name", OK ": x\r\n\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"NUL", OK "X: a\0b\r\n\r\n", OPEN, BAD, 0, NULL, "", sizeof(OK "X: a\0b\r\n\r\n") - 1},
    {"lone CR", OK "X: a\rb\r\n\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"NUL in the body", OK "\r\na\0b", BY_PEER, DONE, 200, NULL, "a", sizeof(OK "\r\na\0b") - 1},

    {"SMTP", "220 mail.example.org ESMTP\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"HTTP/2", "HTTP/2 200\r\n\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"HTTP/0.9", "<html>\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"code of two digits", "HTTP/1.1 20 OK\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"code of four digits", "HTTP/1.1 2000 OK\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"code with letters", "HTTP/1.1 200abc OK\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"code 099", "HTTP/1.1 099 OK\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
    {"code 999", "HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", OPEN, DONE, 999, NULL, "", WHOLE},
    {"empty line first", "\r\n" OK "\r\n", OPEN, BAD, 0, NULL, "", WHOLE},
};

static void check(const struct response_case *c, struct http_response *r)
{
    if (c->end != OPEN)
        http_response_end(r, c->end == BY_PEER);
    if (r->status != c->status)
        fail_msg("%s: status %d", c->name, (int)r->status);
    assert_int_equal(r->has_head, c->code != 0);
    if (c->code != 0) {
        assert_int_equal(r->code, c->code);
        assert_int_equal(r->has_content_type, c->type != NULL);
        if (c->type != NULL)
            assert_string_equal(r->content_type, c->type);
    }
    if (c->body != NULL && c->body[0] != '\0')
        assert_memory_equal(r->body, c->body, strlen(c->body));
    if (c->body != NULL && c->len == WHOLE)
        assert_int_equal(r->body_len, strlen(c->body));
    assert_true(r->body_len <= BODY_MAX);
    http_response_fini(r);
}

static void test_case(void **state)
{
    const struct response_case *c = *state;
    size_t len = c->len != WHOLE ? c->len : strlen(c->octets);
    struct http_response r;

    http_response_init(&r, BODY_MAX);
    http_response_read(&r, c->octets, len);
    check(c, &r);
    http_response_init(&r, BODY_MAX);
    for (size_t i = 0; i < len; i++)
        http_response_read(&r, c->octets + i, 1);
    check(c, &r);
    for (size_t i = 0; i < len; i++) {
        http_response_init(&r, BODY_MAX);
        http_response_read(&r, c->octets, i);
        http_response_read(&r, c->octets + i, len - i);
        check(c, &r);
    }
}

static enum http_response_status read_text(struct http_response *r, const char *text)
{
    return http_response_read(r, text, strlen(text));
}

/* All that is not body counts: fields, interim responses, sizes of chunks, trailers. */
static void head_too_long(void **state)
{
    static const char *const begins[] = {OK, "", OK "Transfer-Encoding: chunked\r\n\r\n",
                                         OK "Transfer-Encoding: chunked\r\n\r\n0\r\n"};
    static const char *const again[] = {"X-Filler: 0123456789\r\n", "HTTP/1.1 103 Hints\r\n\r\n",
                                        "1;0123456789012345\r\nx\r\n", "X: y\r\n"};
    (void)state;

    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        enum http_response_status status = HTTP_RESPONSE_MORE;
        struct http_response r;
        size_t sent = 0;

        http_response_init(&r, SIZE_MAX / 2);
        read_text(&r, begins[i]);
        for (; status == HTTP_RESPONSE_MORE; sent += strlen(again[i]))
            status = read_text(&r, again[i]);
        assert_int_equal(status, HTTP_RESPONSE_HEAD_TOO_LONG);
        assert_true(sent > HTTP_RESPONSE_HEAD_MAX / 2 && sent < 2 * HTTP_RESPONSE_HEAD_MAX);
        http_response_fini(&r);
    }
}

/* A long line counts, but what it says beyond the first octets does not. */
static void long_lines(void **state)
{
    char line[8000];
    struct http_response r;

    (void)state;
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';
    http_response_init(&r, BODY_MAX);
    read_text(&r, OK "X: ");
    read_text(&r, line);
    read_text(&r, "\r\nContent-Type: text/plain; x=");
    read_text(&r, line);
    assert_int_equal(read_text(&r, "\r\nContent-Length: 3\r\n\r\nabc"), HTTP_RESPONSE_DONE);
    assert_int_equal(strncmp(r.content_type, "text/plain; x=xxx", 17), 0);
    http_response_fini(&r);

    memset(line, '0', sizeof(line) - 1);
    http_response_init(&r, BODY_MAX);
    read_text(&r, OK "Content-Length: ");
    read_text(&r, line);
    assert_int_equal(read_text(&r, "3\r\n\r\n"), HTTP_RESPONSE_BAD);
    http_response_fini(&r);
}

int main(void)
{
    enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
    static struct CMUnitTest tests[COUNT + 2];

    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = test_case,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    tests[COUNT] = (struct CMUnitTest)cmocka_unit_test(head_too_long);
    tests[COUNT + 1] = (struct CMUnitTest)cmocka_unit_test(long_lines);
    return cmocka_run_group_tests_name("http_response", tests, NULL, NULL);
}
