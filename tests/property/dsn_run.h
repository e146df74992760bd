/*
 * One message through dsn_rewrite.c in given pieces, for tests that compare many ways to cut it.
 * What fails here is the test's own: it aborts.
 */
#ifndef TESTS_PROPERTY_DSN_RUN_H
#define TESTS_PROPERTY_DSN_RUN_H

#include "dsn/dsn_rewrite.h"

struct dsn_run {
    bool wanted;
    struct dsn_rewrite_result result;
    char *out; /* what the sink got, whether it is to be used or not */
    size_t out_len;
    size_t out_size;
};

/* The queue id that is known to the runs. */
#define DSN_RUN_KNOWN_ID "4bKNOWN"

/*
 * Runs a body in pieces; piece_len says how long the next one is (at least 1, cut to what is left),
 * given the offset. The buffer in run is used again; all zero at first.
 */
void dsn_run(struct dsn_run *run, const char *content_type, const char *body, size_t len,
             size_t (*piece_len)(void *arg, size_t offset), void *arg);
void dsn_run_fini(struct dsn_run *run);

bool dsn_run_equal(const struct dsn_run *a, const struct dsn_run *b);

/* Runs the body as a whole and in one other way; aborts with a message when they differ. */
void dsn_run_compare(const struct dsn_run *whole, struct dsn_run *other, const char *content_type,
                     const char *body, size_t len, size_t (*piece_len)(void *arg, size_t offset),
                     void *arg);

/* Pieces of one length; arg is a size_t. */
size_t dsn_run_even(void *arg, size_t offset);

/* Two pieces; arg is a size_t, the length of the first one. */
size_t dsn_run_two(void *arg, size_t offset);

/* Pieces of pseudo-random length up to 70; arg is a uint32_t, not 0. */
size_t dsn_run_random(void *arg, size_t offset);

#endif
