/* Fills a zeroed configuration with what holds where the file says nothing; host names and domains
 * follow from the host's own name. False: out of memory. */
#include "config/config_defaults.h"

#include "config/config_rule.h"

#include <string.h>
#include <syslog.h>

static bool default_list(struct pool *pool, struct config_list *list, const char *const *items)
{
    for (; *items != NULL; items++) {
        list->items = pool_grow(pool, list->items, list->count + 1, sizeof(*list->items));
        if (list->items == NULL)
            return false;
        list->items[list->count] = pool_strdup(pool, *items);
        if (list->items[list->count] == NULL)
            return false;
        list->count++;
    }
    return true;
}

/* The host name less its first label if two remain: Postfix's mydomain, but never a whole TLD. */
static const char *domain_of(const char *host)
{
    const char *dot = strchr(host, '.');

    return dot != NULL && strchr(dot + 1, '.') != NULL ? dot + 1 : host;
}

static bool default_names(struct config *config, struct pool *pool, const char *host_name)
{
    struct config_milter *m = &config->milter;
    char name[NEXTHOP_NAME_MAX + 1];
    const char *const names[] = {name, NULL};

    if (nexthop_to_ascii(host_name, name) != 0)
        strcpy(name, "localhost");
    m->mydomain = pool_strdup(pool, domain_of(name));
    return m->mydomain != NULL && default_list(pool, &m->my_mx_names, names);
}

static bool default_milter(struct config *config, struct pool *pool, const char *host_name)
{
    /* Names alone: a pattern could be an SMTP transport's as well. */
    static const char *const mailers[] = {
        "local",    "virtual",  "lmtp",    "pipe",  "error",   "discard",   "retry",
        "maildrop", "dovecot",  "mailman", "cyrus", "cyrusv2", "uucp",      "uucp-old",
        "uucp-new", "uucp-dom", "bsmtp",   "prog",  "*file*",  "*include*", NULL};
    static const char *const nets[] = {"127.0.0.0/8", "::1"};
    struct config_milter *m = &config->milter;

    m->socket = pool_strdup(pool, "unix:/run/requiretls-milter/milter.sock");
    m->socket_mode = 0660;
    m->user = pool_strdup(pool, "requiretls-milter");
    m->trusted_clients = pool_alloc(pool, 2 * sizeof(*m->trusted_clients));
    m->trusted_local = true;
    m->accept_header = CONFIG_ACCEPT_AUTHENTICATED;
    m->add_header = CONFIG_ADD_HEADER_REINJECT;
    m->marker = pool_strdup(pool, "SIZE=00000000000000008689");
    m->tag = pool_strdup(pool, "requiretls.invalid");
    m->route_header = pool_strdup(pool, "X-REQUIRETLS-Route");
    m->rcpt_wait_ms = 5000;
    m->eom_wait_ms = 60000;
    m->max_waiting = 500;
    m->redact_dsn = CONFIG_REDACT_OWN;
    if (m->socket == NULL || m->user == NULL || m->trusted_clients == NULL || m->marker == NULL ||
        m->tag == NULL || m->route_header == NULL)
        return false;
    for (; m->trusted_client_count < 2; m->trusted_client_count++)
        config_value_net(nets[m->trusted_client_count],
                         &m->trusted_clients[m->trusted_client_count]);
    return default_list(pool, &m->local_mailers, mailers) && default_names(config, pool, host_name);
}

static bool default_routes(struct config *config, struct pool *pool)
{
    config->routes = pool_grow(pool, NULL, 0, sizeof(*config->routes));
    config->defaults = pool_alloc(pool, sizeof(*config->defaults));
    if (config->routes == NULL || config->defaults == NULL)
        return false;
    config->routes[0] = (struct config_route){.name = "native"};
    config->route_count = 1;
    return true;
}

bool config_defaults(struct config *config, struct pool *pool, const char *host_name)
{
    engine_config_init(&config->engine);
    config->engine.store = "/var/lib/requiretls-milter/cache.db";
    config->web_pki = true;
    config->socketmap.listen = pool_alloc(pool, sizeof(*config->socketmap.listen));
    if (config->socketmap.listen == NULL)
        return false;
    config->socketmap.listen[0].text = pool_strdup(pool, "unix:/run/requiretls-milter/policy.sock");
    if (config->socketmap.listen[0].text == NULL)
        return false;
    config->socketmap.listen[0].path = config->socketmap.listen[0].text + strlen("unix:");
    config->socketmap.listen_count = 1;
    config->socketmap.socket_mode = 0660;
    config->socketmap.max_connections = 1000;
    config->log.facility = LOG_MAIL;
    config->log.level = LOG_INFO;
    return default_milter(config, pool, host_name) && default_routes(config, pool);
}
