/*
 * Who wants to know whether a resolver validates still, now that it has given an answer without AD.
 * They wait for a check of it that is begun after they asked; one check serves all who came before
 * it. A check is begun by the resolver's work, or when the one in flight ends; so those who ask at
 * the same time share it. Callbacks come from the resolver's work, as those of queries.
 */
#include "dns/resolver_internal.h"

#include <stdlib.h>

struct resolver_confirm {
    struct list link; /* in server->confirms, then in resolver->confirmed */
    unsigned serial;  /* of the check that is wanted, or a later one */
    bool passed;
    resolver_confirm_fn done;
    void *arg;
};

static void confirm_settle(struct resolver *r, struct resolver_confirm *confirm, bool passed)
{
    confirm->passed = passed;
    list_remove(&confirm->link);
    list_append(&r->confirmed, &confirm->link);
    resolver_wake(r);
}

static struct server *server_by_id(struct resolver *r, uint32_t id)
{
    struct server *server;

    TAILQ_FOREACH (server, &r->servers, link) {
        if (server->id == id)
            return server;
    }
    return NULL;
}

struct resolver_confirm *resolver_confirm(struct resolver *r, uint32_t id, resolver_confirm_fn done,
                                          void *arg)
{
    struct resolver_confirm *confirm = calloc(1, sizeof(*confirm));
    struct server *server = server_by_id(r, id);

    if (confirm == NULL)
        return NULL;
    confirm->done = done;
    confirm->arg = arg;
    list_init(&confirm->link);
    if (server == NULL || !server->trusted || !server->validates) {
        confirm_settle(r, confirm, false);
        return confirm;
    }
    confirm->serial = server->check_serial + 1; /* that in flight began too early */
    list_append(&server->confirms, &confirm->link);
    resolver_wake(r); /* it is begun when all who ask now have asked */
    return confirm;
}

void resolver_confirm_cancel(struct resolver_confirm *confirm)
{
    list_remove(&confirm->link);
    free(confirm);
}

void resolver_confirm_checked(struct server *server, bool passed)
{
    struct list *at = server->confirms.next;

    while (at != &server->confirms) {
        struct resolver_confirm *confirm = list_entry(at, struct resolver_confirm, link);

        at = at->next;
        if (!server->validates || (passed && (int)(confirm->serial - server->check_serial) <= 0))
            confirm_settle(server->resolver, confirm, server->validates);
    }
    if (!list_empty(&server->confirms))
        resolver_wake(server->resolver);
}

void resolver_confirm_fail(struct server *server)
{
    while (!list_empty(&server->confirms))
        confirm_settle(server->resolver,
                       list_entry(server->confirms.next, struct resolver_confirm, link), false);
}

void resolver_confirm_drop(struct resolver *r)
{
    while (!list_empty(&r->confirmed))
        resolver_confirm_cancel(list_entry(r->confirmed.next, struct resolver_confirm, link));
}

void resolver_confirm_call_back(struct resolver *r)
{
    while (!list_empty(&r->confirmed)) {
        struct resolver_confirm *confirm =
            list_entry(r->confirmed.next, struct resolver_confirm, link);
        resolver_confirm_fn done = confirm->done;
        void *arg = confirm->arg;
        bool passed = confirm->passed;

        resolver_confirm_cancel(confirm); /* dead before it is called */
        done(passed, arg);
    }
}
