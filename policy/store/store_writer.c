/*
 * The thread that writes the store's changes to its file.
 *
 * It waits until a change comes, then a moment for more, takes the whole list, writes it in one
 * transaction, and keeps it for another try if that fails; meanwhile new changes gather behind it,
 * up to a bound. A full or read-only disk, a missing directory or a lock is tried again from time
 * to time (store_file.c). store_writer_start begins it, store_flush waits for it, store_writer_stop
 * lets it write once more and ends it.
 */
#include "store/store_internal.h"

#include "policy/clock.h"

#include <errno.h>
#include <signal.h>
#include <syslog.h>
#include <time.h>

/* With the lock held: waits that long, unless someone wants to see the writer finish. */
static void pause_ms(struct store *store, unsigned ms)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + ms);

    while (!store->stopping && store->flushing == 0)
        if (pthread_cond_timedwait(&store->wake, &store->lock, &until) == ETIMEDOUT)
            return;
}

/* With the lock held: puts a batch that was not written before what has come since. */
static void batch_return(struct store *store, struct store_op *batch, struct store_op **batch_last)
{
    *batch_last = store->first;
    if (store->first == NULL)
        store->last = batch_last;
    store->first = batch;
}

/* With the lock held, which is released for the writing. Returns whether it succeeded. */
static bool write_queue(struct store *store)
{
    struct store_op *batch = store->first;
    struct store_op **batch_last = store->last;
    uint64_t dropped = store->dropped, reported = store->dropped_reported;
    size_t count = store->queued, octets = store->queued_octets;
    bool written;

    store->first = NULL;
    store->last = &store->first;
    pthread_mutex_unlock(&store->lock);
    written = store_file_write(&store->file, batch);
    if (written) {
        store_ops_free(batch);
        store_file_well(&store->file);
        if (dropped != reported) {
            atomic_store(&store->file.lost, true);
            store_file_say(&store->file, LOG_WARNING,
                           "%llu changes were dropped, the queue was full",
                           (unsigned long long)(dropped - reported));
        }
    }
    pthread_mutex_lock(&store->lock);
    store->failing = !written;
    if (written) {
        store->queued -= count;
        store->queued_octets -= octets;
        store->written += count;
        store->dropped_reported = dropped;
    } else {
        batch_return(store, batch, batch_last);
    }
    pthread_cond_broadcast(&store->idle);
    return written;
}

/* With the lock held. Looks at the file when there has been nothing to do for some time. */
static void wait_for_work(struct store *store)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + store->config.retry_ms);

    if (pthread_cond_timedwait(&store->wake, &store->lock, &until) != ETIMEDOUT ||
        store->first != NULL || store->stopping)
        return;
    pthread_mutex_unlock(&store->lock);
    store_file_look(&store->file);
    pthread_mutex_lock(&store->lock);
}

static void *writer_main(void *arg)
{
    struct store *store = arg;

    pthread_mutex_lock(&store->lock);
    for (;;) {
        while (store->first == NULL && !store->stopping)
            wait_for_work(store);
        if (store->first == NULL)
            break;
        pause_ms(store, store->config.batch_delay_ms);
        if (!write_queue(store)) {
            if (store->stopping)
                break;
            /* Also when someone flushes: a moment, so that a broken disk is not hammered. */
            if (store->flushing > 0)
                store->flushing = 0;
            pause_ms(store, store->config.retry_ms);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

bool store_writer_start(struct store *store)
{
    sigset_t all, old;

    /* It gets no signals: they are the program's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    store->writer_runs = pthread_create(&store->writer, NULL, writer_main, store) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return store->writer_runs;
}

void store_writer_stop(struct store *store)
{
    if (!store->writer_runs)
        return;
    pthread_mutex_lock(&store->lock);
    store->stopping = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->writer, NULL);
}

bool store_flush(struct store *store, int timeout_ms)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + timeout_ms);
    bool done;

    pthread_mutex_lock(&store->lock);
    while (store->queued > 0) {
        store->flushing = 1;
        pthread_cond_signal(&store->wake);
        if (pthread_cond_timedwait(&store->idle, &store->lock, &until) == ETIMEDOUT)
            break;
        if (store->failing)
            break;
    }
    store->flushing = 0;
    done = store->queued == 0;
    pthread_mutex_unlock(&store->lock);
    return done;
}
