/* The probes of one MX host in the JSON object of a next-hop: key `probe` of each `mx`. */
#ifndef MILTER_ANSWER_FINDINGS_JSON_PROBE_H
#define MILTER_ANSWER_FINDINGS_JSON_PROBE_H

#include "base/json.h"
#include "policy/findings.h"

/* Writes a list with one object for each address that was looked at; it is empty where none was.
 * Errors are those of json_finish. Pure. Any thread. */
void findings_json_probes(struct json *json, const struct findings_host *host);

#endif
