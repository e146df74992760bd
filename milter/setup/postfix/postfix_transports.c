/*
 * The transports that mail takes, as local_mailers has them and as master.cf has them: what that
 * key names is neither judged nor put on a route, so it must not leave this host; what it does not
 * name is taken for SMTP, so it must be smtp(8), or lmtp(8) to another host. Looks at the
 * transports that parameters and tables name. Pure.
 */
#include "setup/postfix/postfix_checks.h"

#include "base/text.h"
#include "decide/agent_socket.h"
#include "decide/rules.h"
#include "setup/setup_edit.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char name[] = "local-mailers";

/* One transport of master.cf, and where mail goes by it. */
struct transport {
    const struct postconf_service *service;
    const struct config *config;
    bool used, away, here; /* away: to another host; here: to this one, or to no host */
    char nexthop[200];     /* one that is away, or one that is here if none is */
};

static bool has_prefix(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether a next-hop of smtp(8) or lmtp(8) is certain to be this host. */
static bool is_here(const char *nexthop)
{
    if (has_prefix(nexthop, "unix:"))
        return true;
    if (has_prefix(nexthop, "inet:"))
        nexthop += 5;
    nexthop += *nexthop == '[';
    return has_prefix(nexthop, "127.") || has_prefix(nexthop, "::1") ||
           has_prefix(nexthop, "ipv6:::1") || strcasecmp(nexthop, "localhost") == 0 ||
           has_prefix(nexthop, "localhost:") || has_prefix(nexthop, "localhost]");
}

/* Takes transport:next-hop, from a parameter or a table. */
static void take_destination(void *arg, const char *value)
{
    struct transport *transport = arg;
    size_t len = strcspn(value, ":");
    const char *nexthop = value[len] == ':' ? value + len + 1 : "";

    if (strlen(transport->service->name) != len ||
        strncmp(transport->service->name, value, len) != 0)
        return;
    /* What goes to our own agent is judged by its domain, whatever the transport is called. */
    if (agent_socket_find(transport->config, nexthop) != NULL)
        return;
    bool here = is_here(nexthop);
    if (!transport->used || (!here && !transport->away))
        snprintf(transport->nexthop, sizeof(transport->nexthop), "%s",
                 nexthop[0] != '\0' ? nexthop : "the recipient's domain");
    transport->used = true;
    transport->here |= here;
    transport->away |= !here;
}

static void find_uses(const struct setup_postfix *postfix, struct transport *transport)
{
    static const char *const words[] = {"local_transport", "virtual_transport", "relay_transport",
                                        "default_transport"};
    static const char *const maps[] = {"transport_maps", "sender_dependent_default_transport_maps"};
    const struct postconf_service *rewrite = postconf_service(&postfix->conf, "rewrite", "unix");
    char table[512];

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        take_destination(transport, postconf_get(&postfix->conf, rewrite, words[i]));
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        const char *cursor = postconf_get(&postfix->conf, rewrite, maps[i]);

        while (setup_list_next(&cursor, table, sizeof(table)))
            postfix->values(postfix->values_arg, table, take_destination,
                            transport); /* if it can be listed */
    }
}

static void check_local(const struct transport *transport, bool smtp, struct setup_report *report)
{
    const struct postconf_service *service = transport->service;

    if (smtp && (transport->away || !transport->used)) {
        setup_add(
            report, SETUP_ERROR, name,
            "local_mailers has %s, whose program is smtp(8): mail that requires TLS leaves by "
            "it, and nobody looks where to",
            service->name);
        setup_remedy(report, "take it out of local_mailers in [milter]");
    } else if (!smtp && strcmp(service->program, "lmtp") == 0 && transport->away) {
        setup_add(report, SETUP_WARNING, name,
                  "local_mailers has %s, by which mail goes to another host (%s): mail that "
                  "requires TLS is not held to it on that way",
                  service->name, transport->nexthop);
        setup_remedy(report, "take it out of local_mailers in [milter], unless that way is safe");
    }
}

static void add_mailer(const struct config *config, const char *mailer, struct setup_report *report)
{
    const struct config_list *mailers = &config->milter.local_mailers;
    char value[2000];
    struct text text;

    text_init(&text, value, sizeof(value));
    for (size_t i = 0; i < mailers->count; i++)
        text_addf(&text, "%s, ", mailers->items[i]);
    text_add(&text, mailer);
    setup_edit_key(report, "milter", "local_mailers", value);
    setup_edit_done(report, false);
}

/* What is taken for SMTP. */
static void check_other(const struct setup_postfix *postfix, const struct transport *transport,
                        struct setup_report *report)
{
    const struct postconf_service *service = transport->service;
    bool lmtp = strcmp(service->program, "lmtp") == 0;

    if (!transport->used || (lmtp && !transport->here))
        return;
    setup_add(
        report, SETUP_ERROR, name,
        "%s is no SMTP (its program is %s%s%s), but local_mailers does not have it: mail with "
        "a request is judged by its domain, and a route sends it elsewhere",
        service->name, service->program, lmtp ? ", to " : "", lmtp ? transport->nexthop : "");
    setup_remedy(report, "add %s to local_mailers", service->name);
    add_mailer(postfix->config, service->name, report);
}

/* Whether mail is given to that program, of those that Postfix has for it. */
static bool delivers(const char *program)
{
    static const char *const agents[] = {"smtp", "lmtp",  "local",  "virtual",
                                         "pipe", "error", "discard"};

    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        if (strcmp(program, agents[i]) == 0)
            return true;
    }
    return false;
}

void setup_postfix_transports(struct setup_postfix *postfix, struct setup_report *report)
{
    for (size_t i = 0; i < postfix->conf.service_count; i++) {
        struct transport transport = {.service = &postfix->conf.services[i],
                                      .config = postfix->config};
        const char *program = transport.service->program;
        bool smtp = strcmp(program, "smtp") == 0, lmtp = strcmp(program, "lmtp") == 0;
        bool local = rules_is_local_mailer(postfix->config, transport.service->name);

        if (strcmp(transport.service->type, "unix") != 0 || !delivers(program) ||
            (local ? !smtp && !lmtp : smtp))
            continue;
        find_uses(postfix, &transport);
        if (local)
            check_local(&transport, smtp, report);
        else
            check_other(postfix, &transport, report);
    }
}
