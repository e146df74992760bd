/*
 * delivery_attempt_note: what the connection of an attempt has shown of its server counts as a
 * probe, where a probe could have made the same connection: from the same address, and with the
 * same CA certificates, where these matter; not a second try in plaintext, after TLS that broke,
 * which says nothing. The engine decides what it comes to.
 */
#include "deliver/delivery_attempt_internal.h"

#include "policy/engine_probe.h"

#include <string.h>

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Servers may treat one client otherwise than another. */
static bool has_source_of_probes(const struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    struct sockaddr_storage ours = {0}, theirs = {0};
    bool ipv6 = attempt->target.ipv6;

    delivery_source(facts->treatment->source, ipv6, &ours);
    delivery_source(&facts->config->probe_sources, ipv6, &theirs);
    return memcmp(&ours, &theirs, sizeof(ours)) == 0;
}

static bool is_by_ca(enum tls_demand_kind kind)
{
    return kind == TLS_DEMAND_STS || kind == TLS_DEMAND_WEB_PKI || kind == TLS_DEMAND_POLICY_NAMES;
}

static bool has_ca_of_probes(const struct delivery_attempt *attempt)
{
    const struct config *config = attempt->facts->config;
    const char *ca_file, *ca_path;

    if (!is_by_ca(agent_connection_demand(attempt->connection)->tls.kind))
        return true;
    config_deliver_ca(config, &ca_file, &ca_path);
    return is_same_text(ca_file, config->engine.sts_ca_file) &&
           is_same_text(ca_path, config->engine.sts_ca_path);
}

void delivery_attempt_note(struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    const struct engine_probe_peer peer = {
        .host = delivery_host_name(facts->findings, attempt->target.host),
        .address = attempt->target.address,
        .ipv6 = attempt->target.ipv6,
        .port = facts->port,
        .demand = &agent_connection_demand(attempt->connection)->tls,
    };

    if (attempt->noted || attempt->reused || attempt->plaintext)
        return;
    attempt->noted = true;
    if (facts->findings->nexthop.kind != NEXTHOP_LITERAL && has_source_of_probes(attempt) &&
        has_ca_of_probes(attempt))
        engine_probe_note(facts->engine, delivery_attempt_transport(attempt), &peer,
                          facts->probe_configured);
}
