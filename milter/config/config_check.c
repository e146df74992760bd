/* Configuration check, after the file is read: names are resolved, defaults that depend on other
 * keys filled in, and what keys must have in common is looked at. Results: errors and warnings. */
#include "config/config_check.h"

#include "config/config_check_deliver.h"
#include "config/config_check_rule.h"
#include "config/config_rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    /* sendmail gives a milter ten seconds to answer RCPT, and its reply needs some of them. */
    RCPT_WAIT_MAX_MS = 9000,
    /* sendmail's and Postfix's limits for end-of-message are five minutes. */
    EOM_WAIT_MAX_MS = 240000,
};

static const struct config_route *resolve_route(struct config_check *c, const char *name,
                                                unsigned line)
{
    const struct config_route *route = config_route_find(c->config, name);

    if (route == NULL)
        config_report_at(c->report, CONFIG_REPORT_ERROR, line, "there is no [route %.100s]", name);
    return route;
}

static void resolve_routes(struct config_check *c, struct config_rule *rule)
{
    if (rule->sets & (1u << CONFIG_SETTING_ROUTE)) {
        if (rule->route_name == NULL)
            config_report_at(c->report, CONFIG_REPORT_ERROR, rule->route_line,
                             "route needs a name");
        else
            rule->route = resolve_route(c, rule->route_name, rule->route_line);
    }
    if (rule->sets & (1u << CONFIG_SETTING_OPTIONAL_ROUTE)) {
        if (rule->optional_route_name == NULL)
            config_report_at(c->report, CONFIG_REPORT_ERROR, rule->optional_route_line,
                             "optional_route needs a name");
        else
            rule->optional_route =
                resolve_route(c, rule->optional_route_name, rule->optional_route_line);
    }
}

/* The route that another names for a level; NULL if it names none. */
static const struct config_route *named_by(struct config_check *c, const struct config_route *route,
                                           const char *key, const char *name)
{
    const struct config_route *named = name != NULL ? config_route_find(c->config, name) : NULL;

    if (name != NULL && named == NULL)
        config_report_at(c->report, CONFIG_REPORT_ERROR, 0,
                         "[route %.100s] %s: there is no [route %.100s]", route->name, key, name);
    return named;
}

static void resolve_levels(struct config_check *c)
{
    for (size_t i = 0; i < c->config->route_count; i++) {
        struct config_route *route = &c->config->routes[i];

        route->starttls = named_by(c, route, "starttls", route->starttls_name);
        route->opportunistic = named_by(c, route, "opportunistic", route->opportunistic_name);
    }
}

/* What the transport of a route can enforce, when the file does not say it. */
static void default_capabilities(struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++) {
        struct config_route *route = &config->routes[i];

        if (route->can != 0)
            continue;
        if (route->agent) {
            route->can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI |
                         VERDICT_CAN_FALLBACK | VERDICT_CAN_REQUIRETLS;
            continue;
        }
        route->can = VERDICT_CAN_DANE | VERDICT_CAN_STS;
        /* A transport of its own asks the map `enforce`, whose answers cover the Web PKI. */
        if (route->method != CONFIG_METHOD_NONE)
            route->can |= VERDICT_CAN_WEB_PKI;
        else
            route->can_follows_mta = true;
    }
}

/*
 * The route that [default] names marks recipients with [milter] tag itself, any other with its own
 * name below that, so that an MTA can tell them apart.
 */
static bool default_tags(struct config *config, struct arena *arena)
{
    for (size_t i = 0; i < config->route_count; i++) {
        struct config_route *route = &config->routes[i];
        char tag[NEXTHOP_NAME_MAX + 100];

        if (route->tag != NULL)
            continue;
        if (route == config->defaults->route)
            snprintf(tag, sizeof(tag), "%s", config->milter.tag);
        else
            snprintf(tag, sizeof(tag), "%.63s.%s", route->name, config->milter.tag);
        for (char *p = tag; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        route->tag = arena_string(arena, tag);
        if (route->tag == NULL)
            return false;
    }
    return true;
}

/* Mail to the tag is refused, so it must be a name that no mail is for: RFC 6761 6.4 keeps one. */
static void check_tag(struct config_check *c)
{
    const struct config_milter *m = &c->config->milter;
    bool ours = strcmp(m->mydomain, m->tag) == 0 || config_domain_is_below(m->mydomain, m->tag);

    for (size_t i = 0; i < m->my_mx_names.count; i++)
        ours = ours || strcmp(m->my_mx_names.items[i], m->tag) == 0 ||
               config_domain_is_below(m->my_mx_names.items[i], m->tag);
    if (ours)
        config_report_at(c->report, CONFIG_REPORT_ERROR, 0,
                         "tag = %s is a domain of this host, whose mail would be refused", m->tag);
    else if (!config_domain_is_below(m->tag, "invalid"))
        config_report_at(
            c->report, CONFIG_REPORT_WARNING, 0,
            "tag = %s: all mail to this domain and below is refused; take one below invalid",
            m->tag);
}

static bool is_marked_by_domain(const struct config_route *route)
{
    return route->method == CONFIG_METHOD_RECIPIENT ||
           (route->method == CONFIG_METHOD_HEADER && route->local == CONFIG_LOCAL_RECIPIENT);
}

/* Marked recipients of one route must not be taken for those of another, and [milter] tag is what
 * keeps marked addresses out. */
static void check_route_tags(struct config_check *c)
{
    const struct config *config = c->config;
    const char *top = config->milter.tag;

    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (is_marked_by_domain(route) && strlen(route->tag) > NEXTHOP_NAME_MAX)
            config_report_at(c->report, CONFIG_REPORT_ERROR, 0,
                             "[route %.100s] tag = %s is longer than a domain name can be",
                             route->name, route->tag);
        if (strcmp(route->tag, top) != 0 && !config_domain_is_below(route->tag, top))
            config_report_at(c->report, CONFIG_REPORT_ERROR, 0,
                             "[route %.100s] tag = %s is not below %s", route->name, route->tag,
                             top);
        for (size_t k = 0; k < i && is_marked_by_domain(route); k++)
            if (is_marked_by_domain(&config->routes[k]) &&
                strcmp(config->routes[k].tag, route->tag) == 0)
                config_report_at(
                    c->report, CONFIG_REPORT_ERROR, 0,
                    "[route %.100s] and [route %.100s] mark recipients alike: give one of "
                    "them `tag = %.100s.%s`",
                    config->routes[k].name, route->name, route->name, top);
    }
}

/* What leaves by SMTP under the names that MTAs give it must not be left out by accident. */
static void check_local_mailers(struct config_check *c)
{
    static const char *const out[] = {"smtp", "relay", "esmtp", "smtp8", "dsmtp"};
    const struct config_list *mailers = &c->config->milter.local_mailers;

    for (size_t i = 0; i < mailers->count; i++)
        for (size_t k = 0; k < sizeof(out) / sizeof(out[0]); k++) {
            if (!config_mailer_matches(mailers->items[i], out[k]))
                continue;
            config_report_at(c->report, CONFIG_REPORT_WARNING, 0,
                             "local_mailers: %.100s is %s too, which sends mail out: nothing is "
                             "enforced there",
                             mailers->items[i], out[k]);
            break;
        }
}

static void check_trusted(struct config_check *c)
{
    const struct config_milter *m = &c->config->milter;

    for (size_t i = 0; i < m->trusted_client_count; i++)
        if (m->trusted_clients[i].prefix == 0)
            config_report_at(
                c->report, CONFIG_REPORT_WARNING, 0,
                "trusted_clients holds every address: anyone may ask for REQUIRETLS without "
                "TLS and by header");
}

static void check_sockets(struct config_check *c)
{
    const struct config_socketmap *s = &c->config->socketmap;
    const char *socket = c->config->milter.socket;
    const char *milter_path = socket != NULL ? strchr(socket, ':') + 1 : "";

    if (socket == NULL && s->listen_count == 0 && c->config->deliver.socket_count == 0)
        config_report_at(c->report, CONFIG_REPORT_ERROR, 0,
                         "[milter] socket and [socketmap] listen are empty, and there is no "
                         "[deliver NAME]: the daemon would do nothing");
    for (size_t i = 0; i < s->listen_count; i++) {
        bool twice = s->listen[i].path != NULL && strcmp(s->listen[i].path, milter_path) == 0;

        for (size_t k = 0; k < i; k++)
            twice = twice || strcmp(s->listen[i].text, s->listen[k].text) == 0;
        if (twice)
            config_report_at(c->report, CONFIG_REPORT_ERROR, 0, "%s is given for two listeners",
                             s->listen[i].text);
    }
}

static void check_waits(struct config_check *c)
{
    const struct config_milter *m = &c->config->milter;
    const struct engine_config *e = &c->config->engine;

    if (m->rcpt_wait_ms > RCPT_WAIT_MAX_MS)
        config_report_at(c->report, CONFIG_REPORT_WARNING, 0,
                         "rcpt_wait of more than %d s: sendmail gives a milter 10 s to answer RCPT",
                         RCPT_WAIT_MAX_MS / 1000);
    if (m->eom_wait_ms > EOM_WAIT_MAX_MS)
        config_report_at(c->report, CONFIG_REPORT_WARNING, 0,
                         "eom_wait of more than %d s: MTAs give a milter 5 m at end-of-message",
                         EOM_WAIT_MAX_MS / 1000);
    if (m->eom_wait_ms < m->rcpt_wait_ms)
        config_report_at(
            c->report, CONFIG_REPORT_WARNING, 0,
            "eom_wait is shorter than rcpt_wait: what RCPT leaves open has no time either");
    if (e->sts_connect_timeout_ms > e->sts_timeout_ms)
        config_report_at(c->report, CONFIG_REPORT_WARNING, 0,
                         "[mta_sts] connect_timeout is longer than timeout, which comes first");
}

/* What is shared counts with a MAC alone, so that without a key nothing would be. */
static void check_shared(struct config_check *c)
{
    const struct config_shared *s = &c->config->shared;
    bool doubt = (c->config->in_doubt & CONFIG_PART_CACHE) != 0; /* an error has been said */

    if (s->servers.count > 0 && s->key == NULL && !(doubt && s->key_line != 0))
        config_report_at(c->report, CONFIG_REPORT_ERROR, s->line,
                         "shared needs shared_key: no row counts without a MAC");
    if (s->servers.count == 0 && s->password != NULL && !(doubt && s->line != 0))
        config_report_at(c->report, CONFIG_REPORT_WARNING, s->password_line,
                         "shared_password without shared: nothing is shared");
    if (s->servers.count > 0 && c->config->engine.store == NULL)
        config_report_at(c->report, CONFIG_REPORT_WARNING, s->line,
                         "shared with store = memory: while no server of it answers, a restart "
                         "forgets all MTA-STS policies");
}

/* Only a route that passes REQUIRETLS on can be told by a server that it does not offer it. */
static void check_probe(struct config_check *c)
{
    const struct config *config = c->config;
    bool able = false;

    config_check_sources(c, &config->probe_sources, 0, "[probe]");
    for (size_t i = 0; i < config->route_count; i++)
        able = able || config->routes[i].can_follows_mta ||
               (config->routes[i].can & VERDICT_CAN_REQUIRETLS) != 0;
    if (config->engine.probe_enable == ENGINE_PROBE_YES && !able)
        config_report_at(c->report, CONFIG_REPORT_WARNING, 0,
                         "[probe] enable = yes, but no route has requiretls in `can`: no server is "
                         "ever probed");
}

/* What an error is about that was added since there were `before`. */
static void note_doubt(struct config_check *c, unsigned before, unsigned part)
{
    if (c->report->errors > before)
        c->config->in_doubt |= part;
}

int config_check(struct config *config, struct arena *arena, struct config_report *report)
{
    struct config_check c = {.config = config, .report = report};
    unsigned before = report->errors;

    default_capabilities(config);
    resolve_routes(&c, config->defaults);
    for (size_t i = 0; i < config->rule_count; i++)
        resolve_routes(&c, &config->rules[i]);
    resolve_levels(&c);
    if (!default_tags(config, arena))
        return -ENOMEM;
    config_check_rule(&c, config->defaults);
    for (size_t i = 0; i < config->rule_count; i++)
        config_check_rule(&c, &config->rules[i]);
    check_tag(&c);
    check_route_tags(&c);
    config_check_agent_routes(&c);
    note_doubt(&c, before, CONFIG_PART_RULES);
    check_local_mailers(&c);
    check_trusted(&c);
    before = report->errors;
    check_sockets(&c);
    note_doubt(&c, before, CONFIG_PART_SOCKETS);
    check_waits(&c);
    before = report->errors;
    check_probe(&c);
    note_doubt(&c, before, CONFIG_PART_PROBE);
    before = report->errors;
    check_shared(&c);
    note_doubt(&c, before, CONFIG_PART_CACHE);
    before = report->errors;
    config_check_deliver(&c);
    note_doubt(&c, before, CONFIG_PART_DELIVER);
    config->engine.resolvers =
        config->resolvers.count > 0 ? (const char *const *)config->resolvers.items : NULL;
    config->engine.probe_sources =
        config->probe_sources.count > 0 ? (const char *const *)config->probe_sources.items : NULL;
    return report->errors > 0 ? -EINVAL : 0;
}
