/*
 * An observation's way: observation_new and observation_ask on the caller's thread, then answers on
 * the engine's thread (on_settled, on_findings), each told to the host, and observation_conclude,
 * which writes the line (observe_line.h) and frees it.
 */
#include "filter/observation.h"

#include "filter/observe_line.h"
#include "policy/clock.h"

#include <stdlib.h>
#include <string.h>

bool observation_look(struct engine *engine, struct candidates *candidates)
{
    bool all = true;

    for (size_t i = 0; i < candidates->count; i++) {
        struct candidate *c = &candidates->items[i];

        if (!decide_needs_findings(&c->in))
            c->known = true;
        else
            candidate_look_in_cache(c, engine);
        all = all && c->known;
    }
    return all;
}

struct observation *observation_new(const struct observation_host *host,
                                    const struct observe_args *args)
{
    const char *id = args->queue_id != NULL ? args->queue_id : "";
    const char *to = args->recipient->shown;
    struct observation *o =
        calloc(1, sizeof(*o) + strlen(id) + strlen(args->from) + strlen(to) + 3);
    char *at;

    if (o == NULL)
        return NULL;
    o->host = host;
    o->config = config_ref(args->config);
    at = o->text;
    o->queue_id = args->queue_id != NULL ? at : NULL;
    at = stpcpy(at, id) + 1;
    o->from = at;
    at = stpcpy(at, args->from) + 1;
    o->to = at;
    strcpy(at, to);
    candidates_init(&o->candidates, args->recipient, args->context);
    (void)observation_look(host->engine, &o->candidates);
    o->deadline_ms = clock_awake_ms() + o->config->milter.eom_wait_ms;
    return o;
}

/* engine_enough_fn */
static bool is_settled(const struct findings *findings, void *arg)
{
    const struct observation_question *question = arg;
    const struct observation *o = question->of;

    return candidate_verdict_of(findings, &o->candidates.items[question - o->questions].in) !=
           VERDICT_PENDING;
}

/* engine_done_fn */
static void on_settled(const struct findings *findings, void *arg)
{
    struct observation_question *question = arg;
    pthread_mutex_t *lock = question->of->host->lock;

    pthread_mutex_lock(lock);
    question->settled_by = findings != NULL ? findings_ref(findings) : NULL;
    pthread_mutex_unlock(lock);
}

/* engine_done_fn */
static void on_findings(const struct findings *findings, void *arg)
{
    struct observation_question *question = arg;
    struct observation *o = question->of;
    const struct observation_host *host = o->host;

    pthread_mutex_lock(host->lock);
    question->findings = findings != NULL ? findings_ref(findings) : NULL;
    question->answered = true;
    o->open--;
    host->on_answer(o, host->arg);
    pthread_mutex_unlock(host->lock); /* `o` may be gone by now */
}

void observation_ask(struct observation *o)
{
    const struct observation_host *host = o->host;

    for (size_t i = 0; i < o->candidates.count; i++) {
        struct candidate *c = &o->candidates.items[i];
        struct observation_question *question = &o->questions[i];

        question->of = o;
        if (c->known)
            continue;
        pthread_mutex_lock(host->lock);
        o->open++;
        pthread_mutex_unlock(host->lock);
        if (engine_lookup(host->engine, c->in.nexthop, NULL, on_findings, question,
                          &question->request) == 0) {
            if (engine_lookup(host->engine, c->in.nexthop, is_settled, on_settled, question,
                              &question->settling) != 0)
                question->settling = NULL;
            continue;
        }
        question->request = NULL;
        candidate_set_known(c, DECIDE_MISSING_ENGINE);
        pthread_mutex_lock(host->lock);
        o->open--;
        pthread_mutex_unlock(host->lock);
    }
}

bool observation_waits_for(const struct observation *o, const struct nexthop *nexthop)
{
    for (size_t i = 0; i < o->candidates.count; i++) {
        if (o->questions[i].request != NULL &&
            strcmp(o->candidates.items[i].in.nexthop->text, nexthop->text) == 0)
            return true;
    }
    return false;
}

void observation_conclude(struct observation *o, enum decide_missing why)
{
    const struct observation_host *host = o->host;

    for (size_t i = 0; i < o->candidates.count; i++) {
        struct candidate *c = &o->candidates.items[i];
        struct observation_question *question = &o->questions[i];

        /* From here on the question does not change. */
        if (question->request != NULL)
            engine_cancel(host->engine, question->request);
        if (question->settling != NULL)
            engine_cancel(host->engine, question->settling);
        if (c->known)
            continue;
        c->in.findings = question->findings != NULL ? question->findings : question->settled_by;
        candidate_set_known(c, question->answered ? DECIDE_MISSING_ENGINE : why);
    }
    observe_line_write(host->metrics, &o->candidates, o->queue_id, o->from, o->to);
    for (size_t i = 0; i < o->candidates.count; i++) {
        findings_unref(o->questions[i].findings);
        findings_unref(o->questions[i].settled_by);
    }
    candidates_release(&o->candidates);
    config_unref(o->config);
    free(o);
}
