/*
 * Scanners that mail goes through by SMTP: content_filter, which FILTER replaces, so that mail on a
 * route would not be scanned; and smtpd_proxy_filter, before which a milter sees no message. Pure.
 */
#include "config/config_rule.h"
#include "decide/rules_match.h"
#include "setup/postfix/postfix_checks.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_route_rules.h"
#include "setup/setup_edit.h"

#include <string.h>

static const char *parameter_of(const struct setup_postfix *postfix,
                                const struct postconf_service *service, const char *parameter)
{
    return postconf_get(&postfix->conf, service, parameter);
}

static bool filters(const struct config_route *route)
{
    return route != NULL && route->method == CONFIG_METHOD_HEADER;
}

/* Whether mail of a service with that {daemon_name} may take a route that works by FILTER. */
static bool takes_header_route(const struct config *config, const char *daemon)
{
    if (filters(config->defaults->route) || filters(config->defaults->optional_route))
        return true;
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        if ((filters(rule->route) || filters(rule->optional_route)) &&
            rules_may_match_daemon(rule, daemon))
            return true;
    }
    return false;
}

static void check_content_filter(const struct setup_postfix *postfix,
                                 const struct postconf_service *service, const char *daemon,
                                 struct setup_report *report)
{
    const char *filter = parameter_of(postfix, service, "content_filter");

    if (filter[0] == '\0' || !takes_header_route(postfix->config, daemon))
        return;
    setup_add(report, SETUP_ERROR, "content-filter",
              "%s has content_filter = %s, and routes of method header work by FILTER, which "
              "replaces it: mail on a route would not be scanned",
              service->id, filter);
    setup_remedy(report, "routes behind the scanner only, by a [rule] with the `daemon` of the "
                         "smtpd that takes the mail back, as " PROJECT_DOC_DIR
                         "/PLACEMENT shows; or routes of method "
                         "recipient");
}

/* Port 25 of this host itself is for its programs. */
static bool is_smtp_port(const struct postconf_service *service)
{
    const char *port = strrchr(service->name, ':');

    port = port != NULL ? port + 1 : service->name;
    return strcmp(port, "25") == 0 || strcmp(port, "smtp") == 0;
}

/* The smtpd to which a route reinjects: from there mail takes an exit route. */
static bool is_second(const struct config *config, const char *daemon)
{
    bool reinjects = false;

    for (size_t i = 0; i < config->route_count; i++)
        reinjects |= config_route_reinjects(&config->routes[i]);
    return reinjects && setup_route_goes_on(config, daemon);
}

/* An smtpd for this host alone that asks the filter, and to which no route leads: where a scanner
 * hands its mail back, as far as can be known. */
static bool is_behind(const struct setup_postfix *postfix, const struct postconf_service *service)
{
    return setup_postfix_is_inner(service) && !is_smtp_port(service) &&
           setup_postfix_filtered(postfix, service) &&
           parameter_of(postfix, service, "smtpd_proxy_filter")[0] == '\0' &&
           parameter_of(postfix, service, "content_filter")[0] == '\0' &&
           !is_second(postfix->config, parameter_of(postfix, service, "milter_macro_daemon_name"));
}

const struct postconf_service *setup_postfix_behind(const struct setup_postfix *postfix)
{
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (is_behind(postfix, service))
            return service;
    }
    return NULL;
}

bool setup_postfix_proxied(const struct setup_postfix *postfix,
                           const struct postconf_service *service)
{
    return parameter_of(postfix, service, "smtpd_proxy_filter")[0] != '\0' &&
           setup_postfix_behind(postfix) != NULL;
}

static void check_proxy(const struct setup_postfix *postfix, const struct postconf_service *service,
                        struct setup_report *report)
{
    const char *proxy = parameter_of(postfix, service, "smtpd_proxy_filter");

    if (proxy[0] == '\0' || setup_postfix_behind(postfix) != NULL)
        return;
    setup_add(report, SETUP_ERROR, "proxy-filter",
              "%s hands its mail to smtpd_proxy_filter = %s: there a milter sees no header and no "
              "message",
              service->id, proxy);
    setup_remedy(report, "ask the filter where the proxy hands the mail back: smtpd_milters of "
                         "that smtpd, as " PROJECT_DOC_DIR "/PLACEMENT shows");
}

static bool any_header_route(const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++) {
        if (filters(&config->routes[i]))
            return true;
    }
    return false;
}

/* Routes that mail gets only when the scanner has handed it back. */
static void check_routes_behind(const struct setup_postfix *postfix, struct setup_report *report)
{
    if (postfix->conf.version >= POSTCONF_REQUIRETLS || !any_header_route(postfix->config) ||
        setup_postfix_behind(postfix) != NULL)
        return;
    setup_add(report, SETUP_ERROR, "content-filter",
              "no smtpd that takes mail back from the scanner asks the filter: mail that requires "
              "TLS is put on no route");
    setup_remedy(report, "smtpd_milters of that smtpd, as " PROJECT_DOC_DIR "/PLACEMENT shows");
}

/* What smtpd took with REQUIRETLS returns from the scanner with the header alone. */
static void check_way_back(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf_service *service = setup_postfix_behind(postfix), *cleanup;

    if (postfix->conf.version < POSTCONF_REQUIRETLS || service == NULL)
        return;
    cleanup = postconf_service(&postfix->conf,
                               parameter_of(postfix, service, "cleanup_service_name"), "unix");
    if (postconf_yes(parameter_of(postfix, cleanup, "requiretls_esmtp_header")))
        return;
    setup_add(
        report, SETUP_ERROR, "scanner-header",
        "requiretls_esmtp_header = no holds for %s too: mail with REQUIRETLS returns from the "
        "scanner with Require-TLS-ESMTP in the header alone, and would require nothing",
        service->id);
    setup_remedy(report, "a cleanup of its own for it, as %s/master.cf has one",
                 setup_postfix_snippets(postfix));
    setup_postfix_set_own(postfix, service, "cleanup_service_name", "requiretls-cleanup", report);
    setup_postfix_reload(postfix, report);
}

/* Whether a rule asks for REQUIRETLS. */
static bool any_asks(const struct config *config)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        if ((config->rules[i].sets & (1u << CONFIG_SETTING_REQUEST)) != 0 &&
            config->rules[i].request == CONFIG_REQUEST_REQUIRE)
            return true;
    }
    return false;
}

/* The queue before a content filter keeps what the filter knows in the header alone; Postfix 3.11
 * writes that itself for REQUIRETLS in MAIL. */
static void check_noted(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct config *config = postfix->config;
    const struct postconf_service *service = setup_postfix_behind(postfix);
    bool native = postfix->conf.version >= POSTCONF_REQUIRETLS;
    bool counts = config->milter.accept_header != CONFIG_ACCEPT_NO;

    if (service == NULL || (native && !any_asks(config)) ||
        (counts && config->milter.add_header == CONFIG_ADD_HEADER_YES))
        return;
    setup_add(report, SETUP_ERROR, "scanner-header",
              "mail that requires TLS goes through the scanner without saying so (%s): %s does not "
              "learn of it",
              counts ? "add_header is not yes" : "accept_header = no", service->id);
    setup_edit_key(report, "milter", counts ? "add_header" : "accept_header",
                   counts ? "yes" : "trusted");
    setup_edit_done(report, false);
}

struct in_use {
    bool content_filter, proxy;
};

/* For all smtpds that ask the filter. */
static struct in_use check_services(const struct setup_postfix *postfix,
                                    struct setup_report *report)
{
    const struct postconf_service *service = NULL;
    size_t before = report->count;
    struct in_use in_use = {false, false};

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (!setup_postfix_filtered(postfix, service))
            continue;
        in_use.content_filter |= parameter_of(postfix, service, "content_filter")[0] != '\0';
        in_use.proxy |= parameter_of(postfix, service, "smtpd_proxy_filter")[0] != '\0';
        check_proxy(postfix, service, report);
        if (report->count == before)
            check_content_filter(postfix, service,
                                 parameter_of(postfix, service, "milter_macro_daemon_name"),
                                 report);
    }
    service = setup_postfix_next(postfix, NULL, "pickup");
    if (service != NULL && report->count == before)
        check_content_filter(postfix, service, "", report);
    return in_use;
}

void setup_postfix_scanners(struct setup_postfix *postfix, struct setup_report *report)
{
    size_t before = report->count;
    struct in_use in_use = check_services(postfix, report);

    if (in_use.content_filter && report->count == before)
        check_routes_behind(postfix, report);
    if (in_use.content_filter)
        check_noted(postfix, report);
    if (in_use.content_filter || in_use.proxy)
        check_way_back(postfix, report);
}
