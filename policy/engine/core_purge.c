/*
 * What an administrator wants forgotten, with the TLSRPT record and what probes have shown of its
 * hosts: here, and in the shared cache, or it would come back from there. The name of a host or
 * domain covers all that is kept under that name: on every port, and in brackets as well, since
 * whoever says mail.example.org need not know how the MTA spells it.
 * `[host]` covers the host on every port, `[host]:port` itself alone.
 *
 * core_purge forgets what is here at once, and has the rows deleted; the last on_deleted says what
 * came of it. What probes of other hosts have shown and this one has not taken over is not known
 * here by its row key: it ends by itself.
 */
#include "engine/core_internal.h"

#include <errno.h>
#include <stdlib.h>
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
    const struct nexthop *nexthop; /* borrowed for core_purge */
    struct list link;              /* in core->purges */
    struct list deletions;         /* of rows, in flight */
    bool had;                      /* something, here */
    bool failed;                   /* to delete a row */
    core_purged_fn done;
    void *arg;
};

struct deletion {
    struct list link;
    struct purge *purge;
    struct world_shared *request;
};

/* ---- Rows of the shared cache ---- */

static void purge_end(struct purge *purge)
{
    int status = purge->failed ? -EIO : purge->had ? 0 : -ENOENT;
    core_purged_fn done = purge->done;
    void *arg = purge->arg;

    list_remove(&purge->link);
    free(purge);
    done(status, arg);
}

static void deletion_free(struct deletion *deletion)
{
    list_remove(&deletion->link);
    free(deletion);
}

/* world_shared_deleted_fn */
static void on_deleted(bool gone, void *arg)
{
    struct deletion *deletion = arg;
    struct purge *purge = deletion->purge;

    purge->failed |= !gone;
    deletion_free(deletion);
    if (list_empty(&purge->deletions))
        purge_end(purge);
}

static void delete_row(struct purge *purge, enum shared_kind kind, const char *name)
{
    struct world *world = purge->core->world;
    struct deletion *deletion;

    if (!world->ops->shared_is_on(world))
        return;
    deletion = calloc(1, sizeof *deletion);
    if (deletion == NULL) {
        purge->failed = true;
        return;
    }
    deletion->purge = purge;
    list_append(&purge->deletions, &deletion->link);
    deletion->request = world->ops->shared_delete(world, kind, name, on_deleted, deletion);
    if (deletion->request == NULL) {
        purge->failed = true;
        deletion_free(deletion);
    }
}

void core_purge_end_all(struct core *core)
{
    while (!list_empty(&core->purges)) {
        struct purge *purge = list_entry(core->purges.next, struct purge, link);

        while (!list_empty(&purge->deletions)) {
            struct deletion *deletion = list_entry(purge->deletions.next, struct deletion, link);

            core->world->ops->shared_drop(core->world, deletion->request);
            deletion_free(deletion);
        }
        purge->failed = true;
        purge_end(purge);
    }
}

/* ---- What is here ---- */

/* probe_cache_key_fn */
static void on_probe_forgotten(const char *key, void *arg)
{
    delete_row(arg, SHARED_PROBE, key);
}

static void forget_probes(struct purge *purge, const char *host)
{
    purge->had |= prober_forget(purge->core->prober, host, on_probe_forgotten, purge) > 0;
}

/* cache_match_fn */
static bool is_covered(const struct findings *f, void *arg)
{
    struct purge *purge = arg;

    if (!purge_covers(purge->nexthop, f->nexthop.name, f->nexthop.kind, f->nexthop.port))
        return false;
    dane_seen_forget(purge->core->dane_seen, f->nexthop.text);
    for (size_t i = 0; i < f->host_count; i++)
        forget_probes(purge, f->hosts[i].name);
    return true;
}

static bool covers_task(const struct nexthop *purged, const struct core_task *task)
{
    struct nexthop nexthop;

    return nexthop_parse(task->text, &nexthop) == 0 &&
           purge_covers(purged, nexthop.name, nexthop.kind, nexthop.port);
}

/* Of those in flight nothing is kept that was known before. */
static void outdate_tasks(struct core *core, const struct nexthop *purged)
{
    for (size_t slot = 0; slot < core->tasks.slot_count; slot++) {
        struct table_node *next;

        for (struct table_node *node = core->tasks.slots[slot]; node != NULL; node = next) {
            struct core_task *task = list_entry(node, struct core_task, node);

            next = node->next;
            if (covers_task(purged, task))
                core_task_outdate(core, task);
        }
    }
    for (struct list *link = core->outdated.next; link != &core->outdated; link = link->next) {
        struct core_task *task = list_entry(link, struct core_task, link);

        if (covers_task(purged, task))
            lookup_bar_shared(task->lookup);
    }
}

static void forget(struct purge *purge, const struct nexthop *nexthop)
{
    struct core *core = purge->core;

    purge->had |= cache_remove_all(core->cache, is_covered, purge) > 0;
    outdate_tasks(core, nexthop);
    /* The hosts of a next-hop are known by its findings alone; it may be one itself. */
    forget_probes(purge, nexthop->name);
    purge->had |= dane_seen_forget(core->dane_seen, nexthop->text);
    purge->had |= tlsrpt_lookups_forget(core->tlsrpt, nexthop->name);
    if (nexthop->kind != NEXTHOP_DOMAIN)
        return;
    purge->had |= sts_cache_forget(core->sts_cache, nexthop->name);
    delete_row(purge, SHARED_POLICY, nexthop->name);
}

void core_purge(struct core *core, const struct nexthop *nexthop, core_purged_fn done, void *arg)
{
    struct purge *purge = calloc(1, sizeof *purge);

    if (purge == NULL) {
        done(-ENOMEM, arg);
        return;
    }
    *purge = (struct purge){.core = core, .nexthop = nexthop, .done = done, .arg = arg};
    list_init(&purge->deletions);
    list_append(&core->purges, &purge->link);
    forget(purge, nexthop);
    if (list_empty(&purge->deletions))
        purge_end(purge);
}
