/*
 * rules_check: whether rules fit a route that leads through another listener of this host: a
 * reinjected message has lost some of what rules look at, and must match a rule with an exit route,
 * or it is deferred as a mail loop. The results are warnings.
 * rules_check_enforced: whether what rules ask for is enforced when the message leaves. Errors, and
 * warnings where other rules may have it that nothing need be.
 */
#include "decide/rules_check.h"

#include "config/config_report.h"
#include "config/config_rule.h"
#include "decide/rules_cover.h"
#include "decide/rules_match.h"
#include "decide/terms.h"

#include <errno.h>

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

/* The first route that does; NULL: none. */
static const struct config_route *reinjecting_route(const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++) {
        if (config_route_reinjects(&config->routes[i]))
            return &config->routes[i];
    }
    return NULL;
}

/* A reinjected message has neither its parameters nor its client any more. */
static void check_kept(const struct config *config, struct config_report *report)
{
    const unsigned kept = 1u << CONFIG_SETTING_REQUEST | 1u << CONFIG_SETTING_ROUTE |
                          1u << CONFIG_SETTING_OPTIONAL_ROUTE;
    const struct config_route *loop = reinjecting_route(config);
    bool required = false;

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

/* By the header alone Postfix 3.11 knows of reinjected mail that it is to say REQUIRETLS; the agent
 * knows it from the ticket. */
static void check_told(const struct config *config, struct config_report *report)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (config_route_reinjects(route) && route->method == CONFIG_METHOD_HEADER &&
            (route->can & VERDICT_CAN_REQUIRETLS) != 0 && !config_has_agent_route(config) &&
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

/* Whether the delivery agent alone goes by the rules: what there is of mail comes by its sockets.
 */
static bool is_agent_alone(const struct config *config)
{
    return config->milter.socket == NULL && config->deliver.socket_count > 0;
}

/* The first socket of the agent whose mail is treated by the rules, as it has no tickets. */
static const char *socket_without_tickets(const struct config *config)
{
    for (size_t i = 0; i < config->deliver.socket_count; i++)
        if (!config->deliver.sockets[i].tickets)
            return config->deliver.sockets[i].name;
    return NULL;
}

/* The agent knows sender, recipient and next-hop; what it does not know matches nothing. */
static void check_known(const struct config *config, struct config_report *report)
{
    const unsigned known = CONFIG_FACT_SENDER | CONFIG_FACT_RECIPIENT;
    const unsigned agents = 1u << CONFIG_SETTING_REQUEST | 1u << CONFIG_SETTING_LEVEL |
                            1u << CONFIG_SETTING_FALLBACK | 1u << CONFIG_SETTING_REQUIRE_OFFER |
                            1u << CONFIG_SETTING_TLS_POLICY;
    const char *open = socket_without_tickets(config);

    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        if ((rule->needs & ~known) == 0 && rule->mailer.count == 0)
            continue;
        if (is_agent_alone(config))
            config_report_at(report, CONFIG_REPORT_WARNING, rule->line,
                             "[rule %s] never matches: there is no milter, and the delivery agent "
                             "knows sender, recipient and next-hop, nothing else",
                             rule->name);
        else if (open != NULL && (rule->sets & agents) != 0)
            config_report_at(report, CONFIG_REPORT_WARNING, rule->line,
                             "[rule %s] does not hold for mail of [deliver %s], which has no "
                             "tickets: the delivery agent knows sender, recipient and next-hop, "
                             "nothing else",
                             rule->name, open);
    }
}

void rules_check(const struct config *config, config_report_fn on_warning, void *arg)
{
    struct config_report report = {.path = config->path, .on_warning = on_warning, .arg = arg};

    check_kept(config, &report);
    check_told(config, &report);
    check_order(config, &report);
    check_known(config, &report);
}

/* --- rules_check_enforced -------------------------------------------------------------------- */

/* Whether what leaves by the route is held at delivery to what a rule asks for. Postfix 3.11 by
 * itself (`native`) only knows what the client asked for. */
static bool route_enforces(const struct config_route *route)
{
    return config_route_asks_enforce(route) || (route->can & VERDICT_CAN_REQUIRETLS) != 0;
}

/* Whether a rule from the first up to `end` gives mail a route that enforces. Not one for the mail
 * of a listener, unless the rule that asks is for such mail as well. */
static bool any_enforces(const struct config *config, size_t end, bool of_listener)
{
    for (size_t i = 0; i < end; i++) {
        const struct config_rule *rule = &config->rules[i];

        if (rule->route != NULL && route_enforces(rule->route) &&
            (of_listener || rule->daemon.count == 0))
            return true;
    }
    return false;
}

/* Whether there is mail of a rule that must be enforced at delivery. */
enum demand { DEMAND_NONE, DEMAND_MAYBE, DEMAND_CERTAIN };

/* Of what a rule sets: whether it leaves the mail to be enforced by a route. */
typedef bool (*demands_fn)(const struct config_rule *setter);

static bool level_demands(const struct config_rule *setter)
{
    return setter->level == VERDICT_LEVEL_ENFORCE;
}

/* The maps answer a TLS policy as it stands, if they know of it. */
static bool policy_demands(const struct config_rule *setter)
{
    return !terms_is_exempt(setter->tls_policy) && !rules_is_by_nexthop(setter);
}

/* The mail of `rule` goes by the setting of the first rule that matches it: one that covers it, or,
 * for some, one before that. `otherwise`: what holds if none sets it, nor [default]. */
static enum demand demand_of(const struct config *config, const struct config_rule *rule,
                             enum config_setting setting, demands_fn demands, bool otherwise)
{
    enum rules_cover cover = RULES_COVER_NONE;
    bool demanded = false, lowered = false; /* for some at least, or perhaps */

    for (size_t i = 0; i < config->rule_count && cover != RULES_COVER_ALL; i++) {
        const struct config_rule *setter = &config->rules[i];

        cover = RULES_COVER_NONE;
        if ((setter->sets & (1u << setting)) != 0)
            cover = rules_cover(setter, rule);
        if (cover == RULES_COVER_NONE)
            continue;
        if (demands(setter))
            demanded = true;
        else if (cover != RULES_COVER_PART) /* which leaves some for the rules below */
            lowered = true;
    }
    if (cover != RULES_COVER_ALL) {
        if ((config->defaults->sets & (1u << setting)) != 0)
            otherwise = demands(config->defaults);
        demanded = demanded || otherwise;
        lowered = lowered || !otherwise;
    }
    return !demanded ? DEMAND_NONE : lowered ? DEMAND_MAYBE : DEMAND_CERTAIN;
}

/* Of a rule with at most one next-hop. */
static enum demand demand_of_part(const struct config *config, const struct config_rule *part)
{
    bool own = part->nexthop.count == 1 && rules_is_own_nexthop(config, &part->nexthop.items[0]);
    enum demand by_level = demand_of(config, part, CONFIG_SETTING_LEVEL, level_demands, !own);
    enum demand by_policy =
        demand_of(config, part, CONFIG_SETTING_TLS_POLICY, policy_demands, true);

    return by_level < by_policy ? by_level : by_policy;
}

static bool is_required(const struct config_rule *rule)
{
    return (rule->sets & (1u << CONFIG_SETTING_REQUEST)) != 0 &&
           rule->request == CONFIG_REQUEST_REQUIRE;
}

/* Whether a rule before it has another request for all its mail. */
static bool is_overridden(const struct config *config, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        const struct config_rule *before = &config->rules[i];

        if ((before->sets & (1u << CONFIG_SETTING_REQUEST)) != 0 && !is_required(before) &&
            rules_cover(before, &config->rules[index]) == RULES_COVER_ALL)
            return true;
    }
    return false;
}

/* The most of all its next-hops: each may be in another rule as well. */
static enum demand demand_of_rule(const struct config *config, size_t index)
{
    const struct config_rule *rule = &config->rules[index];
    enum demand most = DEMAND_NONE;
    bool listed = rule->nexthop.count > 1;

    if (!is_required(rule) || is_overridden(config, index))
        return DEMAND_NONE;
    for (size_t i = 0; i < rule->nexthop.count; i++)
        listed = listed && !rule->nexthop.items[i].negated;
    if (!listed)
        return demand_of_part(config, rule);
    for (size_t i = 0; i < rule->nexthop.count; i++) {
        struct config_rule part = *rule;
        enum demand demand;

        part.nexthop = (struct config_patterns){.items = &rule->nexthop.items[i], .count = 1};
        demand = demand_of_part(config, &part);
        if (demand > most)
            most = demand;
    }
    return most;
}

/* The route that is certain to be taken though it does not enforce; NULL: another may be. */
static const struct config_route *unenforced_route(const struct config *config, size_t index)
{
    const struct config_rule *rule = &config->rules[index];
    const struct config_route *route = rule->route;
    bool of_listener = rule->daemon.count > 0;

    if (route == NULL)
        route = config->defaults->route;
    if (route == NULL)
        route = &config->routes[0]; /* native */
    if (route_enforces(route) ||
        any_enforces(config, rule->route != NULL ? index : config->rule_count, of_listener))
        return NULL;
    return route;
}

bool rules_check_knows_reinjected(const struct config *config, const struct config_rule *rule)
{
    return rule->daemon.count > 0 && config->milter.add_header != CONFIG_ADD_HEADER_NO &&
           reinjecting_route(config) != NULL;
}

static void check_rule(const struct config *config, size_t index, struct config_report *report)
{
    const struct config_rule *rule = &config->rules[index];
    const struct config_route *route = unenforced_route(config, index);
    enum demand demand = route != NULL ? demand_of_rule(config, index) : DEMAND_NONE;
    const char *unless = "";

    if (demand == DEMAND_NONE || is_agent_alone(config)) /* which takes no routes */
        return;
    if (route->method == CONFIG_METHOD_NONE && rules_check_knows_reinjected(config, rule))
        unless = ", unless the MTA goes by the header of reinjected mail";
    else if (demand == DEMAND_MAYBE)
        unless = ", where no other rule lowers the level";
    config_report_at(report, unless[0] == '\0' ? CONFIG_REPORT_ERROR : CONFIG_REPORT_WARNING,
                     rule->route != NULL ? rule->route_line : rule->line,
                     "request = require of [rule %s]: [route %.100s] does not enforce it when the "
                     "message leaves%s; give the rule a `route` with a method, as in the MTA's "
                     "sample configuration, or a `level` below enforce",
                     rule->name, route->name, unless);
}

int rules_check_enforced(const struct config *config, config_report_fn on_error,
                         config_report_fn on_warning, void *arg)
{
    struct config_report report = {
        .path = config->path, .on_error = on_error, .on_warning = on_warning, .arg = arg};

    for (size_t i = 0; i < config->rule_count; i++)
        check_rule(config, i, &report);
    return report.errors > 0 ? -EINVAL : 0;
}

int rules_check_enforced_rule(const struct config *config, size_t index, config_report_fn on_error,
                              config_report_fn on_warning, void *arg)
{
    struct config_report report = {
        .path = config->path, .on_error = on_error, .on_warning = on_warning, .arg = arg};

    check_rule(config, index, &report);
    return report.errors > 0 ? -EINVAL : 0;
}
