/*
 * The whole check in its order: read the MTA's configuration, try its sockets, make its checks,
 * then those of the host, the limits and the resolvers. An MTA that cannot be read is one finding.
 */
#include "setup/setup.h"

#include "setup/postfix/postfix_checks.h"
#include "setup/sendmail/sendmail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Postfix's programs in a chroot have a resolv.conf of their own. */
static void check_resolv_conf(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");
    char path[512] = "/etc/resolv.conf";
    bool chroot = smtp != NULL && smtp->chroot;

    if (chroot)
        snprintf(path, sizeof(path), "%s/etc/resolv.conf", postfix->mta.queue);
    if (chroot && access(path, R_OK) != 0) {
        setup_add(report, SETUP_ERROR, "mta-resolver",
                  "%s: %s: the transport smtp, in its chroot, "
                  "does not find the resolver",
                  path, strerror(errno));
        setup_remedy(report,
                     "restart Postfix, whose start script copies the file; or take smtp out "
                     "of the chroot");
        return;
    }
    if (chroot || postfix->config->engine.resolvers != NULL)
        setup_check_mta_resolver(postfix->config, path, report);
}

static void examine_postfix(const struct config *config, const char *dir,
                            struct setup_report *report)
{
    struct setup_postfix postfix = {.config = config, .config_dir = dir};
    char err[400];

    if (setup_postfix_read(&postfix, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "mta", "Postfix's configuration cannot be read: %s", err);
        setup_remedy(report, "run this check as root, on the MTA's host");
        setup_postfix_fini(&postfix);
        return;
    }
    if (setup_postfix_probe(&postfix, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "mta", "the sockets cannot be tried: %s", err);
        setup_remedy(report, "see mail_owner in main.cf");
    }
    setup_postfix_check(&postfix, report);
    setup_postfix_native(&postfix, report);
    setup_postfix_proxies(&postfix, report);
    setup_check_host(config, report);
    setup_check_limits(config, listener_of(&postfix.mta), connections_of(&postfix), report);
    setup_check_resolver(config, report);
    check_resolv_conf(&postfix, report);
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
        setup_sendmail_fini(&sendmail);
        return;
    }
    if (setup_sendmail_probe(&sendmail, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "mta", "the sockets cannot be tried: %s", err);
        setup_remedy(report, "see RunAsUser in %s", file);
    }
    setup_sendmail_check(&sendmail, report);
    setup_check_host(config, report);
    setup_check_limits(config, listener_of(&sendmail.mta), children_of(&sendmail), report);
    setup_check_resolver(config, report);
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

int setup_examine(const struct config *config, const char *mta, struct setup_report *report)
{
    const char *where;

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
