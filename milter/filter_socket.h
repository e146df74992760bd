/* The socket that MTAs connect to, as libmilter opens it. */
#ifndef FILTER_SOCKET_H
#define FILTER_SOCKET_H

#include "config.h"

#include <stddef.h>

/*
 * Opens the milter socket: refuses to take the place of a filter that answers there, removes a
 * stale socket, sets mode and group. Call after callbacks_register, before root is dropped and
 * before threads exist. Returns 0 or a negative errno (-EADDRINUSE: somebody listens there) with a
 * sentence in err.
 */
int filter_socket_open(const struct config_milter *config, char *err, size_t err_len);

/* Removes a unix socket if it is still the one opened here and the directory lets us. */
void filter_socket_remove(void);

#endif
