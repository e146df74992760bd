/*
 * Whose turn it is to send a query. A query goes resolver_queue_add, resolver_queue_next (it has a
 * slot), resolver_queue_settle (it is ready to be called back), resolver_queue_leave.
 *
 * Next-hops of which queries wait hang in two lists, by whether their share of slots is used up.
 * The first of a list is the next to send one, and then goes to the end of its list. Queries in
 * flight are kept in the order in which they were sent, so that the slow ones come first.
 */
#include "dns/resolver_queue.h"

#include "base/list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHARE = 32,     /* a next-hop's share of the slots is one of so many parts */
    SLOW_SHARE = 4, /* so many times as many queries as there are slots may be slow: bounds memory,
                      and what a resolver must bear */
};

struct resolver_group {
    struct table_node node;
    TAILQ_ENTRY(resolver_group) link; /* in fair or over while something waits */
    struct resolver_entries waiting;
    size_t slots; /* that its queries have */
    size_t users; /* places that know it */
    bool over;    /* which list it is in */
    char nexthop[];
};

int resolver_queue_init(struct resolver_queue *q)
{
    memset(q, 0, sizeof(*q));
    TAILQ_INIT(&q->fair);
    TAILQ_INIT(&q->over);
    TAILQ_INIT(&q->in_flight);
    TAILQ_INIT(&q->slow);
    TAILQ_INIT(&q->ready);
    q->answered_ms = INT64_MIN;
    resolver_pace_init(&q->pace);
    q->slots = 1;
    return table_init(&q->groups);
}

void resolver_queue_fini(struct resolver_queue *q)
{
    table_fini(&q->groups);
}

void resolver_queue_configure(struct resolver_queue *q, size_t slots, int slow_ms)
{
    q->slots = slots > 0 ? slots : 1;
    q->slow_ms = slow_ms;
    resolver_pace_configure(&q->pace, q->slots, slow_ms);
}

/* ---- Groups ---- */

static struct resolver_group *group_obtain(struct resolver_queue *q, const char *nexthop)
{
    struct table_node *node = table_find(&q->groups, nexthop);
    size_t len = strlen(nexthop) + 1;

    if (node != NULL)
        return list_entry(node, struct resolver_group, node);
    struct resolver_group *group = calloc(1, sizeof(*group) + len);

    if (group == NULL)
        return NULL;
    memcpy(group->nexthop, nexthop, len);
    TAILQ_INIT(&group->waiting);
    table_add(&q->groups, &group->node, group->nexthop);
    return group;
}

static bool used_up(const struct resolver_queue *q, const struct resolver_group *group)
{
    size_t share = q->slots / SHARE;

    return group->slots >= (share > 0 ? share : 1);
}

static struct resolver_groups *list_of_group(struct resolver_queue *q,
                                             const struct resolver_group *group)
{
    return group->over ? &q->over : &q->fair;
}

/* At the end of the list that it belongs to. */
static void group_enlist(struct resolver_queue *q, struct resolver_group *group)
{
    group->over = used_up(q, group);
    TAILQ_INSERT_TAIL(list_of_group(q, group), group, link);
}

static void group_unlist(struct resolver_queue *q, struct resolver_group *group)
{
    TAILQ_REMOVE(list_of_group(q, group), group, link);
}

static void give_back_slot(struct resolver_queue *q, struct resolver_group *group)
{
    group->slots--;
    if (!TAILQ_EMPTY(&group->waiting) && group->over && !used_up(q, group)) {
        group_unlist(q, group);
        group_enlist(q, group);
    }
}

static void group_leave(struct resolver_queue *q, struct resolver_entry *entry)
{
    struct resolver_group *group = entry->group;

    entry->group = NULL;
    if (group == NULL || --group->users > 0)
        return;
    table_remove(&q->groups, &group->node);
    free(group);
}

/* ---- Places ---- */

static void leave_list(struct resolver_queue *q, struct resolver_entry *entry)
{
    struct resolver_group *group = entry->group;

    switch (entry->stage) {
    case RESOLVER_WAITING:
        TAILQ_REMOVE(&group->waiting, entry, link);
        q->waiting_count--;
        if (TAILQ_EMPTY(&group->waiting))
            group_unlist(q, group);
        return;
    case RESOLVER_IN_FLIGHT:
        TAILQ_REMOVE(&q->in_flight, entry, link);
        q->in_flight_count--;
        give_back_slot(q, group);
        return;
    case RESOLVER_SLOW:
        TAILQ_REMOVE(&q->slow, entry, link);
        q->slow_count--;
        return;
    case RESOLVER_READY:
    default:
        TAILQ_REMOVE(&q->ready, entry, link);
        return;
    }
}

int resolver_queue_add(struct resolver_queue *q, struct resolver_entry *entry, const char *nexthop)
{
    struct resolver_group *group = group_obtain(q, nexthop);

    if (group == NULL)
        return -ENOMEM;
    group->users++;
    entry->group = group;
    entry->stage = RESOLVER_WAITING;
    if (TAILQ_EMPTY(&group->waiting))
        group_enlist(q, group);
    TAILQ_INSERT_TAIL(&group->waiting, entry, link);
    q->waiting_count++;
    return 0;
}

void resolver_queue_add_ready(struct resolver_queue *q, struct resolver_entry *entry)
{
    entry->group = NULL;
    entry->stage = RESOLVER_READY;
    TAILQ_INSERT_TAIL(&q->ready, entry, link);
}

void resolver_queue_leave(struct resolver_queue *q, struct resolver_entry *entry)
{
    leave_list(q, entry);
    group_leave(q, entry);
}

void resolver_queue_settle(struct resolver_queue *q, struct resolver_entry *entry)
{
    resolver_queue_leave(q, entry);
    resolver_queue_add_ready(q, entry);
}

struct resolver_entry *resolver_queue_any(const struct resolver_queue *q)
{
    const struct resolver_groups *waiting = TAILQ_EMPTY(&q->fair) ? &q->over : &q->fair;
    const struct resolver_entries *lists[] = {&q->in_flight, &q->slow, &q->ready};

    if (!TAILQ_EMPTY(waiting))
        return TAILQ_FIRST(&TAILQ_FIRST(waiting)->waiting);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (!TAILQ_EMPTY(lists[i]))
            return TAILQ_FIRST(lists[i]);
    }
    return NULL;
}

/* ---- Turns ---- */

static bool is_slow(const struct resolver_queue *q, const struct resolver_entry *entry,
                    int64_t now_ms)
{
    return now_ms - entry->started_ms >= q->slow_ms;
}

/* Whether a query in flight has lasted so long that others need not wait for it. */
static bool may_give_slot(const struct resolver_queue *q, const struct resolver_entry *entry,
                          int64_t now_ms)
{
    return is_slow(q, entry, now_ms) &&
           resolver_pace_since(&q->pace, entry->started_ms, now_ms) == RESOLVER_PROMPT;
}

static bool room_for_slow(const struct resolver_queue *q)
{
    return q->slow_count / SLOW_SHARE < q->slots;
}

static void retire_slow(struct resolver_queue *q, int64_t now_ms)
{
    struct resolver_entry *entry;

    while ((entry = TAILQ_FIRST(&q->in_flight)) != NULL && room_for_slow(q) &&
           may_give_slot(q, entry, now_ms)) {
        leave_list(q, entry);
        entry->stage = RESOLVER_SLOW;
        TAILQ_INSERT_TAIL(&q->slow, entry, link);
        q->slow_count++;
    }
}

static struct resolver_group *next_group(const struct resolver_queue *q)
{
    if (q->in_flight_count >= q->slots)
        return NULL;
    if (!TAILQ_EMPTY(&q->fair))
        return TAILQ_FIRST(&q->fair);
    return q->in_flight_count < (q->slots + 1) / 2 ? TAILQ_FIRST(&q->over) : NULL;
}

struct resolver_entry *resolver_queue_next(struct resolver_queue *q, int64_t now_ms)
{
    struct resolver_group *group;
    struct resolver_entry *entry;

    if (q->waiting_count > 0)
        retire_slow(q, now_ms);
    group = next_group(q);
    if (group == NULL)
        return NULL;
    entry = TAILQ_FIRST(&group->waiting);
    group_unlist(q, group);
    TAILQ_REMOVE(&group->waiting, entry, link);
    q->waiting_count--;
    group->slots++;
    if (!TAILQ_EMPTY(&group->waiting))
        group_enlist(q, group);
    entry->stage = RESOLVER_IN_FLIGHT;
    entry->started_ms = now_ms;
    TAILQ_INSERT_TAIL(&q->in_flight, entry, link);
    q->in_flight_count++;
    return entry;
}

struct resolver_entry *resolver_queue_overdue(const struct resolver_queue *q, int64_t now_ms)
{
    struct resolver_entry *first = TAILQ_FIRST(&q->in_flight), *oldest = TAILQ_FIRST(&q->slow);

    if (q->waiting_count == 0 || first == NULL || oldest == NULL || room_for_slow(q) ||
        !may_give_slot(q, first, now_ms))
        return NULL;
    return oldest->started_ms < q->answered_ms ? oldest : NULL;
}

int64_t resolver_queue_due_ms(const struct resolver_queue *q, int64_t now_ms)
{
    const struct resolver_entry *first = TAILQ_FIRST(&q->in_flight);

    if (q->waiting_count == 0 || first == NULL)
        return INT64_MAX;
    return (is_slow(q, first, now_ms) ? now_ms : first->started_ms) + q->slow_ms;
}

void resolver_queue_answered(struct resolver_queue *q, const struct resolver_entry *entry,
                             int64_t now_ms)
{
    q->answered_ms = now_ms;
    resolver_pace_answered(&q->pace, entry->started_ms, now_ms);
}

bool resolver_queue_wants_probe(const struct resolver_queue *q, int64_t now_ms)
{
    const struct resolver_entry *first = TAILQ_FIRST(&q->in_flight);

    return q->waiting_count > 0 && first != NULL && is_slow(q, first, now_ms) &&
           resolver_pace_since(&q->pace, first->started_ms, now_ms) == RESOLVER_QUIET;
}

void resolver_queue_probed(struct resolver_queue *q, int64_t sent_ms, int64_t now_ms)
{
    if (now_ms - sent_ms < q->slow_ms)
        resolver_pace_probed(&q->pace, sent_ms);
}
