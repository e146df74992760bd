/* The part of the configuration check that is about the delivery agent. */
#ifndef MILTER_CONFIG_CONFIG_CHECK_DELIVER_H
#define MILTER_CONFIG_CONFIG_CHECK_DELIVER_H

#include "config/config_check_rule.h"

/* [deliver NAME], [deliver], [tlsrpt]. */
void config_check_deliver(struct config_check *c);

/* Routes with agent = yes. */
void config_check_agent_routes(struct config_check *c);

/* That a list `source` has one address of each family at most; `section` is named in the error. */
void config_check_sources(struct config_check *c, const struct config_list *sources, unsigned line,
                          const char *section);

#endif
