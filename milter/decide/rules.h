/*
 * The administrator's rules: who matches what, and which rule sets what. Pure.
 * Rules are tried in file order; for each setting the first matching rule that has it wins, then
 * [default], then what is built in.
 */
#ifndef MILTER_DECIDE_RULES_H
#define MILTER_DECIDE_RULES_H

#include "config/config_setting.h"
#include "policy/nexthop.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct config;
struct config_list;
struct config_pattern;
struct config_route;
struct config_rule;

struct rules_header {
    const char *name;
    const char *value; /* may be folded and begin with white space */
};

/* What is known of a message and one recipient. Strings are borrowed; NULL means empty or none. */
struct rules_facts {
    unsigned known;                        /* CONFIG_FACT_...: what has been seen so far */
    const struct sockaddr *client_address; /* NULL: locally submitted mail */
    const char *client_name;               /* the MTA's verified name, else NULL */
    const char *authenticated;             /* SASL login name, NULL: not authenticated */
    bool tls;
    const char *sender;    /* without brackets; "" is the null sender */
    const char *recipient; /* without brackets */
    const char *mailer;
    bool
        agent; /* the mailer leads to our own delivery agent: it is no local one (agent_socket.h) */
    const struct nexthop *nexthop;
    const char *daemon;
    const struct rules_header *headers;
    size_t header_count;
};

/* Where a value came from: the rule, or NULL with `built_in` or [default]. */
struct rules_origin {
    const struct config_rule *rule;
    bool built_in; /* neither a rule nor [default] says it */
    /* The first earlier rule that may still set it; NULL unless it is undecided. Not told by
     * rules_request. */
    const struct config_rule *open;
};

struct rules_settings {
    unsigned undecided; /* bit per enum config_setting: an earlier rule may still set it, once facts
                           are known that are not yet; the value is then that of the later rules */
    enum config_request request;
    enum verdict_level level;
    enum config_fallback fallback;
    enum config_action on_unsatisfied;
    enum config_action on_undecided;
    enum config_mixed mixed;
    enum config_offer require_offer;
    const struct config_route *route;
    const struct config_route *optional_route;
    const char *tls_policy; /* NULL: none; "skip": the next-hop is exempt */
    /* By which name and from which addresses the delivery agent sends; never NULL, and [deliver]'s
     * where nothing else sets them. Only rules set them that look at what the agent knows: sender,
     * recipient and next-hop. */
    const char *helo_name;
    const struct config_list *source;
    bool not_applicable; /* the mailer is one of local_mailers and no rule with a `mailer` matcher
                            says otherwise */
    struct rules_origin origin[CONFIG_SETTING_COUNT];
};

/*
 * Evaluates all settings for what is known. Never fails, allocates nothing. Strings and pointers in
 * the result belong to the configuration. Any thread.
 */
void rules_evaluate(const struct config *config, const struct rules_facts *facts,
                    struct rules_settings *out);

/*
 * The request that rules make: as rules_evaluate, only for `request` (which may be asked without a
 * recipient). `undecided` tells whether more facts could change it; origin may be NULL.
 */
enum config_request rules_request(const struct config *config, const struct rules_facts *facts,
                                  bool *undecided, struct rules_origin *origin);

/* Whether mail for this mailer does not leave by SMTP; NULL: unknown, which is no. */
bool rules_is_local_mailer(const struct config *config, const char *mailer);

/* Whether any rule looks at header fields of this name: others need not be kept. */
bool rules_wants_header(const struct config *config, const char *name);

/*
 * The level and tls_policy that follow from the next-hop alone: rules whose only matchers are
 * nexthop, then [default], then what is built in. For map lookups, which know no message.
 */
void rules_evaluate_nexthop(const struct config *config, const struct nexthop *nexthop,
                            struct rules_settings *out);

/* The same for tls_policy alone, which map lookups of mail need and nothing else: NULL, or the
 * text. */
const char *rules_nexthop_policy(const struct config *config, const struct nexthop *nexthop);

/* Whether the map QUERY and its like know what the rule sets: it looks at the next-hop at most. */
bool rules_is_by_nexthop(const struct config_rule *rule);

/* Whether all next-hops that the pattern fits are this host's own, or literals: their level is
 * opportunistic where neither a rule nor [default] sets one. */
bool rules_is_own_nexthop(const struct config *config, const struct config_pattern *pattern);

/* "[rule partners]", "[default]", "built in"; into out. Returns out. */
const char *rules_origin_name(const struct rules_origin *origin, char *out, size_t out_len);

#endif
