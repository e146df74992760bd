/*
 * The tasks of probes and the lists in which they are, one for each state. probe_task_new makes
 * one, probe_task_move takes it from state to state, probe_task_end takes it out of everything and
 * gives back who waited, for probe_task_tell. Which state comes when is prober_task.c's.
 */
#include "probe/prober_internal.h"

#include <stdlib.h>
#include <string.h>

int64_t prober_now_ms(const struct prober *prober)
{
    return prober->world->ops->mono_ms(prober->world);
}

struct probe_task *probe_task_of(struct list *link)
{
    return list_entry(link, struct probe_task, link);
}

static struct list *list_of_state(struct prober *prober, enum probe_task_state state)
{
    switch (state) {
    case PROBE_TASK_ASKING:
        return &prober->asking;
    case PROBE_TASK_ACTIVE:
        return &prober->active;
    case PROBE_TASK_SLOW:
        return &prober->slow;
    case PROBE_TASK_WAITING:
    default:
        return &prober->waiting;
    }
}

static size_t *count_of_state(struct prober *prober, enum probe_task_state state)
{
    switch (state) {
    case PROBE_TASK_ASKING:
        return &prober->asking_count;
    case PROBE_TASK_ACTIVE:
        return &prober->active_count;
    case PROBE_TASK_SLOW:
        return &prober->slow_count;
    case PROBE_TASK_WAITING:
    default:
        return &prober->waiting_count;
    }
}

static void enter_state(struct probe_task *task, enum probe_task_state state)
{
    task->state = state;
    list_append(list_of_state(task->prober, state), &task->link);
    ++*count_of_state(task->prober, state);
}

static void leave_state(struct probe_task *task)
{
    list_remove(&task->link);
    --*count_of_state(task->prober, task->state);
}

struct probe_task *probe_task_new(struct prober *prober, struct probe_plan *plan, size_t candidate,
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
    list_init(&task->waiters);
    table_add(&prober->tasks, &task->node, task->key);
    enter_state(task, PROBE_TASK_ASKING);
    return task;
}

static void count_in_flight(struct prober *prober)
{
    atomic_store_explicit(&prober->counters.in_flight, prober->active_count + prober->slow_count,
                          memory_order_relaxed);
}

void probe_task_move(struct probe_task *task, enum probe_task_state state)
{
    leave_state(task);
    enter_state(task, state);
    count_in_flight(task->prober);
}

void probe_task_end(struct probe_task *task, struct list *waiters)
{
    struct prober *prober = task->prober;

    leave_state(task);
    table_remove(&prober->tasks, &task->node);
    list_take(waiters, &task->waiters);
    for (struct list *link = waiters->next; link != waiters; link = link->next)
        list_entry(link, struct probe_waiter, link)->task = NULL;
    if (task->probe != NULL)
        prober->world->ops->probe_cancel(prober->world, task->probe);
    probe_shared_stop(&task->shared);
    probe_plan_unref(task->plan);
    free(task);
    count_in_flight(prober);
}

void probe_task_tell(struct list *waiters, enum probe_stage stage, struct probe_result *result)
{
    struct list *link;

    while ((link = list_shift(waiters)) != NULL) {
        struct probe_waiter *waiter = list_entry(link, struct probe_waiter, link);
        waiter->changed(waiter, stage, result);
    }
}

void probe_task_end_and_tell(struct probe_task *task)
{
    struct list waiters;

    probe_task_end(task, &waiters);
    probe_task_tell(&waiters, PROBE_STAGE_LEFT, NULL);
}
