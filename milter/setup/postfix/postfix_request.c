/*
 * Whether Postfix knows REQUIRETLS itself, and whether it and the filter believe the same headers;
 * whether it learns what rules ask for. Pure. How the parameter gets to the filter of an older
 * Postfix is looked at by setup_postfix_marker.
 */
#include "setup/postfix/postfix_checks.h"

#include "config/config_rule.h"

static const char *header_words[] = {
    [CONFIG_ACCEPT_ANY] = "any",
    [CONFIG_ACCEPT_AUTHENTICATED] = "authenticated",
    [CONFIG_ACCEPT_TRUSTED] = "trusted",
    [CONFIG_ACCEPT_NO] = "no",
};

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

        asks |= (rule->sets & (1u << CONFIG_SETTING_REQUEST)) != 0 &&
                rule->request == CONFIG_REQUEST_REQUIRE;
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
    bool native = conf->version >= POSTCONF_REQUIRETLS;

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
    if (native)
        check_header(postfix, report);
    check_rules(postfix, report);
}
