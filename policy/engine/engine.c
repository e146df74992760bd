/*
 * The engine's thread. The core runs there (core.c); other threads put requests
 * (engine_request.c) and functions to be called into lists under one lock and wake it.
 */
#include "engine/engine_internal.h"

#include "engine/cache.h"
#include "policy/clock.h"

#include <errno.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A function to be called on the engine's thread, while the thread that wants it waits. */
struct engine_call {
    void (*run)(struct engine *engine, void *arg);
    void *arg;
    struct list link;
    bool finished; /* under the engine's lock */
};

static void run_calls(struct engine *engine)
{
    struct list *link;

    pthread_mutex_lock(&engine->lock);
    while ((link = list_shift(&engine->calls)) != NULL) {
        struct engine_call *call = list_entry(link, struct engine_call, link);
        pthread_mutex_unlock(&engine->lock);
        call->run(engine, call->arg);
        pthread_mutex_lock(&engine->lock);
        call->finished = true;
        pthread_cond_broadcast(&engine->changed);
    }
    pthread_mutex_unlock(&engine->lock);
}

static void call_on_thread(struct engine *engine, void (*run)(struct engine *, void *), void *arg)
{
    struct engine_call call = {.run = run, .arg = arg};

    if (pthread_equal(pthread_self(), engine->thread)) {
        run(engine, arg);
        return;
    }
    list_init(&call.link);
    pthread_mutex_lock(&engine->lock);
    list_append(&engine->calls, &call.link);
    engine_wake(engine);
    while (!call.finished)
        pthread_cond_wait(&engine->changed, &engine->lock);
    pthread_mutex_unlock(&engine->lock);
}

/* event_callback_fn */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)what;

    pthread_mutex_lock(&engine->lock);
    engine->woken = false;
    pthread_mutex_unlock(&engine->lock);
    engine_note_security(engine);
    engine_request_drop_all(engine);
    run_calls(engine);
    engine_request_take_all(engine);
}

/* event_callback_fn: engine_cached must learn of a resolver that ceases to validate. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)what;

    engine_note_security(engine);
    if (engine->store != NULL)
        engine_store_step(engine->store);
}

static void *thread_main(void *arg)
{
    struct engine *engine = arg;

    event_base_loop(engine->base, EVLOOP_NO_EXIT_ON_EMPTY);
    core_free(engine->core);
    engine->core = NULL;
    engine_store_close(engine->store);
    engine->store = NULL;
    engine_request_end_all(engine);
    world_real_free(engine->world);
    engine->world = NULL;
    return NULL;
}

static void core_settings_of(const struct engine_config *config, struct core_settings *out)
{
    *out = (struct core_settings){
        .dane_enable = config->dane_enable,
        .sts_enable = config->sts_enable,
        .prefetch = config->prefetch,
        .sts_min_retry_ms = config->sts_min_retry_ms,
        .sts_give_up_ms = config->sts_give_up_ms,
        .sts_refresh_ms = config->sts_refresh_ms,
        .negative_ttl_ms = config->negative_ttl_ms,
        .max_ttl_ms = config->max_ttl_ms,
        .max_domains = config->max_domains,
        .max_memory = config->max_memory,
        .log = config->log,
        .log_arg = config->log_arg,
    };
}

/* What only engine_new and engine_free touch, in the reverse order of its making. */
static void engine_destroy(struct engine *engine)
{
    core_free(engine->core);
    engine_store_close(engine->store);
    world_real_free(engine->world);
    if (engine->tick != NULL)
        event_free(engine->tick);
    if (engine->wake != NULL)
        event_free(engine->wake);
    if (engine->base != NULL)
        event_base_free(engine->base);
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

static int set_up_events(struct engine *engine)
{
    const struct timeval second = {.tv_sec = 1};

    if (evthread_use_pthreads() < 0)
        return -ENOMEM;
    engine->base = event_base_new();
    if (engine->base == NULL)
        return -ENOMEM;
    engine->wake = event_new(engine->base, -1, EV_PERSIST, on_wake, engine);
    engine->tick = event_new(engine->base, -1, EV_PERSIST, on_tick, engine);
    if (engine->wake == NULL || engine->tick == NULL || event_add(engine->tick, &second) < 0)
        return -ENOMEM;
    return 0;
}

/* The thread blocks every signal: they are for the program's own threads. */
static int start_thread(struct engine *engine)
{
    sigset_t all, before;
    int status;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&engine->thread, NULL, thread_main, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -status;
}

static int set_up_parts(struct engine *engine, const struct engine_config *config, char *err,
                        size_t err_len)
{
    struct core_settings settings;
    int status = set_up_events(engine);

    if (status == 0)
        status = world_real_new(engine->base, config, &engine->world, err, err_len);
    if (status == 0) {
        core_settings_of(config, &settings);
        status = core_new(engine->world, &settings, &engine->core);
    }
    if (status == 0 && config->store != NULL) {
        engine->store = engine_store_open(config, engine->world, core_sts_cache(engine->core),
                                          core_dane_seen(engine->core));
        status = engine->store != NULL ? 0 : -ENOMEM;
    }
    if (status == 0)
        status = start_thread(engine);
    return status;
}

int engine_new(const struct engine_config *config, struct engine **out, char *err, size_t err_len)
{
    struct engine *engine = calloc(1, sizeof *engine);
    int status;

    if (err_len > 0)
        err[0] = '\0';
    if (engine == NULL) {
        snprintf(err, err_len, "out of memory");
        return -ENOMEM;
    }
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    list_init(&engine->calls);
    list_init(&engine->posted);
    list_init(&engine->dropped);
    list_init(&engine->kept);
    status = set_up_parts(engine, config, err, err_len);
    if (status < 0) {
        if (err_len > 0 && !err[0])
            snprintf(err, err_len, "cannot start the engine: %s", strerror(-status));
        engine_destroy(engine);
        return status;
    }
    *out = engine;
    return 0;
}

static void stop_loop(struct engine *engine, void *arg)
{
    (void)arg;
    event_base_loopbreak(engine->base);
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    call_on_thread(engine, stop_loop, NULL);
    pthread_join(engine->thread, NULL);
    engine_destroy(engine);
}

struct reconfiguration {
    const struct engine_config *config;
    char *err;
    size_t err_len;
    int status;
};

static void reconfigure(struct engine *engine, void *arg)
{
    struct reconfiguration *r = arg;
    struct core_settings settings;

    r->status = world_real_reconfigure(engine->world, r->config, r->err, r->err_len);
    if (r->status < 0)
        return;
    core_settings_of(r->config, &settings);
    core_configure(engine->core, &settings);
    engine_note_security(engine);
}

int engine_reconfigure(struct engine *engine, const struct engine_config *config, char *err,
                       size_t err_len)
{
    struct reconfiguration r = {.config = config, .err = err, .err_len = err_len};

    call_on_thread(engine, reconfigure, &r);
    return r.status;
}

const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop)
{
    return core_cached(engine->core, nexthop, clock_mono_ms(),
                       atomic_load(&engine->security_known));
}

bool engine_security_known(struct engine *engine)
{
    return atomic_load(&engine->security_known);
}

struct purge {
    const struct nexthop *nexthop;
    bool had;
};

static void purge(struct engine *engine, void *arg)
{
    struct purge *p = arg;

    p->had = core_purge(engine->core, p->nexthop);
}

int engine_purge(struct engine *engine, const struct nexthop *nexthop)
{
    struct purge p = {.nexthop = nexthop};

    call_on_thread(engine, purge, &p);
    return p.had ? 0 : -ENOENT;
}

int engine_snapshot(struct engine *engine, const struct findings ***out, size_t *count)
{
    return cache_snapshot(core_cache(engine->core), clock_mono_ms(),
                          atomic_load(&engine->security_known), out, count);
}

void engine_get_stats(struct engine *engine, struct engine_stats *out)
{
    counters_read(core_counters(engine->core), out);
    out->cache_entries = cache_count(core_cache(engine->core));
    out->cache_octets = cache_octets(core_cache(engine->core));
}
