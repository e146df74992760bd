/*
 * Reads the configuration file into a configuration that holds the defaults.
 */
#ifndef MILTER_CONFIG_CONFIG_PARSE_H
#define MILTER_CONFIG_CONFIG_PARSE_H

#include "config/config.h"
#include "config/config_report.h"
#include "policy/arena.h"

/*
 * Reads config->path. Returns 0, -EINVAL after at least one error was reported, then `config` holds
 * what could be read; -ENOMEM.
 */
int config_parse(struct config *config, struct arena *arena, struct config_report *report);

#endif
