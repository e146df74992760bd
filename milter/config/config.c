/*
 * The configuration as a snapshot: see config.h. Defaults first (config_defaults.c), then the file
 * (config_loader.c), then what its keys must have in common (config_check.c).
 */
#include "config/config.h"

#include "config/config_check.h"
#include "config/config_defaults.h"
#include "config/config_loader.h"
#include "config/config_rule.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct snapshot {
    struct config config; /* first: the public handle is its address */
    struct pool pool;
    atomic_uint references;
};

int config_load(const char *path, const char *host_name, config_report_fn on_error,
                config_report_fn on_warning, void *arg, struct config **out)
{
    struct config_report report = {path, on_error, on_warning, arg, 0};
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct config *config;
    int r;

    *out = NULL;
    if (snapshot == NULL)
        return -ENOMEM;
    atomic_init(&snapshot->references, 1);
    config = &snapshot->config;
    config->path = pool_strdup(&snapshot->pool, path);
    if (config->path == NULL || !config_defaults(config, &snapshot->pool, host_name))
        r = -ENOMEM;
    else
        r = config_loader_read(config, &snapshot->pool, &report);
    /* Checked even after errors, so that one run names them all. */
    if (r == 0 || r == -EINVAL) {
        int checked = config_check(config, &snapshot->pool, &report);

        r = r != 0 ? r : checked;
    }
    if (r != 0) {
        config_unref(config);
        return r;
    }
    *out = config;
    return 0;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&((struct snapshot *)(void *)config)->references, 1,
                              memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    struct snapshot *snapshot = (struct snapshot *)(void *)config;

    if (config == NULL ||
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    pool_free(&snapshot->pool);
    free(snapshot);
}

bool config_is_trusted(const struct config *config, const struct sockaddr *address)
{
    if (address == NULL)
        return config->milter.trusted_local;
    for (size_t i = 0; i < config->milter.trusted_client_count; i++)
        if (config_net_contains(&config->milter.trusted_clients[i], address))
            return true;
    return false;
}

bool config_domain_is_own(const struct config *config, const char *domain)
{
    const struct config_list *names = &config->milter.my_mx_names;
    const char *own = config->milter.mydomain;

    if (strcasecmp(domain, "localhost") == 0 || strcasecmp(domain, own) == 0 ||
        config_domain_is_below(domain, own))
        return true;
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(domain, names->items[i]) == 0)
            return true;
    return false;
}

bool config_mailer_matches(const char *pattern, const char *mailer)
{
    /* sendmail's, which would fit `profile` and the like as patterns. */
    static const char *const names[] = {"*file*", "*include*"};

    if (strcasecmp(pattern, mailer) == 0)
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(pattern, names[i]) == 0)
            return false;
    return fnmatch(pattern, mailer, FNM_CASEFOLD) == 0;
}

bool config_route_reinjects(const struct config_route *route)
{
    return route->method != CONFIG_METHOD_NONE && route->local == CONFIG_LOCAL_REINJECT;
}

bool config_route_asks_enforce(const struct config_route *route)
{
    return route->method != CONFIG_METHOD_NONE || (route->can & VERDICT_CAN_WEB_PKI) != 0;
}

const struct config_route *config_route_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (strcmp(config->routes[i].name, name) == 0)
            return &config->routes[i];
    return NULL;
}

const char *config_rule_name(const struct config_rule *rule)
{
    return rule->name;
}
