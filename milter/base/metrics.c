/*
 * Counters and their text form. Every label has a fixed set of values: nothing that came from
 * outside becomes a label. A series is written even at zero, so that a rate has a beginning.
 */
#include "base/metrics.h"

#include "base/metrics_engine.h"
#include "base/metrics_text.h"
#include "policy/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = VERDICT_LEVEL_DISABLE + 1, VALUES = VERDICT_PENDING + 1 };

struct metrics {
    _Atomic uint64_t messages[METRICS_REQUESTS][METRICS_ACTIONS];
    _Atomic uint64_t recipients[LEVELS][VALUES];
    _Atomic uint64_t observed[LEVELS][VALUES];
    _Atomic uint64_t observed_skipped;
    _Atomic uint64_t socketmap[METRICS_MAPS][METRICS_REPLIES];
    _Atomic uint64_t socketmap_refused;
    _Atomic uint64_t dsn_redacted;
    _Atomic uint64_t sessions;
    struct metrics_deliver deliver;
    atomic_bool standing[STANDING_COUNT];
    time_t started_s;
    int64_t started_ms; /* of clock_mono_ms */
};

int metrics_new(struct metrics **out)
{
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return -ENOMEM;
    (*out)->started_s = time(NULL);
    (*out)->started_ms = clock_mono_ms();
    return 0;
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

static void count_up(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void count_down(_Atomic uint64_t *counter)
{
    atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t value_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_message(struct metrics *metrics, enum metrics_request request,
                     enum metrics_action action)
{
    if (metrics != NULL && (unsigned)request < METRICS_REQUESTS &&
        (unsigned)action < METRICS_ACTIONS)
        count_up(&metrics->messages[request][action]);
}

void metrics_recipient(struct metrics *metrics, enum verdict_level level,
                       enum verdict_value verdict)
{
    if (metrics != NULL && (unsigned)level < LEVELS && (unsigned)verdict < VALUES)
        count_up(&metrics->recipients[level][verdict]);
}

void metrics_observed(struct metrics *metrics, enum verdict_level level, enum verdict_value verdict)
{
    if (metrics != NULL && (unsigned)level < LEVELS && (unsigned)verdict < VALUES)
        count_up(&metrics->observed[level][verdict]);
}

void metrics_observed_skipped(struct metrics *metrics)
{
    if (metrics != NULL)
        count_up(&metrics->observed_skipped);
}

void metrics_dsn_redacted(struct metrics *metrics)
{
    if (metrics != NULL)
        count_up(&metrics->dsn_redacted);
}

void metrics_socketmap(struct metrics *metrics, unsigned map, enum metrics_reply reply)
{
    if (metrics != NULL && map < METRICS_MAPS && (unsigned)reply < METRICS_REPLIES)
        count_up(&metrics->socketmap[map][reply]);
}

void metrics_socketmap_refused(struct metrics *metrics)
{
    if (metrics != NULL)
        count_up(&metrics->socketmap_refused);
}

void metrics_delivery(struct metrics *metrics, enum metrics_request request,
                      enum metrics_delivery status, int64_t delay_ms)
{
    if (metrics != NULL)
        metrics_deliver_answered(&metrics->deliver, request, status, delay_ms);
}

void metrics_tls_session(struct metrics *metrics, enum tls_demand_kind demanded, unsigned why)
{
    if (metrics != NULL)
        metrics_deliver_tls_session(&metrics->deliver, demanded, why);
}

void metrics_connection_moved(struct metrics *metrics, enum metrics_connection from,
                              enum metrics_connection to)
{
    if (metrics != NULL)
        metrics_deliver_connection_moved(&metrics->deliver, from, to);
}

size_t metrics_connections(const struct metrics *metrics, enum metrics_connection state)
{
    return metrics != NULL && (unsigned)state < METRICS_CONNECTION_NONE
               ? (size_t)value_of(&metrics->deliver.connections[state])
               : 0;
}

void metrics_lmtp_session_begun(struct metrics *metrics)
{
    if (metrics != NULL)
        count_up(&metrics->deliver.lmtp_sessions);
}

void metrics_lmtp_session_over(struct metrics *metrics)
{
    if (metrics != NULL)
        count_down(&metrics->deliver.lmtp_sessions);
}

size_t metrics_lmtp_sessions(const struct metrics *metrics)
{
    return metrics != NULL ? (size_t)value_of(&metrics->deliver.lmtp_sessions) : 0;
}

void metrics_set_standing(struct metrics *metrics, enum standing standing, bool on)
{
    if (metrics != NULL && (unsigned)standing < STANDING_COUNT)
        atomic_store(&metrics->standing[standing], on);
}

bool metrics_standing(const struct metrics *metrics, unsigned standing)
{
    return metrics != NULL && standing < STANDING_COUNT &&
           atomic_load(&metrics->standing[standing]);
}

void metrics_session_begun(struct metrics *metrics)
{
    if (metrics != NULL)
        count_up(&metrics->sessions);
}

void metrics_session_over(struct metrics *metrics)
{
    if (metrics != NULL)
        count_down(&metrics->sessions);
}

size_t metrics_sessions(const struct metrics *metrics)
{
    return metrics != NULL ? (size_t)atomic_load(&metrics->sessions) : 0;
}

time_t metrics_started_s(const struct metrics *metrics)
{
    return metrics != NULL ? metrics->started_s : 0;
}

int64_t metrics_uptime_s(const struct metrics *metrics)
{
    return metrics != NULL ? (clock_mono_ms() - metrics->started_ms) / 1000 : 0;
}

static void write_messages(struct metrics *metrics, FILE *out)
{
    static const char *const actions[] = {"accept", "reject", "tempfail", "quarantine", "log"};
    metrics_text_head(out, "requiretls_messages_total", "counter",
                      "Messages by request and action.");
    for (size_t i = 0; i < METRICS_REQUESTS; i++) {
        for (size_t j = 0; j < METRICS_ACTIONS; j++)
            fprintf(out, "requiretls_messages_total{request=\"%s\",action=\"%s\"} %" PRIu64 "\n",
                    metrics_request_name((unsigned)i), actions[j],
                    value_of(&metrics->messages[i][j]));
    }
}

/* A counter by level and verdict. */
static void write_verdicts(const char *name, const char *help,
                           _Atomic uint64_t counters[LEVELS][VALUES], FILE *out)
{
    metrics_text_head(out, name, "counter", help);
    for (unsigned i = 0; i < LEVELS; i++) {
        for (unsigned j = 0; j < VERDICT_PENDING; j++)
            fprintf(out, "%s{level=\"%s\",verdict=\"%s\"} %" PRIu64 "\n", name,
                    verdict_level_name(i), verdict_value_name(j), value_of(&counters[i][j]));
    }
}

static void write_recipients(struct metrics *metrics, FILE *out)
{
    write_verdicts("requiretls_recipients_total",
                   "Recipients of messages that require TLS, by level and verdict.",
                   metrics->recipients, out);
    write_verdicts("requiretls_observed_total",
                   "Recipients that a rule observes, by level and verdict.", metrics->observed,
                   out);
    metrics_text_plain(out, "requiretls_observed_skipped_total", "counter",
                       "Recipients to be observed that got no verdict.",
                       value_of(&metrics->observed_skipped));
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
    case METRICS_MAP_STATUS:
        return "STATUS";
    case METRICS_MAP_UNKNOWN:
        return "unknown";
    default:
        return answer_map_name(map);
    }
}

static void write_socketmap(struct metrics *metrics, FILE *out)
{
    static const char *const replies[] = {"ok", "notfound", "temp", "perm"};
    metrics_text_head(out, "requiretls_socketmap_requests_total", "counter",
                      "Socketmap requests by map and result.");
    for (unsigned i = 0; i < METRICS_MAPS; i++) {
        for (size_t j = 0; j < METRICS_REPLIES; j++)
            fprintf(out,
                    "requiretls_socketmap_requests_total{map=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                    map_name(i), replies[j], value_of(&metrics->socketmap[i][j]));
    }
    metrics_text_plain(out, "requiretls_socketmap_malformed_total", "counter",
                       "Socketmap connections closed for a malformed request.",
                       value_of(&metrics->socketmap_refused));
}

static void write_state(const struct metrics_gauges *gauges, FILE *out)
{
    metrics_text_plain(out, "requiretls_security_known", "gauge",
                       "1 while a trusted resolver shows that it validates DNSSEC.",
                       gauges->security_known ? 1 : 0);
    metrics_text_plain(out, "requiretls_store_up", "gauge",
                       "1 while the store can be written, or none is configured.",
                       gauges->store_up ? 1 : 0);
    metrics_text_plain(out, "requiretls_shared_up", "gauge",
                       "1 while a server of the shared cache answers, or none is configured.",
                       gauges->shared_up ? 1 : 0);
    metrics_text_plain(out, "requiretls_dns_waiting", "gauge",
                       "Those of the DNS queries that are not sent yet.", gauges->dns_waiting);
    metrics_text_head(out, "requiretls_warning", "gauge",
                      "1 while a warning is active, by its name.");
    for (unsigned i = 0; i < STANDING_COUNT; i++)
        fprintf(out, "requiretls_warning{name=\"%s\"} %d\n", standing_name(i),
                gauges->standing[i] ? 1 : 0);
}

void metrics_write(struct metrics *metrics, const struct engine_stats *stats,
                   const struct metrics_gauges *gauges, FILE *out)
{
    metrics_text_head(out, "requiretls_build_info", "gauge",
                      "Always 1; the version is in the label.");
    fputs("requiretls_build_info{version=\"" PROJECT_VERSION "\"} 1\n", out);
    write_messages(metrics, out);
    write_recipients(metrics, out);
    if (stats != NULL)
        metrics_engine_write(stats, out);
    metrics_deliver_write(&metrics->deliver, out);
    write_state(gauges, out);
    write_socketmap(metrics, out);
    metrics_text_plain(out, "requiretls_socketmap_connections", "gauge",
                       "Open socketmap connections.", gauges->socketmap_connections);
    metrics_text_plain(out, "requiretls_dsn_redacted_total", "counter",
                       "Bounces whose returned original was cut.",
                       value_of(&metrics->dsn_redacted));
}
