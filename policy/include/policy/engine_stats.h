/*
 * What the engine counts; engine_get_stats (engine.h) gives a copy.
 */
#ifndef POLICY_ENGINE_STATS_H
#define POLICY_ENGINE_STATS_H

#include "policy/findings.h"
#include "policy/shared_cache.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum engine_dns_type {
    ENGINE_DNS_A,
    ENGINE_DNS_AAAA,
    ENGINE_DNS_CNAME,
    ENGINE_DNS_MX,
    ENGINE_DNS_TLSA,
    ENGINE_DNS_TXT,
    ENGINE_DNS_TYPES
};

enum engine_dns_result {
    ENGINE_DNS_FOUND,
    ENGINE_DNS_NODATA,
    ENGINE_DNS_NXDOMAIN,
    ENGINE_DNS_FAILED,
    ENGINE_DNS_RESULTS
};

enum engine_fetch_result {
    ENGINE_FETCH_OK,      /* a valid policy */
    ENGINE_FETCH_INVALID, /* a policy file that breaks the grammar */
    ENGINE_FETCH_REFUSED, /* 404, redirect, wrong type, oversize, no such host */
    ENGINE_FETCH_WEBPKI,
    ENGINE_FETCH_FAILED,
    ENGINE_FETCH_RESULTS
};

/* What came of a question to the shared cache, or of a row that it was to keep or to forget. */
enum engine_shared_result {
    ENGINE_SHARED_FOUND,
    ENGINE_SHARED_MISSING,
    ENGINE_SHARED_REJECTED,    /* what it had is not used, see enum shared_reject */
    ENGINE_SHARED_LATE,        /* no answer within shared_timeout_ms */
    ENGINE_SHARED_FAILED,      /* an error, or what is no answer */
    ENGINE_SHARED_DOWN,        /* there was no server to ask */
    ENGINE_SHARED_WRITTEN,     /* a row, or that there is none any more */
    ENGINE_SHARED_NOT_WRITTEN, /* likewise, whatever the reason */
    ENGINE_SHARED_RESULTS
};

/* Upper bounds, in milliseconds, of the buckets of the histograms, of lookups and of probes; one
 * more is without bound. */
#define ENGINE_LOOKUP_BOUNDS_MS 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000
enum { ENGINE_LOOKUP_BUCKETS = 13 };

/* Counted since engine_new. A copy: the fields may be some increments apart from each other. */
struct engine_stats {
    size_t cache_entries;
    size_t cache_octets;  /* that cached findings take */
    size_t lookup_octets; /* that lookups in progress hold */
    uint64_t cache_hits;
    uint64_t cache_misses;
    uint64_t lookups;     /* started */
    uint64_t dns_queries; /* sent, retries not counted */
    uint64_t sts_fetches;
    size_t dns_outstanding;
    uint64_t dns_results[ENGINE_DNS_TYPES][ENGINE_DNS_RESULTS];
    uint64_t fetch_results[ENGINE_FETCH_RESULTS];
    uint64_t summaries[FINDINGS_SUMMARY_FAILED + 1]; /* of lookups completed */
    uint64_t lookup_buckets[ENGINE_LOOKUP_BUCKETS];  /* not cumulative; start to completion */
    uint64_t lookup_total_ms;

    uint64_t probes;          /* begun */
    uint64_t probes_left_out; /* addresses that a limit, a rest or a lack of ours left out */
    size_t probes_in_flight;
    uint64_t probe_results[FINDINGS_PROBE_FAILED + 1]; /* of those that ended; names are
                                                          findings_probe_result_name's */
    uint64_t probe_buckets[ENGINE_LOOKUP_BUCKETS];     /* not cumulative; begin to end */
    uint64_t probe_total_ms;
    size_t probe_entries; /* results that are kept */
    size_t probe_octets;  /* that they take */
    bool probe_rests;     /* none is begun now, as no server could be reached of late */

    uint64_t shared_results[ENGINE_SHARED_RESULTS];
    uint64_t shared_rejected[SHARED_REJECTS]; /* by enum shared_reject */
};

/* The bucket of what took so long. Any thread. */
static inline size_t engine_lookup_bucket(int64_t took_ms)
{
    static const int64_t bounds[] = {ENGINE_LOOKUP_BOUNDS_MS};
    size_t bucket = 0;

    while (bucket < sizeof bounds / sizeof bounds[0] && took_ms > bounds[bucket])
        bucket++;
    return bucket;
}

#endif
