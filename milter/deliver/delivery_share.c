/*
 * A delivery's share of its next-hop. delivery_share_begin takes one where there is one; else the
 * delivery waits in line for it, or is busy: it gets 451 4.3.2. While it waits on_time calls
 * delivery_share_go_on. A quick next-hop so has all of its mail though it comes at once. Of a slow
 * one there is no line: who stood in it is told as soon as it shows, and who comes then at once, so
 * it holds no more sessions of the MTA than its share.
 */
#include "deliver/delivery_internal.h"

#include "policy/clock.h"

#include <errno.h>

static const char *name_of(const struct delivery *delivery)
{
    return delivery->treatment.nexthop.text;
}

/* 0; -EBUSY: there is none; -ENOMEM. */
static int take(struct delivery *delivery)
{
    struct agent_limits *limits = delivery->agent->limits;
    unsigned share = agent_share(delivery->config), taken;
    int error = agent_limits_take(limits, AGENT_LIMITS_NEXTHOP, name_of(delivery), share);

    if (error != 0)
        return error;
    delivery->has_share = true;
    delivery->share_since_ms = clock_awake_ms();
    taken = agent_limits_taken(limits, AGENT_LIMITS_NEXTHOP, name_of(delivery));
    if (taken == 1)
        agent_limits_moved(limits, name_of(delivery), delivery->share_since_ms);
    else if (taken >= share)
        agent_limits_filled(limits, name_of(delivery), delivery->share_since_ms);
    return 0;
}

/* event_active runs on_time from the event loop, so nothing is called from within the line. */
static void on_turn(void *arg)
{
    struct delivery *delivery = arg;

    event_active(delivery->on_time, EV_TIMEOUT, 0);
}

static void wake_if_room(struct delivery *delivery)
{
    struct agent_limits *limits = delivery->agent->limits;

    if (agent_limits_taken(limits, AGENT_LIMITS_NEXTHOP, name_of(delivery)) <
        agent_share(delivery->config))
        agent_limits_wake(limits, AGENT_LIMITS_NEXTHOP, name_of(delivery));
}

/* How long it may wait yet. */
static int64_t left_ms(const struct delivery *delivery)
{
    int64_t now_ms = clock_awake_ms();
    int64_t wait = DELIVERY_WAIT_MAX_MS - (now_ms - delivery->share_since_ms);
    int64_t setup = delivery->setup_deadline_ms - now_ms;

    return wait < setup ? wait : setup;
}

/* Until then, or until the next-hop may have shown that it is slow. */
static bool add_timer(struct delivery *delivery, int64_t ms)
{
    if (ms > AGENT_LIMITS_SLOW_MS)
        ms = AGENT_LIMITS_SLOW_MS;
    const struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    return event_add(delivery->on_time, &time) == 0;
}

static bool join(struct delivery *delivery)
{
    struct agent *agent = delivery->agent;

    delivery->share_since_ms = clock_awake_ms();
    delivery->share_line.on_turn = on_turn;
    delivery->share_line.arg = delivery;
    if (!agent_may_wait(agent, &delivery->treatment.nexthop) || left_ms(delivery) <= 0 ||
        !add_timer(delivery, left_ms(delivery)))
        return false;
    if (agent_limits_join(agent->limits, AGENT_LIMITS_NEXTHOP, name_of(delivery),
                          &delivery->share_line) != 0) {
        event_del(delivery->on_time);
        return false;
    }
    return true;
}

bool delivery_share_waits(const struct delivery *delivery)
{
    return delivery->share_line.entry != NULL;
}

static void leave(struct delivery *delivery)
{
    if (!delivery_share_waits(delivery))
        return;
    agent_limits_leave(delivery->agent->limits, &delivery->share_line);
    event_del(delivery->on_time);
    wake_if_room(delivery);
}

void delivery_share_begin(struct delivery *delivery)
{
    bool has_line =
        agent_limits_has_line(delivery->agent->limits, AGENT_LIMITS_NEXTHOP, name_of(delivery));
    int error = has_line ? -EBUSY : take(delivery);

    delivery->is_busy = error == -EBUSY ? !join(delivery) : error != 0;
}

bool delivery_share_go_on(struct delivery *delivery)
{
    struct agent_limits *limits = delivery->agent->limits;
    int64_t since_ms = delivery->share_since_ms, now_ms = clock_awake_ms();

    if (!delivery->share_line.woken || take(delivery) != 0) {
        delivery->share_line.woken = false;
        if (left_ms(delivery) <= 0)
            agent_limits_lagged(limits, name_of(delivery), now_ms);
        else if (!agent_limits_is_slow(limits, name_of(delivery), now_ms) &&
                 add_timer(delivery, left_ms(delivery)))
            return false;
        delivery->is_busy = true;
    }
    delivery->waited_ms += now_ms - since_ms;
    leave(delivery);
    return true;
}

void delivery_share_end(struct delivery *delivery, bool by_itself)
{
    struct agent_limits *limits = delivery->agent->limits;
    int64_t now_ms = clock_awake_ms();

    leave(delivery);
    if (!delivery->has_share)
        return;
    delivery->has_share = false;
    if (by_itself && (delivery->met || now_ms - delivery->share_since_ms < AGENT_LIMITS_SLOW_MS))
        agent_limits_moved(limits, name_of(delivery), now_ms);
    else
        agent_limits_stuck(limits, name_of(delivery));
    agent_limits_release(limits, AGENT_LIMITS_NEXTHOP, name_of(delivery));
    wake_if_room(delivery);
}
