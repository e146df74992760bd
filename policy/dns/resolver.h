/*
 * Asks resolvers for DNS answers, many at once, and says how secure each is (RFC 6840
 * section 5.7 and 5.8: AD is asked for and believed only when the resolver and the way to it are
 * trusted). One object, one thread: that of the event base. Nothing here reads /etc/hosts or adds
 * a search domain.
 *
 * Security of an answer: DNS_SECURE when AD is set and its resolver trusted; DNS_INSECURE when AD
 * is clear and its resolver trusted and shown to validate by its own last check; else DNS_UNKNOWN.
 * Checks are made at start and then every check_interval_ms (sooner while they fail): the SOA of
 * check_name must be answered with AD. Resolvers that pass are asked first. While security is known
 * (a trusted resolver passes, or the last one ceased to half a minute ago), what would be
 * DNS_UNKNOWN is DNS_FAILED instead, whatever it says: so there is no DNS_UNKNOWN unless nobody
 * validates.
 */
#ifndef POLICY_DNS_RESOLVER_H
#define POLICY_DNS_RESOLVER_H

#include "dns/dns_answer.h"
#include "policy/engine_config.h"

struct engine_health;
struct event_base;
struct resolver;
struct resolver_query;

/* `answer` is borrowed for the call and never NULL. */
typedef void (*resolver_done_fn)(const struct dns_answer *answer, void *arg);

/*
 * Starts a resolver with the DNS part of `config` (copied; log and log_arg too) and its first
 * check. `base` is borrowed and must outlive it. Returns 0, or a negative errno with a message in
 * err: -EINVAL for an address in config->resolvers that is none, -ENOMEM. A resolv.conf that cannot
 * be read is no error: it means the resolver on this host, as for the C library, with a warning.
 */
int resolver_new(struct event_base *base, const struct engine_config *config, struct resolver **out,
                 char *err, size_t err_size);

/* Queries that are still outstanding get no callback. Not from inside a callback. NULL is allowed.
 */
void resolver_free(struct resolver *resolver);

/*
 * Takes over a new configuration. Queries in flight go on; what is known of resolvers that stay is
 * kept. Errors as resolver_new, then nothing has changed. Not from inside a callback.
 */
int resolver_reconfigure(struct resolver *resolver, const struct engine_config *config, char *err,
                         size_t err_size);

/*
 * Asks for name/type (an absolute name, with or without the root dot) on behalf of a next-hop (any
 * text; copied). `done` is called exactly once, never before this returns and never from inside
 * another call to the resolver, unless the query is cancelled or the resolver freed. Returns a
 * handle, dead once `done` runs; NULL when out of memory, then there is no callback.
 *
 * At most dns_max_outstanding queries are in flight, slow ones not counted; the others wait in
 * line, where no next-hop can take more than its share (resolver_queue.h). A query gets its answer
 * at most dns_timeout_ms * dns_tries after it left the line; time-outs, errors and malformed
 * answers are DNS_FAILED. Queries also wait, at most dns_timeout_ms, for the first check.
 */
struct resolver_query *resolver_query(struct resolver *resolver, const char *nexthop,
                                      const char *name, uint16_t type, resolver_done_fn done,
                                      void *arg);
void resolver_cancel(struct resolver_query *query);

/* Security and the list of resolvers, of what engine_health.h has. */
void resolver_health(const struct resolver *resolver, struct engine_health *out);

/* Whether a trusted resolver passes the check, or the last one ceased to only lately (half of
 * check_interval_ms, at most half a minute, ago). */
bool resolver_security_known(const struct resolver *resolver);

/*
 * Whether the resolver that gave an answer without AD (dns_answer.resolver) still validates: tells
 * how a check of it ends that is begun from now on. Nothing permanent may rest on such an answer
 * before that has passed. Rules for `done` and the handle as for queries; a check takes at most
 * twice dns_timeout_ms. NULL: out of memory.
 */
struct resolver_confirm;
typedef void (*resolver_confirm_fn)(bool passed, void *arg);
struct resolver_confirm *resolver_confirm(struct resolver *resolver, uint32_t id,
                                          resolver_confirm_fn done, void *arg);
void resolver_confirm_cancel(struct resolver_confirm *confirm);

/* How often a reload has withdrawn the trust in a resolver, or has taken out a trusted one. */
unsigned resolver_trust_withdrawn(const struct resolver *resolver);

struct resolver_stats {
    size_t in_flight; /* queries sent and not yet answered, but for the slow ones */
    size_t slow;      /* those that let others pass */
    size_t waiting;   /* queries in line */
    size_t sockets;   /* c-ares channels in use: each has a socket at most, two for a moment */
    uint64_t queries; /* asked for */
    uint64_t sent;    /* with retries and checks */
};
void resolver_get_stats(const struct resolver *resolver, struct resolver_stats *out);

#endif
