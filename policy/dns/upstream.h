/*
 * One resolver at its address: sends it queries and gives its answers. All of c-ares is behind
 * this: its channels, sockets, query IDs, TCP after truncation, and what differs between its
 * versions. Whom to ask, how often and how far to believe it is for resolver_attempts.c.
 *
 * Runs on the thread of the event base. No callback fires from inside a call to this module.
 */
#ifndef POLICY_DNS_UPSTREAM_H
#define POLICY_DNS_UPSTREAM_H

#include "dns/dns_answer.h"
#include "dns/resolver_addr.h"

struct event_base;
struct upstream;
struct upstream_ask;

/*
 * `answer` is the callee's to free. NULL when there was none: the address is unreachable, a
 * connection broke or memory ran out. Its security is what AD says, DNS_SECURE or DNS_INSECURE,
 * as if the resolver were trusted.
 */
typedef void (*upstream_done_fn)(struct dns_answer *answer, void *arg);

/*
 * `timeout_ms` bounds how long an ask may stay unanswered; the caller is expected to cancel
 * sooner. NULL when out of memory. The address is copied.
 */
struct upstream *upstream_new(struct event_base *base, const struct resolver_addr *addr,
                              int timeout_ms);
void upstream_free(struct upstream *upstream); /* no callbacks for what is outstanding */
void upstream_set_timeout(struct upstream *upstream, int timeout_ms);

/* Sends one query. Calls done exactly once unless cancelled. NULL when out of memory. */
struct upstream_ask *upstream_ask(struct upstream *upstream, const char *name, uint16_t type,
                                  upstream_done_fn done, void *arg);
void upstream_cancel(struct upstream_ask *ask);

size_t upstream_sockets(const struct upstream *upstream);

#endif
