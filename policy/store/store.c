/*
 * The durable store of MTA-STS policies, next-hops with DANE and results of probes: made, read,
 * closed.
 *
 * store_new makes it; store_load_dane, store_load_probes and store_load read the file, on the
 * caller's thread, and start the writer (store_writer.c). From then on changes go through a queue
 * (store_queue.c), so that the engine's thread never waits for a disk. store_db.c says what the
 * file survives. Whether the file is in order is store_file.c's to say, at any time.
 */
#include "store/store_internal.h"

#include "policy/clock.h"
#include "store/store_life.h"

#include <stdlib.h>
#include <syslog.h>

enum {
    BATCH_DELAY_MS = 1000,
    RETRY_MS = 60000,
    QUEUE_MAX = 10000,
    /* Room for all next-hops with DANE, and a few policies as large as they may be. */
    QUEUE_MAX_OCTETS = 32 * 1024 * 1024,
};

struct loading {
    int64_t now_s;
    store_load_fn each;
    void *arg;
    size_t count;
};

static enum store_db_keep on_row(struct store_row *row, void *arg)
{
    struct loading *loading = arg;
    struct store_life life =
        store_life(loading->now_s, row->policy.fetched_at_s, row->policy.max_age_s, row->doubts);

    if (life.value == STORE_LIFE_OVER)
        return STORE_DB_DROP;
    row->policy.fetched_at_s = life.fetched_at_s;
    row->doubts = life.doubts;
    loading->each(&row->policy, life.left_s, loading->arg);
    loading->count++;
    return life.value == STORE_LIFE_ALIVE ? STORE_DB_KEEP : STORE_DB_CHANGE;
}

static void note_loaded(struct store *store, enum store_db_result result, const char *err)
{
    if (result == STORE_DB_DAMAGED)
        store_file_set_aside(&store->file, err);
    else if (result != STORE_DB_OK)
        store_file_trouble(&store->file, err);
}

void store_load_dane(struct store *store, store_dane_fn each, void *arg)
{
    char err[256] = "";

    if (store_file_open(&store->file))
        note_loaded(store, store_db_load_dane(store->file.db, each, arg, err, sizeof(err)), err);
}

void store_load_probes(struct store *store, int64_t now_s, int64_t max_life_s, store_probe_fn each,
                       void *arg)
{
    char err[256] = "";

    if (store_file_open(&store->file))
        note_loaded(store,
                    store_db_load_probes(store->file.db, now_s, now_s + max_life_s, each, arg, err,
                                         sizeof(err)),
                    err);
}

size_t store_load(struct store *store, int64_t now_s, store_load_fn each, void *arg)
{
    struct loading loading = {.now_s = now_s, .each = each, .arg = arg};
    char err[256] = "";
    size_t bad = 0;

    if (store_file_open(&store->file))
        note_loaded(store, store_db_load(store->file.db, on_row, &loading, &bad, err, sizeof(err)),
                    err);
    if (bad > 0)
        store_file_say(&store->file, LOG_WARNING, "%zu damaged policies were left out", bad);
    if (!store_writer_start(store))
        store_file_trouble(&store->file, "cannot start a thread");
    return loading.count;
}

bool store_is_up(struct store *store, char *why, size_t why_size)
{
    return store_file_is_well(&store->file, why, why_size);
}

struct store *store_new(const struct store_config *config)
{
    struct store *store = calloc(1, sizeof(*store));

    if (store == NULL)
        return NULL;
    if (store_file_init(&store->file, config) != 0) {
        free(store);
        return NULL;
    }
    store->config = *config;
    store->config.path = NULL;
    if (store->config.batch_delay_ms == 0)
        store->config.batch_delay_ms = BATCH_DELAY_MS;
    if (store->config.retry_ms == 0)
        store->config.retry_ms = RETRY_MS;
    if (store->config.max_queued == 0)
        store->config.max_queued = QUEUE_MAX;
    if (store->config.max_queued_octets == 0)
        store->config.max_queued_octets = QUEUE_MAX_OCTETS;
    store->last = &store->first;
    pthread_mutex_init(&store->lock, NULL);
    clock_cond_init(&store->wake);
    clock_cond_init(&store->idle);
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    store_writer_stop(store);
    if (store->queued > 0)
        store_file_say(&store->file, LOG_WARNING, "%zu changes could not be written",
                       store->queued);
    store_ops_free(store->first);
    store_file_fini(&store->file);
    pthread_cond_destroy(&store->idle);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

bool store_take_lost(struct store *store)
{
    return atomic_exchange(&store->file.lost, false);
}

void store_get_stats(struct store *store, struct store_stats *out)
{
    pthread_mutex_lock(&store->lock);
    *out = (struct store_stats){.written = store->written,
                                .dropped = store->dropped,
                                .queued = store->queued,
                                .failing = store->failing};
    pthread_mutex_unlock(&store->lock);
}
