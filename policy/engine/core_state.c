/*
 * What all files of the core use of its state: the world's clock, whether DNS security is known,
 * and the log.
 */
#include "engine/core_internal.h"

int64_t core_now_ms(const struct core *core)
{
    return core->world->ops->mono_ms(core->world);
}

bool core_security_known(const struct core *core)
{
    return core->world->ops->security_known(core->world);
}

void core_log(struct core *core, int priority, const char *message)
{
    if (core->settings.log != NULL)
        core->settings.log(core->settings.log_arg, priority, message);
}

struct lookup *core_lookup_new(struct core *core, const struct lookup_request *request,
                               lookup_changed_fn changed, void *arg)
{
    const struct lookup_env env = {core->world, core->sts_cache, core->dane_seen, &core->counters,
                                   &core->lookup_memory};
    const struct lookup_settings settings = {
        .dane_enable = core->settings.dane_enable,
        .sts_enable = core->settings.sts_enable,
        .sts_min_retry_ms = core->settings.sts_min_retry_ms,
        .sts_give_up_ms = core->settings.sts_give_up_ms,
        .sts_max_policy = core->settings.sts_max_policy,
        .negative_ttl_ms = core->settings.negative_ttl_ms,
        .max_ttl_ms = core->settings.max_ttl_ms,
    };

    return lookup_new(&env, &settings, request, changed, arg);
}
