/*
 * The addresses of a policy host, from the engine's own resolver. One thread, the loop's.
 */
#ifndef POLICY_STS_STS_HOST_H
#define POLICY_STS_STS_HOST_H

#include "world/world.h"

#include <event2/event.h>

/* The engine's resolver, in the shape of world_ops: no callback before query has returned, a handle
 * is dead once its callback runs, NULL only when out of memory. */
struct sts_dns {
    struct world_query *(*query)(void *ctx, const char *name, uint16_t type, world_query_fn done,
                                 void *arg);
    void (*cancel)(void *ctx, struct world_query *query);
    void *ctx;
};

struct sts_host;

/* addresses: "[2001:db8::1],192.0.2.1", or NULL and then failure says why; it is definite when DNS
 * says that there is no such name, or no address in either family. Texts are borrowed for the call,
 * in which sts_host_free is allowed. */
typedef void (*sts_host_done_fn)(const char *addresses, const char *failure, bool definite,
                                 void *arg);

/*
 * Asks for A and AAAA; done is called once, never before this returns. NULL when out of memory,
 * then without a callback. sts_host_free cancels what is still on its way.
 */
struct sts_host *sts_host_new(struct event_base *base, const struct sts_dns *dns, const char *name,
                              sts_host_done_fn done, void *arg);
void sts_host_free(struct sts_host *host); /* NULL is allowed */

#endif
