/*
 * The engine's thread. engine_new makes the loop, the world, the core and the store, and starts the
 * thread; from then on the core runs there (core.c). Other threads put requests (engine_request.c)
 * and functions to be called into lists under one lock and wake it: on_wakeup takes from the core
 * what was cancelled, makes the calls, takes up new requests. engine_free ends the loop; what was
 * asked for and not answered is called back with NULL, still on the thread.
 */
#include "engine/engine_internal.h"

#include "engine/cache.h"
#include "policy/clock.h"

#include <errno.h>
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

    if (loop_is_current(engine->loop)) {
        run(engine, arg);
        return;
    }
    list_init(&call.link);
    pthread_mutex_lock(&engine->lock);
    list_append(&engine->calls, &call.link);
    wakeup_send(engine->wakeup);
    while (!call.finished)
        pthread_cond_wait(&engine->changed, &engine->lock);
    pthread_mutex_unlock(&engine->lock);
}

/* wakeup_fn */
static void on_wakeup(void *arg)
{
    struct engine *engine = arg;

    engine_note_security(engine);
    engine_request_drop_all(engine);
    engine_probe_take_notes(engine);
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

/* loop_end_fn */
static void on_loop_end(void *arg)
{
    struct engine *engine = arg;

    core_free(engine->core);
    engine->core = NULL;
    engine_store_close(engine->store);
    engine->store = NULL;
    engine_request_end_all(engine);
    world_real_free(engine->world);
    engine->world = NULL;
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
        .sts_max_policy = config->sts_max_policy,
        .negative_ttl_ms = config->negative_ttl_ms,
        .max_ttl_ms = config->max_ttl_ms,
        .max_domains = config->max_domains,
        .max_memory = config->max_memory,
        .probe =
            {
                .enable = config->probe_enable != ENGINE_PROBE_NO,
                .ttl_ms = config->probe_ttl_ms,
                .negative_ttl_ms = config->probe_negative_ttl_ms,
                .parallel = (size_t)config->probe_parallel,
                .per_minute = (size_t)config->probe_per_minute,
                .port = config->probe_port,
                .log = config->log,
                .log_arg = config->log_arg,
            },
        .log = config->log,
        .log_arg = config->log_arg,
    };
}

/* What only engine_new and engine_free touch, in the reverse order of its making. */
static void engine_destroy(struct engine *engine)
{
    engine_probe_drop_notes(engine);
    core_free(engine->core);
    engine_store_close(engine->store);
    world_real_free(engine->world);
    if (engine->tick != NULL)
        event_free(engine->tick);
    wakeup_free(engine->wakeup);
    loop_free(engine->loop);
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

static int set_up_loop(struct engine *engine)
{
    const struct timeval second = {.tv_sec = 1};
    int error = loop_new("engine", on_loop_end, engine, &engine->loop);

    if (error == 0)
        error = wakeup_new(loop_base(engine->loop), on_wakeup, engine, &engine->wakeup);
    if (error < 0)
        return error;
    engine->tick = event_new(loop_base(engine->loop), -1, EV_PERSIST, on_tick, engine);
    if (engine->tick == NULL || event_add(engine->tick, &second) < 0)
        return -ENOMEM;
    return 0;
}

static int set_up_parts(struct engine *engine, const struct engine_config *config, char *err,
                        size_t err_size)
{
    struct core_settings settings;
    int error = set_up_loop(engine);

    if (error == 0)
        error = world_real_new(loop_base(engine->loop), config, &engine->world, err, err_size);
    if (error == 0) {
        core_settings_of(config, &settings);
        error = core_new(engine->world, &settings, &engine->core);
    }
    if (error == 0 && config->store != NULL) {
        engine->store = engine_store_open(config, engine->world, core_sts_cache(engine->core),
                                          core_dane_seen(engine->core),
                                          prober_cache(core_prober(engine->core)));
        error = engine->store != NULL ? 0 : -ENOMEM;
    }
    if (error == 0)
        error = loop_start(engine->loop);
    return error;
}

int engine_new(const struct engine_config *config, struct engine **out, char *err, size_t err_size)
{
    struct engine *engine = calloc(1, sizeof *engine);
    int error;

    if (err_size > 0)
        err[0] = '\0';
    if (engine == NULL) {
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    list_init(&engine->calls);
    list_init(&engine->posted);
    list_init(&engine->dropped);
    list_init(&engine->kept);
    list_init(&engine->noted);
    error = set_up_parts(engine, config, err, err_size);
    if (error < 0) {
        if (err_size > 0 && !err[0])
            snprintf(err, err_size, "cannot start the engine: %s", strerror(-error));
        engine_destroy(engine);
        return error;
    }
    *out = engine;
    return 0;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    loop_stop(engine->loop);
    engine_destroy(engine);
}

struct reconfiguration {
    const struct engine_config *config;
    char *err;
    size_t err_size;
    int error;
};

static void reconfigure(struct engine *engine, void *arg)
{
    struct reconfiguration *r = arg;
    struct core_settings settings;

    r->error = world_real_reconfigure(engine->world, r->config, r->err, r->err_size);
    if (r->error < 0)
        return;
    core_settings_of(r->config, &settings);
    core_configure(engine->core, &settings);
    engine_note_security(engine);
}

int engine_reconfigure(struct engine *engine, const struct engine_config *config, char *err,
                       size_t err_size)
{
    struct reconfiguration r = {.config = config, .err = err, .err_size = err_size};

    if (err_size > 0)
        err[0] = '\0';
    call_on_thread(engine, reconfigure, &r);
    if (r.error < 0 && err_size > 0 && !err[0])
        snprintf(err, err_size, "cannot change the engine: %s", strerror(-r.error));
    return r.error;
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
    struct engine *engine;
    const struct nexthop *nexthop;
    int status;
    bool finished; /* under the engine's lock */
};

/* core_purged_fn */
static void on_purged(int status, void *arg)
{
    struct purge *p = arg;

    pthread_mutex_lock(&p->engine->lock);
    p->status = status;
    p->finished = true;
    pthread_cond_broadcast(&p->engine->changed);
    pthread_mutex_unlock(&p->engine->lock);
}

static void purge(struct engine *engine, void *arg)
{
    struct purge *p = arg;

    core_purge(engine->core, p->nexthop, on_purged, p);
}

int engine_purge(struct engine *engine, const struct nexthop *nexthop)
{
    struct purge p = {.engine = engine, .nexthop = nexthop};

    call_on_thread(engine, purge, &p);
    pthread_mutex_lock(&engine->lock);
    while (!p.finished) /* the shared cache is waited for, shared_timeout_ms at most */
        pthread_cond_wait(&engine->changed, &engine->lock);
    pthread_mutex_unlock(&engine->lock);
    return p.status;
}

int engine_snapshot(struct engine *engine, const struct findings ***out, size_t *count)
{
    return cache_snapshot(core_cache(engine->core), clock_mono_ms(),
                          atomic_load(&engine->security_known), out, count);
}

static void get_health(struct engine *engine, void *arg)
{
    struct engine_health *out = arg;

    world_real_health(engine->world, out);
    engine_store_health(engine->store, out);
}

void engine_get_health(struct engine *engine, struct engine_health *out)
{
    *out = (struct engine_health){.security_known = false};
    call_on_thread(engine, get_health, out);
}

void engine_get_stats(struct engine *engine, struct engine_stats *out)
{
    counters_read(core_counters(engine->core), out);
    out->cache_entries = cache_count(core_cache(engine->core));
    out->cache_octets = cache_octets(core_cache(engine->core));
    prober_read(core_prober(engine->core), clock_mono_ms(), out);
    world_real_stats(engine->world, out);
}
