/*
 * Takes the connections of listening sockets, on an event loop. Without descriptors it pauses.
 */
#ifndef MILTER_NET_ACCEPTOR_H
#define MILTER_NET_ACCEPTOR_H

#include "net/listen.h"

#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>

struct acceptor;

struct acceptor_config {
    struct event_base *base;
    const char *name; /* of who listens, for the log; borrowed */
    /* A connection, non-blocking; takes over fd. */
    void (*on_connection)(int fd, const struct sockaddr_storage *peer, void *arg);
    /* There is no descriptor for a connection that waits: closes one that can be spared, and
     * returns whether there was one. NULL: none ever can. */
    bool (*make_room)(void *arg);
    void *arg;
};

/* The sockets stay the caller's and must outlive the acceptor. On the loop's thread, or while it
 * has none. 0 or -ENOMEM. */
int acceptor_new(const struct acceptor_config *config, const struct listen_set *sets,
                 size_t set_count, struct acceptor **out);
/* Leaves connections in their queues, or takes them again; also from within on_connection. */
void acceptor_pause(struct acceptor *acceptor, bool paused);
void acceptor_free(struct acceptor *acceptor); /* NULL is allowed */

#endif
