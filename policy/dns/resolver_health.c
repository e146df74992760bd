/*
 * What the resolver tells people: its servers, one line of the list each, in the order of the
 * configuration, and how many queries wait. On the resolver's thread.
 */
#include "dns/resolver_internal.h"

#include "policy/engine_health.h"

#include <stdio.h>

void resolver_health(const struct resolver *resolver, struct engine_health *out)
{
    const struct server *server;
    struct resolver_stats stats;

    resolver_get_stats(resolver, &stats);
    out->dns_waiting = stats.waiting;
    out->security_known = resolver_security_known(resolver);
    out->resolver_count = 0;
    TAILQ_FOREACH (server, &resolver->servers, link) {
        struct engine_resolver_health *to = &out->resolvers[out->resolver_count];

        if (out->resolver_count == ENGINE_HEALTH_RESOLVERS_MAX)
            return;
        out->resolver_count++;
        snprintf(to->address, sizeof(to->address), "%s", server->addr.text);
        snprintf(to->failure, sizeof(to->failure), "%s", server->trouble);
        to->trusted = server->trusted;
        to->checked = server->checked;
        to->validates = server->trusted && server->validates;
    }
}
