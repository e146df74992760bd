/*
 * The state that all sessions share. The configuration is an immutable snapshot behind one pointer;
 * a reload swaps the pointer, and whoever holds a reference goes on with what it began with.
 */
#include "filter/runtime.h"

#include "base/log.h"
#include "policy/clock.h"
#include "ticket/ticket_key.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Queue ids of REQUIRETLS messages: at 100 an hour, those of 27 days. */
enum { SEEN_IDS = 65536 };

struct runtime {
    struct engine *engine;
    struct metrics *metrics;
    struct observer *observer;
    struct wait_limiter *limiter;
    struct seen_ids *seen_ids;
    struct seen_store *seen_store; /* NULL: in memory only */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended; /* the last message that is awaited did, while draining */
    struct config *config;
    unsigned messages;
    unsigned awaited; /* of these: they have a request */
    struct ticket_keys ticket_keys;
    int64_t last_end_ms; /* on the clock of clock_awake_ms; 0: none has ended */
    bool draining;
};

static void free_parts(struct runtime *runtime)
{
    wait_limiter_free(runtime->limiter);
    seen_store_stop(runtime->seen_store);
    seen_ids_free(runtime->seen_ids);
    ticket_keys_forget(&runtime->ticket_keys);
    free(runtime);
}

int runtime_new(struct config *config, struct runtime **out)
{
    struct runtime *runtime = calloc(1, sizeof(*runtime));

    if (runtime == NULL)
        return -ENOMEM;
    runtime->seen_ids = seen_ids_new(SEEN_IDS);
    if (runtime->seen_ids == NULL ||
        wait_limiter_new(config->milter.max_waiting, &runtime->limiter) != 0) {
        free_parts(runtime);
        return -ENOMEM;
    }
    if (pthread_mutex_init(&runtime->lock, NULL) != 0) {
        free_parts(runtime);
        return -ENOMEM;
    }
    if (clock_cond_init(&runtime->ended) != 0) {
        pthread_mutex_destroy(&runtime->lock);
        free_parts(runtime);
        return -ENOMEM;
    }
    runtime->config = config;
    *out = runtime;
    return 0;
}

void runtime_free(struct runtime *runtime)
{
    if (runtime == NULL)
        return;
    config_unref(runtime->config);
    pthread_cond_destroy(&runtime->ended);
    pthread_mutex_destroy(&runtime->lock);
    free_parts(runtime);
}

void runtime_set_engine(struct runtime *runtime, struct engine *engine)
{
    runtime->engine = engine;
}

void runtime_set_metrics(struct runtime *runtime, struct metrics *metrics)
{
    runtime->metrics = metrics;
}

void runtime_set_observer(struct runtime *runtime, struct observer *observer)
{
    runtime->observer = observer;
}

struct observer *runtime_observer(const struct runtime *runtime)
{
    return runtime->observer;
}

struct metrics *runtime_metrics(struct runtime *runtime)
{
    return runtime->metrics;
}

struct engine *runtime_engine(struct runtime *runtime)
{
    return runtime->engine;
}

struct wait_limiter *runtime_limiter(struct runtime *runtime)
{
    return runtime->limiter;
}

void runtime_keep_seen_ids(struct runtime *runtime, const char *store)
{
    const char *slash = store != NULL ? strrchr(store, '/') : NULL;
    char path[PATH_MAX];
    int error;

    if (slash == NULL)
        return;
    snprintf(path, sizeof(path), "%.*s/queue-ids", (int)(slash - store), store);
    error = seen_store_start(path, 0, runtime->seen_ids, runtime->metrics, &runtime->seen_store);
    if (error != 0)
        log_msg(LOG_WARNING, "%s is not written: %s", path, strerror(-error));
}

struct seen_ids *runtime_seen_ids(struct runtime *runtime)
{
    return runtime->seen_ids;
}

void runtime_set_ticket_keys(struct runtime *runtime, const struct ticket_keys *keys)
{
    pthread_mutex_lock(&runtime->lock);
    runtime->ticket_keys = *keys;
    pthread_mutex_unlock(&runtime->lock);
}

void runtime_ticket_keys(struct runtime *runtime, struct ticket_keys *out)
{
    pthread_mutex_lock(&runtime->lock);
    *out = runtime->ticket_keys;
    pthread_mutex_unlock(&runtime->lock);
}

struct config *runtime_config(struct runtime *runtime)
{
    struct config *config;

    pthread_mutex_lock(&runtime->lock);
    config = config_ref(runtime->config);
    pthread_mutex_unlock(&runtime->lock);
    return config;
}

void runtime_swap_config(struct runtime *runtime, struct config *config)
{
    struct config *old;

    wait_limiter_set_limit(runtime->limiter, config->milter.max_waiting);
    pthread_mutex_lock(&runtime->lock);
    old = runtime->config;
    runtime->config = config;
    pthread_mutex_unlock(&runtime->lock);
    config_unref(old);
}

bool runtime_message_begin(struct runtime *runtime)
{
    bool begins;

    pthread_mutex_lock(&runtime->lock);
    begins = !runtime->draining;
    if (begins)
        runtime->messages++;
    pthread_mutex_unlock(&runtime->lock);
    return begins;
}

void runtime_message_end(struct runtime *runtime, bool awaited)
{
    int64_t now_ms = clock_awake_ms();

    pthread_mutex_lock(&runtime->lock);
    runtime->last_end_ms = now_ms;
    runtime->messages--;
    if (awaited && --runtime->awaited == 0 && runtime->draining)
        pthread_cond_signal(&runtime->ended);
    pthread_mutex_unlock(&runtime->lock);
}

void runtime_message_await(struct runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    runtime->awaited++;
    pthread_mutex_unlock(&runtime->lock);
}

unsigned runtime_drain(struct runtime *runtime, int timeout_ms)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + timeout_ms);
    unsigned left;

    pthread_mutex_lock(&runtime->lock);
    runtime->draining = true;
    while (runtime->awaited > 0) {
        if (pthread_cond_timedwait(&runtime->ended, &runtime->lock, &until) == ETIMEDOUT)
            break;
    }
    left = runtime->awaited;
    pthread_mutex_unlock(&runtime->lock);
    return left;
}

unsigned runtime_messages(struct runtime *runtime)
{
    unsigned messages;

    pthread_mutex_lock(&runtime->lock);
    messages = runtime->messages;
    pthread_mutex_unlock(&runtime->lock);
    return messages;
}

int64_t runtime_quiet_ms(struct runtime *runtime)
{
    int64_t last_ms;

    pthread_mutex_lock(&runtime->lock);
    last_ms = runtime->last_end_ms;
    pthread_mutex_unlock(&runtime->lock);
    return last_ms == 0 ? INT64_MAX : clock_awake_ms() - last_ms;
}
