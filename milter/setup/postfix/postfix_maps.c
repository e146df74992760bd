/*
 * The socketmap in smtp_tls_policy_maps and smtp_requiretls_policy: that each transport for mail to
 * others asks a map that exists, at our socket. Pure.
 */
#include "setup/postfix/postfix_checks.h"

#include "config/config_rule.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_sockets.h"
#include "setup/setup_edit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const policy_maps[] = {"QUERY",   "QUERYwithTLSRPT",        "postfix",
                                          "enforce", "opportunistic+starttls", "opportunistic",
                                          NULL};
static const char *const level_maps[] = {"requiretls", NULL};

static bool is_word(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcasecmp(word, *words) == 0)
            return true;
    }
    return false;
}

static bool is_own(const struct setup_postfix *postfix, const struct setup_use *use)
{
    return setup_use_match(&postfix->mta, use) != SETUP_FOREIGN;
}

static void check_name(const struct setup_postfix *postfix, const struct setup_use *use,
                       struct setup_report *report)
{
    bool level = strcmp(use->parameter, "smtp_requiretls_policy") == 0;

    if (is_word(use->address.map, level ? level_maps : policy_maps) ||
        strncmp(use->probe.reply, "PERM", 4) == 0)
        return; /* it is a right one, or was complained of already */
    setup_add(report, SETUP_ERROR, "map-name",
              "%s of %s asks the map `%s`, which does not answer %s", use->parameter, use->by,
              use->address.map, level ? "levels of REQUIRETLS" : "TLS policies");
    setup_remedy(report, "ask the map %s", level ? "requiretls" : "QUERY");
    setup_postfix_rename_map(postfix, use, level ? "requiretls" : "QUERY", report);
}

static void check_attributes(const struct setup_postfix *postfix, const struct setup_use *use,
                             struct setup_report *report)
{
    bool always = strcasecmp(use->address.map, "QUERYwithTLSRPT") == 0;
    bool if_told =
        strcasecmp(use->address.map, "postfix") == 0 && postfix->config->socketmap.tlsrpt;

    if (postfix->conf.version >= POSTCONF_TLSRPT || (!always && !if_told) ||
        strcmp(use->parameter, "smtp_tls_policy_maps") != 0)
        return;
    setup_add(
        report, SETUP_ERROR, "map-tlsrpt",
        "%s of %s: the attributes for TLS reports are errors for Postfix %s: mail for domains "
        "with MTA-STS is deferred for ever",
        use->parameter, use->by, postconf_get(&postfix->conf, NULL, "mail_version"));
    if (always) {
        setup_remedy(report, "ask the map QUERY");
        setup_postfix_rename_map(postfix, use, "QUERY", report);
        return;
    }
    setup_remedy(report, "leave the attributes out");
    setup_edit_key(report, "socketmap", "tlsrpt", "no");
    setup_edit_done(report, false);
}

/* Our socket with a map, as parameters name it. Returns out. */
static const char *own_map(const struct setup_postfix *postfix, const char *map, char *out,
                           size_t size)
{
    char name[300];

    snprintf(out, size, "%s:%s", setup_own_name(&postfix->mta, SETUP_SOCKETMAP, name, sizeof(name)),
             map);
    return out;
}

static void check_default(const struct setup_postfix *postfix,
                          const struct postconf_service *service, struct setup_report *report)
{
    static const char *const strict[] = {"enforce", NULL};
    static const char parameter[] = "smtp_tls_policy_maps";
    const char *maps = postconf_get(&postfix->conf, service, parameter);
    /* One that looks like ours and is not is a mistake; another's may be meant. */
    bool mistaken = maps[0] == '\0' || (strstr(maps, "requiretls") != NULL &&
                                        !setup_postfix_names_us(postfix, service, parameter,
                                                                SETUP_SOCKETMAP, NULL, NULL));
    char ours[320];

    if (setup_postfix_names_us(postfix, service, parameter, SETUP_SOCKETMAP, strict, NULL)) {
        setup_add(report, SETUP_WARNING, "map-enforce",
                  "all mail of the transport %s must meet the map enforce, which is for REQUIRETLS "
                  "mail: hosts without DANE, MTA-STS or signed MX records get none",
                  service->name);
        setup_remedy(report, "ask QUERY here, and enforce in a transport for a route");
        setup_postfix_set(postfix, service, parameter,
                          own_map(postfix, "QUERY", ours, sizeof(ours)), report);
        setup_postfix_reload(postfix, report);
        return;
    }
    if (setup_postfix_names_us(postfix, service, parameter, SETUP_SOCKETMAP, policy_maps, NULL) ||
        !postfix->config->engine.sts_enable)
        return;
    own_map(postfix, postfix->conf.version >= POSTCONF_TLSRPT ? "QUERYwithTLSRPT" : "QUERY", ours,
            sizeof(ours));
    setup_add(
        report, mistaken ? SETUP_ERROR : SETUP_WARNING, "map-policy",
        "the transport %s does not ask the filter how to verify a host (%s = %.200s): what was "
        "accepted for MTA-STS is not held to it at delivery",
        service->name, parameter, maps[0] != '\0' ? maps : "(empty)");
    setup_postfix_name_us(postfix, service, parameter, SETUP_SOCKETMAP, service->chroot, ours,
                          report);
}

/* Whether a rule, or [default], gives a level by the next-hop alone. */
static bool levels_by_nexthop(const struct config *config)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        if ((rule->sets & (1u << CONFIG_SETTING_LEVEL)) != 0 &&
            rule->needs == CONFIG_FACT_RECIPIENT && rule->nexthop.count > 0 &&
            rule->recipient.count == 0 && rule->mailer.count == 0)
            return true;
    }
    return (config->defaults->sets & (1u << CONFIG_SETTING_LEVEL)) != 0;
}

static void check_levels(const struct setup_postfix *postfix, struct setup_report *report)
{
    static const char name[] = "requiretls-policy", parameter[] = "smtp_requiretls_policy";
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");
    char ours[320];

    if (setup_postfix_names_us(postfix, smtp, parameter, SETUP_SOCKETMAP, level_maps, NULL)) {
        setup_add(report, SETUP_OK, name, "Postfix asks the filter for the level of a next-hop");
        return;
    }
    if (!levels_by_nexthop(postfix->config))
        return;
    setup_add(report, SETUP_ERROR, name,
              "the rules give levels by next-hop, but Postfix enforces its own (%s = %.200s)",
              parameter, postconf_get(&postfix->conf, smtp, parameter));
    setup_postfix_name_us(postfix, smtp, parameter, SETUP_SOCKETMAP, smtp != NULL && smtp->chroot,
                          own_map(postfix, "requiretls, enforce", ours, sizeof(ours)), report);
}

void setup_postfix_maps(struct setup_postfix *postfix, struct setup_report *report)
{
    const struct setup_mta *mta = &postfix->mta;
    const struct postconf_service *service = NULL;
    bool said = false;

    for (size_t i = 0; i < mta->use_count; i++) {
        const struct setup_use *use = &mta->uses[i];

        if (use->address.kind != SETUP_SOCKETMAP || !is_own(postfix, use))
            continue;
        check_name(postfix, use, report);
        check_attributes(postfix, use, report);
    }
    while ((service = setup_postfix_next(postfix, service, "smtp")) != NULL) {
        bool main_cf = strcmp(setup_postfix_place(service, "smtp_tls_policy_maps"), "main.cf") == 0;

        if (!setup_postfix_is_default(service) || (main_cf && said))
            continue;
        check_default(postfix, service, report);
        said |= main_cf;
    }
    if (postfix->conf.version >= POSTCONF_REQUIRETLS)
        check_levels(postfix, report);
}
