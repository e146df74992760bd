/*
 * Checks of a configuration's rules against each other and against its routes. To be called after
 * config_load.
 */
#ifndef MILTER_DECIDE_RULES_CHECK_H
#define MILTER_DECIDE_RULES_CHECK_H

#include "config/config.h"

/* Reports a warning for each rule under which a reinjected message would lose its request, or be
 * deferred as a mail loop, or that can match nothing as the delivery agent alone goes by it. Which
 * listener a reinjected message comes to is the MTA's to know
 * (--check-setup asks it), so there are no errors. */
void rules_check(const struct config *config, config_report_fn on_warning, void *arg);

/*
 * Reports an error for each rule that asks for TLS (request = require) at level enforce where no
 * route that its mail could take enforces that at delivery. A warning where it cannot be known:
 * rules may lower the level of all that mail, or exempt the next-hop, or raise the level of some;
 * or the rule is one of rules_check_knows_reinjected and leaves it to the MTA. Such mail is still
 * judged when it comes: for who checks a configuration, not a reason not to start. Returns 0, or
 * -EINVAL after errors.
 */
int rules_check_enforced(const struct config *config, config_report_fn on_error,
                         config_report_fn on_warning, void *arg);

/* The same for one rule, by its number: for who knows more of some than the file tells. */
int rules_check_enforced_rule(const struct config *config, size_t index, config_report_fn on_error,
                              config_report_fn on_warning, void *arg);

/* Whether the rule is for the mail of a listener that may be one of reinjected mail, whose header
 * tells the MTA what it requires: whether it goes by that, --check-setup asks. */
bool rules_check_knows_reinjected(const struct config *config, const struct config_rule *rule);

#endif
