/*
 * What one rule, or [default], cannot bring about: settings that its route, the maps or the MTA
 * know nothing of. All of it is allowed, and a warning; only what contradicts itself is an error.
 */
#include "config/config_check_rule.h"

#include "config/config_check_deliver.h"
#include "config/config_rule.h"
#include "config/tls_policy.h"
#include "config/tls_policy_parse.h"

#include <stdio.h>

static bool any_route_falls_back(const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].can & VERDICT_CAN_FALLBACK)
            return true;
    return false;
}

/* Whether the delivery agent goes by the rules itself: no ticket tells it what they come to. */
static bool agent_has_rules(const struct config *config)
{
    for (size_t i = 0; i < config->deliver.socket_count; i++)
        if (!config->deliver.sockets[i].tickets)
            return true;
    return false;
}

/* Whether no mail comes but to sockets of the agent where the ticket says what is demanded: rules
 * that say so are the filter's, which writes it. */
static bool tickets_decide(const struct config *config)
{
    return config->milter.socket == NULL && config->deliver.socket_count > 0 &&
           !agent_has_rules(config);
}

/* What a ticket says, and a rule here cannot. */
static void check_beside_tickets(struct config_check *c, const struct config_rule *rule)
{
    static const struct {
        enum config_setting setting;
        const char *name;
    } said[] = {
        {CONFIG_SETTING_REQUEST, "request"},
        {CONFIG_SETTING_LEVEL, "level"},
        {CONFIG_SETTING_FALLBACK, "fallback"},
        {CONFIG_SETTING_REQUIRE_OFFER, "require_offer"},
    };
    char section[120] = "[default]";

    if (rule->name != NULL)
        snprintf(section, sizeof(section), "[rule %.100s]", rule->name);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
        if ((rule->sets & (1u << said[i].setting)) != 0)
            config_report_at(c->report, CONFIG_REPORT_WARNING, rule->line,
                             "%s of %s has no effect on sockets with tickets = yes, and there are "
                             "no others: the ticket decides, as the filter's configuration says",
                             said[i].name, section);
}

static void check_fallback(struct config_check *c, const struct config_rule *rule)
{
    const struct config_route *route = rule->route;

    if ((rule->sets & (1u << CONFIG_SETTING_FALLBACK)) == 0 ||
        rule->fallback == CONFIG_FALLBACK_NONE || agent_has_rules(c->config))
        return;
    if (route != NULL ? (route->can & VERDICT_CAN_FALLBACK) == 0 : !any_route_falls_back(c->config))
        config_report_at(c->report, CONFIG_REPORT_WARNING, rule->line,
                         "fallback has no effect: %s can carry mail at a lower level; see `can` of "
                         "[route]",
                         route != NULL ? "the route named here does not say it"
                                       : "no route says it");
}

static bool beyond_nexthop(const struct config_rule *rule)
{
    return (rule->needs & ~(unsigned)CONFIG_FACT_RECIPIENT) != 0 || rule->recipient.count > 0 ||
           rule->mailer.count > 0;
}

/*
 * Postfix's smtp_requiretls_policy knows nothing but the next-hop: a level that a rule gives for
 * any other reason reaches it only through a route of its own.
 */
static void check_level(struct config_check *c, const struct config_rule *rule)
{
    const struct config_route *route = rule->route;

    if ((rule->sets & (1u << CONFIG_SETTING_LEVEL)) == 0 || !beyond_nexthop(rule) ||
        agent_has_rules(c->config))
        return;
    if (route == NULL)
        route = c->config->defaults->route;
    if (rule->level == VERDICT_LEVEL_DISABLE && route != NULL &&
        route->method != CONFIG_METHOD_NONE)
        config_report_at(c->report, CONFIG_REPORT_WARNING, rule->line,
                         "level = disable of [rule %s] depends on more than the next-hop, and "
                         "takes no route: Postfix 3.11 enforces what comes with REQUIRETLS all "
                         "the same",
                         rule->name);
    if (route == NULL || route->method == CONFIG_METHOD_NONE)
        config_report_at(
            c->report, CONFIG_REPORT_WARNING, rule->line,
            "the level of [rule %s] depends on more than the next-hop: at delivery the MTA "
            "learns of it only through a route with a method",
            rule->name);
}

/* What the delivery agent cannot do, it does not do by halves. */
static void check_policy_of_agent(struct config_check *c, const struct config_rule *rule)
{
    struct tls_policy policy;
    const char *wrong = tls_policy_parse(rule->tls_policy, &policy);

    if (c->config->deliver.socket_count > 0 && wrong != NULL)
        config_report_at(c->report, CONFIG_REPORT_WARNING, rule->line,
                         "the delivery agent defers what falls under the tls_policy of [rule %s]: "
                         "%s",
                         rule->name, wrong);
}

static void check_tls_policy(struct config_check *c, const struct config_rule *rule)
{
    if ((rule->sets & (1u << CONFIG_SETTING_TLS_POLICY)) == 0 || rule->tls_policy == NULL)
        return;
    check_policy_of_agent(c, rule);
    if (beyond_nexthop(rule) && c->config->deliver.socket_count == 0)
        config_report_at(
            c->report, CONFIG_REPORT_WARNING, rule->line,
            "the tls_policy of [rule %s] depends on more than the next-hop: the maps that the "
            "MTA asks at delivery do not know it",
            rule->name);
    if (tls_policy_kind(rule->tls_policy) == TLS_POLICY_SKIP ||
        tls_policy_authenticates(rule->tls_policy))
        return;
    if ((rule->sets & (1u << CONFIG_SETTING_LEVEL)) == 0 || rule->level == VERDICT_LEVEL_ENFORCE)
        config_report_at(
            c->report, CONFIG_REPORT_WARNING, rule->line,
            "the tls_policy of [rule %s] authenticates nobody: it never satisfies the level "
            "enforce",
            rule->name);
}

static bool any_route_offers(const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].can_follows_mta || (config->routes[i].can & VERDICT_CAN_REQUIRETLS))
            return true;
    return false;
}

/* What require_offer cannot bring about on the route of the rule, or with none there is. */
static void check_offer(struct config_check *c, const struct config_rule *rule)
{
    const struct config_route *route =
        rule->route != NULL ? rule->route : c->config->defaults->route;

    if (agent_has_rules(c->config))
        return;
    if (route == NULL)
        route = &c->config->routes[0];
    if (rule->require_offer == CONFIG_OFFER_NO && !config_has_agent_route(c->config) &&
        (rule->sets & (1u << CONFIG_SETTING_REQUIRE_OFFER)) != 0 &&
        (route->can_follows_mta || (route->can & VERDICT_CAN_REQUIRETLS) != 0))
        config_report_at(c->report, CONFIG_REPORT_WARNING, rule->line,
                         "require_offer = no has no effect on [route %s]: Postfix 3.11 and later "
                         "sends what requires TLS to no server that does not offer REQUIRETLS, "
                         "and cannot be told otherwise",
                         route->name);
    if (rule->require_offer == CONFIG_OFFER_YES && !any_route_offers(c->config))
        config_report_at(c->report, CONFIG_REPORT_WARNING, rule->line,
                         "require_offer = yes: no route can requiretls, so all mail that requires "
                         "TLS at level enforce is refused");
}

/* The delivery agent evaluates them, and what it does not know matches nothing. */
static void check_sending(struct config_check *c, const struct config_rule *rule)
{
    const unsigned set =
        rule->sets & (1u << CONFIG_SETTING_HELO_NAME | 1u << CONFIG_SETTING_SOURCE);
    const unsigned known = CONFIG_FACT_SENDER | CONFIG_FACT_RECIPIENT;
    char section[120] = "[default]";

    if (rule->name != NULL)
        snprintf(section, sizeof(section), "[rule %.100s]", rule->name);
    config_check_sources(c, &rule->source, rule->line, section);
    if (set != 0 && ((rule->needs & ~known) != 0 || rule->mailer.count > 0))
        config_report_at(c->report, CONFIG_REPORT_ERROR, rule->line,
                         "%s: with helo_name and source only sender, recipient and nexthop can be "
                         "matched: the delivery agent knows nothing else",
                         section);
}

void config_check_rule(struct config_check *c, const struct config_rule *rule)
{
    bool beside_tickets = tickets_decide(c->config);

    check_sending(c, rule);
    if (beside_tickets) {
        check_beside_tickets(c, rule);
    } else {
        check_fallback(c, rule);
        check_offer(c, rule);
    }
    if (rule->name == NULL)
        return;
    if (!beside_tickets)
        check_level(c, rule);
    check_tls_policy(c, rule);
    if (rule->sets == 0)
        config_report_at(c->report, CONFIG_REPORT_WARNING, rule->line, "[rule %s] sets nothing",
                         rule->name);
    if (rule->authenticated != CONFIG_ANY && rule->login.count > 0)
        config_report_at(c->report, CONFIG_REPORT_ERROR, rule->line,
                         "[rule %s]: authenticated takes yes, no or login names, not both",
                         rule->name);
}
