/*
 * Findings as JSON, for the map of that name and for DUMP: socketmap_reply_json adds what is known
 * of the servers from probes, and looks at none of them.
 */
#include "serve/socketmap_conn.h"

#include "answer/findings_json.h"
#include "policy/clock.h"
#include "policy/engine_probe.h"

#include <time.h>

/* With a reference for the caller; NULL: nothing more is known than what is published. */
static const struct findings *known_probes(const struct socketmap *server,
                                           const struct findings *findings,
                                           const struct verdict_terms *terms)
{
    struct verdict_terms at_enforce = *terms;
    if (findings == NULL || server->config->engine.probe_enable == ENGINE_PROBE_NO)
        return NULL;
    at_enforce.level = VERDICT_LEVEL_ENFORCE;
    return engine_probe_cached(server->engine, findings, &at_enforce);
}

bool socketmap_reply_json(struct socketmap_conn *c, const struct socketmap_request *request,
                          const struct nexthop *nexthop, const struct rules_settings *settings,
                          const struct findings *findings)
{
    struct findings_json_terms terms;
    struct json json;
    const char *text;
    size_t len;
    findings_json_terms_from(c->server->config, settings, &terms);
    terms.mono_ms = clock_mono_ms();
    terms.wall_s = (int64_t)time(NULL);
    const struct findings *probed = known_probes(c->server, findings, &terms.verdict);
    json_init(&json, FINDINGS_JSON_MAX);
    findings_json(&json, nexthop, probed != NULL ? probed : findings, &terms);
    int error = json_finish(&json, &text, &len);
    if (error == 0)
        socketmap_reply(c, request, METRICS_OK, text, len);
    json_fini(&json);
    findings_unref(probed);
    return error == 0;
}
