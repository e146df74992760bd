/*
 * The demand on a connection that is wanted: that of the treatment, and what a password adds to it.
 * Pure.
 */
#ifndef MILTER_DELIVER_AGENT_DEMAND_H
#define MILTER_DELIVER_AGENT_DEMAND_H

#include "deliver/agent_connections.h"

/*
 * `demands` are the wish's, in memory that lasts as long as *out, which may refer to them. 0;
 * -EPERM: nothing may be sent to this host; -EACCES: nor a password, as nothing that is known of
 * the host leads back to the next-hop.
 */
int agent_demand(const struct agent_connection_wish *wish, const struct treatment_demands *demands,
                 struct treatment_connection *out);

#endif
