/*
 * The check of a configuration's rules against each other, where routes lead through another
 * listener of this host. To be called after config_load.
 */
#ifndef MILTER_DECIDE_RULES_CHECK_H
#define MILTER_DECIDE_RULES_CHECK_H

#include "config/config.h"

/* Reports a warning for each rule under which a reinjected message would lose its request, or be
 * deferred as a mail loop. Which listener a reinjected message comes to is the MTA's to know
 * (--check-setup asks it), so there are no errors. */
void rules_check(const struct config *config, config_report_fn on_warning, void *arg);

#endif
