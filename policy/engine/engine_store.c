/*
 * MTA-STS policies across restarts (RFC 8461 section 10.2: losing them is a downgrade that somebody
 * may provoke). A policy is stored as it was served and read again by the same parser, so that a
 * file somebody tampered with holds nothing that a policy host could not have sent.
 *
 * engine_store_open puts what the file holds in force and from then on hears of every change;
 * engine_store_step, called once a second, writes all of it again, in pieces, when the file was
 * lost; engine_store_close writes what is left.
 */
#include "engine/engine_store.h"

#include "store/store.h"
#include "sts/sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

struct engine_store {
    struct world *world;
    struct sts_cache *cache;
    struct dane_seen *dane;
    struct probe_cache *probes;
    int64_t probe_ttl_ms, probe_negative_ttl_ms;
    struct store *store;
    void (*log)(void *log_arg, int priority, const char *message);
    void *log_arg;
    bool saving;       /* all is being written again */
    int64_t cleaned_s; /* wall clock: when next-hops that are over were dropped last */
};

/* Between two times that next-hops which had DANE long ago are dropped from the file. */
enum { CLEAN_EVERY_S = 86400 };

enum {
    SAVE_BATCH = 5000,  /* policies queued in one step: some ten milliseconds */
    DANE_BATCH = 10000, /* next-hops in one change */
};

/* The patterns joined by blanks, for people who look into the file. The caller frees. */
static char *join_patterns(const struct sts_policy *policy)
{
    size_t len = 1, used = 0;
    char *text;

    for (size_t i = 0; i < policy->mx_count; i++)
        len += strlen(policy->mx[i]) + 1;
    text = malloc(len);
    if (text == NULL)
        return NULL;
    text[0] = '\0';
    for (size_t i = 0; i < policy->mx_count; i++)
        used += (size_t)sprintf(text + used, "%s%s", i ? " " : "", policy->mx[i]);
    return text;
}

static void on_saved(const struct sts_cached *entry, const char *body, size_t body_len, void *arg)
{
    struct engine_store *store = arg;
    struct world *world = store->world;
    char *mx = join_patterns(entry->policy);
    const struct store_policy policy = {
        .domain = entry->domain,
        .id = entry->id,
        .mode = entry->policy->mode,
        .max_age_s = entry->policy->max_age_s,
        .mx = mx,
        .body = body,
        .body_len = body_len,
        .fetched_at_s = entry->fetched_wall_s,
        .used_at_s =
            world->ops->wall_s(world) - (world->ops->mono_ms(world) - entry->used_ms) / 1000,
    };

    if (mx != NULL)
        store_put(store->store, &policy);
    free(mx);
}

static void on_used(const struct sts_cached *entry, void *arg)
{
    struct engine_store *store = arg;

    store_touch(store->store, entry->domain, store->world->ops->wall_s(store->world));
}

static void on_removed(const char *domain, void *arg)
{
    struct engine_store *store = arg;

    store_delete(store->store, domain);
}

/* store_load_fn */
static void on_loaded(const struct store_policy *stored, uint32_t left_s, void *arg)
{
    struct engine_store *store = arg;
    int64_t now_ms = store->world->ops->mono_ms(store->world);
    int64_t unused_s = store->world->ops->wall_s(store->world) - stored->used_at_s;
    struct sts_policy *policy;
    char err[100];

    if (sts_policy_parse(stored->body, stored->body_len, &policy, err, sizeof err) < 0) {
        store_delete(store->store, stored->domain);
        return;
    }
    if (left_s > policy->max_age_s)
        left_s = policy->max_age_s;
    if (unused_s < 0)
        unused_s = 0; /* the clock was set; then it was used now */
    sts_cache_restore(store->cache, stored->domain, stored->id, policy,
                      now_ms - (int64_t)(policy->max_age_s - left_s) * 1000, stored->fetched_at_s,
                      now_ms - unused_s * 1000, now_ms);
}

static bool on_dane_seen(uint64_t key, int64_t seen_at_s, void *arg)
{
    struct engine_store *store = arg;
    int64_t since_s = seen_at_s - store->cleaned_s;

    if (since_s < 0 || since_s >= CLEAN_EVERY_S) {
        store->cleaned_s = seen_at_s;
        /* Those for which dane_seen_counts says no. */
        store_dane_over(store->store, seen_at_s - (int64_t)DANE_SEEN_OFF_DAYS * 86400,
                        seen_at_s - (int64_t)DANE_SEEN_DAYS * 86400);
    }
    return store_dane_seen(store->store, key, seen_at_s);
}

static void on_dane_forgotten(uint64_t key, void *arg)
{
    struct engine_store *store = arg;

    store_dane_forgotten(store->store, key);
}

/* store_dane_fn */
static void on_dane_loaded(uint64_t key, int64_t seen_at_s, void *arg)
{
    struct engine_store *store = arg;
    int64_t now_s = store->world->ops->wall_s(store->world);

    if (dane_seen_counts(seen_at_s, now_s))
        dane_seen_restore(store->dane, key, seen_at_s, now_s);
}

static void on_probe_saved(const char *key, const struct probe_result *result, int64_t ends_ms,
                           void *arg)
{
    struct engine_store *store = arg;
    struct world *world = store->world;
    int64_t left_s = (ends_ms - world->ops->mono_ms(world)) / 1000;
    uint8_t record[PROBE_RESULT_RECORD_MAX];
    const struct store_probe probe = {.key = key,
                                      .record = record,
                                      .record_len = probe_result_encode(result, record),
                                      .ends_at_s = world->ops->wall_s(world) + left_s};

    store_probe_put(store->store, &probe);
}

static void on_probe_removed(const char *key, void *arg)
{
    struct engine_store *store = arg;

    store_probe_delete(store->store, key);
}

/* store_probe_fn. A result lives no longer than one that is seen now would: the clock was set, or
 * the configuration has changed. With it there may be other CA certificates, as after a reload: see
 * prober_configure. */
static bool on_probe_loaded(const struct store_probe *probe, void *arg)
{
    struct engine_store *store = arg;
    struct world *world = store->world;
    struct probe_result *result = probe_result_decode(probe->record, probe->record_len);
    int64_t left_ms = (probe->ends_at_s - world->ops->wall_s(world)) * 1000, ttl_ms;
    unsigned outcome;
    bool kept;

    if (result == NULL)
        return false;
    outcome = probe_result_probe(result)->result;
    ttl_ms = outcome == FINDINGS_PROBE_OK ? store->probe_ttl_ms : store->probe_negative_ttl_ms;
    kept = outcome != FINDINGS_PROBE_NOT_AUTHENTICATED && left_ms <= ttl_ms &&
           probe_cache_restore(store->probes, probe->key, result,
                               world->ops->mono_ms(world) + left_ms);
    probe_result_unref(result);
    return kept;
}

static void load_store(struct engine_store *store)
{
    int64_t now_s = store->world->ops->wall_s(store->world);

    store->cleaned_s = now_s;
    store_load_probes(store->store, now_s, store->probe_ttl_ms / 1000 + 1, on_probe_loaded, store);
    store_load_dane(store->store, on_dane_loaded, store);
    store_load(store->store, now_s, on_loaded, store);
    dane_seen_set_sink(store->dane, &(struct dane_seen_sink){.seen = on_dane_seen,
                                                             .forgotten = on_dane_forgotten,
                                                             .arg = store});
}

struct engine_store *engine_store_open(const struct engine_config *config, struct world *world,
                                       struct sts_cache *cache, struct dane_seen *dane,
                                       struct probe_cache *probes)
{
    const struct store_config store_config = {
        .path = config->store, .log = config->log, .log_arg = config->log_arg};
    struct engine_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->world = world;
    store->log = config->log;
    store->log_arg = config->log_arg;
    store->cache = cache;
    store->dane = dane;
    store->probes = probes;
    store->probe_ttl_ms = config->probe_ttl_ms;
    store->probe_negative_ttl_ms = config->probe_negative_ttl_ms;
    store->store = store_new(&store_config);
    if (store->store == NULL) {
        free(store);
        return NULL;
    }
    /* First: what the cache has no room for is to leave the store too. */
    sts_cache_set_sink(
        cache, &(struct sts_cache_sink){
                   .saved = on_saved, .used = on_used, .removed = on_removed, .arg = store});
    probe_cache_set_sink(probes, &(struct probe_cache_sink){.saved = on_probe_saved,
                                                            .removed = on_probe_removed,
                                                            .arg = store});
    load_store(store);
    return store;
}

struct dane_batch {
    struct engine_store *store;
    size_t count;
    struct store_dane list[DANE_BATCH];
};

static void queue_dane(struct dane_batch *batch)
{
    if (batch->count > 0)
        store_dane_list(batch->store->store, batch->list, batch->count);
    batch->count = 0;
}

/* dane_seen_fn */
static void on_dane(uint64_t key, int64_t seen_at_s, void *arg)
{
    struct dane_batch *batch = arg;

    batch->list[batch->count++] = (struct store_dane){.key = key, .seen_at_s = seen_at_s};
    if (batch->count == DANE_BATCH)
        queue_dane(batch);
}

/* All at once: the queue has room for them, and what comes later comes behind. */
static bool save_dane(struct engine_store *store)
{
    struct dane_batch *batch = malloc(sizeof(*batch));

    if (batch == NULL)
        return false;
    batch->store = store;
    batch->count = 0;
    dane_seen_each(store->dane, on_dane, batch);
    queue_dane(batch);
    free(batch);
    return true;
}

static void say_saving(const struct engine_store *store)
{
    size_t policies = sts_cache_count(store->cache), dane = dane_seen_count(store->dane);
    char line[160];

    if (store->log == NULL || policies + dane == 0)
        return;
    snprintf(line, sizeof(line),
             "the store has lost what was in it: MTA-STS policies (of %zu domains) and next-hops "
             "with DANE (%zu) are written again from memory",
             policies, dane);
    store->log(store->log_arg, LOG_NOTICE, line);
}

bool engine_store_step(struct engine_store *store)
{
    int64_t now_ms = store->world->ops->mono_ms(store->world);

    if (!store_has_room(store->store))
        return store->saving;
    if (store_take_lost(store->store)) {
        say_saving(store);
        sts_cache_save_again(store->cache);
        store->saving = save_dane(store);
    }
    for (size_t i = 0; i < SAVE_BATCH && store->saving && store_has_room(store->store); i++)
        store->saving = sts_cache_save_next(store->cache, now_ms);
    return store->saving;
}

void engine_store_health(struct engine_store *store, struct engine_health *out)
{
    out->store_failure[0] = '\0';
    if (store == NULL)
        out->store = ENGINE_STORE_OFF;
    else if (store_is_up(store->store, out->store_failure, sizeof(out->store_failure)))
        out->store = ENGINE_STORE_UP;
    else
        out->store = ENGINE_STORE_DOWN;
}

void engine_store_close(struct engine_store *store)
{
    if (store == NULL)
        return;
    store_free(store->store);
    free(store);
}
