/*
 * Writes to the log and counts: report_recipient for each recipient, report_fallback where a
 * delivery goes on at a lower level, report_transfer after each transfer. The lines are made in
 * report_line.c; report_digest and report_auth put a connection into the words that they need.
 */
#include "deliver/report.h"

#include "base/log.h"
#include "base/metrics.h"
#include "deliver/report_line.h"

#include <stdio.h>
#include <stdlib.h>

static enum metrics_request counted_request(const struct treatment *treatment)
{
    if (treatment == NULL)
        return METRICS_REQUEST_NONE;
    switch (treatment->request) {
    case DECIDE_REQUEST_REQUIRE:
        return METRICS_REQUEST_REQUIRE;
    case DECIDE_REQUEST_OPTIONAL:
        return METRICS_REQUEST_OPTIONAL;
    case DECIDE_REQUEST_NONE:
    default:
        return METRICS_REQUEST_NONE;
    }
}

static enum metrics_delivery counted_status(enum outcome_status status)
{
    switch (status) {
    case OUTCOME_SENT:
        return METRICS_DELIVERY_SENT;
    case OUTCOME_BOUNCED:
        return METRICS_DELIVERY_BOUNCED;
    case OUTCOME_DEFERRED:
    default:
        return METRICS_DELIVERY_DEFERRED;
    }
}

void report_recipient(struct metrics *metrics, const struct report_recipient *recipient)
{
    const struct delivery_result *result = recipient->result;

    metrics_delivery(metrics, counted_request(result->treatment),
                     counted_status(result->outcome.status), (int64_t)(recipient->delay_s * 1000));
    if (!log_wanted(LOG_INFO))
        return;
    char text[LOG_LINE_MAX];
    char *json = log_is_json() ? report_line_recipient_json(recipient) : NULL;

    log_line(LOG_INFO, report_line_recipient(recipient, text), json);
    free(json);
}

void report_fallback(const struct treatment *before, const struct treatment *after,
                     const struct outcome *why)
{
    char text[LOG_LINE_MAX];
    char *json = log_is_json() ? report_line_fallback_json(before, after, why) : NULL;

    log_line(LOG_WARNING, report_line_fallback(before, after, why, text), json);
    free(json);
}

void report_transfer(const char *audit_template, const char *queue_id,
                     const struct delivery_relay *relay)
{
    char audit[LOG_LINE_MAX], line[LOG_LINE_MAX];
    const char *id = queue_id[0] != '\0' ? queue_id : "-";
    const char *json_text = NULL;
    struct json json;
    struct text text;
    size_t len;

    if (audit_template == NULL || audit_template[0] == '\0' || !log_wanted(LOG_INFO))
        return;
    if (report_line_transfer(audit_template, relay, audit)[0] == '\0')
        return;
    text_init(&text, line, sizeof(line));
    log_field_queue_id(&text, id, "-");
    text_add(&text, audit);
    json_init(&json, sizeof(line) * 4);
    json_object_begin(&json);
    log_field_json(&json, "queue_id", id);
    log_field_json(&json, "audit", audit);
    json_object_end(&json);
    if (json_finish(&json, &json_text, &len) < 0)
        json_text = NULL;
    log_line(LOG_INFO, line, json_text);
    json_fini(&json);
}

void report_digest(const uint8_t sha256[TLS_SHA256_LEN], char out[REPORT_DIGEST_MAX])
{
    for (size_t i = 0; i < TLS_SHA256_LEN; i++)
        snprintf(out + 3 * i, REPORT_DIGEST_MAX - 3 * i, "%02X%s", sha256[i],
                 i + 1 < TLS_SHA256_LEN ? ":" : "");
}

const char *report_auth(const struct tls_peer *peer)
{
    if (peer == NULL || !peer->established)
        return "Cleartext";
    if (!peer->certificate.present)
        return "Anonymous";
    if (peer->met && peer->auth != TLS_AUTH_NONE)
        return "Verified";
    /* the chain has been verified before the names are compared */
    return peer->proof.why == TLS_WHY_NAME ? "Trusted" : "Untrusted";
}
