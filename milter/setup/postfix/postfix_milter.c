/*
 * How Postfix asks the filter: smtpd_milters and non_smtpd_milters, default_action, protocol and
 * time-outs; setup_postfix_bounces: whether bounces come to the filter. Pure.
 */
#include "setup/postfix/postfix_checks.h"

#include "base/text.h"
#include "decide/rules_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What makes a difference only once, if several services have it from main.cf. */
struct once {
    bool main_cf;
};

static bool said_before(struct once *once, const struct postconf_service *service,
                        const char *parameter)
{
    if (strcmp(setup_postfix_place(service, parameter), "main.cf") != 0)
        return false;
    bool seen = once->main_cf;
    once->main_cf = true;
    return seen;
}

static bool is_action(const char *action, const char *word)
{
    return strcmp(action, word) == 0;
}

static void check_action(const struct setup_postfix *postfix,
                         const struct postconf_service *service, const char *parameter,
                         struct setup_report *report)
{
    static const char name[] = "milter-default-action";
    struct setup_address address = {.default_action = ""};
    const char *action = postconf_get(&postfix->conf, service, "milter_default_action");
    const char *place = setup_postfix_place(service, "milter_default_action");
    char set[200];

    setup_postfix_names_us(postfix, service, parameter, SETUP_MILTER, NULL, &address);
    if (address.default_action[0] != '\0') {
        action = address.default_action;
        place = setup_postfix_place(service, parameter);
    }
    setup_postfix_set(service, "milter_default_action", "tempfail", set, sizeof(set));
    if (is_action(action, "tempfail") || is_action(action, "shutdown")) {
        setup_add(report, SETUP_OK, name,
                  "%s in %s, for %s: what the filter cannot see is deferred", action, place,
                  parameter);
        return;
    }
    if (is_action(action, "accept"))
        setup_add(
            report, SETUP_ERROR, name,
            "accept in %s: while the filter is down all mail passes unseen, REQUIRETLS or not",
            place);
    else
        setup_add(
            report, SETUP_WARNING, name,
            "%s in %s: while the filter is down no mail is deferred, it is lost to its sender "
            "or waits for you",
            action, place);
    if (address.default_action[0] != '\0')
        setup_remedy(report, "write default_action = tempfail in %s of %s", parameter, place);
    else
        setup_remedy(report, "%s", set);
}

static void check_terms(const struct setup_postfix *postfix, const struct postconf_service *service,
                        struct setup_report *report)
{
    const char *protocol = postconf_get(&postfix->conf, service, "milter_protocol");
    const char *timeout = postconf_get(&postfix->conf, service, "milter_command_timeout");
    int seconds = postconf_seconds(timeout), wait_ms = postfix->config->milter.rcpt_wait_ms;
    char set[200];

    if (atoi(protocol) < 6) {
        setup_add(report, SETUP_ERROR, "milter-protocol",
                  "milter_protocol = %s in %s: the filter needs version 6", protocol,
                  setup_postfix_place(service, "milter_protocol"));
        setup_remedy(report, "%s",
                     setup_postfix_set(service, "milter_protocol", "6", set, sizeof(set)));
    }
    if (seconds >= 0 && (int64_t)seconds * 1000 <= wait_ms) {
        setup_add(report, SETUP_ERROR, "milter-timeout",
                  "milter_command_timeout = %s in %s, but the filter may wait %d ms at RCPT "
                  "(rcpt_wait)",
                  timeout, setup_postfix_place(service, "milter_command_timeout"), wait_ms);
        setup_remedy(report, "%s",
                     setup_postfix_set(service, "milter_command_timeout", "30s", set, sizeof(set)));
    }
}

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

/* Whether its mail goes through another smtpd yet, which may ask the filter. */
static bool goes_elsewhere(const struct setup_postfix *postfix,
                           const struct postconf_service *service)
{
    return postconf_get(&postfix->conf, service, "smtpd_proxy_filter")[0] != '\0' ||
           postconf_get(&postfix->conf, service, "content_filter")[0] != '\0';
}

/* Services without the filter, where it is in use at all. */
static void check_unfiltered(const struct setup_postfix *postfix, struct setup_report *report)
{
    char names[512];
    struct text list;
    const struct postconf_service *service = NULL;

    text_init(&list, names, sizeof(names));
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_filtered(postfix, service) || setup_postfix_is_inner(service) ||
            goes_elsewhere(postfix, service))
            continue;
        text_add(&list, list.len > 0 ? ", " : "");
        text_add(&list, service->id);
    }
    if (list.len == 0)
        return;
    setup_add(report, SETUP_WARNING, "milter-service",
              "mail that comes in by %s does not pass the filter", names);
    setup_remedy(report, "set smtpd_milters for them too, unless this is meant");
}

/* Services for other hosts that name the filter, and yet ask none; but where a later smtpd is to
 * ask it they may. */
static bool check_no_milters(const struct setup_postfix *postfix, struct setup_report *report)
{
    static const char parameter[] = "receive_override_options";
    const struct postconf_service *service = NULL;
    struct once once = {0};
    bool any = false;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_is_inner(service) || goes_elsewhere(postfix, service) ||
            !setup_postfix_no_milters(postfix, service) ||
            !setup_postfix_names_us(postfix, service, "smtpd_milters", SETUP_MILTER, NULL, NULL))
            continue;
        any = true;
        if (said_before(&once, service, parameter))
            continue;
        setup_add(report, SETUP_ERROR, "milter-service",
                  "%s names the filter in smtpd_milters, but asks no milter at all: no_milters in "
                  "%s of %s",
                  service->id, parameter, setup_postfix_place(service, parameter));
        setup_remedy(report, "take no_milters out of %s there", parameter);
    }
    return any;
}

static bool any_chroot(const struct setup_postfix *postfix)
{
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (service->chroot)
            return true;
    }
    return false;
}

/*
 * A list of milters with the filter: first, so that one that signs comes behind it, then the others
 * that the list has, but for what looks like a mistaken name of ours. Returns out.
 */
static const char *with_us(const struct setup_postfix *postfix, const char *milters, char *out,
                           size_t size)
{
    char item[300];
    struct text list;

    text_init(&list, out, size);
    text_add(&list, setup_own_name(&postfix->mta, SETUP_MILTER, item, sizeof(item)));
    while (setup_list_next(&milters, item, sizeof(item))) {
        struct setup_address address;

        if (strstr(item, "requiretls") != NULL || !setup_address_milter(item, &address))
            continue;
        text_add(&list, ", ");
        text_add(&list, item);
    }
    return out;
}

void setup_postfix_milter(struct setup_postfix *postfix, struct setup_report *report)
{
    char list[1000];
    size_t filtered = 0;
    const char *milters = postconf_get(&postfix->conf, NULL, "smtpd_milters");
    struct once action = {0}, terms = {0};
    const struct setup_mta *mta = &postfix->mta;
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (!setup_postfix_filtered(postfix, service))
            continue;
        filtered += !setup_postfix_is_second(postfix, service);
        if (!said_before(&action, service, "milter_default_action"))
            check_action(postfix, service, "smtpd_milters", report);
        if (!said_before(&terms, service, "milter_protocol"))
            check_terms(postfix, service, report);
    }
    for (size_t i = 0; i < mta->use_count; i++) {
        if (mta->uses[i].address.kind == SETUP_MILTER)
            setup_check_use(mta, &mta->uses[i], report);
    }
    if (filtered > 0)
        check_unfiltered(postfix, report);
    if (check_no_milters(postfix, report) || filtered > 0)
        return;
    setup_add(report, SETUP_ERROR, "milter-service",
              "no smtpd of Postfix asks the filter (smtpd_milters = %.300s)",
              milters[0] != '\0' ? milters : "(empty)");
    setup_remedy(report, "postconf -e 'smtpd_milters = %s'%s",
                 with_us(postfix, milters, list, sizeof(list)),
                 setup_own_proviso(mta, SETUP_MILTER, any_chroot(postfix)));
}

static bool list_has(const char *list, const char *word)
{
    char item[256];

    while (setup_list_next(&list, item, sizeof(item))) {
        if (strcmp(item, word) == 0)
            return true;
    }
    return false;
}

/* What a milter before the filter has signed is no more what leaves, where the filter cuts it. */
static void check_order(const struct setup_postfix *postfix, const char *milters,
                        const struct setup_address *ours, struct setup_report *report)
{
    char first[300], list[1000];
    const char *cursor = milters;
    struct setup_address address;

    if (!setup_list_next(&cursor, first, sizeof(first)) ||
        (setup_address_milter(first, &address) && memcmp(&address, ours, sizeof(address)) == 0))
        return;
    setup_add(report, SETUP_WARNING, "milter-order",
              "%s sees bounces before the filter, which cuts those of REQUIRETLS mail: if it signs "
              "them (DKIM), the signature is wrong",
              first);
    setup_remedy(report, "name the filter before milters that sign: non_smtpd_milters = %s",
                 with_us(postfix, milters, list, sizeof(list)));
}

/* Postfix's own bounces, and mail that does not come by SMTP. */
void setup_postfix_bounces(struct setup_postfix *postfix, struct setup_report *report)
{
    char list[1000];
    struct setup_address ours;
    const struct postconf *conf = &postfix->conf;
    const struct postconf_service *cleanup = postconf_service(conf, "cleanup", "unix");
    bool filtered =
        setup_postfix_names_us(postfix, cleanup, "non_smtpd_milters", SETUP_MILTER, NULL, &ours);
    const char *milters = postconf_get(conf, cleanup, "non_smtpd_milters");
    bool by_postfix = conf->version >= POSTCONF_REQUIRETLS &&
                      postconf_yes(postconf_get(conf, NULL, "requiretls_redact_dsn"));
    const char *classes = postconf_get(conf, cleanup, "internal_mail_filter_classes");

    if (!filtered) {
        setup_add(report, by_postfix ? SETUP_WARNING : SETUP_ERROR, "non-smtpd-milters",
                  "mail of this host's own programs does not pass the filter%s",
                  by_postfix ? "" : ", nor do bounces, which then return REQUIRETLS mail in full");
        setup_remedy(
            report, "postconf -e 'non_smtpd_milters = %s'%s",
            with_us(postfix, milters, list, sizeof(list)),
            setup_own_proviso(&postfix->mta, SETUP_MILTER, cleanup != NULL && cleanup->chroot));
        return;
    }
    check_action(postfix, cleanup, "non_smtpd_milters", report);
    if (postfix->config->milter.redact_dsn == CONFIG_REDACT_NO)
        return;
    if (list_has(classes, "bounce")) {
        if (!by_postfix)
            check_order(postfix, milters, &ours, report);
        return;
    }
    setup_add(report, by_postfix ? SETUP_WARNING : SETUP_ERROR, "bounces",
              "internal_mail_filter_classes has no `bounce`: the filter does not see bounces%s",
              by_postfix ? "" : ", which then return REQUIRETLS mail in full");
    setup_remedy(report, "postconf -e 'internal_mail_filter_classes = bounce'");
}
