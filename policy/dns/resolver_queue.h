/*
 * The queue of the resolver's queries: which of those that wait is sent next. So many slots are
 * there for queries in flight. They are shared fairly among next-hops:
 *
 * - Next-hops take turns, one query each. One that has its share of slots (a 32nd of them) gets
 *   more only while less than half of all slots are in use.
 * - A query that has been in flight for slow_ms gives its slot to one that waits, and stays in
 *   flight beside the slots, provided that it is its destination that is slow and not the resolver
 *   as a whole (resolver_pace.h), which more queries would make slower still. Up to four times as
 *   many queries as there are slots may be slow.
 * - When there are too many slow ones, the oldest is given up on the same condition, and provided
 *   that the resolver has answered a query since that was sent. While the resolver answers nothing,
 *   nobody gains by more queries, and none is given up.
 *
 * Pure: it knows no sockets and no clock. One thread.
 */
#ifndef POLICY_DNS_RESOLVER_QUEUE_H
#define POLICY_DNS_RESOLVER_QUEUE_H

#include "base/table.h"
#include "dns/resolver_pace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct resolver_group; /* the queries for one next-hop */

enum resolver_stage {
    RESOLVER_WAITING,   /* entered first */
    RESOLVER_IN_FLIGHT, /* from WAITING: has a slot */
    RESOLVER_SLOW,      /* from IN_FLIGHT: still in flight, but has given up its slot */
    RESOLVER_READY,     /* from any: settled; to be called back */
};

/* One query's entry in the queue; embedded in it. */
struct resolver_entry {
    TAILQ_ENTRY(resolver_entry) link; /* in the list of its stage */
    struct resolver_group *group;     /* NULL when READY */
    int64_t started_ms;               /* when it got its slot */
    enum resolver_stage stage;
};

TAILQ_HEAD(resolver_entries, resolver_entry);
TAILQ_HEAD(resolver_groups, resolver_group);

struct resolver_queue {
    struct table groups;
    struct resolver_groups fair; /* something of theirs waits, and their share is not used up */
    struct resolver_groups over; /* something of theirs waits, and it is */
    struct resolver_entries in_flight, slow, ready;
    size_t waiting_count, in_flight_count, slow_count;
    size_t slots;
    int slow_ms;
    int64_t answered_ms; /* when the resolver answered last; INT64_MIN: never */
    struct resolver_pace pace;
};

int resolver_queue_init(struct resolver_queue *q);  /* 0 or a negative errno */
void resolver_queue_fini(struct resolver_queue *q); /* all entries have left */
void resolver_queue_configure(struct resolver_queue *q, size_t slots, int slow_ms);

/* Puts a query for `nexthop` in line. 0 or -ENOMEM. */
int resolver_queue_add(struct resolver_queue *q, struct resolver_entry *entry, const char *nexthop);
/* Puts in what is settled from the start. */
void resolver_queue_add_ready(struct resolver_queue *q, struct resolver_entry *entry);

void resolver_queue_settle(struct resolver_queue *q, struct resolver_entry *entry);
void resolver_queue_leave(struct resolver_queue *q, struct resolver_entry *entry);

/* Some query of those that have not left, or NULL: all have. */
struct resolver_entry *resolver_queue_any(const struct resolver_queue *q);

/* The query that is to be sent now; it has a slot from here on. NULL: none may be. */
struct resolver_entry *resolver_queue_next(struct resolver_queue *q, int64_t now_ms);

/* When resolver_queue_next gave none: the query that is to be given up for those that wait, which
 * the caller settles before it asks again; or NULL. */
struct resolver_entry *resolver_queue_overdue(const struct resolver_queue *q, int64_t now_ms);

/* When resolver_queue_next and resolver_queue_overdue are to be called next though no query has
 * left; INT64_MAX: need not be. */
int64_t resolver_queue_due_ms(const struct resolver_queue *q, int64_t now_ms);

/* The resolver has answered a query that is in flight. */
void resolver_queue_answered(struct resolver_queue *q, const struct resolver_entry *entry,
                             int64_t now_ms);

/* Whether slow queries keep others waiting while nothing shows if it is the resolver that is slow:
 * the caller asks it something easy, and says when that was answered. */
bool resolver_queue_wants_probe(const struct resolver_queue *q, int64_t now_ms);
void resolver_queue_probed(struct resolver_queue *q, int64_t sent_ms, int64_t now_ms);

#endif
