/*
 * The answers are written down by the fake_engine_ functions, before or between lookups. A lookup
 * waits in a list until its answer may be given; the engine's thread then calls back. engine_cached
 * has what was written down for it.
 */
#include "fake_engine.h"

#include "findings/findings_make.h"
#include "findings_text.h"
#include "policy/requirement.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWERS_MAX = 64, SERVERS_MAX = 8 };

struct answer {
    char nexthop[NEXTHOP_TEXT_MAX + 1];
    const struct findings *findings;
    const struct findings *draft; /* while it is held, for those who say what is enough */
    bool cached, held, broken;
};

struct server {
    const char *host;
    const char *letters;
    bool known;
};

struct engine_request {
    const struct findings *probed; /* of a probe: what is to be probed, a reference */
    struct verdict_terms terms;    /* likewise */
    struct nexthop nexthop;
    engine_enough_fn enough;
    engine_done_fn done;
    void *arg;
    bool running;
    bool drafted; /* it was shown the draft */
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
    struct server servers[SERVERS_MAX];
    size_t server_count;
    unsigned lookups, probes;
    bool broken, stop;
    bool probes_held, probes_broken;
};

static struct answer *find(const struct engine *engine, const char *nexthop)
{
    for (size_t i = 0; i < engine->answer_count; i++) {
        if (strcmp(engine->answers[i].nexthop, nexthop) == 0)
            return (struct answer *)(uintptr_t)&engine->answers[i];
    }
    return NULL;
}

/* Whether a request is to be called back now, and with what. Next-hops nobody wrote down stay
 * unanswered; a probe is answered by answer_probe(). */
static bool is_due(const struct engine *engine, const struct engine_request *r,
                   const struct findings **findings)
{
    const struct answer *a = find(engine, r->nexthop.text);

    *findings = NULL;
    if (r->ended || r->running)
        return false;
    if (r->probed != NULL)
        return !engine->probes_held || engine->stop;
    if (engine->stop || (a != NULL && a->broken))
        return true;
    if (a != NULL && !a->held) {
        *findings = a->findings;
        return true;
    }
    if (a == NULL || a->draft == NULL || r->enough == NULL || r->drafted)
        return false;
    *findings = a->draft;
    return true;
}

static struct engine_request *ready(struct engine *engine, const struct findings **findings)
{
    for (struct engine_request *r = engine->requests; r != NULL; r = r->next) {
        if (is_due(engine, r, findings)) {
            const struct answer *a = find(engine, r->nexthop.text);

            r->drafted = a != NULL && *findings == a->draft;
            return r;
        }
    }
    return NULL;
}

/* Whether these are complete findings, no draft. */
static bool is_final(struct engine *engine, const struct findings *findings)
{
    bool draft = false;

    pthread_mutex_lock(&engine->lock);
    for (size_t i = 0; i < engine->answer_count; i++)
        draft |= engine->answers[i].draft == findings;
    pthread_mutex_unlock(&engine->lock);
    return !draft;
}

static const struct server *server_of(const struct engine *engine, const char *host)
{
    for (size_t i = 0; i < engine->server_count; i++) {
        if (strcmp(engine->servers[i].host, host) == 0)
            return &engine->servers[i];
    }
    return NULL;
}

/* With probes of the servers that were written down; known_only: NULL unless all are known. As the
 * engine does, none of hosts that are not certain yet. */
static const struct findings *probe(const struct engine *engine, const struct findings *findings,
                                    const struct verdict_terms *terms, bool known_only)
{
    struct requirement requirement;
    struct findings_probe probes[FINDINGS_MAX_HOSTS][8];
    const struct findings_probe *of_host[FINDINGS_MAX_HOSTS];
    uint8_t counts[FINDINGS_MAX_HOSTS] = {0};

    requirement_derive(findings, terms, terms->level, &requirement);
    if (requirement.kind == REQUIREMENT_PENDING)
        return findings_ref(findings);
    for (size_t i = 0; i < findings->host_count; i++) {
        const struct server *server = server_of(engine, findings->hosts[i].name);

        of_host[i] = probes[i];
        if (server != NULL && (server->known || !known_only))
            counts[i] = findings_text_probes(server->letters, probes[i]);
        else if (known_only)
            return NULL;
    }
    return findings->host_count > 0 ? findings_with_probes(findings, of_host, counts)
                                    : findings_ref(findings);
}

/* The answer to a probe, for the thread of the engine. */
static void answer_probe(struct engine *engine, struct engine_request *request)
{
    const struct findings *findings = engine->stop || engine->probes_broken
                                          ? NULL
                                          : probe(engine, request->probed, &request->terms, false);

    request->done(findings, request->arg);
    findings_unref(findings);
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
        bool enough = findings == NULL || request->enough == NULL ||
                      request->enough(findings, request->arg) || is_final(engine, findings);

        if (request->probed != NULL)
            answer_probe(engine, request);
        else if (enough)
            request->done(findings, request->arg);
        pthread_mutex_lock(&engine->lock);
        request->running = false;
        request->ended = enough;
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
    for (size_t i = 0; i < engine->answer_count; i++) {
        findings_unref(engine->answers[i].findings);
        findings_unref(engine->answers[i].draft);
    }
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

void fake_engine_draft(struct engine *engine, const char *spec)
{
    static struct findings_text text;

    findings_from_text(spec, &text);
    pthread_mutex_lock(&engine->lock);
    find(engine, text.findings.nexthop.text)->draft = findings_freeze(&text.findings);
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

void fake_engine_release(struct engine *engine, const char *nexthop)
{
    pthread_mutex_lock(&engine->lock);
    find(engine, nexthop)->held = false;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

/* With the lock held. */
static bool is_busy(const struct engine *engine)
{
    const struct findings *findings;

    for (const struct engine_request *r = engine->requests; r != NULL; r = r->next) {
        if (r->running || is_due(engine, r, &findings))
            return true;
    }
    return false;
}

void fake_engine_settle(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    while (is_busy(engine))
        pthread_cond_wait(&engine->changed, &engine->lock);
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

void fake_engine_server(struct engine *engine, const char *host, const char *letters, bool known)
{
    pthread_mutex_lock(&engine->lock);
    engine->servers[engine->server_count++] = (struct server){host, letters, known};
    pthread_mutex_unlock(&engine->lock);
}

void fake_engine_hold_probes(struct engine *engine, bool hold)
{
    pthread_mutex_lock(&engine->lock);
    engine->probes_held = hold;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

void fake_engine_break_probes(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->probes_broken = true;
    pthread_mutex_unlock(&engine->lock);
}

unsigned fake_engine_probes(struct engine *engine)
{
    unsigned count;

    pthread_mutex_lock(&engine->lock);
    count = engine->probes;
    pthread_mutex_unlock(&engine->lock);
    return count;
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

static void add_request(struct engine *engine, struct engine_request *request,
                        struct engine_request **out)
{
    pthread_mutex_lock(&engine->lock);
    engine->lookups += request->probed == NULL;
    engine->probes += request->probed != NULL;
    request->next = engine->requests;
    engine->requests = request;
    *out = request;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
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
    add_request(engine, request, out);
    return 0;
}

int engine_probe(struct engine *engine, const struct findings *findings,
                 const struct verdict_terms *terms, engine_done_fn done, void *arg,
                 struct engine_request **out)
{
    struct engine_request *request;

    if (engine->broken)
        return -ENOMEM;
    request = calloc(1, sizeof(*request));
    request->terms = *terms;
    request->probed = findings_ref(findings);
    request->done = done;
    request->arg = arg;
    add_request(engine, request, out);
    return 0;
}

const struct findings *engine_probe_cached(struct engine *engine, const struct findings *findings,
                                           const struct verdict_terms *terms)
{
    const struct findings *known;

    pthread_mutex_lock(&engine->lock);
    known = probe(engine, findings, terms, true);
    pthread_mutex_unlock(&engine->lock);
    return known;
}

unsigned engine_probe_configured(struct engine *engine)
{
    (void)engine;
    return 0;
}

void engine_probe_note(struct engine *engine, struct smtp_transport *transport,
                       const struct engine_probe_peer *peer, unsigned configured)
{
    (void)engine;
    (void)transport;
    (void)peer;
    (void)configured;
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
    findings_unref(request->probed);
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
