/*
 * treatment_decide() takes what is asked for from the recipient's ticket, where the socket demands
 * one, else from the socket, the message and the rules; what a ticket does not say (tls_policy,
 * names and addresses to send from) the rules of this host's configuration say in both cases. In
 * doubt the stricter treatment, or none at all.
 */
#include "deliver/treatment.h"

#include "decide/rules.h"
#include "decide/terms.h"

#include <string.h>

static bool set_nexthop(const char *text, const char *recipient, struct nexthop *out)
{
    const char *at = strrchr(recipient, '@');

    if (text != NULL)
        return nexthop_parse(text, out) == 0;
    return at != NULL && nexthop_from_domain(at + 1, out) == 0;
}

static void evaluate_rules(const struct treatment_facts *facts, const struct nexthop *nexthop,
                           struct rules_settings *out)
{
    const struct rules_facts known = {
        .known = CONFIG_FACT_SENDER | CONFIG_FACT_RECIPIENT,
        .sender = facts->sender,
        .recipient = facts->recipient,
        .nexthop = nexthop,
    };

    rules_evaluate(facts->config, &known, out);
}

/* What no ticket says. */
static void take_settings(const struct rules_settings *settings, struct treatment *out)
{
    out->tls_policy = settings->tls_policy;
    out->helo_name = settings->helo_name;
    out->source = settings->source;
}

/* What `require` comes to by the rules. */
static void require_by_rules(const struct rules_settings *settings, struct treatment *out)
{
    out->request = DECIDE_REQUEST_REQUIRE;
    out->level = settings->level;
    out->require_offer = settings->require_offer != CONFIG_OFFER_NO;
    out->fallback = settings->fallback;
}

/* ---- by ticket ---- */

static enum decide_request request_of_ticket(enum ticket_request request)
{
    switch (request) {
    case TICKET_NONE:
        return DECIDE_REQUEST_NONE;
    case TICKET_OPTIONAL:
        return DECIDE_REQUEST_OPTIONAL;
    case TICKET_REQUIRE:
    default:
        return DECIDE_REQUEST_REQUIRE;
    }
}

/* One number for how much a ticket demands. */
static unsigned weight(const struct ticket *ticket)
{
    unsigned request = ticket->request == TICKET_REQUIRE ? 2 : ticket->request == TICKET_NONE;
    unsigned level = VERDICT_LEVEL_DISABLE - ticket->level;
    unsigned fallback = CONFIG_FALLBACK_MAY - ticket->fallback;

    return request << 5 | level << 3 | (unsigned)ticket->require_offer << 2 | fallback;
}

/* A message that came through the filter more than once may have several. */
static bool demands_more(const struct ticket *ticket, const struct ticket *than)
{
    return weight(ticket) != weight(than) ? weight(ticket) > weight(than)
                                          : ticket->made_at_s > than->made_at_s;
}

/* Of the reasons that make a ticket none the one that says most: those of other recipients are
 * FORGED for this one. */
static unsigned telling(enum ticket_status status)
{
    switch (status) {
    case TICKET_EXPIRED:
        return 4;
    case TICKET_PREMATURE:
        return 3;
    case TICKET_FORGED:
        return 2;
    case TICKET_MALFORMED:
    case TICKET_VALID:
    default:
        return 1;
    }
}

static enum ticket_status find_ticket(const struct treatment_facts *facts, struct ticket *out)
{
    const struct ticket_envelope envelope = {facts->sender, facts->recipient};
    enum ticket_status found = TICKET_MALFORMED;

    for (size_t i = 0; i < facts->ticket_count; i++) {
        struct ticket ticket;
        enum ticket_status status =
            ticket_read(facts->tickets[i], strlen(facts->tickets[i]), &envelope, facts->keys,
                        facts->now_s, facts->config->deliver.ticket_life_s, &ticket);

        if (status != TICKET_VALID) {
            if (found != TICKET_VALID && telling(status) > telling(found))
                found = status;
        } else if (found != TICKET_VALID || demands_more(&ticket, out)) {
            found = TICKET_VALID;
            *out = ticket;
        }
    }
    return found;
}

/* Whether the rules exempt the next-hop though the filter has not: an earlier rule looks at what is
 * not known here, the client for one. The filter gives what it exempts a lower level. */
static bool is_exempt_in_doubt(const struct rules_settings *settings, const struct ticket *ticket)
{
    return ticket->request == TICKET_REQUIRE && ticket->level < VERDICT_LEVEL_OPPORTUNISTIC &&
           (settings->undecided & 1u << CONFIG_SETTING_TLS_POLICY) != 0 &&
           settings->tls_policy != NULL && terms_is_exempt(settings->tls_policy);
}

static enum treatment_status by_ticket(const struct treatment_facts *facts, struct treatment *out,
                                       enum ticket_status *ticket_status)
{
    struct rules_settings settings;
    struct ticket ticket;

    *ticket_status = find_ticket(facts, &ticket);
    if (*ticket_status != TICKET_VALID)
        return TREATMENT_NO_TICKET;
    if (!set_nexthop(ticket.nexthop[0] != '\0' ? ticket.nexthop : NULL, facts->recipient,
                     &out->nexthop))
        return TREATMENT_BAD_DOMAIN;
    evaluate_rules(facts, &out->nexthop, &settings);
    take_settings(&settings, out);
    if (is_exempt_in_doubt(&settings, &ticket))
        out->tls_policy = NULL;
    out->request = request_of_ticket(ticket.request);
    out->level = ticket.level;
    out->require_offer = ticket.require_offer;
    out->fallback = ticket.fallback;
    memcpy(out->queue_id, ticket.queue_id, sizeof(out->queue_id));
    /* REQUIRETLS in MAIL beats a ticket that knows nothing of it (RFC 8689 section 4.1). */
    if (facts->mail_requiretls && out->request != DECIDE_REQUEST_REQUIRE &&
        settings.request != CONFIG_REQUEST_IGNORE)
        require_by_rules(&settings, out);
    return TREATMENT_OK;
}

/* ---- by socket ---- */

/* REQUIRETLS in MAIL beats what the socket says (RFC 8689 section 4.1). */
static enum decide_request request_of_socket(const struct treatment_facts *facts,
                                             enum config_request rule)
{
    const struct request_mail mail = {.parameter = facts->mail_requiretls};
    bool ignored = rule == CONFIG_REQUEST_IGNORE;

    switch (facts->socket->request) {
    case CONFIG_DELIVER_HEADER:
        return decide_request(&mail, facts->header, true, rule).request;
    case CONFIG_DELIVER_OPTIONAL:
        return facts->mail_requiretls && !ignored ? DECIDE_REQUEST_REQUIRE
                                                  : DECIDE_REQUEST_OPTIONAL;
    case CONFIG_DELIVER_REQUIRE:
    default:
        return ignored ? DECIDE_REQUEST_NONE : DECIDE_REQUEST_REQUIRE;
    }
}

static enum treatment_status by_socket(const struct treatment_facts *facts, struct treatment *out)
{
    const struct config_deliver_socket *socket = facts->socket;
    struct rules_settings settings;

    if (!set_nexthop(socket->nexthop, facts->recipient, &out->nexthop))
        return TREATMENT_BAD_DOMAIN;
    evaluate_rules(facts, &out->nexthop, &settings);
    take_settings(&settings, out);
    require_by_rules(&settings, out);
    out->request = request_of_socket(facts, settings.request);
    if (socket->level >= 0)
        out->level = (enum verdict_level)socket->level;
    return TREATMENT_OK;
}

/* What has no meaning for the request is the same for all, so that recipients who are treated alike
 * have equal treatments. */
static void normalise(struct treatment *out)
{
    if (out->request != DECIDE_REQUEST_REQUIRE)
        out->level = VERDICT_LEVEL_OPPORTUNISTIC;
    if (out->request != DECIDE_REQUEST_REQUIRE || out->level != VERDICT_LEVEL_ENFORCE) {
        out->require_offer = false;
        out->fallback = CONFIG_FALLBACK_NONE;
    }
}

enum treatment_status treatment_decide(const struct treatment_facts *facts, struct treatment *out,
                                       enum ticket_status *ticket_status)
{
    enum treatment_status status;

    memset(out, 0, sizeof(*out));
    *ticket_status = TICKET_VALID;
    status = facts->socket->tickets ? by_ticket(facts, out, ticket_status) : by_socket(facts, out);
    if (status == TREATMENT_OK)
        normalise(out);
    return status;
}

/* ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_list(const struct config_list *a, const struct config_list *b)
{
    if (a == b)
        return true;
    if (a == NULL || b == NULL || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

bool treatment_equal(const struct treatment *a, const struct treatment *b)
{
    return a->request == b->request && a->level == b->level &&
           a->require_offer == b->require_offer && a->fallback == b->fallback &&
           same_text(a->tls_policy, b->tls_policy) && a->nexthop.kind == b->nexthop.kind &&
           a->nexthop.port == b->nexthop.port && strcmp(a->nexthop.name, b->nexthop.name) == 0 &&
           same_text(a->helo_name, b->helo_name) && same_list(a->source, b->source) &&
           strcmp(a->queue_id, b->queue_id) == 0;
}

bool treatment_fall_back(struct treatment *treatment)
{
    if (treatment->request != DECIDE_REQUEST_REQUIRE || treatment->level != VERDICT_LEVEL_ENFORCE)
        return false;
    switch (treatment->fallback) {
    case CONFIG_FALLBACK_ENCRYPT:
        treatment->level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
        break;
    case CONFIG_FALLBACK_MAY:
        treatment->level = VERDICT_LEVEL_OPPORTUNISTIC;
        break;
    case CONFIG_FALLBACK_NONE:
    default:
        return false;
    }
    normalise(treatment);
    return true;
}
