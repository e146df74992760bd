/*
 * Questions to a loaded configuration that several keys answer together: who is trusted, which
 * domains are this host's own, what a route does, which mailer a pattern means. Pure.
 */
#include "config/config.h"

#include "config/config_rule.h"

#include <fnmatch.h>
#include <string.h>
#include <strings.h>

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

bool config_has_agent_route(const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].agent)
            return true;
    return false;
}

const char *config_unix_listener(const struct config *config)
{
    for (size_t i = 0; i < config->socketmap.listen_count; i++)
        if (config->socketmap.listen[i].path != NULL)
            return config->socketmap.listen[i].text;
    return NULL;
}

bool config_uses_tickets(const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++)
        if (config->routes[i].agent)
            return true;
    for (size_t i = 0; i < config->deliver.socket_count; i++)
        if (config->deliver.sockets[i].tickets)
            return true;
    return false;
}

void config_deliver_ca(const struct config *config, const char **ca_file, const char **ca_path)
{
    const struct config_deliver *d = &config->deliver;
    bool own = d->ca_file != NULL || d->ca_path != NULL;

    *ca_file = own ? d->ca_file : config->engine.sts_ca_file;
    *ca_path = own ? d->ca_path : config->engine.sts_ca_path;
}
