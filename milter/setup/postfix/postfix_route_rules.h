/*
 * Which mail the rules of the configuration put on a route. Pure.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_ROUTE_RULES_H
#define MILTER_SETUP_POSTFIX_POSTFIX_ROUTE_RULES_H

#include "config/config.h"

/* Whether the rules send mail on it that requires TLS, or with `optional` such as waives it. */
bool setup_route_carries(const struct config *config, const struct config_route *route,
                         bool optional);

/* Whether a rule for the smtpd of that {daemon_name} gives its mail an exit route, and none before
 * it reinjects it once more. */
bool setup_route_goes_on(const struct config *config, const char *daemon);

#endif
