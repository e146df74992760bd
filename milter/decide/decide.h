/*
 * From settings and findings to what is done with one recipient. Pure: no I/O.
 * RFC 8689 sections 4.2.1 and 4.2.2.
 */
#ifndef MILTER_DECIDE_DECIDE_H
#define MILTER_DECIDE_DECIDE_H

#include "config/config.h"
#include "decide/reply.h"
#include "decide/request.h"
#include "decide/rules.h"
#include "policy/findings.h"
#include "policy/verdict.h"

#include <stdbool.h>

/* What one recipient's copy asks for. */
enum decide_request { DECIDE_REQUEST_NONE, DECIDE_REQUEST_OPTIONAL, DECIDE_REQUEST_REQUIRE };

/* Who asked for it: the sender by the message, or this host by a rule. */
enum decide_asker { DECIDE_ASKED_BY_SENDER, DECIDE_ASKED_BY_RULE };

struct decide_asked {
    enum decide_request request;
    enum decide_asker asker;
    bool observe; /* with DECIDE_REQUEST_NONE: a rule wants to know what would be if it asked */
};

/*
 * Combines what the message says with what the rules say. `believed` tells whether this client's
 * Require-TLS-ESMTP counts. REQUIRETLS beats TLS-Required (RFC 8689 section 4.1); the rule's
 * `ignore` beats both.
 */
struct decide_asked decide_request(const struct request_mail *mail,
                                   const struct request_header *header, bool believed,
                                   enum config_request rule);

enum decide_action {
    DECIDE_ACCEPT,
    DECIDE_REJECT,
    DECIDE_TEMPFAIL,
    DECIDE_QUARANTINE, /* accept, and have the MTA hold the message */
    DECIDE_LOG,        /* accept what could not be satisfied, for on_... = log */
};

/* Why there are no findings. */
enum decide_missing {
    DECIDE_MISSING_TIME, /* the lookup took too long */
    DECIDE_MISSING_BUSY, /* too many wait already */
    DECIDE_MISSING_STOP, /* this daemon is shutting down */
    DECIDE_MISSING_MTA,  /* the MTA has gone */
    DECIDE_MISSING_ENGINE,
};

/* What may be known of how the servers of a next-hop behave, beside what DNS says of them. */
enum decide_probe {
    DECIDE_PROBE_NO,    /* nothing */
    DECIDE_PROBE_KNOWN, /* what is known already */
    DECIDE_PROBE_LOOK,  /* they may be connected to */
};

/* For mail of this client, by [probe] enable. */
enum decide_probe decide_client_probe(const struct config *config, bool authenticated,
                                      bool trusted);

struct decide_input {
    const struct rules_settings *settings;
    const struct verdict_terms *terms; /* level, require_offer and can are set by decide_terms */
    const struct nexthop *nexthop;     /* NULL: the recipient has none (no domain name) */
    const struct findings *findings;   /* NULL: none needed, or `missing` says why */
    enum decide_missing missing;
    bool null_sender;
    bool mta_requiretls;  /* the MTA enforces it of this message itself, as Postfix 3.11 */
    bool mta_may_enforce; /* the same where that is not certain */
    bool agent;           /* the MTA leads it to the delivery agent, with a ticket, by no route */
    enum decide_asker asker;
    enum decide_probe probe; /* for mail of the client */
};

enum { DECIDE_REASON_MAX = 400 };

struct decision {
    enum decide_action action;
    enum verdict_value verdict; /* at the level of the settings */
    enum verdict_reason reason_code;
    enum verdict_level level; /* in force: lower than that of the settings after a fallback */
    bool fell_back;
    bool exempt;                      /* by tls_policy = skip: nothing is demanded of it */
    const struct config_route *route; /* NULL: not routed */
    bool local;                       /* it stays on this host, by its mailer */
    bool null_sender;                 /* nothing is demanded of its delivery, nor may be */
    const char *findings;             /* for the log: a summary's name, `policy`, `-` */
    char expect[64];                  /* what the MTA will log of the delivery, "" if unknown */
    char reason[DECIDE_REASON_MAX];   /* a clause for people, "" if there is nothing to say */
    int code;                         /* of the reply when rejected or deferred, else 0 */
    const char *status;               /* enhanced status code of it */
};

/* Whether a verdict under these settings needs findings at all. */
bool decide_needs_findings(const struct decide_input *in);

/*
 * Whether a probe could change the verdict, and whether one may be made for it: at level enforce
 * for findings that satisfy, on a route that passes REQUIRETLS on. At opportunistic+starttls, where
 * no findings are needed, what is known already of servers without STARTTLS matters. in->findings
 * have no probes yet.
 */
enum decide_probe decide_probe(const struct decide_input *in);

/* The terms that the engine is to be asked under: level, require_offer, and what the route can and
 * demands. */
void decide_terms(const struct decide_input *in, struct verdict_terms *out);

/* Decides for a recipient whose copy requires TLS. Never fails. */
void decide_require(const struct decide_input *in, struct decision *out);

/* Decides for a recipient whose copy waives TLS: always accepted (RFC 8689 section 4.2.2). */
void decide_optional(const struct decide_input *in, struct decision *out);

/* The reply to a recipient that was not accepted; address as the client gave it. */
void decide_reply(const struct decision *decision, const char *address, enum decide_asker asker,
                  struct reply *out);

bool decide_is_refusal(const struct decision *decision); /* rejected or deferred */

/* How the sentence of a reply begins: who wants what cannot be had. */
const char *decide_lead(enum decide_asker asker);

/* A clause for a tls_policy that authenticates nobody; `nexthop` NULL: not known. Returns out. */
const char *decide_explain_policy(const char *tls_policy, const char *nexthop, char *out,
                                  size_t out_size);

const char *decide_action_name(enum decide_action action);
const char *decide_request_name(enum decide_request request);

#endif
