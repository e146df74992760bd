/*
 * The terms of a verdict: what the configuration and the settings of its rules demand, and what a
 * tls_policy that replaces the findings comes to: for the verdict and, as the maps answer it, for
 * delivery. The one owner of both. Pure.
 */
#ifndef MILTER_DECIDE_TERMS_H
#define MILTER_DECIDE_TERMS_H

#include "config/config.h"
#include "decide/rules.h"
#include "policy/verdict.h"

/* What holds of every next-hop. The level is enforce; no route can anything yet. The strings belong
 * to the configuration. */
void terms_of_config(const struct config *config, struct verdict_terms *out);

/* Adds what the settings say: level, require_offer, and what their route can and demands.
 * `mta_requiretls`: the MTA enforces REQUIRETLS of the message itself, as Postfix 3.11. */
void terms_add_settings(const struct rules_settings *settings, bool mta_requiretls,
                        struct verdict_terms *terms);

/* After terms_add_settings, where the mail goes to the delivery agent though no route leads there:
 * it can all that a route with `agent = yes` can. `of_config`: from terms_of_config. */
void terms_of_agent(const struct rules_settings *settings, const struct verdict_terms *of_config,
                    struct verdict_terms *terms);

/* What is demanded at delivery where a tls_policy replaces the findings. */
enum terms_policy_demand {
    TERMS_POLICY_EXEMPT,     /* `skip`: nothing, at any level */
    TERMS_POLICY_TEXT,       /* what the text says */
    TERMS_POLICY_ENCRYPT,    /* TLS, as the text would let plaintext through */
    TERMS_POLICY_IMPOSSIBLE, /* more than the text can give: it authenticates nobody */
};

enum terms_policy_demand terms_policy_demand(const char *tls_policy, enum verdict_level level);

/*
 * The verdict where the text of a tls_policy replaces the findings: satisfied, but where the demand
 * is IMPOSSIBLE, or where REQUIRETLS must be passed on and the route cannot (reason
 * VERDICT_REASON_ROUTE_NO_REQUIRETLS); an exempt next-hop is satisfied always.
 */
void terms_policy_verdict(const char *tls_policy, const struct verdict_terms *terms,
                          struct verdict *out);

/* Whether the administrator exempts the next-hop: tls_policy = skip. NULL: there is none. */
bool terms_is_exempt(const char *tls_policy);

#endif
