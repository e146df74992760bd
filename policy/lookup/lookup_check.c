/*
 * Answers without AD, and whether their resolver can be believed. It passed its last check when it
 * gave them, but may have ceased to validate since that check. So nothing that rests on them is
 * final before a check has passed that was begun after the last of them came: until then the draft
 * is `unchecked`. The lookup goes on meanwhile. When the check fails, all DNS is asked anew:
 * another resolver may validate, or the answers are of unknown security, or failures.
 */
#include "lookup/lookup_internal.h"

#include <stdlib.h>

struct lookup_check {
    struct list link;
    struct lookup *lookup;
    struct world_check *handle;
    uint32_t resolver;
    bool outrun; /* another answer came since it was begun */
};

static void check_drop(struct lookup_check *check)
{
    struct world *world = check->lookup->env.world;

    if (check->handle != NULL)
        world->ops->check_cancel(world, check->handle);
    list_remove(&check->link);
    free(check);
}

void lookup_check_stop(struct lookup *l)
{
    while (!list_empty(&l->checks))
        check_drop(list_entry(l->checks.next, struct lookup_check, link));
}

static void on_checked(bool passed, void *arg);

static void check_begin(struct lookup_check *check)
{
    struct lookup *l = check->lookup;
    struct world *world = l->env.world;

    check->outrun = false;
    check->handle = world->ops->check(world, check->resolver, on_checked, check);
    if (check->handle == NULL)
        l->out_of_memory = true;
}

/* world_check_fn */
static void on_checked(bool passed, void *arg)
{
    struct lookup_check *check = arg;
    struct lookup *l = check->lookup;

    check->handle = NULL;
    if (!passed)
        l->refuted = true;
    else if (check->outrun)
        check_begin(check);
    else
        check_drop(check);
    l->advance(l);
}

void lookup_check_answer(struct lookup *l, uint32_t resolver)
{
    struct lookup_check *check;

    for (struct list *at = l->checks.next; at != &l->checks; at = at->next) {
        check = list_entry(at, struct lookup_check, link);
        if (check->resolver == resolver) {
            check->outrun = true;
            return;
        }
    }
    check = calloc(1, sizeof *check);
    if (check == NULL) {
        l->out_of_memory = true;
        return;
    }
    check->lookup = l;
    check->resolver = resolver;
    list_append(&l->checks, &check->link);
    check_begin(check);
}
