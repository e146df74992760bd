/*
 * A small writer of JSON (RFC 8259) into one growing, bounded buffer. Pure: no I/O.
 * Output is one line: no white space but inside strings, no control characters at all.
 *
 * Errors stick: after the first one every call does nothing, and json_finish reports it.
 */
#ifndef MILTER_BASE_JSON_H
#define MILTER_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *buf;
    size_t len;
    size_t cap;
    size_t max;     /* octets; protects against findings that a domain blew up */
    int error;      /* 0, -ENOMEM, -EMSGSIZE */
    bool separator; /* the next value or key needs a comma before it */
};

void json_init(struct json *json, size_t max);
void json_fini(struct json *json);

/*
 * Ends the text. Returns 0 and the terminated text, which stays the writer's and lives until
 * json_fini; or -ENOMEM, or -EMSGSIZE when it would have been longer than max.
 */
int json_finish(struct json *json, const char **text, size_t *len);

void json_object_begin(struct json *json);
void json_object_end(struct json *json);
void json_array_begin(struct json *json);
void json_array_end(struct json *json);
void json_key(struct json *json, const char *key);

/* NULL gives null. Octets that are no UTF-8 (RFC 3629) give U+FFFD each. */
void json_string(struct json *json, const char *value);
void json_string_n(struct json *json, const char *value, size_t len);
void json_hex(struct json *json, const uint8_t *data, size_t len); /* a string, lower case */
void json_int(struct json *json, int64_t value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
/* Seconds since 1970 as a string, 2026-11-26T02:11:09Z (RFC 3339); null for a year that has not
 * four digits. */
void json_time(struct json *json, int64_t when_s);

/* Appends text that is JSON already, as a value. */
void json_raw(struct json *json, const char *value, size_t len);

/* Appends the members of an object that is JSON already, without white space around it. */
void json_members(struct json *json, const char *object, size_t len);

#endif
