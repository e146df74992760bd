/*
 * The terms of a verdict: what the configuration and the settings of its rules demand, and what a
 * tls_policy that replaces the findings comes to under them. The one owner of both. Pure.
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

/*
 * The verdict where the text of a tls_policy replaces the findings: `skip` satisfies always, a text
 * that authenticates nobody does not satisfy the level enforce, and none satisfies where REQUIRETLS
 * must be passed on and the route cannot (reason VERDICT_REASON_ROUTE_NO_REQUIRETLS).
 */
void terms_policy_verdict(const char *tls_policy, const struct verdict_terms *terms,
                          struct verdict *out);

/* Whether the administrator exempts the next-hop: tls_policy = skip. NULL: there is none. */
bool terms_is_exempt(const char *tls_policy);

#endif
