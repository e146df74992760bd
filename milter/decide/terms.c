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
    /* Then servers that do not offer REQUIRETLS will do as well. */
    if (settings->require_offer == CONFIG_OFFER_NO)
        terms->can &= ~(unsigned)VERDICT_CAN_REQUIRETLS;
    /* By the map QUERY the MTA goes to hosts without TLSA records as well, as `dane` has it, and
     * refuses them only if it enforces REQUIRETLS itself. */
    terms->dane_every = !mta_requiretls && !asks_enforce;
    /* Nor does that map demand anything on account of a policy in mode testing (RFC 8461 section
     * 5). */
    terms->accept_testing = terms->accept_testing && asks_enforce;
}

void terms_of_agent(const struct rules_settings *settings, const struct verdict_terms *of_config,
                    struct verdict_terms *terms)
{
    terms->can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI | VERDICT_CAN_FALLBACK |
                 VERDICT_CAN_REQUIRETLS;
    if (settings->require_offer == CONFIG_OFFER_NO)
        terms->can &= ~(unsigned)VERDICT_CAN_REQUIRETLS;
    terms->dane_every = false;
    terms->accept_testing = of_config->accept_testing;
}

bool terms_is_exempt(const char *tls_policy)
{
    return tls_policy != NULL && tls_policy_kind(tls_policy) == TLS_POLICY_SKIP;
}

enum terms_policy_demand terms_policy_demand(const char *tls_policy, enum verdict_level level)
{
    if (terms_is_exempt(tls_policy))
        return TERMS_POLICY_EXEMPT;
    switch (level) {
    case VERDICT_LEVEL_OPPORTUNISTIC:
    case VERDICT_LEVEL_DISABLE:
        return TERMS_POLICY_TEXT;
    case VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS:
        return tls_policy_kind(tls_policy) == TLS_POLICY_NONE ? TERMS_POLICY_ENCRYPT
                                                              : TERMS_POLICY_TEXT;
    case VERDICT_LEVEL_ENFORCE:
    default:
        return tls_policy_authenticates(tls_policy) ? TERMS_POLICY_TEXT : TERMS_POLICY_IMPOSSIBLE;
    }
}

void terms_policy_verdict(const char *tls_policy, const struct verdict_terms *terms,
                          struct verdict *out)
{
    enum terms_policy_demand demand = terms_policy_demand(tls_policy, terms->level);

    *out = (struct verdict){.value = VERDICT_SATISFIED, .basis = VERDICT_BASIS_LEVEL};
    if (demand != TERMS_POLICY_EXEMPT && verdict_cannot_offer(terms))
        *out = (struct verdict){.value = VERDICT_UNSATISFIED,
                                .reason = VERDICT_REASON_ROUTE_NO_REQUIRETLS};
    else if (demand == TERMS_POLICY_IMPOSSIBLE)
        *out = (struct verdict){.value = VERDICT_UNSATISFIED};
}
