/*
 * Which rule sets what: for each setting the first matching rule that has it, then [default], then
 * what is built in. A rule whose matchers look at facts that are not known yet is
 * neither taken nor passed over: its settings are marked undecided. Matching is in rules_match.c.
 */
#include "decide/rules.h"

#include "config/config.h"
#include "config/config_rule.h"
#include "decide/request.h"
#include "decide/rules_match.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static void take_setting(const struct config_rule *rule, enum config_setting setting,
                         struct rules_settings *out)
{
    switch (setting) {
    case CONFIG_SETTING_REQUEST:
        out->request = rule->request;
        break;
    case CONFIG_SETTING_LEVEL:
        out->level = rule->level;
        break;
    case CONFIG_SETTING_FALLBACK:
        out->fallback = rule->fallback;
        break;
    case CONFIG_SETTING_ON_UNSATISFIED:
        out->on_unsatisfied = rule->on_unsatisfied;
        break;
    case CONFIG_SETTING_ON_UNDECIDED:
        out->on_undecided = rule->on_undecided;
        break;
    case CONFIG_SETTING_MIXED:
        out->mixed = rule->mixed;
        break;
    case CONFIG_SETTING_REQUIRE_OFFER:
        out->require_offer = rule->require_offer;
        break;
    case CONFIG_SETTING_ROUTE:
        out->route = rule->route;
        break;
    case CONFIG_SETTING_OPTIONAL_ROUTE:
        out->optional_route = rule->optional_route;
        break;
    case CONFIG_SETTING_TLS_POLICY:
        out->tls_policy = rule->tls_policy;
        break;
    case CONFIG_SETTING_HELO_NAME:
        out->helo_name = rule->helo_name;
        break;
    case CONFIG_SETTING_SOURCE:
        out->source = &rule->source;
        break;
    case CONFIG_SETTING_COUNT:
        return;
    }
    out->origin[setting].rule = rule;
}

/* Takes what the rule sets and no earlier one has. */
static void take_all(const struct config_rule *rule, unsigned *open, struct rules_settings *out)
{
    for (int s = 0; s < CONFIG_SETTING_COUNT; s++)
        if (*open & rule->sets & (1u << s))
            take_setting(rule, (enum config_setting)s, out);
    *open &= ~rule->sets;
}

bool rules_is_local_mailer(const struct config *config, const char *mailer)
{
    for (size_t i = 0; mailer != NULL && i < config->milter.local_mailers.count; i++)
        if (config_mailer_matches(config->milter.local_mailers.items[i], mailer))
            return true;
    return false;
}

static bool is_own_domain(const struct config *config, const char *name)
{
    return strcasecmp(name, config->milter.mydomain) == 0 ||
           config_domain_is_below(name, config->milter.mydomain);
}

bool rules_is_own_nexthop(const struct config *config, const struct config_pattern *pattern)
{
    if (pattern->negated)
        return false;
    if (pattern->kind == CONFIG_PATTERN_DOMAIN && strcasecmp(pattern->text, "localhost") == 0)
        return true;
    return pattern->kind == CONFIG_PATTERN_NET || is_own_domain(config, pattern->text);
}

/* The last rules, equal to Postfix's default: our own domains need no proof, all others do. */
static enum verdict_level built_in_level(const struct config *config, const struct nexthop *nexthop)
{
    if (nexthop == NULL)
        return VERDICT_LEVEL_ENFORCE;
    if (nexthop->kind == NEXTHOP_LITERAL || strcasecmp(nexthop->name, "localhost") == 0 ||
        is_own_domain(config, nexthop->name))
        return VERDICT_LEVEL_OPPORTUNISTIC;
    return VERDICT_LEVEL_ENFORCE;
}

static void take_defaults(const struct config *config, const struct rules_facts *facts,
                          unsigned open, struct rules_settings *out)
{
    for (int s = 0; s < CONFIG_SETTING_COUNT; s++)
        if (open & (1u << s))
            out->origin[s].built_in = true;
    if (open & (1u << CONFIG_SETTING_LEVEL))
        out->level = built_in_level(config, facts->nexthop);
    if (open & (1u << CONFIG_SETTING_ROUTE))
        out->route = &config->routes[0];
    if (open & (1u << CONFIG_SETTING_OPTIONAL_ROUTE))
        out->optional_route = &config->routes[0];
    if (open & (1u << CONFIG_SETTING_ON_UNDECIDED))
        out->on_undecided = CONFIG_ACTION_TEMPFAIL;
    if (open & (1u << CONFIG_SETTING_HELO_NAME))
        out->helo_name = config->deliver.helo_name;
    if (open & (1u << CONFIG_SETTING_SOURCE))
        out->source = &config->deliver.source;
    /* The rest is zero, which is each setting's default. */
}

/* These settings may still be that rule's. */
static void leave_open(const struct config_rule *rule, unsigned settings,
                       struct rules_settings *out)
{
    for (int s = 0; s < CONFIG_SETTING_COUNT; s++)
        if ((settings & ~out->undecided) & (1u << s))
            out->origin[s].open = rule;
    out->undecided |= settings;
}

void rules_evaluate(const struct config *config, const struct rules_facts *facts,
                    struct rules_settings *out)
{
    unsigned open = (1u << CONFIG_SETTING_COUNT) - 1;
    bool mailer_named = false;
    struct rules_subject subject;

    rules_match_init(&subject, facts);
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        enum rules_match match;

        if ((rule->sets & open) == 0 && rule->mailer.count == 0)
            continue;
        match = rules_match(rule, &subject);
        if (match == RULES_MATCH_UNKNOWN) {
            leave_open(rule, rule->sets & open, out);
        } else if (match == RULES_MATCH_YES) {
            take_all(rule, &open, out);
            mailer_named = mailer_named || rule->mailer.count > 0;
        }
    }
    take_all(config->defaults, &open, out);
    take_defaults(config, facts, open, out);
    out->not_applicable =
        !mailer_named && !facts->agent && rules_is_local_mailer(config, facts->mailer);
}

enum config_request rules_request(const struct config *config, const struct rules_facts *facts,
                                  bool *undecided, struct rules_origin *origin)
{
    struct rules_subject subject;

    rules_match_init(&subject, facts);
    *undecided = false;
    if (origin != NULL)
        *origin = (struct rules_origin){.built_in = true};
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];
        enum rules_match match;

        if ((rule->sets & (1u << CONFIG_SETTING_REQUEST)) == 0)
            continue;
        match = rules_match(rule, &subject);
        if (match == RULES_MATCH_UNKNOWN)
            *undecided = true;
        if (match != RULES_MATCH_YES)
            continue;
        if (origin != NULL)
            *origin = (struct rules_origin){.rule = rule};
        return rule->request;
    }
    if (origin != NULL && (config->defaults->sets & (1u << CONFIG_SETTING_REQUEST)) != 0)
        *origin = (struct rules_origin){.rule = config->defaults};
    return config->defaults->request;
}

bool rules_wants_header(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_patterns *wanted = &config->rules[i].header;

        for (size_t k = 0; k < wanted->count; k++)
            if (request_is_field(name, wanted->items[k].text))
                return true;
    }
    return false;
}

bool rules_is_by_nexthop(const struct config_rule *rule)
{
    return rule->needs == 0 || (rule->needs == CONFIG_FACT_RECIPIENT &&
                                rule->recipient.count == 0 && rule->mailer.count == 0);
}

void rules_evaluate_nexthop(const struct config *config, const struct nexthop *nexthop,
                            struct rules_settings *out)
{
    const struct rules_facts facts = {.known = CONFIG_FACT_RECIPIENT, .nexthop = nexthop};
    unsigned open = (1u << CONFIG_SETTING_COUNT) - 1;
    struct rules_subject subject;

    rules_match_init(&subject, &facts);
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < config->rule_count; i++)
        if (rules_is_by_nexthop(&config->rules[i]) &&
            rules_match(&config->rules[i], &subject) == RULES_MATCH_YES)
            take_all(&config->rules[i], &open, out);
    take_all(config->defaults, &open, out);
    take_defaults(config, &facts, open, out);
}

const char *rules_nexthop_policy(const struct config *config, const struct nexthop *nexthop)
{
    const struct rules_facts facts = {.known = CONFIG_FACT_RECIPIENT, .nexthop = nexthop};
    const unsigned wanted = 1u << CONFIG_SETTING_TLS_POLICY;
    struct rules_subject subject;

    rules_match_init(&subject, &facts);
    for (size_t i = 0; i < config->rule_count; i++) {
        const struct config_rule *rule = &config->rules[i];

        if ((rule->sets & wanted) && rules_is_by_nexthop(rule) &&
            rules_match(rule, &subject) == RULES_MATCH_YES)
            return rule->tls_policy;
    }
    return config->defaults->sets & wanted ? config->defaults->tls_policy : NULL;
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
