/* The socket that MTAs connect to, as libmilter opens it. */
#ifndef MILTER_DAEMON_FILTER_SOCKET_H
#define MILTER_DAEMON_FILTER_SOCKET_H

#include "config/config.h"

#include <stddef.h>

/*
 * Opens the milter socket: refuses where another filter answers already, removes a
 * stale socket, sees to owner, mode and group (socket_file.h). Call after callbacks_register,
 * before root is dropped and before threads exist. Returns 0 or a negative errno (-EADDRINUSE:
 * somebody listens there) with a sentence in err.
 */
int filter_socket_open(const struct config_milter *config, char *err, size_t err_size);

/*
 * Connects and closes the connection. To be called by a thread in a callback that waits:
 * libmilter's pool of threads may have handed two sessions to one idle thread, and the second then
 * stays where it is for as long as the first one waits. A connection makes the pool look again, and
 * start a thread where none is idle. Any thread.
 */
void filter_socket_nudge(void);

/* Removes a unix socket if it is still the one opened here and the directory lets us. */
void filter_socket_remove(void);

#endif
