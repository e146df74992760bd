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
    if (core->settings.log)
        core->settings.log(core->settings.log_arg, priority, message);
}
