/*
 * The prober's life: prober_new, prober_configure when settings change, prober_free. Who asks is
 * prober_request.c's, what is in flight prober_task.c's, what is kept probe_cache.c's.
 */
#include "probe/prober_internal.h"

#include <errno.h>
#include <stdlib.h>

static void take_settings(struct prober *prober, const struct prober_settings *settings)
{
    prober->settings = *settings;
    if (prober->settings.parallel == 0)
        prober->settings.parallel = 1;
    probe_limits_configure(&prober->limits, settings->per_minute);
    atomic_store(&prober->enabled, settings->enable);
    atomic_store(&prober->port, settings->port);
}

int prober_new(struct world *world, const struct prober_settings *settings, struct prober **out)
{
    struct prober *prober = calloc(1, sizeof(*prober));
    int error;

    if (prober == NULL)
        return -ENOMEM;
    prober->world = world;
    list_init(&prober->asking);
    list_init(&prober->waiting);
    list_init(&prober->active);
    list_init(&prober->slow);
    list_init(&prober->requests);
    probe_limits_init(&prober->limits);
    atomic_store(&prober->counters.rest_until_ms, prober->limits.rest_until_ms);
    take_settings(prober, settings);
    error = table_init(&prober->tasks);
    if (error == 0)
        error = probe_cache_new(PROBER_OCTETS_MAX, &prober->cache);
    if (error < 0) {
        prober_free(prober);
        return error;
    }
    *out = prober;
    return 0;
}

void prober_free(struct prober *prober)
{
    if (prober == NULL)
        return;
    probe_task_end_all(prober, false);
    probe_request_fail_all(prober);
    probe_cache_free(prober->cache);
    table_fini(&prober->tasks);
    free(prober);
}

void prober_configure(struct prober *prober, const struct prober_settings *settings)
{
    take_settings(prober, settings);
    probe_cache_forget_certificates(prober->cache);
    atomic_fetch_add(&prober->configured, 1);
    if (!settings->enable)
        probe_task_end_all(prober, true);
}

struct probe_plan *prober_plan(struct prober *prober, const struct findings *findings,
                               const struct verdict_terms *terms, enum probe_scope scope)
{
    return probe_plan_new(findings, terms, (uint16_t)atomic_load(&prober->port), scope);
}

struct probe_cache *prober_cache(struct prober *prober)
{
    return prober->cache;
}

size_t prober_forget(struct prober *prober, const char *host, probe_cache_key_fn each, void *arg)
{
    probe_task_bar_shared(prober, host);
    return probe_cache_forget(prober->cache, host, each, arg);
}

static uint64_t get(const atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void prober_read(struct prober *prober, int64_t now_ms, struct engine_stats *out)
{
    const struct probe_counters *c = &prober->counters;

    out->probes = get(&c->begun);
    out->probes_left_out = get(&c->left_out);
    out->probes_in_flight = atomic_load_explicit(&c->in_flight, memory_order_relaxed);
    for (size_t r = 0; r <= FINDINGS_PROBE_FAILED; r++)
        out->probe_results[r] = get(&c->results[r]);
    for (size_t b = 0; b < ENGINE_LOOKUP_BUCKETS; b++)
        out->probe_buckets[b] = get(&c->buckets[b]);
    out->probe_total_ms = get(&c->total_ms);
    out->probe_rests = now_ms < atomic_load_explicit(&c->rest_until_ms, memory_order_relaxed);
    out->probe_entries = probe_cache_count(prober->cache);
    out->probe_octets = probe_cache_octets(prober->cache);
}
