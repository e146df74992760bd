/*
 * A delivery and its targets.
 */
#ifndef MILTER_DELIVER_DELIVERY_INTERNAL_H
#define MILTER_DELIVER_DELIVERY_INTERNAL_H

#include "deliver/agent_internal.h"
#include "deliver/delivery_attempt.h"

#include <assert.h>

enum {
    DELIVERY_WAITS = 5, /* as many addresses as are tried for a message, unless configured */
    /*
     * How long a delivery waits for its share and for connections, all together. Mail for a quick
     * server that comes at once goes in that time, instead of minutes later from the MTA's queue;
     * where it is not enough the server is slow, and the MTA can use the session for other mail.
     */
    DELIVERY_WAIT_MAX_MS = 10 * 1000,
};

static_assert(DELIVERY_PLAN_TARGETS <= 64, "busy has a bit for each");

/* In the line for one address. */
struct delivery_wait {
    struct agent_limits_wait line;
    size_t target; /* of the plan */
};

struct delivery {
    struct agent *agent;
    struct delivery_request request;
    struct config *config;           /* a reference */
    struct content *content;         /* a reference */
    struct credentials *credentials; /* a reference; NULL: none */
    struct treatment treatment, before;
    bool fell_back;
    const char *policy_before;
    /* Of the deliveries to this next-hop; is_busy: it has none, and does not wait for one. */
    bool has_share, is_busy;
    int64_t share_since_ms; /* clock_awake_ms: since then it has it, or waits for it */
    struct agent_limits_wait share_line;
    bool stopping; /* it ends with 451, as the service does */
    bool ended;    /* by itself: neither cancelled nor stopped */
    struct event *on_time;
    int64_t setup_deadline_ms;

    struct agent_lookup lookup;
    struct engine_request *engine_request; /* NULL: nothing is asked */
    const struct findings *findings;       /* a reference; NULL: none yet, or none to be had */

    /* Of the level in force. */
    struct treatment_demands demands;
    struct treatment_plan allowed;
    struct delivery_plan plan;
    size_t next, at;         /* target; the one that was tried last */
    uint64_t busy;           /* targets without room for a connection; bit i is plan.targets[i] */
    unsigned tried, counted; /* targets; of these, how many count for max_addresses */
    uint32_t said_no[2];     /* hosts that have said no for good, by IPv4 and by IPv6 */
    uint32_t passed_over;    /* hosts that TLSRPT was told of */
    bool met;                /* some server met the demand */
    struct outcome_attempt *attempts;
    size_t attempt_count;

    /* While it waits for a connection to one of the busy targets. */
    bool waits;
    int64_t wait_since_ms, waited_ms; /* clock_awake_ms; and before that, all together */
    struct delivery_wait lines[DELIVERY_WAITS];

    struct delivery_attempt_facts facts;
    struct delivery_attempt attempt;
    struct delivery_rcpt *rcpts;
    struct delivery_relays relays;
};

/* For the level in force: what the findings allow, and the order in which it is tried. */
void delivery_read_findings(struct delivery *delivery);

/* The next target, or NULL: there is none, by a limit or for want of time. A host that has said no
 * for good by one address of a family is not asked at another. */
const struct delivery_target *delivery_choose(struct delivery *delivery);
/* The attempt is over. */
void delivery_note_attempt(struct delivery *delivery);

/* Whether a target may be tried: by the limits, the time, and what its host has said. */
bool delivery_may_try(const struct delivery *delivery, const struct delivery_target *target);

/* ---- delivery_share.c ---- */

/* Takes a share, or waits in line for one, or sets is_busy. */
void delivery_share_begin(struct delivery *delivery);
bool delivery_share_waits(const struct delivery *delivery);
/* on_time was called while it waits. True: it waits no longer, and has its share or is busy. */
bool delivery_share_go_on(struct delivery *delivery);
/* Gives it back, or leaves the line. `by_itself`: nobody has ended the delivery. */
void delivery_share_end(struct delivery *delivery, bool by_itself);

/* ---- delivery_wait.c ---- */

/* No target can be tried now: waits in line for a connection to those that are busy. True: on_time
 * will be called. False: it waits for nothing, as none is busy or the time is over. */
bool delivery_wait(struct delivery *delivery);
/* on_time was called while it waits: tries where it is its turn. True: an attempt has begun, and it
 * waits no longer. False: go on, with delivery_wait among it. */
bool delivery_wait_try(struct delivery *delivery);
/* Out of all lines; also if it is in none. */
void delivery_wait_end(struct delivery *delivery);

/* Whether setup_timeout is not over yet. */
bool delivery_has_time(const struct delivery *delivery);

/* TLSRPT hears of the hosts in front of number `before` that are passed over. */
void delivery_tell_passed_over(struct delivery *delivery, size_t before);

#endif
