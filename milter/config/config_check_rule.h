/* Warnings about one rule. For config_check.c. */
#ifndef MILTER_CONFIG_CONFIG_CHECK_RULE_H
#define MILTER_CONFIG_CONFIG_CHECK_RULE_H

#include "config/config_report.h"

struct config_check {
    struct config *config;
    struct config_report *report;
};

/* One rule, or [default]. Names must be resolved. */
void config_check_rule(struct config_check *check, const struct config_rule *rule);

#endif
