/*
 * What the files of the core share; nobody else includes this. Each uses those before it alone:
 * core_state.c, core_findings.c, core_task.c, core_renew.c and core_purge.c, core.c.
 */
#ifndef POLICY_ENGINE_CORE_INTERNAL_H
#define POLICY_ENGINE_CORE_INTERNAL_H

#include "base/table.h"
#include "engine/cache.h"
#include "engine/core.h"
#include "findings/findings_make.h"
#include "lookup/lookup.h"

/* A lookup that everyone who asks for its next-hop shares, until it is outdated. */
struct core_task {
    struct table_node node; /* in core->tasks, unless outdated */
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
    struct prober *prober;
    struct tlsrpt_lookups *tlsrpt;
    struct table tasks;
    struct list purges;   /* that wait for the shared cache */
    struct list outdated; /* tasks that settings or an administrator have overtaken */
    size_t outdated_count;
    unsigned trust_withdrawn; /* the world's count that the cache knows of */
    int64_t warn_dane_ms;     /* when it may be said again that not all can be remembered */
    int64_t warn_full_ms;     /* when it may be said again that there are too many of them */

    struct world_timer *renew_timer; /* for the next entry of the cache that is due */
    void (*on_renew)(void *core);    /* what it calls: core_renew.c's */
    int64_t renew_at_ms;
    struct world_timer *refresh_timer; /* for the daily refresh of policies */
    struct list refreshes;             /* of policies, in flight */
    unsigned refresh_count;
};

/* core_state.c */
int64_t core_now_ms(const struct core *core);
bool core_security_known(const struct core *core);
void core_log(struct core *core, int priority, const char *message);
/* lookup_new with all that lookups of this core have in common. */
struct lookup *core_lookup_new(struct core *core, const struct lookup_request *request,
                               lookup_changed_fn changed, void *arg);

/* core_findings.c */
void core_warn_refresh(struct core *core, const struct findings *findings);

/* Puts complete findings into the cache, unless the task is outdated. */
void core_cache_findings(struct core *core, struct core_task *task,
                         const struct findings *findings);

/* Remembers whether the next-hop has DANE, where complete findings show it for certain. */
void core_note_dane(struct core *core, const struct findings *findings);

/* Takes findings out of the cache that do not hold the policy that was just fetched. */
void core_forget_outdated(struct core *core, const char *text);

/* Arms the timer for what of the cache is to be renewed next. */
void core_renew_schedule(struct core *core);

/* core_task.c */

/* Starts a lookup that nobody waits for yet, `ahead` to renew what is cached. It may be complete at
 * once. NULL: out of memory. */
struct core_task *core_task_start(struct core *core, const struct nexthop *nexthop, bool ahead);
struct core_task *core_task_find(struct core *core, const char *text);
/* Who asks from now on does not share the task. */
void core_task_outdate(struct core *core, struct core_task *task);
void core_task_outdate_all(struct core *core);
/* What DNS said so far is not to be relied upon: those who ask from now on do not share what is in
 * progress, and that asks anew. */
void core_task_distrust_all(struct core *core);
void core_task_finish_if_complete(struct core *core, struct core_task *task);
/* Adds a waiter; 1 when what is known already is enough for it, see core_ask. */
int core_task_join(struct core *core, struct core_task *task, struct core_waiter *waiter,
                   const struct findings **out);
void core_task_fail_all(struct core *core); /* every waiter is called back with NULL */

/* core_purge.c */
void core_purge_end_all(struct core *core); /* those that wait are called back */

/* core_renew.c */
int core_renew_start(struct core *core); /* 0 or -ENOMEM */
void core_renew_stop(struct core *core);
void core_renew_configure(struct core *core); /* the settings have changed */

#endif
