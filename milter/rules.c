/*
 * Which rule sets what: see rules.h. A rule whose matchers look at facts that are not known yet is
 * neither taken nor passed over: its settings are marked undecided.
 */
#include "rules.h"

#include "config.h"
#include "config_rule.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    /* Of a header's value this much is compared; keeps a hostile header from costing time. */
    HEADER_VALUE_MAX = 1000,
};

/* --- what patterns are compared with ---------------------------------------------------------- */

/* A name in the form of the patterns', made when the first pattern asks for it. */
struct name {
    bool made;
    bool valid; /* else it matches no domain */
    char text[NEXTHOP_NAME_MAX + 1];
};

/* The facts, and what is derived from them once for all patterns. */
struct subject {
    const struct rules_facts *facts;
    struct name client;
    struct name sender; /* the address's domain */
    struct name recipient;
};

/* `domain` NULL: there is none. Returns NULL when it is no domain name. */
static const char *name_get(struct name *name, const char *domain)
{
    if (!name->made) {
        name->made = true;
        name->valid = domain != NULL && nexthop_to_ascii(domain, name->text) == 0;
    }
    return name->valid ? name->text : NULL;
}

static void subject_init(struct subject *subject, const struct rules_facts *facts)
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

static bool client_matches(const struct config_pattern *pattern, struct subject *subject)
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
                            struct name *name)
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
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t'))
        n--;
    out[n] = '\0';
}

static bool header_matches(const struct config_pattern *pattern, const struct rules_facts *facts)
{
    char value[HEADER_VALUE_MAX + 1];

    for (size_t i = 0; i < facts->header_count; i++) {
        const struct rules_header *header = &facts->headers[i];

        if (strcasecmp(header->name, pattern->text) != 0)
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
                            struct subject *subject)
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
                         struct subject *subject)
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

enum match { MATCH_NO, MATCH_YES, MATCH_UNKNOWN };

static bool tristate_matches(enum config_tristate wanted, bool is)
{
    return wanted == CONFIG_ANY || (wanted == CONFIG_YES) == is;
}

/* A matcher whose fact is known and does not fit settles it, whatever the others would say. */
static enum match rule_matches(const struct config_rule *rule, struct subject *subject)
{
    const struct rules_facts *facts = subject->facts;
    const unsigned known = facts->known;
    const struct {
        unsigned fact;
        enum list list;
        const struct config_patterns *patterns;
    } lists[] = {
        {RULES_FACT_CLIENT, LIST_CLIENT, &rule->client},
        {RULES_FACT_AUTHENTICATED, LIST_LOGIN, &rule->login},
        {RULES_FACT_SENDER, LIST_SENDER, &rule->sender},
        {RULES_FACT_RECIPIENT, LIST_RECIPIENT, &rule->recipient},
        {RULES_FACT_RECIPIENT, LIST_NEXTHOP, &rule->nexthop},
        {RULES_FACT_RECIPIENT, LIST_MAILER, &rule->mailer},
        {RULES_FACT_HEADER, LIST_HEADER, &rule->header},
        {RULES_FACT_DAEMON, LIST_DAEMON, &rule->daemon},
    };

    if ((known & RULES_FACT_AUTHENTICATED) &&
        !tristate_matches(rule->authenticated, facts->authenticated != NULL))
        return MATCH_NO;
    if ((known & RULES_FACT_TLS) && !tristate_matches(rule->tls, facts->tls))
        return MATCH_NO;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if ((known & lists[i].fact) && !list_matches(lists[i].list, lists[i].patterns, subject))
            return MATCH_NO;
    return (rule->needs & ~known) == 0 ? MATCH_YES : MATCH_UNKNOWN;
}

/* --- all rules -------------------------------------------------------------------------------- */

static void take(const struct config_rule *rule, enum rules_setting setting,
                 struct rules_settings *out)
{
    switch (setting) {
    case RULES_REQUEST:
        out->request = rule->request;
        break;
    case RULES_LEVEL:
        out->level = rule->level;
        break;
    case RULES_FALLBACK:
        out->fallback = rule->fallback;
        break;
    case RULES_ON_UNSATISFIED:
        out->on_unsatisfied = rule->on_unsatisfied;
        break;
    case RULES_ON_UNDECIDED:
        out->on_undecided = rule->on_undecided;
        break;
    case RULES_MIXED:
        out->mixed = rule->mixed;
        break;
    case RULES_ROUTE:
        out->route = rule->route;
        break;
    case RULES_OPTIONAL_ROUTE:
        out->optional_route = rule->optional_route;
        break;
    case RULES_TLS_POLICY:
        out->tls_policy = rule->tls_policy;
        break;
    case RULES_SETTING_COUNT:
        return;
    }
    out->origin[setting].rule = rule;
}

/* Takes what the rule sets and no earlier one has. */
static void take_all(const struct config_rule *rule, unsigned *open, struct rules_settings *out)
{
    for (int s = 0; s < RULES_SETTING_COUNT; s++)
        if (*open & rule->sets & (1u << s))
            take(rule, (enum rules_setting)s, out);
    *open &= ~rule->sets;
}

static bool is_local_mailer(const struct config *config, const char *mailer)
{
    for (size_t i = 0; mailer != NULL && i < config->milter.local_mailers.count; i++)
        if (strcasecmp(config->milter.local_mailers.items[i], mailer) == 0)
            return true;
    return false;
}

/* The last rules, equal to Postfix's default: our own domains need no proof, all others do. */
static enum verdict_level built_in_level(const struct config *config, const struct nexthop *nexthop)
{
    if (nexthop == NULL)
        return VERDICT_LEVEL_ENFORCE;
    if (nexthop->kind == NEXTHOP_LITERAL || strcasecmp(nexthop->name, "localhost") == 0 ||
        strcasecmp(nexthop->name, config->milter.mydomain) == 0 ||
        config_domain_is_below(nexthop->name, config->milter.mydomain))
        return VERDICT_LEVEL_OPPORTUNISTIC;
    return VERDICT_LEVEL_ENFORCE;
}

static void take_defaults(const struct config *config, const struct rules_facts *facts,
                          unsigned open, struct rules_settings *out)
{
    for (int s = 0; s < RULES_SETTING_COUNT; s++)
        if (open & (1u << s))
            out->origin[s].built_in = true;
    if (open & (1u << RULES_LEVEL))
        out->level = built_in_level(config, facts->nexthop);
    if (open & (1u << RULES_ROUTE))
        out->route = &config->routes[0];
    if (open & (1u << RULES_OPTIONAL_ROUTE))
        out->optional_route = &config->routes[0];
    if (open & (1u << RULES_ON_UNDECIDED))
        out->on_undecided = RULES_ACTION_TEMPFAIL;
    /* The rest is zero, which is each setting's default. */
}

void rules_evaluate(const struct config *config, const struct rules_facts *facts,
                    struct rules_settings *out)
{
    unsigned open = (1u << RULES_SETTING_COUNT) - 1;
    bool mailer_named = false;
    struct subject subject;

    subject_init(&subject, facts);
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        enum match match;

        if ((rule->sets & open) == 0 && rule->mailer.count == 0)
            continue;
        match = rule_matches(rule, &subject);
        if (match == MATCH_UNKNOWN) {
            out->undecided |= rule->sets & open;
        } else if (match == MATCH_YES) {
            take_all(rule, &open, out);
            mailer_named = mailer_named || rule->mailer.count > 0;
        }
    }
    take_all(config->defaults, &open, out);
    take_defaults(config, facts, open, out);
    out->not_applicable = !mailer_named && is_local_mailer(config, facts->mailer);
}

enum rules_request rules_request(const struct config *config, const struct rules_facts *facts,
                                 bool *undecided, struct rules_origin *origin)
{
    struct subject subject;

    subject_init(&subject, facts);
    *undecided = false;
    if (origin != NULL)
        *origin = (struct rules_origin){.built_in = true};
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        enum match match;

        if ((rule->sets & (1u << RULES_REQUEST)) == 0)
            continue;
        match = rule_matches(rule, &subject);
        if (match == MATCH_UNKNOWN)
            *undecided = true;
        if (match != MATCH_YES)
            continue;
        if (origin != NULL)
            *origin = (struct rules_origin){.rule = rule};
        return rule->request;
    }
    return RULES_REQUEST_NONE;
}

unsigned rules_facts_needed(const struct config *config, enum rules_setting setting)
{
    unsigned needed = 0;

    for (size_t i = 0; i < config->rule_count; i++)
        if (config->rules[i].sets & (1u << setting))
            needed |= config->rules[i].needs;
    return needed;
}

bool rules_wants_header(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_patterns *wanted = &config->rules[i].header;

        for (size_t k = 0; k < wanted->count; k++)
            if (strcasecmp(wanted->items[k].text, name) == 0)
                return true;
    }
    return false;
}

static bool only_nexthop(const struct config_rule *rule)
{
    return rule->needs == RULES_FACT_RECIPIENT && rule->recipient.count == 0 &&
           rule->mailer.count == 0;
}

void rules_evaluate_nexthop(const struct config *config, const struct nexthop *nexthop,
                            struct rules_settings *out)
{
    const struct rules_facts facts = {.known = RULES_FACT_RECIPIENT, .nexthop = nexthop};
    unsigned open = (1u << RULES_SETTING_COUNT) - 1;
    struct subject subject;

    subject_init(&subject, &facts);
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < config->rule_count; i++)
        if ((config->rules[i].needs == 0 || only_nexthop(&config->rules[i])) &&
            rule_matches(&config->rules[i], &subject) == MATCH_YES)
            take_all(&config->rules[i], &open, out);
    take_all(config->defaults, &open, out);
    take_defaults(config, &facts, open, out);
}

const char *rules_origin_name(const struct rules_origin *origin, char *out, size_t out_len)
{
    if (origin->rule == NULL)
        snprintf(out, out_len, "built in");
    else if (origin->rule->name == NULL)
        snprintf(out, out_len, "[default]");
    else
        snprintf(out, out_len, "[rule %s]", origin->rule->name);
    return out;
}
