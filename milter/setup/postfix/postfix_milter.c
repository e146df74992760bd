/*
 * How Postfix asks the filter: smtpd_milters and non_smtpd_milters, default_action, protocol and
 * time-outs; setup_postfix_bounces: whether bounces come to the filter. Pure.
 */
#include "setup/postfix/postfix_checks.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_sockets.h"

#include "base/text.h"
#include "setup/setup.h"

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

    setup_postfix_names_us(postfix, service, parameter, SETUP_MILTER, NULL, &address);
    if (address.default_action[0] != '\0') {
        action = address.default_action;
        place = setup_postfix_place(service, parameter);
    }
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
    if (address.default_action[0] != '\0') {
        setup_remedy(report, "write default_action = tempfail in %s of %s", parameter, place);
        return;
    }
    setup_postfix_set(postfix, service, "milter_default_action", "tempfail", report);
    setup_postfix_reload(postfix, report);
}

static void check_terms(const struct setup_postfix *postfix, const struct postconf_service *service,
                        struct setup_report *report)
{
    const char *protocol = postconf_get(&postfix->conf, service, "milter_protocol");
    const char *timeout = postconf_get(&postfix->conf, service, "milter_command_timeout");
    int seconds = postconf_seconds(timeout), wait_ms = postfix->config->milter.rcpt_wait_ms;

    if (atoi(protocol) < 6) {
        setup_add(report, SETUP_ERROR, "milter-protocol",
                  "milter_protocol = %s in %s: the filter needs version 6", protocol,
                  setup_postfix_place(service, "milter_protocol"));
        setup_postfix_set(postfix, service, "milter_protocol", "6", report);
        setup_postfix_reload(postfix, report);
    }
    if (setup_can_examine(postfix->config, CONFIG_PART_WAIT, "milter-timeout", report) &&
        seconds >= 0 && (int64_t)seconds * 1000 <= wait_ms) {
        setup_add(report, SETUP_ERROR, "milter-timeout",
                  "milter_command_timeout = %s in %s, but the filter may wait %d ms at RCPT "
                  "(rcpt_wait)",
                  timeout, setup_postfix_place(service, "milter_command_timeout"), wait_ms);
        setup_postfix_set(postfix, service, "milter_command_timeout", "30s", report);
        setup_postfix_reload(postfix, report);
    }
}

/* A service for others by which mail gets past the filter; one that takes REQUIRETLS is told of by
 * setup_postfix_marker. */
static bool is_unfiltered(const struct setup_postfix *postfix,
                          const struct postconf_service *service)
{
    return !setup_postfix_filtered(postfix, service) && !setup_postfix_is_inner(service) &&
           !setup_postfix_goes_elsewhere(postfix, service) &&
           !setup_postfix_is_silenced(postfix, service) &&
           (postfix->conf.version >= POSTCONF_REQUIRETLS || !setup_postfix_takes(postfix, service));
}

/* Services without the filter, where it is in use at all. */
static void check_unfiltered(const struct setup_postfix *postfix, struct setup_report *report)
{
    static const char parameter[] = "smtpd_milters";
    char names[512], milters[1000];
    struct text list;
    const struct postconf_service *service = NULL;

    text_init(&list, names, sizeof(names));
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (!is_unfiltered(postfix, service))
            continue;
        text_add(&list, list.len > 0 ? ", " : "");
        text_add(&list, service->id);
    }
    if (list.len == 0)
        return;
    setup_add(report, SETUP_WARNING, "milter-service",
              "mail that comes in by %s does not pass the filter", names);
    setup_remedy(report, "set smtpd_milters for them too, unless this is meant");
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (is_unfiltered(postfix, service))
            setup_postfix_set_own(
                postfix, service, parameter,
                setup_postfix_with_us(postfix, postconf_get(&postfix->conf, service, parameter),
                                      milters, sizeof(milters)),
                report);
    }
    setup_postfix_reload(postfix, report);
}

/* The remedy: receive_override_options without no_milters. */
static void without_no_milters(const struct setup_postfix *postfix,
                               const struct postconf_service *service, struct setup_report *report)
{
    static const char parameter[] = "receive_override_options";
    const char *cursor = postconf_get(&postfix->conf, service, parameter);
    char item[100], rest[500];
    struct text list;

    text_init(&list, rest, sizeof(rest));
    while (setup_list_next(&cursor, item, sizeof(item))) {
        if (strcasecmp(item, "no_milters") == 0)
            continue;
        text_add(&list, list.len > 0 ? "," : "");
        text_add(&list, item);
    }
    setup_remedy(report, "take no_milters out of %s there", parameter);
    setup_postfix_set(postfix, service, parameter, rest, report);
    setup_postfix_reload(postfix, report);
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
        if (!setup_postfix_is_silenced(postfix, service))
            continue;
        any = true;
        if (said_before(&once, service, parameter))
            continue;
        setup_add(report, SETUP_ERROR, "milter-service",
                  "%s names the filter in smtpd_milters, but asks no milter at all: no_milters in "
                  "%s of %s%s",
                  service->id, parameter, setup_postfix_place(service, parameter),
                  setup_postfix_takes(postfix, service)
                      ? "; what it takes with REQUIRETLS leaves as any other mail"
                      : "");
        without_no_milters(postfix, service, report);
    }
    return any;
}

/* Nobody asks the filter: before main.cf names it (`planned`), all else is looked at as if it did.
 */
static void add_unasked(const struct setup_postfix *postfix, struct setup_report *report)
{
    char list[1000];
    const struct setup_postfix_plan *plan = &postfix->plan;
    const char *milters =
        plan->made ? plan->before : postconf_get(&postfix->conf, NULL, "smtpd_milters");
    const struct postconf_service *cleanup = postconf_service(&postfix->conf, "cleanup", "unix");

    setup_add(report, SETUP_ERROR, "milter-service",
              "no smtpd of Postfix asks the filter (smtpd_milters = %.300s)",
              milters[0] != '\0' ? milters : "(empty)");
    setup_postfix_with_us(postfix, milters, list, sizeof(list));
    if (plan->non_smtpd ||
        !setup_postfix_names_us(postfix, cleanup, "non_smtpd_milters", SETUP_MILTER, NULL, NULL))
        setup_postfix_set(postfix, cleanup, "non_smtpd_milters", "$smtpd_milters", report);
    setup_postfix_name_us(postfix, NULL, "smtpd_milters", SETUP_MILTER,
                          setup_postfix_smtpd_chroot(postfix), list, report);
}

void setup_postfix_milter(struct setup_postfix *postfix, struct setup_report *report)
{
    size_t filtered = 0;
    struct once action = {0}, terms = {0};
    const struct setup_mta *mta = &postfix->mta;
    const struct postconf_service *service = NULL;

    if (postfix->plan.made)
        add_unasked(postfix, report);
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (!setup_postfix_filtered(postfix, service))
            continue;
        filtered += !setup_postfix_is_second(postfix, service);
        if (!said_before(&action, service, "milter_default_action"))
            check_action(postfix, service, "smtpd_milters", report);
        if (!said_before(&terms, service, "milter_protocol"))
            check_terms(postfix, service, report);
    }
    setup_check_sockets(mta, postfix->config, report);
    if (filtered > 0 || postfix->plan.made)
        check_unfiltered(postfix, report);
    if (!check_no_milters(postfix, report) && filtered == 0 && !postfix->plan.made)
        add_unasked(postfix, report);
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
static void check_order(const struct setup_postfix *postfix, const struct postconf_service *cleanup,
                        const char *milters, const struct setup_address *ours,
                        struct setup_report *report)
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
    setup_remedy(report, "name the filter before milters that sign");
    setup_postfix_set(postfix, cleanup, "non_smtpd_milters",
                      setup_postfix_with_us(postfix, milters, list, sizeof(list)), report);
    setup_postfix_reload(postfix, report);
}

/* Whether an smtpd that asks the filter has its action from main.cf too, of which check_action has
 * spoken then. */
static bool is_action_said(const struct setup_postfix *postfix,
                           const struct postconf_service *cleanup)
{
    static const char parameter[] = "milter_default_action";
    const struct postconf_service *service = NULL;

    if (strcmp(setup_postfix_place(cleanup, parameter), "main.cf") != 0)
        return false;
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_filtered(postfix, service) &&
            strcmp(setup_postfix_place(service, parameter), "main.cf") == 0)
            return true;
    }
    return false;
}

/* Whether an smtpd asks the filter, or would if it asked any. */
static bool is_filter_in_use(const struct setup_postfix *postfix)
{
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_names_us(postfix, service, "smtpd_milters", SETUP_MILTER, NULL, NULL) &&
            !setup_postfix_is_second(postfix, service))
            return true;
    }
    return false;
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
    char classes_with_bounce[300];

    if (!filtered && !is_filter_in_use(postfix))
        return; /* setup_postfix_milter has said so, and what to do about both */
    if (!filtered) {
        setup_add(report, by_postfix ? SETUP_WARNING : SETUP_ERROR, "non-smtpd-milters",
                  "mail of this host's own programs does not pass the filter%s",
                  by_postfix ? "" : ", nor do bounces, which then return REQUIRETLS mail in full");
        setup_postfix_name_us(postfix, cleanup, "non_smtpd_milters", SETUP_MILTER,
                              cleanup != NULL && cleanup->chroot,
                              setup_postfix_with_us(postfix, milters, list, sizeof(list)), report);
        return;
    }
    if (!is_action_said(postfix, cleanup))
        check_action(postfix, cleanup, "non_smtpd_milters", report);
    if (postfix->config->milter.redact_dsn == CONFIG_REDACT_NO)
        return;
    if (list_has(classes, "bounce")) {
        if (!by_postfix)
            check_order(postfix, cleanup, milters, &ours, report);
        return;
    }
    snprintf(classes_with_bounce, sizeof(classes_with_bounce), "%s%sbounce", classes,
             classes[0] != '\0' ? ", " : "");
    setup_add(report, by_postfix ? SETUP_WARNING : SETUP_ERROR, "bounces",
              "internal_mail_filter_classes has no `bounce`: the filter does not see bounces%s",
              by_postfix ? "" : ", which then return REQUIRETLS mail in full");
    setup_postfix_set(postfix, cleanup, "internal_mail_filter_classes", classes_with_bounce,
                      report);
    setup_postfix_reload(postfix, report);
}
