/*
 * Counters and their text form. Every label has a fixed set of values: nothing that came from
 * outside becomes a label. A series is written even at zero, so that a rate has a beginning.
 */
#include "base/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = VERDICT_LEVEL_DISABLE + 1, VALUES = VERDICT_PENDING + 1 };

struct metrics {
    _Atomic uint64_t messages[METRICS_REQUESTS][METRICS_ACTIONS];
    _Atomic uint64_t recipients[LEVELS][VALUES];
    _Atomic uint64_t socketmap[METRICS_MAPS][METRICS_REPLIES];
    _Atomic uint64_t socketmap_refused;
    _Atomic uint64_t dsn_redacted;
};

int metrics_new(struct metrics **out)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? 0 : -ENOMEM;
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void metrics_message(struct metrics *metrics, enum metrics_request request,
                     enum metrics_action action)
{
    if (metrics != NULL && (unsigned)request < METRICS_REQUESTS &&
        (unsigned)action < METRICS_ACTIONS)
        count(&metrics->messages[request][action]);
}

void metrics_recipient(struct metrics *metrics, enum verdict_level level,
                       enum verdict_value verdict)
{
    if (metrics != NULL && (unsigned)level < LEVELS && (unsigned)verdict < VALUES)
        count(&metrics->recipients[level][verdict]);
}

void metrics_dsn_redacted(struct metrics *metrics)
{
    if (metrics != NULL)
        count(&metrics->dsn_redacted);
}

void metrics_socketmap(struct metrics *metrics, unsigned map, enum metrics_reply reply)
{
    if (metrics != NULL && map < METRICS_MAPS && (unsigned)reply < METRICS_REPLIES)
        count(&metrics->socketmap[map][reply]);
}

void metrics_socketmap_refused(struct metrics *metrics)
{
    if (metrics != NULL)
        count(&metrics->socketmap_refused);
}

static uint64_t value_of(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void plain(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void write_messages(struct metrics *metrics, FILE *out)
{
    static const char *const requests[] = {"none", "optional", "require"};
    static const char *const actions[] = {"accept", "reject", "tempfail", "quarantine", "log"};
    head(out, "requiretls_messages_total", "counter", "Messages by request and action.");
    for (size_t i = 0; i < METRICS_REQUESTS; i++) {
        for (size_t j = 0; j < METRICS_ACTIONS; j++)
            fprintf(out, "requiretls_messages_total{request=\"%s\",action=\"%s\"} %" PRIu64 "\n",
                    requests[i], actions[j], value_of(&metrics->messages[i][j]));
    }
}

static void write_recipients(struct metrics *metrics, FILE *out)
{
    head(out, "requiretls_recipients_total", "counter",
         "Recipients of messages that require TLS, by level and verdict.");
    for (unsigned i = 0; i < LEVELS; i++) {
        for (unsigned j = 0; j < VERDICT_PENDING; j++)
            fprintf(out, "requiretls_recipients_total{level=\"%s\",verdict=\"%s\"} %" PRIu64 "\n",
                    verdict_level_name(i), verdict_value_name(j),
                    value_of(&metrics->recipients[i][j]));
    }
}

static const char *map_name(unsigned map)
{
    switch (map) {
    case METRICS_MAP_JSON:
        return "JSON";
    case METRICS_MAP_PURGE:
        return "PURGE";
    case METRICS_MAP_DUMP:
        return "DUMP";
    case METRICS_MAP_UNKNOWN:
        return "unknown";
    default:
        return answer_map_name(map);
    }
}

static void write_socketmap(struct metrics *metrics, FILE *out)
{
    static const char *const replies[] = {"ok", "notfound", "temp", "perm"};
    head(out, "requiretls_socketmap_requests_total", "counter",
         "Socketmap requests by map and result.");
    for (unsigned i = 0; i < METRICS_MAPS; i++) {
        for (size_t j = 0; j < METRICS_REPLIES; j++)
            fprintf(out,
                    "requiretls_socketmap_requests_total{map=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                    map_name(i), replies[j], value_of(&metrics->socketmap[i][j]));
    }
    plain(out, "requiretls_socketmap_malformed_total", "counter",
          "Socketmap connections closed for a malformed request.",
          value_of(&metrics->socketmap_refused));
}

static void write_summaries(const struct engine_stats *stats, FILE *out)
{
    head(out, "requiretls_findings_total", "counter", "Completed lookups by summary.");
    for (unsigned i = 0; i <= FINDINGS_SUMMARY_FAILED; i++)
        fprintf(out, "requiretls_findings_total{summary=\"%s\"} %" PRIu64 "\n",
                findings_summary_name(i), stats->summaries[i]);
}

static void write_lookups(const struct engine_stats *stats, FILE *out)
{
    static const unsigned bounds_ms[ENGINE_LOOKUP_BUCKETS - 1] = {ENGINE_LOOKUP_BOUNDS_MS};
    uint64_t sum = 0;
    head(out, "requiretls_lookup_seconds", "histogram",
         "Duration of lookups that were not answered from the cache.");
    for (size_t i = 0; i < ENGINE_LOOKUP_BUCKETS - 1; i++) {
        sum += stats->lookup_buckets[i];
        fprintf(out, "requiretls_lookup_seconds_bucket{le=\"%u.%03u\"} %" PRIu64 "\n",
                bounds_ms[i] / 1000, bounds_ms[i] % 1000, sum);
    }
    sum += stats->lookup_buckets[ENGINE_LOOKUP_BUCKETS - 1];
    fprintf(out,
            "requiretls_lookup_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n"
            "requiretls_lookup_seconds_sum %" PRIu64 ".%03u\n"
            "requiretls_lookup_seconds_count %" PRIu64 "\n",
            sum, stats->lookup_total_ms / 1000, (unsigned)(stats->lookup_total_ms % 1000), sum);
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
    head(out, "requiretls_dns_queries_total", "counter", "DNS queries by type and result.");
    for (size_t i = 0; i < ENGINE_DNS_TYPES; i++) {
        for (size_t j = 0; j < ENGINE_DNS_RESULTS; j++)
            fprintf(out, "requiretls_dns_queries_total{type=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                    types[i], results[j], stats->dns_results[i][j]);
    }
    plain(out, "requiretls_dns_outstanding", "gauge", "DNS queries in flight.",
          stats->dns_outstanding);
}

static void write_fetches(const struct engine_stats *stats, FILE *out)
{
    static const char *const results[ENGINE_FETCH_RESULTS] = {[ENGINE_FETCH_OK] = "ok",
                                                              [ENGINE_FETCH_INVALID] = "invalid",
                                                              [ENGINE_FETCH_REFUSED] = "refused",
                                                              [ENGINE_FETCH_WEBPKI] = "webpki",
                                                              [ENGINE_FETCH_FAILED] = "failed"};
    head(out, "requiretls_sts_fetch_total", "counter", "MTA-STS policy fetches by result.");
    for (size_t i = 0; i < ENGINE_FETCH_RESULTS; i++)
        fprintf(out, "requiretls_sts_fetch_total{result=\"%s\"} %" PRIu64 "\n", results[i],
                stats->fetch_results[i]);
}

static void write_engine(const struct engine_stats *stats, FILE *out)
{
    write_summaries(stats, out);
    write_lookups(stats, out);
    plain(out, "requiretls_cache_entries", "gauge", "Next-hops in the cache.",
          stats->cache_entries);
    plain(out, "requiretls_cache_bytes", "gauge", "Memory that next-hops in the cache take.",
          stats->cache_octets);
    plain(out, "requiretls_lookup_bytes", "gauge", "Memory that lookups in progress hold.",
          stats->lookup_octets);
    head(out, "requiretls_cache_requests_total", "counter", "Cache requests by result.");
    fprintf(out,
            "requiretls_cache_requests_total{result=\"hit\"} %" PRIu64 "\n"
            "requiretls_cache_requests_total{result=\"miss\"} %" PRIu64 "\n",
            stats->cache_hits, stats->cache_misses);
    write_queries(stats, out);
    write_fetches(stats, out);
}

void metrics_write(struct metrics *metrics, const struct engine_stats *stats,
                   const struct metrics_gauges *gauges, FILE *out)
{
    head(out, "requiretls_build_info", "gauge", "Always 1; the version is in the label.");
    fputs("requiretls_build_info{version=\"" PROJECT_VERSION "\"} 1\n", out);
    write_messages(metrics, out);
    write_recipients(metrics, out);
    if (stats != NULL)
        write_engine(stats, out);
    plain(out, "requiretls_security_known", "gauge",
          "1 while a trusted resolver shows that it validates DNSSEC.",
          gauges->security_known ? 1 : 0);
    write_socketmap(metrics, out);
    plain(out, "requiretls_socketmap_connections", "gauge", "Open socketmap connections.",
          gauges->socketmap_connections);
    plain(out, "requiretls_dsn_redacted_total", "counter",
          "Bounces whose returned original was cut.", value_of(&metrics->dsn_redacted));
}
