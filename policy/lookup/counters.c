/*
 * The counters behind engine_get_stats: the engine's thread adds with counters_dns and
 * counters_lookup, any thread copies them with counters_read.
 */
#include "lookup/counters.h"

static int type_index(uint16_t type)
{
    switch (type) {
    case DNS_TYPE_A:
        return ENGINE_DNS_A;
    case DNS_TYPE_AAAA:
        return ENGINE_DNS_AAAA;
    case DNS_TYPE_CNAME:
        return ENGINE_DNS_CNAME;
    case DNS_TYPE_MX:
        return ENGINE_DNS_MX;
    case DNS_TYPE_TLSA:
        return ENGINE_DNS_TLSA;
    case DNS_TYPE_TXT:
        return ENGINE_DNS_TXT;
    default:
        return -1;
    }
}

static int result_index(enum dns_status status)
{
    switch (status) {
    case DNS_FOUND:
        return ENGINE_DNS_FOUND;
    case DNS_NODATA:
        return ENGINE_DNS_NODATA;
    case DNS_NXDOMAIN:
        return ENGINE_DNS_NXDOMAIN;
    case DNS_FAILED:
    default:
        return ENGINE_DNS_FAILED;
    }
}

void counters_dns(struct counters *counters, uint16_t type, enum dns_status status)
{
    int index = type_index(type);

    if (index >= 0)
        counters_add(&counters->dns_results[index][result_index(status)], 1);
}

void counters_lookup(struct counters *counters, enum findings_summary summary, int64_t took_ms)
{
    counters_add(&counters->lookup_buckets[engine_lookup_bucket(took_ms)], 1);
    counters_add(&counters->lookup_total_ms, (uint64_t)(took_ms > 0 ? took_ms : 0));
    if (summary <= FINDINGS_SUMMARY_FAILED)
        counters_add(&counters->summaries[summary], 1);
}

static uint64_t get(const atomic_uint_least64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void counters_read(const struct counters *c, struct engine_stats *out)
{
    out->cache_hits = get(&c->cache_hits);
    out->cache_misses = get(&c->cache_misses);
    out->lookups = get(&c->lookups);
    out->dns_queries = get(&c->dns_queries);
    out->sts_fetches = get(&c->sts_fetches);
    out->dns_outstanding = atomic_load_explicit(&c->dns_outstanding, memory_order_relaxed);
    out->lookup_octets = atomic_load_explicit(&c->lookup_octets, memory_order_relaxed);
    for (size_t t = 0; t < ENGINE_DNS_TYPES; t++) {
        for (size_t r = 0; r < ENGINE_DNS_RESULTS; r++)
            out->dns_results[t][r] = get(&c->dns_results[t][r]);
    }
    for (size_t r = 0; r < ENGINE_FETCH_RESULTS; r++)
        out->fetch_results[r] = get(&c->fetch_results[r]);
    for (size_t s = 0; s <= FINDINGS_SUMMARY_FAILED; s++)
        out->summaries[s] = get(&c->summaries[s]);
    for (size_t b = 0; b < ENGINE_LOOKUP_BUCKETS; b++)
        out->lookup_buckets[b] = get(&c->lookup_buckets[b]);
    out->lookup_total_ms = get(&c->lookup_total_ms);
}
