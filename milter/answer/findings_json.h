/*
 * Findings, verdicts and map answers as one JSON object, the same for the tool and the JSON map.
 * The keys are documented in requiretls-query(1) and stay.
 */
#ifndef MILTER_ANSWER_FINDINGS_JSON_H
#define MILTER_ANSWER_FINDINGS_JSON_H

#include "answer/findings_json_terms.h"
#include "base/json.h"

/* Bounds one object: 32 hosts with the largest TLSA RRset a DNS message can hold. */
enum { FINDINGS_JSON_MAX = 8 * 1024 * 1024 };

/*
 * Writes the object. `findings` may be NULL where the terms replace them (tls_policy). Errors are
 * those of json_finish. Pure. Any thread.
 */
void findings_json(struct json *json, const struct nexthop *nexthop,
                   const struct findings *findings, const struct findings_json_terms *terms);

#endif
