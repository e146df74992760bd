/*
 * The results that are kept, by their key as text, in a table that knows which was used least
 * recently (lru.h). probe_cache_get looks under the demand and under all demands, and takes the one
 * that was put in later; probe_cache_put removes what a result for one demand disproves of all.
 */
#include "probe/probe_cache.h"

#include "base/lru.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char all_demands[] = "*";

struct entry {
    struct lru_entry lru;
    struct probe_result *result;
    int64_t ends_ms;
    uint64_t number; /* in the order in which they were put in */
    char key[];
};

struct probe_cache {
    struct lru lru;
    size_t max_octets;
    uint64_t number;
    struct probe_cache_sink sink;
};

int probe_cache_new(size_t max_octets, struct probe_cache **out)
{
    struct probe_cache *cache = calloc(1, sizeof(*cache));
    int error;

    if (cache == NULL)
        return -ENOMEM;
    error = lru_init(&cache->lru);
    if (error < 0) {
        free(cache);
        return error;
    }
    cache->max_octets = max_octets;
    *out = cache;
    return 0;
}

static struct entry *entry_of(struct lru_entry *lru)
{
    return lru != NULL ? list_entry(lru, struct entry, lru) : NULL;
}

static size_t octets_of(const struct entry *entry)
{
    return sizeof(*entry) + strlen(entry->key) + 1 + probe_result_octets(entry->result) +
           2 * LRU_BLOCK_HEAD + sizeof(void *);
}

/* With the lock held, as all below that have no lock of their own. */
static void entry_drop(struct probe_cache *cache, struct entry *entry)
{
    lru_remove(&cache->lru, &entry->lru, octets_of(entry));
    probe_result_unref(entry->result);
    free(entry);
}

static void entry_forget(struct probe_cache *cache, struct entry *entry)
{
    if (cache->sink.removed != NULL)
        cache->sink.removed(entry->key, cache->sink.arg);
    entry_drop(cache, entry);
}

void probe_cache_free(struct probe_cache *cache)
{
    struct entry *entry;

    if (cache == NULL)
        return;
    while ((entry = entry_of(lru_first(&cache->lru))) != NULL)
        entry_drop(cache, entry);
    lru_fini(&cache->lru);
    free(cache);
}

void probe_cache_set_sink(struct probe_cache *cache, const struct probe_cache_sink *sink)
{
    cache->sink = *sink;
}

void probe_cache_key_text(const struct probe_cache_key *key, const char *demand,
                          char out[PROBE_CACHE_KEY_MAX + 1])
{
    snprintf(out, PROBE_CACHE_KEY_MAX + 1, "%s %s %s", key->host, key->endpoint,
             demand != NULL ? demand : all_demands);
}

static struct entry *find_entry(const struct probe_cache *cache, const char *key)
{
    return entry_of(lru_find(&cache->lru, key));
}

static struct entry *find_live(const struct probe_cache *cache, const struct probe_cache_key *key,
                               const char *demand, int64_t now_ms)
{
    char text[PROBE_CACHE_KEY_MAX + 1];
    struct entry *entry;

    probe_cache_key_text(key, demand, text);
    entry = find_entry(cache, text);
    return entry != NULL && entry->ends_ms > now_ms ? entry : NULL;
}

struct probe_result *probe_cache_get(struct probe_cache *cache, const struct probe_cache_key *key,
                                     int64_t now_ms)
{
    struct probe_result *result = NULL;
    struct entry *entry, *all;

    pthread_mutex_lock(&cache->lru.lock);
    entry = key->demand[0] != '\0' ? find_live(cache, key, key->demand, now_ms) : NULL;
    all = find_live(cache, key, NULL, now_ms);
    if (entry == NULL || (all != NULL && all->number > entry->number))
        entry = all;
    if (entry != NULL) {
        result = probe_result_ref(entry->result);
        lru_use(&cache->lru, &entry->lru);
    }
    pthread_mutex_unlock(&cache->lru.lock);
    return result;
}

static struct entry *entry_add(struct probe_cache *cache, const char *key,
                               struct probe_result *result, int64_t ends_ms)
{
    struct entry *old = find_entry(cache, key), *entry;
    size_t len = strlen(key) + 1;

    if (old != NULL)
        entry_drop(cache, old);
    entry = calloc(1, sizeof(*entry) + len);
    if (entry == NULL)
        return NULL;
    memcpy(entry->key, key, len);
    entry->result = probe_result_ref(result);
    entry->ends_ms = ends_ms;
    entry->number = ++cache->number;
    lru_add(&cache->lru, &entry->lru, entry->key, octets_of(entry));
    while (cache->lru.octets > cache->max_octets && lru_first(&cache->lru) != &entry->lru)
        entry_forget(cache, entry_of(lru_first(&cache->lru)));
    return entry;
}

void probe_cache_put(struct probe_cache *cache, const struct probe_cache_key *key,
                     struct probe_result *result, int64_t ends_ms)
{
    bool for_all = probe_result_is_for_all(probe_result_probe(result)->result);
    char text[PROBE_CACHE_KEY_MAX + 1];
    struct entry *entry;

    pthread_mutex_lock(&cache->lru.lock);
    probe_cache_key_text(key, NULL, text);
    if (!for_all) {
        entry = find_entry(cache, text);
        if (entry != NULL)
            entry_forget(cache, entry);
        probe_cache_key_text(key, key->demand, text);
    }
    if (entry_add(cache, text, result, ends_ms) != NULL) {
        if (cache->sink.saved != NULL)
            cache->sink.saved(text, result, ends_ms, cache->sink.arg);
    } else if (cache->sink.removed != NULL) {
        cache->sink.removed(text, cache->sink.arg);
    }
    pthread_mutex_unlock(&cache->lru.lock);
}

/* The length of one part of a key, which a blank or the end follows; 0: there is none. */
static size_t part_length(const char *at, size_t max)
{
    size_t len = strcspn(at, " ");

    return len <= max ? len : 0;
}

static bool is_key(const char *key)
{
    static const size_t most[] = {NEXTHOP_NAME_MAX, PROBE_ENDPOINT_MAX - 1, TLS_DEMAND_KEY_MAX - 1};

    for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
        size_t len = part_length(key, most[i]);

        if (len == 0 || (key[len] == '\0') != (i == 2))
            return false;
        key += len + 1;
    }
    return true;
}

bool probe_cache_restore(struct probe_cache *cache, const char *key, struct probe_result *result,
                         int64_t ends_ms)
{
    bool kept = false;

    if (!is_key(key))
        return false;
    pthread_mutex_lock(&cache->lru.lock);
    kept = entry_add(cache, key, result, ends_ms) != NULL;
    pthread_mutex_unlock(&cache->lru.lock);
    return kept;
}

static bool is_of_host(const struct entry *entry, const void *arg)
{
    const char *host = arg;
    size_t len = strlen(host);

    return strncmp(entry->key, host, len) == 0 && entry->key[len] == ' ';
}

static bool is_of_certificate(const struct entry *entry, const void *arg)
{
    (void)arg;
    return probe_result_probe(entry->result)->result == FINDINGS_PROBE_NOT_AUTHENTICATED;
}

static bool is_any(const struct entry *entry, const void *arg)
{
    (void)entry;
    (void)arg;
    return true;
}

static size_t forget_all(struct probe_cache *cache,
                         bool (*match)(const struct entry *entry, const void *arg),
                         const void *match_arg, probe_cache_key_fn each, void *arg)
{
    size_t count = 0;

    pthread_mutex_lock(&cache->lru.lock);
    for (struct lru_entry *lru = lru_first(&cache->lru), *next; lru != NULL; lru = next) {
        next = lru_next(&cache->lru, lru);
        if (!match(entry_of(lru), match_arg))
            continue;
        if (each != NULL)
            each(entry_of(lru)->key, arg);
        entry_forget(cache, entry_of(lru));
        count++;
    }
    pthread_mutex_unlock(&cache->lru.lock);
    return count;
}

size_t probe_cache_forget(struct probe_cache *cache, const char *host, probe_cache_key_fn each,
                          void *arg)
{
    return forget_all(cache, is_of_host, host, each, arg);
}

void probe_cache_forget_certificates(struct probe_cache *cache)
{
    forget_all(cache, is_of_certificate, NULL, NULL, NULL);
}

void probe_cache_clear(struct probe_cache *cache)
{
    forget_all(cache, is_any, NULL, NULL, NULL);
}

size_t probe_cache_count(struct probe_cache *cache)
{
    return lru_count(&cache->lru);
}

size_t probe_cache_octets(struct probe_cache *cache)
{
    return lru_octets(&cache->lru);
}
