/* An engine for tests: a table and one thread that calls back. */
#include "table_engine.h"

#include "findings/findings_make.h"
#include "findings_text.h"
#include "policy/clock.h"
#include "policy/engine_probe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES_MAX = 256 };

struct engine_request {
    struct engine_request *next;
    const struct findings *answer; /* a reference, or NULL */
    engine_enough_fn enough;
    engine_done_fn done;
    void *arg;
    bool never;
    bool called;
    bool released;
};

struct engine {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool stopping;
    bool calling;
    struct engine_request *requests;
    const struct findings *entries[ENTRIES_MAX];
    size_t entry_count;
    const struct findings *probed[ENTRIES_MAX];
    size_t probed_count;
    unsigned lookups;
    unsigned held;
};

static void *run(void *arg)
{
    struct engine *engine = arg;
    pthread_mutex_lock(&engine->lock);
    while (!engine->stopping) {
        struct engine_request *r = engine->requests;
        while (r != NULL && (r->never || r->called))
            r = r->next;
        if (r == NULL) {
            pthread_cond_wait(&engine->changed, &engine->lock);
            continue;
        }
        r->called = true;
        engine->calling = true;
        pthread_mutex_unlock(&engine->lock);
        const struct timespec moment = {.tv_nsec = 20000000};
        nanosleep(&moment, NULL);
        if (r->enough != NULL && r->answer != NULL)
            r->enough(r->answer, r->arg);
        r->done(r->answer, r->arg);
        pthread_mutex_lock(&engine->lock);
        engine->calling = false;
        pthread_cond_broadcast(&engine->changed);
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

struct engine *table_engine_new(void)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    pthread_create(&engine->thread, NULL, run, engine);
    return engine;
}

void table_engine_add(struct engine *engine, const char *spec)
{
    static struct findings_text text;
    findings_from_text(spec, &text);
    text.findings.made_at_ms = clock_mono_ms();
    pthread_mutex_lock(&engine->lock);
    if (engine->entry_count < ENTRIES_MAX)
        engine->entries[engine->entry_count++] = findings_freeze(&text.findings);
    pthread_mutex_unlock(&engine->lock);
}

void table_engine_add_probed(struct engine *engine, const char *spec)
{
    static struct findings_text text;
    findings_from_text(spec, &text);
    text.findings.made_at_ms = clock_mono_ms();
    pthread_mutex_lock(&engine->lock);
    if (engine->probed_count < ENTRIES_MAX)
        engine->probed[engine->probed_count++] = findings_freeze(&text.findings);
    pthread_mutex_unlock(&engine->lock);
}

static void request_free(struct engine *engine, struct engine_request *request)
{
    for (struct engine_request **at = &engine->requests; *at; at = &(*at)->next) {
        if (*at == request) {
            *at = request->next;
            break;
        }
    }
    findings_unref(request->answer);
    free(request);
    engine->held--;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    pthread_join(engine->thread, NULL);
    while (engine->requests != NULL)
        request_free(engine, engine->requests);
    for (size_t i = 0; i < engine->entry_count; i++)
        findings_unref(engine->entries[i]);
    for (size_t i = 0; i < engine->probed_count; i++)
        findings_unref(engine->probed[i]);
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->changed);
    free(engine);
}

static const struct findings *find(struct engine *engine, const char *text)
{
    for (size_t i = 0; i < engine->entry_count; i++) {
        if (strcmp(engine->entries[i]->nexthop.text, text) == 0)
            return findings_ref(engine->entries[i]);
    }
    return NULL;
}

const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop)
{
    if (strncmp(nexthop->name, "cached-", 7) != 0)
        return NULL;
    pthread_mutex_lock(&engine->lock);
    const struct findings *found = find(engine, nexthop->text);
    pthread_mutex_unlock(&engine->lock);
    return found;
}

/* Under terms of level enforce, as the callers must have it. */
const struct findings *engine_probe_cached(struct engine *engine, const struct findings *findings,
                                           const struct verdict_terms *terms)
{
    const struct findings *found = NULL;
    if (terms->level != VERDICT_LEVEL_ENFORCE)
        return NULL;
    pthread_mutex_lock(&engine->lock);
    for (size_t i = 0; i < engine->probed_count; i++) {
        if (strcmp(engine->probed[i]->nexthop.text, findings->nexthop.text) == 0)
            found = findings_ref(engine->probed[i]);
    }
    pthread_mutex_unlock(&engine->lock);
    return found;
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

int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out)
{
    if (strncmp(nexthop->name, "refuse-", 7) == 0)
        return -EAGAIN;
    struct engine_request *request = calloc(1, sizeof(*request));
    request->enough = enough;
    request->done = done;
    request->arg = arg;
    request->never =
        strncmp(nexthop->name, "later-", 6) != 0 && strncmp(nexthop->name, "null-", 5) != 0;
    pthread_mutex_lock(&engine->lock);
    request->answer = find(engine, nexthop->text);
    request->next = engine->requests;
    engine->requests = request;
    engine->lookups++;
    engine->held++;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    *out = request;
    return 0;
}

void engine_cancel(struct engine *engine, struct engine_request *request)
{
    pthread_mutex_lock(&engine->lock);
    request->never = true;
    while (engine->calling)
        pthread_cond_wait(&engine->changed, &engine->lock);
    request_free(engine, request);
    pthread_mutex_unlock(&engine->lock);
}

/* It frees what was released only at its end: it has no other use for it. */
void engine_release(struct engine_request *request)
{
    request->released = true;
}

int engine_purge(struct engine *engine, const struct nexthop *nexthop)
{
    pthread_mutex_lock(&engine->lock);
    const struct findings *found = find(engine, nexthop->text);
    pthread_mutex_unlock(&engine->lock);
    findings_unref(found);
    return found != NULL ? 0 : -ENOENT;
}

int engine_snapshot(struct engine *engine, const struct findings ***out, size_t *count)
{
    pthread_mutex_lock(&engine->lock);
    *out = calloc(engine->entry_count + 1, sizeof(**out));
    for (size_t i = 0; i < engine->entry_count; i++)
        (*out)[i] = findings_ref(engine->entries[i]);
    *count = engine->entry_count;
    pthread_mutex_unlock(&engine->lock);
    return 0;
}

bool engine_security_known(struct engine *engine)
{
    (void)engine;
    return true;
}

void engine_get_health(struct engine *engine, struct engine_health *out)
{
    (void)engine;
    *out = (struct engine_health){
        .security_known = true,
        .resolver_count = 3,
        .dns_waiting = 17,
        .resolvers =
            {{.address = "127.0.0.1", .trusted = true, .checked = true, .validates = true},
             {.address = "::1", .trusted = true, .checked = true, .failure = "com without AD"},
             {.address = "192.0.2.1"}},
        .store = ENGINE_STORE_DOWN,
        .store_failure = "disk full",
        .shared = ENGINE_SHARED_NOT_CONNECTED,
        .shared_server = "redis://192.0.2.7:6379/0",
        .shared_failure = "Connection refused",
    };
}

void engine_get_stats(struct engine *engine, struct engine_stats *out)
{
    *out = (struct engine_stats){
        .lookups = table_engine_lookups(engine),
        .lookup_buckets = {1, 2, 3},
        .lookup_total_ms = 1234,
        .probes_left_out = 9,
        .probes_in_flight = 2,
        .probe_results = {[FINDINGS_PROBE_OK] = 5, [FINDINGS_PROBE_NO_REQUIRETLS] = 7},
        .probe_buckets = {[4] = 11, [ENGINE_LOOKUP_BUCKETS - 1] = 1},
        .probe_total_ms = 70056,
        .probe_entries = 12,
        .probe_octets = 3456,
        .probe_rests = true,
        .shared_results = {[ENGINE_SHARED_FOUND] = 4, [ENGINE_SHARED_NOT_WRITTEN] = 8},
        .shared_rejected = {[SHARED_REJECT_MAC] = 2}};
}

unsigned table_engine_lookups(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    unsigned lookups = engine->lookups;
    pthread_mutex_unlock(&engine->lock);
    return lookups;
}

unsigned table_engine_held(struct engine *engine)
{
    unsigned held = 0;
    pthread_mutex_lock(&engine->lock);
    for (struct engine_request *r = engine->requests; r != NULL; r = r->next)
        held += !r->released;
    pthread_mutex_unlock(&engine->lock);
    return held;
}
