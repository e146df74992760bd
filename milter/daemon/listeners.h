/*
 * The daemon's listeners but for the milter socket: one thread with an event loop that serves the
 * socketmap listeners and the metrics. The life of it, as the daemon sees it:
 *
 *   listeners_open    binds the sockets; as root, before privileges are dropped
 *   listeners_start   starts the thread; after the daemon has forked
 *   listeners_reload  takes over a new configuration
 *   listeners_close   ends the thread and closes everything; before the engine is freed
 */
#ifndef MILTER_DAEMON_LISTENERS_H
#define MILTER_DAEMON_LISTENERS_H

#include "base/metrics.h"
#include "config/config.h"

struct listeners;

/*
 * Opens the sockets of [socketmap] and [metrics]. Returns 0, or a negative errno with a message
 * that names the address in err.
 */
int listeners_open(const struct config *config, struct listeners **out, char *err, size_t err_size);

/*
 * Starts to serve. The engine and the metrics are borrowed until listeners_close. Returns 0, or a
 * negative errno with a message in err; then listeners_close is still to be called.
 */
int listeners_start(struct listeners *listeners, struct config *config, struct engine *engine,
                    struct metrics *metrics, char *err, size_t err_size);

/* From soon on answers follow this configuration. Takes a reference. Any thread. */
void listeners_reload(struct listeners *listeners, struct config *config);

void listeners_close(struct listeners *listeners); /* NULL is allowed */

#endif
