/*
 * The parts of an attempt: connection, transaction, and what is told of both.
 */
#ifndef MILTER_DELIVER_DELIVERY_ATTEMPT_INTERNAL_H
#define MILTER_DELIVER_DELIVERY_ATTEMPT_INTERNAL_H

#include "deliver/delivery_attempt.h"

static inline struct smtp_transport *
delivery_attempt_transport(const struct delivery_attempt *attempt)
{
    return agent_connection_transport(attempt->connection);
}

static inline struct smtp_session *delivery_attempt_session(const struct delivery_attempt *attempt)
{
    return smtp_transport_session(delivery_attempt_transport(attempt));
}

/* ---- delivery_connect.c ---- */

/* Takes a connection for the attempt; results as agent_connection_take, and -ETIMEDOUT: the time
 * for all hosts is over. */
int delivery_connect(struct delivery_attempt *attempt, bool fresh, smtp_turn_fn on_turn);
/* The address of the family in a list of sources. NULL: the system chooses. */
const struct sockaddr *delivery_source(const struct config_list *source, bool ipv6,
                                       struct sockaddr_storage *out);

/* ---- delivery_transaction.c ---- */

/* All recipients that are open. 0 or -ENOMEM. */
int delivery_transaction_take(struct delivery_attempt *attempt);
/* MAIL for those that were taken. The last look at the connection: what demands more than it has
 * shown is not said over it. False: nothing was said, and the attempt is over. */
bool delivery_transaction_begin(struct delivery_attempt *attempt);
/* What became of the recipients of the transaction, which is over. Keeps those that the server had
 * no room for, if it took others; returns how many they are. */
size_t delivery_transaction_collect(struct delivery_attempt *attempt);
/* All of them, for a reason of this host. */
void delivery_transaction_settle(struct delivery_attempt *attempt, int code, const char *enhanced,
                                 const char *text);
void delivery_transaction_forget(struct delivery_attempt *attempt);

/* ---- delivery_attempt_tell.c ---- */

/* Sets `failure`, from what the connection has shown; `lack` is what the message lacks there. */
void delivery_attempt_fail(struct delivery_attempt *attempt, enum smtp_lack lack);
/* Likewise for an error of delivery_connect. */
void delivery_attempt_fail_own(struct delivery_attempt *attempt, int error);
/* Recipients without an answer are told of this connection, if it was made. */
void delivery_attempt_note_left(const struct delivery_attempt *attempt);
/* What the log tells of the connection; belongs to the delivery. NULL: no memory. */
const struct delivery_relay *delivery_attempt_relay(const struct delivery_attempt *attempt,
                                                    bool requiretls);
/* host[address], or host[address]:port */
void delivery_attempt_write_relay(const struct delivery_attempt *attempt, bool with_port, char *out,
                                  size_t out_size);
/* TLSRPT and metrics, once for each connection that was made. */
void delivery_attempt_tell(struct delivery_attempt *attempt);

/* ---- delivery_attempt_note.c ---- */

/* What the connection has shown counts as a probe: once for each that was made, when it is over,
 * has come to its first command, or to a peer that does not meet the demand. */
void delivery_attempt_note(struct delivery_attempt *attempt);

#endif
