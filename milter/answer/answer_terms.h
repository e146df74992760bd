/*
 * The terms of an answer: what the configuration and its rules say of one next-hop.
 */
#ifndef MILTER_ANSWER_ANSWER_TERMS_H
#define MILTER_ANSWER_ANSWER_TERMS_H

#include "answer/answer.h"
#include "config/config.h"
#include "decide/rules.h"

/*
 * Fills in the terms for a map's answer about a next-hop, from the rules that look at nothing else;
 * `level` only where the map needs it. The strings belong to the configuration. Any thread.
 */
void answer_terms_for(const struct config *config, const struct nexthop *nexthop,
                      enum answer_map map, struct answer_terms *out);

/* All of them, from the settings that were evaluated. */
void answer_terms_from(const struct config *config, const struct rules_settings *settings,
                       struct answer_terms *out);

#endif
