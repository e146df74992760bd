/*
 * The LMTP server of the delivery agent on an event loop: takes connections, bounds their number
 * and their time. All of it on the loop's thread, or while it has none.
 */
#ifndef MILTER_DELIVER_LMTP_SERVER_H
#define MILTER_DELIVER_LMTP_SERVER_H

#include "deliver/lmtp_transaction.h"
#include "net/listen.h"

#include <event2/event.h>

struct lmtp_server;

struct lmtp_server_config {
    struct event_base *base;
    struct config *config; /* takes a reference */
    struct agent *agent;
    struct metrics *metrics; /* may be NULL */
    const struct ticket_keys *keys;
    const struct listen_set *sockets; /* of config->deliver.sockets, in their order */
    size_t socket_count;
    /* While it drains: no message is under way any more, and none will begin. */
    void (*on_idle)(void *arg);
    void *arg;
};

/* Everything in `config` is borrowed unless it says otherwise. 0 or a negative errno. */
int lmtp_server_new(const struct lmtp_server_config *config, struct lmtp_server **out);

/* Cancels what is being delivered, and closes all connections. NULL is allowed. */
void lmtp_server_free(struct lmtp_server *server);

/* For transactions that begin later. */
void lmtp_server_reconfigure(struct lmtp_server *server, struct config *config);

/* Takes no more connections. Ends sessions with 421: soon where no message is about to begin, the
 * others after theirs. A message that no server of a slow next-hop has been given yet is 451 then.
 * May be called again. */
void lmtp_server_drain(struct lmtp_server *server);

unsigned lmtp_server_busy(const struct lmtp_server *server); /* messages that are under way */

#endif
