/*
 * What becomes of the result of a probe: probe_keep_result counts it, looks whether it begins a
 * rest, which it warns of, and keeps it under probe_keep_key, by probe_keep, for as long as it
 * counts. probe_keep_known finds it.
 * probe_keep_lack is for one that says nothing of the server.
 */
#include "probe/prober_internal.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

struct probe_cache_key probe_keep_key(const struct probe_plan *plan, size_t candidate,
                                      char endpoint[PROBE_ENDPOINT_MAX])
{
    const struct probe_candidate *c = &plan->candidates[candidate];
    const struct probe_host *host = &plan->hosts[c->host];

    probe_address_endpoint(c->address, c->ipv6, plan->port, endpoint);
    return (struct probe_cache_key){.host = plan->findings->hosts[host->index].name,
                                    .endpoint = endpoint,
                                    .demand = host->demand_key};
}

struct probe_result *probe_keep_known(struct prober *prober, const struct probe_plan *plan,
                                      size_t candidate, int64_t now_ms)
{
    char endpoint[PROBE_ENDPOINT_MAX];
    struct probe_cache_key key = probe_keep_key(plan, candidate, endpoint);

    return probe_cache_get(prober->cache, &key, now_ms);
}

static void warn_rest(struct prober *prober, const struct probe_plan *plan,
                      const struct probe_cache_key *key, const char *failure)
{
    char line[700];

    if (prober->settings.log == NULL)
        return;
    snprintf(line, sizeof(line),
             "probe: %d mail servers in a row could not be reached, the last of them %s at %s%s%s; "
             "none is probed for %d minutes. Can this host connect to port %u of others?",
             PROBE_LIMITS_ROW, key->host, key->endpoint, failure != NULL ? ": " : "",
             failure != NULL ? failure : "", PROBE_LIMITS_REST_MS / 60000, (unsigned)plan->port);
    prober->settings.log(prober->settings.log_arg, LOG_WARNING, line);
}

/* Not more often than a rest would be. */
static void warn_lack(struct prober *prober, const struct probe_cache_key *key, const char *failure)
{
    char line[700];
    int64_t now_ms = prober->world->ops->mono_ms(prober->world);

    if (prober->settings.log == NULL ||
        (prober->lack_warned_ms != 0 && now_ms - prober->lack_warned_ms < PROBE_LIMITS_REST_MS))
        return;
    prober->lack_warned_ms = now_ms;
    snprintf(line, sizeof(line),
             "probe: %s at %s could not be looked at for a lack of this host: %s; is `source` in "
             "[probe] an address of this host?",
             key->host, key->endpoint, failure != NULL ? failure : "out of memory or descriptors");
    prober->settings.log(prober->settings.log_arg, LOG_WARNING, line);
}

struct probe_result *probe_keep_lack(struct prober *prober, const struct probe_plan *plan,
                                     size_t candidate, const struct findings_probe *probe)
{
    char endpoint[PROBE_ENDPOINT_MAX];
    struct probe_cache_key key = probe_keep_key(plan, candidate, endpoint);

    atomic_fetch_add(&prober->counters.left_out, 1);
    if (plan->scope == PROBE_SCOPE_ALL)
        return probe_result_new(probe, prober->world->ops->wall_s(prober->world));
    warn_lack(prober, &key, probe->failure);
    return NULL;
}

static void count_result(struct prober *prober, unsigned result, int64_t took_ms)
{
    if (result <= FINDINGS_PROBE_FAILED)
        atomic_fetch_add(&prober->counters.results[result], 1);
    atomic_fetch_add(&prober->counters.buckets[engine_lookup_bucket(took_ms)], 1);
    atomic_fetch_add(&prober->counters.total_ms, (uint64_t)(took_ms > 0 ? took_ms : 0));
}

void probe_keep(struct prober *prober, const struct probe_cache_key *key,
                struct probe_result *result)
{
    bool ok = probe_result_probe(result)->result == FINDINGS_PROBE_OK;
    int64_t ttl_ms = ok ? prober->settings.ttl_ms : prober->settings.negative_ttl_ms;

    probe_cache_put(prober->cache, key, result,
                    prober->world->ops->mono_ms(prober->world) + ttl_ms);
}

struct probe_result *probe_keep_result(struct prober *prober, const struct probe_plan *plan,
                                       size_t candidate, const struct findings_probe *probe,
                                       unsigned configured, int64_t took_ms, bool *rests)
{
    char endpoint[PROBE_ENDPOINT_MAX];
    struct probe_cache_key key = probe_keep_key(plan, candidate, endpoint);
    uint64_t host = table_siphash(prober->tasks.seed, key.host, strlen(key.host));
    int64_t now_ms = prober->world->ops->mono_ms(prober->world);
    struct probe_result *result;

    count_result(prober, probe->result, took_ms);
    *rests = probe_limits_ended(&prober->limits, host, probe->result != FINDINGS_PROBE_UNREACHABLE,
                                now_ms);
    atomic_store(&prober->counters.rest_until_ms, prober->limits.rest_until_ms);
    if (*rests)
        warn_rest(prober, plan, &key, probe->failure);
    if (probe->result == FINDINGS_PROBE_NOT_AUTHENTICATED && configured != prober->configured)
        return NULL;
    result = probe_result_new(probe, prober->world->ops->wall_s(prober->world));
    if (result != NULL)
        probe_keep(prober, &key, result);
    return result;
}
