/*
 * How the parameter REQUIRETLS of MAIL gets to the filter. Postfix before 3.11 refuses it, unless
 * smtpd_command_filter makes of it the marker that the filter knows: then it has to be so for
 * quoted local parts too (RFC 5321 section 4.1.2), and only where the filter follows, for all
 * clients. Elsewhere smtpd would take the request and nobody would know of it. Postfix 3.11 knows
 * the parameter itself, and no table may take it away. Pure.
 */
#include "setup/postfix/postfix_checks.h"

#include "base/text.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/setup_edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SIMPLE "MAIL FROM:<sender@example.org>"
#define QUOTED "MAIL FROM:<\"a>b\"@example.org>"
#define FILTER "smtpd_command_filter"
#define TABLE "requiretls_command"
#define MARKER "SIZE=00000000000000008689" /* what that table makes of REQUIRETLS */

static const char name[] = "marker", swallowed[] = "marker-swallowed";

enum made {
    MADE_UNKNOWN, /* the table cannot be asked */
    MADE_REFUSED, /* smtpd sees REQUIRETLS, and refuses what it does not know */
    MADE_MARKER,  /* the filter's marker is in it */
    MADE_LOST,    /* no REQUIRETLS and no marker */
};

/* What a service, NULL for main.cf, makes of REQUIRETLS; out: the command, or why it is unknown;
 * error: the negative errno then. */
static enum made make(const struct setup_postfix *postfix, const struct postconf_service *service,
                      const char *command, char *out, size_t size, int *error)
{
    const char *marker = postfix->config->milter.marker;
    char key[128];

    snprintf(key, sizeof(key), "%s REQUIRETLS", command);
    int found = setup_postfix_look_up(postfix, service, FILTER, key, out, size);
    *error = found < 0 ? found : 0;
    if (found < 0)
        return MADE_UNKNOWN;
    if (found == 1 && marker[0] != '\0' && strcasestr(out, marker) != NULL)
        return MADE_MARKER;
    return found == 0 || strcasestr(out, "REQUIRETLS") != NULL ? MADE_REFUSED : MADE_LOST;
}

bool setup_postfix_takes(const struct setup_postfix *postfix,
                         const struct postconf_service *service)
{
    char out[512];
    int error;
    enum made made = make(postfix, service, SIMPLE, out, sizeof(out), &error);

    return made == MADE_MARKER || made == MADE_LOST;
}

static bool in_main_cf(const struct postconf_service *service, const char *parameter)
{
    return strcmp(setup_postfix_place(service, parameter), "main.cf") == 0;
}

static const char *value(const struct setup_postfix *postfix,
                         const struct postconf_service *service, const char *parameter)
{
    return postconf_get(&postfix->conf, service, parameter);
}

/* The snippets' table for a service, as it stands now. */
static void take_table(const struct setup_postfix *postfix, const struct postconf_service *service,
                       struct setup_report *report)
{
    char table[400];

    setup_postfix_install(postfix, TABLE, report);
    setup_postfix_set_own(postfix, service, FILTER,
                          setup_postfix_table(postfix, TABLE, table, sizeof(table)), report);
    setup_postfix_reload(postfix, report);
}

/* A quoted local part may have `>` in it. */
static void check_quoted(const struct setup_postfix *postfix,
                         const struct postconf_service *service, struct setup_report *report)
{
    char command[512];
    int error;
    enum made made = make(postfix, service, QUOTED, command, sizeof(command), &error);

    if (made == MADE_UNKNOWN)
        return; /* it could be asked a moment ago */
    if (made == MADE_MARKER && strncmp(command, QUOTED, strlen(QUOTED)) == 0) {
        setup_add(report, SETUP_OK, name, "%s: the parameter REQUIRETLS reaches the filter as %s",
                  service->id, postfix->config->milter.marker);
        return;
    }
    setup_add(report, made == MADE_REFUSED ? SETUP_WARNING : SETUP_ERROR, name,
              "%s: %s does not know quoted local parts: it makes `%s` of %s REQUIRETLS",
              service->id, FILTER, made == MADE_REFUSED ? "nothing" : command, QUOTED);
    setup_remedy(report, "take the table of the sample configuration in the place of %s",
                 value(postfix, service, FILTER));
    take_table(postfix, service, report);
}

/* A service for others that asks the filter. */
static void check_service(const struct setup_postfix *postfix,
                          const struct postconf_service *service, struct setup_report *report)
{
    const char *filter = value(postfix, service, FILTER);
    char command[512];
    int error;

    switch (make(postfix, service, SIMPLE, command, sizeof(command), &error)) {
    case MADE_MARKER:
        check_quoted(postfix, service, report);
        return;
    case MADE_LOST:
        setup_add(report, SETUP_ERROR, name,
                  "%s: %s makes `%s` of REQUIRETLS, but the filter's marker is %s: the request is "
                  "lost",
                  service->id, FILTER, command,
                  postfix->config->milter.marker[0] != '\0' ? postfix->config->milter.marker
                                                            : "(empty)");
        setup_remedy(report, "the same in %s and in [milter], as in the sample configuration",
                     filter);
        take_table(postfix, service, report);
        setup_edit_key(report, "milter", "marker", MARKER);
        setup_edit_done(report, false);
        return;
    case MADE_REFUSED:
        return; /* see check_refused */
    case MADE_UNKNOWN:
    default:
        setup_add(report, setup_postfix_unasked(error), name, "%s: %s = %s cannot be asked: %s",
                  service->id, FILTER, filter, command);
        setup_remedy(report, "mend the table; smtpd needs it for every command");
    }
}

/* Whether a service for others asks the filter, but refuses the parameter. A proxy that loses the
 * marker must not be given it. */
static bool refuses(const struct setup_postfix *postfix, const struct postconf_service *service)
{
    char command[512];
    int error;

    return setup_postfix_filtered(postfix, service) && !setup_postfix_is_inner(service) &&
           value(postfix, service, "smtpd_proxy_filter")[0] == '\0' &&
           make(postfix, service, SIMPLE, command, sizeof(command), &error) == MADE_REFUSED;
}

/* All services that do are one finding; `elsewhere`: another takes REQUIRETLS. */
static void check_refused(const struct setup_postfix *postfix, bool elsewhere,
                          struct setup_report *report)
{
    char names[512];
    struct text list;
    const struct postconf_service *service = NULL;

    if (postfix->config->milter.marker[0] == '\0')
        return;
    text_init(&list, names, sizeof(names));
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (refuses(postfix, service))
            text_addf(&list, "%s%s", list.len > 0 ? ", " : "", service->id);
    }
    if (list.len == 0)
        return;
    setup_add(report, elsewhere ? SETUP_WARNING : SETUP_ERROR, name,
              "%s: this Postfix refuses the parameter REQUIRETLS (555) before the filter sees it: "
              "no %s makes the filter's marker of it (an empty `marker` in [milter] if that is "
              "meant)",
              names, FILTER);
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (refuses(postfix, service))
            take_table(postfix, service, report);
    }
}

static void check_native(const struct setup_postfix *postfix,
                         const struct postconf_service *service, struct setup_report *report)
{
    if (!setup_postfix_takes(postfix, service))
        return;
    setup_add(report, SETUP_ERROR, name,
              "%s: %s takes REQUIRETLS away, which this Postfix understands itself", service->id,
              FILTER);
    setup_remedy(report, "take that line out of %s: it is for Postfix before 3.11",
                 value(postfix, service, FILTER));
}

/* sendmail -bs runs an smtpd with the parameters of main.cf, which asks no milter. */
static bool check_main_cf(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf_service *service = NULL;

    if (!setup_postfix_takes(postfix, NULL))
        return false;
    setup_add(
        report, SETUP_ERROR, swallowed,
        "%s in main.cf: each smtpd takes REQUIRETLS, `sendmail -bs` too, also where no filter "
        "follows, and nobody knows of the request then",
        FILTER);
    setup_remedy(report,
                 "take it out of main.cf, and set it for each service that asks the filter");
    setup_postfix_unset(postfix, FILTER, report);
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_filtered(postfix, service) && !setup_postfix_is_inner(service) &&
            in_main_cf(service, FILTER))
            take_table(postfix, service, report);
    }
    setup_postfix_reload(postfix, report);
    return true;
}

/* A service that takes REQUIRETLS, and no filter follows. */
static void check_unfiltered(const struct setup_postfix *postfix,
                             const struct postconf_service *service, struct setup_report *report)
{
    static const char parameter[] = "smtpd_milters";
    char milters[1000];

    setup_add(report, SETUP_ERROR, swallowed,
              "%s takes REQUIRETLS (%s), but asks no filter: the request is lost, and the mail "
              "leaves as any other",
              service->id, FILTER);
    if (setup_postfix_is_inner(service)) {
        setup_remedy(report, "do not take it there, or ask the filter there");
        setup_postfix_set_own(postfix, service, FILTER, "", report);
        setup_postfix_reload(postfix, report);
        return;
    }
    setup_remedy(report, "ask the filter there; or do not take it (%s)", FILTER);
    setup_postfix_set_own(postfix, service, parameter,
                          setup_postfix_with_us(postfix, value(postfix, service, parameter),
                                                milters, sizeof(milters)),
                          report);
    setup_postfix_reload(postfix, report);
}

struct milters {
    const struct setup_postfix *postfix;
    const struct postconf_service *service;
    char without[200]; /* a value that does not name the filter */
};

static void take_milters(void *arg, const char *list)
{
    struct milters *milters = arg;

    if (milters->without[0] == '\0' &&
        !setup_postfix_list_names_us(milters->postfix, milters->service, list))
        snprintf(milters->without, sizeof(milters->without), "%s", list);
}

/* smtpd_milter_maps takes the filter from some clients. */
static void check_maps(const struct setup_postfix *postfix, const struct postconf_service *service,
                       bool taken, struct setup_report *report)
{
    static const char parameter[] = "smtpd_milter_maps";
    struct milters milters = {.postfix = postfix, .service = service};
    const char *cursor = value(postfix, service, parameter);
    char table[512];
    int error = 0;

    while (error == 0 && setup_list_next(&cursor, table, sizeof(table)))
        error = postfix->values(postfix->values_arg, table, take_milters, &milters);
    if (milters.without[0] != '\0') {
        setup_add(report, taken ? SETUP_ERROR : SETUP_WARNING, taken ? swallowed : "milter-service",
                  "%s of %s gives `%s` to some clients: %s", parameter, service->id,
                  milters.without,
                  taken ? "their REQUIRETLS is taken, but no filter knows of it"
                        : "their mail does not pass the filter");
        setup_remedy(report, "name the filter in each line of %s; or do without it", table);
    } else if (error != 0 && taken) {
        setup_add(report, setup_postfix_unasked(error), swallowed,
                  "%s of %s cannot be listed (%s): it may take the filter from clients whose "
                  "REQUIRETLS is taken",
                  parameter, service->id, table);
        setup_remedy(report, "do without it; or a table that can be listed, with the filter in "
                             "each line");
    } else {
        return;
    }
    setup_postfix_set(postfix, service, parameter, "", report);
    setup_postfix_reload(postfix, report);
}

/* Where nobody asks the filter at all, setup_postfix_milter has said so. */
static void check_older(const struct setup_postfix *postfix, struct setup_report *report)
{
    bool main_cf = check_main_cf(postfix, report), any = false, elsewhere = false, checked = false;
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        bool filtered = setup_postfix_filtered(postfix, service);

        any |= filtered && !setup_postfix_is_second(postfix, service);
        elsewhere |=
            filtered && !setup_postfix_is_inner(service) && setup_postfix_takes(postfix, service);
    }
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        bool shared = in_main_cf(service, FILTER);

        if (setup_postfix_filtered(postfix, service)) {
            bool same = shared && setup_postfix_takes(postfix, service);

            if (!setup_postfix_is_inner(service) && !(same && checked))
                check_service(postfix, service, report);
            checked |= same;
        } else if (any && setup_postfix_takes(postfix, service) && !(shared && main_cf) &&
                   !setup_postfix_proxied(postfix, service) &&
                   !setup_postfix_is_silenced(postfix, service)) {
            check_unfiltered(postfix, service, report);
        }
    }
    check_refused(postfix, elsewhere, report);
}

void setup_postfix_marker(struct setup_postfix *postfix, struct setup_report *report)
{
    bool native = postfix->conf.version >= POSTCONF_REQUIRETLS, checked = false;
    bool listed[2] = {false, false};
    const struct postconf_service *service = NULL;

    if (!native)
        check_older(postfix, report);
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        bool taken = !native && setup_postfix_takes(postfix, service);
        bool shared_filter = in_main_cf(service, FILTER);
        bool shared_maps = in_main_cf(service, "smtpd_milter_maps");

        if (native && !(shared_filter && checked))
            check_native(postfix, service, report);
        checked |= shared_filter;
        if (!setup_postfix_filtered(postfix, service) || (shared_maps && listed[taken]) ||
            (setup_postfix_is_inner(service) && !taken))
            continue;
        check_maps(postfix, service, taken, report);
        listed[taken] |= shared_maps;
    }
}
