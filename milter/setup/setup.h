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

/* Says, before setup_examine, that the daemon's file has this error, "file:line: text". Then the
 * configuration is one of config_load_in_part, and what its parts in doubt are needed for is not
 * examined, which setup_examine says. */
void setup_broken(struct setup_report *report, const char *path, const char *error);

/* Whether what needs those parts of the configuration (CONFIG_PART_...) can be examined; if not,
 * this says so of `what`, the names of findings. */
bool setup_can_examine(const struct config *config, unsigned parts, const char *what,
                       struct setup_report *report);

/* This host apart from its MTA: the user, the store, the certificates, limits. `listener`: the
 * daemon's pid, 0 if it is not known; `connections`: as many as the MTA may make at once, 0: not
 * known. */
void setup_check_host(const struct config *config, struct setup_report *report);
void setup_check_limits(const struct config *config, long listener, size_t connections,
                        struct setup_report *report);

/* Whether that user, the daemon's, can write to the collector of TLS reports. */
struct setup_who;
void setup_check_tlsrpt(const struct config *config, const struct setup_who *who,
                        struct setup_report *report);

/* The keys of tickets: whether that user, the daemon's, can read them, and, where it is there, the
 * user of an agent that is a service of its own. */
void setup_check_ticket_key(const struct config *config, const struct setup_who *who,
                            struct setup_report *report);

/* The shared cache: whether that user, the daemon's, can read key and password, and what each of
 * its servers says. */
void setup_check_shared(const struct config *config, const struct setup_who *who,
                        struct setup_report *report);

/* Asks the running daemon whether it has the configuration as it stands in the file, and how it is;
 * `resolvers_wrong`: they are a finding already. Where none answers, this adds nothing. The second
 * is the finding of the configuration alone, from the daemon's answer. */
void setup_check_running(const struct config *config, bool resolvers_wrong,
                         struct setup_report *report);
struct json_value;
void setup_compare_running(const struct config *config, const struct json_value *status,
                           struct setup_report *report);

/* Whether the resolvers can be trusted and validate; asks them. Starts a thread and ends it. */
void setup_check_resolver(const struct config *config, struct setup_report *report);

/* The resolver that the MTA's own programs ask by this resolv.conf; `copy`: it is one of
 * /etc/resolv.conf. */
void setup_check_mta_resolver(const struct config *config, const char *resolv_conf, bool copy,
                              struct setup_report *report);

#endif
