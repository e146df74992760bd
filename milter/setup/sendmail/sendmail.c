/*
 * The checks of a sendmail, from sendmail.cf: how it asks the filter and the maps, and what it
 * needs to verify others. setup_sendmail_derive comes first, setup_sendmail_check last. Pure.
 */
#include "setup/sendmail/sendmail.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int add_use(struct setup_sendmail *s, const struct setup_use *use)
{
    struct setup_mta *mta = &s->mta;
    struct setup_use *uses = arena_grow(&s->cf.arena, mta->uses, mta->use_count, sizeof(*uses));

    if (uses == NULL)
        return -ENOMEM;
    mta->uses = uses;
    uses[mta->use_count++] = *use;
    return 0;
}

/* The address of a socket map, behind its flags; its name goes with each question. */
static bool map_address(const struct cf_line *map, struct setup_address *out)
{
    const char *text = map->text;

    if (strncmp(text, "socket", 6) != 0 || strchr(" \t", text[6]) == NULL)
        return false;
    for (text += 6; *(text += strspn(text, " \t")) == '-';)
        text += strcspn(text, " \t");
    if (!setup_address_sendmail(SETUP_SOCKETMAP, text, out))
        return false;
    snprintf(out->map, sizeof(out->map), "%s", map->name);
    return true;
}

static int derive_uses(struct setup_sendmail *s)
{
    const struct cf_line *line = NULL;
    char address[300];
    int error = 0;

    while (error == 0 && (line = cf_next(&s->cf, line, 'X', NULL)) != NULL) {
        struct setup_use use = {.parameter = "INPUT_MAIL_FILTER", .by = line->name};

        if (cf_field(line->text, "S", address, sizeof(address)) &&
            setup_address_sendmail(SETUP_MILTER, address, &use.address))
            error = add_use(s, &use);
    }
    for (line = NULL; error == 0 && (line = cf_next(&s->cf, line, 'K', NULL)) != NULL;) {
        struct setup_use use = {.parameter = "map", .by = line->name};

        if (map_address(line, &use.address))
            error = add_use(s, &use);
    }
    return error;
}

int setup_sendmail_derive(struct setup_sendmail *s)
{
    const char *run_as = cf_option(&s->cf, "RunAsUser");
    size_t len = strcspn(run_as, ":.");

    snprintf(s->user, sizeof(s->user), "%.*s", (int)len, len > 0 ? run_as : "");
    if (len == 0)
        strcpy(s->user, "root");
    snprintf(s->group, sizeof(s->group), "%s", run_as[len] != '\0' ? run_as + len + 1 : s->user);
    s->mta.name = "sendmail";
    s->mta.queue = "/";
    s->mta.user = s->user;
    s->mta.group = s->group;
    setup_own_from(&s->mta, s->config);
    return derive_uses(s);
}

/* The X line that is ours, NULL if there is none. */
static const struct cf_line *our_filter(const struct setup_sendmail *s)
{
    for (size_t i = 0; i < s->mta.use_count; i++) {
        const struct setup_use *use = &s->mta.uses[i];

        if (use->address.kind == SETUP_MILTER && setup_use_match(&s->mta, use) != SETUP_FOREIGN)
            return cf_next(&s->cf, NULL, 'X', use->by);
    }
    return NULL;
}

static void check_action(const struct cf_line *filter, struct setup_report *report)
{
    static const char name[] = "milter-default-action";
    char flag[20];

    cf_field(filter->text, "F", flag, sizeof(flag));
    if (strcmp(flag, "T") == 0 || strcmp(flag, "4") == 0) {
        setup_add(report, SETUP_OK, name, "F=%s: what the filter cannot see is deferred", flag);
        return;
    }
    if (strcmp(flag, "R") == 0)
        setup_add(report, SETUP_WARNING, name, "F=R: while the filter is down all mail is refused");
    else
        setup_add(report, SETUP_ERROR, name,
                  "filter %s has no F=T: while it is down all mail passes unseen", filter->name);
    setup_remedy(report, "INPUT_MAIL_FILTER(`%s', `S=..., F=T, ...')", filter->name);
}

/* Milliseconds of one of the timeouts in T=C:5m;S:10s;R:10s;E:5m, its default if it is not given.
 */
static long timeout_ms(const struct cf_line *filter, char which, long by_default_ms)
{
    char timeouts[200];

    cf_field(filter->text, "T", timeouts, sizeof(timeouts));
    for (const char *at = timeouts; *at != '\0'; at += *at != '\0') {
        char *end;

        at += strspn(at, " \t;");
        if (at[0] == which && at[1] == ':') {
            long number = strtol(at + 2, &end, 10);
            long unit_ms = *end == 'd'   ? 86400000
                           : *end == 'h' ? 3600000
                           : *end == 'm' ? 60000
                                         : 1000;

            return number < LONG_MAX / unit_ms ? number * unit_ms : LONG_MAX;
        }
        at += strcspn(at, ";");
    }
    return by_default_ms;
}

static void check_timeouts(const struct setup_sendmail *s, const struct cf_line *filter,
                           struct setup_report *report)
{
    static const char name[] = "milter-timeout";
    const struct config_milter *milter = &s->config->milter;
    long reply_ms = timeout_ms(filter, 'R', 10000), end_ms = timeout_ms(filter, 'E', 300000);

    if (reply_ms <= milter->rcpt_wait_ms) {
        setup_add(report, SETUP_ERROR, name,
                  "filter %s: R: in T= is %ld s, but the filter may wait %d ms at RCPT (rcpt_wait)",
                  filter->name, reply_ms / 1000, milter->rcpt_wait_ms);
        setup_remedy(report, "T=R:60s in INPUT_MAIL_FILTER, or a shorter rcpt_wait in [milter]");
    }
    if (end_ms <= milter->eom_wait_ms) {
        setup_add(report, SETUP_ERROR, name,
                  "filter %s: E: in T= is %ld s, but the filter may wait %d ms at the end of a "
                  "message (eom_wait)",
                  filter->name, end_ms / 1000, milter->eom_wait_ms);
        setup_remedy(report, "T=E:5m in INPUT_MAIL_FILTER, or a shorter eom_wait in [milter]");
    }
}

/* Whether a daemon's own list of filters, or else the common one, has ours. */
static void check_daemons(const struct setup_sendmail *s, const struct cf_line *filter,
                          struct setup_report *report)
{
    static const char name[] = "milter-service";
    const char *common = cf_option(&s->cf, "InputMailFilters");
    const struct cf_line *daemon = NULL;

    if (!cf_list_has(common, filter->name)) {
        setup_add(report, SETUP_ERROR, name, "InputMailFilters does not name the filter %s",
                  filter->name);
        setup_remedy(report,
                     "INPUT_MAIL_FILTER, not MAIL_FILTER; or confINPUT_MAIL_FILTERS with %s",
                     filter->name);
        return;
    }
    while ((daemon = cf_next(&s->cf, daemon, 'O', "DaemonPortOptions")) != NULL) {
        char filters[300], address[100], daemon_name[100];

        cf_field(daemon->text, "Addr", address, sizeof(address));
        cf_field(daemon->text, "Name", daemon_name, sizeof(daemon_name));
        if (!cf_field(daemon->text, "InputMailFilters", filters, sizeof(filters)) ||
            cf_list_has(filters, filter->name) || strncmp(address, "127.", 4) == 0)
            continue;
        setup_add(report, SETUP_WARNING, name, "mail that comes in by %s does not pass the filter",
                  daemon_name);
        setup_remedy(report, "InputMailFilters=%s in its DAEMON_OPTIONS, unless this is meant",
                     filter->name);
    }
}

static void check_milter(const struct setup_sendmail *s, struct setup_report *report)
{
    char ours[300];
    const struct cf_line *filter = our_filter(s);

    if (filter == NULL) {
        setup_add(report, SETUP_ERROR, "milter-service", "%s has no filter at our socket", s->file);
        setup_remedy(report, "INPUT_MAIL_FILTER(`requiretls', `S=%s, F=T, T=S:10s;R:60s;E:5m')",
                     setup_own_name(&s->mta, SETUP_MILTER, ours, sizeof(ours)));
        return;
    }
    check_daemons(s, filter, report);
    check_action(filter, report);
    check_timeouts(s, filter, report);
    if (s->open_directory) {
        setup_add(report, SETUP_ERROR, "milter-directory",
                  "the socket is below a directory that everybody may write to: sendmail will not "
                  "use it");
        setup_remedy(report, "a directory of the daemon's own, as /run/requiretls-milter");
    }
}

static void check_maps(const struct setup_sendmail *s, struct setup_report *report)
{
    bool asked = false;

    for (size_t i = 0; i < s->mta.use_count; i++) {
        const struct setup_use *use = &s->mta.uses[i];

        setup_check_use(&s->mta, use, report);
        asked |=
            use->address.kind == SETUP_SOCKETMAP && setup_use_match(&s->mta, use) != SETUP_FOREIGN;
    }
    if (asked || !s->config->engine.sts_enable)
        return;
    setup_add(
        report, SETUP_ERROR, "map-policy",
        "sendmail does not ask the filter how to verify a host: what was accepted for MTA-STS "
        "is not held to it at delivery");
    setup_remedy(report, "FEATURE(`sts', `socket -d10 -T<TMPF> %s')",
                 s->config->socketmap.listen_count > 0 ? s->config->socketmap.listen[0].text
                                                       : "unix:/run/requiretls-milter/policy.sock");
}

static void check_file(const struct setup_sendmail *s, enum setup_state state, const char *option,
                       const char *name, const char *lost, struct setup_report *report)
{
    const char *path = cf_option(&s->cf, option);
    int count = path[0] != '\0' ? s->certificates(path) : -ENOENT;

    if (count > 0) {
        setup_add(report, SETUP_OK, name, "%s: %d certificates in %s", option, count, path);
        return;
    }
    setup_add(report, state, name, "%s%s%s: %s", option, path[0] != '\0' ? " = " : " is not set",
              path, lost);
    setup_remedy(report, "set it in sendmail.mc (conf%s) to a file with a certificate",
                 strcmp(option, "CACertFile") == 0 ? "CACERT" : "SERVER_CERT");
}

static void check_tls(const struct setup_sendmail *s, struct setup_report *report)
{
    const char *key = cf_option(&s->cf, "ServerKeyFile");

    if (s->compiled[0] != '\0' && strstr(s->compiled, "STARTTLS") == NULL) {
        setup_add(report, SETUP_ERROR, "smtpd-tls", "this sendmail was built without STARTTLS");
        setup_remedy(report, "install one that was built with it");
        return;
    }
    /* A request comes by header or rule here, with or without TLS. */
    check_file(s, SETUP_WARNING, "ServerCertFile", "smtpd-tls", "nobody can send with TLS here",
               report);
    if (key[0] == '\0') {
        setup_add(report, SETUP_WARNING, "smtpd-tls", "ServerKeyFile is not set");
        setup_remedy(report, "set confSERVER_KEY in sendmail.mc");
    }
    check_file(s, SETUP_ERROR, "CACertFile", "mta-ca",
               "no certificate of an MTA-STS or Web PKI host can be verified", report);
}

void setup_sendmail_check(struct setup_sendmail *s, struct setup_report *report)
{
    setup_add(report, SETUP_OK, "mta", "sendmail %s, which does not know REQUIRETLS itself",
              s->version[0] != '\0' ? s->version : "of unknown version");
    check_milter(s, report);
    check_maps(s, report);
    check_tls(s, report);
    setup_sendmail_routes(s, report);
}
