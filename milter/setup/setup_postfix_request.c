/*
 * How a request for REQUIRETLS reaches the filter: natively from Postfix 3.11 on, before that as a
 * marker; and whether Postfix and the filter believe the same headers. Pure. See setup_postfix.h.
 */
#include "setup_postfix.h"

#include "config_rule.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAIL_COMMAND "MAIL FROM:<sender@example.org> REQUIRETLS"

static const char *header_words[] = {
    [CONFIG_ACCEPT_ANY] = "any",
    [CONFIG_ACCEPT_AUTHENTICATED] = "authenticated",
    [CONFIG_ACCEPT_TRUSTED] = "trusted",
    [CONFIG_ACCEPT_NO] = "no",
};

static void check_marker(const struct setup_postfix *postfix,
                         const struct postconf_service *service, struct setup_report *report)
{
    static const char name[] = "marker";
    const char *marker = postfix->config->milter.marker;
    const char *filter = postconf_get(&postfix->conf, service, "smtpd_command_filter");
    char command[512];
    int found = setup_postfix_look_up(postfix, service, "smtpd_command_filter", MAIL_COMMAND,
                                      command, sizeof(command));

    if (found < 0) {
        setup_add(report, setup_postfix_unasked(found), name,
                  "smtpd_command_filter = %s cannot be asked: %s", filter, command);
        setup_remedy(report, "mend the table; smtpd needs it for every command");
    } else if (found == 1 && strcasestr(command, marker) != NULL) {
        setup_add(report, SETUP_OK, name, "%s: the parameter REQUIRETLS reaches the filter as %s",
                  service->id, marker);
    } else if (found == 1 && strcasestr(command, "REQUIRETLS") == NULL) {
        setup_add(
            report, SETUP_ERROR, name,
            "%s: smtpd_command_filter makes `%s` of REQUIRETLS, but the filter's marker is %s: "
            "the request is lost",
            service->id, command, marker);
        setup_remedy(report, "write the same in %s and in the key `marker` of [milter]", filter);
    } else {
        setup_add(report, SETUP_ERROR, name,
                  "%s: this Postfix refuses the parameter REQUIRETLS (555) before the filter sees "
                  "it: smtpd_command_filter %s",
                  service->id, filter[0] != '\0' ? "does not rewrite it" : "is not set");
        setup_remedy(report, "smtpd_command_filter = regexp:/etc/postfix/requiretls_command, with "
                             "the sample of that name; or an empty `marker` in [milter], if only "
                             "headers and rules are to ask for REQUIRETLS");
    }
}

static void check_native(const struct setup_postfix *postfix,
                         const struct postconf_service *service, struct setup_report *report)
{
    char command[512];
    int found = setup_postfix_look_up(postfix, service, "smtpd_command_filter", MAIL_COMMAND,
                                      command, sizeof(command));

    if (found != 1 || strcasestr(command, "REQUIRETLS") != NULL)
        return;
    setup_add(report, SETUP_ERROR, "marker",
              "%s: smtpd_command_filter takes REQUIRETLS away (%s), which this Postfix understands "
              "itself",
              service->id, command);
    setup_remedy(report, "take that line out of %s: it is for Postfix before 3.11",
                 postconf_get(&postfix->conf, service, "smtpd_command_filter"));
}

/* Mail that requires TLS takes no route unless a rule says so; nor will it behind a scanner. */
static bool leaves_as_it_came(const struct setup_postfix *postfix)
{
    const struct config_route *route = postfix->config->defaults->route;

    return (route == NULL || route->method == CONFIG_METHOD_NONE) &&
           postconf_get(&postfix->conf, NULL, "content_filter")[0] == '\0';
}

static void check_header(const struct setup_postfix *postfix, struct setup_report *report)
{
    static const char name[] = "accept-header";
    enum config_accept_header accept = postfix->config->milter.accept_header;
    bool believes = postconf_yes(postconf_get(&postfix->conf, NULL, "requiretls_esmtp_header"));

    if (believes && accept != CONFIG_ACCEPT_ANY) {
        setup_add(report, SETUP_ERROR, name,
                  "Postfix believes Require-TLS-ESMTP in anybody's header, the filter only some "
                  "(accept_header = %s): Postfix would enforce what the filter has not looked at",
                  header_words[accept]);
        setup_remedy(report, "accept_header = any in [milter], or "
                             "postconf -e 'requiretls_esmtp_header = no'");
    } else if (believes) {
        setup_add(report, SETUP_OK, name, "Postfix and the filter believe the same headers");
    } else if (accept != CONFIG_ACCEPT_NO && leaves_as_it_came(postfix)) {
        setup_add(report, SETUP_WARNING, name,
                  "requiretls_esmtp_header = no: what a header asks for is judged by the filter "
                  "(accept_header = %s), but not enforced by Postfix itself",
                  header_words[accept]);
        setup_remedy(report, "accept_header = no in [milter], or a route for such mail");
    }
}

static bool leads_on(const struct config_route *route)
{
    return route != NULL && route->method != CONFIG_METHOD_NONE;
}

/* A rule's request is known to the filter alone: Postfix learns of it by a route. */
static void check_rules(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct config *config = postfix->config;
    bool asks = false, routed = leads_on(config->defaults->route);

    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        asks |= (rule->sets & (1u << RULES_REQUEST)) != 0 && rule->request == RULES_REQUEST_REQUIRE;
        routed |= leads_on(rule->route);
    }
    if (!asks || routed || postconf_get(&postfix->conf, NULL, "content_filter")[0] != '\0')
        return;
    setup_add(report, SETUP_WARNING, "rule-request",
              "rules ask for REQUIRETLS (request = require), but no route tells Postfix: what was "
              "found when the message came is not enforced when it leaves");
    setup_remedy(report, "a route for such mail, as the snippets have it");
}

void setup_postfix_request(struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf *conf = &postfix->conf;
    bool native = conf->version >= POSTCONF_REQUIRETLS, checked_main = false;
    const struct postconf_service *service = NULL;

    setup_add(report, conf->version < 305 ? SETUP_ERROR : SETUP_OK, "mta", "Postfix %s%s",
              postconf_get(conf, NULL, "mail_version"),
              native ? ", which knows REQUIRETLS" : ", which does not know REQUIRETLS itself");
    if (conf->version < 305)
        setup_remedy(report, "Postfix 3.5 is the oldest that this was made for");
    if (native && !postconf_yes(postconf_get(conf, NULL, "requiretls_enable"))) {
        setup_add(
            report, SETUP_ERROR, "requiretls-enable",
            "requiretls_enable is not yes: Postfix neither announces nor enforces REQUIRETLS");
        setup_remedy(report, "postconf -e 'requiretls_enable = yes'");
    }
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        bool main_cf = strcmp(setup_postfix_place(service, "smtpd_command_filter"), "main.cf") == 0;

        if (!setup_postfix_filtered(postfix, service) || setup_postfix_is_inner(service) ||
            (main_cf && checked_main))
            continue;
        checked_main |= main_cf;
        if (native)
            check_native(postfix, service, report);
        else if (postfix->config->milter.marker[0] != '\0')
            check_marker(postfix, service, report);
    }
    if (native)
        check_header(postfix, report);
    check_rules(postfix, report);
}
