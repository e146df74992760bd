/*
 * What an administrator wants forgotten, with the TLSRPT record and what probes have shown of its
 * hosts. The name of a host or domain covers all that is kept under that name: on every port, and
 * in brackets as well, since whoever says mail.example.org need not know how the MTA spells it.
 * `[host]` covers the host on every port, `[host]:port` itself alone.
 */
#include "engine/core_internal.h"

#include <string.h>

static bool purge_covers(const struct nexthop *purged, const char *name, unsigned kind,
                         uint16_t port)
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
    bool had;
};

/* cache_match_fn */
static bool is_covered(const struct findings *f, void *arg)
{
    struct purge *purge = arg;

    if (!purge_covers(purge->nexthop, f->nexthop.name, f->nexthop.kind, f->nexthop.port))
        return false;
    dane_seen_forget(purge->core->dane_seen, f->nexthop.text);
    for (size_t i = 0; i < f->host_count; i++)
        purge->had |= probe_cache_forget(prober_cache(purge->core->prober), f->hosts[i].name) > 0;
    return true;
}

static void outdate_tasks(struct core *core, const struct nexthop *purged)
{
    for (size_t slot = 0; slot < core->tasks.slot_count; slot++) {
        struct table_node *next;

        for (struct table_node *node = core->tasks.slots[slot]; node != NULL; node = next) {
            struct core_task *task = list_entry(node, struct core_task, node);
            struct nexthop nexthop;

            next = node->next;
            if (nexthop_parse(task->text, &nexthop) == 0 &&
                purge_covers(purged, nexthop.name, nexthop.kind, nexthop.port))
                core_task_outdate(core, task);
        }
    }
}

bool core_purge(struct core *core, const struct nexthop *nexthop)
{
    struct purge purge = {core, nexthop, false};
    bool had = cache_remove_all(core->cache, is_covered, &purge) > 0;

    outdate_tasks(core, nexthop);
    had |= purge.had;
    /* The hosts of a next-hop are known by its findings alone; it may be one itself. */
    had |= probe_cache_forget(prober_cache(core->prober), nexthop->name) > 0;
    had |= dane_seen_forget(core->dane_seen, nexthop->text);
    had |= tlsrpt_lookups_forget(core->tlsrpt, nexthop->name);
    if (nexthop->kind == NEXTHOP_DOMAIN)
        had |= sts_cache_forget(core->sts_cache, nexthop->name);
    return had;
}
