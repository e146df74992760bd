/*
 * The log: syslog or stderr, text or JSON. One line a message. Any thread. Where stderr is the
 * journal's (JOURNAL_STREAM), lines begin with their priority, `<4>`, and have no other header.
 * What came from outside goes through log_quote first; nothing else may carry foreign octets.
 */
#ifndef MILTER_BASE_LOG_H
#define MILTER_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

enum log_target { LOG_TARGET_AUTO, LOG_TARGET_SYSLOG, LOG_TARGET_STDERR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_settings {
    enum log_target target;
    enum log_format format;
    int facility; /* LOG_MAIL... */
    int level;    /* LOG_INFO... */
};

/*
 * Takes over target, format, facility and level. `daemon` decides what `auto` means: syslog for a
 * daemon, else stderr. Callable again (reload) while others log.
 */
void log_configure(const struct log_settings *settings, const char *ident, bool daemon);

/* Before log_configure, for who starts the program: a message to stderr, as an error or a warning.
 */
void log_early(int priority, const char *message);

/* While on, errors that go to syslog are written to stderr as well: whoever starts a daemon from a
 * terminal or a script should see why it does not start. */
void log_echo_errors(bool on);

/* priority: LOG_ERR (about us), LOG_WARNING (about what comes from outside), LOG_INFO, LOG_DEBUG.
 */
void log_msg(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether a message of that priority would be written: to spare making it. */
bool log_wanted(int priority);

/* A finished line of the decision log: `text` is written as it is in format text, the members of
 * `json` (an object, or NULL for want of one) with time and priority in format json. */
void log_line(int priority, const char *text, const char *json);
bool log_is_json(void);

/*
 * Writes `text` for a log line: printable ASCII as it is, everything else, and the backslash, as
 * \xHH; cut with "..." when it does not fit. NULL is "". Returns out.
 */
const char *log_quote(const char *text, char *out, size_t out_len);

/* The same for a value of key=value, where a blank or a bracket could end it and begin another: an
 * address may hold both (RFC 5321 4.1.2, quoted strings). */
const char *log_quote_field(const char *text, char *out, size_t out_len);

#endif
