/*
 * Which mail the rules of the configuration put on a route. Pure: the configuration alone.
 */
#include "setup/postfix/postfix_route_rules.h"

#include "config/config_rule.h"
#include "decide/rules_match.h"

bool setup_route_carries(const struct config *config, const struct config_route *route,
                         bool optional)
{
    const struct config_route *by_default =
        optional ? config->defaults->optional_route : config->defaults->route;

    if (by_default == NULL)
        by_default = &config->routes[0]; /* native */
    if (by_default == route)
        return true;
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        if ((optional ? rule->optional_route : rule->route) == route)
            return true;
    }
    return false;
}

bool setup_route_goes_on(const struct config *config, const char *daemon)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        /* The first rule wins: this one would send it there again. */
        if (rule->route != NULL && config_route_reinjects(rule->route) &&
            rules_match_returned(rule, daemon) != RULES_MATCH_NO)
            return false;
        if (!rules_names_daemon(rule, daemon))
            continue;
        if ((rule->route != NULL && !config_route_reinjects(rule->route)) ||
            (rule->optional_route != NULL && !config_route_reinjects(rule->optional_route)))
            return true;
    }
    return false;
}
