/*
 * What the JSON object of a next-hop says beside the findings: what they come to at each level with
 * the reason, and their age. findings_json.c writes it for programs, query_text.c for people. Pure.
 */
#ifndef MILTER_ANSWER_FINDINGS_JSON_TERMS_H
#define MILTER_ANSWER_FINDINGS_JSON_TERMS_H

#include "answer/answer.h"
#include "config/config.h"
#include "decide/rules.h"

struct findings_json_terms {
    struct answer_terms answer;
    struct verdict_terms verdict; /* of the route; the level is filled in for each of the four */
    int64_t mono_ms;              /* now, by the engine's clock: for age and ttl */
    int64_t wall_s;               /* now: for the age of the STS policy */
};

/* From the configuration and the settings that its rules give. The clocks are the caller's. */
void findings_json_terms_from(const struct config *config, const struct rules_settings *settings,
                              struct findings_json_terms *out);

/*
 * The verdict at a level with its reason, a tls_policy that replaces the findings included.
 * `findings` may be NULL: the verdict is then what is certain without them. Any thread.
 */
void findings_json_verdict(const struct nexthop *nexthop, const struct findings *findings,
                           const struct findings_json_terms *terms, enum verdict_level level,
                           struct verdict *verdict, char *reason, size_t reason_size);

/* Seconds since the findings were made, and what is left of their life. */
int64_t findings_json_age_s(const struct findings *findings,
                            const struct findings_json_terms *terms);
int64_t findings_json_ttl_s(const struct findings *findings,
                            const struct findings_json_terms *terms);

#endif
