/*
 * The fields of the log's lines, key=value, and their members in JSON: how each kind of value is
 * escaped and cut, whoever writes the line. NULL as a value leaves the field out. Pure.
 */
#ifndef MILTER_BASE_LOG_FIELD_H
#define MILTER_BASE_LOG_FIELD_H

#include "base/json.h"
#include "base/text.h"

enum {
    LOG_FIELD_MAX = 400, /* an address of 320 octets fits; one of escapes alone is cut */
    LOG_LINE_MAX = 1900, /* of a line without its header: log_line takes it whole */
};

/* "QUEUEID: ", or what stands for an id that is not known. */
void log_field_queue_id(struct text *text, const char *queue_id, const char *unknown);

/* ", key=value"; the comma only if the line has a field already. A blank or bracket in the value is
 * escaped, so that it cannot end the value and begin another. */
void log_field(struct text *text, const char *key, const char *value);

/* ", key=<address>" */
void log_field_address(struct text *text, const char *key, const char *address);

/* `, key="a sentence"`, the one kind of value with blanks in it; quotes in it become single. */
void log_field_sentence(struct text *text, const char *key, const char *sentence);

/* The member of an object. */
void log_field_json(struct json *json, const char *key, const char *value);

#endif
