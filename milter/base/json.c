/*
 * JSON writer (RFC 8259 sections 5 to 8). What is written may have come from a peer: strings are
 * checked to be UTF-8 and everything that has a meaning in JSON or on a terminal is escaped.
 * Reading JSON is left to others.
 */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { JSON_FIRST_CAP = 1024 };

void json_init(struct json *json, size_t max)
{
    *json = (struct json){.max = max};
}

void json_fini(struct json *json)
{
    free(json->buf);
    *json = (struct json){0};
}

/* Room for len octets and the terminating zero. */
static bool reserve_octets(struct json *json, size_t len)
{
    if (json->error)
        return false;
    if (len > json->max || json->len > json->max - len) {
        json->error = -EMSGSIZE;
        return false;
    }
    size_t need = json->len + len + 1;
    if (need <= json->cap)
        return true;
    size_t cap = json->cap ? json->cap : JSON_FIRST_CAP;
    while (cap < need)
        cap *= 2;
    char *buf = realloc(json->buf, cap);
    if (buf == NULL) {
        json->error = -ENOMEM;
        return false;
    }
    json->buf = buf;
    json->cap = cap;
    return true;
}

static void put_text(struct json *json, const char *text, size_t len)
{
    if (!reserve_octets(json, len))
        return;
    memcpy(json->buf + json->len, text, len);
    json->len += len;
    json->buf[json->len] = '\0';
}

static void begin_value(struct json *json)
{
    if (json->separator)
        put_text(json, ",", 1);
    json->separator = true;
}

int json_finish(struct json *json, const char **text, size_t *len)
{
    put_text(json, "", 0);
    if (json->error)
        return json->error;
    *text = json->buf;
    if (len != NULL)
        *len = json->len;
    return 0;
}

static void begin_group(struct json *json, char bracket)
{
    begin_value(json);
    put_text(json, &bracket, 1);
    json->separator = false;
}

static void end_group(struct json *json, char bracket)
{
    put_text(json, &bracket, 1);
    json->separator = true;
}

void json_object_begin(struct json *json)
{
    begin_group(json, '{');
}

void json_object_end(struct json *json)
{
    end_group(json, '}');
}

void json_array_begin(struct json *json)
{
    begin_group(json, '[');
}

void json_array_end(struct json *json)
{
    end_group(json, ']');
}

void json_key(struct json *json, const char *key)
{
    json_string(json, key);
    put_text(json, ":", 1);
    json->separator = false;
}

/*
 * Length of the UTF-8 sequence at text, 0 if there is none: over-long forms, surrogates and code
 * points beyond U+10FFFF are none (RFC 3629 section 4).
 */
static size_t utf8_len(const unsigned char *text, size_t len)
{
    unsigned char c = text[0];
    size_t need = c >= 0xc2 && c <= 0xdf   ? 2
                  : (c & 0xf0) == 0xe0     ? 3
                  : c >= 0xf0 && c <= 0xf4 ? 4
                                           : 0;
    if (need == 0 || need > len)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) ||
        (c == 0xf0 && text[1] < 0x90) || (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return need;
}

/* C1 controls move the cursor on some terminals. */
static bool is_c1(const unsigned char *text, size_t len)
{
    return len == 2 && text[0] == 0xc2 && text[1] < 0xa0;
}

static void put_escaped(struct json *json, unsigned code)
{
    char escape[8];
    if (code == '"' || code == '\\')
        snprintf(escape, sizeof(escape), "\\%c", (int)code);
    else if (code == '\n')
        snprintf(escape, sizeof(escape), "\\n");
    else
        snprintf(escape, sizeof(escape), "\\u%04x", code & 0xffff);
    put_text(json, escape, strlen(escape));
}

void json_string_n(struct json *json, const char *value, size_t len)
{
    const unsigned char *p = (const unsigned char *)value;
    begin_value(json);
    put_text(json, "\"", 1);
    for (size_t i = 0, run; i < len; i += run) {
        for (run = 0; i + run < len; run++) {
            unsigned char c = p[i + run];
            if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
                break;
        }
        if (run > 0) {
            put_text(json, value + i, run);
            continue;
        }
        run = 1;
        if (p[i] <= 0x7f) {
            put_escaped(json, p[i]);
            continue;
        }
        size_t sequence = utf8_len(p + i, len - i);
        if (sequence == 0) {
            put_escaped(json, 0xfffd);
        } else if (is_c1(p + i, sequence)) {
            put_escaped(json, p[i + 1]);
            run = sequence;
        } else {
            put_text(json, value + i, sequence);
            run = sequence;
        }
    }
    put_text(json, "\"", 1);
}

void json_string(struct json *json, const char *value)
{
    if (value != NULL)
        json_string_n(json, value, strlen(value));
    else
        json_null(json);
}

void json_hex(struct json *json, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    begin_value(json);
    put_text(json, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        char pair[2] = {digits[data[i] >> 4], digits[data[i] & 0xf]};
        put_text(json, pair, 2);
    }
    put_text(json, "\"", 1);
}

void json_int(struct json *json, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRId64, value);
    begin_value(json);
    put_text(json, text, (size_t)len);
}

void json_bool(struct json *json, bool value)
{
    begin_value(json);
    put_text(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json)
{
    begin_value(json);
    put_text(json, "null", 4);
}

void json_time(struct json *json, int64_t when_s)
{
    char text[40];
    time_t when = (time_t)when_s;
    struct tm tm;
    if (gmtime_r(&when, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
        json_null(json);
        return;
    }
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_string(json, text);
}

void json_raw(struct json *json, const char *value, size_t len)
{
    begin_value(json);
    put_text(json, value, len);
}

void json_members(struct json *json, const char *object, size_t len)
{
    if (len > 2)
        json_raw(json, object + 1, len - 2);
}
