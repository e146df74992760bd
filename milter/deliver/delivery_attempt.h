/*
 * One attempt of a delivery: one address of one host. Connects, or takes a connection that is kept,
 * sees to it that the demand is met, and gives the message for the recipients that are still open
 * (RFC 5321 section 3.3). One thread.
 *
 *     delivery_attempt_begin    then on_end, once, unless cancelled
 *     delivery_attempt_cancel   at any time: the final dot is not written if it was not yet
 */
#ifndef MILTER_DELIVER_DELIVERY_ATTEMPT_H
#define MILTER_DELIVER_DELIVERY_ATTEMPT_H

#include "deliver/agent.h"
#include "deliver/agent_connections.h"
#include "deliver/delivery_relay.h"
#include "deliver/tlsrpt.h"

/* What is known of a recipient. */
struct delivery_rcpt {
    bool settled;  /* its outcome is final */
    bool answered; /* not settled: the outcome is what the last server said that was asked */
    struct outcome outcome;
    const struct delivery_relay *relay; /* NULL: no server was reached yet */
};

/* The attempt is over. Recipients that are not settled may be tried at another address. */
typedef void (*delivery_attempt_end_fn)(void *arg);

/* What is the same for all attempts of a delivery at one level. All is borrowed. */
struct delivery_attempt_facts {
    struct agent_connections *connections;
    struct agent_limits *limits;
    struct metrics *metrics;
    struct tlsrpt *tlsrpt;
    struct engine *engine;
    unsigned probe_configured; /* engine_probe_configured, of `config` */
    const struct config *config;
    const struct treatment *treatment;
    const struct treatment_demands *demands;
    const struct treatment_plan *plan;
    const struct findings *findings;
    const char
        *policy_before; /* the level before a fallback, for the audit; NULL: there was none */
    const struct smtp_mail *mail;
    struct content *content;
    const char *user, *password; /* NULL: no AUTH */
    uint16_t port;
    int64_t setup_deadline_ms; /* clock_awake_ms: until then the content must have begun */
    struct delivery_rcpt *rcpts;
    struct delivery_relays *relays;
    delivery_attempt_end_fn on_end;
    void *arg;
};

struct delivery_attempt {
    const struct delivery_attempt_facts *facts; /* borrowed */
    struct delivery_target target;
    struct agent_connection *connection; /* NULL: none now */
    bool reused;                         /* it was kept */
    bool plaintext;                      /* TLS did not work, and need not */
    bool told;                           /* TLSRPT and metrics know of the connection */
    bool noted;                          /* the engine knows what it has shown */
    bool met;                            /* the demand was met, and the message begun */
    uint64_t content_at;                 /* how much of the content was given */
    bool without_waiver;                 /* TLS-Required fields are left out of it */
    int64_t data_deadline_ms;       /* clock_awake_ms; of the whole delivery; 0: no content yet */
    struct smtp_mail mail;          /* of the transaction; rcpt_count 0: there is none */
    struct smtp_rcpt *rcpts;        /* of the transaction; owned */
    size_t *numbers;                /* of its recipients: facts->rcpts[numbers[i]]; owned */
    struct agent_limits_wait *wait; /* for delivery_attempt_begin alone; borrowed */
    bool busy;                      /* failed: there was no room for a connection to the address */
    bool failed;                    /* at its end: `failure` tells why the address was left */
    struct outcome_attempt failure;
};

/* The first time zero-initialised, then as it was left; facts are borrowed until on_end or cancel.
 * `wait` is in the line for the target's address; NULL: it did not wait. True: on_end will be
 * called, from the event loop. False: `failure` tells why nothing was begun.
 */
bool delivery_attempt_begin(struct delivery_attempt *attempt,
                            const struct delivery_attempt_facts *facts,
                            const struct delivery_target *target, struct agent_limits_wait *wait);

/* Also when nothing is in progress, or never was. Frees what the attempt holds. */
void delivery_attempt_cancel(struct delivery_attempt *attempt);

#endif
