/*
 * Writes a log line: logline_text as key=value, where what could be taken for the end of a value is
 * escaped and what is long is cut; logline_json as one object. Keys without a value are left out.
 */
#include "filter/logline.h"

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIELD_MAX = 400, /* an address of 320 octets fits; one of escapes alone is cut */
    JSON_MAX = 16384,
};

static void add_field(struct text *text, const char *key, const char *value)
{
    char quoted[FIELD_MAX];

    if (value == NULL)
        return;
    text_addf(text, ", %s=%s", key, log_quote_field(value, quoted, sizeof(quoted)));
}

/* An address, in brackets, which begins the line. */
static void add_address(struct text *text, const char *key, const char *address)
{
    char quoted[FIELD_MAX];

    text_addf(text, "%s=<%s>", key, log_quote_field(address, quoted, sizeof(quoted)));
}

/* The reason is the one field with blanks in it, and so in quotes. */
static void add_reason(struct text *text, const char *reason)
{
    char quoted[FIELD_MAX];

    if (reason == NULL)
        return;
    log_quote(reason, quoted, sizeof(quoted));
    for (char *p = quoted; *p != '\0'; p++)
        if (*p == '"')
            *p = '\'';
    text_addf(text, ", reason=\"%s\"", quoted);
}

const char *logline_text(const struct logline *line, char *out, size_t out_len)
{
    char quoted[FIELD_MAX];
    struct text text;

    text_init(&text, out, out_len);
    text_addf(&text, "%s: ",
              line->queue_id != NULL ? log_quote_field(line->queue_id, quoted, sizeof(quoted))
                                     : "NOQUEUE");
    if (line->to != NULL)
        add_address(&text, "to", line->to);
    else
        add_address(&text, "from", line->from);
    add_field(&text, "client", line->client);
    add_field(&text, "nexthop", line->nexthop);
    add_field(&text, "request", line->request);
    add_field(&text, "level", line->level);
    add_field(&text, "findings", line->findings);
    add_field(&text, "expect", line->expect);
    add_field(&text, "verdict", line->verdict);
    add_field(&text, "action", line->action);
    add_field(&text, "route", line->route);
    add_field(&text, "fallback", line->fallback);
    if (line->wait_us >= 0)
        text_addf(&text, ", wait=%lld.%03d", (long long)(line->wait_us / 1000000),
                  (int)(line->wait_us % 1000000 / 1000));
    add_reason(&text, line->reason);
    return out;
}

static void add_json(struct json *json, const char *key, const char *value)
{
    if (value == NULL)
        return;
    json_key(json, key);
    json_string(json, value);
}

char *logline_json(const struct logline *line)
{
    struct json json;
    const char *text;
    char *copy = NULL;
    size_t len;

    json_init(&json, JSON_MAX);
    json_object_begin(&json);
    add_json(&json, "queue_id", line->queue_id != NULL ? line->queue_id : "NOQUEUE");
    add_json(&json, "from", line->from);
    add_json(&json, "client", line->client);
    add_json(&json, "to", line->to);
    add_json(&json, "nexthop", line->nexthop);
    add_json(&json, "request", line->request);
    add_json(&json, "level", line->level);
    add_json(&json, "rule", line->rule);
    add_json(&json, "findings", line->findings);
    add_json(&json, "expect", line->expect);
    add_json(&json, "verdict", line->verdict);
    add_json(&json, "action", line->action);
    add_json(&json, "route", line->route);
    add_json(&json, "fallback", line->fallback);
    if (line->wait_us >= 0) {
        json_key(&json, "wait_ms");
        json_int(&json, line->wait_us / 1000);
    }
    add_json(&json, "reason", line->reason);
    json_object_end(&json);
    if (json_finish(&json, &text, &len) == 0)
        copy = strdup(text);
    json_fini(&json);
    return copy;
}
