/*
 * Writes a log line: logline_text as key=value, logline_json as one object, by the fields of
 * base/log_field.h, which escape and cut. Keys without a value are left out.
 */
#include "filter/logline.h"

#include "base/log.h"
#include "base/log_field.h"

#include <stdlib.h>
#include <string.h>

enum { JSON_MAX = 16384 };

const char *logline_text(const struct logline *line, char *out, size_t out_len)
{
    struct text text;

    text_init(&text, out, out_len);
    log_field_queue_id(&text, line->queue_id, "NOQUEUE");
    log_field_address(&text, "to", line->to);
    log_field_address(&text, "from", line->from);
    log_field(&text, "client", line->client);
    log_field(&text, "nexthop", line->nexthop);
    log_field(&text, "request", line->request);
    log_field(&text, "level", line->level);
    log_field(&text, "findings", line->findings);
    log_field(&text, "expect", line->expect);
    log_field(&text, "verdict", line->verdict);
    log_field(&text, "action", line->action);
    log_field(&text, "route", line->route);
    log_field(&text, "fallback", line->fallback);
    if (line->wait_us >= 0)
        text_addf(&text, ", wait=%lld.%03d", (long long)(line->wait_us / 1000000),
                  (int)(line->wait_us % 1000000 / 1000));
    log_field_sentence(&text, "reason", line->reason);
    return out;
}

char *logline_json(const struct logline *line)
{
    struct json json;
    const char *text;
    char *copy = NULL;
    size_t len;

    json_init(&json, JSON_MAX);
    json_object_begin(&json);
    log_field_json(&json, "queue_id", line->queue_id != NULL ? line->queue_id : "NOQUEUE");
    log_field_json(&json, "from", line->from);
    log_field_json(&json, "client", line->client);
    log_field_json(&json, "to", line->to);
    log_field_json(&json, "nexthop", line->nexthop);
    log_field_json(&json, "request", line->request);
    log_field_json(&json, "level", line->level);
    log_field_json(&json, "rule", line->rule);
    log_field_json(&json, "findings", line->findings);
    log_field_json(&json, "expect", line->expect);
    log_field_json(&json, "verdict", line->verdict);
    log_field_json(&json, "action", line->action);
    log_field_json(&json, "route", line->route);
    log_field_json(&json, "fallback", line->fallback);
    if (line->wait_us >= 0) {
        json_key(&json, "wait_ms");
        json_int(&json, line->wait_us / 1000);
    }
    log_field_json(&json, "reason", line->reason);
    json_object_end(&json);
    if (json_finish(&json, &text, &len) == 0)
        copy = strdup(text);
    json_fini(&json);
    return copy;
}

void logline_write(int priority, const struct logline *line)
{
    char text[LOGLINE_MAX];
    char *json = log_is_json() ? logline_json(line) : NULL;

    logline_text(line, text, sizeof(text));
    log_line(priority, text, json);
    free(json);
}
