/* What the files config_check*.c share; nobody else includes this. */
#ifndef CONFIG_CHECK_INTERNAL_H
#define CONFIG_CHECK_INTERNAL_H

#include "config/config_check.h"

struct config_check {
    struct config *config;
    struct config_report *report;
    bool failed; /* an error was reported */
};

/* As config_report_at. */
void config_check_report(struct config_check *check, enum config_report_kind kind, unsigned line,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

/* One rule, or [default]. Names must be resolved. */
void config_check_rule(struct config_check *check, const struct config_rule *rule);

/* Routes that lead through another listener of this host. Names must be resolved. */
void config_check_loop(struct config_check *check);

#endif
