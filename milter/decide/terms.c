/*
 * From the configuration to the terms of a verdict: terms_of_config, then terms_add_settings for
 * the rules' settings of one next-hop. The result goes to verdict_derive (policy/), or, where a
 * tls_policy replaces the findings, to terms_policy_verdict.
 */
#include "decide/terms.h"

#include "config/tls_policy.h"

#include <stddef.h>

void terms_of_config(const struct config *config, struct verdict_terms *out)
{
    *out = (struct verdict_terms){
        .level = VERDICT_LEVEL_ENFORCE,
        .web_pki = config->web_pki,
        .accept_testing = config->accept_testing,
        .my_names = (const char *const *)config->milter.my_mx_names.items,
        .my_name_count = config->milter.my_mx_names.count,
    };
}

void terms_add_settings(const struct rules_settings *settings, bool mta_requiretls,
                        struct verdict_terms *terms)
{
    const struct config_route *route = settings->route;
    bool asks_enforce = config_route_asks_enforce(route);

    terms->level = settings->level;
    terms->require_offer = settings->require_offer == CONFIG_OFFER_YES;
    terms->can = route->can;
    if (route->can_follows_mta && mta_requiretls)
        terms->can |= VERDICT_CAN_REQUIRETLS;
    /* By the map QUERY the MTA goes to hosts without TLSA records as well, as `dane` has it, and
     * refuses them only if it enforces REQUIRETLS itself. */
    terms->dane_every = !mta_requiretls && !asks_enforce;
    /* Nor does that map demand anything on account of a policy in mode testing (RFC 8461 section
     * 5). */
    terms->accept_testing = terms->accept_testing && asks_enforce;
}

bool terms_is_exempt(const char *tls_policy)
{
    return tls_policy != NULL && tls_policy_kind(tls_policy) == TLS_POLICY_SKIP;
}

void terms_policy_verdict(const char *tls_policy, const struct verdict_terms *terms,
                          struct verdict *out)
{
    *out = (struct verdict){.value = VERDICT_SATISFIED, .basis = VERDICT_BASIS_LEVEL};
    if (terms_is_exempt(tls_policy))
        return;
    if (verdict_cannot_offer(terms))
        *out = (struct verdict){.value = VERDICT_UNSATISFIED,
                                .reason = VERDICT_REASON_ROUTE_NO_REQUIRETLS};
    else if (terms->level == VERDICT_LEVEL_ENFORCE &&
             tls_policy_kind(tls_policy) != TLS_POLICY_AUTHENTICATES)
        *out = (struct verdict){.value = VERDICT_UNSATISFIED};
}
