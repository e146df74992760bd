/*
 * Whether a rule matches what is known of a message. Pure.
 */
#ifndef MILTER_DECIDE_RULES_MATCH_H
#define MILTER_DECIDE_RULES_MATCH_H

#include "config/config_rule.h"
#include "decide/rules.h"

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

/* --- by the listener's name, {daemon_name}, before any message has come */

/* Whether the rule is for that listener by name. */
bool rules_names_daemon(const struct config_rule *rule, const char *daemon);

/* Whether the rule may match mail of that listener, by what else is true of it. */
bool rules_may_match_daemon(const struct config_rule *rule, const char *daemon);

/* Whether the rule matches mail that this host itself sends to that listener, over the loopback
 * interface: without login, without TLS, from a client whose name nobody looked up. */
enum rules_match rules_match_returned(const struct config_rule *rule, const char *daemon);

#endif
