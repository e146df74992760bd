/*
 * The durable store of MTA-STS policies and next-hops with DANE: the queue in front of the file,
 * and the thread that writes it. See store_db.c for what the file survives.
 *
 * The engine's thread only ever appends to a list under a lock. The writer takes the whole list,
 * writes it in one transaction, and keeps it for another try if that fails; meanwhile new changes
 * gather up to a bound. A full or read-only disk, a missing directory or a lock is tried again from
 * time to time (store_file.c).
 */
#include "store/store.h"

#include "policy/clock.h"
#include "store/store_file.h"
#include "store/store_life.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

enum {
    BATCH_DELAY_MS = 1000,
    RETRY_MS = 60000,
    QUEUE_MAX = 10000,
    /* Room for all next-hops with DANE, and a few policies as large as they may be. */
    QUEUE_MAX_OCTETS = 32 * 1024 * 1024,
    /* Far above any policy, below what the file takes: nothing queued can ever be unwritable. */
    BODY_MAX = 4 * 1024 * 1024,
};

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

/* ---- the queue ---- */

static void ops_free(struct store_op *op)
{
    while (op != NULL) {
        struct store_op *next = op->next;

        free(op);
        op = next;
    }
}

static char *append_octets(char **to, const void *data, size_t len)
{
    char *at = *to;

    memcpy(at, data, len);
    at[len] = '\0';
    *to += len + 1;
    return at;
}

/* One allocation: the change and, behind it, all that it points to. */
static struct store_op *op_new(enum store_op_kind kind, const struct store_policy *policy)
{
    static const char none[] = "";
    const char *id = policy->id != NULL ? policy->id : none;
    const char *mx = policy->mx != NULL ? policy->mx : none;
    const char *body = policy->body != NULL ? policy->body : none;
    size_t domain_len = strlen(policy->domain), id_len = strlen(id), mx_len = strlen(mx);
    size_t octets = sizeof(struct store_op) + domain_len + id_len + mx_len + policy->body_len + 4;
    struct store_op *op = malloc(octets);
    char *to;

    if (op == NULL)
        return NULL;
    *op = (struct store_op){.kind = kind, .row = {.policy = *policy}, .octets = octets};
    to = (char *)(op + 1);
    op->row.policy.domain = append_octets(&to, policy->domain, domain_len);
    op->row.policy.id = append_octets(&to, id, id_len);
    op->row.policy.mx = append_octets(&to, mx, mx_len);
    op->row.policy.body = append_octets(&to, body, policy->body_len);
    return op;
}

/* Takes the change over, which may be NULL for want of memory. */
static bool enqueue_op(struct store *store, struct store_op *op)
{
    /* A deletion that is lost would come back to life; those may fill the queue twice. */
    bool deletion =
        op != NULL && (op->kind == STORE_OP_DELETE || op->kind == STORE_OP_DANE_FORGOTTEN);
    size_t share = deletion ? 2 : 1;

    pthread_mutex_lock(&store->lock);
    if (op == NULL || store->queued >= store->config.max_queued * share ||
        store->queued_octets + op->octets > store->config.max_queued_octets * share) {
        store->dropped++;
        pthread_mutex_unlock(&store->lock);
        free(op);
        return false;
    }
    *store->last = op;
    store->last = &op->next;
    store->queued_octets += op->octets;
    if (store->queued++ == 0)
        pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    return true;
}

static bool enqueue(struct store *store, enum store_op_kind kind, const struct store_policy *policy)
{
    return enqueue_op(store, policy->body_len <= BODY_MAX ? op_new(kind, policy) : NULL);
}

bool store_put(struct store *store, const struct store_policy *policy)
{
    return enqueue(store, STORE_OP_PUT, policy);
}

bool store_delete(struct store *store, const char *domain)
{
    return enqueue(store, STORE_OP_DELETE, &(struct store_policy){.domain = domain});
}

bool store_touch(struct store *store, const char *domain, int64_t used_at_s)
{
    return enqueue(store, STORE_OP_TOUCH,
                   &(struct store_policy){.domain = domain, .used_at_s = used_at_s});
}

static bool enqueue_dane(struct store *store, enum store_op_kind kind, uint64_t key, int64_t at_s)
{
    struct store_op *op = op_new(kind, &(struct store_policy){.domain = "", .used_at_s = at_s});

    if (op != NULL)
        op->dane_key = key;
    return enqueue_op(store, op);
}

bool store_dane_seen(struct store *store, uint64_t key, int64_t seen_at_s)
{
    return enqueue_dane(store, STORE_OP_DANE_SEEN, key, seen_at_s);
}

bool store_dane_forgotten(struct store *store, uint64_t key)
{
    return enqueue_dane(store, STORE_OP_DANE_FORGOTTEN, key, 0);
}

bool store_dane_over(struct store *store, int64_t from_s, int64_t before_s)
{
    return enqueue(
        store, STORE_OP_DANE_OVER,
        &(struct store_policy){.domain = "", .fetched_at_s = from_s, .used_at_s = before_s});
}

bool store_dane_list(struct store *store, const struct store_dane *list, size_t count)
{
    return enqueue(store, STORE_OP_DANE_LIST,
                   &(struct store_policy){.domain = "",
                                          .body = (const char *)list,
                                          .body_len = count * sizeof(*list)});
}

bool store_take_lost(struct store *store)
{
    return atomic_exchange(&store->file.lost, false);
}

bool store_has_room(struct store *store)
{
    bool room;

    pthread_mutex_lock(&store->lock);
    room = store->queued < store->config.max_queued / 2 &&
           store->queued_octets < store->config.max_queued_octets / 2;
    pthread_mutex_unlock(&store->lock);
    return room;
}

/* ---- the writer ---- */

/* With the lock held: waits that long, unless someone wants to see the writer finish. */
static void pause_ms(struct store *store, unsigned ms)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + ms);

    while (!store->stopping && store->flushing == 0)
        if (pthread_cond_timedwait(&store->wake, &store->lock, &until) == ETIMEDOUT)
            return;
}

/* With the lock held: puts a batch that was not written before what has come since. */
static void give_back(struct store *store, struct store_op *batch, struct store_op **batch_last)
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
        ops_free(batch);
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
        give_back(store, batch, batch_last);
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

/* The writer gets no signals: they are the program's. */
static bool writer_start(struct store *store)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    store->writer_runs = pthread_create(&store->writer, NULL, writer_main, store) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return store->writer_runs;
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

void store_get_stats(struct store *store, struct store_stats *out)
{
    pthread_mutex_lock(&store->lock);
    *out = (struct store_stats){.written = store->written,
                                .dropped = store->dropped,
                                .queued = store->queued,
                                .failing = store->failing};
    pthread_mutex_unlock(&store->lock);
}

/* ---- load ---- */

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

void store_load_dane(struct store *store, store_dane_fn each, void *arg)
{
    char err[256] = "";

    if (store_file_open(&store->file)) {
        enum store_db_result r = store_db_load_dane(store->file.db, each, arg, err, sizeof(err));

        if (r == STORE_DB_DAMAGED)
            store_file_set_aside(&store->file, err);
        else if (r != STORE_DB_OK)
            store_file_trouble(&store->file, err);
    }
}

size_t store_load(struct store *store, int64_t now_s, store_load_fn each, void *arg)
{
    struct loading loading = {.now_s = now_s, .each = each, .arg = arg};
    char err[256] = "";
    size_t bad = 0;

    if (store_file_open(&store->file)) {
        enum store_db_result r =
            store_db_load(store->file.db, on_row, &loading, &bad, err, sizeof(err));

        if (r == STORE_DB_DAMAGED)
            store_file_set_aside(&store->file, err);
        else if (r != STORE_DB_OK)
            store_file_trouble(&store->file, err);
    }
    if (bad > 0)
        store_file_say(&store->file, LOG_WARNING, "%zu damaged policies were left out", bad);
    if (!writer_start(store))
        store_file_trouble(&store->file, "cannot start a thread");
    return loading.count;
}

/* ---- life ---- */

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
    if (store->writer_runs) {
        pthread_mutex_lock(&store->lock);
        store->stopping = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->writer, NULL);
    }
    if (store->queued > 0)
        store_file_say(&store->file, LOG_WARNING, "%zu changes could not be written",
                       store->queued);
    ops_free(store->first);
    store_file_fini(&store->file);
    pthread_cond_destroy(&store->idle);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    free(store);
}
