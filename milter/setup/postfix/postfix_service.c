/*
 * What several checks want to know of an smtpd: whether mail is reinjected there, goes
 * through another one yet, or passes no milter at all. Pure.
 */
#include "setup/postfix/postfix_checks.h"

#include "decide/rules_match.h"

bool setup_postfix_is_second(const struct setup_postfix *postfix,
                             const struct postconf_service *service)
{
    const struct config *config = postfix->config;
    const char *daemon = postconf_get(&postfix->conf, service, "milter_macro_daemon_name");

    for (size_t i = 0; i < config->rule_count && setup_postfix_is_inner(service); i++) {
        if (rules_names_daemon(&config->rules[i], daemon))
            return true;
    }
    return false;
}

bool setup_postfix_goes_elsewhere(const struct setup_postfix *postfix,
                                  const struct postconf_service *service)
{
    return postconf_get(&postfix->conf, service, "smtpd_proxy_filter")[0] != '\0' ||
           postconf_get(&postfix->conf, service, "content_filter")[0] != '\0';
}

bool setup_postfix_is_silenced(const struct setup_postfix *postfix,
                               const struct postconf_service *service)
{
    return !setup_postfix_is_inner(service) && !setup_postfix_goes_elsewhere(postfix, service) &&
           setup_postfix_no_milters(postfix, service) &&
           setup_postfix_names_us(postfix, service, "smtpd_milters", SETUP_MILTER, NULL, NULL);
}

bool setup_postfix_is_asked(const struct setup_postfix *postfix)
{
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_is_silenced(postfix, service) ||
            (setup_postfix_filtered(postfix, service) &&
             !setup_postfix_is_second(postfix, service)))
            return true;
    }
    return false;
}
