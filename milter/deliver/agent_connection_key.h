/*
 * The key of a connection: one is used for another message only where the keys are the same. Pure.
 */
#ifndef MILTER_DELIVER_AGENT_CONNECTION_KEY_H
#define MILTER_DELIVER_AGENT_CONNECTION_KEY_H

#include "deliver/agent_connections.h"

/*
 * `connection` is what is demanded of it (agent_demand), `ca_generation` that of the CA
 * certificates. 0; *out is then freed by OPENSSL_clear_free with *out_len + 1 octets, as a password
 * is in it. -ENOMEM, or an error of tls_demand_key.
 */
int agent_connection_key(const struct agent_connection_wish *wish,
                         const struct treatment_connection *connection, const char *endpoint,
                         uint64_t ca_generation, char **out, size_t *out_len);

#endif
