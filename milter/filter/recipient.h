/*
 * One recipient of a message: where its mail goes, what its copy asks for, what is decided.
 * Part of message.c's business, on its own because most of it is about one recipient only.
 */
#ifndef MILTER_FILTER_RECIPIENT_H
#define MILTER_FILTER_RECIPIENT_H

#include "decide/decide.h"
#include "decide/envelope.h"
#include "filter/lookup_wait.h"

/* What is known of the message when a recipient is settled. */
struct recipient_context {
    const struct config *config;
    struct engine *engine;
    struct wait_limiter *limiter;
    const struct rules_facts *facts; /* of the message; the recipient's own are filled in here */
    const struct request_mail *mail;
    const struct request_header *header;
    bool believed; /* this client's Require-TLS-ESMTP counts */
    bool null_sender;
    bool mta_requiretls;     /* the MTA enforces REQUIRETLS of this message itself */
    bool mta_may_enforce;    /* the same where that is not certain */
    bool observed;           /* as if the message itself had asked for TLS, for observe.c */
    bool bound;              /* another recipient's copy requires TLS: none waives it */
    enum decide_probe probe; /* what the client's mail may cause */
};

/* How long settling may wait for lookups. */
struct recipient_wait_policy {
    enum {
        RECIPIENT_ASK,      /* start the lookup, do not wait */
        RECIPIENT_TRY,      /* wait until the deadline, then leave it open */
        RECIPIENT_CONCLUDE, /* wait until the deadline, then settle in any case */
    } mode;
    int64_t deadline_ms;
    wait_alive_fn alive;
    void *alive_arg;
};

struct recipient_outcome {
    struct decision decision;
    enum verdict_level level; /* asked for; the decision's may be lower */
    enum config_mixed mixed;
    enum config_fallback fallback;      /* that the delivery may use; none after one that was */
    bool require_offer;                 /* the next server must offer REQUIRETLS */
    char nexthop[NEXTHOP_TEXT_MAX + 1]; /* "" if there is none */
};

struct recipient {
    char *address;      /* without brackets, "" if malformed; its memory holds all strings */
    const char *shown;  /* the address for people: if malformed, what the client gave */
    const char *meant;  /* the address for rules, "" if malformed */
    const char *domain; /* NULL: none */
    const char *host;   /* the MTA's choice, NULL: not given */
    const char *mailer;
    const struct config_deliver_socket *agent; /* that host is our own delivery agent's; or NULL */
    const char *arg;                           /* as the MTA gave it */
    const char *taggable; /* the address in a form that takes a routing tag, or NULL */
    const char *notify;   /* parameters of RCPT, NULL: none */
    const char *orcpt;
    bool malformed; /* the address could not be parsed */
    bool settled;
    struct decide_asked asked;
    struct recipient_outcome *outcome; /* NULL until settled, and for request none */
    struct waiter *waiter;             /* for lookups that were begun, or NULL */
    int64_t waited_ms;

    /* By routing_decide(). */
    const struct config_route *route; /* the one it takes; NULL: none, or its settings need none */
    bool route_would_loop;            /* it has a route that the message has taken already */
};

/* What RCPT brings. Strings are borrowed for the call. */
struct recipient_args {
    const char *arg;                        /* as the MTA gives it */
    const struct envelope_address *address; /* parsed; NULL: it could not be */
    const char *meant;                      /* see mailbox_meant(), or NULL */
    const char *taggable;                   /* see mailbox_qualify(), or NULL */
    const char *host;                       /* the MTA's choice, or NULL */
    const char *mailer;
    const struct config_deliver_socket *agent; /* see agent_socket_find(), or NULL */
    struct request_rcpt params;
};

/* Returns 0 or -ENOMEM. */
int recipient_init(struct recipient *recipient, const struct recipient_args *args);
void recipient_fini(struct recipient *recipient);

/* The MTA's choice of next-hop, as envelope_nexthops() takes it; NULL: the recipient's domain. Of
 * mail for our own delivery agent that is where the agent sends it. */
const char *recipient_host(const struct recipient *recipient);

/*
 * Settles what can be settled with what is known. `settled` tells whether it is; asked what the
 * copy asks for as far as is known. Returns 0 or -ENOMEM.
 */
int recipient_settle(struct recipient *recipient, const struct recipient_context *context,
                     const struct recipient_wait_policy *wait_policy);

/* Whether a settled recipient's copy is refused or deferred. */
bool recipient_is_refused(const struct recipient *recipient);

#endif
