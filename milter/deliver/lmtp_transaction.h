/*
 * A transaction of the LMTP server: envelope, content, and what becomes of each recipient. It
 * decides how recipients are treated (treatment.h), has those of one treatment delivered together
 * (agent.h), and gives the replies in the order of the recipients.
 *
 *   lmtp_transaction_new      MAIL
 *   lmtp_transaction_rcpt     RCPT, each
 *   lmtp_transaction_begin    DATA
 *   lmtp_transaction_content  each piece
 *   lmtp_transaction_deliver  the content has ended
 *   lmtp_transaction_next     replies, as they are known
 *   lmtp_transaction_stop     the service stops, and does not wait for slow next-hops
 *   lmtp_transaction_free     in any state: what is under way is cancelled
 *
 * On the thread of the agent's loop.
 */
#ifndef MILTER_DELIVER_LMTP_TRANSACTION_H
#define MILTER_DELIVER_LMTP_TRANSACTION_H

#include "base/metrics.h"
#include "base/octets.h"
#include "deliver/agent.h"
#include "deliver/lmtp_command.h"
#include "ticket/ticket.h"

struct lmtp_transaction;

/* What the transactions of a server share; its members outlive them. */
struct lmtp_shared {
    struct agent *agent;
    struct metrics *metrics;
    const struct ticket_keys *keys;
    struct octets kept; /* what a piece leaves of the content; empty between two calls */
    uint64_t memory;    /* octets of contents that are in memory */
};

struct lmtp_transaction_config {
    struct lmtp_shared *shared;
    struct config *config;       /* takes a reference */
    const char *socket;          /* the NAME of its [deliver NAME]; copied */
    void (*on_known)(void *arg); /* lmtp_transaction_next may have more; not from within a call */
    void *arg;
};

/* Copies what it needs of `mail`. 0 or -ENOMEM; -ENOENT: the configuration has no such socket any
 * more. */
int lmtp_transaction_new(const struct lmtp_transaction_config *config, const struct smtp_mail *mail,
                         struct lmtp_transaction **out);
void lmtp_transaction_free(struct lmtp_transaction *transaction); /* NULL is allowed */

/* Adds a recipient, if the reply accepts it; it is valid until the next call. */
struct lmtp_reply lmtp_transaction_rcpt(struct lmtp_transaction *transaction,
                                        const struct smtp_rcpt *rcpt);

/* 0 or -ENOMEM. */
int lmtp_transaction_begin(struct lmtp_transaction *transaction);

/* What cannot be kept is remembered: each recipient is told at the end. */
void lmtp_transaction_content(struct lmtp_transaction *transaction, const char *octets, size_t len);

void lmtp_transaction_deliver(struct lmtp_transaction *transaction);

/* After lmtp_transaction_deliver: what delivery_stop says. */
void lmtp_transaction_stop(struct lmtp_transaction *transaction);

/* The reply for the next recipient, if it is known; valid until the transaction is freed. */
bool lmtp_transaction_next(struct lmtp_transaction *transaction, struct lmtp_reply *out);

#endif
