/*
 * The LMTP front of the delivery agent (RFC 2033): a thread with an event loop that takes mail from
 * the MTA's queue and answers for each recipient. It has no queue. Its life, as the daemon sees it:
 *
 *   deliver_open    binds the sockets; as root, before privileges are dropped
 *   deliver_start   starts the thread; after the daemon has forked
 *   deliver_reload  takes over a new configuration
 *   deliver_drain   no new transactions; waits for those in progress
 *   deliver_close   ends the thread and closes everything; before the engine is freed
 */
#ifndef MILTER_DELIVER_DELIVER_H
#define MILTER_DELIVER_DELIVER_H

#include "base/metrics.h"
#include "config/config.h"
#include "ticket/ticket.h"

struct deliver;

/* Opens the sockets of all [deliver NAME]; *out is NULL if there is none. 0, or a negative errno
 * with a message that names the address in err. */
int deliver_open(const struct config *config, struct deliver **out, char *err, size_t err_size);

/* The engine and the metrics are borrowed until deliver_close, the keys of tickets copied. 0, or a
 * negative errno with a message in err; then deliver_close is still to be called. */
int deliver_start(struct deliver *deliver, struct config *config, const struct ticket_keys *keys,
                  struct engine *engine, struct metrics *metrics, char *err, size_t err_size);

/* The files that the configuration names were tried (config_host_check_files): if one of them fails
 * all the same, the agent goes on as before but for the keys, with an error in the log. Any thread.
 */
void deliver_reload(struct deliver *deliver, struct config *config, const struct ticket_keys *keys);

/* Sessions get 421 where no message is about to begin, and before their next; what is being
 * delivered may end, but for messages to slow next-hops (delivery_stop). Waits `timeout_ms` at
 * most. Returns how many messages are left, 1 where sessions are. Not from its own thread. */
unsigned deliver_drain(struct deliver *deliver, int timeout_ms);

void deliver_close(struct deliver *deliver); /* NULL is allowed */

#endif
