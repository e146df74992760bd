/*
 * What deliveries share: agent_new makes it, agent_reload takes over what another configuration has
 * of it, agent_free ends it after the last delivery. Lookups of the engine end on the engine's
 * thread: agent_lookup_done leaves the findings in a list and wakes the agent's thread, where
 * on_wakeup calls those who wait. The deliveries themselves are in delivery.c.
 */
#include "deliver/agent_internal.h"

#include "policy/clock.h"
#include "policy/engine_probe.h"
#include "policy/own_address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    SESSIONS_MAX = 1000,       /* TLS sessions that are kept for resumption */
    OWN_ADDRESS_MS = 5 * 1000, /* how long it counts whether an address is our own */
};

/* ---- Lookups ---- */

void agent_lookup_done(const struct findings *findings, void *arg)
{
    struct agent_lookup *lookup = arg;
    struct agent *agent = lookup->agent;

    pthread_mutex_lock(&agent->lock);
    lookup->findings = findings != NULL ? findings_ref(findings) : NULL;
    lookup->has_come = true;
    TAILQ_INSERT_TAIL(&agent->come, lookup, link);
    pthread_mutex_unlock(&agent->lock);
    /* The lookup may be gone by now. */
    wakeup_send(agent->wakeup);
}

static struct agent_lookup *take_lookup(struct agent *agent)
{
    struct agent_lookup *lookup;

    pthread_mutex_lock(&agent->lock);
    lookup = TAILQ_FIRST(&agent->come);
    if (lookup != NULL) {
        TAILQ_REMOVE(&agent->come, lookup, link);
        lookup->has_come = false;
    }
    pthread_mutex_unlock(&agent->lock);
    return lookup;
}

/* wakeup_fn */
static void on_wakeup(void *arg)
{
    struct agent_lookup *lookup;

    while ((lookup = take_lookup(arg)) != NULL)
        lookup->on_come(lookup);
}

void agent_lookup_forget(struct agent_lookup *lookup)
{
    pthread_mutex_lock(&lookup->agent->lock);
    if (lookup->has_come)
        TAILQ_REMOVE(&lookup->agent->come, lookup, link);
    lookup->has_come = false;
    pthread_mutex_unlock(&lookup->agent->lock);
    findings_unref(lookup->findings);
    lookup->findings = NULL;
}

/* ---- Own addresses ---- */

bool agent_is_own_address(struct agent *agent, const uint8_t *address, bool ipv6)
{
    static const uint8_t none[15];
    size_t len = ipv6 ? 16 : 4;
    struct agent_own_address *known =
        &agent->own_addresses[(size_t)(address[len - 1] ^ address[len - 2]) % AGENT_OWN_ADDRESSES];
    int64_t now_ms = clock_awake_ms();

    if (ipv6 ? memcmp(address, none, 15) == 0 && address[15] <= 1
             : address[0] == 127 || address[0] == 0)
        return true;
    if (known->until_ms > now_ms && known->ipv6 == ipv6 &&
        memcmp(known->address, address, len) == 0)
        return known->own;
    memcpy(known->address, address, len);
    known->ipv6 = ipv6;
    known->own = own_address_is(address, ipv6);
    known->until_ms = now_ms + OWN_ADDRESS_MS;
    return known->own;
}

/* ---- The agent ---- */

unsigned agent_share(const struct config *config)
{
    return config->deliver.max_sessions >= 4 ? config->deliver.max_sessions / 4 : 1;
}

bool agent_may_wait(const struct agent *agent, const struct nexthop *nexthop)
{
    return !agent_limits_is_slow(agent->limits, nexthop->text, clock_awake_ms());
}

bool agent_is_busy(const struct agent *agent, const struct nexthop *nexthop)
{
    return agent_limits_taken(agent->limits, AGENT_LIMITS_NEXTHOP, nexthop->text) >=
               agent_share(agent->config) &&
           !agent_may_wait(agent, nexthop);
}

static int read_credentials(const struct config *config, struct credentials **out, char *err,
                            size_t err_size)
{
    *out = NULL;
    if (config->deliver.credentials == NULL)
        return 0;
    return credentials_read(config->deliver.credentials, out, err, err_size);
}

static int read_ca(const struct config *config, struct ca_store **out, char *err, size_t err_size)
{
    const char *ca_file, *ca_path;

    config_deliver_ca(config, &ca_file, &ca_path);
    return ca_store_new(ca_file, ca_path, out, err, err_size);
}

static int make_parts(struct agent *agent, const struct config *config, char *err, size_t err_size)
{
    struct agent_connections_config connections = {.base = agent->base, .metrics = agent->metrics};
    int error = read_ca(config, &agent->ca_store, err, err_size);

    if (error == 0)
        error = read_credentials(config, &agent->credentials, err, err_size);
    if (error == 0)
        error = tls_client_new(agent->ca_store, SESSIONS_MAX, &agent->tls_client);
    if (error == 0)
        error = tlsrpt_new(config->deliver.tlsrpt_socket, agent->engine, agent->metrics,
                           &agent->tlsrpt);
    if (error == 0)
        error = wakeup_new(agent->base, on_wakeup, agent, &agent->wakeup);
    if (error != 0)
        return error;
    agent->limits = agent_limits_new();
    if (agent->limits == NULL)
        return -ENOMEM;
    connections.ca_store = agent->ca_store;
    connections.tls_client = agent->tls_client;
    connections.limits = agent->limits;
    agent->connections = agent_connections_new(&connections);
    return agent->connections != NULL ? 0 : -ENOMEM;
}

int agent_new(struct event_base *base, struct config *config, struct engine *engine,
              struct metrics *metrics, struct agent **out, char *err, size_t err_size)
{
    struct agent *agent = calloc(1, sizeof(*agent));
    int error;

    snprintf(err, err_size, "delivery agent: out of memory or descriptors");
    if (agent == NULL)
        return -ENOMEM;
    error = pthread_mutex_init(&agent->lock, NULL);
    if (error != 0) {
        free(agent);
        return -error;
    }
    agent->base = base;
    agent->engine = engine;
    agent->metrics = metrics;
    agent->config = config_ref(config);
    agent->probe_configured = engine_probe_configured(engine);
    TAILQ_INIT(&agent->come);
    if (getrandom(&agent->seed, sizeof(agent->seed), GRND_NONBLOCK) < 0)
        agent->seed = (uintptr_t)agent;
    error = make_parts(agent, config, err, err_size);
    if (error != 0) {
        agent_free(agent);
        return error;
    }
    *out = agent;
    return 0;
}

int agent_reload(struct agent *agent, struct config *config, char *err, size_t err_size)
{
    struct ca_store *ca_store;
    struct credentials *credentials = NULL;
    int error;

    snprintf(err, err_size, "delivery agent: out of memory");
    error = read_ca(config, &ca_store, err, err_size);
    if (error != 0)
        return error;
    error = read_credentials(config, &credentials, err, err_size);
    if (error != 0) {
        ca_store_free(ca_store);
        return error;
    }
    ca_store_replace(agent->ca_store, ca_store);
    credentials_unref(agent->credentials);
    agent->credentials = credentials;
    tlsrpt_set_path(agent->tlsrpt, config->deliver.tlsrpt_socket);
    agent_connections_flush(agent->connections);
    config_unref(agent->config);
    agent->config = config_ref(config);
    agent->probe_configured = engine_probe_configured(agent->engine);
    return 0;
}

void agent_free(struct agent *agent)
{
    if (agent == NULL)
        return;
    agent_connections_free(agent->connections);
    agent_limits_free(agent->limits);
    tlsrpt_free(agent->tlsrpt);
    tls_client_free(agent->tls_client);
    ca_store_free(agent->ca_store);
    credentials_unref(agent->credentials);
    wakeup_free(agent->wakeup);
    config_unref(agent->config);
    pthread_mutex_destroy(&agent->lock);
    free(agent);
}
