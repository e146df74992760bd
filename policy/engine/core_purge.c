/*
 * What an administrator wants forgotten. The name of a host or domain covers all that is kept under
 * that name: on every port, and in brackets as well, since he who says mail.example.org need not
 * know how the MTA spells it. `[host]` covers the host on every port, `[host]:port` itself alone.
 */
#include "engine/core_internal.h"

#include <string.h>

static bool covers(const struct nexthop *purged, const char *name, unsigned kind, uint16_t port)
{
    if (strcmp(purged->name, name) != 0)
        return false;
    switch (purged->kind) {
    case NEXTHOP_DOMAIN:
        return kind == NEXTHOP_DOMAIN || kind == NEXTHOP_HOST;
    case NEXTHOP_HOST:
    case NEXTHOP_LITERAL:
    default:
        return kind == (unsigned)purged->kind &&
               (purged->port == NEXTHOP_PORT_DEFAULT || purged->port == port);
    }
}

struct purge {
    struct core *core;
    const struct nexthop *nexthop;
};

/* cache_match_fn */
static bool is_covered(const struct findings *f, void *arg)
{
    struct purge *purge = arg;

    if (!covers(purge->nexthop, f->nexthop.name, f->nexthop.kind, f->nexthop.port))
        return false;
    dane_seen_forget(purge->core->dane_seen, f->nexthop.text);
    return true;
}

static void outdate_tasks(struct core *core, const struct nexthop *purged)
{
    for (size_t slot = 0; slot < core->tasks.slot_count; slot++) {
        struct table_node *next;

        for (struct table_node *node = core->tasks.slots[slot]; node; node = next) {
            struct core_task *task = list_entry(node, struct core_task, node);
            struct nexthop nexthop;

            next = node->next;
            if (nexthop_parse(task->text, &nexthop) == 0 &&
                covers(purged, nexthop.name, nexthop.kind, nexthop.port))
                core_task_outdate(core, task);
        }
    }
}

bool core_purge(struct core *core, const struct nexthop *nexthop)
{
    struct purge purge = {core, nexthop};
    bool had = cache_remove_all(core->cache, is_covered, &purge) > 0;

    outdate_tasks(core, nexthop);
    had |= dane_seen_forget(core->dane_seen, nexthop->text);
    if (nexthop->kind == NEXTHOP_DOMAIN)
        had |= sts_cache_forget(core->sts_cache, nexthop->name);
    return had;
}
