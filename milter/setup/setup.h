/*
 * `requiretls-query --check-setup`: examines this host, from the MTA's configuration to the
 * resolver. See requiretls-query(1) for what it looks at.
 */
#ifndef MILTER_SETUP_SETUP_H
#define MILTER_SETUP_SETUP_H

#include "config/config.h"
#include "setup/setup_report.h"

/*
 * Examines; `mta` is the value of --mta, `postfix[:DIR]` or `sendmail[:FILE]`, NULL: what is here.
 * Returns 0 with findings in the report (begun with all zeros), or -EINVAL for an `mta` that is
 * none. Call before any thread exists: it forks.
 */
int setup_examine(const struct config *config, const char *mta, struct setup_report *report);

/* This host apart from its MTA: the user, the store, the certificates, limits. `listener`: the
 * daemon's pid, 0 if it is not known; `connections`: as many as the MTA may make at once, 0: not
 * known. */
void setup_check_host(const struct config *config, struct setup_report *report);
void setup_check_limits(const struct config *config, long listener, size_t connections,
                        struct setup_report *report);

/* Whether the resolvers can be trusted and validate; asks them. Starts a thread and ends it. */
void setup_check_resolver(const struct config *config, struct setup_report *report);

/* The resolver that the MTA's own programs ask by this resolv.conf. `chroot`: whose copy it is,
 * else NULL. */
void setup_check_mta_resolver(const struct config *config, const char *resolv_conf,
                              struct setup_report *report);

#endif
