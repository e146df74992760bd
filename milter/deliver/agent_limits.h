/*
 * The agent's limits: how many connections go to one address, how many deliveries to one next-hop,
 * which addresses did not connect lately, and which next-hops are slow. So that one slow
 * destination takes no more than its share. Deliveries that wait for a connection to an address, or
 * for a share of a next-hop, stand in one line for it, first come, first served. One thread.
 */
#ifndef MILTER_DELIVER_AGENT_LIMITS_H
#define MILTER_DELIVER_AGENT_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct agent_limits;
struct agent_limits_entry;

/* How long an address that did not connect is not tried while another is left. */
enum { AGENT_LIMITS_AVOID_MS = 60 * 1000 };

/* A next-hop of which no delivery got on for so long is slow; and so, for so long, is one that a
 * delivery has waited for in vain. */
enum { AGENT_LIMITS_SLOW_MS = 3 * 1000, AGENT_LIMITS_LAGGED_MS = 10 * 1000 };

struct agent_limits *agent_limits_new(void); /* NULL: out of memory */
void agent_limits_free(struct agent_limits *limits);

/* `name` is an address with its port, or a next-hop's text; copied. */
enum agent_limits_of { AGENT_LIMITS_ADDRESS, AGENT_LIMITS_NEXTHOP, AGENT_LIMITS_KINDS };

/* One more of it. 0; -EBUSY: there are `most` already; -ENOMEM. */
int agent_limits_take(struct agent_limits *limits, enum agent_limits_of of, const char *name,
                      unsigned most);
/* For each that was taken. */
void agent_limits_release(struct agent_limits *limits, enum agent_limits_of of, const char *name);
unsigned agent_limits_taken(const struct agent_limits *limits, enum agent_limits_of of,
                            const char *name);

/* Who waits for one of them. It must stay where it is while it is in the line. */
struct agent_limits_wait {
    TAILQ_ENTRY(agent_limits_wait) link;
    enum agent_limits_of of;
    struct agent_limits_entry *entry; /* of the name; NULL: in no line */
    bool woken;                       /* it may try now */
    void (*on_turn)(void *arg);       /* `woken` was set; calls nothing of here and soon returns */
    void *arg;
};

/* At the end of the line; `wait` is in none, with on_turn and arg set. 0 or -ENOMEM. */
int agent_limits_join(struct agent_limits *limits, enum agent_limits_of of, const char *name,
                      struct agent_limits_wait *wait);
/* Wherever in the line it is; nothing if it is in none. Whether the next may try then is not
 * decided here. */
void agent_limits_leave(struct agent_limits *limits, struct agent_limits_wait *wait);
/* There may be room for one more: the first of the line that was not woken yet may try. Who tries
 * in vain sets `woken` to false, and stays where it is. */
void agent_limits_wake(struct agent_limits *limits, enum agent_limits_of of, const char *name);
bool agent_limits_has_line(const struct agent_limits *limits, enum agent_limits_of of,
                           const char *name);
/* The name of the line that it is in. */
const char *agent_limits_name(const struct agent_limits_wait *wait);

/* An address did not connect, or it did. Without memory the first is forgotten. `now_ms` is
 * clock_awake_ms. */
void agent_limits_failed(struct agent_limits *limits, const char *address, int64_t now_ms);
void agent_limits_connected(struct agent_limits *limits, const char *address);
bool agent_limits_is_avoided(const struct agent_limits *limits, const char *address,
                             int64_t now_ms);

/* Of a next-hop, while something of it is taken: the first delivery began, or one got on; one has
 * waited in vain. `now_ms` is clock_awake_ms. */
void agent_limits_moved(struct agent_limits *limits, const char *nexthop, int64_t now_ms);
/* All that it may have is taken: those that came last have the time to get on, too, though those
 * before take long; not where one has ended that did not get on (agent_limits_stuck), since the
 * next take the places of such. */
void agent_limits_filled(struct agent_limits *limits, const char *nexthop, int64_t now_ms);
void agent_limits_stuck(struct agent_limits *limits, const char *nexthop);
void agent_limits_lagged(struct agent_limits *limits, const char *nexthop, int64_t now_ms);
/* False of one of which nothing is taken. */
bool agent_limits_is_slow(const struct agent_limits *limits, const char *nexthop, int64_t now_ms);

#endif
