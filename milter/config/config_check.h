/*
 * What the keys of a configuration must have in common, and the warnings for things that are
 * allowed but rarely meant. After the file is read, before the snapshot is used.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "base/pool.h"
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
                      const char *format, va_list args) __attribute__((format(printf, 4, 0)));

/* Resolves names (routes) and checks. Returns 0, -EINVAL after at least one error, or -ENOMEM. */
int config_check(struct config *config, struct pool *pool, struct config_report *report);

#endif
