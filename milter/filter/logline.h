/*
 * The line that says what was decided for one recipient, as text (key=value) and as JSON. Pure, but
 * for logline_write. Foreign text is escaped and cut.
 */
#ifndef MILTER_FILTER_LOGLINE_H
#define MILTER_FILTER_LOGLINE_H

#include "base/log_field.h"

#include <stddef.h>
#include <stdint.h>

/* All strings are borrowed; NULL leaves the key out, but for queue_id. */
struct logline {
    const char *queue_id; /* NULL: NOQUEUE */
    const char *from;     /* without brackets */
    const char *client;   /* address; where a message was refused at MAIL */
    const char *to;       /* without brackets; NULL for a message refused at MAIL */
    const char *nexthop;
    const char *request;
    const char *level;
    const char *findings;
    const char *expect; /* what Postfix's tls= will say if all goes as found */
    const char *verdict;
    const char *action;
    const char *route;
    const char *fallback; /* the level that the message fell back to */
    const char *reason;
    const char *rule; /* where the level came from; only in JSON */
    int64_t wait_us;  /* waited for the findings; negative leaves it out */
};

enum { LOGLINE_MAX = LOG_LINE_MAX };

/* Writes the text form into out (LOGLINE_MAX octets are enough). Returns out. */
const char *logline_text(const struct logline *line, char *out, size_t out_len);

/* Hands it to the log, in the form that is configured. */
void logline_write(int priority, const struct logline *line);

/* The JSON form, one object; to be freed by the caller. NULL when out of memory. */
char *logline_json(const struct logline *line);

#endif
