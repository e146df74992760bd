/*
 * Fuzzes the DSN rewriter. The input's first byte chooses how the body is cut, the first line is
 * the Content-Type (empty: a report with the boundary B), the rest is the body. Besides the
 * sanitizers' findings a crash is: a result that depends on the cuts; a body given that is no
 * longer redacted when given again, yet changes.
 */
#include "dsn_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was redacted once has nothing left to redact. */
static void check_idempotent(const char *type, const struct dsn_run *first)
{
    struct dsn_run second = {0};
    size_t all = SIZE_MAX;

    dsn_run(&second, type, first->out, first->out_len, dsn_run_even, &all);
    if (second.result.replace_body &&
        (second.out_len != first->out_len || memcmp(second.out, first->out, first->out_len) != 0)) {
        fprintf(stderr, "redacting again changes the message\n");
        abort();
    }
    dsn_run_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char report[] = "multipart/report; boundary=B";
    const char *body, *newline;
    struct dsn_run whole = {0}, other = {0};
    char type[512];
    size_t all = SIZE_MAX, one = 1, type_len, len;
    uint32_t seed;

    if (size < 1)
        return 0;
    seed = data[0] + 1u;
    body = (const char *)data + 1;
    len = size - 1;
    newline = memchr(body, '\n', len);
    if (newline == NULL || (size_t)(newline - body) >= sizeof(type))
        return 0;
    type_len = (size_t)(newline - body);
    memcpy(type, body, type_len);
    type[type_len] = '\0';
    if (type_len == 0)
        strcpy(type, report);
    len -= type_len + 1;
    body = newline + 1;

    dsn_run(&whole, type, body, len, dsn_run_even, &all);
    dsn_run_compare(&whole, &other, type, body, len, dsn_run_even, &one);
    dsn_run_compare(&whole, &other, type, body, len, dsn_run_random, &seed);
    if (whole.result.replace_body)
        check_idempotent(type, &whole);
    dsn_run_fini(&whole);
    dsn_run_fini(&other);
    return 0;
}
