/*
 * The checks of a sendmail, from sendmail.cf: how it asks the filter and the maps, and what it
 * needs to verify others. setup_sendmail_derive comes first, setup_sendmail_check last. Pure.
 */
#include "setup/sendmail/sendmail.h"

#include "setup/sendmail/sendmail_remedy.h"
#include "setup/setup.h"
#include "setup/setup_edit.h"

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

static void check_action(struct setup_sendmail *s, const struct cf_line *filter,
                         struct setup_report *report)
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
    setup_sendmail_filter(s, filter->name, report);
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

static void check_timeouts(struct setup_sendmail *s, const struct cf_line *filter,
                           struct setup_report *report)
{
    static const char name[] = "milter-timeout";
    const struct config_milter *milter = &s->config->milter;
    long reply_ms = timeout_ms(filter, 'R', 10000), end_ms = timeout_ms(filter, 'E', 300000);

    if (reply_ms <= milter->rcpt_wait_ms) {
        setup_add(report, SETUP_ERROR, name,
                  "filter %s: R: in T= is %ld s, but the filter may wait %d ms at RCPT (rcpt_wait)",
                  filter->name, reply_ms / 1000, milter->rcpt_wait_ms);
        setup_sendmail_filter(s, filter->name, report);
    }
    if (end_ms <= milter->eom_wait_ms) {
        setup_add(report, SETUP_ERROR, name,
                  "filter %s: E: in T= is %ld s, but the filter may wait %d ms at the end of a "
                  "message (eom_wait)",
                  filter->name, end_ms / 1000, milter->eom_wait_ms);
        setup_sendmail_filter(s, filter->name, report);
    }
}

/* The filter is there, but not in the list of those that are asked. */
static void add_to_filters(struct setup_sendmail *s, const char *filters, const char *name,
                           struct setup_report *report)
{
    char list[600];

    snprintf(list, sizeof(list), "%s%s%s", name, filters[0] != '\0' ? ", " : "", filters);
    setup_add(report, SETUP_ERROR, "milter-service", "InputMailFilters does not name the filter %s",
              name);
    setup_sendmail_define(s, "confINPUT_MAIL_FILTERS", list, report);
    setup_sendmail_reload(s, report);
}

/* Whether a daemon's own list of filters, or else the common one, has ours. */
static void check_daemons(struct setup_sendmail *s, const struct cf_line *filter,
                          struct setup_report *report)
{
    const char *common = cf_option(&s->cf, "InputMailFilters");
    const struct cf_line *daemon = NULL;

    if (!cf_list_has(common, filter->name)) {
        add_to_filters(s, common, filter->name, report);
        return;
    }
    while ((daemon = cf_next(&s->cf, daemon, 'O', "DaemonPortOptions")) != NULL) {
        char filters[300], address[100], daemon_name[100];

        cf_field(daemon->text, "Addr", address, sizeof(address));
        cf_field(daemon->text, "Name", daemon_name, sizeof(daemon_name));
        if (!cf_field(daemon->text, "InputMailFilters", filters, sizeof(filters)) ||
            cf_list_has(filters, filter->name) || strncmp(address, "127.", 4) == 0)
            continue;
        setup_add(report, SETUP_WARNING, "milter-service",
                  "mail that comes in by %s does not pass the filter", daemon_name);
        setup_remedy(report, "unless this is meant, as root");
        setup_sendmail_ask(s, daemon_name, filter->name, report);
    }
}

/* There is none at our socket; perhaps one of the usual name at another. */
static void add_filter(struct setup_sendmail *s, struct setup_report *report)
{
    static const char usual[] = "requiretls";

    if (cf_next(&s->cf, NULL, 'X', usual) != NULL && setup_sendmail_defines_filter(s, usual)) {
        setup_add(report, SETUP_ERROR, "milter-service", "%s has no filter at our socket", s->file);
        setup_sendmail_filter(s, usual, report);
        return;
    }
    setup_sendmail_rules_begin(s, report);
    setup_add(report, SETUP_ERROR, "milter-service", "%s has no filter at our socket", s->file);
    setup_sendmail_rules(s, report);
}

static void check_milter(struct setup_sendmail *s, struct setup_report *report)
{
    const struct cf_line *filter = our_filter(s);

    if (filter == NULL) {
        add_filter(s, report);
        return;
    }
    check_daemons(s, filter, report);
    check_action(s, filter, report);
    check_timeouts(s, filter, report);
}

/* A map of the snippets that asks somebody else. */
static void check_map_socket(struct setup_sendmail *s, const struct setup_use *use,
                             struct setup_report *report)
{
    char own[400];

    if (strcmp(use->by, "sts") != 0 && strcmp(use->by, "enforce_pki") != 0)
        return;
    setup_add(report, SETUP_ERROR, "map-policy",
              "the map %s asks at %s%s%s, where the filter's daemon does not listen", use->by,
              use->address.path, use->address.host, use->address.port);
    setup_sendmail_own(s, SETUP_SOCKETMAP, own, sizeof(own));
    if (!setup_sendmail_rename(s, &use->address, own, report))
        setup_command(report, "# in the file that %s is made from: %s as the socket of the map %s",
                      s->file, own, use->by);
    setup_sendmail_reload(s, report);
}

/* A map in requiretls.m4 that the daemon does not have; of others setup_check_sockets tells. */
static void check_map_names(struct setup_sendmail *s, struct setup_report *report)
{
    char line[100];

    for (size_t i = 0; i < s->mta.use_count; i++) {
        struct setup_use *use = &s->mta.uses[i];

        snprintf(line, sizeof(line), "K%.80s socket", use->by);
        if (use->address.kind != SETUP_SOCKETMAP || strncmp(use->probe.reply, "PERM", 4) != 0 ||
            !setup_sendmail_rules_have(s, line))
            continue;
        use->probed = false; /* that is all that is to be said of it */
        setup_sendmail_rules_begin(s, report);
        setup_add(report, SETUP_ERROR, "map-name", "map of %s: there is no map `%s' (%s)", use->by,
                  use->address.map, use->probe.reply);
        setup_sendmail_rules(s, report);
    }
}

static void check_maps(struct setup_sendmail *s, struct setup_report *report)
{
    bool asked = false;

    for (size_t i = 0; i < s->mta.use_count; i++) {
        const struct setup_use *use = &s->mta.uses[i];

        if (use->address.kind != SETUP_SOCKETMAP)
            continue;
        if (setup_use_match(&s->mta, use) == SETUP_FOREIGN)
            check_map_socket(s, use, report);
        asked |= setup_use_match(&s->mta, use) != SETUP_FOREIGN || strcmp(use->by, "sts") == 0;
    }
    if (asked || !s->config->engine.sts_enable)
        return;
    setup_sendmail_rules_begin(s, report);
    setup_add(
        report, SETUP_ERROR, "map-policy",
        "sendmail does not ask the filter how to verify a host: what was accepted for MTA-STS "
        "is not held to it at delivery");
    setup_sendmail_rules(s, report);
}

/* The certificates in the file that an option names; a negative errno if there are none. */
static int count_in(const struct setup_sendmail *s, const char *option)
{
    const char *path = cf_option(&s->cf, option);

    return path[0] != '\0' ? s->certificates(path) : -ENOENT;
}

static void add_option(const struct setup_sendmail *s, enum setup_state state, const char *option,
                       const char *name, const char *lost, struct setup_report *report)
{
    const char *path = cf_option(&s->cf, option);

    setup_add(report, state, name, "%s%s%s: %s", option, path[0] != '\0' ? " = " : " is not set",
              path, lost);
}

static void add_ok(const struct setup_sendmail *s, const char *option, const char *name,
                   struct setup_report *report)
{
    setup_add(report, SETUP_OK, name, "%s: %d certificates in %s", option, count_in(s, option),
              cf_option(&s->cf, option));
}

/* A request comes by header or rule here, with or without TLS. */
static void check_own_certificate(const struct setup_sendmail *s, struct setup_report *report)
{
    static const char option[] = "ServerCertFile", name[] = "smtpd-tls";

    if (count_in(s, option) <= 0) {
        add_option(s, SETUP_WARNING, option, name, "nobody can send with TLS here", report);
        setup_remedy(report, "a certificate of this host's own making will do, until there is one "
                             "of an authority");
        setup_sendmail_certificate(s, report);
    } else if (cf_option(&s->cf, "ServerKeyFile")[0] == '\0') {
        setup_add(report, SETUP_WARNING, name, "ServerKeyFile is not set");
        setup_remedy(report,
                     "only you know the file with the key of the certificate in %s: set "
                     "confSERVER_KEY to it in sendmail.mc",
                     cf_option(&s->cf, option));
    } else {
        add_ok(s, option, name, report);
    }
}

static void check_authorities(const struct setup_sendmail *s, struct setup_report *report)
{
    static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    static const char option[] = "CACertFile", name[] = "mta-ca";

    if (count_in(s, option) > 0) {
        add_ok(s, option, name, report);
        return;
    }
    add_option(s, SETUP_ERROR, option, name,
               "no certificate of an MTA-STS or Web PKI host can be verified", report);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (s->certificates(files[i]) <= 0)
            continue;
        setup_sendmail_define(s, "confCACERT", files[i], report);
        setup_sendmail_reload(s, report);
        return;
    }
    setup_remedy(report, "install the certificates of authorities (Debian: ca-certificates) and "
                         "run this check again: there are none where systems keep them");
}

static void check_tls(const struct setup_sendmail *s, struct setup_report *report)
{
    if (s->compiled[0] != '\0' && strstr(s->compiled, "STARTTLS") == NULL) {
        setup_add(report, SETUP_ERROR, "smtpd-tls", "this sendmail was built without STARTTLS");
        setup_remedy(report, "install one that was built with it");
        return;
    }
    check_own_certificate(s, report);
    check_authorities(s, report);
}

void setup_sendmail_check(struct setup_sendmail *s, struct setup_report *report)
{
    setup_add(report, SETUP_OK, "mta", "sendmail %s, which does not know REQUIRETLS itself",
              s->version[0] != '\0' ? s->version : "of unknown version");
    setup_sendmail_directories(s, report);
    check_milter(s, report);
    check_map_names(s, report);
    setup_check_sockets(&s->mta, s->config, report);
    check_maps(s, report);
    check_tls(s, report);
    setup_sendmail_routes(s, report);
    if (setup_can_examine(s->config, CONFIG_PART_PROBE, "probe", report) &&
        s->config->engine.probe_enable == ENGINE_PROBE_YES) {
        setup_add(report, SETUP_WARNING, "probe",
                  "[probe] enable = yes, but sendmail cannot pass REQUIRETLS on: no server is ever "
                  "probed");
        setup_remedy(report, "leave `enable` in [probe] at its default");
        setup_edit_key(report, "probe", "enable", "auto");
        setup_edit_done(report, false);
    }
}
