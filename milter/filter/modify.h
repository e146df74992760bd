/*
 * How an accepted message is changed at end-of-message so that the MTA does the rest: header
 * fields, the DSN request, quarantine (the route: routing.h). The MTA's side is in message_ops.
 */
#ifndef MILTER_FILTER_MODIFY_H
#define MILTER_FILTER_MODIFY_H

#include "decide/decide.h"
#include "filter/message.h"

/* What the message comes to. Strings are borrowed. */
struct modify_plan {
    const char *sender; /* as the MTA has it now, in brackets; NULL: empty */
    const char *envid;  /* NULL: none; so the next two */
    const char *auth;
    const char *by;
    enum request_ret ret;
    bool eight_bit, smtputf8; /* as the client said */
    bool null_sender;
    bool has_require_header; /* Require-TLS-ESMTP: yes is there already, as Postfix reads it */
    unsigned require_header; /* else the number of one that only we take for it; 0: none */
    unsigned route_headers;  /* forged routing header fields, to be removed */
    unsigned require_fields; /* Require-TLS-ESMTP fields, likewise */
    unsigned tls_required_fields;

    bool require;           /* some recipient's copy requires TLS */
    bool reinjects;         /* its route leads to a second smtpd of this host */
    const char *quarantine; /* why the message is to be held; NULL: it is not */
};

/* Takes in a recipient whose copy requires TLS. */
void modify_plan_require(struct modify_plan *plan, const struct decision *decision);

/* Whether the message has `Require-TLS-ESMTP: yes` once the changes are made, as Postfix reads it.
 */
bool modify_has_require_header(const struct modify_plan *plan, const struct config *config);

/* Makes the changes. Returns false when the MTA failed to take one. */
bool modify_apply(const struct modify_plan *plan, const struct config *config,
                  const struct message_ops *ops);

#endif
