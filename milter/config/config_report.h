/*
 * Errors and warnings about a configuration file: each with the file's name and the line.
 */
#ifndef MILTER_CONFIG_CONFIG_REPORT_H
#define MILTER_CONFIG_CONFIG_REPORT_H

#include "config/config.h"

#include <stdarg.h>

enum { CONFIG_REPORT_MAX = 50 }; /* errors; a file of another kind shall not fill the log */

struct config_report {
    const char *path;
    config_report_fn on_error;
    config_report_fn on_warning;
    void *arg;
    unsigned errors; /* reported so far */
};

enum config_report_kind { CONFIG_REPORT_ERROR, CONFIG_REPORT_WARNING };

/* `path:line: text`, `path: text` for line 0. After CONFIG_REPORT_MAX errors one says that there
 * are more. */
void config_report_at(struct config_report *report, enum config_report_kind kind, unsigned line,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
void config_report_va(struct config_report *report, enum config_report_kind kind, unsigned line,
                      const char *format, va_list args) __attribute__((format(printf, 4, 0)));

#endif
