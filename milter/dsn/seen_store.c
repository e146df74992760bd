/*
 * One thread takes changes and writes each over the old record; the data are forced to the disk a
 * second after the first of them. While the file cannot be had, changes wait in memory, where each
 * position has room for one.
 */
#include "dsn/seen_store.h"

#include "base/log.h"
#include "dsn/seen_file.h"
#include "policy/clock.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYNC_MS = 1000, RETRY_MS = 60 * 1000, REST_MS = 100, IDLE_MS = 60 * 1000 };

struct seen_store {
    struct seen_ids *ids;
    struct metrics *metrics;
    char *path;
    unsigned retry_ms;
    int fd;        /* -1: cannot be had now */
    bool late;     /* ids have come since the start */
    bool read;     /* what the file had is in memory */
    bool unsynced; /* something was written since the last sync */
    int64_t unsynced_since_ms;
    bool warned; /* of a failure that lasts */
    atomic_bool stopping;
    pthread_t thread;
};

static void log_warning(struct seen_store *store, const char *what)
{
    if (!store->warned)
        log_msg(LOG_WARNING,
                "%s %s: queue ids of messages that require TLS are not kept over a restart",
                store->path, what);
    store->warned = true;
    metrics_set_standing(store->metrics, STANDING_QUEUE_IDS_DOWN, true);
}

/* seen_file_each_fn */
static void on_record(void *arg, size_t position, const struct seen_record *record)
{
    struct seen_store *store = arg;

    if (store->read)
        return;
    if (!store->late)
        seen_ids_restore(store->ids, position, record);
    else
        seen_ids_add(store->ids, record->id); /* its position may be another's now */
}

static void close_file(struct seen_store *store)
{
    seen_ids_set_kept(store->ids, false);
    if (store->fd >= 0)
        close(store->fd);
    store->fd = -1;
    store->unsynced = false;
}

static void report_failure(struct seen_store *store, const char *what, int error)
{
    char text[200];

    snprintf(text, sizeof(text), "cannot be %s: %s", what, strerror(error));
    log_warning(store, text);
    close_file(store);
}

static void sync_file(struct seen_store *store)
{
    store->unsynced = false;
    if (fdatasync(store->fd) != 0 && errno != EINVAL)
        report_failure(store, "written", errno);
}

static void note_written(struct seen_store *store)
{
    if (!store->unsynced)
        store->unsynced_since_ms = clock_awake_ms();
    store->unsynced = true;
}

/* Writes what there is, waiting for the first. */
static void write_changes(struct seen_store *store, unsigned timeout_ms)
{
    struct seen_record record;
    size_t position;

    while (store->fd >= 0 && seen_ids_take_change(store->ids, timeout_ms, &position, &record)) {
        int error = seen_file_write(store->fd, position, &record);

        seen_ids_end_change(store->ids, position, error == 0);
        if (error == 0)
            note_written(store);
        else
            report_failure(store, "written", -error);
        timeout_ms = 0;
    }
}

/* Opens the file, and reads what it has when it is opened first; after the start it is written
 * anew. */
static void open_file(struct seen_store *store)
{
    char err[200], aside[PATH_MAX];
    size_t capacity = seen_ids_capacity(store->ids);
    enum seen_file_result result =
        seen_file_open(store->path, capacity, on_record, store, &store->fd, err, sizeof(err));
    bool anew = store->late;

    if (result == SEEN_FILE_DAMAGED) {
        store->read = true;
        anew = true;
        if (seen_file_set_aside(store->path, aside, sizeof(aside)) == 0) {
            log_msg(LOG_WARNING, "%s %s: set aside as %s, beginning again", store->path, err,
                    aside);
            result = seen_file_open(store->path, capacity, on_record, store, &store->fd, err,
                                    sizeof(err));
        }
    }
    store->late = true;
    if (result != SEEN_FILE_OK) {
        log_warning(store, err);
        return;
    }
    if (store->warned)
        log_msg(LOG_INFO, "%s is written again", store->path);
    store->warned = false;
    metrics_set_standing(store->metrics, STANDING_QUEUE_IDS_DOWN, false);
    store->read = true;
    seen_ids_set_kept(store->ids, true);
    if (anew) {
        seen_ids_rewrite(store->ids);
        write_changes(store, 0);
    }
}

/* Waits without writing. */
static void wait_idle(struct seen_store *store)
{
    for (unsigned ms = 0; ms < store->retry_ms && !atomic_load(&store->stopping); ms += REST_MS)
        usleep(REST_MS * 1000);
}

static void *run_writer(void *arg)
{
    struct seen_store *store = arg;

    while (!atomic_load(&store->stopping)) {
        if (store->fd < 0) {
            wait_idle(store);
            if (!atomic_load(&store->stopping))
                open_file(store);
            continue;
        }
        write_changes(store, store->unsynced ? SYNC_MS : IDLE_MS);
        if (store->unsynced && clock_awake_ms() - store->unsynced_since_ms >= SYNC_MS)
            sync_file(store);
    }
    write_changes(store, 0);
    return NULL;
}

static void free_store(struct seen_store *store)
{
    if (store->fd >= 0)
        close(store->fd);
    free(store->path);
    free(store);
}

int seen_store_start(const char *path, unsigned retry_ms, struct seen_ids *ids,
                     struct metrics *metrics, struct seen_store **out)
{
    struct seen_store *store = calloc(1, sizeof(*store));
    int error;

    *out = NULL;
    if (store == NULL)
        return -ENOMEM;
    store->ids = ids;
    store->metrics = metrics;
    store->retry_ms = retry_ms > 0 ? retry_ms : RETRY_MS;
    store->fd = -1;
    atomic_init(&store->stopping, false);
    store->path = strdup(path);
    if (store->path == NULL) {
        free_store(store);
        return -ENOMEM;
    }
    open_file(store);
    error = pthread_create(&store->thread, NULL, run_writer, store);
    if (error != 0) {
        metrics_set_standing(metrics, STANDING_QUEUE_IDS_DOWN, true);
        close_file(store);
        free_store(store);
        return -error;
    }
    *out = store;
    return 0;
}

void seen_store_stop(struct seen_store *store)
{
    if (store == NULL)
        return;
    atomic_store(&store->stopping, true);
    seen_ids_interrupt(store->ids);
    pthread_join(store->thread, NULL);
    close_file(store);
    free_store(store);
}
