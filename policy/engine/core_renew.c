/*
 * Renewal. Findings in use are looked up again shortly before they end, at a time with some jitter
 * so that what was learnt together does not end together. MTA-STS policies in use are fetched again
 * once a day though their id has not changed (RFC 8461 section 3.3), so that somebody who blocks
 * the policy host must do so for as long as max_age. When each is due is sts_cache_due.c's
 * business; as many are fetched at once, and begun in a second, as let a hundred thousand that end
 * within a day be in time and disturb nobody.
 */
#include "engine/core_internal.h"

#include <errno.h>
#include <stdlib.h>

enum {
    /* Bounds what renewal may ask at once; those who wait come first. */
    RENEW_PARALLEL = 200,
    REFRESH_TICK_MS = 1000,
    REFRESH_IDLE_MS = 60 * 1000, /* policies may come meanwhile */
    REFRESH_BATCH = 32,
    REFRESH_PARALLEL = 64,
};

/* When a policy is due stands in sts_cache.h. Whoever asks for one that is not refreshed renews it.
 */
static const int64_t refresh_retry_ms = INT64_C(60) * 60 * 1000;
static const int64_t refresh_use_ms = INT64_C(30) * 24 * 60 * 60 * 1000;

static void renew_entry(struct core *core, const char *text)
{
    struct nexthop nexthop;
    struct core_task *task;

    if (nexthop_parse(text, &nexthop) < 0 || core_task_find(core, nexthop.text) != NULL)
        return;
    task = core_task_start(core, &nexthop, true);
    if (task != NULL)
        core_task_finish_if_complete(core, task);
}

/* world_timer_fn */
static void on_renew(void *arg)
{
    struct core *core = arg;
    char text[NEXTHOP_TEXT_MAX + 1];

    core->renew_timer = NULL;
    while (core->settings.prefetch && core->tasks.count < RENEW_PARALLEL &&
           cache_take_due(core->cache, core_now_ms(core), text))
        renew_entry(core, text);
    core_renew_schedule(core);
}

/* One policy on its way from its host; nobody waits for it. */
struct refresh {
    struct core *core;
    struct lookup *lookup;
    struct list link;
};

static void refresh_free(struct refresh *refresh)
{
    list_remove(&refresh->link);
    refresh->core->refresh_count--;
    lookup_free(refresh->lookup);
    free(refresh);
}

static void end_if_settled(struct refresh *refresh)
{
    const struct findings *draft = lookup_draft(refresh->lookup);

    if (draft != NULL && draft->sts.state == FINDINGS_STS_PENDING)
        return;
    if (draft != NULL) {
        core_warn_refresh(refresh->core, draft);
        core_forget_outdated(refresh->core, draft->nexthop.text);
    }
    refresh_free(refresh);
}

/* lookup_changed_fn */
static void on_refreshed(struct lookup *lookup, void *arg)
{
    (void)lookup;
    end_if_settled(arg);
}

static void refresh_policy(struct core *core, const char *domain)
{
    struct nexthop nexthop;
    const struct lookup_request request = {.parts = FINDINGS_PART_BIT(FINDINGS_PART_STS),
                                           .nexthop = &nexthop,
                                           .sts_fresh_until_ms = INT64_MAX};
    struct refresh *refresh;

    if (nexthop_from_domain(domain, &nexthop) < 0 || (refresh = calloc(1, sizeof *refresh)) == NULL)
        return;
    refresh->core = core;
    refresh->lookup = core_lookup_new(core, &request, on_refreshed, refresh);
    if (refresh->lookup == NULL) {
        free(refresh);
        return;
    }
    list_append(&core->refreshes, &refresh->link);
    core->refresh_count++;
    end_if_settled(refresh); /* it may be at once, and then nobody tells */
}

static void refresh_some(struct core *core)
{
    const char *domain;

    for (size_t i = 0; i < REFRESH_BATCH && core->refresh_count < REFRESH_PARALLEL; i++) {
        domain = sts_cache_take_due(core->sts_cache, core_now_ms(core));
        if (domain == NULL)
            return;
        refresh_policy(core, domain);
    }
}

static bool arm_refresh(struct core *core);

/* world_timer_fn */
static void on_refresh(void *arg)
{
    struct core *core = arg;

    core->refresh_timer = NULL;
    if (core->settings.sts_enable)
        refresh_some(core);
    arm_refresh(core);
}

/* When memory for the timer is wanting the daily refresh stops; lookups then still refresh. */
static bool arm_refresh(struct core *core)
{
    struct world *world = core->world;
    int64_t now_ms = core_now_ms(core), at_ms = sts_cache_next_due(core->sts_cache);

    if (at_ms > now_ms + REFRESH_IDLE_MS || !core->settings.sts_enable)
        at_ms = now_ms + REFRESH_IDLE_MS;
    if (at_ms < now_ms + REFRESH_TICK_MS)
        at_ms = now_ms + REFRESH_TICK_MS;
    core->refresh_timer = world->ops->timer(world, at_ms - now_ms, on_refresh, core);
    return core->refresh_timer != NULL;
}

static uint32_t random_below(void *arg, uint32_t below)
{
    struct core *core = arg;

    return core->world->ops->random(core->world, below);
}

void core_renew_configure(struct core *core)
{
    const struct sts_cache_refresh refresh = {.age_ms = core->settings.sts_refresh_ms,
                                              .retry_ms = refresh_retry_ms,
                                              .use_ms = refresh_use_ms,
                                              .random = random_below,
                                              .arg = core};

    sts_cache_set_refresh(core->sts_cache, &refresh, core_now_ms(core));
}

int core_renew_start(struct core *core)
{
    core->on_renew = on_renew;
    core_renew_configure(core);
    return arm_refresh(core) ? 0 : -ENOMEM;
}

void core_renew_stop(struct core *core)
{
    struct world *world = core->world;

    if (core->renew_timer != NULL)
        world->ops->timer_cancel(world, core->renew_timer);
    if (core->refresh_timer != NULL)
        world->ops->timer_cancel(world, core->refresh_timer);
    core->renew_timer = core->refresh_timer = NULL;
    while (!list_empty(&core->refreshes))
        refresh_free(list_entry(core->refreshes.next, struct refresh, link));
}
