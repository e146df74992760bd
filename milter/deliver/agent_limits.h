/*
 * The agent's limits: how many connections go to one address, how many deliveries to one next-hop,
 * and which addresses did not connect lately. So that one slow destination takes no more than its
 * share. Deliveries that wait for a connection to an address stand in one line for it, first come,
 * first served. One thread.
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

/* Who waits for a connection to an address. It must stay where it is while it is in the line. */
struct agent_limits_wait {
    TAILQ_ENTRY(agent_limits_wait) link;
    struct agent_limits_entry *entry; /* of the address; NULL: in no line */
    bool woken;                       /* it may try now */
    void (*on_turn)(void *arg);       /* `woken` was set; calls nothing of here and soon returns */
    void *arg;
};

/* At the end of the line; `wait` is in none, with on_turn and arg set. 0 or -ENOMEM. */
int agent_limits_join(struct agent_limits *limits, const char *address,
                      struct agent_limits_wait *wait);
/* Wherever in the line it is; nothing if it is in none. Whether the next may try then is not
 * decided here. */
void agent_limits_leave(struct agent_limits *limits, struct agent_limits_wait *wait);
/* There may be room for a connection: the first of the line that was not woken yet may try. Who
 * tries in vain sets `woken` to false, and stays where it is. */
void agent_limits_wake(struct agent_limits *limits, const char *address);
bool agent_limits_has_line(const struct agent_limits *limits, const char *address);
/* The address of the line that it is in. */
const char *agent_limits_address(const struct agent_limits_wait *wait);

/* An address did not connect, or it did. Without memory the first is forgotten. `now_ms` is
 * clock_awake_ms. */
void agent_limits_failed(struct agent_limits *limits, const char *address, int64_t now_ms);
void agent_limits_connected(struct agent_limits *limits, const char *address);
bool agent_limits_is_avoided(const struct agent_limits *limits, const char *address,
                             int64_t now_ms);

#endif
