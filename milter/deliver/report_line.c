/*
 * report_line_recipient and report_line_fallback write the lines of a delivery, _json the same as
 * objects; report_line_transfer expands the administrator's own, without queue id.
 */
#include "deliver/report_line.h"

#include "base/audit.h"
#include "decide/decide.h"

#include <stdio.h>
#include <string.h>

enum {
    RELAY_MAX = OUTCOME_RELAY_MAX,
    REPLY_MAX = OUTCOME_TEXT_MAX + SMTP_ENHANCED_MAX + 8,
    JSON_MAX = 16384,
};

/* host[address]:port; `host[address]` with a negative port. "" if no server was reached. */
static const char *relay_name(const struct delivery_relay *relay, int port, char *out)
{
    int len;

    out[0] = '\0';
    if (relay == NULL || relay->host[0] == '\0')
        return out;
    len = snprintf(out, RELAY_MAX, "%s[%s]", relay->host, relay->address);
    if (port >= 0 && len < RELAY_MAX)
        snprintf(out + len, (size_t)(RELAY_MAX - len), ":%d", port);
    return out;
}

static const char *relay_field(const struct delivery_relay *relay, char *out)
{
    if (relay_name(relay, relay != NULL ? relay->port : -1, out)[0] == '\0')
        snprintf(out, RELAY_MAX, "none");
    return out;
}

/* The reply as it is logged: of a message that was sent without `host[address] said: `, as relay=
 * has it already. */
static const char *reply_text(const struct delivery_result *result, char *out)
{
    const struct outcome *outcome = &result->outcome;
    const char *text = outcome->text;
    char said[RELAY_MAX + sizeof(" said: ")];
    size_t len;

    relay_name(result->relay, -1, said);
    len = strlen(said);
    snprintf(said + len, sizeof(said) - len, " said: ");
    if (outcome->status == OUTCOME_SENT && len > 0 && strncmp(text, said, strlen(said)) == 0)
        text += strlen(said);
    snprintf(out, REPLY_MAX, "%03d %s%s%s", outcome->code, outcome->enhanced,
             outcome->enhanced[0] != '\0' && text[0] != '\0' ? " " : "", text);
    return out;
}

static const char *status_name(enum outcome_status status)
{
    switch (status) {
    case OUTCOME_SENT:
        return "sent";
    case OUTCOME_BOUNCED:
        return "bounced";
    case OUTCOME_DEFERRED:
    default:
        return "deferred";
    }
}

/* What is said of a result, NULL where there is nothing; both forms of the line are made of it. */
struct fields {
    const char *queue_id, *nexthop, *request, *level, *fallback, *tls, *protocol, *cipher;
};

static const char *unless_empty(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static struct fields fields_of(const struct delivery_result *result)
{
    const struct treatment *treatment = result->treatment;
    const struct delivery_relay *relay = result->relay;
    struct fields fields = {.queue_id = "-"};

    if (treatment != NULL) {
        if (treatment->queue_id[0] != '\0')
            fields.queue_id = treatment->queue_id;
        fields.nexthop = treatment->nexthop.text;
        fields.request = decide_request_name(treatment->request);
        if (treatment->request == DECIDE_REQUEST_REQUIRE)
            fields.level =
                verdict_level_name(result->fell_back ? result->level_before : treatment->level);
        if (result->fell_back)
            fields.fallback = verdict_level_name(treatment->level);
    }
    if (relay != NULL && relay->host[0] != '\0') {
        fields.tls = unless_empty(relay->tls);
        fields.protocol = unless_empty(relay->protocol);
        fields.cipher = unless_empty(relay->cipher);
    }
    return fields;
}

const char *report_line_recipient(const struct report_recipient *recipient, char *out)
{
    const struct delivery_result *result = recipient->result;
    struct fields fields = fields_of(result);
    char relay[RELAY_MAX], reply[REPLY_MAX], quoted[REPLY_MAX + 40];
    struct text text;

    text_init(&text, out, LOG_LINE_MAX);
    log_field_queue_id(&text, fields.queue_id, "-");
    log_field_address(&text, "to", recipient->address);
    log_field(&text, "relay", relay_field(result->relay, relay));
    log_field(&text, "nexthop", fields.nexthop);
    log_field(&text, "request", fields.request);
    log_field(&text, "level", fields.level);
    log_field(&text, "fallback", fields.fallback);
    log_field(&text, "tls", fields.tls);
    log_field(&text, "protocol", fields.protocol);
    text_addf(&text, ", delay=%.2f", recipient->delay_s);
    log_field(&text, "dsn", result->outcome.enhanced[0] != '\0' ? result->outcome.enhanced : "-");
    text_addf(&text, ", status=%s (%s)", status_name(result->outcome.status),
              log_quote(reply_text(result, reply), quoted, sizeof(quoted)));
    return out;
}

static char *json_end(struct json *json)
{
    const char *text;
    char *copy = NULL;
    size_t len;

    json_object_end(json);
    if (json_finish(json, &text, &len) == 0)
        copy = strdup(text);
    json_fini(json);
    return copy;
}

char *report_line_recipient_json(const struct report_recipient *recipient)
{
    const struct delivery_result *result = recipient->result;
    struct fields fields = fields_of(result);
    char relay[RELAY_MAX], reply[REPLY_MAX];
    struct json json;

    json_init(&json, JSON_MAX);
    json_object_begin(&json);
    log_field_json(&json, "queue_id", fields.queue_id);
    log_field_json(&json, "to", recipient->address);
    log_field_json(&json, "relay", relay_field(result->relay, relay));
    log_field_json(&json, "nexthop", fields.nexthop);
    log_field_json(&json, "request", fields.request);
    log_field_json(&json, "level", fields.level);
    log_field_json(&json, "fallback", fields.fallback);
    log_field_json(&json, "tls", fields.tls);
    log_field_json(&json, "protocol", fields.protocol);
    log_field_json(&json, "cipher", fields.cipher);
    json_key(&json, "delay_ms");
    json_int(&json, (int64_t)(recipient->delay_s * 1000));
    log_field_json(&json, "dsn", unless_empty(result->outcome.enhanced));
    log_field_json(&json, "status", status_name(result->outcome.status));
    log_field_json(&json, "reply", reply_text(result, reply));
    return json_end(&json);
}

/* The answer that there would have been without the fallback. */
static struct delivery_result fallen(const struct treatment *before, const struct treatment *after,
                                     const struct outcome *why)
{
    return (struct delivery_result){
        .outcome = *why, .treatment = after, .fell_back = true, .level_before = before->level};
}

const char *report_line_fallback(const struct treatment *before, const struct treatment *after,
                                 const struct outcome *why, char *out)
{
    struct delivery_result result = fallen(before, after, why);
    struct fields fields = fields_of(&result);
    char reply[REPLY_MAX];
    struct text text;

    text_init(&text, out, LOG_LINE_MAX);
    log_field_queue_id(&text, fields.queue_id, "-");
    log_field(&text, "nexthop", fields.nexthop);
    log_field(&text, "request", fields.request);
    log_field(&text, "level", fields.level);
    log_field(&text, "fallback", fields.fallback);
    log_field_sentence(&text, "reason", reply_text(&result, reply));
    return out;
}

char *report_line_fallback_json(const struct treatment *before, const struct treatment *after,
                                const struct outcome *why)
{
    struct delivery_result result = fallen(before, after, why);
    struct fields fields = fields_of(&result);
    char reply[REPLY_MAX];
    struct json json;

    json_init(&json, JSON_MAX);
    json_object_begin(&json);
    log_field_json(&json, "queue_id", fields.queue_id);
    log_field_json(&json, "nexthop", fields.nexthop);
    log_field_json(&json, "request", fields.request);
    log_field_json(&json, "level", fields.level);
    log_field_json(&json, "fallback", fields.fallback);
    log_field_json(&json, "reason", reply_text(&result, reply));
    return json_end(&json);
}

const char *report_line_transfer(const char *audit_template, const struct delivery_relay *relay,
                                 char *out)
{
    char name[RELAY_MAX];
    const struct audit_values values = {.of = {
                                            [AUDIT_RELAY] = relay_field(relay, name),
                                            [AUDIT_LEVEL] = relay->level,
                                            [AUDIT_POLICY] = relay->policy,
                                            [AUDIT_AUTH] = relay->auth,
                                            [AUDIT_PROTOCOL] = relay->protocol,
                                            [AUDIT_CIPHER] = relay->cipher,
                                            [AUDIT_CERT_DIGEST] = relay->cert_digest,
                                            [AUDIT_SPKI_DIGEST] = relay->spki_digest,
                                        }};

    /* the queue id takes the rest of the line */
    return audit_expand(audit_template, &values, out, LOG_LINE_MAX - LOG_FIELD_MAX);
}
