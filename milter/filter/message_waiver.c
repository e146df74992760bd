/*
 * TLS-Required: No in a message that requires TLS. RFC 8689 section 4.1 has the field ignored where
 * REQUIRETLS is said. Who is not told REQUIRETLS would go by the field: the next server, and
 * Postfix 3.11 itself, which lowers what its transports demand for it.
 */
#include "filter/message_internal.h"

/* Whether a route of this message brings REQUIRETLS along. `marked`: Postfix 3.11 reads that from
 * the header when the message comes in again. */
static bool carries_requiretls(const struct message *m, const struct recipient *r, bool marked)
{
    const struct config_route *route = r->route;

    if (route != NULL && route->agent)
        return r->outcome->require_offer;
    if (route == NULL || route->method == CONFIG_METHOD_NONE ||
        (route->can & VERDICT_CAN_REQUIRETLS) == 0)
        return false;
    return !m->client.mta_requiretls ||
           (marked && (m->exit_listener || config_route_reinjects(route)));
}

/* Whether all servers that the message leaves for are told REQUIRETLS, as far as can be known. */
static bool passes_requiretls_on(const struct message *m, bool marked)
{
    bool by_mta = message_mta_enforces(m);

    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (r->asked.request != DECIDE_REQUEST_REQUIRE || r->outcome == NULL)
            continue;
        if (!r->outcome->decision.local && r->outcome->decision.level != VERDICT_LEVEL_ENFORCE)
            return false; /* REQUIRETLS is said only where it is offered */
        if (!by_mta && !carries_requiretls(m, r, marked))
            return false;
    }
    return true;
}

bool message_drops_waiver(const struct message *m, bool marked)
{
    return request_waiver_goes(&m->header, message_has_null_sender(m)) && m->bounce == NULL &&
           !passes_requiretls_on(m, marked);
}

const char *message_lowered(const struct message *m)
{
    bool marked = message_mta_enforces(m) || (m->exit_listener && m->header.require_exact);

    if (!m->client.mta_requiretls || m->header.tls_required_no == 0 || marked)
        return NULL;
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];
        const struct config_route *route = r->route;

        if (r->asked.request == DECIDE_REQUEST_REQUIRE && route != NULL &&
            route->method == CONFIG_METHOD_HEADER && !config_route_reinjects(route) &&
            !route->agent && r->outcome->decision.level <= VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS)
            return "Postfix would lower TLS for its TLS-Required: No, as it does not know that the "
                   "message requires TLS: that takes `local = reinject` and add_header";
    }
    return NULL;
}
