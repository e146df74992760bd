/*
 * What probes have shown, by host, address, port and demand; bounded in octets, least recently used
 * out first. A result that is the same whatever is demanded (no STARTTLS, unreachable) is kept for
 * all demands, until one of them brings another. The newest counts.
 *
 * Any thread, under one lock that is held for moments only; but results are put in and forgotten on
 * one thread, that of the sink.
 */
#ifndef POLICY_PROBE_PROBE_CACHE_H
#define POLICY_PROBE_PROBE_CACHE_H

#include "policy/tls_demand.h"
#include "probe/probe_address.h"
#include "probe/probe_result.h"

struct probe_cache;

enum {
    /* host, endpoint, key of the demand, blanks between them */
    PROBE_CACHE_KEY_MAX = NEXTHOP_NAME_MAX + 1 + PROBE_ENDPOINT_MAX + 1 + TLS_DEMAND_KEY_MAX,
};

/* Whose result it is. */
struct probe_cache_key {
    const char *host;
    const char *endpoint;
    const char *demand; /* tls_demand_key; empty: of all demands alone */
};

/* The key as text; `demand` as in the key, or NULL for all demands. */
void probe_cache_key_text(const struct probe_cache_key *key, const char *demand,
                          char out[PROBE_CACHE_KEY_MAX + 1]);

/* Told of changes as they happen, on the thread that makes them; arguments are borrowed. */
struct probe_cache_sink {
    void (*saved)(const char *key, const struct probe_result *result, int64_t ends_ms, void *arg);
    void (*removed)(const char *key, void *arg);
    void *arg;
};

int probe_cache_new(size_t max_octets, struct probe_cache **out); /* 0 or a negative errno */
void probe_cache_free(struct probe_cache *cache);                 /* NULL is allowed */
void probe_cache_set_sink(struct probe_cache *cache, const struct probe_cache_sink *sink);

/* The newest result for it that has not ended, with a reference for the caller, or NULL. */
struct probe_result *probe_cache_get(struct probe_cache *cache, const struct probe_cache_key *key,
                                     int64_t now_ms);

/* Keeps a result (a reference of its own) until ends_ms. For want of memory it is not kept, nor
 * what there was before. */
void probe_cache_put(struct probe_cache *cache, const struct probe_cache_key *key,
                     struct probe_result *result, int64_t ends_ms);

/* As it stood in the store under that key, which is not believed: nothing is kept of a key that
 * none of ours is, and false returned. The sink is not told, but of what must make room. */
bool probe_cache_restore(struct probe_cache *cache, const char *key, struct probe_result *result,
                         int64_t ends_ms);

/* Forgets the results of a host; how many there were. `each`, if it is not NULL, is told their
 * keys, which are borrowed for the call; the cache's lock is held. */
typedef void (*probe_cache_key_fn)(const char *key, void *arg);
size_t probe_cache_forget(struct probe_cache *cache, const char *host, probe_cache_key_fn each,
                          void *arg);
/* Forgets those that say that a certificate was not as demanded: other CA certificates may be
 * trusted now. */
void probe_cache_forget_certificates(struct probe_cache *cache);
void probe_cache_clear(struct probe_cache *cache);

size_t probe_cache_count(struct probe_cache *cache);
size_t probe_cache_octets(struct probe_cache *cache);

#endif
