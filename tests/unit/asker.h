/*
 * One who asks the engine, for tests in which many threads do: how often it was called back, with
 * what, and a wait for that. It is freed as soon as that is allowed, so that a late call would
 * show.
 */
#ifndef TESTS_UNIT_ASKER_H
#define TESTS_UNIT_ASKER_H

#include "policy/engine.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ASKER_THREADS = 8,
    ASKER_WAIT_S = 60, /* a call that has not come by then does not come */
};

/* cmocka's assertions are for the test's own thread; this one is for any. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct asker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls;
    bool empty; /* called back without findings */
    const struct findings *findings;
    struct engine_request *request;
    bool release_inside, cancel_inside; /* what the callback does with the request */
    struct engine *engine;
};

struct asker *asker_new(void);
void asker_free(struct asker *a);
void asker_init(struct asker *a); /* one that is embedded */
void asker_fini(struct asker *a);

/* engine_done_fn; `arg` is the asker. */
void asker_done(const struct findings *findings, void *arg);

/* Until it has been called back; ends the program if it never is. */
void asker_wait(struct asker *a);

/* Not at all, for a moment, or until it has been called back, as chance has it. */
void asker_wait_or_not(struct asker *a, unsigned *seed);

/* Runs `main` with that argument in ASKER_THREADS threads, and waits for their ends. */
void asker_run_threads(void *(*main)(void *), void *arg);

#endif
