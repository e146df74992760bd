/*
 * The policy engine: finds out what a next-hop publishes. One thread of its own, asynchronous on
 * c-ares and libevent; findings are cached, and callers for one next-hop share one lookup.
 */
#ifndef POLICY_ENGINE_H
#define POLICY_ENGINE_H

#include "policy/engine_config.h"
#include "policy/engine_health.h"
#include "policy/engine_stats.h"
#include "policy/findings.h"

struct engine;
struct engine_request;

/* Fills in the defaults that the sample configuration documents. */
void engine_config_init(struct engine_config *config);

/*
 * Looks whether this host has the files that the configuration names, as engine_new would, and
 * starts nothing. Returns 0 or a negative errno (-EINVAL: they are not there, or not what they
 * should be) with a message in err. Any thread.
 */
int engine_config_check(const struct engine_config *config, char *err, size_t err_size);

/*
 * Starts the engine's thread. Returns 0 and the engine, or a negative errno with a message in err.
 * The caller owns the engine and frees it with engine_free.
 */
int engine_new(const struct engine_config *config, struct engine **out, char *err, size_t err_size);

/*
 * Stops the thread; every outstanding request is called back first, with NULL findings.
 * No other call on the engine may be in progress or follow. NULL is allowed.
 */
void engine_free(struct engine *engine);

/*
 * Takes over a new configuration while lookups go on; what is cached stays, unless dane_enable or
 * sts_enable change or a resolver is not trusted any more: then lookups in flight begin anew, too.
 * The store's path and sts_port do not change. Returns 0 or a negative errno, then nothing has
 * changed. Any thread.
 */
int engine_reconfigure(struct engine *engine, const struct engine_config *config, char *err,
                       size_t err_size);

/*
 * Decides whether findings that may still hold PENDING parts are enough for the caller.
 * Pure and quick; called on the engine's thread.
 */
typedef bool (*engine_enough_fn)(const struct findings *findings, void *arg);

/*
 * Called exactly once per engine_lookup, on the engine's thread, never before engine_lookup
 * returns, unless cancelled. `findings` is borrowed for the call (findings_ref keeps it); NULL only
 * when the engine is shut down or out of memory: to be treated as a temporary failure.
 */
typedef void (*engine_done_fn)(const struct findings *findings, void *arg);

/*
 * Asks for the findings of a next-hop. `enough` NULL waits for complete findings; else done is
 * called as soon as enough says so, and at the latest when they are complete.
 * Returns 0 and, if out is not NULL, a request to be given to engine_cancel or engine_release
 * exactly once; a negative errno, then done will not be called. Any thread but inside a callback.
 */
int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out);

/*
 * Gives the request back. When engine_cancel returns, done has either returned or will never be
 * called. engine_cancel waits for a callback that is running; do not call it with a lock held that
 * `done` or `enough` takes. engine_release forgets the handle, the callback will still come.
 */
void engine_cancel(struct engine *engine, struct engine_request *request);
void engine_release(struct engine_request *request);

/*
 * The cached findings if they are complete and still valid, with a reference for the caller, else
 * NULL. Any thread; takes a lock for a moment only. Marks the entry as used (prefetch).
 */
const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop);

/* Whether a trusted resolver has lately answered check_name with AD. Any thread. */
bool engine_security_known(struct engine *engine);

/*
 * Forgets what is cached about a next-hop, its MTA-STS policy in memory and store, its TLSRPT
 * record and what probes have shown of its hosts, as far as these are cached, included. A domain,
 * with or without a port, covers that name on every port, and the host of that name in brackets;
 * `[host]` covers the host on every port, `[host]:port` itself alone.
 * Lookups in flight go on for those who asked; their findings are not kept, and not shared with who
 * asks later (a policy that they fetch, being fresh, is). Rows of the shared cache are deleted as
 * well: the policy's, and those of what probes have shown as far as it is known here; what the
 * other hosts have of it in memory stays. For administrators only: to forget a policy is a
 * downgrade. Returns 0; -ENOENT when nothing was cached here; -EIO when all is forgotten here, but
 * the shared cache may still have a row, which then comes back; or another negative errno. Waits
 * for the engine's thread and the shared cache. Any thread but inside a callback.
 */
int engine_purge(struct engine *engine, const struct nexthop *nexthop);

/*
 * References to all findings that are cached, complete and valid, in no order. The caller gives
 * each back with findings_unref and frees the array. Returns 0 or -ENOMEM. Any thread; takes the
 * cache's lock in short pieces, so that it delays nobody for long.
 */
int engine_snapshot(struct engine *engine, const struct findings ***out, size_t *count);

/* Waits for the engine's thread. Any thread but inside a callback. */
void engine_get_health(struct engine *engine, struct engine_health *out);

void engine_get_stats(struct engine *engine, struct engine_stats *out); /* any thread */

#endif
