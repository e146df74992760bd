/*
 * What a configuration names on this host. Apart from config_check.c, which looks at the file
 * alone: the answer depends on who runs this, and where.
 */
#ifndef MILTER_CONFIG_CONFIG_HOST_H
#define MILTER_CONFIG_CONFIG_HOST_H

#include "config/config.h"

/*
 * Whether this process can read the files that the configuration names: CA certificates (or the
 * system's, where it names none), and, where there is a delivery agent, its CA certificates and
 * credentials; and write where the agent keeps long messages. Reports each that it cannot, as
 * "file:line: ca_file: ...". Keys of tickets are read by ticket_key.h. Returns 0 or -EINVAL.
 */
int config_host_check_files(const struct config *config, config_report_fn on_error, void *arg);

/*
 * Whether the directories of the unix sockets that the configuration names are there. Not asked of
 * /run/requiretls-milter and /run/requiretls-deliver where systemd is: the units make them at each
 * start. Reports each that is
 * missing, with what to do. Returns 0 or -EINVAL.
 */
int config_host_check_sockets(const struct config *config, config_report_fn on_error, void *arg);

#endif
