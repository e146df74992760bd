/*
 * A small reader of JSON (RFC 8259): text in, a tree of values out. Pure, bounded in depth and by
 * the length of the text. For what the daemon says to the tool.
 */
#ifndef MILTER_BASE_JSON_READ_H
#define MILTER_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_value {
    enum json_type type;
    const char *key;          /* of a member of an object, else NULL */
    const char *text;         /* of a string or number, terminated; else NULL */
    struct json_value *first; /* of an array or object */
    struct json_value *next;
};

struct json_doc;

/*
 * Reads exactly one value. Returns 0 and the document, -EBADMSG when it is not JSON, has a zero
 * octet in a string or is nested too deeply, -ENOMEM.
 */
int json_read(const char *text, size_t len, struct json_doc **out);
void json_doc_free(struct json_doc *doc); /* NULL is allowed */

const struct json_value *json_root(const struct json_doc *doc);

/* NULL when value is NULL, no object, or has no such member: so calls can be nested. */
const struct json_value *json_get(const struct json_value *value, const char *key);

/* The text of a string, else NULL; the value of a number, else `otherwise`. */
const char *json_text(const struct json_value *value);
int64_t json_number(const struct json_value *value, int64_t otherwise);
bool json_is_true(const struct json_value *value);

#endif
