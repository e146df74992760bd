/*
 * Reads the configuration file into a configuration that holds the defaults.
 */
#ifndef CONFIG_LOADER_H
#define CONFIG_LOADER_H

#include "base/pool.h"
#include "config/config.h"
#include "config/config_check.h"

/*
 * Reads config->path. Returns 0, -EINVAL after at least one error was reported, then `config` holds
 * what could be read; -ENOMEM.
 */
int config_loader_read(struct config *config, struct pool *pool, struct config_report *report);

#endif
