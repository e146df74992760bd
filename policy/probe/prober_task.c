/*
 * Probes in flight, one for all who ask for the same host, address, port and demand. A task goes
 * probe_task_ask (it waits), start_tasks (it has one of `parallel` slots, and connects), after a
 * second on_timer (it gives up its slot, and stays in flight), on_probed (its result is kept
 * by prober_keep.c, and told). What a limit leaves out is told at once that it is left.
 *
 * Those who wait are called when the lists are in order: they may ask for more.
 */
#include "probe/prober_internal.h"

#include <stdlib.h>
#include <string.h>

struct probe_task {
    struct table_node node; /* in prober->tasks */
    struct list link;       /* in the list of its state */
    struct prober *prober;
    struct probe_plan *plan; /* with a reference: the demand and the address are in it */
    size_t candidate;
    enum { TASK_WAITING, TASK_ACTIVE, TASK_SLOW } state;
    struct list waiters;
    struct world_probe *probe; /* of ACTIVE and SLOW */
    struct world_probe_target target;
    unsigned configured; /* prober->configured when it connected */
    int64_t started_ms;  /* when it began to wait, or connected */
    char key[];
};

static int64_t now_of(const struct prober *prober)
{
    return prober->world->ops->mono_ms(prober->world);
}

/* ---- Tasks ---- */

static struct probe_task *task_of(struct list *link)
{
    return list_entry(link, struct probe_task, link);
}

static struct probe_task *task_new(struct prober *prober, struct probe_plan *plan, size_t candidate,
                                   const char *key)
{
    const struct probe_candidate *c = &plan->candidates[candidate];
    const struct probe_host *host = &plan->hosts[c->host];
    struct probe_task *task = calloc(1, sizeof(*task) + strlen(key) + 1);

    if (task == NULL)
        return NULL;
    strcpy(task->key, key);
    task->prober = prober;
    task->plan = probe_plan_ref(plan);
    task->candidate = candidate;
    task->target = (struct world_probe_target){
        .host = plan->findings->hosts[host->index].name,
        .address = c->address,
        .ipv6 = c->ipv6,
        .port = plan->port,
        .demand = &host->demand,
        .web_pki_name = plan->findings->hosts[host->index].name,
    };
    task->started_ms = now_of(prober);
    list_init(&task->waiters);
    table_add(&prober->tasks, &task->node, task->key);
    list_append(&prober->waiting, &task->link);
    prober->waiting_count++;
    return task;
}

static size_t *count_of_state(struct probe_task *task)
{
    switch (task->state) {
    case TASK_ACTIVE:
        return &task->prober->active_count;
    case TASK_SLOW:
        return &task->prober->slow_count;
    case TASK_WAITING:
    default:
        return &task->prober->waiting_count;
    }
}

static void task_move(struct probe_task *task, int state)
{
    struct prober *prober = task->prober;

    --*count_of_state(task);
    list_remove(&task->link);
    task->state = state;
    list_append(state == TASK_ACTIVE ? &prober->active : &prober->slow, &task->link);
    ++*count_of_state(task);
}

static void note_in_flight(struct prober *prober)
{
    atomic_store_explicit(&prober->counters.in_flight, prober->active_count + prober->slow_count,
                          memory_order_relaxed);
}

/* Leaves those who waited in `waiters`, which is initialised here. */
static void task_end(struct probe_task *task, struct list *waiters)
{
    struct prober *prober = task->prober;

    --*count_of_state(task);
    list_remove(&task->link);
    table_remove(&prober->tasks, &task->node);
    list_take(waiters, &task->waiters);
    for (struct list *link = waiters->next; link != waiters; link = link->next)
        list_entry(link, struct probe_waiter, link)->task = NULL;
    if (task->probe != NULL)
        prober->world->ops->probe_cancel(prober->world, task->probe);
    probe_plan_unref(task->plan);
    free(task);
    note_in_flight(prober);
}

/* Nothing of a task is used from here on. */
static void tell(struct list *waiters, enum probe_stage stage, struct probe_result *result)
{
    struct list *link;

    while ((link = list_shift(waiters)) != NULL) {
        struct probe_waiter *waiter = list_entry(link, struct probe_waiter, link);
        waiter->changed(waiter, stage, result);
    }
}

static void end_and_tell(struct probe_task *task)
{
    struct list waiters;

    task_end(task, &waiters);
    tell(&waiters, PROBE_STAGE_LEFT, NULL);
}

static void end_waiting(struct prober *prober)
{
    while (!list_empty(&prober->waiting))
        end_and_tell(task_of(prober->waiting.next));
}

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
            connections += is_same_address(task, task_of(link));
    }
    return connections;
}

/* The first that waits and may begin; NULL: none. */
static struct probe_task *next_task(struct prober *prober)
{
    if (prober->active_count >= prober->settings.parallel)
        return NULL;
    for (struct list *link = prober->waiting.next; link != &prober->waiting; link = link->next) {
        if (connections_to_address(prober, task_of(link)) < PROBER_ADDRESS_MAX)
            return task_of(link);
    }
    return NULL;
}

static void on_probed(const struct world_probe_result *result, void *arg);

static void start_task(struct probe_task *task)
{
    struct prober *prober = task->prober;

    task->started_ms = now_of(prober);
    task->configured = prober->configured;
    task->probe = prober->world->ops->probe(prober->world, &task->target, on_probed, task);
    if (task->probe == NULL) {
        end_and_tell(task);
        return;
    }
    task_move(task, TASK_ACTIVE);
    probe_limits_begun(&prober->limits, task->started_ms);
    atomic_fetch_add(&prober->counters.begun, 1);
    note_in_flight(prober);
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
        if (task_of(link)->plan->scope != PROBE_SCOPE_ALL)
            return task_of(link)->started_ms + PROBER_WAIT_MS;
    }
    return INT64_MAX;
}

static int64_t slow_ms(const struct prober *prober)
{
    if (list_empty(&prober->active) || !may_be_slow(prober))
        return INT64_MAX;
    return task_of(prober->active.next)->started_ms + PROBER_SLOW_MS;
}

/* It may fire too soon, never too late: what begins to wait is due later than what is there. */
static void set_timer(struct prober *prober)
{
    int64_t due_ms = slow_ms(prober) < overdue_ms(prober) ? slow_ms(prober) : overdue_ms(prober);
    int64_t delay_ms = due_ms - now_of(prober);

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
    while (overdue_ms(prober) <= now_of(prober)) {
        struct list *link = prober->waiting.next;

        while (task_of(link)->plan->scope == PROBE_SCOPE_ALL)
            link = link->next;
        atomic_fetch_add(&prober->counters.left_out, 1);
        end_and_tell(task_of(link));
    }
}

/* world_timer_fn */
static void on_timer(void *arg)
{
    struct prober *prober = arg;

    prober->timer = NULL;
    while (slow_ms(prober) <= now_of(prober)) {
        struct probe_task *task = task_of(prober->active.next);

        task_move(task, TASK_SLOW);
        tell_slow(task);
    }
    start_tasks(prober);
    end_overdue(prober);
    set_timer(prober);
}

/* ---- Results ---- */

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
        result = probe_keep_result(prober, task->plan, task->candidate, outcome->probe,
                                   task->configured, now_of(prober) - task->started_ms, &rests);
    task_end(task, &waiters);
    tell(&waiters, result != NULL ? PROBE_STAGE_KNOWN : PROBE_STAGE_LEFT, result);
    probe_result_unref(result);
    if (rests)
        end_waiting(prober);
    start_tasks(prober);
}

/* ---- Who asks ---- */

static bool may_begin(struct prober *prober)
{
    int64_t now_ms = now_of(prober);

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
    return task->state == TASK_SLOW ? PROBE_STAGE_SLOW : PROBE_STAGE_ASKED;
}

enum probe_stage probe_task_ask(struct prober *prober, struct probe_plan *plan, size_t candidate,
                                struct probe_waiter *waiter, struct probe_result **result)
{
    bool all = plan->scope == PROBE_SCOPE_ALL;
    char endpoint[PROBE_ENDPOINT_MAX], text[PROBE_CACHE_KEY_MAX + 1];
    struct probe_cache_key key = probe_keep_key(plan, candidate, endpoint);
    struct table_node *node;
    struct probe_task *task;

    if (!prober->settings.enable || !plan->connects)
        return PROBE_STAGE_LEFT;
    if (!all) {
        /* It may have come to be known since the request began. */
        *result = probe_cache_get(prober->cache, &key, now_of(prober));
        if (*result != NULL)
            return PROBE_STAGE_KNOWN;
    }
    probe_cache_key_text(&key, key.demand, text);
    node = table_find(&prober->tasks, text);
    if (node != NULL)
        return join(list_entry(node, struct probe_task, node), waiter);
    task = (all || may_begin(prober)) && !probe_task_is_own(prober, plan, candidate)
               ? task_new(prober, plan, candidate, text)
               : NULL;
    if (task == NULL) {
        atomic_fetch_add(&prober->counters.left_out, 1);
        return PROBE_STAGE_LEFT;
    }
    join(task, waiter);
    start_tasks(prober);
    return PROBE_STAGE_ASKED;
}

void probe_task_leave(struct probe_waiter *waiter)
{
    struct probe_task *task = waiter->task;
    struct list none;

    list_remove(&waiter->link);
    waiter->task = NULL;
    if (task != NULL && task->state == TASK_WAITING && list_empty(&task->waiters))
        task_end(task, &none);
}

void probe_task_end_all(struct prober *prober, bool told)
{
    struct list *const lists[] = {&prober->waiting, &prober->active, &prober->slow};
    struct list waiters;

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        while (!list_empty(lists[i])) {
            task_end(task_of(lists[i]->next), &waiters);
            if (told)
                tell(&waiters, PROBE_STAGE_LEFT, NULL);
            while (list_shift(&waiters) != NULL)
                ;
        }
    }
    if (prober->timer != NULL)
        prober->world->ops->timer_cancel(prober->world, prober->timer);
    prober->timer = NULL;
}
