/*
 * Whom to ask: the resolvers of the configuration, or those of resolv.conf(5), which is read again
 * when it changes (looked at when there is something to ask, once a second at most, and at every
 * check). Resolvers that stay keep what is known of them; those that are gone finish what was asked
 * of them.
 */
#include "dns/resolver_internal.h"

#include "policy/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum {
    CONF_LEN_MAX = 65536, /* more is no resolv.conf */
    CONF_LOOK_MS = 1000,
};

static const char default_server[] = "127.0.0.1"; /* what resolv.conf(5) says of an empty one */

struct addr_list {
    struct resolver_addr items[RESOLVER_SERVERS_MAX];
    size_t count;
};

/* Reads what there is of the file, up to CONF_LEN_MAX. Returns the length or a negative errno. */
static ssize_t read_conf(const char *path, char *out, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t len = 0;

    memset(st, 0, sizeof(*st));
    if (fd < 0)
        return -errno;
    if (fstat(fd, st) < 0)
        goto fail;
    while (len < CONF_LEN_MAX) {
        ssize_t got = read(fd, out + len, CONF_LEN_MAX - len);

        if (got < 0)
            goto fail;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    return (ssize_t)len;

fail:;
    int error = errno;

    close(fd);
    return -error;
}

/* Returns 0 or -ENOENT when the file names no resolver; then the list is empty. */
static int list_from_conf(struct resolver *r, const char *path, struct addr_list *list)
{
    char *conf = malloc(CONF_LEN_MAX);
    unsigned bad_line;

    list->count = 0;
    if (conf == NULL)
        return -ENOMEM;
    ssize_t len = read_conf(path, conf, &r->conf_stat);

    if (len < 0) {
        resolver_log(r, LOG_WARNING, "%s: %s", path, strerror((int)-len));
    } else {
        list->count = resolver_addr_from_conf(conf, (size_t)len, list->items, RESOLVER_SERVERS_MAX,
                                              &bad_line);
        if (bad_line != 0)
            resolver_log(r, LOG_WARNING, "%s:%u: no address of a resolver, passed over", path,
                         bad_line);
    }
    free(conf);
    return list->count > 0 ? 0 : -ENOENT;
}

static int list_from_settings(const struct resolver_settings *settings, struct addr_list *list,
                              char *err, size_t err_size)
{
    list->count = 0;
    for (char **text = settings->resolvers; *text != NULL; text++) {
        struct resolver_addr addr;
        bool known = false;

        if (resolver_addr_parse(*text, &addr) < 0) {
            snprintf(err, err_size, "resolver %s: not an address", *text);
            return -EINVAL;
        }
        for (size_t i = 0; i < list->count; i++)
            known |= resolver_addr_equal(&addr, &list->items[i]);
        if (known)
            continue;
        if (list->count == RESOLVER_SERVERS_MAX) {
            snprintf(err, err_size, "more than %d resolvers", RESOLVER_SERVERS_MAX);
            return -EINVAL;
        }
        list->items[list->count++] = addr;
    }
    if (list->count == 0) {
        snprintf(err, err_size, "no resolver is given");
        return -EINVAL;
    }
    return 0;
}

/* The timers of queries decide; c-ares only must not give up before them. */
static int ask_timeout_ms(const struct resolver_settings *settings)
{
    return settings->timeout_ms * (int)settings->tries + 1000;
}

static bool is_trusted(const struct resolver_settings *settings, const struct resolver_addr *addr)
{
    switch (settings->trust_ad) {
    case ENGINE_TRUST_AD_YES:
        return true;
    case ENGINE_TRUST_AD_AUTO:
        return resolver_addr_is_loopback(addr);
    case ENGINE_TRUST_AD_NO:
    default:
        return false;
    }
}

static struct server *server_new(struct resolver *r, const struct resolver_settings *settings,
                                 const struct resolver_addr *addr)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    server->resolver = r;
    server->addr = *addr;
    server->id = ++r->last_id;
    list_init(&server->confirms);
    server->upstream = upstream_new(r->base, addr, ask_timeout_ms(settings));
    if (server->upstream == NULL) {
        free(server);
        return NULL;
    }
    return server;
}

static void server_free(struct server *server)
{
    resolver_check_stop(server);
    resolver_confirm_fail(server);
    upstream_free(server->upstream);
    free(server);
}

static void free_list(struct server_list *list)
{
    struct server *server;

    while ((server = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, server, link);
        server_free(server);
    }
}

static void reap_gone(struct resolver *r)
{
    struct server *server = TAILQ_FIRST(&r->gone);

    while (server != NULL) {
        struct server *next = TAILQ_NEXT(server, link);

        if (server->users == 0) {
            TAILQ_REMOVE(&r->gone, server, link);
            server_free(server);
        }
        server = next;
    }
}

static struct server *find_server(struct resolver *r, const struct resolver_addr *addr)
{
    struct server *server;

    TAILQ_FOREACH (server, &r->servers, link) {
        if (resolver_addr_equal(&server->addr, addr))
            return server;
    }
    return NULL;
}

/* Makes the list the one in use: all of it, or nothing changes. Who is not in it any more by the
 * administrator's own word is not believed any more; resolv.conf comes and goes with networks. */
static int put_into_effect(struct resolver *r, const struct resolver_settings *settings,
                           const struct addr_list *list, bool reload)
{
    struct server_list fresh = TAILQ_HEAD_INITIALIZER(fresh);
    struct server *server;

    for (size_t i = 0; i < list->count; i++) {
        if (find_server(r, &list->items[i]) != NULL)
            continue;
        server = server_new(r, settings, &list->items[i]);
        if (server == NULL) {
            free_list(&fresh);
            return -ENOMEM;
        }
        TAILQ_INSERT_TAIL(&fresh, server, link);
    }
    /* From here on nothing fails. Both lists are in the order of the new one. */
    struct server_list next = TAILQ_HEAD_INITIALIZER(next);

    if (!TAILQ_EMPTY(&fresh))
        r->warned_ms = 0; /* what was said of others says nothing of these */
    for (size_t i = 0; i < list->count; i++) {
        server = find_server(r, &list->items[i]);
        if (server != NULL) {
            TAILQ_REMOVE(&r->servers, server, link);
            upstream_set_timeout(server->upstream, ask_timeout_ms(settings));
        } else {
            server = TAILQ_FIRST(&fresh);
            TAILQ_REMOVE(&fresh, server, link);
        }
        bool trusted = is_trusted(settings, &server->addr);

        if (server->trusted != trusted)
            r->warned_ms = 0;
        r->withdrawn += server->trusted && !trusted;
        server->checked = server->checked && server->trusted == trusted;
        server->trusted = trusted;
        server->validates = server->validates && server->trusted;
        if (!server->trusted) {
            server->ceased_ms = 0;
            resolver_confirm_fail(server);
        }
        TAILQ_INSERT_TAIL(&next, server, link);
    }
    TAILQ_FOREACH (server, &r->servers, link) {
        resolver_check_stop(server);
        resolver_confirm_fail(server);
        if (!reload)
            continue;
        r->withdrawn += server->trusted; /* what it still answers included */
        server->trusted = server->validates = false;
    }
    TAILQ_CONCAT(&r->gone, &r->servers, link);
    TAILQ_CONCAT(&r->servers, &next, link);
    reap_gone(r);
    return 0;
}

int resolver_servers_load(struct resolver *r, const struct resolver_settings *settings, char *err,
                          size_t err_size)
{
    struct addr_list list;
    int error = 0;

    if (settings->resolvers != NULL)
        error = list_from_settings(settings, &list, err, err_size);
    else if (list_from_conf(r, settings->resolv_conf, &list) < 0)
        list.count = resolver_addr_parse(default_server, &list.items[0]) == 0 ? 1 : 0;
    if (error < 0)
        return error;
    error = put_into_effect(r, settings, &list, true);
    if (error < 0)
        snprintf(err, err_size, "out of memory");
    return error;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void resolver_servers_refresh(struct resolver *r)
{
    const char *path = r->settings.resolv_conf;
    int64_t now_ms = clock_mono_ms();
    struct addr_list list;
    struct stat st;

    if (now_ms - r->conf_checked_ms < CONF_LOOK_MS)
        return;
    r->conf_checked_ms = now_ms;
    reap_gone(r);
    if (r->settings.resolvers != NULL)
        return;
    if (stat(path, &st) < 0)
        memset(&st, 0, sizeof(st));
    if (same_file(&st, &r->conf_stat))
        return;
    /* Perhaps it is just being written: what it said before is better than nothing. */
    if (list_from_conf(r, path, &list) < 0) {
        resolver_log(r, LOG_WARNING, "%s names no resolver now: keeping those it named before",
                     path);
        return;
    }
    if (put_into_effect(r, &r->settings, &list, false) < 0) {
        memset(&r->conf_stat, 0, sizeof(r->conf_stat)); /* out of memory: again in a second */
        return;
    }
    resolver_log(r, LOG_INFO, "%s has changed: %zu resolvers, the first is %s", path, list.count,
                 list.items[0].text);
    resolver_check_all(r);
}

unsigned resolver_trust_withdrawn(const struct resolver *r)
{
    return r->withdrawn;
}

void resolver_servers_free(struct resolver *r)
{
    free_list(&r->servers);
    free_list(&r->gone);
}
