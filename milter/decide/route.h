/*
 * How an accepted message gets onto the transports that its recipients' copies need: by one routing
 * header field for all of them, or by marked recipients. Pure: no I/O.
 *
 * A routing header field (for Postfix's FILTER) takes every recipient along, to the transport and,
 * unless it names one, to the domain of each; so it serves only when all recipients want the same
 * route, leave this host by SMTP, and go to one and the same next-hop or each to its own domain.
 */
#ifndef MILTER_DECIDE_ROUTE_H
#define MILTER_DECIDE_ROUTE_H

#include "config/config.h"
#include "policy/nexthop.h"

#include <stdbool.h>
#include <stddef.h>

/* One recipient, as far as routing goes. Strings are borrowed. */
struct route_recipient {
    const char *address;              /* without brackets */
    const char *domain;               /* in address, NULL: none */
    const char *nexthop;              /* where the MTA sends it, NULL: to the domain */
    const struct config_route *route; /* NULL or of method none: none */
    bool can_be_tagged;               /* its address is of a form that takes a tag */
    bool local;                       /* not by SMTP */
    bool must;                        /* without the route, what was promised would not hold */
};

enum route_action {
    ROUTE_NOTHING,
    ROUTE_HEADER,         /* one field for all */
    ROUTE_RECIPIENTS,     /* those with a tag are changed */
    ROUTE_REFUSE,         /* what the recipients need cannot be had together */
    ROUTE_REFUSE_ADDRESS, /* one that must be tagged cannot be */
};

enum { ROUTE_HEADER_MAX = 64 + 1 + NEXTHOP_TEXT_MAX };

struct route_plan {
    enum route_action action;
    const struct config_route *route;  /* of ROUTE_HEADER */
    char header[ROUTE_HEADER_MAX + 1]; /* its value: the route's name, then a next-hop if need be */
};

void route_choose(const struct route_recipient *recipients, size_t count, struct route_plan *out);

/* With ROUTE_RECIPIENTS: the tag that this one gets, or NULL. */
const char *route_tag(const struct route_recipient *recipient);

/*
 * The parameters of the marked recipient (RFC 3461 sections 4.1 and 4.2): the client's own, or an
 * ORCPT that names the address as it was. notify and orcpt may be NULL; out_len of ROUTE_PARAMS_MAX
 * + 1 suffices. Returns out.
 */
enum { ROUTE_PARAMS_MAX = 1200 };
const char *route_params(const char *address, const char *notify, const char *orcpt, char *out,
                         size_t out_len);

#endif
