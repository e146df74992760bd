/* What the running daemon says of itself, as findings. */
#ifndef MILTER_SETUP_SETUP_STATUS_H
#define MILTER_SETUP_SETUP_STATUS_H

#include "base/json_read.h"
#include "setup/setup_report.h"

/* Whether its answer to STATUS has this warning (standing_name). */
bool setup_status_warns(const struct json_value *status, const char *name);

/* Adds what follows from its answer to STATUS, but for its configuration. `resolvers_wrong`: the
 * resolvers are a finding already. Pure. */
void setup_status_findings(const struct json_value *status, bool resolvers_wrong,
                           struct setup_report *report);

#endif
