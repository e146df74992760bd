/*
 * From the configuration to the terms of an answer. A map lookup knows no message: only rules whose
 * matchers are next-hops can say anything.
 */
#include "answer/answer_terms.h"

#include "decide/terms.h"

static struct answer_terms terms_of(const struct config *config)
{
    struct answer_terms terms = {
        .level = VERDICT_LEVEL_ENFORCE,
        .tlsrpt = config->socketmap.tlsrpt,
    };

    terms_of_config(config, &terms.enforce);
    /* Whoever asks `enforce` verifies what it answers: names as well as TLSA. */
    terms.enforce.can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI;
    return terms;
}

void answer_terms_from(const struct config *config, const struct rules_settings *settings,
                       struct answer_terms *out)
{
    *out = terms_of(config);
    out->level = settings->level;
    out->tls_policy = settings->tls_policy;
}

void answer_terms_for(const struct config *config, const struct nexthop *nexthop,
                      enum answer_map map, struct answer_terms *out)
{
    struct rules_settings settings;
    if (map == ANSWER_REQUIRETLS) {
        rules_evaluate_nexthop(config, nexthop, &settings);
        answer_terms_from(config, &settings, out);
    } else {
        *out = terms_of(config);
        out->tls_policy = rules_nexthop_policy(config, nexthop);
    }
}
