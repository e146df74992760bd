/*
 * What core.c and core_renew.c share.
 */
#ifndef POLICY_CORE_INTERNAL_H
#define POLICY_CORE_INTERNAL_H

#include "base/table.h"
#include "engine/cache.h"
#include "engine/core.h"
#include "findings/findings_make.h"
#include "lookup/lookup.h"

/* A lookup that everyone who asks for its next-hop shares, until it is outdated. */
struct flight {
    struct table_node node; /* in core->flights, unless outdated */
    struct list link;       /* else in core->outdated */
    struct core *core;
    struct lookup *lookup;
    struct list waiters;
    bool outdated; /* for those who asked by then alone: nobody joins it, nothing of it is kept */
    int64_t started_ms;
    char text[NEXTHOP_TEXT_MAX + 1];
};

struct core {
    struct world *world;
    struct core_settings settings;
    struct counters counters;
    struct cache *cache;
    struct sts_cache *sts_cache;
    struct lookup_memory lookup_memory;
    struct dane_seen *dane_seen;
    struct table flights;
    struct list outdated; /* flights that settings or an administrator have overtaken */
    size_t outdated_count;
    unsigned trust_withdrawn; /* the world's count that the cache knows of */
    int64_t warn_dane_ms;     /* when it may be said again that not all can be remembered */
    int64_t warn_full_ms;     /* when it may be said again that there are too many of them */

    struct world_timer *renew_timer; /* for the next entry of the cache that is due */
    int64_t renew_at_ms;
    struct world_timer *refresh_timer; /* for the daily refresh of policies */
    struct list refreshes;             /* of policies, in flight */
    unsigned refresh_count;
};

int64_t core_now_ms(const struct core *core);
bool core_security_known(const struct core *core);
void core_log(struct core *core, int priority, const char *message);
void core_warn_refresh(struct core *core, const struct findings *findings);

/* Puts complete findings into the cache, unless the flight is outdated. */
void core_keep(struct core *core, struct flight *flight, const struct findings *findings);

/* Remembers whether the next-hop has DANE, where complete findings show it for certain. */
void core_note_dane(struct core *core, const struct findings *findings);

/* Takes findings out of the cache that do not hold the policy that was just fetched. */
void core_forget_outdated(struct core *core, const char *text);

/* Starts a lookup that nobody waits for yet, `ahead` to renew what is cached. It may be complete at
 * once. NULL: out of memory. */
struct flight *core_fly(struct core *core, const struct nexthop *nexthop, bool ahead);
struct flight *core_flight_find(struct core *core, const char *text);
/* Who asks from now on does not share the flight. */
void core_outdate(struct core *core, struct flight *flight);
void core_land_if_complete(struct core *core, struct flight *flight);

int core_renew_start(struct core *core); /* 0 or -ENOMEM */
void core_renew_stop(struct core *core);
void core_renew_configure(struct core *core); /* the settings have changed */
void core_renew_schedule(struct core *core);

/* When an entry that ends at ends_ms is to be renewed. */
int64_t core_renew_due_ms(struct core *core, int64_t now_ms, int64_t ends_ms);

#endif
