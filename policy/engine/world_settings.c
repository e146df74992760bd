/*
 * Takes what the shared cache and the probes need out of the engine's configuration. Pure; any
 * thread.
 */
#include "engine/world_settings.h"

#include "probe/probe_result.h"
#include "store/shared_policy.h"

struct shared_config world_settings_shared(const struct engine_config *config)
{
    size_t policy = config->sts_max_policy + SHARED_POLICY_OVERHEAD;

    return (struct shared_config){
        .servers = config->shared_servers,
        .password = config->shared_password,
        .keys = config->shared_keys,
        .timeout_ms = config->shared_timeout_ms,
        .max_payload = policy > PROBE_RESULT_RECORD_MAX ? policy : PROBE_RESULT_RECORD_MAX,
        .log = config->log,
        .log_arg = config->log_arg,
    };
}

bool world_settings_share(const struct engine_config *config)
{
    return config->shared_servers != NULL && config->shared_servers[0] != NULL;
}

struct probe_client_config world_settings_probe(const struct engine_config *config)
{
    return (struct probe_client_config){.helo_name = config->probe_helo_name,
                                        .sources = config->probe_sources,
                                        .timeout_ms = config->probe_timeout_ms};
}
