/*
 * Listening stream sockets of the daemon's own listeners (socketmap, metrics): opened as root
 * before privileges are dropped, served later.
 */
#ifndef MILTER_NET_LISTEN_H
#define MILTER_NET_LISTEN_H

#include "config/config.h"

#include <sys/types.h>

enum { LISTEN_ADDRESSES_MAX = 8 };

/* The sockets of one configured address: an inet host may have several addresses. */
struct listen_set {
    int fds[LISTEN_ADDRESSES_MAX];
    size_t count;
    char *path;   /* of a unix socket, to be removed at the end; own */
    dev_t device; /* what is to be there then */
    ino_t inode;
};

/*
 * Opens an address; the sockets are non-blocking. A unix socket has the mode and the group before
 * anyone can connect (socket_file.h); a stale one, which nobody listens on, is replaced; one that
 * the service manager keeps for us (inherited.h) is taken as it is. `group` NULL: unchanged.
 * Returns 0, or a negative errno with a message that names the address in err.
 */
int listen_open(const struct config_address *address, mode_t mode, const char *group,
                struct listen_set *out, char *err, size_t err_size);

/* Closes the sockets and removes the path, unless somebody else's socket is there by now. */
void listen_close(struct listen_set *set);

#endif
