/*
 * Several next-hops, which the MTA tries in turn: a message that takes a route goes by it to the
 * one that was chosen, or is held on it to what each of them must do. At the lower levels it may
 * take no route, and then the MTA's own transport sends it, to any of them.
 */
#include "decide/nexthop_levels.h"

#include "config/config.h"

/* Whether mail for the next-hop takes no route at its level, or at the one that it may fall to,
 * though mail at the levels above has one. Some routes are for the level opportunistic too; by the
 * delivery agent mail goes to the one next-hop of its ticket. None is for the level disable. */
static bool goes_unheld(const struct rules_settings *settings)
{
    const struct config_route *route = settings->route;
    bool reinjects = config_route_reinjects(route) && route->method == CONFIG_METHOD_HEADER;

    if (route->method == CONFIG_METHOD_NONE)
        return false;
    if (route->agent || route->opportunistic != NULL || reinjects)
        return settings->level == VERDICT_LEVEL_DISABLE;
    return true;
}

/* How far mail for the next-hop may fall. */
static enum config_fallback lowest_of(const struct rules_settings *settings)
{
    if (settings->level == VERDICT_LEVEL_ENFORCE)
        return settings->fallback;
    return settings->level < VERDICT_LEVEL_OPPORTUNISTIC ? CONFIG_FALLBACK_ENCRYPT
                                                         : CONFIG_FALLBACK_MAY;
}

void nexthop_levels_raise(struct rules_settings *const *settings, size_t count)
{
    enum verdict_level highest = VERDICT_LEVEL_DISABLE;
    enum config_fallback least = CONFIG_FALLBACK_MAY;

    for (size_t i = 0; i < count; i++) {
        if (settings[i]->level < highest)
            highest = settings[i]->level;
        if (lowest_of(settings[i]) < least)
            least = lowest_of(settings[i]);
    }
    for (size_t i = 0; i < count && highest < VERDICT_LEVEL_OPPORTUNISTIC; i++) {
        if (!goes_unheld(settings[i]))
            continue;
        if (settings[i]->level >= VERDICT_LEVEL_OPPORTUNISTIC)
            settings[i]->level = highest;
        if (settings[i]->fallback == CONFIG_FALLBACK_MAY)
            settings[i]->fallback = least;
    }
}
