/*
 * The core's life and what is asked of it: cached findings, the task of a lookup in progress
 * (core_task.c), or a new one. What is kept is core_findings.c's, renewal ahead of expiry
 * core_renew.c's.
 */
#include "engine/core_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum {
    /* Between two warnings that no more lookups are begun. */
    WARN_FULL_MS = 60 * 1000,
    MEMORY_DEFAULT = 256 << 20,
    MEMORY_LEAST = 1 << 20,
};

/* Shares max_memory out. */
static void limit_memory(struct core *core)
{
    size_t octets = core->settings.max_memory ? core->settings.max_memory : MEMORY_DEFAULT;

    if (octets < MEMORY_LEAST)
        octets = MEMORY_LEAST;
    cache_set_max_octets(core->cache, octets / 2);
    sts_cache_set_max_octets(core->sts_cache, octets / 4);
    core->lookup_memory.max = octets / 4;
}

int core_new(struct world *world, const struct core_settings *settings, struct core **out)
{
    struct core *core = calloc(1, sizeof *core);
    int error;

    if (core == NULL)
        return -ENOMEM;
    core->world = world;
    core->settings = *settings;
    core->trust_withdrawn = world->ops->trust_withdrawn(world);
    list_init(&core->refreshes);
    list_init(&core->outdated);
    list_init(&core->purges);
    error = table_init(&core->tasks);
    if (error == 0)
        error = cache_new(settings->max_domains, &core->cache);
    if (error == 0)
        error = sts_cache_new(settings->max_domains, &core->sts_cache);
    if (error == 0)
        error = dane_seen_new(&core->dane_seen);
    if (error == 0)
        error = prober_new(world, &settings->probe, &core->prober);
    if (error == 0)
        error = tlsrpt_lookups_new(world, &core->counters, &core->tlsrpt);
    if (error == 0) {
        tlsrpt_lookups_configure(core->tlsrpt, settings->negative_ttl_ms, settings->max_ttl_ms);
        limit_memory(core);
        error = core_renew_start(core);
    }
    if (error < 0) {
        core_free(core);
        return error;
    }
    *out = core;
    return 0;
}

void core_free(struct core *core)
{
    if (core == NULL)
        return;
    core_renew_stop(core);
    core_purge_end_all(core);
    prober_free(core->prober);
    tlsrpt_lookups_free(core->tlsrpt);
    core_task_fail_all(core);
    table_fini(&core->tasks);
    cache_free(core->cache);
    sts_cache_free(core->sts_cache);
    dane_seen_free(core->dane_seen);
    free(core);
}

void core_configure(struct core *core, const struct core_settings *settings)
{
    bool refresh = settings->sts_refresh_ms != core->settings.sts_refresh_ms;

    if (settings->dane_enable != core->settings.dane_enable ||
        settings->sts_enable != core->settings.sts_enable) {
        /* What was found while something was not looked at, or was, is no answer any more. */
        cache_clear(core->cache);
        core_task_outdate_all(core);
    }
    core->settings = *settings;
    if (core->world->ops->trust_withdrawn(core->world) != core->trust_withdrawn) {
        core->trust_withdrawn = core->world->ops->trust_withdrawn(core->world);
        cache_clear(core->cache);
        core_task_distrust_all(core);
    }
    if (refresh)
        core_renew_configure(core);
    limit_memory(core);
    cache_set_max(core->cache, settings->max_domains);
    sts_cache_set_max(core->sts_cache, settings->max_domains);
    prober_configure(core->prober, &settings->probe);
    tlsrpt_lookups_configure(core->tlsrpt, settings->negative_ttl_ms, settings->max_ttl_ms);
    core_renew_schedule(core);
}

/* Those who ask are told that the lookup could not be made: for them a temporary failure. */
static int refuse_lookup(struct core *core)
{
    int64_t now_ms = core_now_ms(core);
    char line[80];

    if (now_ms >= core->warn_full_ms) {
        core->warn_full_ms = now_ms + WARN_FULL_MS;
        snprintf(line, sizeof line, "%d lookups are under way: no more are begun for now",
                 CORE_TASKS_MAX);
        core_log(core, LOG_WARNING, line);
    }
    return -EAGAIN;
}

int core_ask(struct core *core, const struct nexthop *nexthop, struct core_waiter *waiter,
             const struct findings **out)
{
    struct core_task *task;

    list_init(&waiter->link);
    *out = cache_get(core->cache, nexthop->text, core_now_ms(core), core_security_known(core));
    if (*out != NULL)
        return 1;
    task = core_task_find(core, nexthop->text);
    if (task == NULL && core_task_count(core) >= CORE_TASKS_MAX)
        return refuse_lookup(core);
    if (task == NULL)
        task = core_task_start(core, nexthop, false);
    return task != NULL ? core_task_join(core, task, waiter, out) : -ENOMEM;
}

void core_drop(struct core_waiter *waiter)
{
    list_remove(&waiter->link);
}

const struct findings *core_cached(struct core *core, const struct nexthop *nexthop, int64_t now_ms,
                                   bool known)
{
    const struct findings *f = cache_get(core->cache, nexthop->text, now_ms, known);

    counters_add(f != NULL ? &core->counters.cache_hits : &core->counters.cache_misses, 1);
    return f;
}

struct cache *core_cache(struct core *core)
{
    return core->cache;
}

struct sts_cache *core_sts_cache(struct core *core)
{
    return core->sts_cache;
}

struct dane_seen *core_dane_seen(struct core *core)
{
    return core->dane_seen;
}

struct prober *core_prober(struct core *core)
{
    return core->prober;
}

struct tlsrpt_lookups *core_tlsrpt(struct core *core)
{
    return core->tlsrpt;
}

struct counters *core_counters(struct core *core)
{
    return &core->counters;
}
