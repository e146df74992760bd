/*
 * From settled recipients to the MTA's modifications. Only Postfix and sendmail know what becomes
 * of a routing header field or a marked recipient: see the snippets in etc/.
 */
#include "filter/routing.h"

#include "decide/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A copy that requires TLS needs its route at the levels that demand something of the delivery, and
 * one that reinjects at any but disable, since the milter then decides when it is reinjected.
 * What is only to be logged must not bounce there; what could not be found out is held to its
 * request at delivery all the same.
 */
static bool needs_route(const struct recipient *r)
{
    const struct decision *d = &r->outcome->decision;

    if (r->asked.request != DECIDE_REQUEST_REQUIRE)
        return true;
    if (d->action == DECIDE_LOG && d->verdict == VERDICT_UNSATISFIED)
        return false;
    if (d->verdict == VERDICT_NOT_APPLICABLE && config_route_reinjects(d->route))
        return true; /* what it becomes, and at which level, is decided when it is reinjected */
    switch (d->level) {
    case VERDICT_LEVEL_OPPORTUNISTIC: /* nothing is demanded, but REQUIRETLS is to be passed on */
        return (config_route_reinjects(d->route) && d->route->method == CONFIG_METHOD_HEADER) ||
               d->route->agent || d->route->opportunistic != NULL;
    case VERDICT_LEVEL_DISABLE:
        return false;
    case VERDICT_LEVEL_ENFORCE:
    case VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS:
    default:
        return true;
    }
}

/* The route may name others for the lower levels. */
static const struct config_route *at_level(const struct config_route *route,
                                           const struct recipient *r)
{
    const struct decision *d = &r->outcome->decision;

    if (r->asked.request != DECIDE_REQUEST_REQUIRE || d->local)
        return route;
    if (d->level == VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS && route->starttls != NULL)
        return route->starttls;
    if ((d->level == VERDICT_LEVEL_OPPORTUNISTIC || d->exempt) && route->opportunistic != NULL)
        return route->opportunistic;
    return route;
}

/* The route that the decision comes to, or NULL. */
static const struct config_route *wanted_route(const struct recipient *r)
{
    const struct config_route *route = r->outcome != NULL ? r->outcome->decision.route : NULL;

    if (route == NULL)
        return NULL;
    route = at_level(route, r);
    if (route->method == CONFIG_METHOD_NONE)
        return route;
    return !needs_route(r) ? NULL : route;
}

void routing_decide(struct recipient *r, bool reinjected)
{
    const struct config_route *route = wanted_route(r);
    bool is_loop = route != NULL && reinjected && config_route_reinjects(route);

    r->route = is_loop ? NULL : route;
    r->route_would_loop = is_loop && !r->outcome->decision.local;
}

/* Where the MTA does not tell the mailer, mail for our own domain is taken to stay here. */
static bool is_local(const struct config *config, const struct recipient *r)
{
    struct nexthop own;

    if (r->agent != NULL)
        return false;
    if (r->mailer != NULL)
        return rules_is_local_mailer(config, r->mailer);
    if (r->host != NULL)
        return false;
    return r->domain == NULL || nexthop_from_domain(r->domain, &own) != 0 ||
           config_domain_is_own(config, own.name);
}

static bool any_routed(const struct recipient *recipients, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_route *route = recipients[i].route;

        if (route != NULL && route->method != CONFIG_METHOD_NONE)
            return true;
    }
    return false;
}

int routing_init(struct routing *routing, const struct config *config,
                 const struct recipient *recipients, size_t count)
{
    *routing = (struct routing){.recipients = recipients, .count = count};
    if (!any_routed(recipients, count))
        return 0;
    routing->items = calloc(count, sizeof(*routing->items));
    if (routing->items == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct recipient *r = &recipients[i];
        struct route_recipient *item = &routing->items[i];

        item->address = r->address;
        item->domain = r->domain;
        item->can_be_tagged = r->taggable != NULL;
        item->route = r->route;
        item->local = is_local(config, r);
        item->must = item->route != NULL && r->asked.request == DECIDE_REQUEST_REQUIRE &&
                     !r->outcome->decision.null_sender;
        /* To the agent the ticket says it. */
        if (r->outcome != NULL && r->outcome->nexthop[0] != '\0' &&
            (r->route == NULL || !r->route->agent))
            item->nexthop = r->outcome->nexthop;
    }
    route_choose(routing->items, count, &routing->plan);
    return 0;
}

void routing_fini(struct routing *routing)
{
    free(routing->items);
}

bool routing_reinjects(const struct routing *routing)
{
    return routing->plan.action == ROUTE_HEADER && config_route_reinjects(routing->plan.route);
}

bool routing_leads_to_agent(const struct routing *routing, size_t recipient)
{
    switch (routing->plan.action) {
    case ROUTE_HEADER:
        return routing->plan.route->agent;
    case ROUTE_RECIPIENTS:
        return route_tag(&routing->items[recipient]) != NULL &&
               routing->items[recipient].route->agent;
    case ROUTE_NOTHING:
    case ROUTE_REFUSE:
    case ROUTE_REFUSE_ADDRESS:
    default:
        return false;
    }
}

/* A field that is added and then deleted is seen by the MTA's header checks, and by nobody else.
 */
static bool apply_header(const struct routing *routing, const struct config *config,
                         const struct message_ops *ops)
{
    const char *name = config->milter.route_header;

    return ops->add_header(ops->arg, name, routing->plan.header) &&
           ops->delete_header(ops->arg, name, 1);
}

static bool add_tag(const struct recipient *r, const char *tag, const struct message_ops *ops)
{
    char address[ENVELOPE_ADDRESS_MAX + NEXTHOP_NAME_MAX + 4], params[ROUTE_PARAMS_MAX + 1];
    size_t len = strlen(r->taggable);

    if (len > 0 && r->taggable[len - 1] == '.')
        len--;
    snprintf(address, sizeof(address), "<%.*s.%s>", (int)len, r->taggable, tag);
    route_params(r->domain != NULL ? r->address : r->taggable, r->notify, r->orcpt, params,
                 sizeof(params));
    return ops->add_recipient(ops->arg, address, params) && ops->delete_recipient(ops->arg, r->arg);
}

static bool apply_recipients(const struct routing *routing, const struct message_ops *ops)
{
    if (!ops->can_change_recipients)
        return false;
    for (size_t i = 0; i < routing->count; i++) {
        const char *tag = route_tag(&routing->items[i]);

        if (tag != NULL && !add_tag(&routing->recipients[i], tag, ops))
            return false;
    }
    return true;
}

bool routing_apply(const struct routing *routing, const struct config *config,
                   const struct message_ops *ops)
{
    switch (routing->plan.action) {
    case ROUTE_NOTHING:
        return true;
    case ROUTE_HEADER:
        return apply_header(routing, config, ops);
    case ROUTE_RECIPIENTS:
        return apply_recipients(routing, ops);
    case ROUTE_REFUSE: /* the caller did */
    case ROUTE_REFUSE_ADDRESS:
    default:
        return false;
    }
}
