/*
 * Writes one message about a configuration file and hands it to the caller's function for errors or
 * warnings. Errors are counted, and no more than CONFIG_REPORT_MAX of them are shown.
 */
#include "config/config_report.h"

#include <stdio.h>

void config_report_va(struct config_report *report, enum config_report_kind kind, unsigned line,
                      const char *format, va_list args)
{
    config_report_fn fn = kind == CONFIG_REPORT_ERROR ? report->on_error : report->on_warning;
    char message[1024];
    int n;

    if (kind == CONFIG_REPORT_ERROR && report->errors++ >= CONFIG_REPORT_MAX) {
        if (report->errors > CONFIG_REPORT_MAX + 1)
            return;
        line = 0;
        format = "more errors follow, which are not shown";
    }
    if (fn == NULL)
        return;
    if (line > 0)
        n = snprintf(message, sizeof(message), "%.400s:%u: ", report->path, line);
    else
        n = snprintf(message, sizeof(message), "%.400s: ", report->path);
    vsnprintf(message + n, sizeof(message) - (size_t)n, format, args);
    for (char *p = message; *p != '\0'; p++)
        if (*p == '\t') /* the one control character that a file may hold */
            *p = ' ';
    fn(report->arg, message);
}

void config_report_at(struct config_report *report, enum config_report_kind kind, unsigned line,
                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    config_report_va(report, kind, line, format, args);
    va_end(args);
}
