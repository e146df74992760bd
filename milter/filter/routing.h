/*
 * The route of a message whose recipients are settled: what route.h makes of them, and the changes
 * that put it on its way. Belongs to one message and one thread at a time.
 */
#ifndef ROUTING_H
#define ROUTING_H

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
 * Chooses. `again`: a second smtpd of this host brings the message back, so that it must not go
 * there once more. The recipients are borrowed. Returns 0 or -ENOMEM.
 */
int routing_init(struct routing *routing, const struct config *config,
                 const struct recipient *recipients, size_t count, bool again);
void routing_fini(struct routing *routing);

/* The route that a recipient takes, or NULL: what its settings say may need no route, or have
 * none. */
const struct config_route *routing_of(const struct recipient *recipient, bool again);

/* Whether a settled recipient has a route that it does not take because it has taken it already. */
bool routing_leaves_out(const struct recipient *recipient, bool again);

/* Whether the message goes to a second smtpd of this host. */
bool routing_reinjects(const struct routing *routing);

/* Makes the changes. Forged routing header fields must be gone. Returns false when the MTA failed
 * to take one. */
bool routing_apply(const struct routing *routing, const struct config *config,
                   const struct message_ops *ops);

#endif
