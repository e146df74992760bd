/*
 * A delivery that waits for a connection. When delivery_choose has no target left, delivery_wait
 * puts it into the line of each address that had no room; on_turn makes on_time run, which calls
 * delivery_wait_try. Other targets were all tried before. What waits has its share of the next-hop,
 * so a slow destination holds no more sessions of the MTA than that.
 */
#include "deliver/delivery_internal.h"

#include "policy/clock.h"

/* event_active runs on_time from the event loop, so nothing is called from within the line. */
static void on_turn(void *arg)
{
    struct delivery *delivery = arg;

    event_active(delivery->on_time, EV_TIMEOUT, 0);
}

static void leave(struct delivery *delivery, struct delivery_wait *wait)
{
    agent_connections_leave(delivery->agent->connections, delivery->config->deliver.per_host,
                            &wait->line);
}

void delivery_wait_end(struct delivery *delivery)
{
    if (!delivery->waits)
        return;
    delivery->waits = false;
    delivery->waited_ms += clock_awake_ms() - delivery->wait_since_ms;
    for (size_t i = 0; i < DELIVERY_WAITS; i++)
        leave(delivery, &delivery->lines[i]);
    event_del(delivery->on_time); /* last: two hosts of one address wake each other */
}

/* How long it may wait yet. */
static int64_t left_ms(const struct delivery *delivery)
{
    int64_t now_ms = clock_awake_ms();
    int64_t left = DELIVERY_WAIT_MAX_MS - delivery->waited_ms;

    if (delivery->waits)
        left -= now_ms - delivery->wait_since_ms;
    return left < delivery->setup_deadline_ms - now_ms ? left
                                                       : delivery->setup_deadline_ms - now_ms;
}

static bool is_wanted(const struct delivery *delivery, size_t target)
{
    return (delivery->busy >> target & 1) != 0 &&
           delivery_may_try(delivery, &delivery->plan.targets[target]);
}

static bool is_in_line(const struct delivery *delivery, size_t target)
{
    for (size_t i = 0; i < DELIVERY_WAITS; i++) {
        if (delivery->lines[i].line.entry != NULL && delivery->lines[i].target == target)
            return true;
    }
    return false;
}

static void join(struct delivery *delivery, size_t target)
{
    for (size_t i = 0; i < DELIVERY_WAITS; i++) {
        struct delivery_wait *wait = &delivery->lines[i];

        if (wait->line.entry != NULL)
            continue;
        wait->target = target;
        wait->line.on_turn = on_turn;
        wait->line.arg = delivery;
        (void)agent_connections_wait(delivery->agent->connections, &delivery->plan.targets[target],
                                     delivery->facts.port, delivery->config->deliver.per_host,
                                     &wait->line); /* without memory it is in no line */
        return;
    }
}

/* In the lines of those that are wanted, and in no others. False: in none. */
static bool join_lines(struct delivery *delivery)
{
    bool in_line = false, woken = false;

    for (size_t i = 0; i < DELIVERY_WAITS; i++) {
        if (!is_wanted(delivery, delivery->lines[i].target))
            leave(delivery, &delivery->lines[i]);
    }
    for (size_t i = 0; i < delivery->plan.count; i++) {
        if (is_wanted(delivery, i) && !is_in_line(delivery, i))
            join(delivery, i);
    }
    for (size_t i = 0; i < DELIVERY_WAITS; i++) {
        in_line |= delivery->lines[i].line.entry != NULL;
        woken |= delivery->lines[i].line.woken;
    }
    if (woken) /* event_add takes back what event_active has done before */
        on_turn(delivery);
    return in_line;
}

bool delivery_wait(struct delivery *delivery)
{
    int64_t ms = delivery->busy != 0 ? left_ms(delivery) : 0;
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    if (ms > 0 && !delivery->waits) {
        delivery->waits = true;
        delivery->wait_since_ms = clock_awake_ms();
    }
    if (ms > 0 && event_add(delivery->on_time, &time) == 0 && join_lines(delivery))
        return true;
    delivery_wait_end(delivery);
    return false;
}

bool delivery_wait_try(struct delivery *delivery)
{
    for (size_t i = 0; i < DELIVERY_WAITS; i++) {
        struct delivery_wait *wait = &delivery->lines[i];

        if (wait->line.entry == NULL || !wait->line.woken ||
            !delivery_may_try(delivery, &delivery->plan.targets[wait->target]))
            continue;
        delivery->at = wait->target;
        if (delivery_attempt_begin(&delivery->attempt, &delivery->facts,
                                   &delivery->plan.targets[wait->target], &wait->line)) {
            delivery->busy &= ~(UINT64_C(1) << delivery->at);
            delivery_wait_end(delivery);
            return true;
        }
        delivery_note_attempt(delivery);
    }
    return false;
}
