/*
 * Tickets for the delivery agent: which fields that came in are removed (message_take_ticket counts
 * them, message_has_ticket_work says at the end of the header whether any were), and one for each
 * recipient whose mail the agent gets (message_lacks_ticket_keys, message_apply_tickets).
 *
 * Those from outside are removed from every message, also where nothing leads to an agent. A forged
 * one would do no harm, since no agent believes it; but one that this host wrote before, and that
 * came to light, is valid for its sender and recipient until it is too old, whatever this message
 * asks for. It costs one more comparison of the name of each field, and mail without such a field
 * is let go at the end of its header as before.
 */
#include "filter/message_internal.h"

#include "filter/routing.h"
#include "policy/clock.h"
#include "ticket/ticket_key.h"

#include <stdlib.h>
#include <string.h>

/* Of reinjected mail, which has one recipient; what is more counts as forged. */
enum { TICKETS_KEPT_MAX = 16 };

void message_take_ticket(struct message *m, const char *value)
{
    m->ticket_headers++;
    if (!m->exit_listener || m->ticket_headers > TICKETS_KEPT_MAX ||
        strlen(value) > TICKET_TEXT_MAX)
        return;
    if (m->tickets == NULL)
        m->tickets = calloc(TICKETS_KEPT_MAX, sizeof(*m->tickets));
    if (m->tickets != NULL)
        m->tickets[m->ticket_headers - 1] = strdup(value);
}

void message_free_tickets(struct message *m)
{
    for (size_t i = 0; m->tickets != NULL && i < TICKETS_KEPT_MAX; i++)
        free(m->tickets[i]);
    free(m->tickets);
}

/* Because the MTA itself has a socket of the agent as the next-hop, or by its route: the one that
 * it takes, or, before that is chosen (routing NULL), may take. */
static bool goes_to_agent(const struct message *m, const struct routing *routing, size_t i)
{
    const struct recipient *r = &m->recipients[i];

    if (routing != NULL ? routing_leads_to_agent(routing, i) : r->route != NULL && r->route->agent)
        return true;
    return r->agent != NULL && r->agent->tickets;
}

static size_t count_needed(const struct message *m, const struct routing *routing)
{
    size_t count = 0;

    for (size_t i = 0; i < m->recipient_count; i++)
        count += goes_to_agent(m, routing, i);
    return count;
}

bool message_has_ticket_work(const struct message *m)
{
    return m->ticket_headers > 0 || count_needed(m, NULL) > 0;
}

bool message_has_too_many_tickets(const struct message *m, const struct routing *routing)
{
    return m->recipient_count > TICKETS_MAX && count_needed(m, routing) > TICKETS_MAX;
}

bool message_lacks_ticket_keys(const struct message *m, const struct routing *routing)
{
    struct ticket_keys keys;
    bool lacks;

    if (count_needed(m, routing) == 0)
        return false;
    runtime_ticket_keys(m->runtime, &keys);
    lacks = keys.count == 0;
    ticket_keys_forget(&keys);
    return lacks;
}

/* --- what came in ---------------------------------------------------------------------------- */

static bool asks_for_anything(const struct message *m)
{
    for (size_t i = 0; i < m->recipient_count; i++)
        if (m->recipients[i].asked.request != DECIDE_REQUEST_NONE)
            return true;
    return false;
}

static bool is_valid(const struct message *m, const char *value, const struct ticket_keys *keys,
                     const char *sender)
{
    for (size_t i = 0; value != NULL && i < m->recipient_count; i++) {
        struct ticket_envelope envelope = {.sender = sender, .recipient = m->recipients[i].meant};
        struct ticket ticket;

        if (ticket_read(value, strlen(value), &envelope, keys, clock_wall_s(),
                        m->config->deliver.ticket_life_s, &ticket) == TICKET_VALID)
            return true;
    }
    return false;
}

/*
 * The one ticket that stays is one that this host wrote, in a message that this host has reinjected
 * and about which nothing is decided anew. From the last to the first, as in modify.c.
 */
static bool remove_tickets(const struct message *m, const struct ticket_keys *keys, bool keep,
                           const char *sender, const struct message_ops *ops)
{
    for (unsigned i = m->ticket_headers; i > 0; i--) {
        const char *value = m->tickets != NULL && i <= TICKETS_KEPT_MAX ? m->tickets[i - 1] : NULL;

        if (keep && is_valid(m, value, keys, sender))
            continue;
        if (!ops->delete_header(ops->arg, TICKET_HEADER, i))
            return false;
    }
    return true;
}

/* --- what is written ------------------------------------------------------------------------- */

/* What an administrator wants to have logged alone, or has exempted, must not be held up by the
 * agent; the filter itself sends it by no route that demands anything. */
static enum verdict_level level_of(const struct decision *d)
{
    bool logged = d->action == DECIDE_LOG && d->verdict == VERDICT_UNSATISFIED;

    return (logged || d->exempt) && d->level < VERDICT_LEVEL_OPPORTUNISTIC
               ? VERDICT_LEVEL_OPPORTUNISTIC
               : d->level;
}

static void fill_decided(const struct recipient *r, struct ticket *t)
{
    const struct recipient_outcome *outcome = r->outcome;

    strcpy(t->nexthop, outcome->nexthop);
    if (r->asked.request == DECIDE_REQUEST_OPTIONAL) {
        t->request = TICKET_OPTIONAL;
        return;
    }
    t->request = TICKET_REQUIRE;
    t->level = level_of(&outcome->decision);
    t->require_offer = outcome->require_offer && t->level == VERDICT_LEVEL_ENFORCE;
    t->fallback = outcome->fallback;
}

static void fill(const struct message *m, const struct recipient *r, const char *queue_id,
                 struct ticket *t)
{
    const char *domain = r->domain != NULL ? r->domain : m->config->milter.mydomain;
    struct envelope_nexthops nexthops;

    *t = (struct ticket){
        .request = TICKET_NONE,
        .level = VERDICT_LEVEL_OPPORTUNISTIC,
        .fallback = CONFIG_FALLBACK_NONE,
        .made_at_s = clock_wall_s(),
    };
    ticket_set_queue_id(t, queue_id);
    if (r->outcome != NULL)
        fill_decided(r, t);
    else if (envelope_nexthops(r->malformed ? NULL : domain, recipient_host(r), r->mailer,
                               &nexthops) == 0)
        strcpy(t->nexthop, nexthops.items[0].text);
}

/* With a tag, the agent gets the address without it. */
static const char *address_of(const struct recipient *r, const struct routing *routing)
{
    bool tagged = routing->plan.action == ROUTE_RECIPIENTS && r->taggable != NULL;

    return tagged ? r->taggable : r->meant;
}

static bool write_tickets(const struct message *m, const struct routing *routing,
                          const struct ticket_keys *keys, const char *sender, const char *queue_id,
                          const struct message_ops *ops)
{
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];
        struct ticket_envelope envelope = {.sender = sender, .recipient = address_of(r, routing)};
        char text[TICKET_TEXT_MAX + 1];
        struct ticket ticket;

        if (!goes_to_agent(m, routing, i))
            continue;
        fill(m, r, queue_id, &ticket);
        if (ticket_write(&ticket, &envelope, keys, text) != 0 ||
            !ops->add_header(ops->arg, TICKET_HEADER, text))
            return false;
    }
    return true;
}

bool message_apply_tickets(const struct message *m, const struct routing *routing,
                           const char *queue_id, const char *sender, const struct message_ops *ops)
{
    bool needed = count_needed(m, routing) > 0, done;
    struct ticket_keys keys;

    if (m->ticket_headers == 0 && !needed)
        return true;
    if (sender == NULL)
        sender = m->sender_meant != NULL ? m->sender_meant : m->sender.text;
    runtime_ticket_keys(m->runtime, &keys);
    done = remove_tickets(m, &keys, m->exit_listener && !needed && !asks_for_anything(m), sender,
                          ops) &&
           (!needed || write_tickets(m, routing, &keys, sender, queue_id, ops));
    ticket_keys_forget(&keys);
    return done;
}
