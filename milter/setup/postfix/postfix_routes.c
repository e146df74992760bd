/*
 * Routes: whether Postfix carries out what the configuration's [route] sections promise. Pure.
 */
#include "setup/postfix/postfix_checks.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* transport:next-hop in two. */
static void split_result(char *result, const char **transport, const char **nexthop)
{
    char *colon = strchr(result, ':');

    *transport = result;
    *nexthop = colon != NULL ? colon + 1 : "";
    if (colon != NULL)
        *colon = '\0';
}

/* The transport a route leads to; NULL after saying that it does not exist. */
static const struct postconf_service *find_transport(const struct setup_postfix *postfix,
                                                     const struct config_route *route,
                                                     const char *name, struct setup_report *report)
{
    const struct postconf_service *transport = postconf_service(&postfix->conf, name, "unix");

    if (transport != NULL)
        return transport;
    setup_add(report, SETUP_ERROR, "route-transport",
              "[route %s] leads to the transport %s, which is not in master.cf", route->name, name);
    setup_remedy(report, "add it to master.cf; %s/master.cf has one",
                 setup_postfix_snippets(postfix));
    return NULL;
}

/* Where a line of the table is to lead, for remedies. */
static const char *destination(const struct config_route *route)
{
    return config_route_reinjects(route) ? "requiretls-loop:[127.0.0.1]:PORT" : "requiretls:";
}

/* The remedy where no table, or none that works, knows routes. */
static void take_table(const struct setup_postfix *postfix, const struct postconf_service *cleanup,
                       struct setup_report *report)
{
    static const char name[] = "requiretls_routes";
    char table[400];

    setup_postfix_install(postfix, name, report);
    setup_postfix_set(postfix, cleanup, "milter_header_checks",
                      setup_postfix_table(postfix, name, table, sizeof(table)), report);
    setup_postfix_reload(postfix, report);
}

/* Where the table leads with a route; NULL after saying that it leads nowhere. `result` holds what
 * `nexthop` points into. */
static const struct postconf_service *follow_header(const struct setup_postfix *postfix,
                                                    const struct postconf_service *cleanup,
                                                    const struct config_route *route, char *result,
                                                    size_t size, const char **nexthop,
                                                    struct setup_report *report)
{
    static const char name[] = "route-header", parameter[] = "milter_header_checks";
    const char *transport, *header = postfix->config->milter.route_header;
    char field[256];

    snprintf(field, sizeof(field), "%s: %s", header, route->name);
    int found = setup_postfix_look_up(postfix, cleanup, parameter, field, result, size);
    if (found < 0) {
        setup_add(report, setup_postfix_unasked(found), name, "%s of %s cannot be asked: %s",
                  parameter, cleanup->id, result);
        setup_remedy(report, "mend the table, which cleanup needs for every message; or take that "
                             "of the sample configuration");
        take_table(postfix, cleanup, report);
        return NULL;
    }
    if (found == 0 || strncasecmp(result, "FILTER ", 7) != 0) {
        setup_add(report, SETUP_ERROR, name,
                  "%s of %s makes %s%s of `%s`: [route %s] leads nowhere", parameter, cleanup->id,
                  found == 0 ? "nothing" : "", found == 0 ? "" : result, field, route->name);
        setup_remedy(
            report,
            "the table of the sample configuration, %s/requiretls_routes, with a line /^%s: %s$/ "
            "FILTER %s",
            setup_postfix_snippets(postfix), header, route->name, destination(route));
        take_table(postfix, cleanup, report);
        return NULL;
    }
    split_result(result + 7 + strspn(result + 7, " \t"), &transport, nexthop);
    const struct postconf_service *service = find_transport(postfix, route, transport, report);
    if (service == NULL || strcmp(service->program, "error") != 0)
        return service;
    setup_add(report, SETUP_ERROR, name, "[route %s] has no line of its own in %s: %s (%s)",
              route->name, parameter,
              strcmp(transport, "retry") == 0 ? "its messages wait" : "its messages bounce",
              *nexthop);
    setup_remedy(report, "a line /^%s: %s$/ FILTER %s before the one that catches all", header,
                 route->name, destination(route));
    return NULL;
}

static void check_header_route(const struct setup_postfix *postfix,
                               const struct config_route *route, struct setup_report *report)
{
    const struct postconf_service *cleanup = NULL;
    bool seen_main_cf = false;

    while ((cleanup = setup_postfix_next(postfix, cleanup, "cleanup")) != NULL) {
        char result[512];
        const char *nexthop;
        bool main_cf = strcmp(setup_postfix_place(cleanup, "milter_header_checks"), "main.cf") == 0;

        if (main_cf && seen_main_cf)
            continue;
        seen_main_cf |= main_cf;
        const struct postconf_service *transport =
            follow_header(postfix, cleanup, route, result, sizeof(result), &nexthop, report);
        if (transport == NULL)
            continue;
        if (config_route_reinjects(route))
            setup_route_reinjection(postfix, route, transport, nexthop, report);
        else if (route->agent)
            setup_route_agent(postfix, route, transport, nexthop, report);
        else if (!setup_route_no_agent(route, transport, nexthop, report))
            setup_route_transport(postfix, route, transport, report);
    }
}

/* As trivial-rewrite(8) asks: the address, its domain, the domain's parents with a dot in front. */
static int look_up_transport(const struct setup_postfix *postfix, const char *address, char *out,
                             size_t size)
{
    static const char parameter[] = "transport_maps";
    const struct postconf_service *rewrite = postconf_service(&postfix->conf, "rewrite", "unix");
    const char *domain = strchr(address, '@') + 1;
    int found = setup_postfix_look_up(postfix, rewrite, parameter, address, out, size);

    if (found == 0)
        found = setup_postfix_look_up(postfix, rewrite, parameter, domain, out, size);
    for (const char *dot = domain; found == 0 && (dot = strchr(dot, '.')) != NULL; dot++)
        found = setup_postfix_look_up(postfix, rewrite, parameter, dot, out, size);
    return found == 0 ? setup_postfix_look_up(postfix, rewrite, parameter, "*", out, size) : found;
}

static void check_generic(const struct setup_postfix *postfix, const struct config_route *route,
                          const struct postconf_service *transport, const char *tagged,
                          const char *plain, struct setup_report *report)
{
    char result[512];
    int found = setup_postfix_look_up(postfix, transport, "smtp_generic_maps", tagged, result,
                                      sizeof(result));

    if (found < 0) {
        setup_add(report, setup_postfix_unasked(found), "route-tag",
                  "smtp_generic_maps of %s cannot be asked: %s", transport->id, result);
        setup_remedy(report, "mend the table");
    } else if (found == 0 || strcasecmp(result, plain) != 0) {
        setup_add(report, SETUP_ERROR, "route-tag",
                  "smtp_generic_maps of %s makes %s of %s: the tag of [route %s] would be seen "
                  "outside",
                  transport->id, found == 0 ? "nothing" : result, tagged, route->name);
        setup_remedy(report, "a line /^(.*)\\.%s$/ $1 in a regexp table for it", route->tag);
    }
}

static void check_recipient_route(const struct setup_postfix *postfix,
                                  const struct config_route *route, struct setup_report *report)
{
    static const char plain[] = "user@example.org", domain[] = "example.org";
    char tagged[400], result[512];
    const char *transport_name, *nexthop;

    snprintf(tagged, sizeof(tagged), "%s.%s", plain, route->tag);
    int found = look_up_transport(postfix, tagged, result, sizeof(result));
    if (found <= 0) {
        setup_add(report, found < 0 ? setup_postfix_unasked(found) : SETUP_ERROR, "route-tag",
                  found < 0 ? "transport_maps cannot be asked: %s"
                            : "transport_maps does not know %s: mail on this route would bounce",
                  found < 0 ? result : tagged);
        setup_remedy(report,
                     "a line /@(.*)\\.%s$/ requiretls:$1 in a regexp table of "
                     "transport_maps",
                     route->tag);
        return;
    }
    split_result(result, &transport_name, &nexthop);
    if (strcasecmp(nexthop, domain) != 0) {
        setup_add(report, nexthop[0] == '[' ? SETUP_OK : SETUP_ERROR, "route-tag",
                  "transport_maps sends %s to the next-hop %s", tagged,
                  nexthop[0] != '\0' ? nexthop : "of its own domain, which does not exist");
        if (nexthop[0] != '[')
            setup_remedy(report, "the result must be %s:%s, without the tag", transport_name,
                         domain);
    }
    const struct postconf_service *transport =
        find_transport(postfix, route, transport_name, report);
    if (transport == NULL)
        return;
    check_generic(postfix, route, transport, tagged, plain, report);
    setup_route_transport(postfix, route, transport, report);
}

void setup_postfix_routes(struct setup_postfix *postfix, struct setup_report *report)
{
    const struct config *config = postfix->config;

    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        size_t before = report->count;

        setup_route_requiretls(postfix, route, report);
        if (route->method == CONFIG_METHOD_NONE) {
            setup_route_native(postfix, route, report);
            continue;
        }
        if (route->method == CONFIG_METHOD_HEADER)
            check_header_route(postfix, route, report);
        else
            check_recipient_route(postfix, route, report);
        if (report->count == before)
            setup_add(report, SETUP_OK, "route", "[route %s] leads to where it can be enforced",
                      route->name);
    }
}
