/*
 * Two hash tables of names with their counts. An entry lives as long as something of it is taken,
 * waited for, or its failure counts; those whose failure no longer counts are removed when their
 * chain is walked for a new entry, so the tables hold no more than the last minute's addresses.
 */
#include "deliver/agent_limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

enum {
    CHAINS = 1024,
    /* Failures that are remembered in one chain: strangers' DNS can name any number of addresses.
     */
    FAILURES_MAX = 64,
};

TAILQ_HEAD(waiting, agent_limits_wait);

struct agent_limits_entry {
    SLIST_ENTRY(agent_limits_entry) link;
    unsigned taken;
    struct waiting waiting; /* the first is the next */
    int64_t avoid_until_ms; /* 0: it is not avoided */
    int64_t moved_ms;       /* of a next-hop: when one of its deliveries got on */
    int64_t slow_until_ms;
    bool stuck; /* one has ended since that did not get on */
    char name[];
};

SLIST_HEAD(chain, agent_limits_entry);

struct agent_limits {
    uint64_t seed; /* addresses come from strangers' DNS, who could else fill one chain */
    struct chain chains[AGENT_LIMITS_KINDS][CHAINS];
};

struct agent_limits *agent_limits_new(void)
{
    struct agent_limits *limits = calloc(1, sizeof(*limits));

    if (limits != NULL && getrandom(&limits->seed, sizeof(limits->seed), GRND_NONBLOCK) < 0)
        limits->seed = (uintptr_t)limits;
    return limits;
}

void agent_limits_free(struct agent_limits *limits)
{
    struct agent_limits_entry *entry;
    struct agent_limits_wait *wait;

    if (limits == NULL)
        return;
    for (size_t of = 0; of < AGENT_LIMITS_KINDS; of++) {
        for (size_t i = 0; i < CHAINS; i++) {
            while ((entry = SLIST_FIRST(&limits->chains[of][i])) != NULL) {
                SLIST_REMOVE_HEAD(&limits->chains[of][i], link);
                while ((wait = TAILQ_FIRST(&entry->waiting)) != NULL) {
                    TAILQ_REMOVE(&entry->waiting, wait, link);
                    wait->entry = NULL;
                }
                free(entry);
            }
        }
    }
    free(limits);
}

/* FNV-1a, begun with the seed. */
static size_t chain_number(const struct agent_limits *limits, const char *name)
{
    uint64_t hash = limits->seed ^ UINT64_C(0xcbf29ce484222325);

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return (size_t)((hash ^ hash >> 32) % CHAINS);
}

static struct agent_limits_entry *find(const struct agent_limits *limits, enum agent_limits_of of,
                                       const char *name)
{
    struct agent_limits_entry *entry;

    SLIST_FOREACH(entry, &limits->chains[of][chain_number(limits, name)], link)
    {
        if (strcmp(entry->name, name) == 0)
            break;
    }
    return entry;
}

static struct agent_limits_entry *add(struct agent_limits *limits, enum agent_limits_of of,
                                      const char *name)
{
    struct chain *chain = &limits->chains[of][chain_number(limits, name)];
    size_t len = strlen(name) + 1;
    struct agent_limits_entry *entry = calloc(1, sizeof(*entry) + len);

    if (entry == NULL)
        return NULL;
    memcpy(entry->name, name, len);
    TAILQ_INIT(&entry->waiting);
    SLIST_INSERT_HEAD(chain, entry, link);
    return entry;
}

static void remove_unused(struct agent_limits *limits, enum agent_limits_of of,
                          struct agent_limits_entry *entry)
{
    if (entry->taken > 0 || entry->avoid_until_ms != 0 || !TAILQ_EMPTY(&entry->waiting))
        return;
    SLIST_REMOVE(&limits->chains[of][chain_number(limits, entry->name)], entry, agent_limits_entry,
                 link);
    free(entry);
}

int agent_limits_take(struct agent_limits *limits, enum agent_limits_of of, const char *name,
                      unsigned most)
{
    struct agent_limits_entry *entry = find(limits, of, name);

    if (entry == NULL && most > 0)
        entry = add(limits, of, name);
    if (most == 0 || (entry != NULL && entry->taken >= most))
        return -EBUSY;
    if (entry == NULL)
        return -ENOMEM;
    entry->taken++;
    return 0;
}

void agent_limits_release(struct agent_limits *limits, enum agent_limits_of of, const char *name)
{
    struct agent_limits_entry *entry = find(limits, of, name);

    if (entry == NULL || entry->taken == 0)
        return;
    entry->taken--;
    remove_unused(limits, of, entry);
}

unsigned agent_limits_taken(const struct agent_limits *limits, enum agent_limits_of of,
                            const char *name)
{
    const struct agent_limits_entry *entry = find(limits, of, name);

    return entry != NULL ? entry->taken : 0;
}

int agent_limits_join(struct agent_limits *limits, enum agent_limits_of of, const char *name,
                      struct agent_limits_wait *wait)
{
    struct agent_limits_entry *entry = find(limits, of, name);

    if (entry == NULL)
        entry = add(limits, of, name);
    if (entry == NULL)
        return -ENOMEM;
    wait->of = of;
    wait->entry = entry;
    wait->woken = false;
    TAILQ_INSERT_TAIL(&entry->waiting, wait, link);
    return 0;
}

void agent_limits_leave(struct agent_limits *limits, struct agent_limits_wait *wait)
{
    struct agent_limits_entry *entry = wait->entry;

    if (entry == NULL)
        return;
    TAILQ_REMOVE(&entry->waiting, wait, link);
    wait->entry = NULL;
    wait->woken = false;
    remove_unused(limits, wait->of, entry);
}

void agent_limits_wake(struct agent_limits *limits, enum agent_limits_of of, const char *name)
{
    struct agent_limits_entry *entry = find(limits, of, name);
    struct agent_limits_wait *wait;

    if (entry == NULL)
        return;
    TAILQ_FOREACH (wait, &entry->waiting, link) {
        if (!wait->woken)
            break;
    }
    if (wait == NULL)
        return;
    wait->woken = true;
    wait->on_turn(wait->arg);
}

bool agent_limits_has_line(const struct agent_limits *limits, enum agent_limits_of of,
                           const char *name)
{
    const struct agent_limits_entry *entry = find(limits, of, name);

    return entry != NULL && !TAILQ_EMPTY(&entry->waiting);
}

const char *agent_limits_name(const struct agent_limits_wait *wait)
{
    return wait->entry->name;
}

/* Of the chain that `name` is in: failures that no longer count. Returns how many do. */
static unsigned forget_old(struct agent_limits *limits, const char *name, int64_t now_ms)
{
    struct agent_limits_entry *entry, *next;
    unsigned left = 0;

    for (entry = SLIST_FIRST(&limits->chains[AGENT_LIMITS_ADDRESS][chain_number(limits, name)]);
         entry != NULL; entry = next) {
        next = SLIST_NEXT(entry, link);
        if (entry->avoid_until_ms > now_ms) {
            left++;
            continue;
        }
        entry->avoid_until_ms = 0;
        remove_unused(limits, AGENT_LIMITS_ADDRESS, entry);
    }
    return left;
}

void agent_limits_failed(struct agent_limits *limits, const char *address, int64_t now_ms)
{
    unsigned left = forget_old(limits, address, now_ms);
    struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_ADDRESS, address);

    if (entry == NULL && left < FAILURES_MAX)
        entry = add(limits, AGENT_LIMITS_ADDRESS, address);
    if (entry != NULL)
        entry->avoid_until_ms = now_ms + AGENT_LIMITS_AVOID_MS;
}

void agent_limits_connected(struct agent_limits *limits, const char *address)
{
    struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_ADDRESS, address);

    if (entry == NULL)
        return;
    entry->avoid_until_ms = 0;
    remove_unused(limits, AGENT_LIMITS_ADDRESS, entry);
}

bool agent_limits_is_avoided(const struct agent_limits *limits, const char *address, int64_t now_ms)
{
    const struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_ADDRESS, address);

    return entry != NULL && entry->avoid_until_ms > now_ms;
}

void agent_limits_moved(struct agent_limits *limits, const char *nexthop, int64_t now_ms)
{
    struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_NEXTHOP, nexthop);

    if (entry == NULL)
        return;
    entry->moved_ms = now_ms;
    entry->stuck = false;
}

void agent_limits_filled(struct agent_limits *limits, const char *nexthop, int64_t now_ms)
{
    struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_NEXTHOP, nexthop);

    if (entry != NULL && !entry->stuck)
        entry->moved_ms = now_ms;
}

void agent_limits_stuck(struct agent_limits *limits, const char *nexthop)
{
    struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_NEXTHOP, nexthop);

    if (entry != NULL)
        entry->stuck = true;
}

void agent_limits_lagged(struct agent_limits *limits, const char *nexthop, int64_t now_ms)
{
    struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_NEXTHOP, nexthop);

    if (entry != NULL)
        entry->slow_until_ms = now_ms + AGENT_LIMITS_LAGGED_MS;
}

bool agent_limits_is_slow(const struct agent_limits *limits, const char *nexthop, int64_t now_ms)
{
    const struct agent_limits_entry *entry = find(limits, AGENT_LIMITS_NEXTHOP, nexthop);

    return entry != NULL && entry->taken > 0 &&
           (now_ms < entry->slow_until_ms || now_ms - entry->moved_ms >= AGENT_LIMITS_SLOW_MS);
}
