/*
 * How long a server of the shared cache that failed is left alone: a second, twice as long each
 * time, 30 s at most; after a minute without a rest it begins with a second again. Pure; times are
 * clock_awake_ms.
 */
#ifndef POLICY_STORE_SHARED_REST_H
#define POLICY_STORE_SHARED_REST_H

#include <stdint.h>

enum {
    SHARED_REST_MIN_MS = 1000,
    SHARED_REST_MAX_MS = 30000,
    SHARED_REST_FORGOTTEN_MS = 60000,
};

/* All zero: it does not rest and has not. */
struct shared_rest {
    int64_t until_ms;
    int64_t length_ms; /* of the last one */
};

/* It failed at now_ms. */
void shared_rest_begin(struct shared_rest *rest, int64_t now_ms);

#endif
