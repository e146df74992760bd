/*
 * Probes in flight, one for all who ask for the same host, address, port and demand. A task goes
 * probe_task_ask (the shared cache is asked), on_shared_answer (that has nothing, it waits),
 * start_tasks (it has one of `parallel` slots, and connects), after a second on_timer (it gives up
 * its slot, and stays in flight), on_probed (its result is kept by prober_keep.c, and told). What a
 * limit leaves out is told that it is left.
 *
 * Those who wait are called when the lists are in order: they may ask for more.
 */
#include "probe/prober_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Slots ---- */

static bool is_same_address(const struct probe_task *task, const struct probe_task *other)
{
    return task->target.ipv6 == other->target.ipv6 &&
           memcmp(task->target.address, other->target.address, task->target.ipv6 ? 16 : 4) == 0;
}

static size_t connections_to_address(struct prober *prober, const struct probe_task *task)
{
    struct list *const lists[] = {&prober->active, &prober->slow};
    size_t connections = 0;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (struct list *link = lists[i]->next; link != lists[i]; link = link->next)
            connections += is_same_address(task, probe_task_of(link));
    }
    return connections;
}

/* The first that waits and may begin; NULL: none. */
static struct probe_task *next_task(struct prober *prober)
{
    if (prober->active_count >= prober->settings.parallel)
        return NULL;
    for (struct list *link = prober->waiting.next; link != &prober->waiting; link = link->next) {
        if (connections_to_address(prober, probe_task_of(link)) < PROBER_ADDRESS_MAX)
            return probe_task_of(link);
    }
    return NULL;
}

static void on_probed(const struct world_probe_result *result, void *arg);

static void start_task(struct probe_task *task)
{
    struct prober *prober = task->prober;

    task->started_ms = prober_now_ms(prober);
    task->configured = prober->configured;
    task->probe = prober->world->ops->probe(prober->world, &task->target, on_probed, task);
    if (task->probe == NULL) {
        probe_task_end_and_tell(task);
        return;
    }
    probe_task_move(task, PROBE_TASK_ACTIVE);
    probe_limits_begun(&prober->limits, task->started_ms);
    atomic_fetch_add(&prober->counters.begun, 1);
}

static bool may_be_slow(const struct prober *prober)
{
    return prober->slow_count < prober->settings.parallel * PROBER_SLOW_SHARE;
}

static void on_timer(void *arg);

/* When the first of those that wait is not waited for any more. */
static int64_t overdue_ms(const struct prober *prober)
{
    for (struct list *link = prober->waiting.next; link != &prober->waiting; link = link->next) {
        if (probe_task_of(link)->plan->scope != PROBE_SCOPE_ALL)
            return probe_task_of(link)->started_ms + PROBER_WAIT_MS;
    }
    return INT64_MAX;
}

static int64_t slow_ms(const struct prober *prober)
{
    if (list_empty(&prober->active) || !may_be_slow(prober))
        return INT64_MAX;
    return probe_task_of(prober->active.next)->started_ms + PROBER_SLOW_MS;
}

/* It may fire too soon, never too late: what begins to wait is due later than what is there. */
static void set_timer(struct prober *prober)
{
    int64_t due_ms = slow_ms(prober) < overdue_ms(prober) ? slow_ms(prober) : overdue_ms(prober);
    int64_t delay_ms = due_ms - prober_now_ms(prober);

    if (prober->timer == NULL && due_ms != INT64_MAX)
        prober->timer =
            prober->world->ops->timer(prober->world, delay_ms > 0 ? delay_ms : 0, on_timer, prober);
}

static void start_tasks(struct prober *prober)
{
    struct probe_task *task;

    if (prober->starting) /* from inside start_task */
        return;
    prober->starting = true;
    while ((task = next_task(prober)) != NULL)
        start_task(task);
    prober->starting = false;
    set_timer(prober);
}

/* It waits on. */
static void tell_slow(struct probe_task *task)
{
    struct list waiters, *link;

    list_take(&waiters, &task->waiters);
    while ((link = list_shift(&waiters)) != NULL) {
        struct probe_waiter *waiter = list_entry(link, struct probe_waiter, link);

        list_append(&task->waiters, link);
        waiter->changed(waiter, PROBE_STAGE_SLOW, NULL);
    }
}

/* So many are slow that no slot becomes free: those who have waited get what is known. */
static void end_overdue(struct prober *prober)
{
    while (overdue_ms(prober) <= prober_now_ms(prober)) {
        struct list *link = prober->waiting.next;

        while (probe_task_of(link)->plan->scope == PROBE_SCOPE_ALL)
            link = link->next;
        atomic_fetch_add(&prober->counters.left_out, 1);
        probe_task_end_and_tell(probe_task_of(link));
    }
}

/* world_timer_fn */
static void on_timer(void *arg)
{
    struct prober *prober = arg;

    prober->timer = NULL;
    while (slow_ms(prober) <= prober_now_ms(prober)) {
        struct probe_task *task = probe_task_of(prober->active.next);

        probe_task_move(task, PROBE_TASK_SLOW);
        tell_slow(task);
    }
    start_tasks(prober);
    end_overdue(prober);
    set_timer(prober);
}

/* ---- Results ---- */

static void end_waiting(struct prober *prober)
{
    while (!list_empty(&prober->waiting))
        probe_task_end_and_tell(probe_task_of(prober->waiting.next));
}

static void share_result(struct probe_task *task, const struct probe_result *result)
{
    const struct probe_plan *plan = task->plan;
    char endpoint[PROBE_ENDPOINT_MAX];
    struct probe_cache_key key = probe_keep_key(plan, task->candidate, endpoint);

    probe_shared_put(task->prober, &key,
                     plan->hosts[plan->candidates[task->candidate].host].demand.kind, result);
}

/* world_probe_fn */
static void on_probed(const struct world_probe_result *outcome, void *arg)
{
    struct probe_task *task = arg;
    struct prober *prober = task->prober;
    struct probe_result *result = NULL;
    struct list waiters;
    bool rests = false;

    task->probe = NULL; /* dead by now */
    if (outcome->local)
        result = probe_keep_lack(prober, task->plan, task->candidate, outcome->probe);
    else
        result =
            probe_keep_result(prober, task->plan, task->candidate, outcome->probe, task->configured,
                              prober_now_ms(prober) - task->started_ms, &rests);
    if (result != NULL && !outcome->local)
        share_result(task, result);
    probe_task_end(task, &waiters);
    probe_task_tell(&waiters, result != NULL ? PROBE_STAGE_KNOWN : PROBE_STAGE_LEFT, result);
    probe_result_unref(result);
    if (rests)
        end_waiting(prober);
    start_tasks(prober);
}

/* ---- Who asks ---- */

static bool may_begin(struct prober *prober)
{
    int64_t now_ms = prober_now_ms(prober);

    return !probe_limits_rests(&prober->limits, now_ms) &&
           prober->waiting_count < prober->settings.parallel * PROBER_SLOW_SHARE &&
           probe_limits_may(&prober->limits, prober->waiting_count, now_ms);
}

/* What a [host] of the configuration leads to is the administrator's choice. */
bool probe_task_is_own(struct prober *prober, const struct probe_plan *plan, size_t candidate)
{
    const struct probe_candidate *c = &plan->candidates[candidate];

    return plan->findings->nexthop.kind != NEXTHOP_HOST &&
           prober->world->ops->is_own(prober->world, c->address, c->ipv6);
}

static enum probe_stage join(struct probe_task *task, struct probe_waiter *waiter)
{
    waiter->task = task;
    list_append(&task->waiters, &waiter->link);
    return task->state == PROBE_TASK_SLOW ? PROBE_STAGE_SLOW : PROBE_STAGE_ASKED;
}

/* From now on it waits for a slot. */
static void line_up(struct probe_task *task)
{
    struct prober *prober = task->prober;

    task->started_ms = prober_now_ms(prober);
    probe_task_move(task, PROBE_TASK_WAITING);
    start_tasks(prober);
}

/* struct probe_shared's */
static void on_shared_answer(struct probe_shared *shared, struct probe_result *result)
{
    struct probe_task *task = list_entry(shared, struct probe_task, shared);
    struct list waiters;

    if (result != NULL) {
        probe_task_end(task, &waiters);
        probe_task_tell(&waiters, PROBE_STAGE_KNOWN, result);
    } else if (may_begin(task->prober)) {
        line_up(task);
    } else {
        atomic_fetch_add(&task->prober->counters.left_out, 1);
        probe_task_end_and_tell(task);
    }
}

/* Somebody wants to look now, whatever others have seen. */
static void begin_now(struct probe_task *task)
{
    if (task->state != PROBE_TASK_ASKING)
        return;
    probe_shared_stop(&task->shared);
    line_up(task);
}

/* A task for what nobody looks at yet; NULL: it is left out. It has the waiter, or has told it that
 * it came to nothing. */
static struct probe_task *begin(struct prober *prober, struct probe_plan *plan, size_t candidate,
                                const char *key, struct probe_waiter *waiter)
{
    bool all = plan->scope == PROBE_SCOPE_ALL, may = all || may_begin(prober);
    bool asks = !all && prober->world->ops->shared_is_on(prober->world);
    struct probe_task *task = NULL;
    struct list none;

    if ((may || asks) && !probe_task_is_own(prober, plan, candidate))
        task = probe_task_new(prober, plan, candidate, key);
    if (task == NULL)
        return NULL;
    asks = asks && probe_shared_ask(&task->shared, prober, plan, candidate, on_shared_answer);
    if (!asks && !may) {
        probe_task_end(task, &none);
        return NULL;
    }
    join(task, waiter);
    if (!asks)
        line_up(task);
    return task;
}

enum probe_stage probe_task_ask(struct prober *prober, struct probe_plan *plan, size_t candidate,
                                struct probe_waiter *waiter, struct probe_result **result)
{
    bool all = plan->scope == PROBE_SCOPE_ALL;
    char endpoint[PROBE_ENDPOINT_MAX], text[PROBE_CACHE_KEY_MAX + 1];
    struct probe_cache_key key = probe_keep_key(plan, candidate, endpoint);
    struct table_node *node;
    enum probe_stage stage;

    if (!prober->settings.enable || !plan->connects)
        return PROBE_STAGE_LEFT;
    if (!all) {
        /* It may have come to be known since the request began. */
        *result = probe_cache_get(prober->cache, &key, prober_now_ms(prober));
        if (*result != NULL)
            return PROBE_STAGE_KNOWN;
    }
    probe_cache_key_text(&key, key.demand, text);
    node = table_find(&prober->tasks, text);
    if (node != NULL) {
        struct probe_task *task = list_entry(node, struct probe_task, node);

        stage = join(task, waiter);
        if (all)
            begin_now(task);
        return stage;
    }
    if (begin(prober, plan, candidate, text, waiter) != NULL)
        return PROBE_STAGE_ASKED;
    atomic_fetch_add(&prober->counters.left_out, 1);
    return PROBE_STAGE_LEFT;
}

void probe_task_leave(struct probe_waiter *waiter)
{
    struct probe_task *task = waiter->task;
    struct list none;

    list_remove(&waiter->link);
    waiter->task = NULL;
    if (task != NULL && list_empty(&task->waiters) &&
        (task->state == PROBE_TASK_ASKING || task->state == PROBE_TASK_WAITING))
        probe_task_end(task, &none);
}

void probe_task_bar_shared(struct prober *prober, const char *host)
{
    for (struct list *link = prober->asking.next; link != &prober->asking; link = link->next) {
        struct probe_task *task = probe_task_of(link);

        task->shared.barred |= strcmp(task->target.host, host) == 0;
    }
}

void probe_task_end_all(struct prober *prober, bool told)
{
    struct list *const lists[] = {&prober->asking, &prober->waiting, &prober->active,
                                  &prober->slow};
    struct list waiters;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        while (!list_empty(lists[i])) {
            probe_task_end(probe_task_of(lists[i]->next), &waiters);
            if (told)
                probe_task_tell(&waiters, PROBE_STAGE_LEFT, NULL);
            while (list_shift(&waiters) != NULL)
                ;
        }
    }
    if (prober->timer != NULL)
        prober->world->ops->timer_cancel(prober->world, prober->timer);
    prober->timer = NULL;
}
