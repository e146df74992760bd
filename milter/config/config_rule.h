/*
 * One rule as the parser builds it and rules.c reads it: matchers, all of which must match, and
 * settings. Parsing of matchers; matching itself is in rules.c. Belongs to the configuration.
 */
#ifndef MILTER_CONFIG_CONFIG_RULE_H
#define MILTER_CONFIG_CONFIG_RULE_H

#include "config/config.h"
#include "config/config_setting.h"
#include "config/config_value.h"
#include "policy/arena.h"
#include "policy/nexthop.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stddef.h>

enum config_pattern_kind {
    CONFIG_PATTERN_NET,     /* client, nexthop: an address or network */
    CONFIG_PATTERN_DOMAIN,  /* example.org: exactly that, A-labels in lower case */
    CONFIG_PATTERN_BELOW,   /* .example.org: any name below it; text without the dot */
    CONFIG_PATTERN_ADDRESS, /* user@example.org, compared without case */
    CONFIG_PATTERN_NULL,    /* <>: the null sender */
    CONFIG_PATTERN_LOCAL,   /* client: locally submitted mail */
    CONFIG_PATTERN_WORD,    /* mailer, daemon: without case; authenticated: with */
    CONFIG_PATTERN_HEADER,  /* `Name: glob` */
};

struct config_pattern {
    enum config_pattern_kind kind;
    bool negated;
    struct config_net net;
    const char *text; /* the domain, address, word; a header's name */
    const char *glob; /* a header's value */
};

/*
 * A list of patterns. It matches if one of them fits and none of the negated ones, wherever they
 * stand; one of negated patterns alone matches everything else.
 */
struct config_patterns {
    struct config_pattern *items;
    size_t count;
};

enum config_tristate { CONFIG_ANY, CONFIG_NO, CONFIG_YES };

struct config_rule {
    const char *name; /* NULL: [default] */
    unsigned line;
    unsigned needs; /* CONFIG_FACT_... its matchers look at */
    unsigned sets;  /* bit per enum config_setting */

    struct config_patterns client;
    enum config_tristate authenticated;
    struct config_patterns login;
    enum config_tristate tls;
    struct config_patterns sender;
    struct config_patterns recipient;
    struct config_patterns nexthop;
    struct config_patterns mailer;
    struct config_patterns header;
    struct config_patterns daemon;

    enum config_request request;
    enum verdict_level level;
    enum config_fallback fallback;
    enum config_action on_unsatisfied;
    enum config_action on_undecided;
    enum config_mixed mixed;
    enum config_offer require_offer;
    const char *route_name; /* resolved to `route` when the whole file is read */
    unsigned route_line;
    const struct config_route *route;
    const char *optional_route_name;
    unsigned optional_route_line;
    const struct config_route *optional_route;
    const char *tls_policy;
    const char *helo_name;
    struct config_list source;
};

/* Which patterns a matcher takes. */
enum config_matcher {
    CONFIG_MATCH_CLIENT,
    CONFIG_MATCH_ADDRESS, /* sender, recipient */
    CONFIG_MATCH_NEXTHOP,
    CONFIG_MATCH_WORD,
    CONFIG_MATCH_HEADER,
};

/*
 * Reads one item of a matcher's list, `!` in front negates. Returns NULL, or what would have been
 * expected; "" when out of memory.
 */
const char *config_pattern_parse(struct arena *arena, enum config_matcher matcher, const char *item,
                                 struct config_pattern *out);

/* Whether two domains in any form are the same, or `name` lies below `domain` (A-labels). */
bool config_domain_is_below(const char *name, const char *domain);

#endif
