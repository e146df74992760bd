/* Which differences between two configurations only a restart can make true. */
#include "config/config.h"

#include <stdio.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_listen(const struct config_socketmap *a, const struct config_socketmap *b)
{
    if (a->listen_count != b->listen_count)
        return false;
    for (size_t i = 0; i < a->listen_count; i++)
        if (!same(a->listen[i].text, b->listen[i].text))
            return false;
    return true;
}

void config_report_fixed(const struct config *running, const struct config *loaded,
                         config_report_fn report, void *arg)
{
    const struct config *r = running, *l = loaded;
    const struct {
        const char *key;
        bool same;
    } keys[] = {
        {"[milter] socket", same(r->milter.socket, l->milter.socket)},
        {"[milter] socket_mode", r->milter.socket_mode == l->milter.socket_mode},
        {"[milter] socket_group", same(r->milter.socket_group, l->milter.socket_group)},
        {"[milter] user", same(r->milter.user, l->milter.user)},
        {"[cache] store", same(r->engine.store, l->engine.store)},
        {"[socketmap] listen", same_listen(&r->socketmap, &l->socketmap)},
        {"[socketmap] socket_mode", r->socketmap.socket_mode == l->socketmap.socket_mode},
        {"[socketmap] socket_group", same(r->socketmap.socket_group, l->socketmap.socket_group)},
        {"[metrics] listen", same(r->metrics_listen.text, l->metrics_listen.text)},
    };
    char message[600];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (keys[i].same)
            continue;
        snprintf(message, sizeof(message), "%.400s: %s has changed; that takes a restart", l->path,
                 keys[i].key);
        report(arg, message);
    }
}
