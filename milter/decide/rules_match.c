/*
 * Whether a rule matches: rules_match_init takes the facts of a message, rules_match compares all
 * lists of the rule with them. A list matches if one of its patterns does and no exception; a rule
 * if each of its lists does. What is not known yet makes the result UNKNOWN. Which rule then sets
 * what is rules.c's.
 */
#include "decide/rules_match.h"
#include "base/text.h"
#include "decide/request.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

enum {
    /* Of a header's value this much is compared; keeps a hostile header from costing time. */
    HEADER_VALUE_MAX = 1000,
};

/* --- what patterns are compared with ---------------------------------------------------------- */

/* `domain` NULL: there is none. Returns NULL when it is no domain name. */
static const char *name_get(struct rules_name *name, const char *domain)
{
    if (!name->made) {
        name->made = true;
        name->valid = domain != NULL && nexthop_to_ascii(domain, name->text) == 0;
    }
    return name->valid ? name->text : NULL;
}

void rules_match_init(struct rules_subject *subject, const struct rules_facts *facts)
{
    subject->facts = facts;
    subject->client.made = subject->sender.made = subject->recipient.made = false;
}

/* --- one pattern ------------------------------------------------------------------------------ */

/* `name` as nexthop_to_ascii writes it, which is the patterns' form too; NULL matches nothing. */
static bool domain_matches(const struct config_pattern *pattern, const char *name)
{
    if (name == NULL)
        return false;
    if (pattern->kind == CONFIG_PATTERN_DOMAIN)
        return strcmp(name, pattern->text) == 0;
    return pattern->kind == CONFIG_PATTERN_BELOW && config_domain_is_below(name, pattern->text);
}

static bool client_matches(const struct config_pattern *pattern, struct rules_subject *subject)
{
    const struct rules_facts *facts = subject->facts;

    if (pattern->kind == CONFIG_PATTERN_LOCAL)
        return facts->client_address == NULL;
    if (pattern->kind == CONFIG_PATTERN_NET)
        return facts->client_address != NULL &&
               config_net_contains(&pattern->net, facts->client_address);
    return domain_matches(pattern, name_get(&subject->client, facts->client_name));
}

/* `address` without brackets; `name` is for its domain. */
static bool address_matches(const struct config_pattern *pattern, const char *address,
                            struct rules_name *name)
{
    const char *at, *domain;
    size_t local_len;

    if (pattern->kind == CONFIG_PATTERN_NULL)
        return address == NULL || address[0] == '\0';
    at = address != NULL ? strrchr(address, '@') : NULL;
    domain = name_get(name, at != NULL ? at + 1 : NULL);
    if (domain == NULL || pattern->kind != CONFIG_PATTERN_ADDRESS)
        return domain_matches(pattern, domain);
    local_len = (size_t)(at - address) + 1;
    return strncasecmp(address, pattern->text, local_len) == 0 &&
           strcmp(domain, pattern->text + local_len) == 0;
}

static bool literal_in_net(const struct config_net *net, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
        return config_net_contains(net, (struct sockaddr *)&in);
    if (inet_pton(AF_INET6, address, &in6.sin6_addr) == 1)
        return config_net_contains(net, (struct sockaddr *)&in6);
    return false;
}

static bool nexthop_matches(const struct config_pattern *pattern, const struct nexthop *nexthop)
{
    if (nexthop == NULL)
        return false;
    if (nexthop->kind == NEXTHOP_LITERAL)
        return pattern->kind == CONFIG_PATTERN_NET && literal_in_net(&pattern->net, nexthop->name);
    return domain_matches(pattern, nexthop->name);
}

/* Unfolds (RFC 5322 2.2.3), drops blanks at both ends. */
static void unfold(const char *value, char out[HEADER_VALUE_MAX + 1])
{
    size_t n = 0;

    value += strspn(value, " \t\r\n");
    for (; *value != '\0' && n < HEADER_VALUE_MAX; value++)
        if (*value != '\r' && *value != '\n')
            out[n++] = *value;
    while (n > 0 && text_is_wsp(out[n - 1]))
        n--;
    out[n] = '\0';
}

static bool header_matches(const struct config_pattern *pattern, const struct rules_facts *facts)
{
    char value[HEADER_VALUE_MAX + 1];

    for (size_t i = 0; i < facts->header_count; i++) {
        const struct rules_header *header = &facts->headers[i];

        if (!request_is_field(header->name, pattern->text))
            continue;
        unfold(header->value, value);
        if (fnmatch(pattern->glob, value, FNM_CASEFOLD) == 0)
            return true;
    }
    return false;
}

static bool word_matches(const char *word, const char *text, bool any_case)
{
    if (text == NULL)
        return false;
    return (any_case ? strcasecmp(word, text) : strcmp(word, text)) == 0;
}

/* --- one list --------------------------------------------------------------------------------- */

enum list {
    LIST_CLIENT,
    LIST_LOGIN,
    LIST_SENDER,
    LIST_RECIPIENT,
    LIST_NEXTHOP,
    LIST_MAILER,
    LIST_HEADER,
    LIST_DAEMON
};

static bool pattern_matches(enum list list, const struct config_pattern *pattern,
                            struct rules_subject *subject)
{
    const struct rules_facts *facts = subject->facts;

    switch (list) {
    case LIST_CLIENT:
        return client_matches(pattern, subject);
    case LIST_LOGIN:
        return word_matches(pattern->text, facts->authenticated, false);
    case LIST_SENDER:
        return address_matches(pattern, facts->sender, &subject->sender);
    case LIST_RECIPIENT:
        return address_matches(pattern, facts->recipient, &subject->recipient);
    case LIST_NEXTHOP:
        return nexthop_matches(pattern, facts->nexthop);
    case LIST_MAILER:
        return word_matches(pattern->text, facts->mailer, true);
    case LIST_HEADER:
        return header_matches(pattern, facts);
    case LIST_DAEMON:
        return word_matches(pattern->text, facts->daemon, true);
    }
    return false;
}

/* One pattern must fit and no exception; nothing but exceptions means everything else. */
static bool list_matches(enum list list, const struct config_patterns *patterns,
                         struct rules_subject *subject)
{
    bool only_negated = true, fits = false;

    for (size_t i = 0; i < patterns->count; i++) {
        const struct config_pattern *pattern = &patterns->items[i];

        only_negated = only_negated && pattern->negated;
        if ((fits && !pattern->negated) || !pattern_matches(list, pattern, subject))
            continue;
        if (pattern->negated)
            return false;
        fits = true;
    }
    return fits || only_negated;
}

/* --- one rule --------------------------------------------------------------------------------- */

static bool tristate_matches(enum config_tristate wanted, bool is)
{
    return wanted == CONFIG_ANY || (wanted == CONFIG_YES) == is;
}

/* A matcher whose fact is known and does not fit settles it, whatever the others would say. */
enum rules_match rules_match(const struct config_rule *rule, struct rules_subject *subject)
{
    const struct rules_facts *facts = subject->facts;
    const unsigned known = facts->known;
    const struct {
        unsigned fact;
        enum list list;
        const struct config_patterns *patterns;
    } lists[] = {
        {CONFIG_FACT_CLIENT, LIST_CLIENT, &rule->client},
        {CONFIG_FACT_AUTHENTICATED, LIST_LOGIN, &rule->login},
        {CONFIG_FACT_SENDER, LIST_SENDER, &rule->sender},
        {CONFIG_FACT_RECIPIENT, LIST_RECIPIENT, &rule->recipient},
        {CONFIG_FACT_RECIPIENT, LIST_NEXTHOP, &rule->nexthop},
        {CONFIG_FACT_RECIPIENT, LIST_MAILER, &rule->mailer},
        {CONFIG_FACT_HEADER, LIST_HEADER, &rule->header},
        {CONFIG_FACT_DAEMON, LIST_DAEMON, &rule->daemon},
    };

    if ((known & CONFIG_FACT_AUTHENTICATED) &&
        !tristate_matches(rule->authenticated, facts->authenticated != NULL))
        return RULES_MATCH_NO;
    if ((known & CONFIG_FACT_TLS) && !tristate_matches(rule->tls, facts->tls))
        return RULES_MATCH_NO;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if ((known & lists[i].fact) && !list_matches(lists[i].list, lists[i].patterns, subject))
            return RULES_MATCH_NO;
    return (rule->needs & ~known) == 0 ? RULES_MATCH_YES : RULES_MATCH_UNKNOWN;
}

/* --- one listener ----------------------------------------------------------------------------- */

bool rules_names_daemon(const struct config_rule *rule, const char *daemon)
{
    for (size_t i = 0; i < rule->daemon.count; i++)
        if (!rule->daemon.items[i].negated && strcasecmp(rule->daemon.items[i].text, daemon) == 0)
            return true;
    return false;
}

bool rules_may_match_daemon(const struct config_rule *rule, const char *daemon)
{
    const struct rules_facts facts = {.known = CONFIG_FACT_DAEMON, .daemon = daemon};
    struct rules_subject subject;

    rules_match_init(&subject, &facts);
    return rules_match(rule, &subject) != RULES_MATCH_NO;
}

enum rules_match rules_match_returned(const struct config_rule *rule, const char *daemon)
{
    const struct sockaddr_in own = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct rules_facts facts = {
        .known =
            CONFIG_FACT_CLIENT | CONFIG_FACT_AUTHENTICATED | CONFIG_FACT_TLS | CONFIG_FACT_DAEMON,
        .client_address = (const struct sockaddr *)&own,
        .daemon = daemon,
    };
    struct rules_subject subject;

    rules_match_init(&subject, &facts);
    return rules_match(rule, &subject);
}
