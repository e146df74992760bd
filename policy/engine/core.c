/*
 * Flights: a lookup and those who wait for it. When one lands, its findings go into the cache and
 * to whoever still waits. What is kept of them is core_keep.c's, renewal ahead of expiry
 * core_renew.c's.
 */
#include "engine/core_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum {
    /* A part of cached findings that ends sooner is asked about anew, so that no lookup outlives
     * what it was built upon. */
    REUSE_MIN_MS = 30 * 1000,
    /* Between two warnings that no more lookups are begun. */
    WARN_FULL_MS = 60 * 1000,
    MEMORY_DEFAULT = 256 << 20,
    MEMORY_LEAST = 1 << 20,
};

int64_t core_now_ms(const struct core *core)
{
    return core->world->ops->mono_ms(core->world);
}

bool core_security_known(const struct core *core)
{
    return core->world->ops->security_known(core->world);
}

void core_log(struct core *core, int priority, const char *message)
{
    if (core->settings.log)
        core->settings.log(core->settings.log_arg, priority, message);
}

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
    int status;

    if (!core)
        return -ENOMEM;
    core->world = world;
    core->settings = *settings;
    core->trust_withdrawn = world->ops->trust_withdrawn(world);
    list_init(&core->refreshes);
    list_init(&core->outdated);
    status = table_init(&core->flights);
    if (status == 0)
        status = cache_new(settings->max_domains, &core->cache);
    if (status == 0)
        status = sts_cache_new(settings->max_domains, &core->sts_cache);
    if (status == 0)
        status = dane_seen_new(&core->dane_seen);
    if (status == 0) {
        limit_memory(core);
        status = core_renew_start(core);
    }
    if (status < 0) {
        core_free(core);
        return status;
    }
    *out = core;
    return 0;
}

static void call_waiters(struct list *waiters, const struct findings *findings)
{
    while (!list_empty(waiters)) {
        struct core_waiter *waiter = list_entry(waiters->next, struct core_waiter, link);
        list_remove(&waiter->link);
        waiter->done(findings, waiter->arg);
    }
}

static void flight_free(struct core *core, struct flight *flight)
{
    if (flight->outdated) {
        list_remove(&flight->link);
        core->outdated_count--;
    } else {
        table_remove(&core->flights, &flight->node);
    }
    lookup_free(flight->lookup);
    free(flight);
}

/* Who asks from now on gets a lookup of his own time. */
void core_outdate(struct core *core, struct flight *flight)
{
    table_remove(&core->flights, &flight->node);
    flight->outdated = true;
    list_append(&core->outdated, &flight->link);
    core->outdated_count++;
}

static void outdate_all(struct core *core)
{
    for (size_t slot = 0; slot < core->flights.slot_count; slot++) {
        while (core->flights.slots[slot])
            core_outdate(core, list_entry(core->flights.slots[slot], struct flight, node));
    }
}

static void fail_flights(struct core *core)
{
    outdate_all(core);
    while (!list_empty(&core->outdated)) {
        struct flight *flight = list_entry(core->outdated.next, struct flight, link);
        struct list waiters;

        list_take(&waiters, &flight->waiters);
        flight_free(core, flight);
        call_waiters(&waiters, NULL);
    }
}

void core_free(struct core *core)
{
    if (!core)
        return;
    core_renew_stop(core);
    if (core->flights.slots)
        fail_flights(core);
    table_fini(&core->flights);
    cache_free(core->cache);
    sts_cache_free(core->sts_cache);
    dane_seen_free(core->dane_seen);
    free(core);
}

/* The trust in a resolver was withdrawn: what it said is forgotten, also by lookups in flight. */
static void distrust(struct core *core)
{
    struct list flights;

    cache_clear(core->cache);
    outdate_all(core); /* who asks from now on begins anew; those in flight are not to be kept */
    list_take(&flights, &core->outdated);
    while (!list_empty(&flights)) {
        struct flight *flight = list_entry(flights.next, struct flight, link);

        list_remove(&flight->link);
        list_append(&core->outdated, &flight->link);
        lookup_distrust(flight->lookup);
    }
}

void core_configure(struct core *core, const struct core_settings *settings)
{
    bool refresh = settings->sts_refresh_ms != core->settings.sts_refresh_ms;

    if (settings->dane_enable != core->settings.dane_enable ||
        settings->sts_enable != core->settings.sts_enable) {
        /* What was found while something was not looked at, or was, is no answer any more. */
        cache_clear(core->cache);
        outdate_all(core);
    }
    core->settings = *settings;
    if (core->world->ops->trust_withdrawn(core->world) != core->trust_withdrawn) {
        core->trust_withdrawn = core->world->ops->trust_withdrawn(core->world);
        distrust(core);
    }
    if (refresh)
        core_renew_configure(core);
    limit_memory(core);
    cache_set_max(core->cache, settings->max_domains);
    sts_cache_set_max(core->sts_cache, settings->max_domains);
    core_renew_schedule(core);
}

/* Moves those for whom the draft is enough into `ready`. */
static void pick_ready(struct flight *flight, const struct findings *draft, bool complete,
                       struct list *ready)
{
    struct list *link = flight->waiters.next;

    while (link != &flight->waiters) {
        struct core_waiter *waiter = list_entry(link, struct core_waiter, link);
        link = link->next;
        if (complete || (waiter->enough && waiter->enough(draft, waiter->arg))) {
            list_remove(&waiter->link);
            list_append(ready, &waiter->link);
        }
    }
}

/* The flight's last act: all is known, or memory ran out. */
static void land(struct core *core, struct flight *flight, const struct findings *f)
{
    if (f) {
        counters_lookup(&core->counters, (enum findings_summary)f->summary,
                        core_now_ms(core) - flight->started_ms);
        core_warn_refresh(core, f);
        if (lookup_parts(flight->lookup) & LOOKUP_DANE)
            core_note_dane(core, f);
        core_keep(core, flight, f);
    }
    flight_free(core, flight);
}

/* lookup_changed_fn */
static void on_changed(struct lookup *lookup, void *arg)
{
    struct flight *flight = arg;
    struct core *core = flight->core;
    const struct findings *draft = lookup_draft(lookup), *frozen = NULL;
    bool complete = !draft || findings_complete(draft);
    struct list ready;

    list_init(&ready);
    pick_ready(flight, draft, complete, &ready);
    if (draft && (complete || !list_empty(&ready)))
        frozen = findings_freeze(draft); /* NULL: they learn that memory is short */
    if (complete)
        land(core, flight, frozen);
    /* Nothing of the flight is used from here on: callbacks may do as they like. */
    call_waiters(&ready, frozen);
    findings_unref(frozen);
}

/* Until when cached findings must hold for a part of them not to be asked about anew. Renewal takes
 * in what would have to be renewed soon after. */
static int64_t needed_until_ms(const struct core *core, const struct cache_view *view, bool ahead)
{
    int64_t now_ms = core_now_ms(core), until_ms = now_ms + REUSE_MIN_MS;
    int64_t first_ms =
        view->dane_ends_ms < view->sts_ends_ms ? view->dane_ends_ms : view->sts_ends_ms;

    if (ahead && first_ms > now_ms && 2 * first_ms - now_ms > until_ms)
        until_ms = 2 * first_ms - now_ms;
    return until_ms;
}

/* Which parts must be asked about; the other is taken from what is cached. */
static unsigned parts_needed(const struct cache_view *view, int64_t until_ms)
{
    unsigned parts = 0;

    if (!view->findings || view->dane_ends_ms < until_ms)
        parts |= LOOKUP_DANE;
    if (!view->findings || view->sts_ends_ms < until_ms)
        parts |= LOOKUP_STS;
    return parts ? parts : LOOKUP_DANE | LOOKUP_STS;
}

static struct lookup *start_lookup(struct core *core, struct flight *flight,
                                   const struct nexthop *nexthop, bool ahead)
{
    const struct lookup_env env = {core->world, core->sts_cache, core->dane_seen, &core->counters,
                                   &core->lookup_memory};
    struct lookup *lookup;
    struct cache_view view;
    int64_t until_ms;

    cache_look(core->cache, nexthop->text, core_security_known(core), &view);
    until_ms = needed_until_ms(core, &view, ahead);
    const struct lookup_settings settings = {
        .dane_enable = core->settings.dane_enable,
        .sts_enable = core->settings.sts_enable,
        .in_use = true, /* renewal too: it follows a use, and keeps who uses it from asking */
        .sts_fresh_until_ms = ahead ? until_ms : INT64_MIN,
        .sts_min_retry_ms = core->settings.sts_min_retry_ms,
        .sts_give_up_ms = core->settings.sts_give_up_ms,
        .negative_ttl_ms = core->settings.negative_ttl_ms,
        .max_ttl_ms = core->settings.max_ttl_ms,
    };
    lookup = lookup_new(&env, &settings, nexthop, parts_needed(&view, until_ms), view.findings,
                        view.dane_ends_ms, view.sts_ends_ms, on_changed, flight);
    findings_unref(view.findings);
    return lookup;
}

struct flight *core_fly(struct core *core, const struct nexthop *nexthop, bool ahead)
{
    struct flight *flight = calloc(1, sizeof *flight);

    if (!flight)
        return NULL;
    flight->core = core;
    flight->started_ms = core_now_ms(core);
    list_init(&flight->waiters);
    flight->lookup = start_lookup(core, flight, nexthop, ahead);
    if (!flight->lookup) {
        free(flight);
        return NULL;
    }
    strcpy(flight->text, nexthop->text);
    table_add(&core->flights, &flight->node, flight->text);
    counters_add(&core->counters.lookups, 1);
    return flight;
}

struct flight *core_flight_find(struct core *core, const char *text)
{
    struct table_node *node = table_find(&core->flights, text);

    return node ? list_entry(node, struct flight, node) : NULL;
}

void core_land_if_complete(struct core *core, struct flight *flight)
{
    const struct findings *draft = lookup_draft(flight->lookup), *frozen;

    if (!findings_complete(draft))
        return;
    frozen = findings_freeze(draft);
    land(core, flight, frozen);
    findings_unref(frozen);
}

/* What the flight knows already may do. Lands it if it is complete. */
static int answer_at_once(struct core *core, struct flight *flight, struct core_waiter *waiter,
                          const struct findings **out)
{
    const struct findings *draft = lookup_draft(flight->lookup);
    bool complete = findings_complete(draft);

    if (!complete && !(waiter->enough && waiter->enough(draft, waiter->arg))) {
        list_append(&flight->waiters, &waiter->link);
        return 0;
    }
    *out = findings_freeze(draft);
    if (complete)
        land(core, flight, *out);
    return *out ? 1 : -ENOMEM;
}

/* Those who ask are told that the lookup could not be made: for them a temporary failure. */
static int refuse(struct core *core)
{
    int64_t now_ms = core_now_ms(core);
    char line[80];

    if (now_ms >= core->warn_full_ms) {
        core->warn_full_ms = now_ms + WARN_FULL_MS;
        snprintf(line, sizeof line, "%d lookups are in flight: no more are begun for now",
                 CORE_FLIGHTS_MAX);
        core_log(core, LOG_WARNING, line);
    }
    return -EAGAIN;
}

int core_ask(struct core *core, const struct nexthop *nexthop, struct core_waiter *waiter,
             const struct findings **out)
{
    struct flight *flight;

    list_init(&waiter->link);
    *out = cache_get(core->cache, nexthop->text, core_now_ms(core), core_security_known(core));
    if (*out)
        return 1;
    flight = core_flight_find(core, nexthop->text);
    if (!flight && core_flights(core) >= CORE_FLIGHTS_MAX)
        return refuse(core);
    if (!flight)
        flight = core_fly(core, nexthop, false);
    return flight ? answer_at_once(core, flight, waiter, out) : -ENOMEM;
}

void core_drop(struct core_waiter *waiter)
{
    list_remove(&waiter->link);
}

const struct findings *core_cached(struct core *core, const struct nexthop *nexthop, int64_t now_ms,
                                   bool known)
{
    const struct findings *f = cache_get(core->cache, nexthop->text, now_ms, known);

    counters_add(f ? &core->counters.cache_hits : &core->counters.cache_misses, 1);
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

struct counters *core_counters(struct core *core)
{
    return &core->counters;
}

size_t core_flights(const struct core *core)
{
    return core->flights.count + core->outdated_count;
}
