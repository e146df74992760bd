/*
 * The whole check in its order: read the MTA's configuration, try its sockets, make its checks (of
 * a Postfix that does not ask the filter, as if the first remedy was carried out), then those of
 * the host, the limits and the resolvers. An MTA that cannot be read is one finding.
 */
#include "setup/setup.h"

#include "setup/postfix/postfix_checks.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/sendmail/sendmail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a larger file remedies may add a key to what they take for a new section. */
enum { CONFIG_TEXT_MAX = 1024 * 1024 };

static const char sendmail_cf[] = "/etc/mail/sendmail.cf";

/* As many as Postfix's process limits allow its smtpd and cleanup processes to make at once. */
static size_t connections_of(const struct setup_postfix *postfix)
{
    static const char *const programs[] = {"smtpd", "cleanup"};
    const char *limit = postconf_get(&postfix->conf, NULL, "default_process_limit");
    int by_default = atoi(limit);
    size_t sum = 0;

    for (size_t i = 0; i < 2; i++) {
        const struct postconf_service *service = NULL;

        while ((service = setup_postfix_next(postfix, service, programs[i])) != NULL) {
            int most = service->process_limit < 0 ? by_default : service->process_limit;

            sum += most > 0 ? (size_t)most : 0;
        }
    }
    return sum;
}

/* The daemon's pid, as the sockets tell. */
static long listener_of(const struct setup_mta *mta)
{
    for (size_t i = 0; i < mta->use_count; i++) {
        if (mta->uses[i].probe.ours && mta->uses[i].probe.listener > 0)
            return mta->uses[i].probe.listener;
    }
    return 0;
}

/* Postfix's programs in a chroot have a resolv.conf of their own, a copy. */
static void check_resolv_conf(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");
    char path[512] = "/etc/resolv.conf";
    bool chroot = smtp != NULL && smtp->chroot;
    size_t before = report->count;

    if (chroot)
        snprintf(path, sizeof(path), "%s/etc/resolv.conf", postfix->mta.queue);
    if (chroot && access(path, R_OK) != 0) {
        setup_add(report, SETUP_ERROR, "mta-resolver",
                  "%s: %s: the transport smtp, in its chroot, does not find the resolver", path,
                  strerror(errno));
        setup_remedy(report, "copy it, as Postfix's start script does");
        setup_command(report, "install -D -m 0644 /etc/resolv.conf %s", setup_word(report, path));
        setup_postfix_reload(postfix, report);
        return;
    }
    if (chroot || postfix->config->engine.resolvers != NULL)
        setup_check_mta_resolver(postfix->config, path, chroot, report);
    if (report->count > before && report->items[report->count - 1].state != SETUP_OK)
        setup_postfix_reload(postfix, report);
}

/* The filter's resolvers and Postfix's: where both have the same fault in the same resolv.conf that
 * is one finding. */
static void check_resolvers(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");
    bool shared = postfix->config->engine.resolvers == NULL;
    char path[512];

    bool known = setup_can_examine(postfix->config, CONFIG_PART_DNS, "resolver", report);
    if (known)
        setup_check_resolver(postfix->config, report);
    bool wrong =
        known && report->count > 0 && report->items[report->count - 1].state == SETUP_ERROR;
    if (wrong && shared && smtp != NULL) {
        snprintf(path, sizeof(path), "%s/etc/resolv.conf", postfix->mta.queue);
        if (smtp->chroot)
            setup_command(report, "install -D -m 0644 /etc/resolv.conf %s",
                          setup_word(report, path));
        setup_postfix_reload(postfix, report);
        setup_follow_begin(report);
    }
    check_resolv_conf(postfix, report);
    setup_follow_end(report);
}

static bool has_error(const struct setup_report *report, const char *name)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->items[i].state == SETUP_ERROR && strcmp(report->items[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Whether the configuration is that of a delivery agent as a service of its own: it has no filter,
 * and the MTA names none of its sockets. Says so: what the MTA lacks is not to be had from it. */
static bool is_agent_alone(const struct config *config, const struct setup_mta *mta,
                           struct setup_report *report)
{
    if (!report->agent_alone)
        return false;
    for (size_t i = 0; i < mta->use_count; i++) {
        const struct setup_use *use = &mta->uses[i];

        if (setup_use_match(mta, use) == SETUP_OURS && !setup_use_expects(mta, use))
            return false;
    }
    setup_add(report, SETUP_UNKNOWN, "mta",
              "%s is the configuration of a delivery agent alone: %s is examined with that of the "
              "filter",
              config->path, mta->name);
    setup_remedy(report, "run this check without -c, or with the filter's configuration");
    return true;
}

/* What can be said without the MTA's configuration, as on a host that has another MTA. */
static void examine_without_mta(const struct config *config, struct setup_report *report)
{
    setup_check_host(config, report);
    if (setup_can_examine(config, CONFIG_PART_DNS, "resolver", report))
        setup_check_resolver(config, report);
    setup_check_running(config, has_error(report, "resolver"), report);
}

static void examine_postfix(const struct config *config, const char *dir,
                            struct setup_report *report)
{
    struct setup_postfix postfix = {.config = config, .config_dir = dir};
    char err[400];

    if (setup_postfix_read(&postfix, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "mta", "Postfix's configuration cannot be read: %s", err);
        setup_remedy(report, "run this check as root, on the MTA's host");
        examine_without_mta(config, report);
        setup_postfix_fini(&postfix);
        return;
    }
    if (setup_postfix_probe(&postfix, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "mta", "the sockets cannot be tried: %s", err);
        setup_remedy(report, "see mail_owner in main.cf");
    }
    if (!is_agent_alone(config, &postfix.mta, report)) {
        if (setup_postfix_plan(&postfix) != 0)
            report->incomplete = true;
        (void)setup_postfix_probe(&postfix, err, sizeof(err)); /* what the plan has added */
        setup_postfix_check(&postfix, report);
        setup_postfix_check_late(&postfix, report);
    }
    setup_check_host(config, report);
    setup_check_limits(config, listener_of(&postfix.mta), connections_of(&postfix), report);
    check_resolvers(&postfix, report);
    setup_check_running(config, has_error(report, "resolver"), report);
    setup_postfix_fini(&postfix);
}

/* Children of sendmail's daemon, each with one connection; 0: as many as come. */
static size_t children_of(const struct setup_sendmail *sendmail)
{
    int limit = atoi(cf_option(&sendmail->cf, "MaxDaemonChildren"));

    return limit > 0 ? (size_t)limit : 0;
}

static void examine_sendmail(const struct config *config, const char *file,
                             struct setup_report *report)
{
    struct setup_sendmail sendmail = {.config = config, .file = file};
    char err[400];

    if (setup_sendmail_read(&sendmail, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "mta", "sendmail's configuration cannot be read: %s", err);
        setup_remedy(report, "run this check as root, on the MTA's host");
        examine_without_mta(config, report);
        setup_sendmail_fini(&sendmail);
        return;
    }
    if (setup_sendmail_probe(&sendmail, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "mta", "the sockets cannot be tried: %s", err);
        setup_remedy(report, "see RunAsUser in %s", file);
    }
    if (!is_agent_alone(config, &sendmail.mta, report) &&
        setup_can_examine(config, CONFIG_PART_SOCKETS | CONFIG_PART_MILTER | CONFIG_PART_RULES,
                          "sendmail.cf", report))
        setup_sendmail_check(&sendmail, report);
    setup_check_host(config, report);
    setup_check_limits(config, listener_of(&sendmail.mta), children_of(&sendmail), report);
    if (setup_can_examine(config, CONFIG_PART_DNS, "resolver", report))
        setup_check_resolver(config, report);
    setup_check_running(config, has_error(report, "resolver"), report);
    setup_sendmail_fini(&sendmail);
}

/* What --mta says: the rest after `word` and a colon, NULL if it names another. */
static bool is_mta(const char *mta, const char *word, const char **rest)
{
    size_t len = strlen(word);

    if (strncmp(mta, word, len) != 0 || (mta[len] != '\0' && mta[len] != ':'))
        return false;
    *rest = mta[len] == ':' && mta[len + 1] != '\0' ? mta + len + 1 : NULL;
    return true;
}

/* Which of the two is installed; Postfix has a program of its own that sendmail has not. */
static const char *find_mta(void)
{
    static const char *const postconf[] = {"/usr/sbin/postconf", "/usr/local/sbin/postconf"};

    for (size_t i = 0; i < sizeof(postconf) / sizeof(postconf[0]); i++) {
        if (access(postconf[i], X_OK) == 0)
            return "postfix";
    }
    return access(sendmail_cf, F_OK) == 0 ? "sendmail" : "postfix";
}

/* The configuration's file, for remedies that change it; nothing where there is none. */
static void read_config_text(const struct config *config, struct setup_report *report)
{
    FILE *file = strcmp(config->path, "/dev/null") != 0 ? fopen(config->path, "re") : NULL;

    if (strcmp(config->path, "/dev/null") != 0)
        report->config_path = config->path;
    if (file == NULL)
        return;
    char *text = arena_zalloc(&report->arena, CONFIG_TEXT_MAX + 1);
    if (text != NULL)
        text[fread(text, 1, CONFIG_TEXT_MAX, file)] = '\0';
    report->config_text = text;
    fclose(file);
}

int setup_examine(const struct config *config, const char *mta, struct setup_report *report)
{
    const char *where;

    read_config_text(config, report);
    report->agent_alone = config->milter.socket == NULL && config->deliver.socket_count > 0 &&
                          (config->in_doubt & (CONFIG_PART_SOCKETS | CONFIG_PART_DELIVER)) == 0;
    if (mta == NULL)
        mta = find_mta();
    if (is_mta(mta, "postfix", &where))
        examine_postfix(config, where, report);
    else if (is_mta(mta, "sendmail", &where))
        examine_sendmail(config, where != NULL ? where : sendmail_cf, report);
    else
        return -EINVAL;
    return 0;
}
