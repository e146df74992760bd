/*
 * Parts of the check of routes in Postfix: what the service that a route leads to can do. Pure.
 * Each adds a finding if it is not what the route needs.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_ROUTE_H
#define MILTER_SETUP_POSTFIX_POSTFIX_ROUTE_H

#include "setup/postfix/postfix.h"

/* The transport of an exit route, against what the route is used for. */
void setup_route_transport(const struct setup_postfix *postfix, const struct config_route *route,
                           const struct postconf_service *transport, struct setup_report *report);

/* The transport of a route to the delivery agent, and the socket that it is given. */
void setup_route_agent(const struct setup_postfix *postfix, const struct config_route *route,
                       const struct postconf_service *transport, const char *nexthop,
                       struct setup_report *report);

/* Whether a route without `agent = yes` leads by lmtp(8) to a socket, as the agent has one; if so,
 * says it. */
bool setup_route_no_agent(const struct config_route *route,
                          const struct postconf_service *transport, const char *nexthop,
                          struct setup_report *report);

/* A route of method none: Postfix's ordinary transports. */
void setup_route_native(const struct setup_postfix *postfix, const struct config_route *route,
                        struct setup_report *report);

/* A route of any method that `can = requiretls`: whether this Postfix knows REQUIRETLS. */
void setup_route_requiretls(const struct setup_postfix *postfix, const struct config_route *route,
                            struct setup_report *report);

/* A route with `local = reinject`: another smtpd of this host. */
void setup_route_reinjection(const struct setup_postfix *postfix, const struct config_route *route,
                             const struct postconf_service *transport, const char *nexthop,
                             struct setup_report *report);

#endif
