/*
 * The daemon's second front: one thread with an event loop that serves the socketmap listeners and
 * the metrics. The life of it, as the daemon sees it:
 *
 *   front_open    binds the sockets; as root, before privileges are dropped
 *   front_start   starts the thread; after the daemon has forked
 *   front_reload  takes over a new configuration
 *   front_close   ends the thread and closes everything; before the engine is freed
 */
#ifndef MILTER_FRONT_H
#define MILTER_FRONT_H

#include "base/metrics.h"
#include "config/config.h"

struct front;

/*
 * Opens the sockets of [socketmap] and [metrics]. Returns 0, or a negative errno with a message
 * that names the address in err.
 */
int front_open(const struct config *config, struct front **out, char *err, size_t err_size);

/*
 * Starts to serve. The engine and the metrics are borrowed until front_close. Returns 0, or a
 * negative errno with a message in err; then front_close is still to be called.
 */
int front_start(struct front *front, struct config *config, struct engine *engine,
                struct metrics *metrics, char *err, size_t err_size);

/* From soon on answers follow this configuration. Takes a reference. Any thread. */
void front_reload(struct front *front, struct config *config);

void front_close(struct front *front); /* NULL is allowed */

#endif
