/*
 * Whether a rule matches what is known of a message. Pure.
 */
#ifndef RULES_MATCH_H
#define RULES_MATCH_H

#include "config_rule.h"
#include "rules.h"

/* A name in the form of the patterns', made when the first pattern asks for it. */
struct rules_name {
    bool made;
    bool valid; /* else it matches no domain */
    char text[NEXTHOP_NAME_MAX + 1];
};

/* The facts, and what is derived from them once for all patterns. */
struct rules_subject {
    const struct rules_facts *facts;
    struct rules_name client;
    struct rules_name sender; /* the address's domain */
    struct rules_name recipient;
};

void rules_match_init(struct rules_subject *subject, const struct rules_facts *facts);

enum rules_match {
    RULES_MATCH_NO,
    RULES_MATCH_YES,
    RULES_MATCH_UNKNOWN, /* it depends on facts that are not known yet */
};

enum rules_match rules_match(const struct config_rule *rule, struct rules_subject *subject);

#endif
