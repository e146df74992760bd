/*
 * What is told of an attempt: why the address was left (delivery_attempt_fail), what the log tells
 * of the connection (delivery_attempt_relay), and what TLSRPT and metrics count of it.
 */
#include "deliver/delivery_attempt_internal.h"

#include "deliver/tlsrpt_session.h"

#include <stdio.h>

void delivery_attempt_write_relay(const struct delivery_attempt *attempt, bool with_port, char *out,
                                  size_t out_size)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    char address[DELIVERY_ADDRESS_TEXT_MAX + 1], port[8] = "";

    delivery_target_text(&attempt->target, address);
    if (with_port)
        snprintf(port, sizeof(port), ":%u", (unsigned)facts->port);
    snprintf(out, out_size, "%s[%s]%s", delivery_host_name(facts->findings, attempt->target.host),
             address, port);
}

/* What the log tells of the connection, for recipients that nothing better is known of. */
const struct delivery_relay *delivery_attempt_relay(const struct delivery_attempt *attempt,
                                                    bool requiretls)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    struct delivery_relay *relay = delivery_relay_new(facts->relays);
    const struct delivery_relay_facts seen = {
        .demands = facts->demands,
        .plan = facts->plan,
        .findings = facts->findings,
        .target = &attempt->target,
        .port = facts->port,
        .demand = &agent_connection_demand(attempt->connection)->tls,
        .peer = smtp_transport_peer(delivery_attempt_transport(attempt)),
        .has_tls = smtp_session_has_tls(delivery_attempt_session(attempt)),
        .requiretls = requiretls,
        .failure = attempt->failed ? &attempt->failure : NULL,
        .policy_before = facts->policy_before,
    };

    if (relay != NULL)
        delivery_relay_fill(relay, &seen);
    return relay;
}

/* Where TLS is demanded: it is not offered, or refused. */
static bool has_no_starttls(const struct smtp_session *session)
{
    enum smtp_outcome outcome = smtp_session_outcome(session);

    return outcome == SMTP_OUTCOME_NO_STARTTLS ||
           (outcome == SMTP_OUTCOME_REFUSED && smtp_session_state(session) == SMTP_STATE_STARTTLS);
}

/* TLSRPT and metrics, once for each connection that was made. */
void delivery_attempt_tell(struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    const struct treatment_connection *demand = agent_connection_demand(attempt->connection);
    struct smtp_transport *transport = delivery_attempt_transport(attempt);
    const struct tls_peer *peer = smtp_transport_peer(transport);
    const struct tlsrpt_facts told = {
        .request = facts->treatment->request,
        .findings = facts->findings,
        .classes = &facts->plan->classes,
        .requirement = &facts->plan->requirement,
        .demand = &demand->tls,
        .host = attempt->target.host,
        .tls = demand->smtp_tls,
    };

    if (attempt->told || attempt->reused)
        return;
    attempt->told = true;
    tlsrpt_report(facts->tlsrpt, &told, transport);
    if (peer != NULL)
        metrics_tls_session(facts->metrics, demand->tls.kind, peer->proof.why);
    else if (has_no_starttls(delivery_attempt_session(attempt)))
        metrics_tls_session(facts->metrics, demand->tls.kind, METRICS_TLS_NO_STARTTLS);
}

void delivery_attempt_fail(struct delivery_attempt *attempt, enum smtp_lack lack)
{
    struct smtp_transport *transport = delivery_attempt_transport(attempt);
    const struct smtp_session *session = delivery_attempt_session(attempt);
    char text[SMTP_TRANSPORT_TEXT_MAX] = "";
    const struct outcome_seen seen = {
        .connection = smtp_transport_connection(transport),
        .session = smtp_session_outcome(session),
        .state = smtp_session_state(session),
        .reply = smtp_session_reply(session),
        .extensions = smtp_session_extensions(session),
        .peer = smtp_transport_peer(transport),
        .lack = lack,
        .text = text,
    };

    if (seen.session != SMTP_OUTCOME_NONE)
        smtp_transport_text(transport, text, sizeof(text));
    outcome_of_connection(&seen, &attempt->failure);
    attempt->failed = true;
}

/* Recipients without an answer are told of this connection, if it was made. */
void delivery_attempt_note_left(const struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    enum smtp_connection connection =
        smtp_transport_connection(delivery_attempt_transport(attempt));
    const struct delivery_relay *relay = NULL;

    if (connection != SMTP_CONNECTION_NOT_MADE && connection != SMTP_CONNECTION_LOCAL)
        relay = delivery_attempt_relay(attempt, false);
    for (size_t i = 0; i < facts->mail->rcpt_count && relay != NULL; i++) {
        if (!facts->rcpts[i].settled && !facts->rcpts[i].answered)
            facts->rcpts[i].relay = relay;
    }
}

void delivery_attempt_fail_own(struct delivery_attempt *attempt, int error)
{
    struct outcome_attempt *failure = &attempt->failure;
    const char *text = "this host lacks memory or descriptors";

    failure->failure = OUTCOME_LOCAL;
    failure->definite = false;
    failure->reply = (struct smtp_reply){0};
    attempt->busy = error == -EBUSY;
    if (error == -EBUSY) {
        failure->failure = OUTCOME_NOT_TRIED;
        text = "this host has as many connections to it as it may have";
    } else if (error == -ETIMEDOUT) {
        failure->failure = OUTCOME_TIMEOUT;
        text = "no time was left";
    } else if (error == -EPERM) {
        failure->failure = OUTCOME_NOT_TRIED;
        text = "nothing may be sent to it";
    } else if (error == -EACCES) {
        failure->failure = OUTCOME_NO_AUTH;
        text = "unsigned MX records led to it, so it is given no password";
    }
    snprintf(failure->text, sizeof(failure->text), "%s", text);
    attempt->failed = true;
}
