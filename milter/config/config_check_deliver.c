/*
 * What the keys of the delivery agent must have in common: [deliver NAME], [deliver], [tlsrpt], and
 * the routes that lead there. What cannot work is an error, what has no effect a warning.
 */
#include "config/config_check_deliver.h"

#include "config/config_rule.h"

#include <string.h>
#include <sys/stat.h>

static bool is_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Whether something else listens at the address of sockets[index]. */
static bool is_taken(const struct config *config, size_t index)
{
    const struct config_address *at = &config->deliver.sockets[index].listen;
    const struct config_socketmap *s = &config->socketmap;
    const char *milter = config->milter.socket;
    bool taken = is_same(at->text, config->metrics_listen.text) ||
                 is_same(at->path, config->deliver.tlsrpt_socket);

    if (milter != NULL && at->path != NULL)
        taken = taken || is_same(at->path, strchr(milter, ':') + 1);
    for (size_t i = 0; i < s->listen_count; i++)
        taken = taken || is_same(at->text, s->listen[i].text);
    for (size_t i = 0; i < index; i++)
        taken = taken || is_same(at->text, config->deliver.sockets[i].listen.text);
    return taken;
}

static void check_socket(struct config_check *c, size_t index)
{
    const struct config_deliver_socket *s = &c->config->deliver.sockets[index];

    if (s->listen.text == NULL)
        config_report_at(c->report, CONFIG_REPORT_ERROR, s->line, "[deliver %.100s] needs listen",
                         s->name);
    else if (is_taken(c->config, index))
        config_report_at(c->report, CONFIG_REPORT_ERROR, s->line,
                         "[deliver %.100s]: %s is given for two listeners", s->name,
                         s->listen.text);
    if (s->listen.path != NULL && (s->socket_mode & S_IWOTH) != 0)
        config_report_at(c->report, CONFIG_REPORT_WARNING, s->line,
                         "[deliver %.100s]: with socket_mode = %04o every local user can send mail "
                         "as this host does",
                         s->name, (unsigned)s->socket_mode);
    if (s->tickets &&
        (s->request != CONFIG_DELIVER_REQUIRE || s->level != -1 || s->nexthop != NULL))
        config_report_at(c->report, CONFIG_REPORT_WARNING, s->line,
                         "[deliver %.100s]: request, level and nexthop have no effect where "
                         "tickets = yes: the ticket says them",
                         s->name);
    if (!s->tickets && s->request == CONFIG_DELIVER_OPTIONAL && s->level != -1)
        config_report_at(c->report, CONFIG_REPORT_WARNING, s->line,
                         "[deliver %.100s]: level has no effect where request = optional", s->name);
}

/* The system chooses the address of a family that has none. */
void config_check_sources(struct config_check *c, const struct config_list *sources, unsigned line,
                          const char *section)
{
    unsigned ipv4 = 0, ipv6 = 0;

    for (size_t i = 0; i < sources->count; i++)
        (*(strchr(sources->items[i], ':') != NULL ? &ipv6 : &ipv4))++;
    if (ipv4 > 1 || ipv6 > 1)
        config_report_at(c->report, CONFIG_REPORT_ERROR, line,
                         "%s source takes one IPv4 and one IPv6 address at most", section);
}

static void check_limits(struct config_check *c)
{
    const struct config_deliver *d = &c->config->deliver;

    if (d->connect_timeout_ms > d->setup_timeout_ms)
        config_report_at(c->report, CONFIG_REPORT_WARNING, 0,
                         "[deliver] connect_timeout is longer than setup_timeout, which ends "
                         "before it");
}

void config_check_deliver(struct config_check *c)
{
    const struct config_deliver *d = &c->config->deliver;

    for (size_t i = 0; i < d->socket_count; i++)
        check_socket(c, i);
    config_check_sources(c, &d->source, d->source_line, "[deliver]");
    check_limits(c);
}

void config_check_agent_routes(struct config_check *c)
{
    for (size_t i = 0; i < c->config->route_count; i++) {
        const struct config_route *route = &c->config->routes[i];

        if (!route->agent)
            continue;
        if (route->method == CONFIG_METHOD_NONE)
            config_report_at(c->report, CONFIG_REPORT_ERROR, 0,
                             "[route %.100s]: agent = yes needs method = header or recipient, "
                             "which bring the message there",
                             route->name);
        else if (config_route_reinjects(route))
            config_report_at(c->report, CONFIG_REPORT_ERROR, 0,
                             "[route %.100s]: agent = yes and local = reinject: a message goes to "
                             "the agent or to another smtpd of this host, not to both",
                             route->name);
    }
}
