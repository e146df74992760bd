/*
 * A connection to a server of the shared cache as octets: its name looked up, its addresses tried
 * in turn, or a unix socket. It never waits. On the thread of the event loop.
 */
#ifndef POLICY_STORE_SHARED_SOCKET_H
#define POLICY_STORE_SHARED_SOCKET_H

#include "store/shared_url.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct shared_socket;

/* Called from the loop, never within a call of the functions below. */
struct shared_socket_events {
    void (*on_open)(void *arg);
    /* False: the socket has been freed. */
    bool (*on_octets)(const char *octets, size_t len, void *arg);
    /* It could not be opened, or is closed: nothing more is called. shared_socket_free is allowed
     * here. `why` is for people, and borrowed for the call. */
    void (*on_lost)(const char *why, void *arg);
};

/* Begins to connect, for at most limit_ms. `url` and `events` are borrowed. 0 or -ENOMEM. */
int shared_socket_new(struct event_base *base, const struct shared_url *url, int limit_ms,
                      const struct shared_socket_events *events, void *arg,
                      struct shared_socket **out);

/* Copies octets to be sent when the loop runs. 0, or -ENOMEM: none of them. */
int shared_socket_send(struct shared_socket *s, const char *octets, size_t len);

size_t shared_socket_unsent(const struct shared_socket *s); /* octets */

void shared_socket_free(struct shared_socket *s); /* NULL is allowed */

#endif
