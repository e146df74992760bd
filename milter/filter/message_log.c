/*
 * What is said and counted of a message: the line of each recipient, the reasons of refusals.
 */
#include "filter/message_internal.h"

#include "base/log.h"
#include "filter/logline.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *message_shown_sender(const struct message *m)
{
    return m->sender.text[0] != '\0' || m->sender.null_path ? m->sender.text : m->sender_arg;
}

enum message_step message_fail(int priority, const char *queue_id, const char *why)
{
    char id[64];

    log_msg(priority, "%s: message deferred: %s",
            queue_id != NULL ? log_quote_field(queue_id, id, sizeof(id)) : "NOQUEUE", why);
    return MESSAGE_FAIL;
}

void message_log_refused_mail(const struct message *m, const struct reply *reply,
                              const char *queue_id)
{
    char address[NI_MAXHOST] = "local";
    struct logline line = {
        .queue_id = queue_id,
        .from = message_shown_sender(m),
        .client = address,
        .request = m->mail.parameter || m->mail.marker ? "require" : NULL,
        .action = reply->code >= 500 ? "reject" : "tempfail",
        .wait_us = -1,
        .reason = reply->text,
    };
    const struct sockaddr *sa = m->client.address;

    if (sa != NULL) {
        socklen_t len =
            sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

        if (getnameinfo(sa, len, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
            strcpy(address, "unknown");
    }
    logline_write(LOG_INFO, &line);
    metrics_message(runtime_metrics(m->runtime),
                    m->mail.parameter || m->mail.marker ? METRICS_REQUEST_REQUIRE
                                                        : METRICS_REQUEST_NONE,
                    reply->code >= 500 ? METRICS_REJECT : METRICS_TEMPFAIL);
}

void message_count(const struct message *m, enum metrics_action action)
{
    enum metrics_request request = METRICS_REQUEST_NONE;

    for (size_t i = 0; i < m->recipient_count; i++) {
        enum decide_request asked = m->recipients[i].asked.request;

        if (asked == DECIDE_REQUEST_REQUIRE)
            request = METRICS_REQUEST_REQUIRE;
        else if (asked == DECIDE_REQUEST_OPTIONAL && request == METRICS_REQUEST_NONE)
            request = METRICS_REQUEST_OPTIONAL;
    }
    metrics_message(runtime_metrics(m->runtime), request, action);
}

void message_count_refused(const struct message *m)
{
    if (m->recipient_count == 0 && (m->rejected || m->deferred))
        metrics_message(runtime_metrics(m->runtime), METRICS_REQUEST_REQUIRE,
                        m->rejected ? METRICS_REJECT : METRICS_TEMPFAIL);
}

/* A copy that this host adds, as for always_bcc, and that may not leave is lost without a bounce.
 */
static void warn_unreported(const struct message *m, const struct recipient *r,
                            const char *queue_id, enum decide_action action)
{
    char id[64], to[130], reason[DECIDE_REASON_MAX];

    if (action != DECIDE_REJECT || !m->loopback || r->notify == NULL ||
        strcasecmp(r->notify, "NEVER") != 0)
        return;
    log_msg(LOG_WARNING, "%s: the copy for <%s> is refused, and nobody is told (NOTIFY=NEVER): %s",
            queue_id != NULL ? log_quote_field(queue_id, id, sizeof(id)) : "NOQUEUE",
            reply_clean(r->shown, to, sizeof(to)),
            reply_clean(r->outcome->decision.reason, reason, sizeof(reason)));
}

void message_log_recipient(const struct message *m, const struct recipient *r, const char *queue_id,
                           enum decide_action action, const char *reason)
{
    const struct config_route *route = r->route;
    const struct recipient_outcome *o = r->outcome;
    struct logline line = {.queue_id = queue_id,
                           .from = message_shown_sender(m),
                           .to = r->shown,
                           .wait_us = r->waited_ms * 1000};

    line.nexthop = o->nexthop[0] != '\0' ? o->nexthop : "-";
    line.request = decide_request_name(r->asked.request);
    line.level = r->asked.request == DECIDE_REQUEST_REQUIRE ? verdict_level_name(o->level) : NULL;
    line.findings = o->decision.findings;
    line.expect = o->decision.expect[0] != '\0' ? o->decision.expect : NULL;
    line.verdict = verdict_value_name(o->decision.verdict);
    line.action = decide_action_name(action);
    line.route = route != NULL ? route->name : "-";
    line.fallback = o->decision.fell_back ? verdict_level_name(o->decision.level) : NULL;
    line.reason = reason != NULL                  ? reason
                  : o->decision.reason[0] != '\0' ? o->decision.reason
                                                  : NULL;
    logline_write(o->decision.fell_back ? LOG_WARNING : LOG_INFO, &line);
    warn_unreported(m, r, queue_id, action);
    if (r->asked.request == DECIDE_REQUEST_REQUIRE)
        metrics_recipient(runtime_metrics(m->runtime), o->level, o->decision.verdict);
}

void message_log_settled(const struct message *m, const struct recipient *r, const char *queue_id)
{
    if (r->outcome != NULL)
        message_log_recipient(m, r, queue_id, r->outcome->decision.action, NULL);
}
