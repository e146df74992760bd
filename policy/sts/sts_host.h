/*
 * The addresses of a policy host, from the engine's own resolver. One thread, the loop's.
 */
#ifndef POLICY_STS_STS_HOST_H
#define POLICY_STS_STS_HOST_H

#include "world/world.h"

#include <event2/event.h>
#include <sys/socket.h>

/* The engine's resolver, in the shape of world_ops: no callback before query has returned, a handle
 * is dead once its callback runs, NULL only when out of memory. */
struct sts_dns {
    struct world_query *(*query)(void *ctx, const char *name, uint16_t type, world_query_fn done,
                                 void *arg);
    void (*cancel)(void *ctx, struct world_query *query);
    void *ctx;
};

enum { STS_ADDRESSES_MAX = 16 };

struct sts_address {
    sa_family_t family; /* AF_INET or AF_INET6 */
    uint8_t octets[16]; /* the first 4 of them, or all; network byte order */
};

/* In the order in which they are tried: both families in turn, IPv6 first. */
struct sts_addresses {
    size_t count;
    struct sts_address list[STS_ADDRESSES_MAX];
};

struct sts_host;

/* addresses: at least one, or NULL and then failure says why; it is definite when DNS says that
 * there is no such name, or no address in either family. Both are borrowed for the call, in which
 * sts_host_free is allowed. */
typedef void (*sts_host_done_fn)(const struct sts_addresses *addresses, const char *failure,
                                 bool definite, void *arg);

/*
 * Asks for A and AAAA; done is called once, never before this returns. NULL when out of memory,
 * then without a callback. sts_host_free cancels what is still on its way.
 */
struct sts_host *sts_host_new(struct event_base *base, const struct sts_dns *dns, const char *name,
                              sts_host_done_fn done, void *arg);
void sts_host_free(struct sts_host *host); /* NULL is allowed */

#endif
