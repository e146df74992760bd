/*
 * Looks up for the tool itself: an engine of its own, many names at once, nothing kept on disk.
 * ask_engine begins a name; on_findings has what it publishes, with --probe on_probed what its
 * servers do too; finish_name makes the object, and ask_next begins another name.
 */
#include "query/query.h"

#include "answer/answer_terms.h"
#include "answer/findings_json.h"
#include "policy/clock.h"
#include "policy/engine.h"
#include "policy/engine_probe.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

/* Below what the engine takes at once: more names than that wait their turn and are not refused. */
enum {
    PARALLEL = 10000,
    /* Their servers wait for a few dozen connections of the prober. */
    PARALLEL_PROBED = 50,
};

struct asked {
    struct query_local *local;
    size_t index;
    const struct findings *findings; /* while servers are probed; a reference */
};

struct query_local {
    struct config *config;
    struct query_set *set;
    struct engine *engine;
    struct asked *asked;
    bool probe;
    atomic_size_t next; /* the first name that nobody has asked for yet */
};

static void on_log(void *arg, int priority, const char *message)
{
    (void)arg;
    if (priority <= LOG_WARNING)
        fprintf(stderr, "requiretls-query: %s\n", message);
}

/* Makes the object. On the engine's thread, or the main one. */
static void finish_name(struct query_local *local, size_t index, const struct findings *findings)
{
    struct query_name *name = &local->set->names[index];
    struct findings_json_terms terms;
    struct answer_terms by_nexthop;
    struct json json;
    const char *text;
    char *copy = NULL;
    size_t len;
    findings_json_terms_from(local->config, &name->settings, &terms);
    /* The settings may be those of a message; Postfix, which asks for the level, names none. */
    answer_terms_for(local->config, &name->nexthop, ANSWER_REQUIRETLS, &by_nexthop);
    terms.answer.level = by_nexthop.level;
    terms.mono_ms = clock_mono_ms();
    terms.wall_s = (int64_t)time(NULL);
    json_init(&json, FINDINGS_JSON_MAX);
    findings_json(&json, &name->nexthop, findings, &terms);
    int error = json_finish(&json, &text, &len);
    if (error == 0)
        copy = strdup(text);
    query_set_finish(local->set, index, copy, copy != NULL ? len : 0,
                     copy != NULL && findings != NULL ? findings_ref(findings) : NULL,
                     error == -EMSGSIZE ? "too much to show" : "out of memory");
    json_fini(&json);
}

static void ask_next(struct query_local *local);

/* Without findings nothing could be looked at: what is published is shown all the same. */
static void on_probed(const struct findings *findings, void *arg)
{
    struct asked *asked = arg;
    finish_name(asked->local, asked->index, findings != NULL ? findings : asked->findings);
    findings_unref(asked->findings);
    asked->findings = NULL;
    ask_next(asked->local);
}

/* Whether on_probed will be called. */
static bool ask_probe(struct asked *asked, const struct findings *findings)
{
    const struct query_name *name = &asked->local->set->names[asked->index];
    struct findings_json_terms terms;
    findings_json_terms_from(asked->local->config, &name->settings, &terms);
    terms.verdict.level = VERDICT_LEVEL_ENFORCE;
    asked->findings = findings_ref(findings);
    if (engine_probe_now(asked->local->engine, findings, &terms.verdict, on_probed, asked, NULL) ==
        0)
        return true;
    findings_unref(asked->findings);
    asked->findings = NULL;
    return false;
}

static void on_findings(const struct findings *findings, void *arg)
{
    struct asked *asked = arg;
    if (asked->local->probe && findings != NULL && ask_probe(asked, findings))
        return;
    finish_name(asked->local, asked->index, findings);
    ask_next(asked->local);
}

/* Whether on_findings will be called for it. */
static bool ask_engine(struct query_local *local, size_t index)
{
    struct query_name *name = &local->set->names[index];
    local->asked[index] = (struct asked){.local = local, .index = index};
    if (name->settings.tls_policy != NULL && !local->probe) {
        finish_name(local, index, NULL);
        return false;
    }
    int error =
        engine_lookup(local->engine, &name->nexthop, NULL, on_findings, &local->asked[index], NULL);
    if (error < 0)
        query_set_finish(local->set, index, NULL, 0, NULL, strerror(-error));
    return error == 0;
}

/* Starts one lookup, if there is another name that takes one. */
static void ask_next(struct query_local *local)
{
    size_t index;
    while ((index = atomic_fetch_add(&local->next, 1)) < local->set->count) {
        if (ask_engine(local, index))
            return;
    }
}

int query_local_start(struct config *config, struct query_set *set, bool probe,
                      struct query_local **out, char *err, size_t err_size)
{
    struct query_local *local = calloc(1, sizeof(*local));
    struct engine_config engine = config->engine;
    if (local == NULL || (local->asked = calloc(set->count, sizeof(*local->asked))) == NULL) {
        free(local);
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    local->set = set;
    local->probe = probe;
    local->config = config_ref(config);
    /* The store is the daemon's; a look must not depend on what was kept. */
    engine.store = NULL;
    engine.prefetch = false;
    /* [probe] enable is for the daemon, which probes unasked. */
    engine.probe_enable = probe ? ENGINE_PROBE_YES : ENGINE_PROBE_NO;
    engine.log = on_log;
    int error = engine_new(&engine, &local->engine, err, err_size);
    if (error < 0) {
        query_local_stop(local);
        return error;
    }
    size_t parallel = probe ? PARALLEL_PROBED : PARALLEL;
    for (size_t i = 0; i < set->count && i < parallel; i++)
        ask_next(local);
    *out = local;
    return 0;
}

void query_local_stop(struct query_local *local)
{
    if (local == NULL)
        return;
    engine_free(local->engine);
    config_unref(local->config);
    free(local->asked);
    free(local);
}
