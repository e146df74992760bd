/*
 * What the files of the store share; nobody else includes this. Each uses those before it alone:
 * store_queue.c, store_writer.c, store.c.
 */
#ifndef POLICY_STORE_STORE_INTERNAL_H
#define POLICY_STORE_STORE_INTERNAL_H

#include "store/store_file.h"

#include <pthread.h>

struct store {
    struct store_config config; /* without its path */
    struct store_file file;     /* the caller's until the writer runs, then the writer's */
    pthread_t writer;
    bool writer_runs;

    pthread_mutex_t lock; /* for everything below */
    pthread_cond_t wake;  /* the writer: something to do */
    pthread_cond_t idle;  /* store_flush: a batch is done */
    struct store_op *first;
    struct store_op **last;
    size_t queued; /* those the writer has taken but not yet written included */
    size_t queued_octets;
    uint64_t written, dropped, dropped_reported;
    unsigned flushing; /* callers in store_flush: no delays */
    bool failing;
    bool stopping;
};

/* store_queue.c */
void store_ops_free(struct store_op *op); /* and all that follow it */

/* store_writer.c */
bool store_writer_start(struct store *store);
void store_writer_stop(struct store *store); /* tries once more to write what is queued */

#endif
