/*
 * The C side of tests/property/dsn_rewrite: reads messages from standard input, runs each as a
 * whole, cut in two at every place, byte by byte and in random pieces, aborts unless all ways
 * agree, and answers with the result.
 *
 * Request: `<length of the Content-Type value> <length of the body>\n`, the value, the body.
 * Answer:  `<request: none, optional, require> <body replaced: 0, 1> <length of the output>\n`, the
 * output.
 */
#include "dsn_run.h"

#include <stdio.h>
#include <stdlib.h>

static char *read_exactly(size_t len)
{
    char *data = malloc(len + 1);

    if (data == NULL || fread(data, 1, len, stdin) != len) {
        fprintf(stderr, "dsn_cuts: input cut short\n");
        exit(1);
    }
    data[len] = '\0';
    return data;
}

static void every_cut(const struct dsn_run *whole, const char *type, const char *body, size_t len)
{
    struct dsn_run other = {0};
    size_t one = 1;

    for (size_t cut = 1; cut < len; cut++)
        dsn_run_compare(whole, &other, type, body, len, dsn_run_two, &cut);
    dsn_run_compare(whole, &other, type, body, len, dsn_run_even, &one);
    for (uint32_t seed = 1; seed <= 8; seed++) {
        uint32_t state = seed * 2654435761u;

        dsn_run_compare(whole, &other, type, body, len, dsn_run_random, &state);
    }
    dsn_run_fini(&other);
}

int main(void)
{
    static const char *const requests[] = {"none", "optional", "require"};
    struct dsn_run whole = {0};
    size_t type_len, len, all = SIZE_MAX;

    while (scanf("%zu %zu", &type_len, &len) == 2 && getchar() == '\n') {
        char *type = read_exactly(type_len);
        char *body = read_exactly(len);

        dsn_run(&whole, type, body, len, dsn_run_even, &all);
        every_cut(&whole, type, body, len);
        printf("%s %d %zu\n", requests[whole.result.request], whole.result.replace_body,
               whole.out_len);
        fwrite(whole.out, 1, whole.out_len, stdout);
        fflush(stdout);
        free(type);
        free(body);
    }
    dsn_run_fini(&whole);
    return 0;
}
