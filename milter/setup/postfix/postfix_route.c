/*
 * A route's transport against what the route is for: what its parameters can enforce must be what
 * `can` promises, and mail of a lower level must not be held to a higher one. Pure.
 */
#include "setup/postfix/postfix_route.h"
#include "setup/postfix/postfix_checks.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_route_rules.h"

#include "config/config_rule.h"
#include "policy/verdict.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const enforce_map[] = {"enforce", NULL};
static const char *const query_maps[] = {
    "QUERY", "QUERYwithTLSRPT", "postfix", "opportunistic+starttls", "opportunistic", NULL};

#define POLICY_MAPS "smtp_tls_policy_maps"

static bool asks(const struct setup_postfix *postfix, const struct postconf_service *service,
                 const char *const *maps)
{
    return setup_postfix_names_us(postfix, service, POLICY_MAPS, SETUP_SOCKETMAP, maps, NULL);
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* What a transport can enforce: VERDICT_CAN_... */
static unsigned able(const struct setup_postfix *postfix, const struct postconf_service *service)
{
    const char *level = postconf_get(&postfix->conf, service, "smtp_tls_security_level");

    if (asks(postfix, service, enforce_map))
        return VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI;
    unsigned can = asks(postfix, service, query_maps)
                       ? VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_FALLBACK
                       : 0;
    if (postconf_get(&postfix->conf, service, POLICY_MAPS)[0] != '\0')
        can |= VERDICT_CAN_STS; /* another program's policy, which is not ours to judge */
    if (is_one_of(level, "dane", "dane-only"))
        can |= VERDICT_CAN_DANE;
    if (is_one_of(level, "secure", "verify"))
        can |= VERDICT_CAN_WEB_PKI;
    if (is_one_of(level, "may", "encrypt") || strcmp(level, "dane") == 0)
        can |= VERDICT_CAN_FALLBACK;
    return can;
}

static void check_can(const struct setup_postfix *postfix, const struct config_route *route,
                      const struct postconf_service *transport, struct setup_report *report)
{
    static const struct {
        unsigned bit;
        const char *word;
        const char *remedy;
    } abilities[] = {
        {VERDICT_CAN_DANE, "dane", "smtp_tls_security_level = dane, or the map enforce"},
        {VERDICT_CAN_STS, "sts", "smtp_tls_policy_maps with the map QUERY or enforce"},
        {VERDICT_CAN_WEB_PKI, "web_pki", "smtp_tls_policy_maps with the map enforce"},
        {VERDICT_CAN_FALLBACK, "fallback",
         "in [route] a `starttls` that leads to a transport without authentication"},
    };
    unsigned can = able(postfix, transport);

    if (route->starttls != NULL || route->opportunistic != NULL)
        can |= VERDICT_CAN_FALLBACK; /* by those routes, which are looked at for themselves */
    for (size_t i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++) {
        if ((route->can & abilities[i].bit) == 0 || (can & abilities[i].bit) != 0)
            continue;
        setup_add(
            report, SETUP_ERROR, "route-can",
            "[route %s] can %s, but the transport %s cannot: what the filter accepts for that "
            "is not enforced",
            route->name, abilities[i].word, transport->id);
        setup_remedy(report, "give it %s; or leave `%s` out of `can` in [route %s]",
                     abilities[i].remedy, abilities[i].word, route->name);
    }
}

void setup_route_requiretls(const struct setup_postfix *postfix, const struct config_route *route,
                            struct setup_report *report)
{
    int version = postfix->conf.version;

    if ((route->can & VERDICT_CAN_REQUIRETLS) == 0 || version >= POSTCONF_REQUIRETLS ||
        route->agent || (config_route_reinjects(route) && config_has_agent_route(postfix->config)))
        return;
    setup_add(report, SETUP_ERROR, "route-can",
              "[route %s] can requiretls, but Postfix %d.%d cannot pass REQUIRETLS on: "
              "`require_offer` is not kept",
              route->name, version / 100, version % 100);
    setup_remedy(report, "leave `requiretls` out of `can` in [route %s]", route->name);
}

/* Postfix 3.11 says REQUIRETLS whenever the message has it, and looks whether it is offered where
 * its own policy is `enforce`. */
static void check_requiretls(const struct setup_postfix *postfix, const struct config_route *route,
                             const struct postconf_service *transport, struct setup_report *report)
{
    static const char name[] = "smtp_requiretls_policy";
    const char *policy = postconf_get(&postfix->conf, transport, name);

    if ((route->can & VERDICT_CAN_REQUIRETLS) == 0 || postfix->conf.version < POSTCONF_REQUIRETLS ||
        (strncmp(policy, "disable", 7) != 0 && strncmp(policy, "opportunistic", 13) != 0))
        return;
    setup_add(
        report, SETUP_ERROR, "route-can",
        "[route %s] can requiretls, but the transport %s has %s = %s: it goes to servers that "
        "do not offer REQUIRETLS",
        route->name, transport->id, name, policy);
    setup_remedy(report, "take %s away from %s, or leave `requiretls` out of `can` in [route %s]",
                 name, transport->id, route->name);
}

/* The snippets' table of status for that transport; Postfix 3.11 needs none. */
static void take_status(const struct setup_postfix *postfix,
                        const struct postconf_service *transport, struct setup_report *report)
{
    static const char parameter[] = "smtp_delivery_status_filter";
    const char *name =
        asks(postfix, transport, enforce_map) ? "requiretls_status" : "requiretls_starttls_status";
    char table[400] = "";

    if (postfix->conf.version < POSTCONF_REQUIRETLS) {
        setup_postfix_install(postfix, name, report);
        setup_postfix_table(postfix, name, table, sizeof(table));
    }
    setup_postfix_set_own(postfix, transport, parameter, table, report);
    setup_postfix_reload(postfix, report);
}

/*
 * Before Postfix 3.11 a server that cannot be authenticated is tried again for days, but for a
 * table that makes a bounce of it (RFC 8689 section 4.2.1). smtp(8) does not start without its
 * tables.
 */
static void check_status(const struct setup_postfix *postfix, const struct config_route *route,
                         const struct postconf_service *transport, struct setup_report *report)
{
    static const char name[] = "route-status", parameter[] = "smtp_delivery_status_filter";
    char result[512];
    int found =
        setup_postfix_look_up(postfix, transport, parameter,
                              "4.7.5 Server certificate not verified", result, sizeof(result));

    if (found < 0) {
        setup_add(report, SETUP_ERROR, name,
                  "%s of %s cannot be asked, and without it mail on [route %s] waits: %s",
                  parameter, transport->id, route->name, result);
        setup_remedy(report, "take that of the sample configuration, or mend this one");
        take_status(postfix, transport, report);
    } else if (postfix->conf.version < POSTCONF_REQUIRETLS &&
               asks(postfix, transport, enforce_map) &&
               (found == 0 || strncmp(result, "5.7.10", 6) != 0)) {
        setup_add(report, SETUP_WARNING, name,
                  "%s of %s makes no 5.7.10 of a server that cannot be verified: what it refuses "
                  "on [route %s] is tried again for days before its sender hears of it",
                  parameter, transport->id, route->name);
        take_status(postfix, transport, report);
    }
}

/* Whether another route gives it the mail of a level below enforce. */
static bool is_lower(const struct config *config, const struct config_route *route)
{
    for (size_t i = 0; i < config->route_count; i++) {
        if (config->routes[i].starttls == route || config->routes[i].opportunistic == route)
            return true;
    }
    return false;
}

/* What goes at a lower level must not be held to a higher one. */
static void check_lower(const struct setup_postfix *postfix, const struct config_route *route,
                        const struct postconf_service *transport, const char *what,
                        struct setup_report *report)
{
    if (!asks(postfix, transport, enforce_map))
        return;
    setup_add(report, SETUP_ERROR, "route-can",
              "[route %s] is for mail %s, but the transport %s demands what the map enforce says",
              route->name, what, transport->id);
    setup_remedy(report, "lead it to another transport, as %s/master.cf has them",
                 setup_postfix_snippets(postfix));
}

void setup_route_transport(const struct setup_postfix *postfix, const struct config_route *route,
                           const struct postconf_service *transport, struct setup_report *report)
{
    const struct config *config = postfix->config;

    check_status(postfix, route, transport, report);
    if (setup_route_carries(config, route, false))
        check_can(postfix, route, transport, report);
    check_requiretls(postfix, route, transport, report);
    if (is_lower(config, route))
        check_lower(postfix, route, transport, "at a level below enforce", report);
    if (setup_route_carries(config, route, true))
        check_lower(postfix, route, transport, "with TLS-Required: No", report);
}

/* Mail that a scanner gives back gets its route then. */
static bool is_scanned(const struct setup_postfix *postfix)
{
    return postconf_get(&postfix->conf, NULL, "content_filter")[0] != '\0';
}

static bool is_marking(const struct config_route *route)
{
    return route != NULL && route->method != CONFIG_METHOD_NONE;
}

/* Whether mail from outside gets a route by which the MTA can tell it; rules for a listener are for
 * reinjected mail. */
static bool any_marked(const struct config *config)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        if (config->rules[i].daemon.count == 0 && is_marking(config->rules[i].route))
            return true;
    }
    return is_marking(config->defaults->route);
}

void setup_postfix_native(const struct setup_postfix *postfix, struct setup_report *report)
{
    bool later = is_scanned(postfix) && setup_postfix_behind(postfix) != NULL;

    if (postfix->conf.version >= POSTCONF_REQUIRETLS || later ||
        postfix->config->milter.marker[0] == '\0' || any_marked(postfix->config))
        return;
    setup_add(report, SETUP_WARNING, "route-native",
              "mail that requires TLS takes no route, and this Postfix does not know it: it leaves "
              "by what %s demands of all mail, and no more",
              POLICY_MAPS);
    setup_remedy(report, "the routes of %s/README, with `route` in [default]",
                 setup_postfix_snippets(postfix));
    setup_postfix_take_routes(postfix, report);
}

void setup_route_native(const struct setup_postfix *postfix, const struct config_route *route,
                        struct setup_report *report)
{
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");

    if (is_scanned(postfix))
        return;
    /* What is missing in general is said elsewhere: this is about what the file asks for. */
    if (smtp != NULL && (route->can & VERDICT_CAN_WEB_PKI) != 0 &&
        setup_route_carries(postfix->config, route, false))
        check_can(postfix, route, smtp, report);
}
