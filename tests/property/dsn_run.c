/* The harness that property test and fuzzer share; see the header. */
#include "dsn_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
    fprintf(stderr, "dsn_run: %s\n", what);
    abort();
}

static int take(void *arg, const char *data, size_t len)
{
    struct dsn_run *run = arg;

    if (len == 0)
        die("the sink got nothing");
    if (run->out_len + len > run->out_size) {
        run->out_size = 2 * (run->out_len + len);
        run->out = realloc(run->out, run->out_size);
        if (run->out == NULL)
            die("no memory");
    }
    memcpy(run->out + run->out_len, data, len);
    run->out_len += len;
    return 0;
}

static bool is_known(void *arg, const char *id)
{
    (void)arg;
    return strcmp(id, DSN_RUN_KNOWN_ID) == 0;
}

/* A copy without room behind it, so that a sanitizer sees every read too far. */
static void feed(struct dsn_rewrite *rewrite, const char *data, size_t len)
{
    char *copy = malloc(len);

    if (copy == NULL)
        die("no memory");
    memcpy(copy, data, len);
    if (dsn_rewrite_body(rewrite, copy, len) != 0)
        die("error from dsn_rewrite_body");
    free(copy);
}

void dsn_run(struct dsn_run *run, const char *content_type, const char *body, size_t len,
             size_t (*piece_len)(void *arg, size_t offset), void *arg)
{
    struct dsn_rewrite_hooks hooks = {.sink = take, .sink_arg = run, .known_id = is_known};
    struct dsn_rewrite *rewrite = dsn_rewrite_new(&hooks);
    size_t n;

    if (rewrite == NULL)
        die("no memory");
    memset(&run->result, 0, sizeof(run->result));
    run->out_len = 0;
    dsn_rewrite_header(rewrite, "Content-Type", content_type);
    run->wanted = dsn_rewrite_wanted(rewrite);
    for (size_t at = 0; run->wanted && at < len; at += n) {
        n = piece_len(arg, at);
        if (n > len - at)
            n = len - at;
        feed(rewrite, body + at, n);
    }
    if (run->wanted && dsn_rewrite_end(rewrite, &run->result) != 0)
        die("error from dsn_rewrite_end");
    if (run->result.body_len != run->out_len)
        die("body_len is not what the sink got");
    dsn_rewrite_free(rewrite);
}

void dsn_run_fini(struct dsn_run *run)
{
    free(run->out);
}

bool dsn_run_equal(const struct dsn_run *a, const struct dsn_run *b)
{
    return a->wanted == b->wanted && a->result.request == b->result.request &&
           a->result.replace_body == b->result.replace_body && a->out_len == b->out_len &&
           (a->out_len == 0 || memcmp(a->out, b->out, a->out_len) == 0);
}

void dsn_run_compare(const struct dsn_run *whole, struct dsn_run *other, const char *content_type,
                     const char *body, size_t len, size_t (*piece_len)(void *arg, size_t offset),
                     void *arg)
{
    dsn_run(other, content_type, body, len, piece_len, arg);
    if (!dsn_run_equal(whole, other))
        die("the result depends on where the body is cut");
}

size_t dsn_run_even(void *arg, size_t offset)
{
    (void)offset;
    return *(size_t *)arg;
}

size_t dsn_run_two(void *arg, size_t offset)
{
    return offset == 0 && *(size_t *)arg > 0 ? *(size_t *)arg : SIZE_MAX;
}

size_t dsn_run_random(void *arg, size_t offset)
{
    uint32_t *state = arg;

    (void)offset;
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return 1 + *state % 70;
}
