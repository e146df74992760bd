/*
 * The addresses of a server of the shared cache. A name is looked up as the host does it,
 * /etc/hosts included, by getaddrinfo(3), which can take a minute and cannot be ended: so it runs
 * on a thread of its own, which shares nothing with its caller but a pair of sockets. Whoever gives
 * up closes his end, and the thread ends by itself. Where look-ups never end, SHARED_NAMES_MAX of
 * them are there, and no more are begun.
 */
#ifndef POLICY_STORE_SHARED_NAME_H
#define POLICY_STORE_SHARED_NAME_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    SHARED_ADDRESSES_MAX = 8, /* of one name; more are not tried */
    SHARED_NAME_WHY_MAX = 100,
    SHARED_NAMES_MAX = 16, /* threads of the process, those included that nobody waits for */
};

struct shared_address {
    struct sockaddr_storage sa;
    socklen_t len;
};

struct shared_addresses {
    size_t count; /* 0: `why` says why */
    struct shared_address list[SHARED_ADDRESSES_MAX];
    char why[SHARED_NAME_WHY_MAX];
};

struct shared_name;

typedef void (*shared_name_fn)(const struct shared_addresses *addresses, void *arg);

/* Whether `host` is an IPv4 or IPv6 address, and that address. No I/O. Any thread. */
bool shared_name_is_address(const char *host, const char *port, struct shared_addresses *out);

/* Looks the name up. `done` is called once, later, on the loop's thread; the handle is dead by
 * then. 0, or a negative errno (no descriptor, thread or memory left; -EAGAIN:
 * too many look-ups have not ended). */
int shared_name_start(struct event_base *base, const char *host, const char *port,
                      shared_name_fn done, void *arg, struct shared_name **out);

void shared_name_cancel(struct shared_name *name); /* NULL is allowed */

#endif
