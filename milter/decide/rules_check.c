/*
 * Whether rules fit a route that leads through another listener of this host: a reinjected message
 * has lost some of what rules look at, and must match a rule with an exit route, or it is deferred
 * as a mail loop. The results are warnings.
 */
#include "decide/rules_check.h"

#include "config/config_report.h"
#include "config/config_rule.h"
#include "decide/rules_match.h"

/* Whether the rule gives mail of a listener the request: reinjected mail, for one. */
static bool requires_of_listener(const struct config_rule *rule)
{
    return rule->daemon.count > 0 && (rule->sets & (1u << CONFIG_SETTING_REQUEST)) != 0 &&
           rule->request == CONFIG_REQUEST_REQUIRE;
}

/* Whether the rule goes by what is known of a client that is not this host itself. */
static bool knows_client(const struct config_rule *rule)
{
    for (size_t i = 0; i < rule->client.count; i++) {
        if (rule->client.items[i].kind != CONFIG_PATTERN_LOCAL || rule->client.items[i].negated)
            return true;
    }
    return (rule->needs & (CONFIG_FACT_AUTHENTICATED | CONFIG_FACT_TLS)) != 0;
}

/* A reinjected message has neither its parameters nor its client any more. */
static void check_kept(const struct config *config, struct config_report *report)
{
    const unsigned kept = 1u << CONFIG_SETTING_REQUEST | 1u << CONFIG_SETTING_ROUTE |
                          1u << CONFIG_SETTING_OPTIONAL_ROUTE;
    const struct config_route *loop = NULL;
    bool required = false;

    for (size_t i = 0; i < config->route_count && loop == NULL; i++)
        loop = config_route_reinjects(&config->routes[i]) ? &config->routes[i] : NULL;
    for (size_t i = 0; i < config->rule_count && loop != NULL; i++) {
        const struct config_rule *rule = &config->rules[i];

        required = required || requires_of_listener(rule);
        if (rule->daemon.count == 0 && knows_client(rule) && (rule->sets & ~kept) != 0)
            config_report_at(
                report, CONFIG_REPORT_WARNING, rule->line,
                "[rule %s] looks at the client: that of a message reinjected by [route %.100s] "
                "is this host",
                rule->name, loop->name);
    }
    if (loop != NULL && !required && config->milter.add_header == CONFIG_ADD_HEADER_NO)
        config_report_at(
            report, CONFIG_REPORT_WARNING, 0,
            "a message reinjected by [route %.100s] no longer requires TLS: it takes a rule with "
            "`daemon` and `request = require`, or add_header",
            loop->name);
}

/* By the header alone Postfix 3.11 knows of reinjected mail that it is to say REQUIRETLS. */
static void check_told(const struct config *config, struct config_report *report)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (config_route_reinjects(route) && route->method == CONFIG_METHOD_HEADER &&
            (route->can & VERDICT_CAN_REQUIRETLS) != 0 &&
            config->milter.add_header == CONFIG_ADD_HEADER_NO)
            config_report_at(report, CONFIG_REPORT_WARNING, 0,
                             "[route %.100s] can `requiretls` by the header alone, which "
                             "`add_header = no` leaves out",
                             route->name);
    }
}

/* Mail that requires nothing is never held up for its route. */
static bool may_require(const struct config_rule *rule)
{
    return (rule->sets & (1u << CONFIG_SETTING_REQUEST)) == 0 ||
           rule->request == CONFIG_REQUEST_REQUIRE;
}

/* The name of the listener to whose mail the rule gives an exit route; NULL: to none. */
static const char *exit_route_daemon(const struct config_rule *rule)
{
    if (rule->route == NULL || config_route_reinjects(rule->route) || !may_require(rule))
        return NULL;
    for (size_t i = 0; i < rule->daemon.count; i++) {
        if (!rule->daemon.items[i].negated)
            return rule->daemon.items[i].text;
    }
    return NULL;
}

/* `out` gives mail of that listener an exit route; `rule` comes before it and reinjects it. */
static void report_order(struct config_report *report, const struct config_rule *rule,
                         const struct config_rule *out, const char *daemon)
{
    config_report_at(report, CONFIG_REPORT_WARNING, rule->route_line,
                     "route of [rule %s]: mail already reinjected to `daemon = %s` that matches "
                     "is reinjected once more, and deferred: put [rule %s], which gives it "
                     "an exit route, before it",
                     rule->name, daemon, out->name);
}

/*
 * The first rule with an exit route for a listener's mail must come before those that reinject
 * mail: the first that matches wins. Which listener reinjected mail comes to, and whether it asks
 * this milter at all, the MTA knows: --check-setup asks it. So this is a warning.
 */
static void check_order(const struct config *config, struct config_report *report)
{
    const char *daemon = NULL;
    size_t out = 0;

    while (out < config->rule_count && (daemon = exit_route_daemon(&config->rules[out])) == NULL)
        out++;
    for (size_t i = 0; daemon != NULL && i < out; i++) {
        const struct config_rule *rule = &config->rules[i];
        enum rules_match match = rules_match_returned(rule, daemon);

        if (rule->route == NULL || match == RULES_MATCH_NO || !may_require(rule))
            continue;
        if (config_route_reinjects(rule->route))
            report_order(report, rule, &config->rules[out], daemon);
        else if (match == RULES_MATCH_YES)
            return; /* out by what it is known by besides the listener */
    }
}

void rules_check(const struct config *config, config_report_fn on_warning, void *arg)
{
    struct config_report report = {.path = config->path, .on_warning = on_warning, .arg = arg};

    check_kept(config, &report);
    check_told(config, &report);
    check_order(config, &report);
}
