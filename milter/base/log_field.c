/*
 * log_field_queue_id begins a line, the others add a field each, log_field_json a member. What does
 * not fit into the line is left out whole.
 */
#include "base/log_field.h"

#include "base/log.h"

#include <string.h>

void log_field_queue_id(struct text *text, const char *queue_id, const char *unknown)
{
    char quoted[LOG_FIELD_MAX];

    text_addf(text, "%s: ",
              queue_id != NULL ? log_quote_field(queue_id, quoted, sizeof(quoted)) : unknown);
}

/* A line begins with "QUEUEID: ", and no field ends with a blank. */
static const char *comma(const struct text *text)
{
    return text->len == 0 || text->buf[text->len - 1] == ' ' ? "" : ", ";
}

void log_field(struct text *text, const char *key, const char *value)
{
    char quoted[LOG_FIELD_MAX];

    if (value != NULL)
        text_addf(text, "%s%s=%s", comma(text), key,
                  log_quote_field(value, quoted, sizeof(quoted)));
}

void log_field_address(struct text *text, const char *key, const char *address)
{
    char quoted[LOG_FIELD_MAX];

    if (address != NULL)
        text_addf(text, "%s%s=<%s>", comma(text), key,
                  log_quote_field(address, quoted, sizeof(quoted)));
}

void log_field_sentence(struct text *text, const char *key, const char *sentence)
{
    char quoted[LOG_FIELD_MAX];

    if (sentence == NULL)
        return;
    log_quote(sentence, quoted, sizeof(quoted));
    for (char *p = quoted; *p != '\0'; p++)
        if (*p == '"')
            *p = '\'';
    text_addf(text, "%s%s=\"%s\"", comma(text), key, quoted);
}

void log_field_json(struct json *json, const char *key, const char *value)
{
    if (value == NULL)
        return;
    json_key(json, key);
    json_string(json, value);
}
