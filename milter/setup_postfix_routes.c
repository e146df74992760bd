/*
 * Routes: whether Postfix carries out what the configuration's [route] sections promise. Pure. See
 * setup_postfix.h.
 */
#include "setup_postfix.h"

#include "policy/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const enforce_map[] = {"enforce", NULL};
static const char *const query_maps[] = {
    "QUERY", "QUERYwithTLSRPT", "postfix", "opportunistic+starttls", "opportunistic", NULL};

#define POLICY_MAPS "smtp_tls_policy_maps"

/* Asks the tables of a parameter one after the other: as setup_lookup_fn. */
static int look_up(const struct setup_postfix *postfix, const struct postconf_service *service,
                   const char *parameter, const char *key, char *out, size_t size)
{
    char table[512];
    const char *cursor = postconf_get(&postfix->conf, service, parameter);

    while (setup_list_next(&cursor, table, sizeof(table))) {
        int found = postfix->lookup(postfix->lookup_arg, table, key, out, size);

        if (found != 0)
            return found;
    }
    return 0;
}

static bool asks(const struct setup_postfix *postfix, const struct postconf_service *service,
                 const char *const *maps)
{
    return setup_postfix_names_us(postfix, service, POLICY_MAPS, SETUP_SOCKETMAP, maps, NULL);
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* What a transport can enforce: VERDICT_CAN_... */
static unsigned able(const struct setup_postfix *postfix, const struct postconf_service *service)
{
    const char *level = postconf_get(&postfix->conf, service, "smtp_tls_security_level");

    if (asks(postfix, service, enforce_map))
        return VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI;
    unsigned can = asks(postfix, service, query_maps)
                       ? VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_FALLBACK
                       : 0;
    if (postconf_get(&postfix->conf, service, POLICY_MAPS)[0] != '\0')
        can |= VERDICT_CAN_STS; /* another program's policy, which is not ours to judge */
    if (is_one_of(level, "dane", "dane-only"))
        can |= VERDICT_CAN_DANE;
    if (is_one_of(level, "secure", "verify"))
        can |= VERDICT_CAN_WEB_PKI;
    if (is_one_of(level, "may", "encrypt") || strcmp(level, "dane") == 0)
        can |= VERDICT_CAN_FALLBACK;
    return can;
}

static void check_can(const struct setup_postfix *postfix, const struct config_route *route,
                      const struct postconf_service *transport, struct setup_report *report)
{
    static const struct {
        unsigned bit;
        const char *word;
        const char *remedy;
    } abilities[] = {
        {VERDICT_CAN_DANE, "dane", "smtp_tls_security_level = dane, or the map enforce"},
        {VERDICT_CAN_STS, "sts", "smtp_tls_policy_maps with the map QUERY or enforce"},
        {VERDICT_CAN_WEB_PKI, "web_pki", "smtp_tls_policy_maps with the map enforce"},
        {VERDICT_CAN_FALLBACK, "fallback", "a transport that sends without authentication, too"},
    };
    unsigned can = able(postfix, transport);

    for (size_t i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++) {
        if ((route->can & abilities[i].bit) == 0 || (can & abilities[i].bit) != 0)
            continue;
        setup_add(
            report, SETUP_ERROR, "route-can",
            "[route %s] can %s, but the transport %s cannot: what the filter accepts for that "
            "is not enforced",
            route->name, abilities[i].word, transport->id);
        setup_remedy(report, "give that transport %s; or take `%s` out of `can`",
                     abilities[i].remedy, abilities[i].word);
    }
}

/* transport:next-hop in two. */
static void split(char *result, const char **transport, const char **nexthop)
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
    setup_remedy(report, "add it to master.cf; the snippets have one");
    return NULL;
}

/* FILTER replaces content_filter: mail by this route would skip the virus scanner. */
static void check_content_filter(const struct setup_postfix *postfix,
                                 const struct config_route *route, struct setup_report *report)
{
    static const char *const programs[] = {"smtpd", "pickup"};

    for (size_t i = 0; i < 2; i++) {
        const struct postconf_service *service = NULL;

        while ((service = setup_postfix_next(postfix, service, programs[i])) != NULL) {
            const char *filter = postconf_get(&postfix->conf, service, "content_filter");

            if (filter[0] == '\0' || (i == 0 && !setup_postfix_filtered(postfix, service)))
                continue;
            setup_add(report, SETUP_ERROR, "content-filter",
                      "%s has content_filter = %s, and [route %s] works by FILTER, which replaces "
                      "it: mail on that route would not be scanned",
                      service->id, filter, route->name);
            setup_remedy(report, "ask the filter behind the scanner only, at the smtpd that takes "
                                 "the mail back (content_filter empty there); or a route of method "
                                 "recipient");
            return;
        }
    }
}

/* Whether a next-hop is on this host, where a re-injection would lead. */
static bool leads_back(const char *nexthop)
{
    return strncmp(nexthop, "[127.", 5) == 0 || strncmp(nexthop, "[::1]", 5) == 0 ||
           strncmp(nexthop, "[localhost]", 11) == 0;
}

/* Whether a service of master.cf listens at [address]:port: its name is the port, or has both. */
static bool listens_at(const struct postconf_service *service, const char *nexthop)
{
    static const struct {
        const char *name;
        const char *port;
    } known[] = {{"smtp", "25"}, {"submission", "587"}, {"smtps", "465"}, {"submissions", "465"}};
    char whole[300];
    const char *port = strrchr(nexthop, ']'), *name = service->name;

    port = port != NULL && port[1] == ':' ? port + 2 : "25";
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) == 0)
            name = known[i].port;
    }
    if (strcmp(name, port) == 0)
        return true;
    snprintf(whole, sizeof(whole), "%.*s:%s", (int)strcspn(nexthop + 1, "]"), nexthop + 1, port);
    if (strcmp(name, whole) == 0)
        return true;
    snprintf(whole, sizeof(whole), "%.*s]:%s", (int)strcspn(nexthop, "]"), nexthop, port);
    return strcmp(name, whole) == 0;
}

static const struct postconf_service *reinjection(const struct setup_postfix *postfix,
                                                  const char *nexthop)
{
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (listens_at(service, nexthop))
            return service;
    }
    return NULL;
}

static void check_reinjection(const struct setup_postfix *postfix, const struct config_route *route,
                              const char *nexthop, struct setup_report *report)
{
    static const char name[] = "route-reinjection";
    const struct postconf_service *smtpd = reinjection(postfix, nexthop);

    if (smtpd == NULL) {
        setup_add(report, SETUP_ERROR, name, "[route %s] leads to %s, where no smtpd listens",
                  route->name, nexthop);
        setup_remedy(report, "add that smtpd to master.cf, as the snippets have it");
    } else if (setup_postfix_filtered(postfix, smtpd)) {
        setup_add(report, SETUP_ERROR, name,
                  "[route %s] leads to %s, which asks the filter again: mail would go in circles",
                  route->name, smtpd->id);
        setup_remedy(report, "postconf -P '%s/smtpd_milters='", smtpd->id);
    }
}

static void check_header_route(const struct setup_postfix *postfix,
                               const struct config_route *route, struct setup_report *report)
{
    static const char parameter[] = "milter_header_checks", name[] = "route-header";
    char field[256], result[512];
    const char *transport_name, *nexthop, *header = postfix->config->milter.route_header;
    const struct postconf_service *cleanup = postconf_service(&postfix->conf, "cleanup", "unix");

    snprintf(field, sizeof(field), "%s: %s", header, route->name);
    int found = look_up(postfix, cleanup, parameter, field, result, sizeof(result));
    if (found < 0) {
        setup_add(report, SETUP_UNKNOWN, name, "milter_header_checks cannot be asked: %s", result);
        setup_remedy(report, "mend the table; cleanup needs it for every message");
        return;
    }
    if (found == 0 || strncasecmp(result, "FILTER ", 7) != 0) {
        setup_add(report, SETUP_ERROR, name,
                  "milter_header_checks makes %s%s of `%s`: [route %s] leads nowhere",
                  found == 0 ? "nothing" : "", found == 0 ? "" : result, field, route->name);
        setup_remedy(report,
                     "milter_header_checks = regexp:/etc/postfix/requiretls_route, with a "
                     "line /^%s: %s$/ FILTER requiretls:",
                     header, route->name);
        return;
    }
    split(result + 7 + strspn(result + 7, " \t"), &transport_name, &nexthop);
    const struct postconf_service *transport =
        find_transport(postfix, route, transport_name, report);
    check_content_filter(postfix, route, report);
    if (leads_back(nexthop))
        check_reinjection(postfix, route, nexthop, report);
    else if (transport != NULL)
        check_can(postfix, route, transport, report);
}

/* As trivial-rewrite(8) asks: the address, its domain, the domain's parents with a dot in front. */
static int look_up_transport(const struct setup_postfix *postfix, const char *address, char *out,
                             size_t size)
{
    static const char parameter[] = "transport_maps";
    const struct postconf_service *rewrite = postconf_service(&postfix->conf, "rewrite", "unix");
    const char *domain = strchr(address, '@') + 1;
    int found = look_up(postfix, rewrite, parameter, address, out, size);

    if (found == 0)
        found = look_up(postfix, rewrite, parameter, domain, out, size);
    for (const char *dot = domain; found == 0 && (dot = strchr(dot, '.')) != NULL; dot++)
        found = look_up(postfix, rewrite, parameter, dot, out, size);
    return found == 0 ? look_up(postfix, rewrite, parameter, "*", out, size) : found;
}

static void check_generic(const struct setup_postfix *postfix, const struct config_route *route,
                          const struct postconf_service *transport, const char *tagged,
                          const char *plain, struct setup_report *report)
{
    char result[512];
    int found = look_up(postfix, transport, "smtp_generic_maps", tagged, result, sizeof(result));

    if (found < 0) {
        setup_add(report, SETUP_UNKNOWN, "route-tag", "smtp_generic_maps of %s cannot be asked: %s",
                  transport->id, result);
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
        setup_add(report, found < 0 ? SETUP_UNKNOWN : SETUP_ERROR, "route-tag",
                  found < 0 ? "transport_maps cannot be asked: %s"
                            : "transport_maps does not know %s: mail on this route would bounce",
                  found < 0 ? result : tagged);
        setup_remedy(report,
                     "a line /@(.*)\\.%s$/ requiretls:$1 in a regexp table of "
                     "transport_maps",
                     route->tag);
        return;
    }
    split(result, &transport_name, &nexthop);
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
    check_can(postfix, route, transport, report);
}

/* The route that is used unless a rule says otherwise: Postfix's ordinary transports. */
static void check_native(const struct setup_postfix *postfix, const struct config_route *route,
                         struct setup_report *report)
{
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");

    /* What is missing in general was said already: this is about what the file asks for. */
    if (smtp != NULL && (route->can & VERDICT_CAN_WEB_PKI) != 0)
        check_can(postfix, route, smtp, report);
}

void setup_postfix_routes(struct setup_postfix *postfix, struct setup_report *report)
{
    const struct config *config = postfix->config;

    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        size_t before = report->count;

        if (route->method == CONFIG_METHOD_NONE) {
            check_native(postfix, route, report);
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
