/*
 * Routes that reinject, through another smtpd of this host: that it listens, asks the filter, and
 * that a rule for its daemon name gives reinjected mail an exit route. Pure.
 */
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_route.h"
#include "setup/postfix/postfix_route_rules.h"
#include "setup/postfix/postfix_sockets.h"

#include "decide/rules_match.h"

#include <stdio.h>
#include <string.h>

static const char name[] = "route-reinjection";

/* The port of [address]:port. */
static const char *port_of(const char *nexthop)
{
    const char *port = strrchr(nexthop, ']');

    return port != NULL && port[1] == ':' ? port + 2 : "25";
}

/* Whether a service of master.cf listens at [address]:port: its name is the port, or has both. */
static bool listens_at(const struct postconf_service *service, const char *nexthop)
{
    static const struct {
        const char *name;
        const char *port;
    } known[] = {{"smtp", "25"}, {"submission", "587"}, {"smtps", "465"}, {"submissions", "465"}};
    char whole[300];
    const char *port = port_of(nexthop), *listens = service->name;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(listens, known[i].name) == 0)
            listens = known[i].port;
    }
    if (strcmp(listens, port) == 0)
        return true;
    snprintf(whole, sizeof(whole), "%.*s:%s", (int)strcspn(nexthop + 1, "]"), nexthop + 1, port);
    if (strcmp(listens, whole) == 0)
        return true;
    snprintf(whole, sizeof(whole), "%.*s]:%s", (int)strcspn(nexthop, "]"), nexthop, port);
    return strcmp(listens, whole) == 0;
}

/* Next-hops that are certain to be this host. */
static bool is_this_host(const char *nexthop)
{
    return strncmp(nexthop, "[127.", 5) == 0 || strncmp(nexthop, "[::1]", 5) == 0 ||
           strncmp(nexthop, "[localhost]", 11) == 0;
}

/* What the rules for a listener give to mail that is reinjected there. */
struct second {
    const struct config_route *route; /* NULL: none; nor one that leads back */
    const struct config_route *optional_route;
    bool requires; /* whatever the message says */
};

static const struct config_route *leading_out(const struct config_route *route)
{
    return route != NULL && !config_route_reinjects(route) ? route : NULL;
}

static struct second second_of(const struct config *config, const char *daemon)
{
    struct second second = {NULL, NULL, false};

    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        if (!rules_names_daemon(rule, daemon))
            continue;
        if (second.route == NULL)
            second.route = leading_out(rule->route);
        if (second.optional_route == NULL)
            second.optional_route = leading_out(rule->optional_route);
        second.requires |= (rule->sets & (1u << CONFIG_SETTING_REQUEST)) != 0 &&
                           rule->request == CONFIG_REQUEST_REQUIRE;
    }
    return second;
}

/* Whether Require-TLS-ESMTP, which the filter adds, counts for it when the mail is reinjected. */
static bool header_tells(const struct config *config)
{
    return config->milter.add_header != CONFIG_ADD_HEADER_NO &&
           config->milter.accept_header != CONFIG_ACCEPT_NO;
}

/* What the rules have for reinjected mail that requires TLS. */
static void check_required(const struct setup_postfix *postfix, const struct config_route *route,
                           const struct postconf_service *smtpd, struct setup_report *report)
{
    const char *daemon = postconf_get(&postfix->conf, smtpd, "milter_macro_daemon_name");
    struct second second = second_of(postfix->config, daemon);
    bool native = postfix->conf.version >= POSTCONF_REQUIRETLS;

    if (second.route == NULL || (!native && second.route->method == CONFIG_METHOD_NONE)) {
        setup_add(
            report, SETUP_ERROR, name,
            "[route %s] leads to %s, but no rule with `daemon = %s` gives what requires TLS a "
            "route from there that enforces it",
            route->name, smtpd->id, daemon);
        setup_remedy(report,
                     "`route = strict` in the [rule] with `daemon = %s`, as "
                     "%s/requiretls-milter.conf has it",
                     daemon, setup_postfix_snippets(postfix));
    }
    if (!second.requires && !header_tells(postfix->config)) {
        setup_add(report, SETUP_ERROR, name,
                  "[route %s] leads to %s, where neither a rule with `daemon = %s` nor the header "
                  "says that the mail requires TLS: it would leave as any other mail",
                  route->name, smtpd->id, daemon);
        setup_remedy(report, "`request = require` in the [rule] with `daemon = %s`", daemon);
    }
}

/* TLS-Required: No would be reinjected for ever, and is deferred. */
static void check_optional(const struct setup_postfix *postfix, const struct config_route *route,
                           const struct postconf_service *smtpd, struct setup_report *report)
{
    const struct config_route *by_default = postfix->config->defaults->optional_route;
    const char *daemon = postconf_get(&postfix->conf, smtpd, "milter_macro_daemon_name");

    if (by_default == NULL || leading_out(by_default) != NULL ||
        second_of(postfix->config, daemon).optional_route != NULL)
        return;
    setup_add(report, SETUP_ERROR, name,
              "[route %s] leads to %s, but no rule with `daemon = %s` has an optional_route from "
              "there: mail with TLS-Required: No waits",
              route->name, smtpd->id, daemon);
    setup_remedy(report, "`optional_route = optional` in the [rule] with `daemon = %s`", daemon);
}

/* Postfix 3.11 marks reinjected mail that has Require-TLS-ESMTP, if it believes that. */
static void check_mark(const struct setup_postfix *postfix, const struct config_route *route,
                       const struct postconf_service *smtpd, struct setup_report *report)
{
    const char *cleanup_name = postconf_get(&postfix->conf, smtpd, "cleanup_service_name");
    const struct postconf_service *cleanup = postconf_service(&postfix->conf, cleanup_name, "unix");

    if (postconf_yes(postconf_get(&postfix->conf, cleanup, "requiretls_esmtp_header")) &&
        postfix->config->milter.add_header != CONFIG_ADD_HEADER_NO)
        return;
    setup_add(
        report, SETUP_ERROR, name,
        "[route %s] leads to %s, where Postfix does not learn that the mail requires TLS (%s): "
        "it passes no REQUIRETLS on, and does not hold copies by aliases(5) to it",
        route->name, smtpd->id,
        postfix->config->milter.add_header != CONFIG_ADD_HEADER_NO ? "requiretls_esmtp_header = no"
                                                                   : "add_header = no");
    setup_remedy(report,
                 "a cleanup service of its own with requiretls_esmtp_header = yes, as %s/master.cf "
                 "has it, and `add_header = reinject` in [milter]",
                 setup_postfix_snippets(postfix));
}

static void check_second(const struct setup_postfix *postfix, const struct config_route *route,
                         const struct postconf_service *smtpd, struct setup_report *report)
{
    const char *daemon = postconf_get(&postfix->conf, smtpd, "milter_macro_daemon_name");
    char ours[320];

    if (!setup_postfix_filtered(postfix, smtpd)) {
        /* Postfix 3.11 knows a marked message by itself when it is reinjected. */
        if (postfix->conf.version >= POSTCONF_REQUIRETLS)
            return;
        setup_add(
            report, SETUP_ERROR, name,
            "[route %s] leads to %s, which does not ask the filter: from there it would leave "
            "as any other mail",
            route->name, smtpd->id);
        setup_postfix_name_us(postfix, smtpd, "smtpd_milters", SETUP_MILTER, smtpd->chroot,
                              setup_own_name(&postfix->mta, SETUP_MILTER, ours, sizeof(ours)),
                              report);
    } else if (!setup_route_goes_on(postfix->config, daemon)) {
        setup_add(report, SETUP_ERROR, name,
                  "[route %s] leads to %s, but no rule with `daemon = %s` gives it a route from "
                  "there, or one before it has a route back: it would leave as any other mail",
                  route->name, smtpd->id, daemon);
        setup_remedy(report,
                     "a [rule] with `daemon = %s` and a `route` of its own, first in the "
                     "file; and milter_macro_daemon_name of %s of the same name",
                     daemon, smtpd->id);
    } else {
        if (setup_route_carries(postfix->config, route, false))
            check_required(postfix, route, smtpd, report);
        if (setup_route_carries(postfix->config, route, true))
            check_optional(postfix, route, smtpd, report);
    }
}

/* What master.cf has is not yet what runs. */
static void check_running(const struct setup_postfix *postfix, const struct config_route *route,
                          const char *nexthop, struct setup_report *report)
{
    char host[300];

    snprintf(host, sizeof(host), "%.*s", (int)strcspn(nexthop + 1, "]"), nexthop + 1);
    int error = postfix->connect(host, port_of(nexthop));
    if (error == 0)
        return;
    setup_add(report, SETUP_ERROR, name,
              "[route %s] leads to %s, which is in master.cf, but nobody answers there (%s): its "
              "messages wait",
              route->name, nexthop, strerror(-error));
    setup_remedy(report, "Postfix does not run as master.cf is");
    setup_postfix_reload(postfix, report);
}

/* Several recipients together cannot take several routes. */
static void check_recipients(const struct setup_postfix *postfix, const struct config_route *route,
                             const struct postconf_service *transport, struct setup_report *report)
{
    char parameter[200];

    snprintf(parameter, sizeof(parameter), "%s_destination_recipient_limit", transport->name);
    const char *limit = postconf_get(&postfix->conf, NULL, parameter);
    if (strcmp(limit, "1") == 0)
        return;
    setup_add(
        report, SETUP_WARNING, name,
        "recipients are reinjected together by [route %s] (%s is not 1): where they need different "
        "routes the message is refused",
        route->name, parameter);
    setup_postfix_set(postfix, NULL, parameter, "1", report);
    setup_postfix_reload(postfix, report);
}

/* Reinjected mail is known by its listener and by a client that is this host's loopback interface.
 */
static void check_source(const struct setup_postfix *postfix, const struct config_route *route,
                         const struct postconf_service *transport, const char *nexthop,
                         struct setup_report *report)
{
    bool six = strncmp(nexthop, "[::1]", 5) == 0;
    const char *parameter = six ? "smtp_bind_address6" : "smtp_bind_address";
    const char *source = postconf_get(&postfix->conf, transport, parameter);

    if (source[0] == '\0' || strncmp(source, "127.", 4) == 0 || strcmp(source, "::1") == 0)
        return;
    setup_add(report, SETUP_ERROR, name,
              "[route %s]: %s connects from %s (%s of %s), which the filter does not know for this "
              "host: what requires TLS is deferred",
              route->name, transport->id, source, parameter,
              setup_postfix_place(transport, parameter));
    setup_postfix_set_own(postfix, transport, parameter, six ? "::1" : "127.0.0.1", report);
    setup_postfix_reload(postfix, report);
}

void setup_route_reinjection(const struct setup_postfix *postfix, const struct config_route *route,
                             const struct postconf_service *transport, const char *nexthop,
                             struct setup_report *report)
{
    const struct postconf_service *smtpd = NULL;

    if (!is_this_host(nexthop)) {
        setup_add(report, SETUP_ERROR, name,
                  "[route %s] has `local = reinject`, but leads to %s:%s and not to this host",
                  route->name, transport->name, nexthop);
        setup_remedy(report, "lead it to an smtpd on 127.0.0.1; or `local = refuse` in [route %s]",
                     route->name);
        return;
    }
    while ((smtpd = setup_postfix_next(postfix, smtpd, "smtpd")) != NULL) {
        if (listens_at(smtpd, nexthop))
            break;
    }
    if (smtpd == NULL) {
        setup_add(report, SETUP_ERROR, name, "[route %s] leads to %s, where no smtpd listens",
                  route->name, nexthop);
        setup_remedy(report, "add that smtpd to master.cf, as %s/master.cf has it",
                     setup_postfix_snippets(postfix));
        return;
    }
    check_running(postfix, route, nexthop, report);
    check_source(postfix, route, transport, nexthop, report);
    check_second(postfix, route, smtpd, report);
    if (postfix->conf.version >= POSTCONF_REQUIRETLS &&
        setup_route_carries(postfix->config, route, false))
        check_mark(postfix, route, smtpd, report);
    check_recipients(postfix, route, transport, report);
}
