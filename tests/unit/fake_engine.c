/* See fake_engine.h. */
#include "fake_engine.h"

#include "findings/findings_make.h"
#include "findings_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWERS_MAX = 64 };

struct answer {
    char nexthop[NEXTHOP_TEXT_MAX + 1];
    const struct findings *findings;
    bool cached, held, broken;
};

struct engine_request {
    struct nexthop nexthop;
    engine_enough_fn enough;
    engine_done_fn done;
    void *arg;
    bool running;
    bool ended;
    struct engine_request *next;
};

struct engine {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct answer answers[ANSWERS_MAX];
    size_t answer_count;
    struct engine_request *requests;
    unsigned lookups;
    bool broken, stop;
};

static struct answer *find(struct engine *engine, const char *nexthop)
{
    for (size_t i = 0; i < engine->answer_count; i++) {
        if (strcmp(engine->answers[i].nexthop, nexthop) == 0)
            return &engine->answers[i];
    }
    return NULL;
}

/* The next request to be called back now, or NULL. Next-hops nobody wrote down stay unanswered. */
static struct engine_request *ready(struct engine *engine, const struct findings **findings)
{
    for (struct engine_request *r = engine->requests; r != NULL; r = r->next) {
        const struct answer *a = find(engine, r->nexthop.text);

        if (r->ended || r->running)
            continue;
        if (engine->stop || (a != NULL && a->broken)) {
            *findings = NULL;
            return r;
        }
        if (a != NULL && !a->held) {
            *findings = a->findings;
            return r;
        }
    }
    return NULL;
}

static void *run(void *arg)
{
    struct engine *engine = arg;
    struct engine_request *request;
    const struct findings *findings;

    pthread_mutex_lock(&engine->lock);
    for (;;) {
        while ((request = ready(engine, &findings)) == NULL) {
            if (engine->stop) {
                pthread_mutex_unlock(&engine->lock);
                return NULL;
            }
            pthread_cond_wait(&engine->changed, &engine->lock);
        }
        request->running = true;
        pthread_mutex_unlock(&engine->lock);
        if (findings != NULL && request->enough != NULL)
            request->enough(findings, request->arg);
        request->done(findings, request->arg);
        pthread_mutex_lock(&engine->lock);
        request->running = false;
        request->ended = true;
        pthread_cond_broadcast(&engine->changed);
    }
}

struct engine *fake_engine_new(void)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    pthread_create(&engine->thread, NULL, run, engine);
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    pthread_mutex_lock(&engine->lock);
    engine->stop = true;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    pthread_join(engine->thread, NULL);
    for (size_t i = 0; i < engine->answer_count; i++)
        findings_unref(engine->answers[i].findings);
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

static struct answer *add(struct engine *engine, const char *nexthop)
{
    struct answer *a = &engine->answers[engine->answer_count++];

    memset(a, 0, sizeof(*a));
    strncpy(a->nexthop, nexthop, sizeof(a->nexthop) - 1);
    return a;
}

static void write_down(struct engine *engine, const char *spec, bool cached, bool held)
{
    static struct findings_text text; /* large; tests prepare on one thread */
    struct answer *a;

    findings_from_text(spec, &text);
    text.findings.summary = (uint8_t)findings_summarise(&text.findings);
    pthread_mutex_lock(&engine->lock);
    a = add(engine, text.findings.nexthop.text);
    a->findings = findings_freeze(&text.findings);
    a->cached = cached;
    a->held = held;
    pthread_mutex_unlock(&engine->lock);
}

void fake_engine_cache(struct engine *engine, const char *spec)
{
    write_down(engine, spec, true, false);
}

void fake_engine_answer(struct engine *engine, const char *spec)
{
    write_down(engine, spec, false, false);
}

void fake_engine_hold(struct engine *engine, const char *spec)
{
    write_down(engine, spec, false, true);
}

void fake_engine_release(struct engine *engine, const char *nexthop)
{
    pthread_mutex_lock(&engine->lock);
    find(engine, nexthop)->held = false;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

void fake_engine_break(struct engine *engine, const char *nexthop)
{
    pthread_mutex_lock(&engine->lock);
    if (strcmp(nexthop, "*") == 0)
        engine->broken = true;
    else
        add(engine, nexthop)->broken = true;
    pthread_mutex_unlock(&engine->lock);
}

unsigned fake_engine_lookups(struct engine *engine)
{
    unsigned count;

    pthread_mutex_lock(&engine->lock);
    count = engine->lookups;
    pthread_mutex_unlock(&engine->lock);
    return count;
}

unsigned fake_engine_outstanding(struct engine *engine)
{
    unsigned count = 0;

    pthread_mutex_lock(&engine->lock);
    for (struct engine_request *r = engine->requests; r != NULL; r = r->next)
        count += !r->ended;
    pthread_mutex_unlock(&engine->lock);
    return count;
}

int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out)
{
    struct engine_request *request;

    if (engine->broken)
        return -ENOMEM;
    request = calloc(1, sizeof(*request));
    request->nexthop = *nexthop;
    request->enough = enough;
    request->done = done;
    request->arg = arg;
    pthread_mutex_lock(&engine->lock);
    engine->lookups++;
    request->next = engine->requests;
    engine->requests = request;
    *out = request;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    return 0;
}

void engine_cancel(struct engine *engine, struct engine_request *request)
{
    struct engine_request **link;

    pthread_mutex_lock(&engine->lock);
    while (request->running)
        pthread_cond_wait(&engine->changed, &engine->lock);
    for (link = &engine->requests; *link != request; link = &(*link)->next)
        ;
    *link = request->next;
    pthread_mutex_unlock(&engine->lock);
    free(request);
}

const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop)
{
    const struct findings *findings = NULL;
    const struct answer *a;

    pthread_mutex_lock(&engine->lock);
    a = find(engine, nexthop->text);
    if (a != NULL && a->cached)
        findings = findings_ref(a->findings);
    pthread_mutex_unlock(&engine->lock);
    return findings;
}
