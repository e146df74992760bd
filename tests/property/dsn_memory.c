/*
 * Bounces of 1 GB, of the shapes most likely to make a rewriter hold on to something, streamed
 * through in milter-sized pieces: the process's resident size must not grow. Prints `N passed, N
 * failed`.
 *
 *   dsn_memory [MEGABYTES]
 */
#include "dsn/dsn_rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    PIECE = 65535, /* what libmilter hands over at most */
    GROWTH_MAX_KB = 1024,
};

#define HEAD                                                                                       \
    "--B\r\n\r\nnote\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n"                      \
    "X-Postfix-Queue-ID: KNOWN\r\n\r\n"
#define MESSAGE "--B\r\nContent-Type: message/rfc822\r\n\r\n"

static const struct shape {
    const char *name;
    const char *type;
    const char *before;
    const char *repeated;
    const char *after;
    bool output_is_small;
} shapes[] = {
    {"a huge returned body", "multipart/report; boundary=B", HEAD MESSAGE "Subject: x\r\n\r\n",
     "secret line of the usual length, more or less seventy characters long.\r\n", "--B--\r\n",
     true},
    {"a returned body of one line", "multipart/report; boundary=B",
     HEAD MESSAGE "Subject: x\r\n\r\n", "secret --B ", "\r\n--B--\r\n", true},
    {"a returned body of false delimiters", "multipart/report; boundary=B",
     HEAD MESSAGE "Subject: x\r\n\r\n", "--Bx\r\n--\r\n--B-\r\n", "--B--\r\n", true},
    {"a returned header in base64", "multipart/report; boundary=B",
     HEAD "--B\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
     "WDogdmVyeSBsb25nIGhlYWRlciwgd2hpY2ggbmV2ZXIgZW5kcyBhdCBhbGwuDQog\r\n", "--B--\r\n", false},
    {"a returned body in base64", "multipart/report; boundary=B",
     HEAD "--B\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
          "WDogeXkNCg0K\r\n",
     "c2VjcmV0IHNlY3JldCAh\r\n", "--B--\r\n", true},
    {"a huge returned header", "multipart/report; boundary=B", HEAD MESSAGE,
     "Received: from a by b;\r\n\tMon, 1 Jan\r\n", "\r\nsecret\r\n--B--\r\n", false},
    {"a returned header of one field", "multipart/report; boundary=B",
     HEAD MESSAGE "TLS-Required:", " No", "\r\n\r\nsecret\r\n--B--\r\n", false},
    {"a huge header of the part", "multipart/report; boundary=B",
     HEAD "--B\r\nContent-Type: message/rfc822\r\n", "X-Field: y\r\n",
     "\r\n\r\nsecret\r\n--B--\r\n", true},
    {"blanks behind a boundary", "multipart/report; boundary=B", HEAD "--B", "          ",
     "\r\nContent-Type: message/rfc822\r\n\r\nX: y\r\n\r\nsecret\r\n--B--\r\n", true},
    {"a huge notification", "multipart/report; boundary=B", "--B\r\n\r\n", "text text\r\n",
     HEAD MESSAGE "Subject: x\r\n\r\nsecret\r\n--B--\r\n", false},
    {"a huge delivery status", "multipart/report; boundary=B", HEAD,
     "Final-Recipient: rfc822; bob@example.org\r\nAction: failed\r\n\r\n",
     MESSAGE "Subject: x\r\n\r\nsecret\r\n--B--\r\n", false},
    {"countless parts", "multipart/report; boundary=B", HEAD,
     "--B\r\nContent-Type: x/y\r\n\r\nz\r\n", "--B--\r\n", true},
    {"no parts to be found", "multipart/report", "", HEAD "secret\r\n", "", true},
};

static int count(void *arg, const char *data, size_t len)
{
    (void)data;
    *(uint64_t *)arg += len;
    return 0;
}

static bool is_known(void *arg, const char *id)
{
    (void)arg;
    return strcmp(id, "KNOWN") == 0;
}

static long max_rss_kb(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void feed(struct dsn_rewrite *rewrite, const char *data, size_t len)
{
    if (dsn_rewrite_body(rewrite, data, len) != 0) {
        fprintf(stderr, "dsn_memory: error\n");
        exit(1);
    }
}

/* Fills a piece with whole repetitions, so that it can be fed again and again. */
static size_t fill(char *piece, const char *repeated)
{
    size_t len = strlen(repeated);
    size_t n = 0;

    for (; n + len <= PIECE; n += len)
        memcpy(piece + n, repeated, len);
    return n;
}

static bool run(const struct shape *shape, uint64_t total)
{
    static char piece[PIECE];
    uint64_t out_len = 0;
    struct dsn_rewrite_hooks hooks = {.sink = count, .sink_arg = &out_len, .known_id = is_known};
    struct dsn_rewrite *rewrite = dsn_rewrite_new(&hooks);
    struct dsn_rewrite_result result = {0};
    size_t piece_len = fill(piece, shape->repeated);
    long before_kb = max_rss_kb();
    long growth_kb;

    dsn_rewrite_header(rewrite, "Content-Type", shape->type);
    feed(rewrite, shape->before, strlen(shape->before));
    for (uint64_t fed = 0; fed < total; fed += piece_len)
        feed(rewrite, piece, piece_len);
    feed(rewrite, shape->after, strlen(shape->after));
    if (dsn_rewrite_end(rewrite, &result) != 0)
        return false;
    dsn_rewrite_free(rewrite);
    growth_kb = max_rss_kb() - before_kb;
    printf("%-40s %5llu MB in, %10llu bytes out, %ld kB more memory\n", shape->name,
           (unsigned long long)(total >> 20), (unsigned long long)out_len, growth_kb);
    fflush(stdout);
    return result.replace_body && result.request == DSN_REWRITE_REQUIRE &&
           growth_kb < GROWTH_MAX_KB && out_len == result.body_len &&
           (out_len < 100000) == shape->output_is_small;
}

int main(int argc, char **argv)
{
    uint64_t total = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1024) << 20;
    int failed = 0, passed = 0;

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (run(&shapes[i], total)) {
            passed++;
        } else {
            failed++;
            printf("FAIL %s\n", shapes[i].name);
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
