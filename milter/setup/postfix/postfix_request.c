/*
 * Whether Postfix knows REQUIRETLS itself, and whether it and the filter believe the same headers;
 * whether it learns what rules ask for. Pure. How the parameter gets to the filter of an older
 * Postfix is looked at by setup_postfix_marker.
 */
#include "setup/postfix/postfix_checks.h"

#include "config/config_rule.h"
#include "decide/rules_check.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/setup.h"
#include "setup/setup_edit.h"

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
        setup_remedy(report, "let the filter believe the same (or Postfix nobody: "
                             "requiretls_esmtp_header = no in main.cf)");
        setup_edit_key(report, "milter", "accept_header", "any");
        setup_edit_done(report, false);
    } else if (believes) {
        setup_add(report, SETUP_OK, name, "Postfix and the filter believe the same headers");
    } else if (accept != CONFIG_ACCEPT_NO && leaves_as_it_came(postfix)) {
        setup_add(report, SETUP_WARNING, name,
                  "requiretls_esmtp_header = no: what a header asks for is judged by the filter "
                  "(accept_header = %s), but not enforced by Postfix itself",
                  header_words[accept]);
        setup_remedy(report, "let the filter not believe it either (or give such mail a route)");
        setup_edit_key(report, "milter", "accept_header", "no");
        setup_edit_done(report, false);
    }
}

/* --- what rules ask for ----------------------------------------------------------------------- */

struct rule_findings {
    const struct setup_postfix *postfix;
    struct setup_report *report;
};

static void add_rule_finding(struct rule_findings *findings, enum setup_state state,
                             const char *message)
{
    setup_add(findings->report, state, "rule-request", "%s", message);
    setup_remedy(findings->report, "a route for such mail, as %s/README has it",
                 setup_postfix_snippets(findings->postfix));
}

/* config_report_fn; both */
static void on_not_enforced(void *arg, const char *message)
{
    add_rule_finding(arg, SETUP_ERROR, message);
}

static void on_perhaps_not_enforced(void *arg, const char *message)
{
    add_rule_finding(arg, SETUP_WARNING, message);
}

/* A rule's request is known to the filter alone: Postfix learns of it by a route. Not looked at
 * here is what leaves for a scanner, and what is reinjected, for which there is route-reinjection.
 */
static void check_rules(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct config *config = postfix->config;
    struct rule_findings findings = {.postfix = postfix, .report = report};

    if (postconf_get(&postfix->conf, NULL, "content_filter")[0] != '\0')
        return;
    for (size_t i = 0; i < config->rule_count; i++) {
        if (!rules_check_knows_reinjected(config, &config->rules[i]))
            (void)rules_check_enforced_rule(config, i, on_not_enforced, on_perhaps_not_enforced,
                                            &findings);
    }
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
        setup_postfix_set(postfix, NULL, "requiretls_enable", "yes", report);
        setup_postfix_reload(postfix, report);
    }
    if (native && setup_can_examine(postfix->config, CONFIG_PART_MILTER | CONFIG_PART_RULES,
                                    "accept-header", report))
        check_header(postfix, report);
    if (setup_can_examine(postfix->config, CONFIG_PART_RULES, "rule-request", report))
        check_rules(postfix, report);
}
