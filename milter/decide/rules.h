/*
 * The administrator's rules: who matches what, and which rule sets what. Pure.
 * Rules are tried in file order; for each setting the first matching rule that has it wins, then
 * [default], then what is built in.
 */
#ifndef RULES_H
#define RULES_H

#include "policy/nexthop.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct config;
struct config_route;
struct config_rule;

enum rules_request {
    RULES_REQUEST_NONE,
    RULES_REQUEST_REQUIRE,
    RULES_REQUEST_OPTIONAL,
    RULES_REQUEST_IGNORE
};
enum rules_fallback { RULES_FALLBACK_NONE, RULES_FALLBACK_ENCRYPT, RULES_FALLBACK_MAY };
enum rules_action {
    RULES_ACTION_REJECT,
    RULES_ACTION_TEMPFAIL,
    RULES_ACTION_QUARANTINE,
    RULES_ACTION_LOG,
};
enum rules_mixed { RULES_MIXED_REJECT, RULES_MIXED_KEEP };
/* Whether REQUIRETLS must be passed on (RFC 8689 section 4.2.1): where the route can; always;
 * never. */
enum rules_offer { RULES_OFFER_AUTO, RULES_OFFER_YES, RULES_OFFER_NO };

/* Each setting of a rule; a bit in masks. */
enum rules_setting {
    RULES_REQUEST,
    RULES_LEVEL,
    RULES_FALLBACK,
    RULES_ON_UNSATISFIED,
    RULES_ON_UNDECIDED,
    RULES_MIXED,
    RULES_REQUIRE_OFFER,
    RULES_ROUTE,
    RULES_OPTIONAL_ROUTE,
    RULES_TLS_POLICY,
    RULES_SETTING_COUNT,
};

/* What a rule may look at; a bit in masks. */
enum rules_fact {
    RULES_FACT_CLIENT = 1 << 0, /* address and name */
    RULES_FACT_AUTHENTICATED = 1 << 1,
    RULES_FACT_TLS = 1 << 2,
    RULES_FACT_SENDER = 1 << 3,
    RULES_FACT_RECIPIENT = 1 << 4, /* recipient, mailer and next-hop are known together */
    RULES_FACT_HEADER = 1 << 5,
    RULES_FACT_DAEMON = 1 << 6,
};

struct rules_header {
    const char *name;
    const char *value; /* may be folded and begin with white space */
};

/* What is known of a message and one recipient. Strings are borrowed; NULL means empty or none. */
struct rules_facts {
    unsigned known;                        /* RULES_FACT_...: what has been seen so far */
    const struct sockaddr *client_address; /* NULL: mail without SMTP */
    const char *client_name;               /* the MTA's verified name, else NULL */
    const char *authenticated;             /* SASL login name, NULL: not authenticated */
    bool tls;
    const char *sender;    /* without brackets; "" is the null sender */
    const char *recipient; /* without brackets */
    const char *mailer;
    const struct nexthop *nexthop;
    const char *daemon;
    const struct rules_header *headers;
    size_t header_count;
};

/* Where a value came from: the rule, or NULL with `built_in` or [default]. */
struct rules_origin {
    const struct config_rule *rule;
    bool built_in; /* neither a rule nor [default] says it */
};

struct rules_settings {
    unsigned undecided; /* bit per enum rules_setting: an earlier rule may still set it, once facts
                           are known that are not yet; the value is then that of the later rules */
    enum rules_request request;
    enum verdict_level level;
    enum rules_fallback fallback;
    enum rules_action on_unsatisfied;
    enum rules_action on_undecided;
    enum rules_mixed mixed;
    enum rules_offer require_offer;
    const struct config_route *route;
    const struct config_route *optional_route;
    const char *tls_policy; /* NULL: none; "skip": the next-hop is exempt */
    bool not_applicable; /* the mailer is one of local_mailers and no rule with a `mailer` matcher
                            says otherwise */
    struct rules_origin origin[RULES_SETTING_COUNT];
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
enum rules_request rules_request(const struct config *config, const struct rules_facts *facts,
                                 bool *undecided, struct rules_origin *origin);

/* Whether the mailer has that name or fits that glob, without case. sendmail's `*file*` and
 * `*include*` are names. */
bool rules_is_mailer(const char *pattern, const char *mailer);

/* Whether mail for this mailer does not leave by SMTP; NULL: unknown, which is no. */
bool rules_is_local_mailer(const struct config *config, const char *mailer);

/* Facts that any rule needs for the given setting (mask of RULES_FACT_...). */
unsigned rules_facts_needed(const struct config *config, enum rules_setting setting);

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

/* "[rule partners]", "[default]", "built in"; into out. Returns out. */
const char *rules_origin_name(const struct rules_origin *origin, char *out, size_t out_len);

#endif
