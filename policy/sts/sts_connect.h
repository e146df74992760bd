/*
 * A TCP connection to the first of a policy host's addresses that answers (RFC 8305 section 5). One
 * thread, the loop's.
 */
#ifndef POLICY_STS_STS_CONNECT_H
#define POLICY_STS_STS_CONNECT_H

#include "sts/sts_host.h"

struct sts_connect;

/*
 * fd: the connection, which is the callee's now; or -1, and then error is the positive errno of an
 * attempt, and local says that it was this host that lacked memory or descriptors. sts_connect_free
 * is allowed here.
 */
typedef void (*sts_connect_done_fn)(int fd, int error, bool local, void *arg);

/* Tries the addresses in their order; done is called once, never before this returns. How long that
 * may take is the caller's business. NULL when out of memory, then without a callback. */
struct sts_connect *sts_connect_new(struct event_base *base, const struct sts_addresses *addresses,
                                    uint16_t port, sts_connect_done_fn done, void *arg);
void sts_connect_free(struct sts_connect *connect); /* at any time; NULL is allowed */

#endif
