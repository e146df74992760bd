/*
 * The route of a message whose recipients are settled: what route.h makes of them, and the changes
 * that put it on that route. Belongs to one message and one thread at a time.
 */
#ifndef MILTER_FILTER_ROUTING_H
#define MILTER_FILTER_ROUTING_H

#include "decide/route.h"
#include "filter/message.h"
#include "filter/recipient.h"

struct routing {
    struct route_plan plan;
    const struct recipient *recipients;
    struct route_recipient *items; /* one for each; NULL: none is routed */
    size_t count;
};

/*
 * Decides which route a recipient takes, and keeps it in the recipient (route, route_would_loop),
 * where everybody reads it. `reinjected`: the message was sent to a second smtpd of this host
 * before, so that it must not go there once more. Called whenever the outcome of the recipient or
 * `reinjected` has changed.
 */
void routing_decide(struct recipient *recipient, bool reinjected);

/* Chooses how the message is put on the routes of its recipients, which are borrowed. Returns 0 or
 * -ENOMEM. */
int routing_init(struct routing *routing, const struct config *config,
                 const struct recipient *recipients, size_t count);
void routing_fini(struct routing *routing);

/* Whether the message goes to a second smtpd of this host. */
bool routing_reinjects(const struct routing *routing);

/* Whether the message goes to the delivery agent for that recipient, by its route. */
bool routing_leads_to_agent(const struct routing *routing, size_t recipient);

/* Makes the changes. Forged routing header fields must be gone. Returns false when the MTA failed
 * to take one. */
bool routing_apply(const struct routing *routing, const struct config *config,
                   const struct message_ops *ops);

#endif
