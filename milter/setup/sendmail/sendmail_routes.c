/*
 * Whether sendmail carries out the configuration's routes: what its own test mode makes of a marked
 * recipient. Pure.
 */
#include "setup/sendmail/sendmail.h"

#include "policy/verdict.h"
#include "setup/sendmail/sendmail_remedy.h"
#include "setup/setup_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The word after the last `mark` of the text, into out. Returns whether there is one. */
static bool last_word(const char *text, const char *mark, char *out, size_t size)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, mark)) != NULL; at++)
        found = at + strlen(mark);
    if (found == NULL)
        return false;
    snprintf(out, size, "%.*s", (int)strcspn(found, " \t\r\n"), found);
    return out[0] != '\0';
}

/* Whether a mailer that leads to a port of this host finds a daemon there. */
static bool is_received(const struct setup_sendmail *s, const struct cf_line *mailer, char *port,
                        size_t size)
{
    static const char own[] = "TCP [127.0.0.1] ";
    char arguments[200], listens[20];
    const struct cf_line *daemon = NULL;

    port[0] = '\0';
    if (!cf_field(mailer->text, "A", arguments, sizeof(arguments)) ||
        strncmp(arguments, own, strlen(own)) != 0)
        return true; /* it leads elsewhere */
    snprintf(port, size, "%s", arguments + strlen(own));
    while ((daemon = cf_next(&s->cf, daemon, 'O', "DaemonPortOptions")) != NULL) {
        if (cf_field(daemon->text, "Port", listens, sizeof(listens)) && strcmp(listens, port) == 0)
            return true;
    }
    return false;
}

/* What must stand at the delivery: rules that look at the server's certificate. */
static bool has_rules(const struct setup_sendmail *s, const char *ruleset)
{
    const struct cf_line *line = NULL;

    while ((line = cf_next(&s->cf, line, 'S', ruleset)) != NULL) {
        if (line->rules > 0)
            return true;
    }
    return false;
}

/* The tag by which requiretls.m4 knows a route. */
static const char *known_tag(const struct config_route *route)
{
    return strcmp(route->name, "encrypt") == 0    ? "encrypt.requiretls.invalid"
           : strcmp(route->name, "may") == 0      ? "may.requiretls.invalid"
           : strcmp(route->name, "optional") == 0 ? "optional.requiretls.invalid"
                                                  : "requiretls.invalid";
}

/* Of a route whose tag is not carried out: the rules are mended, or where they know none such, the
 * tag. */
static void add_wrong_tag(struct setup_sendmail *s, const struct config_route *route,
                          const char *text, struct setup_report *report)
{
    const char *tag = known_tag(route);
    char section[200];

    if (strcmp(route->tag, tag) == 0) {
        setup_sendmail_rules_begin(s, report);
        setup_add(report, SETUP_ERROR, "route-tag", "%s", text);
        setup_sendmail_rules(s, report);
        return;
    }
    setup_add(report, SETUP_ERROR, "route-tag", "%s", text);
    snprintf(section, sizeof(section), "route %s", route->name);
    setup_edit_key(report, "milter", "tag", known_tag(&(struct config_route){.name = ""}));
    setup_edit_key(report, section, "tag", tag);
    setup_edit_done(report, true);
}

static void check_mailer(struct setup_sendmail *s, const struct config_route *route,
                         const char *name, const char *tagged, const char *plain,
                         struct setup_report *report)
{
    const struct cf_line *mailer = cf_next(&s->cf, NULL, 'M', name);
    char lines[1200], address[300] = "", port[200], err[300], *text;

    if (mailer == NULL) {
        setup_sendmail_rules_begin(s, report);
        setup_add(report, SETUP_ERROR, "route-transport",
                  "[route %s] leads to the mailer %s, which does not exist", route->name, name);
        setup_sendmail_rules(s, report);
        return;
    }
    snprintf(lines, sizeof(lines), "/tryflags er\n/try %s %s\n", name, tagged);
    if (s->test(s->test_arg, lines, &text, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "route-tag", "sendmail -bt: %s", err);
        setup_remedy(report, "run this check as root, on the MTA's host");
        return;
    }
    if (!last_word(text, "Rcode = 0, addr = ", address, sizeof(address)) ||
        strcmp(address, plain) != 0) {
        snprintf(lines, sizeof(lines),
                 "the mailer %s makes %s of %s: the tag of [route %s] would be seen outside", name,
                 address[0] != '\0' ? address : "nothing", tagged, route->name);
        add_wrong_tag(s, route, lines, report);
    }
    free(text);
    if (!is_received(s, mailer, port, sizeof(port))) {
        setup_sendmail_rules_begin(s, report);
        setup_add(
            report, SETUP_ERROR, "route-reinjection",
            "[route %s]: the mailer %s leads to port %s of this host, where no daemon listens",
            route->name, name, port);
        setup_sendmail_rules(s, report);
        return;
    }
    int error = port[0] != '\0' ? s->connect("127.0.0.1", port) : 0;
    if (error != 0) {
        report->cause = s->stopped;
        setup_add(report, SETUP_ERROR, "route-reinjection",
                  "[route %s] leads to port %s of this host, which is in %s, but nobody answers "
                  "there (%s): its messages wait",
                  route->name, port, s->file, strerror(-error));
        setup_remedy(report, "restart sendmail: it does not run as that file is");
        setup_sendmail_restart(s, report);
        s->stopped = s->stopped != 0 ? s->stopped : report->count;
        setup_follow_end(report);
    }
}

static void check_route(struct setup_sendmail *s, const struct config_route *route,
                        struct setup_report *report)
{
    static const char plain[] = "user@example.org";
    char tagged[400], lines[900], mailer[100], err[300], *text;

    if (route->method == CONFIG_METHOD_HEADER) {
        setup_add(report, SETUP_ERROR, "route-header",
                  "[route %s] has the method header, which sendmail cannot carry out", route->name);
        snprintf(lines, sizeof(lines), "route %s", route->name);
        setup_edit_key(report, lines, "method", "recipient");
        setup_edit_key(report, lines, "local", "reinject");
        setup_edit_done(report, true);
        return;
    }
    snprintf(tagged, sizeof(tagged), "%s.%s", plain, route->tag);
    snprintf(lines, sizeof(lines), "3,0 %s\n", tagged);
    if (s->test(s->test_arg, lines, &text, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_UNKNOWN, "route-tag", "sendmail -bt: %s", err);
        setup_remedy(report, "run this check as root, on the MTA's host");
        return;
    }
    bool found = last_word(text, "returns: $# ", mailer, sizeof(mailer));
    free(text);
    if (!found || strcmp(mailer, "esmtp") == 0 || strcmp(mailer, "error") == 0 ||
        strcmp(mailer, "relay") == 0) {
        snprintf(lines, sizeof(lines),
                 "sendmail sends %s to %s%s: it does not know the tag of [route %s]", tagged,
                 found ? "the mailer " : "nobody", found ? mailer : "", route->name);
        add_wrong_tag(s, route, lines, report);
        return;
    }
    check_mailer(s, route, mailer, tagged, plain, report);
}

/* A connection that is used again has the names of another one's certificate (requiretls.m4). */
static void check_connections(const struct setup_sendmail *s, struct setup_report *report)
{
    const char *kept = cf_option(&s->cf, "ConnectionCacheSize");

    if (strcmp(kept, "0") == 0)
        return;
    if (!setup_sendmail_defines(s, "confMCI_CACHE_SIZE")) /* requiretls.m4 does */
        setup_sendmail_rules_begin(s, report);
    setup_add(report, SETUP_ERROR, "route-connections",
              "ConnectionCacheSize is %s, not 0: of a connection that it uses again sendmail does "
              "not know whose certificate it saw",
              kept[0] != '\0' ? kept : "not set");
    setup_sendmail_define(s, "confMCI_CACHE_SIZE", "0", report);
    setup_sendmail_reload(s, report);
    setup_follow_end(report);
}

/* RET=HDRS, which the filter asks for, is an option of DSN. */
static void check_bounces(const struct setup_sendmail *s, struct setup_report *report)
{
    const char *options = cf_option(&s->cf, "PrivacyOptions");
    char left[500], *at = left;

    if (!cf_list_has(options, "noreceipts"))
        return;
    setup_add(report, SETUP_ERROR, "route-bounce",
              "PrivacyOptions has noreceipts: with it sendmail breaks off the session when the "
              "filter asks for bounces without the body");
    snprintf(left, sizeof(left), "%s", options);
    while ((at = strstr(at, "noreceipts")) != NULL) {
        size_t len = strlen("noreceipts");

        len += strspn(at + len, ", \t");
        memmove(at, at + len, strlen(at + len) + 1);
    }
    for (size_t len = strlen(left); len > 0 && strchr(", \t", left[len - 1]) != NULL;)
        left[--len] = '\0';
    setup_sendmail_define(s, "confPRIVACY_FLAGS", left, report);
    setup_sendmail_reload(s, report);
}

static void leave_out_requiretls(const struct config_route *route, struct setup_report *report)
{
    static const char *const words[] = {"dane", "sts", "web_pki", "fallback"};
    static const unsigned bits[] = {VERDICT_CAN_DANE, VERDICT_CAN_STS, VERDICT_CAN_WEB_PKI,
                                    VERDICT_CAN_FALLBACK};
    char section[200], value[100] = "";

    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        if ((route->can & bits[i]) == 0)
            continue;
        strcat(value, value[0] != '\0' ? ", " : "");
        strcat(value, words[i]);
    }
    snprintf(section, sizeof(section), "route %s", route->name);
    setup_edit_key(report, section, "can", value[0] != '\0' ? value : "sts");
    setup_edit_done(report, true);
}

/* Whether mail on routes goes to the delivery agent, as by requiretls-deliver.m4. */
static bool has_agent(const struct setup_sendmail *s)
{
    return cf_next(&s->cf, NULL, 'M', "rtlsdeliver") != NULL;
}

void setup_sendmail_routes(struct setup_sendmail *s, struct setup_report *report)
{
    const struct config *config = s->config;
    bool by_recipient = false;

    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        size_t before = report->count;

        if ((route->can & VERDICT_CAN_REQUIRETLS) != 0 && !has_agent(s)) {
            setup_add(report, SETUP_ERROR, "route-can",
                      "[route %s] can requiretls, but sendmail cannot pass REQUIRETLS on: "
                      "`require_offer` is not kept",
                      route->name);
            setup_remedy(report, "leave it out of `can`, or include requiretls-deliver.m4 in "
                                 "sendmail.mc: the delivery agent can");
            leave_out_requiretls(route, report);
        }
        if (route->method == CONFIG_METHOD_NONE)
            continue;
        by_recipient |= route->method == CONFIG_METHOD_RECIPIENT;
        check_route(s, route, report);
        if (report->count == before)
            setup_add(report, SETUP_OK, "route", "[route %s] leads to where it can be enforced",
                      route->name);
    }
    if (by_recipient) {
        check_connections(s, report);
        check_bounces(s, report);
    }
    if (by_recipient && !has_rules(s, "Local_tls_rcpt")) {
        setup_sendmail_rules_begin(s, report);
        setup_add(
            report, SETUP_ERROR, "route-can",
            "there are no rules in Local_tls_rcpt: sendmail demands nothing of the servers it "
            "sends to");
        setup_sendmail_rules(s, report);
    }
}
