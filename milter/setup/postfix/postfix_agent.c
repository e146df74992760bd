/*
 * A route to the delivery agent: whether its transport speaks LMTP to a socket where the agent
 * answers Postfix's user, waits long enough,
 * and hands over what the filter has seen; whether one next-hop can slow down the others; whether a
 * ticket can leave by another transport; and which settings of Postfix's own client do not hold for
 * the agent. setup_route_agent() adds a finding for each; setup_route_no_agent() for a route that
 * leads to the agent and does not say so. Pure.
 */
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_route.h"

#include "base/text.h"
#include "decide/agent_socket.h"
#include "setup/setup_edit.h"
#include "ticket/ticket.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Returns whether it is one by which the agent can be reached. */
static bool check_transport(const struct setup_postfix *postfix, const struct config_route *route,
                            const struct postconf_service *transport, const char *nexthop,
                            struct setup_report *report)
{
    static const char name[] = "agent-transport";

    if (strcmp(transport->program, "lmtp") != 0) {
        setup_add(report, SETUP_ERROR, name,
                  "[route %s] has agent = yes, but leads to the transport %s, which is %s: the "
                  "delivery agent is reached by lmtp alone",
                  route->name, transport->id, transport->program);
        setup_remedy(report, "the transport requiretls-deliver, as %s/master.cf has it",
                     setup_postfix_snippets(postfix));
        return false;
    }
    if (strncmp(nexthop, "unix:", 5) == 0 || strncmp(nexthop, "inet:", 5) == 0)
        return true;
    setup_add(
        report, SETUP_ERROR, name,
        "[route %s] leads to %s without a socket: its mail would go to the recipient's domain "
        "by LMTP, not to the delivery agent",
        route->name, transport->id);
    setup_remedy(report,
                 "FILTER %s:unix:requiretls-deliver/lmtp.sock in the table of "
                 "milter_header_checks",
                 transport->name);
    return false;
}

/* Whether an earlier route has led there. */
static bool is_told(const struct setup_report *report, const char *where)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->items[i].name, "agent-socket") == 0 &&
            strncmp(report->items[i].text, where, strlen(where)) == 0)
            return true;
    }
    return false;
}

static void check_socket(const struct setup_postfix *postfix,
                         const struct postconf_service *transport, const char *nexthop,
                         struct setup_report *report)
{
    char parameter[320], where[400];
    struct setup_use use = {.parameter = parameter,
                            .by = transport->id,
                            .chroot = transport->chroot,
                            .separate = agent_socket_find(postfix->config, nexthop) == NULL};

    snprintf(parameter, sizeof(parameter), "the next-hop %s", nexthop);
    snprintf(where, sizeof(where), "%s of %s", parameter, transport->id);
    if (is_told(report, where) || !setup_address_lmtp(nexthop, &use.address))
        return;
    postfix->try_use(postfix->try_arg, &use);
    setup_check_agent_socket(&postfix->mta, postfix->config, &use, report);
}

static void check_timeout(const struct setup_postfix *postfix,
                          const struct postconf_service *transport, struct setup_report *report)
{
    static const char name[] = "lmtp_data_done_timeout";
    const struct config_deliver *deliver = &postfix->config->deliver;
    const char *value = postconf_get(&postfix->conf, transport, name);
    int needed_s = (deliver->setup_timeout_ms + deliver->data_timeout_ms) / 1000;
    int seconds = value[0] != '\0' ? postconf_seconds(value) : 600;

    if (seconds < 0 || seconds > needed_s)
        return;
    setup_add(report, SETUP_WARNING, "agent-timeout",
              "%s of %s is %d s, but the delivery agent may take %d s (setup_timeout and "
              "data_timeout) and "
              "the time of the transfer: slow deliveries are broken off and tried again",
              name, transport->id, seconds, needed_s);
    setup_postfix_set_own(postfix, transport, name, "3600s", report);
    setup_postfix_reload(postfix, report);
}

/* The agent is one destination for all next-hops. */
static void check_limits(const struct setup_postfix *postfix,
                         const struct postconf_service *transport, struct setup_report *report)
{
    static const struct {
        const char *what, *value, *unless;
    } limits[] = {
        {"destination_recipient_limit", "1", NULL},
        {"destination_concurrency_failed_cohort_limit", "0", NULL},
        {"destination_concurrency_negative_feedback", "0", "0.0"},
    };
    char said_text[400];
    struct text said;

    text_init(&said, said_text, sizeof(said_text));
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        char parameter[200];
        const char *value;

        snprintf(parameter, sizeof(parameter), "%s_%s", transport->name, limits[i].what);
        value = postconf_get(&postfix->conf, NULL, parameter);
        if (strcmp(value, limits[i].value) != 0 &&
            (limits[i].unless == NULL || strcmp(value, limits[i].unless) != 0))
            text_addf(&said, "%s%s = %s", said.len > 0 ? ", " : "", parameter, limits[i].value);
    }
    if (said.len == 0)
        return;
    setup_add(report, SETUP_WARNING, "agent-limits",
              "main.cf has not %s: failures at one next-hop, or a restart of the delivery agent, "
              "hold up the mail for all others",
              said_text);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        char parameter[200];

        snprintf(parameter, sizeof(parameter), "%s_%s", transport->name, limits[i].what);
        setup_postfix_set(postfix, NULL, parameter, limits[i].value, report);
    }
    setup_postfix_reload(postfix, report);
}

/* A ticket is valid for the sender and the recipient that the filter saw. */
static void check_rewriting(const struct setup_postfix *postfix,
                            const struct postconf_service *transport, struct setup_report *report)
{
    static const char name[] = "lmtp_generic_maps";

    if (postconf_get(&postfix->conf, transport, name)[0] == '\0')
        return;
    setup_add(report, SETUP_ERROR, "agent-rewrite",
              "%s of %s changes addresses: no ticket is valid for them, and the mail is deferred",
              name, transport->id);
    setup_postfix_set_own(postfix, transport, name, "", report);
    setup_postfix_reload(postfix, report);
}

/* Of a message that has lost its route, by `postsuper -r`. */
static void check_ticket(const struct setup_postfix *postfix, struct setup_report *report)
{
    static const char parameter[] = "smtp_header_checks", table[] = "requiretls_header_checks";
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");
    char result[512], value[400], named[300];
    const char *others;
    int found;

    if (smtp == NULL)
        return;
    found = setup_postfix_look_up(postfix, smtp, parameter, TICKET_HEADER ": x", result,
                                  sizeof(result));
    if (found > 0 && strncasecmp(result, "IGNORE", 6) == 0)
        return;
    others = postconf_get(&postfix->conf, smtp, parameter);
    setup_add(report, SETUP_WARNING, "agent-ticket",
              "%s does not drop " TICKET_HEADER
              ": a message that has lost its route (postsuper -r) "
              "leaves by %s with its ticket",
              parameter, smtp->id);
    setup_postfix_install(postfix, table, report);
    setup_postfix_table(postfix, table, named, sizeof(named));
    snprintf(value, sizeof(value), "%s%s%s", named, others[0] != '\0' ? ", " : "", others);
    setup_postfix_set(postfix, smtp, parameter, value, report);
    setup_postfix_reload(postfix, report);
}

/* What smtp(8) does on account of main.cf, and the agent does not. */
static void check_settings(const struct setup_postfix *postfix, const struct config_route *route,
                           struct setup_report *report)
{
    static const struct {
        const char *parameter, *same, *instead;
    } settings[] = {
        {"smtp_bind_address", "", "source"},     {"smtp_bind_address6", "", "source"},
        {"smtp_helo_name", "", "helo_name"},     {"smtp_sasl_auth_enable", "no", "credentials"},
        {"smtp_generic_maps", "", NULL},         {"smtp_mime_header_checks", "", NULL},
        {"smtp_nested_header_checks", "", NULL}, {"smtp_body_checks", "", NULL},
        {"smtp_fallback_relay", "", NULL},       {"smtp_destination_rate_delay", "0s", NULL},
        {"smtp_reply_filter", "", NULL},         {"smtp_delivery_status_filter", "", NULL},
    };
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");
    const char *host = postconf_get(&postfix->conf, NULL, "myhostname");
    char said_text[600];
    struct text said;

    text_init(&said, said_text, sizeof(said_text));
    for (size_t i = 0; smtp != NULL && i < sizeof(settings) / sizeof(settings[0]); i++) {
        const char *value = postconf_get(&postfix->conf, smtp, settings[i].parameter);

        if (value[0] == '\0' || strcmp(value, settings[i].same) == 0 ||
            strcmp(value, "$default_destination_rate_delay") == 0 ||
            (strcmp(settings[i].parameter, "smtp_helo_name") == 0 &&
             (strcmp(value, host) == 0 || strcmp(value, "$myhostname") == 0)))
            continue;
        text_addf(&said, "%s%s%s%s%s", said.len > 0 ? ", " : "", settings[i].parameter,
                  settings[i].instead != NULL ? " (here: " : "",
                  settings[i].instead != NULL ? settings[i].instead : "",
                  settings[i].instead != NULL ? ")" : "");
    }
    if (said.len == 0)
        return;
    setup_add(
        report, SETUP_WARNING, "agent-settings",
        "the delivery agent, to which [route %s] leads, does not do what Postfix is told by %s",
        route->name, said_text);
    setup_remedy(report, "in the agent's configuration, [deliver], the keys that are named here; "
                         "what has none does not hold for mail with a request");
}

void setup_route_agent(const struct setup_postfix *postfix, const struct config_route *route,
                       const struct postconf_service *transport, const char *nexthop,
                       struct setup_report *report)
{
    if (!check_transport(postfix, route, transport, nexthop, report))
        return;
    check_socket(postfix, transport, nexthop, report);
    check_timeout(postfix, transport, report);
    check_limits(postfix, transport, report);
    check_rewriting(postfix, transport, report);
    check_ticket(postfix, report);
    check_settings(postfix, route, report);
}

bool setup_route_no_agent(const struct config_route *route,
                          const struct postconf_service *transport, const char *nexthop,
                          struct setup_report *report)
{
    struct setup_address address;
    char section[300];

    if (strcmp(transport->program, "lmtp") != 0 || !setup_address_lmtp(nexthop, &address))
        return false;
    setup_add(report, SETUP_ERROR, "agent-transport",
              "[route %s] leads to %s by the transport %s, as to the delivery agent, but has no "
              "`agent = yes`: the agent takes nothing without the ticket that this makes",
              route->name, nexthop, transport->id);
    setup_remedy(report, "`agent = yes` in [route %s]; it has no `can` then", route->name);
    snprintf(section, sizeof(section), "route %s", route->name);
    setup_edit_key(report, section, "agent", "yes");
    setup_edit_done(report, false);
    return true;
}
