/*
 * The engine's part of the metrics: metrics_engine_write writes what it has counted, of lookups,
 * cache, DNS queries, policy fetches, probes and the shared cache.
 */
#include "base/metrics_engine.h"

#include "base/metrics_text.h"

#include <inttypes.h>

static const unsigned bounds_ms[ENGINE_LOOKUP_BUCKETS - 1] = {ENGINE_LOOKUP_BOUNDS_MS};

static void write_summaries(const struct engine_stats *stats, FILE *out)
{
    metrics_text_head(out, "requiretls_findings_total", "counter", "Completed lookups by summary.");
    for (unsigned i = 0; i <= FINDINGS_SUMMARY_FAILED; i++)
        fprintf(out, "requiretls_findings_total{summary=\"%s\"} %" PRIu64 "\n",
                findings_summary_name(i), stats->summaries[i]);
}

static void write_lookups(const struct engine_stats *stats, FILE *out)
{
    metrics_text_histogram(out, "requiretls_lookup_seconds",
                           "Duration of lookups that were not answered from the cache.", bounds_ms,
                           stats->lookup_buckets, ENGINE_LOOKUP_BUCKETS, stats->lookup_total_ms);
}

static void write_queries(const struct engine_stats *stats, FILE *out)
{
    static const char *const types[ENGINE_DNS_TYPES] = {
        [ENGINE_DNS_A] = "A",   [ENGINE_DNS_AAAA] = "AAAA", [ENGINE_DNS_CNAME] = "CNAME",
        [ENGINE_DNS_MX] = "MX", [ENGINE_DNS_TLSA] = "TLSA", [ENGINE_DNS_TXT] = "TXT"};
    static const char *const results[ENGINE_DNS_RESULTS] = {[ENGINE_DNS_FOUND] = "found",
                                                            [ENGINE_DNS_NODATA] = "nodata",
                                                            [ENGINE_DNS_NXDOMAIN] = "nxdomain",
                                                            [ENGINE_DNS_FAILED] = "failed"};
    metrics_text_head(out, "requiretls_dns_queries_total", "counter",
                      "DNS queries by type and result.");
    for (size_t i = 0; i < ENGINE_DNS_TYPES; i++) {
        for (size_t j = 0; j < ENGINE_DNS_RESULTS; j++)
            fprintf(out, "requiretls_dns_queries_total{type=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                    types[i], results[j], stats->dns_results[i][j]);
    }
    metrics_text_plain(out, "requiretls_dns_outstanding", "gauge",
                       "DNS queries without an answer yet.", stats->dns_outstanding);
}

static void write_fetches(const struct engine_stats *stats, FILE *out)
{
    static const char *const results[ENGINE_FETCH_RESULTS] = {[ENGINE_FETCH_OK] = "ok",
                                                              [ENGINE_FETCH_INVALID] = "invalid",
                                                              [ENGINE_FETCH_REFUSED] = "refused",
                                                              [ENGINE_FETCH_WEBPKI] = "webpki",
                                                              [ENGINE_FETCH_FAILED] = "failed"};
    metrics_text_head(out, "requiretls_sts_fetch_total", "counter",
                      "MTA-STS policy fetches by result.");
    for (size_t i = 0; i < ENGINE_FETCH_RESULTS; i++)
        fprintf(out, "requiretls_sts_fetch_total{result=\"%s\"} %" PRIu64 "\n", results[i],
                stats->fetch_results[i]);
}

static void write_probes(const struct engine_stats *stats, FILE *out)
{
    metrics_text_head(out, "requiretls_probe_total", "counter",
                      "Probes of mail servers by result.");
    for (unsigned i = 0; i <= FINDINGS_PROBE_FAILED; i++)
        fprintf(out, "requiretls_probe_total{result=\"%s\"} %" PRIu64 "\n",
                findings_probe_result_name(i), stats->probe_results[i]);
    metrics_text_histogram(out, "requiretls_probe_seconds", "Duration of probes.", bounds_ms,
                           stats->probe_buckets, ENGINE_LOOKUP_BUCKETS, stats->probe_total_ms);
    metrics_text_plain(out, "requiretls_probe_left_out_total", "counter",
                       "Addresses that were not probed, by a limit, a rest or a lack of this host.",
                       stats->probes_left_out);
    metrics_text_plain(out, "requiretls_probes_in_progress", "gauge",
                       "Probes that have begun and not ended.", stats->probes_in_flight);
    metrics_text_plain(out, "requiretls_probe_entries", "gauge", "Results of probes that are kept.",
                       stats->probe_entries);
    metrics_text_plain(out, "requiretls_probe_bytes", "gauge", "Memory that those take.",
                       stats->probe_octets);
}

static void write_shared(const struct engine_stats *stats, FILE *out)
{
    static const char *const results[ENGINE_SHARED_RESULTS] = {
        [ENGINE_SHARED_FOUND] = "found",       [ENGINE_SHARED_MISSING] = "missing",
        [ENGINE_SHARED_REJECTED] = "rejected", [ENGINE_SHARED_LATE] = "late",
        [ENGINE_SHARED_FAILED] = "failed",     [ENGINE_SHARED_DOWN] = "down",
        [ENGINE_SHARED_WRITTEN] = "written",   [ENGINE_SHARED_NOT_WRITTEN] = "not_written"};
    metrics_text_head(out, "requiretls_shared_requests_total", "counter",
                      "Requests to the shared cache by result.");
    for (size_t i = 0; i < ENGINE_SHARED_RESULTS; i++)
        fprintf(out, "requiretls_shared_requests_total{result=\"%s\"} %" PRIu64 "\n", results[i],
                stats->shared_results[i]);
    metrics_text_head(out, "requiretls_shared_rejected_total", "counter",
                      "Rows of the shared cache that were not used, by reason.");
    for (unsigned i = SHARED_OK + 1; i < SHARED_REJECTS; i++)
        fprintf(out, "requiretls_shared_rejected_total{reason=\"%s\"} %" PRIu64 "\n",
                shared_reject_name(i), stats->shared_rejected[i]);
}

void metrics_engine_write(const struct engine_stats *stats, FILE *out)
{
    write_summaries(stats, out);
    write_lookups(stats, out);
    metrics_text_plain(out, "requiretls_cache_entries", "gauge", "Next-hops in the cache.",
                       stats->cache_entries);
    metrics_text_plain(out, "requiretls_cache_bytes", "gauge",
                       "Memory that next-hops in the cache take.", stats->cache_octets);
    metrics_text_plain(out, "requiretls_lookup_bytes", "gauge",
                       "Memory that lookups in progress hold.", stats->lookup_octets);
    metrics_text_head(out, "requiretls_cache_requests_total", "counter",
                      "Cache requests by result.");
    fprintf(out,
            "requiretls_cache_requests_total{result=\"hit\"} %" PRIu64 "\n"
            "requiretls_cache_requests_total{result=\"miss\"} %" PRIu64 "\n",
            stats->cache_hits, stats->cache_misses);
    write_queries(stats, out);
    write_fetches(stats, out);
    write_probes(stats, out);
    write_shared(stats, out);
}
