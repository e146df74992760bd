/*
 * An SMTP connection in words: smtp_transport_text, what went wrong, of a connection that was not
 * made the system's reason, of a session that is over its state, the outcome or the reply;
 * smtp_transport_endpoints, its addresses.
 */
#include "smtp/smtp_transport_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void of_connection(const struct smtp_transport *t, char *out, size_t size)
{
    char reason[128] = "";

    snprintf(out, size, "no connection: %s", strerror_r(t->error, reason, sizeof(reason)));
}

static void of_reply(const struct smtp_reply *reply, char *out, size_t size)
{
    snprintf(out, size, "%d %s%s%s", reply->code, reply->enhanced_given ? reply->enhanced : "",
             reply->enhanced_given ? " " : "", reply->text);
}

static void of_session(const struct smtp_transport *t, char *out, size_t size)
{
    const char *state = smtp_state_name(smtp_session_state(t->session));
    enum smtp_outcome outcome = smtp_session_outcome(t->session);
    const struct smtp_reply *reply = smtp_session_reply(t->session);
    char words[SMTP_TRANSPORT_TEXT_MAX] = "", reason[128] = "";

    if (reply->code != 0)
        of_reply(reply, words, sizeof(words));
    if (outcome == SMTP_OUTCOME_TLS_FAILED)
        snprintf(out, size, "%s: %s", state, t->peer.proof.reason);
    else if ((outcome == SMTP_OUTCOME_REFUSED || outcome == SMTP_OUTCOME_CLOSING) &&
             reply->code != 0)
        snprintf(out, size, "%s: %s", state, words);
    else if (outcome == SMTP_OUTCOME_EARLY_REPLY && reply->code != 0)
        snprintf(out, size, "%s: %s: %s", state, smtp_outcome_name(outcome), words);
    else if (outcome == SMTP_OUTCOME_LOST && t->error != 0)
        snprintf(out, size, "%s: connection lost: %s", state,
                 strerror_r(t->error, reason, sizeof(reason)));
    else
        snprintf(out, size, "%s: %s", state, smtp_outcome_name(outcome));
}

void smtp_transport_text(const struct smtp_transport *t, char *out, size_t out_size)
{
    if (t->connection == SMTP_CONNECTION_NOT_MADE || t->connection == SMTP_CONNECTION_LOCAL)
        of_connection(t, out, out_size);
    else
        of_session(t, out, out_size);
}

static void write_address(const struct sockaddr_storage *address,
                          char out[SMTP_ADDRESS_TEXT_MAX + 1])
{
    const void *octets = &((const struct sockaddr_in *)address)->sin_addr;

    if (address->ss_family == AF_INET6)
        octets = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (inet_ntop(address->ss_family, octets, out, SMTP_ADDRESS_TEXT_MAX + 1) == NULL)
        out[0] = '\0';
}

void smtp_transport_endpoints(const struct smtp_transport *t,
                              char source[SMTP_ADDRESS_TEXT_MAX + 1],
                              char address[SMTP_ADDRESS_TEXT_MAX + 1])
{
    write_address(&t->source, source);
    write_address(&t->address, address);
}
