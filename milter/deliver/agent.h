/*
 * The delivery agent: sends messages to the servers of their next-hops, on the SMTP client of
 * policy/. Knows nothing of LMTP. All of it on the thread of its event loop.
 *
 * A delivery is one message to recipients of one treatment. It asks the engine, goes through the
 * hosts that may be used by preference (RFC 5321 section 5.1), and says nothing of the message to a
 * host that does not meet what is demanded (RFC 8689 section 4.2.1). Verified connections are kept
 * for a short time and used again for the same address, port, demand and credentials.
 */
#ifndef MILTER_DELIVER_AGENT_H
#define MILTER_DELIVER_AGENT_H

#include "base/metrics.h"
#include "deliver/content.h"
#include "deliver/outcome.h"
#include "deliver/treatment.h"
#include "policy/engine.h"

#include <event2/event.h>

struct agent;
struct delivery;

/* Borrows base, engine and metrics until agent_free; takes a reference to the configuration.
 * Returns 0 or a negative errno with a message in err (CA certificates, credentials). */
int agent_new(struct event_base *base, struct config *config, struct engine *engine,
              struct metrics *metrics, struct agent **out, char *err, size_t err_size);
/* For deliveries that begin later. On an error the agent is as it was. */
int agent_reload(struct agent *agent, struct config *config, char *err, size_t err_size);
void agent_free(struct agent *agent); /* no delivery may be left; NULL is allowed */

/* What was seen of the connection that the message was sent by, or that decided; for the log line
 * and the audit. Zero-initialised: there was none. */
struct delivery_relay {
    char host[NEXTHOP_NAME_MAX + 1]; /* "" : none was reached */
    char address[46 + 1];
    uint16_t port;
    char tls[64];       /* as smtp_log_tls_feature_status writes it: dane/requiretls, none */
    const char *auth;   /* report_auth; static */
    const char *level;  /* of TLS, as tls= has it; static; NULL: not known */
    const char *policy; /* that before a fallback; static; NULL: there was none */
    char protocol[16], cipher[64];
    char cert_digest[3 * TLS_SHA256_LEN], spki_digest[3 * TLS_SHA256_LEN]; /* report_digest; "" :
                                                                              none */
};

/* Of each recipient, in the order of mail->rcpts. */
struct delivery_result {
    struct outcome outcome;
    const struct delivery_relay *relay;
    const struct treatment *treatment; /* the level after a fallback */
    bool fell_back;
    enum verdict_level level_before; /* with fell_back */
};

/* Called once, unless cancelled, never before delivery_start returns; the results are borrowed for
 * the call. The delivery is freed by the agent afterwards. */
typedef void (*delivery_done_fn)(const struct delivery_result *results, size_t count, void *arg);

/* Strings and arrays are borrowed until `done` was called or the delivery was cancelled. */
struct delivery_request {
    const struct treatment *treatment;
    const struct smtp_mail
        *mail;               /* requiretls and ret are set by the agent as the treatment says */
    struct content *content; /* takes a reference */
    struct config *config;   /* of the LMTP session; takes a reference */
    delivery_done_fn done;
    void *arg;
};

/* 0 or -ENOMEM, then `done` is not called. */
int delivery_start(struct agent *agent, const struct delivery_request *request,
                   struct delivery **out);

/* The MTA has gone: the final dot is not sent if it was not yet; `done` is not called. */
void delivery_cancel(struct delivery *delivery);

/* The service is stopping: where the next-hop is slow, and no server has been given any of the
 * content, the recipients get 451 4.3.2; `done` is called soon. Else it goes on. */
void delivery_stop(struct delivery *delivery);

/* Whether a delivery for this next-hop would be turned away at once, as it has its share of
 * deliveries already (a quarter of max_sessions) and is slow: for 451 4.3.2 at RCPT. */
bool agent_is_busy(const struct agent *agent, const struct nexthop *nexthop);

#endif
