/*
 * The probe of MX hosts, for all who ask: what is known of them, and probes in flight. It connects
 * through struct world. One thread, the engine's, but where it says otherwise.
 *
 *     prober_plan      what is to be looked at (any thread)
 *     prober_cached    whether what is known settles it (any thread)
 *     prober_ask       else: looks
 */
#ifndef POLICY_PROBE_PROBER_H
#define POLICY_PROBE_PROBER_H

#include "base/list.h"
#include "policy/engine_stats.h"
#include "policy/smtp_transport.h"
#include "probe/probe_cache.h"
#include "probe/probe_plan.h"
#include "world/world.h"

struct prober;
struct probe_request;

struct prober_settings {
    bool enable; /* false: nothing is known, nothing connects */
    int64_t ttl_ms;
    int64_t negative_ttl_ms;
    size_t parallel;
    size_t per_minute;
    uint16_t port; /* where the next-hop names none */
    void (*log)(void *log_arg, int priority, const char *message); /* NULL: silence */
    void *log_arg;
};

enum {
    /* Octets that results may take, beside engine_config.max_memory: some ten thousand addresses.
     * With the default limits no more can be probed in a few hours. */
    PROBER_OCTETS_MAX = 8 << 20,
    PROBER_ADDRESS_MAX = 2, /* connections to one address at a time */
    /* A probe that takes longer gives its slot to another, and the request goes on to the next
     * address; it stays in flight. */
    PROBER_SLOW_MS = 1000,
    /* How long somebody waits for a slot. It is not had sooner only where servers that cannot be
     * reached have them all. */
    PROBER_WAIT_MS = 2 * PROBER_SLOW_MS,
    /* So many times as many as there are slots may be slow, and as many may wait: bounds memory
     * and descriptors. */
    PROBER_SLOW_SHARE = 4,
};

/* `world` is borrowed and must outlive it. 0 or a negative errno. */
int prober_new(struct world *world, const struct prober_settings *settings, struct prober **out);
/* Requests are called back first, with NULL. NULL is allowed. */
void prober_free(struct prober *prober);

/* New settings count from now on, for probes in flight too where they end. When probing is turned
 * off probes in flight end, and requests get what is known. What certificates were found not to be
 * as demanded is forgotten: the configuration may name other CA certificates. */
void prober_configure(struct prober *prober, const struct prober_settings *settings);

/* See probe_plan_new. Any thread. */
struct probe_plan *prober_plan(struct prober *prober, const struct findings *findings,
                               const struct verdict_terms *terms, enum probe_scope scope);

/* Findings of the plan with what is known, a reference for the caller, if that settles it or there
 * is nothing to look at; else NULL, as when out of memory or turned off. Any thread. */
const struct findings *prober_cached(struct prober *prober, const struct probe_plan *plan,
                                     int64_t now_ms);

/* Called once, when there is nothing more to wait for; the request is dead then. `findings` are
 * borrowed for the call; NULL: out of memory, or the end of the prober. */
typedef void (*probe_done_fn)(const struct findings *findings, void *arg);

/*
 * Looks at what the plan says, of which it takes a reference. Returns 1 with *findings, a reference
 * for the caller, when nothing is to be waited for; 0 with *request when `done` will be called;
 * -ENOMEM. No callback fires before it returns.
 */
int prober_ask(struct prober *prober, struct probe_plan *plan, probe_done_fn done, void *arg,
               struct probe_request **request, const struct findings **findings);

/* Gives up a request that has not been called back. Probes that were begun go on. */
void prober_drop(struct probe_request *request);

/* What a connection for delivery has shown of its server. */
struct probe_note {
    struct list link; /* the holder's */
    struct probe_result *result;
    unsigned configured;
    enum tls_demand_kind kind;
    char *host; /* in the same block */
    char endpoint[PROBE_ENDPOINT_MAX];
    char demand[TLS_DEMAND_KEY_MAX];
};

/* How often it was configured: a number for prober_note. Any thread. */
unsigned prober_configured(struct prober *prober);

/*
 * Judges the connection as one of a probe with that target. Returns what is to be kept of it, for
 * prober_take_note or prober_free_note; NULL: nothing, as it is not definite, nobody would ask for
 * it, the same is known and was seen within the last minute, the prober is turned off or was
 * configured since `configured`, or out of memory. Reads the connection alone; any thread, that of
 * the connection.
 */
struct probe_note *prober_note(struct prober *prober, struct smtp_transport *transport,
                               const struct world_probe_target *target, unsigned configured);
/* Keeps it as the result of a probe, and frees it. */
void prober_take_note(struct prober *prober, struct probe_note *note);
void prober_free_note(struct probe_note *note); /* any thread */

struct probe_cache *prober_cache(struct prober *prober);

/* Forgets the results of a host, as probe_cache_forget, and does not use what the shared cache has
 * been asked of it and answers later. */
size_t prober_forget(struct prober *prober, const char *host, probe_cache_key_fn each, void *arg);

/* Fills in what the statistics have of probes. Any thread. */
void prober_read(struct prober *prober, int64_t now_ms, struct engine_stats *out);

#endif
