/*
 * The engine without its thread: who asks what, one lookup per next-hop however many ask, what is
 * kept and when it is renewed. It sees the outside through struct world alone, so that scenarios
 * can run it on a clock of their own. One thread, but where it says otherwise.
 */
#ifndef POLICY_ENGINE_CORE_H
#define POLICY_ENGINE_CORE_H

#include "base/list.h"
#include "findings/dane_seen.h"
#include "lookup/counters.h"
#include "lookup/tlsrpt_lookup.h"
#include "policy/engine.h"
#include "probe/prober.h"
#include "sts/sts_cache.h"
#include "world/world.h"

struct core;

typedef void (*core_log_fn)(void *arg, int priority, const char *message);

struct core_settings {
    bool dane_enable;
    bool sts_enable;
    bool prefetch;
    int64_t sts_min_retry_ms;
    int64_t sts_give_up_ms;
    int64_t sts_refresh_ms;
    size_t sts_max_policy; /* octets of a policy file */
    int64_t negative_ttl_ms;
    int64_t max_ttl_ms;
    size_t max_domains;
    size_t max_memory; /* octets; see engine_config. 0: the default */
    struct prober_settings probe;
    core_log_fn log; /* NULL: silence */
    void *log_arg;
};

/* Lookups in flight at once, whoever asked and whether anybody still waits: bounds memory, and how
 * long the line for the resolver grows. */
enum { CORE_TASKS_MAX = 20000 };

/* One who asks; embedded by the caller, who fills in the functions. */
struct core_waiter {
    engine_enough_fn enough; /* NULL: complete findings only */
    engine_done_fn done;
    void *arg;
    struct list link; /* core's */
};

/* `world` is borrowed and must outlive the core. 0 or a negative errno. */
int core_new(struct world *world, const struct core_settings *settings, struct core **out);

/* Every waiter is called back first, with NULL. */
void core_free(struct core *core);

/* Lookups in flight go on for those who asked; who asks later does not share them where the
 * settings change what is looked for. Also to be called when the world's resolvers were configured:
 * when trust was withdrawn nothing is cached any more, and lookups in flight begin anew. */
void core_configure(struct core *core, const struct core_settings *settings);

/*
 * Asks for findings. Returns 1 with *out, a reference for the caller, when they are at hand (then
 * the waiter is not used); 0 when the waiter will be called back, once, later; -ENOMEM; -EAGAIN
 * when too many lookups are in flight.
 */
int core_ask(struct core *core, const struct nexthop *nexthop, struct core_waiter *waiter,
             const struct findings **out);

/* A waiter that shall not be called back any more; harmless when it has been. */
void core_drop(struct core_waiter *waiter);

/* Cached findings that hold, with a reference, or NULL; counted as hit or miss. Any thread. */
const struct findings *core_cached(struct core *core, const struct nexthop *nexthop, int64_t now_ms,
                                   bool security_known);

/*
 * Forgets what is cached here, and the rows of it in the shared cache; does not keep the findings
 * of a lookup in flight, but for a policy that it fetches. `done` is called once, before it returns
 * or later: 0; -ENOENT, nothing was cached here; -EIO, a row of the shared cache may still be
 * there; -ENOMEM, nothing was forgotten.
 */
typedef void (*core_purged_fn)(int status, void *arg);
void core_purge(struct core *core, const struct nexthop *nexthop, core_purged_fn done, void *arg);

struct cache *core_cache(struct core *core);
struct sts_cache *core_sts_cache(struct core *core);
struct dane_seen *core_dane_seen(struct core *core);
struct prober *core_prober(struct core *core);
struct tlsrpt_lookups *core_tlsrpt(struct core *core);
struct counters *core_counters(struct core *core);

/* Lookups in flight that somebody waits for or that renew what is cached. */
size_t core_task_count(const struct core *core);

#endif
