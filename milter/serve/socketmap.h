/*
 * The socketmap server: answers map lookups of Postfix and sendmail from the engine's findings, on
 * an event loop of one thread. Cached answers are given without leaving that thread; a lookup that
 * takes long is answered TEMP before the MTA gives up, and goes on.
 */
#ifndef MILTER_SERVE_SOCKETMAP_H
#define MILTER_SERVE_SOCKETMAP_H

#include "base/metrics.h"
#include "config/config.h"
#include "net/listen.h"

#include <event2/event.h>

struct socketmap;

/*
 * Begins to serve on the base, whose loop must not run yet or run on this thread. The listening
 * sockets stay the caller's and must outlive the server. `metrics` may be NULL; everything else
 * must outlive the server as well. Returns 0 or a negative errno.
 */
int socketmap_new(struct event_base *base, struct config *config, struct engine *engine,
                  struct metrics *metrics, const struct listen_set *listeners,
                  size_t listener_count, struct socketmap **out);

/* Closes all connections and cancels their lookups. After the loop has ended. NULL is allowed. */
void socketmap_free(struct socketmap *server);

/* From now on answers follow this configuration. On the loop's thread. */
void socketmap_reconfigure(struct socketmap *server, struct config *config);

size_t socketmap_connections(const struct socketmap *server); /* on the loop's thread */

#endif
