/* Fills a zeroed configuration with what holds where the file says nothing; host names and domains
 * follow from the host's own name. False: out of memory. */
#include "config/config_defaults.h"

#include "config/config_rule.h"

#include <string.h>
#include <syslog.h>

static bool default_list(struct arena *arena, struct config_list *list, const char *const *items)
{
    for (; *items != NULL; items++) {
        list->items = arena_grow(arena, list->items, list->count + 1, sizeof(*list->items));
        if (list->items == NULL)
            return false;
        list->items[list->count] = arena_string(arena, *items);
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

static bool default_names(struct config *config, struct arena *arena, const char *host_name)
{
    struct config_milter *m = &config->milter;
    char name[NEXTHOP_NAME_MAX + 1];
    const char *const names[] = {name, NULL};

    if (nexthop_to_ascii(host_name, name) != 0)
        strcpy(name, "localhost");
    m->mydomain = arena_string(arena, domain_of(name));
    config->engine.probe_helo_name = arena_string(arena, name);
    config->deliver.helo_name = arena_string(arena, name);
    return m->mydomain != NULL && config->engine.probe_helo_name != NULL &&
           config->deliver.helo_name != NULL && default_list(arena, &m->my_mx_names, names);
}

static bool default_milter(struct config *config, struct arena *arena, const char *host_name)
{
    /* Names alone: a pattern could be an SMTP transport's as well. */
    static const char *const mailers[] = {
        "local",    "virtual",  "lmtp",    "pipe",  "error",   "discard",   "retry",
        "maildrop", "dovecot",  "mailman", "cyrus", "cyrusv2", "uucp",      "uucp-old",
        "uucp-new", "uucp-dom", "bsmtp",   "prog",  "*file*",  "*include*", NULL};
    static const char *const nets[] = {"127.0.0.0/8", "::1"};
    struct config_milter *m = &config->milter;

    m->socket = arena_string(arena, "unix:/run/requiretls-milter/milter.sock");
    m->socket_mode = 0660;
    m->user = arena_string(arena, "requiretls-milter");
    m->trusted_clients = arena_zalloc(arena, 2 * sizeof(*m->trusted_clients));
    m->trusted_local = true;
    m->accept_header = CONFIG_ACCEPT_AUTHENTICATED;
    m->add_header = CONFIG_ADD_HEADER_REINJECT;
    m->marker = arena_string(arena, "SIZE=00000000000000008689");
    m->tag = arena_string(arena, "requiretls.invalid");
    m->route_header = arena_string(arena, "X-REQUIRETLS-Route");
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
    return default_list(arena, &m->local_mailers, mailers) &&
           default_names(config, arena, host_name);
}

static bool default_routes(struct config *config, struct arena *arena)
{
    config->routes = arena_grow(arena, NULL, 0, sizeof(*config->routes));
    config->defaults = arena_zalloc(arena, sizeof(*config->defaults));
    if (config->routes == NULL || config->defaults == NULL)
        return false;
    config->routes[0] = (struct config_route){.name = "native"};
    config->route_count = 1;
    return true;
}

static bool default_deliver(struct config_deliver *d, struct arena *arena)
{
    d->ticket_key = arena_string(arena, "/var/lib/requiretls-milter/ticket.key");
    d->ticket_life_s = 30 * 86400;
    d->port = NEXTHOP_PORT_DEFAULT;
    d->max_sessions = 500;
    d->per_host = 20;
    d->max_addresses = 5;
    d->idle_ms = 5000;
    d->reuse = 100;
    d->connect_timeout_ms = 30000;
    d->command_timeout_ms = 300000; /* RFC 5321 section 4.5.3.2 */
    d->setup_timeout_ms = 300000;
    d->data_timeout_ms = 600000;
    d->content_dir = "/var/tmp"; /* not /tmp, which may be memory itself */
    return d->ticket_key != NULL;
}

struct config_deliver_socket *config_default_deliver_socket(struct config_deliver_socket *s)
{
    *s = (struct config_deliver_socket){
        .socket_mode = 0660,
        .request = CONFIG_DELIVER_REQUIRE,
        .level = -1,
    };
    return s;
}

bool config_defaults(struct config *config, struct arena *arena, const char *host_name)
{
    engine_config_init(&config->engine);
    config->engine.store = "/var/lib/requiretls-milter/cache.db";
    config->web_pki = true;
    config->socketmap.listen = arena_zalloc(arena, sizeof(*config->socketmap.listen));
    if (config->socketmap.listen == NULL)
        return false;
    config->socketmap.listen[0].text =
        arena_string(arena, "unix:/run/requiretls-milter/policy.sock");
    if (config->socketmap.listen[0].text == NULL)
        return false;
    config->socketmap.listen[0].path = config->socketmap.listen[0].text + strlen("unix:");
    config->socketmap.listen_count = 1;
    config->socketmap.socket_mode = 0660;
    config->socketmap.max_connections = 1000;
    config->log.facility = LOG_MAIL;
    config->log.level = LOG_INFO;
    return default_milter(config, arena, host_name) && default_deliver(&config->deliver, arena) &&
           default_routes(config, arena);
}
