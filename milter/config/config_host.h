/*
 * What a configuration names on this host. Apart from config_check.c, which looks at the file
 * alone: the answer depends on who runs this, and where.
 */
#ifndef MILTER_CONFIG_CONFIG_HOST_H
#define MILTER_CONFIG_CONFIG_HOST_H

#include "config/config.h"

/*
 * Whether this process can read the CA certificates that the configuration names (or the system's,
 * where it names none). Reports each that it cannot, as "file:line: ca_file: ...". Returns 0 or
 * -EINVAL.
 */
int config_host_check_ca(const struct config *config, config_report_fn on_error, void *arg);

#endif
