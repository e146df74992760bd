/*
 * The header and the body of a message as they come in. RFC 8689 sections 3 and 4.1.
 */
#include "filter/message_internal.h"

#include "base/log.h"
#include "filter/routing.h"
#include "ticket/ticket.h"

#include <stdlib.h>
#include <string.h>

/* What one message may make us keep for rules that look at header fields. A client that sends more
 * is told to try again. */
enum { HEADERS_MAX = 500, HEADER_OCTETS_MAX = 256 * 1024 };

/* Forged fields that are removed. For each of them the MTA may search the header from its
 * beginning. */
enum { REMOVED_MAX = 1000 };

/* Keeps a copy for the rules. What cannot be kept is remembered as lost, never as absent. */
static void keep_header(struct message *m, const char *name, const char *value)
{
    size_t name_len = strlen(name) + 1, value_len = strlen(value) + 1;
    char *text;

    if (m->headers == NULL)
        m->headers = calloc(HEADERS_MAX, sizeof(*m->headers));
    if (m->headers == NULL || m->header_count == HEADERS_MAX ||
        m->header_octets + name_len + value_len > HEADER_OCTETS_MAX ||
        (text = malloc(name_len + value_len)) == NULL) {
        m->headers_lost = true;
        return;
    }
    memcpy(text, name, name_len);
    memcpy(text + name_len, value, value_len);
    m->headers[m->header_count++] = (struct rules_header){.name = text, .value = text + name_len};
    m->header_octets += name_len + value_len;
}

/* Recipients may have been settled at RCPT. */
static void set_reinjected(struct message *m)
{
    m->reinjected = true;
    for (size_t i = 0; i < m->recipient_count; i++)
        routing_decide(&m->recipients[i], true);
}

void message_header(struct message *m, const char *name, const char *value)
{
    request_read_header(&m->header, name, value);
    if (m->bounce != NULL)
        bounce_header(m->bounce, name, value);
    if (m->loopback && !m->received && request_is_field(name, "Received")) {
        m->received = true;
        if (!m->reinjected && message_was_reinjected(m, value))
            set_reinjected(m);
    }
    if (request_is_field(name, m->config->milter.route_header))
        m->route_headers++;
    if (request_is_field(name, TICKET_HEADER))
        message_take_ticket(m, value);
    if (rules_wants_header(m->config, name))
        keep_header(m, name, value);
}

/* What a signature covers stays, as to remove it would break that; not on the way to the second
 * smtpd, which would believe it of this host. What Postfix 3.11 writes for the parameter is not the
 * client's. */
bool message_drops_require(const struct message *m, bool reinjects)
{
    return m->header.require_fields > 0 && (reinjects || !m->header.signed_require) &&
           !message_is_believed(m) && !m->mail.parameter && !m->mail.marker;
}

static bool all_settled_without_change(const struct message *m)
{
    if (m->route_headers > 0 || m->reserved || message_drops_require(m, false) ||
        message_has_ticket_work(m))
        return false;
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (!r->settled || r->asked.request == DECIDE_REQUEST_REQUIRE)
            return false;
        if (r->route != NULL && r->route->method != CONFIG_METHOD_NONE)
            return false;
    }
    return true;
}

enum message_step message_eoh(struct message *m, const char *queue_id)
{
    struct recipient_wait_policy wait_policy = {.mode = RECIPIENT_ASK};

    m->facts.known |= CONFIG_FACT_HEADER;
    m->facts.headers = m->headers;
    m->facts.header_count = m->header_count;
    if (m->headers_lost)
        return message_fail(LOG_WARNING, queue_id,
                            "more header fields that rules look at than are kept");
    if (m->route_headers + m->ticket_headers > REMOVED_MAX)
        return message_fail(LOG_WARNING, queue_id,
                            "more forged routing fields and tickets than are removed");
    if (m->bounce != NULL && bounce_wanted(m->bounce))
        return MESSAGE_CONTINUE; /* what it asks for may yet be found in its body */
    bounce_free(m->bounce);
    m->bounce = NULL;
    do {
        for (size_t i = 0; i < m->recipient_count; i++) {
            if (message_settle(m, &m->recipients[i], &wait_policy) != 0)
                return message_fail(LOG_ERR, queue_id, message_no_memory);
        }
    } while (message_bind(m));
    for (size_t i = 0; i < m->recipient_count; i++) {
        if (m->recipients[i].asked.request != DECIDE_REQUEST_NONE)
            message_await(m);
    }
    if (!all_settled_without_change(m)) {
        message_remember_early(m, queue_id);
        return MESSAGE_CONTINUE;
    }
    for (size_t i = 0; i < m->recipient_count; i++)
        message_log_settled(m, &m->recipients[i], queue_id);
    message_observe(m, queue_id);
    message_count(m, METRICS_ACCEPT);
    message_remember(m, queue_id, false);
    return MESSAGE_DONE;
}

enum message_step message_body(struct message *m, const char *data, size_t len)
{
    if (m->bounce == NULL)
        return MESSAGE_DONE;
    return bounce_body(m->bounce, data, len) == 0 ? MESSAGE_CONTINUE : MESSAGE_FAIL;
}
