/*
 * Tasks: a lookup in progress and those who wait for it. core_task_start begins one; when it is
 * complete its findings go into the cache and to whoever still waits. What is kept of them is
 * core_findings.c's. A waiter joins (core_task_join), is told of every change of the draft, and
 * leaves when it has what it wants; a task without waiters ends, unless it renews what is cached.
 */
#include "engine/core_internal.h"
#include "policy/findings_summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A part of cached findings that ends sooner is asked about anew, so that no lookup outlives
     * what it was built upon. */
    REUSE_MIN_MS = 30 * 1000,
};

static void call_waiters(struct list *waiters, const struct findings *findings)
{
    while (!list_empty(waiters)) {
        struct core_waiter *waiter = list_entry(waiters->next, struct core_waiter, link);
        list_remove(&waiter->link);
        waiter->done(findings, waiter->arg);
    }
}

static void task_free(struct core *core, struct core_task *task)
{
    if (task->outdated) {
        list_remove(&task->link);
        core->outdated_count--;
    } else {
        table_remove(&core->tasks, &task->node);
    }
    lookup_free(task->lookup);
    free(task);
}

/* Who asks from now on gets a lookup that starts then. */
void core_task_outdate(struct core *core, struct core_task *task)
{
    table_remove(&core->tasks, &task->node);
    task->outdated = true;
    list_append(&core->outdated, &task->link);
    core->outdated_count++;
}

void core_task_outdate_all(struct core *core)
{
    for (size_t slot = 0; slot < core->tasks.slot_count; slot++) {
        while (core->tasks.slots[slot] != NULL)
            core_task_outdate(core, list_entry(core->tasks.slots[slot], struct core_task, node));
    }
}

void core_task_fail_all(struct core *core)
{
    if (core->tasks.slots == NULL)
        return;
    core_task_outdate_all(core);
    while (!list_empty(&core->outdated)) {
        struct core_task *task = list_entry(core->outdated.next, struct core_task, link);
        struct list waiters;

        list_take(&waiters, &task->waiters);
        task_free(core, task);
        call_waiters(&waiters, NULL);
    }
}

void core_task_distrust_all(struct core *core)
{
    struct list tasks;

    core_task_outdate_all(
        core); /* who asks from now on begins anew; those in flight are not to be kept */
    list_take(&tasks, &core->outdated);
    while (!list_empty(&tasks)) {
        struct core_task *task = list_entry(tasks.next, struct core_task, link);

        list_remove(&task->link);
        list_append(&core->outdated, &task->link);
        lookup_distrust(task->lookup);
    }
}

/* Moves those for whom the draft is enough into `ready`. */
static void pick_ready(struct core_task *task, const struct findings *draft, bool complete,
                       struct list *ready)
{
    struct list *link = task->waiters.next;

    while (link != &task->waiters) {
        struct core_waiter *waiter = list_entry(link, struct core_waiter, link);
        link = link->next;
        if (complete || (waiter->enough != NULL && waiter->enough(draft, waiter->arg))) {
            list_remove(&waiter->link);
            list_append(ready, &waiter->link);
        }
    }
}

/* The task's last act: all is known, or memory ran out. */
static void task_finish(struct core *core, struct core_task *task, const struct findings *f)
{
    if (f != NULL) {
        counters_lookup(&core->counters, findings_summarise(f, NULL),
                        core_now_ms(core) - task->started_ms);
        core_warn_refresh(core, f);
        if (lookup_parts(task->lookup) & FINDINGS_PART_BIT(FINDINGS_PART_DANE))
            core_note_dane(core, f);
        core_cache_findings(core, task, f);
    }
    task_free(core, task);
}

/* lookup_changed_fn */
static void on_changed(struct lookup *lookup, void *arg)
{
    struct core_task *task = arg;
    struct core *core = task->core;
    const struct findings *draft = lookup_draft(lookup), *frozen = NULL;
    bool complete = draft == NULL || findings_complete(draft);
    struct list ready;

    list_init(&ready);
    pick_ready(task, draft, complete, &ready);
    if (draft != NULL && (complete || !list_empty(&ready)))
        frozen = findings_freeze(draft); /* NULL: they learn that memory is short */
    if (complete)
        task_finish(core, task, frozen);
    /* Nothing of the task is used from here on: callbacks may do as they like. */
    call_waiters(&ready, frozen);
    findings_unref(frozen);
}

/* Until when cached findings must hold for a part of them not to be asked about anew. Renewal takes
 * in what would have to be renewed soon after. */
static int64_t needed_until_ms(const struct core *core, const struct cache_view *view, bool ahead)
{
    int64_t now_ms = core_now_ms(core), until_ms = now_ms + REUSE_MIN_MS;
    int64_t first_ms = findings_ends_first(&view->ends);

    if (ahead && first_ms > now_ms && 2 * first_ms - now_ms > until_ms)
        until_ms = 2 * first_ms - now_ms;
    return until_ms;
}

/* Which parts must be asked about; the others are taken from what is cached. */
static unsigned parts_needed(const struct cache_view *view, int64_t until_ms)
{
    unsigned parts = 0;

    for (unsigned part = 0; part < FINDINGS_PARTS; part++) {
        if (view->findings == NULL || view->ends.ms[part] < until_ms)
            parts |= FINDINGS_PART_BIT(part);
    }
    return parts ? parts : FINDINGS_ALL_PARTS;
}

static struct lookup *start_lookup(struct core *core, struct core_task *task,
                                   const struct nexthop *nexthop, bool ahead)
{
    struct lookup *lookup;
    struct cache_view view;
    int64_t until_ms;

    cache_look(core->cache, nexthop->text, core_security_known(core), &view);
    until_ms = needed_until_ms(core, &view, ahead);
    const struct lookup_request request = {
        .nexthop = nexthop,
        .parts = parts_needed(&view, until_ms),
        .in_use = true, /* renewal too: it follows a use, and keeps who uses it from asking */
        .sts_fresh_until_ms = ahead ? until_ms : INT64_MIN,
        .known = view.findings,
        .known_ends = view.ends,
    };
    lookup = core_lookup_new(core, &request, on_changed, task);
    findings_unref(view.findings);
    return lookup;
}

struct core_task *core_task_start(struct core *core, const struct nexthop *nexthop, bool ahead)
{
    struct core_task *task = calloc(1, sizeof *task);

    if (task == NULL)
        return NULL;
    task->core = core;
    task->started_ms = core_now_ms(core);
    list_init(&task->waiters);
    task->lookup = start_lookup(core, task, nexthop, ahead);
    if (task->lookup == NULL) {
        free(task);
        return NULL;
    }
    strcpy(task->text, nexthop->text);
    table_add(&core->tasks, &task->node, task->text);
    counters_add(&core->counters.lookups, 1);
    return task;
}

struct core_task *core_task_find(struct core *core, const char *text)
{
    struct table_node *node = table_find(&core->tasks, text);

    return node != NULL ? list_entry(node, struct core_task, node) : NULL;
}

void core_task_finish_if_complete(struct core *core, struct core_task *task)
{
    const struct findings *draft = lookup_draft(task->lookup), *frozen;

    if (!findings_complete(draft))
        return;
    frozen = findings_freeze(draft);
    task_finish(core, task, frozen);
    findings_unref(frozen);
}

/* What the task knows already may do. Finishes it if it is complete. */
int core_task_join(struct core *core, struct core_task *task, struct core_waiter *waiter,
                   const struct findings **out)
{
    const struct findings *draft = lookup_draft(task->lookup);
    bool complete = findings_complete(draft);

    if (!complete && !(waiter->enough != NULL && waiter->enough(draft, waiter->arg))) {
        list_append(&task->waiters, &waiter->link);
        return 0;
    }
    *out = findings_freeze(draft);
    if (complete)
        task_finish(core, task, *out);
    return *out != NULL ? 1 : -ENOMEM;
}

size_t core_task_count(const struct core *core)
{
    return core->tasks.count + core->outdated_count;
}
