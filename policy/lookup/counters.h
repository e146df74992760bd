/*
 * What the engine has done since its start, counted on its own thread and read from any.
 */
#ifndef POLICY_LOOKUP_COUNTERS_H
#define POLICY_LOOKUP_COUNTERS_H

#include "dns/dns_answer.h"
#include "policy/engine_stats.h"

#include <stdatomic.h>

struct counters {
    atomic_uint_least64_t cache_hits;
    atomic_uint_least64_t cache_misses;
    atomic_uint_least64_t lookups;
    atomic_uint_least64_t dns_queries;
    atomic_uint_least64_t sts_fetches;
    atomic_size_t dns_outstanding;
    atomic_size_t lookup_octets; /* that lookups in progress hold */
    atomic_uint_least64_t dns_results[ENGINE_DNS_TYPES][ENGINE_DNS_RESULTS];
    atomic_uint_least64_t fetch_results[ENGINE_FETCH_RESULTS];
    atomic_uint_least64_t summaries[FINDINGS_SUMMARY_FAILED + 1];
    atomic_uint_least64_t lookup_buckets[ENGINE_LOOKUP_BUCKETS];
    atomic_uint_least64_t lookup_total_ms;
};

static inline void counters_add(atomic_uint_least64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void counters_dns(struct counters *counters, uint16_t type, enum dns_status status);
void counters_lookup(struct counters *counters, enum findings_summary summary, int64_t took_ms);

/* Fills in what is counted here. */
void counters_read(const struct counters *counters, struct engine_stats *out);

#endif
