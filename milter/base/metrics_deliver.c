/*
 * The delivery agent's part of the metrics: the functions that count, and metrics_deliver_write.
 * Labels are of fixed sets.
 */
#include "base/metrics_deliver.h"

#include "base/metrics_text.h"

#include <inttypes.h>

/* Upper bounds of the buckets of deliveries; one more is without bound. An MTA waits 10 minutes. */
static const unsigned bounds_ms[METRICS_DELIVERY_BUCKETS - 1] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000};

static void count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static uint64_t value_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_deliver_answered(struct metrics_deliver *deliver, enum metrics_request request,
                              enum metrics_delivery status, int64_t delay_ms)
{
    size_t bucket = 0;

    if ((unsigned)request >= METRICS_REQUESTS || (unsigned)status >= METRICS_DELIVERIES)
        return;
    count(&deliver->deliveries[request][status], 1);
    if (delay_ms < 0)
        delay_ms = 0;
    while (bucket < METRICS_DELIVERY_BUCKETS - 1 && delay_ms > bounds_ms[bucket])
        bucket++;
    count(&deliver->delivery_buckets[bucket], 1);
    count(&deliver->delivery_total_ms, (uint64_t)delay_ms);
}

void metrics_deliver_tls_session(struct metrics_deliver *deliver, enum tls_demand_kind demanded,
                                 unsigned why)
{
    if ((unsigned)demanded < METRICS_DEMANDS && why < METRICS_TLS_RESULTS)
        count(&deliver->tls_sessions[demanded][why], 1);
}

void metrics_deliver_connection_moved(struct metrics_deliver *deliver, enum metrics_connection from,
                                      enum metrics_connection to)
{
    if ((unsigned)to < METRICS_CONNECTION_NONE)
        count(&deliver->connections[to], 1);
    if ((unsigned)from < METRICS_CONNECTION_NONE)
        atomic_fetch_sub_explicit(&deliver->connections[from], 1, memory_order_relaxed);
}

static void write_deliveries(const struct metrics_deliver *deliver, FILE *out)
{
    static const char *const statuses[METRICS_DELIVERIES] = {
        [METRICS_DELIVERY_SENT] = "sent",
        [METRICS_DELIVERY_DEFERRED] = "deferred",
        [METRICS_DELIVERY_BOUNCED] = "bounced",
    };
    uint64_t buckets[METRICS_DELIVERY_BUCKETS];

    metrics_text_head(
        out, "requiretls_deliveries_total", "counter",
        "Recipients that the delivery agent has answered for, by request and status.");
    for (unsigned i = 0; i < METRICS_REQUESTS; i++) {
        for (unsigned j = 0; j < METRICS_DELIVERIES; j++)
            fprintf(out, "requiretls_deliveries_total{request=\"%s\",status=\"%s\"} %" PRIu64 "\n",
                    metrics_request_name(i), statuses[j], value_of(&deliver->deliveries[i][j]));
    }
    for (size_t i = 0; i < METRICS_DELIVERY_BUCKETS; i++)
        buckets[i] = value_of(&deliver->delivery_buckets[i]);
    metrics_text_histogram(out, "requiretls_delivery_seconds",
                           "From MAIL to the delivery agent's answer for a recipient.", bounds_ms,
                           buckets, METRICS_DELIVERY_BUCKETS,
                           value_of(&deliver->delivery_total_ms));
}

static const char *demand_name(unsigned demand)
{
    static const char *const names[METRICS_DEMANDS] = {
        [TLS_DEMAND_MAY] = "may",
        [TLS_DEMAND_ENCRYPT] = "encrypt",
        [TLS_DEMAND_DANE] = "dane",
        [TLS_DEMAND_STS] = "sts",
        [TLS_DEMAND_WEB_PKI] = "web-pki",
        [TLS_DEMAND_POLICY_NAMES] = "names",
        [TLS_DEMAND_POLICY_FINGERPRINT] = "fingerprint",
    };

    return names[demand]; /* NULL: NOT_USED, no connection is made */
}

static const char *result_name(unsigned why)
{
    static const char *const names[METRICS_TLS_RESULTS] = {
        [TLS_WHY_NOTHING] = "ok",
        [TLS_WHY_EXPIRED] = "expired",
        [TLS_WHY_NAME] = "name",
        [TLS_WHY_UNTRUSTED] = "untrusted",
        [TLS_WHY_WEAK] = "weak",
        [TLS_WHY_NO_TLSA_MATCH] = "no-tlsa-match",
        [TLS_WHY_NO_FINGERPRINT_MATCH] = "no-fingerprint-match",
        [TLS_WHY_NO_CERTIFICATE] = "no-certificate",
        [TLS_WHY_PROTOCOL] = "protocol",
        [TLS_WHY_HANDSHAKE] = "handshake",
        [TLS_WHY_LOCAL] = "local",
        [METRICS_TLS_NO_STARTTLS] = "no-starttls",
    };

    return names[why];
}

static void write_connections(const struct metrics_deliver *deliver, FILE *out)
{
    static const char *const states[METRICS_CONNECTION_NONE] = {
        [METRICS_CONNECTION_SETUP] = "setup",
        [METRICS_CONNECTION_ACTIVE] = "active",
        [METRICS_CONNECTION_IDLE] = "idle",
    };

    metrics_text_head(out, "requiretls_tls_sessions_total", "counter",
                      "The delivery agent's TLS sessions, by what was demanded and result.");
    for (unsigned i = 0; i < METRICS_DEMANDS; i++) {
        for (unsigned j = 0; j < METRICS_TLS_RESULTS && demand_name(i) != NULL; j++)
            fprintf(out, "requiretls_tls_sessions_total{auth=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                    demand_name(i), result_name(j), value_of(&deliver->tls_sessions[i][j]));
    }
    metrics_text_head(out, "requiretls_connections", "gauge",
                      "The delivery agent's connections to servers, by state.");
    for (unsigned i = 0; i < METRICS_CONNECTION_NONE; i++)
        fprintf(out, "requiretls_connections{state=\"%s\"} %" PRIu64 "\n", states[i],
                value_of(&deliver->connections[i]));
    metrics_text_plain(out, "requiretls_lmtp_sessions", "gauge",
                       "Sessions of MTAs with the delivery agent.",
                       value_of(&deliver->lmtp_sessions));
}

void metrics_deliver_write(const struct metrics_deliver *deliver, FILE *out)
{
    write_deliveries(deliver, out);
    write_connections(deliver, out);
}
