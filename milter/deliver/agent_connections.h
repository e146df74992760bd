/*
 * Connections of the agent to servers: new ones, and those that are kept for another message. A
 * connection is kept for a short time if its peer has met its demand over TLS, and is used again
 * only where address, port, demand, CA certificates, credentials, source address and the name in
 * EHLO are the same. One thread.
 *
 *     agent_connection_take   a kept one, or a new one; then the turns of smtp_transport.h
 *     agent_connection_keep   in SMTP_TURN_COMMAND: the message is done, keep it if it may be kept
 *     agent_connection_drop   ends it, in any turn
 *     agent_connections_wait  there was none (-EBUSY): until one is kept or dropped
 */
#ifndef MILTER_DELIVER_AGENT_CONNECTIONS_H
#define MILTER_DELIVER_AGENT_CONNECTIONS_H

#include "base/metrics.h"
#include "deliver/agent_limits.h"
#include "deliver/delivery_plan.h"
#include "deliver/treatment_demand.h"
#include "policy/smtp_transport.h"

struct agent_connections; /* all of them */
struct agent_connection;

/* All is borrowed until agent_connections_free. */
struct agent_connections_config {
    struct event_base *base;
    struct ca_store *ca_store;
    struct tls_client *tls_client;
    struct agent_limits *limits;
    struct metrics *metrics; /* NULL is allowed */
};

struct agent_connections *agent_connections_new(const struct agent_connections_config *config);
void agent_connections_free(struct agent_connections *connections); /* none may be in use */

/* Ends all that are kept: what they were verified by may not hold any longer. */
void agent_connections_flush(struct agent_connections *connections);

/* What is wanted. Borrowed for the call, but for findings, of which a reference is taken. */
struct agent_connection_wish {
    const struct treatment_demands *demands;
    const struct findings *findings;
    const struct treatment_plan *plan;
    const struct delivery_target *target;
    uint16_t port;
    const char *helo_name;
    const struct sockaddr *source; /* NULL: the system chooses */
    const char *user, *password;   /* NULL: no AUTH */
    bool plaintext;                /* a second try, where TLS did not work and need not */
    bool fresh; /* none of those that are kept; in the place of one that was just dropped, so
                   nobody who waits comes first */
    struct agent_limits_wait *wait; /* in the line for this address; NULL: it did not wait */
    unsigned per_host;              /* connections to one address at most */
    unsigned reuse;                 /* messages over one connection at most */
    int64_t idle_ms;                /* how long it is kept */
    struct smtp_timeouts timeouts;
    int64_t limit_ms; /* until it is at its end or smtp_transport_limit says otherwise */
    smtp_turn_fn on_turn;
    void *arg; /* of on_turn */
};

/*
 * 0; *reused tells that it was kept, and is in SMTP_TURN_COMMAND: on_turn is not called for that.
 * -EBUSY: there are per_host connections to the address, or others wait for one. -EPERM: nothing
 * may be sent to this host. -EACCES: nor a password, as nothing that is known of the host leads
 * back to the next-hop. Other negative errnos are of this host alone (-ENOMEM).
 */
int agent_connection_take(struct agent_connections *connections,
                          const struct agent_connection_wish *wish, struct agent_connection **out,
                          bool *reused);

/*
 * In the line for a connection to the address, after -EBUSY; wait->on_turn and wait->arg are set,
 * and on_turn is called when one is kept or dropped: then agent_connection_take with this `wait`,
 * which may be -EBUSY again. 0 or -ENOMEM.
 */
int agent_connections_wait(struct agent_connections *connections,
                           const struct delivery_target *target, uint16_t port, unsigned per_host,
                           struct agent_limits_wait *wait);
/* Out of the line, whether it has a connection now or not; the next may try if there is room. */
void agent_connections_leave(struct agent_connections *connections, unsigned per_host,
                             struct agent_limits_wait *wait);

void agent_connection_keep(struct agent_connection *connection);
void agent_connection_drop(struct agent_connection *connection); /* NULL is allowed */

/* A transaction begins on it. */
void agent_connection_used(struct agent_connection *connection);

struct smtp_transport *agent_connection_transport(const struct agent_connection *connection);
/* What is demanded of it. */
const struct treatment_connection *
agent_connection_demand(const struct agent_connection *connection);
/*
 * Whether the message may be sent over it: there is TLS, and its peer has met all that is demanded;
 * or there is none, and none is demanded. The last word before anything of a message is said.
 */
bool agent_connection_allows(const struct agent_connection *connection);

#endif
