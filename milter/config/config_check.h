/*
 * What the keys of a configuration must have in common, and the warnings for things that are
 * allowed but rarely meant. After the file is read, before the snapshot is used.
 */
#ifndef MILTER_CONFIG_CONFIG_CHECK_H
#define MILTER_CONFIG_CONFIG_CHECK_H

#include "config/config.h"
#include "config/config_report.h"
#include "policy/arena.h"

/* Resolves names (routes) and checks. Returns 0, -EINVAL after at least one error, or -ENOMEM. */
int config_check(struct config *config, struct arena *arena, struct config_report *report);

#endif
