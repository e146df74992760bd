/*
 * The engine's configuration. engine_config_init gives the defaults, equal to those that the sample
 * configuration shows; engine_config_check says what is wrong of a configuration that only this
 * host can tell: an address that is none, CA certificates that cannot be read.
 */
#include "policy/engine.h"

#include "policy/ca_store.h"

#include <string.h>

void engine_config_init(struct engine_config *config)
{
    memset(config, 0, sizeof(*config));
    config->trust_ad = ENGINE_TRUST_AD_AUTO;
    config->dns_timeout_ms = 2000;
    config->dns_tries = 3;
    config->check_name = "com";
    config->check_interval_ms = 60 * 1000;
    config->sts_enable = true;
    config->sts_connect_timeout_ms = 5000;
    config->sts_timeout_ms = 10 * 1000;
    config->sts_max_policy = 64 * 1024;
    config->sts_min_retry_ms = 5 * 60 * 1000;
    config->sts_give_up_ms = 24 * 60 * 60 * 1000;
    config->sts_refresh_ms = 24 * 60 * 60 * 1000;
    config->sts_port = 443;
    config->dane_enable = true;
    config->probe_enable = ENGINE_PROBE_AUTO;
    config->probe_ttl_ms = 24 * 60 * 60 * 1000;
    config->probe_negative_ttl_ms = 10 * 60 * 1000;
    config->probe_parallel = 20;
    config->probe_per_minute = 60;
    config->probe_timeout_ms = 10 * 1000;
    config->probe_port = 25;
    config->max_domains = 100000;
    config->max_memory = (size_t)256 << 20;
    config->negative_ttl_ms = 5 * 60 * 1000;
    config->max_ttl_ms = 24 * 60 * 60 * 1000;
    config->prefetch = true;
    config->shared_timeout_ms = 100;
}

int engine_config_check(const struct engine_config *config, char *err, size_t err_size)
{
    return ca_store_check(config->sts_ca_file, config->sts_ca_path, err, err_size);
}
