/*
 * The lines of report.h as text (key=value) and as JSON. Pure. What came from outside is escaped
 * and cut. The JSON forms are one object each, to be freed by the caller; NULL when memory is
 * short.
 */
#ifndef MILTER_DELIVER_REPORT_LINE_H
#define MILTER_DELIVER_REPORT_LINE_H

#include "base/log_field.h"
#include "deliver/report.h"

/* `out` of LOG_LINE_MAX octets; it is returned. */
const char *report_line_recipient(const struct report_recipient *recipient, char *out);
char *report_line_recipient_json(const struct report_recipient *recipient);

const char *report_line_fallback(const struct treatment *before, const struct treatment *after,
                                 const struct outcome *why, char *out);
char *report_line_fallback_json(const struct treatment *before, const struct treatment *after,
                                const struct outcome *why);

/* "" if the template gives nothing. */
const char *report_line_transfer(const char *audit_template, const struct delivery_relay *relay,
                                 char *out);

#endif
