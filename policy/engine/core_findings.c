/*
 * What is kept of the findings that a lookup brought. A part that failed does not replace the same
 * part of cached findings while that holds; a policy that was put in force meanwhile outdates what
 * does not know it. Says when each is due for renewal, and arms the timer of that (core_renew.c's
 * function is called when it fires).
 */
#include "engine/core_internal.h"

#include "policy/findings_summary.h"
#include "policy/host_class.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

enum {
    /* Between two warnings of one domain's failing MTA-STS refresh. */
    WARN_INTERVAL_MS = 60 * 60 * 1000,
    RENEW_SHORTEST_MS = 5 * 1000, /* entries with less life are renewed when they end */
    RENEW_RETRY_MS = 1000,        /* when too many are under way */
};

/* Warnings on a policy that could not be refreshed (RFC 8461 section 3.3), not one per lookup. */
void core_warn_refresh(struct core *core, const struct findings *f)
{
    char line[600];

    if (f->sts.state != FINDINGS_STS_POLICY || f->sts.source != FINDINGS_STS_CACHED_FAILED ||
        f->sts.mode == FINDINGS_STS_MODE_NONE)
        return;
    if (!sts_cache_may_warn(core->sts_cache, f->nexthop.name, core_now_ms(core), WARN_INTERVAL_MS))
        return;
    snprintf(line, sizeof line,
             "MTA-STS: the policy of %s could not be refreshed (%s%s%s); the cached one stays in "
             "force until its max_age is over",
             f->nexthop.name, findings_sts_failure_name(f->sts.failure),
             f->sts.failure_text != NULL ? ": " : "",
             f->sts.failure_text != NULL ? f->sts.failure_text : "");
    core_log(core, LOG_WARNING, line);
}

static unsigned failed_lookups(const struct findings *f)
{
    unsigned count = f->mx == FINDINGS_MX_FAILED;

    for (size_t i = 0; i < f->host_count; i++) {
        const struct findings_host *host = &f->hosts[i];

        count += host->a == FINDINGS_ADDR_FAILED;
        count += host->aaaa == FINDINGS_ADDR_FAILED;
        count += host->tlsa_state == FINDINGS_TLSA_FAILED;
    }
    return count;
}

static bool has_dane(const struct findings *f)
{
    struct host_classes hosts;

    host_classes_derive(f, NULL, &hosts);
    return f->security_known && hosts.tlsa_binds && hosts.of[HOST_CLASS_DANE] != 0;
}

void core_note_dane(struct core *core, const struct findings *f)
{
    int64_t now_s = core->world->ops->wall_s(core->world);
    char line[120];

    if (!core->settings.dane_enable || !f->security_known)
        return;
    if (!has_dane(f)) {
        if (failed_lookups(f) == 0)
            dane_seen_forget(core->dane_seen, f->nexthop.text);
    } else if (!dane_seen_add(core->dane_seen, f->nexthop.text, now_s) &&
               core_now_ms(core) >= core->warn_dane_ms) {
        core->warn_dane_ms = core_now_ms(core) + WARN_INTERVAL_MS;
        snprintf(line, sizeof line,
                 "%d next-hops with DANE are remembered, which is all that there is room for",
                 DANE_SEEN_MAX);
        core_log(core, LOG_WARNING, line);
    }
}

/* What goes into the cache, and until when its parts hold. */
struct keeping {
    const struct findings *findings; /* a reference of its own */
    struct findings_ends ends;
    bool failed; /* a part of it is what it was before: to be renewed again soon */
};

/* Another host may have fetched a newer file with the same id. */
static bool is_same_file(const struct findings_sts *a, const struct findings_sts *b)
{
    return a->policy_lines != NULL && b->policy_lines != NULL &&
           strcmp(a->policy_lines, b->policy_lines) == 0;
}

/* Whether the old MTA-STS part says more than a new one that failed. */
static bool old_sts_is_better(const struct findings_sts *old, const struct findings_sts *fresh)
{
    if (fresh->state == FINDINGS_STS_FAILED)
        return true;
    if (fresh->state != FINDINGS_STS_POLICY || old->state != FINDINGS_STS_POLICY ||
        strcmp(old->id, fresh->id) != 0)
        return false;
    return fresh->source == FINDINGS_STS_CACHED_FAILED ||
           (fresh->source == FINDINGS_STS_SHARED && !fresh->id_current && is_same_file(old, fresh));
}

/* Whether the old DANE part says more than the new one: that failed, is of unknown security, or
 * knows less of hosts that were found securely. */
static bool old_dane_is_better(const struct findings *old, const struct findings *fresh)
{
    if (findings_summarise(old, NULL) == FINDINGS_SUMMARY_FAILED || !old->security_known)
        return false;
    return findings_summarise(fresh, NULL) == FINDINGS_SUMMARY_FAILED || !fresh->security_known ||
           (old->mx != FINDINGS_MX_INSECURE && failed_lookups(fresh) > failed_lookups(old));
}

static bool old_is_better(enum findings_part part, const struct findings *old,
                          const struct findings *fresh)
{
    switch (part) {
    case FINDINGS_PART_DANE:
        return old_dane_is_better(old, fresh);
    case FINDINGS_PART_STS:
        return old_sts_is_better(&old->sts, &fresh->sts);
    case FINDINGS_PARTS:
    default:
        return false;
    }
}

/* A part that failed does not replace what is cached of it and still holds. */
static void keep_what_holds(const struct cache_view *old, int64_t now_ms, struct keeping *k)
{
    const struct findings *fresh = k->findings, *from[FINDINGS_PARTS];
    int64_t ends_ms;

    if (old->findings == NULL)
        return;
    for (unsigned part = 0; part < FINDINGS_PARTS; part++) {
        from[part] = fresh;
        if (old->ends.ms[part] > now_ms &&
            old_is_better((enum findings_part)part, old->findings, fresh)) {
            from[part] = old->findings;
            k->ends.ms[part] = old->ends.ms[part];
            k->failed = true;
        }
    }
    if (!k->failed)
        return;
    ends_ms = findings_ends_first(&k->ends);
    k->findings =
        findings_merge(from, now_ms, (uint32_t)((ends_ms > now_ms ? ends_ms - now_ms : 0) / 1000));
    findings_unref(fresh);
}

/* The id should tell, but policy hosts change policies without it. */
static bool is_same_policy(const struct findings_sts *sts, const struct sts_cached *cached)
{
    const char *lines = cached->policy->lines;

    return strcmp(sts->id, cached->id) == 0 && sts->mode == cached->policy->mode &&
           sts->mx_count == cached->policy->mx_count && sts->policy_lines != NULL &&
           lines != NULL && strcmp(sts->policy_lines, lines) == 0;
}

/* Whether the findings hold the policy that is in force by now, if there is one. */
static bool sts_is_current(struct core *core, const struct findings *f)
{
    const struct sts_cached *cached =
        sts_cache_find(core->sts_cache, f->nexthop.name, core_now_ms(core), false);

    if (cached == NULL || cached->policy == NULL || f->sts.state == FINDINGS_STS_OFF)
        return true;
    return f->sts.state == FINDINGS_STS_POLICY && is_same_policy(&f->sts, cached);
}

void core_forget_outdated(struct core *core, const char *text)
{
    struct cache_view view;

    cache_look(core->cache, text, true, &view);
    if (view.findings != NULL && !sts_is_current(core, view.findings))
        cache_remove(core->cache, text);
    findings_unref(view.findings);
}

/* When an entry that ends at ends_ms is to be renewed. */
static int64_t renew_due_ms(struct core *core, int64_t now_ms, int64_t ends_ms)
{
    int64_t life_ms = ends_ms - now_ms;

    if (life_ms < RENEW_SHORTEST_MS)
        return ends_ms;
    /* In the last tenth, when resolvers that prefetch begin to fetch anew themselves. */
    return ends_ms - life_ms / 100 -
           (int64_t)core->world->ops->random(core->world, (uint32_t)(life_ms / 12));
}

void core_renew_schedule(struct core *core)
{
    struct world *world = core->world;
    int64_t now_ms = core_now_ms(core), at_ms = cache_next_due(core->cache);

    if (at_ms == INT64_MAX || !core->settings.prefetch)
        return;
    if (at_ms <= now_ms)
        at_ms = now_ms + RENEW_RETRY_MS;
    if (core->renew_timer != NULL && core->renew_at_ms <= at_ms)
        return;
    if (core->renew_timer != NULL)
        world->ops->timer_cancel(world, core->renew_timer);
    core->renew_timer = world->ops->timer(world, at_ms - now_ms, core->on_renew, core);
    core->renew_at_ms = at_ms;
}

void core_cache_findings(struct core *core, struct core_task *task, const struct findings *f)
{
    int64_t now_ms = core_now_ms(core), ends_ms;
    struct keeping k = {.findings = findings_ref(f), .ends = lookup_ends(task->lookup)};
    struct cache_view old;

    if (task->outdated) {
        core_forget_outdated(core, f->nexthop.text);
    } else {
        /* A refresh has brought a policy while the lookup went on. */
        if (!sts_is_current(core, f))
            k.ends.ms[FINDINGS_PART_STS] = now_ms;
        cache_look(core->cache, f->nexthop.text, core_security_known(core), &old);
        keep_what_holds(&old, now_ms, &k);
        findings_unref(old.findings);
        ends_ms = findings_ends_first(&k.ends);
        if (k.findings == NULL || ends_ms <= now_ms) {
            /* One part may not be kept, or memory is short: the next one to ask looks again. */
            cache_remove(core->cache, f->nexthop.text);
        } else {
            cache_put(core->cache, k.findings, &k.ends,
                      k.failed ? now_ms + (ends_ms - now_ms + 1) / 2
                               : renew_due_ms(core, now_ms, ends_ms));
            core_renew_schedule(core);
        }
    }
    findings_unref(k.findings);
}
