/*
 * What all sessions share: the running configuration, the engine, the limiter of threads that wait,
 * and how many messages are in progress.
 */
#ifndef MILTER_FILTER_RUNTIME_H
#define MILTER_FILTER_RUNTIME_H

#include "base/metrics.h"
#include "config/config.h"
#include "dsn/seen_ids.h"
#include "dsn/seen_store.h"
#include "filter/lookup_wait.h"
#include "policy/engine.h"
#include "ticket/ticket.h"

#include <stdbool.h>
#include <stdint.h>

struct observer;
struct runtime;

/* Takes over the caller's reference to the configuration. Returns 0 or -ENOMEM. */
int runtime_new(struct config *config, struct runtime **out);
void runtime_free(struct runtime *runtime); /* no session may be left; NULL is allowed */

/* Lends the engine. Call once, before sessions begin. */
void runtime_set_engine(struct runtime *runtime, struct engine *engine);

/* Lends the counters, likewise. */
void runtime_set_metrics(struct runtime *runtime, struct metrics *metrics);

/* For request = observe; borrowed. NULL, as without this: nothing is observed. */
void runtime_set_observer(struct runtime *runtime, struct observer *observer);
struct observer *runtime_observer(const struct runtime *runtime);

struct engine *runtime_engine(struct runtime *runtime);
struct metrics *runtime_metrics(struct runtime *runtime); /* NULL: nothing is counted */
struct wait_limiter *runtime_limiter(struct runtime *runtime);

/*
 * Keeps the queue ids that runtime_seen_ids has over a restart, in the file queue-ids beside the
 * store; NULL: in memory only. Before sessions begin, after runtime_set_metrics. A failure is a
 * warning in the log and the metrics.
 */
void runtime_keep_seen_ids(struct runtime *runtime, const char *store);
struct seen_ids *runtime_seen_ids(struct runtime *runtime); /* of messages that require TLS */

/* The keys of tickets, copied: at the start, before sessions begin, and before a reload takes over.
 * Without, what needs a ticket is deferred. */
void runtime_set_ticket_keys(struct runtime *runtime, const struct ticket_keys *keys);

/* A copy of the keys, which is to be overwritten after use (ticket_keys_forget). Any thread. */
void runtime_ticket_keys(struct runtime *runtime, struct ticket_keys *out);

/* The running configuration, with a reference for the caller. Any thread. */
struct config *runtime_config(struct runtime *runtime);

/* Puts a new configuration, whose reference it takes over, instead of the running one.
 * Messages that have begun keep theirs. */
void runtime_swap_config(struct runtime *runtime, struct config *config);

/*
 * A message begins, unless the daemon is draining: then false. Each that began must end.
 * Any thread.
 */
bool runtime_message_begin(struct runtime *runtime);
/* `awaited`: runtime_message_await was called for it. */
void runtime_message_end(struct runtime *runtime, bool awaited);

/* The message in progress has a request: a stop is to wait for its end. Once for a message;
 * any thread. */
void runtime_message_await(struct runtime *runtime);

/*
 * From now on no message begins. Waits until those that are awaited have ended, `timeout_ms` at
 * most; returns how many of them are left.
 */
unsigned runtime_drain(struct runtime *runtime, int timeout_ms);

/* How many messages are in progress, awaited or not. Any thread. */
unsigned runtime_messages(struct runtime *runtime);

/* How long ago a message ended last. Any thread. */
int64_t runtime_quiet_ms(struct runtime *runtime);

#endif
