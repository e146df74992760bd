/*
 * The policy engine: finds out what a next-hop publishes. One thread of its own, asynchronous on
 * c-ares and libcurl; findings are cached, and callers for one next-hop share one lookup.
 */
#ifndef POLICY_ENGINE_H
#define POLICY_ENGINE_H

#include "policy/findings.h"

struct engine;
struct engine_request;

/* Durations in milliseconds. Strings are copied. A list ends with NULL. */
struct engine_config {
    const char *const *resolvers; /* "192.0.2.1", "192.0.2.1:5353", "[::1]:53"; NULL: resolv.conf */
    const char *resolv_conf;      /* NULL: /etc/resolv.conf, re-read when it changes */
    enum engine_trust_ad { ENGINE_TRUST_AD_AUTO, ENGINE_TRUST_AD_YES, ENGINE_TRUST_AD_NO } trust_ad;
    int dns_timeout_ms;      /* of one try, 60 s at most */
    int dns_tries;           /* over all resolvers, 100 at most */
    int dns_max_outstanding; /* queries in flight, but for slow ones; more wait. 0: the default */
    const char *check_name;  /* a signed name: shows whether the resolver validates */
    int check_interval_ms;

    bool sts_enable;
    const char *sts_ca_file; /* NULL: the system's */
    const char *sts_ca_path;
    int sts_connect_timeout_ms;
    int sts_timeout_ms;
    size_t sts_max_policy; /* octets */
    int sts_min_retry_ms;  /* after a failed fetch of the same policy id */
    int sts_give_up_ms;    /* fetches that fail for longer are a definite no (RFC 8461 3.3) */
    int sts_refresh_ms;
    uint16_t sts_port; /* 443; tests only */

    bool dane_enable;

    const char *store; /* path of the SQLite store for STS policies; NULL: memory only */
    size_t max_domains;
    size_t max_memory; /* octets; at least 1 MiB. A half is for cached findings, a quarter for
                          policies in force, a quarter for large lookups in progress. 0: default */
    int negative_ttl_ms;
    int max_ttl_ms;
    bool prefetch;

    /* Warnings and errors, one line without newline; called on the engine's threads, also at the
     * same time (and on the caller's during engine_new). NULL: silence. */
    void (*log)(void *log_arg, int priority /* syslog(3) LOG_... */, const char *message);
    void *log_arg;
};

/* Fills in the defaults that the sample configuration documents. */
void engine_config_init(struct engine_config *config);

/*
 * Looks whether this host has the files that the configuration names, as engine_new would, and
 * starts nothing. Returns 0 or a negative errno (-EINVAL: they are not there, or not what they
 * should be) with a message in err. Any thread.
 */
int engine_config_check(const struct engine_config *config, char *err, size_t err_len);

/*
 * Starts the engine's thread. Returns 0 and the engine, or a negative errno with a message in err.
 * The caller owns the engine and frees it with engine_free.
 */
int engine_new(const struct engine_config *config, struct engine **out, char *err, size_t err_len);

/*
 * Stops the thread; every outstanding request is called back first, with NULL findings.
 * No other call on the engine may be in progress or follow. NULL is allowed.
 */
void engine_free(struct engine *engine);

/*
 * Takes over a new configuration while lookups go on; what is cached stays, unless dane_enable or
 * sts_enable change or a resolver is not trusted any more: then lookups in flight begin anew, too.
 * The store's path and sts_port do not change. Returns 0 or a negative errno, then nothing has
 * changed. Any thread.
 */
int engine_reconfigure(struct engine *engine, const struct engine_config *config, char *err,
                       size_t err_len);

/*
 * Decides whether findings that may still hold PENDING parts are enough for the caller.
 * Pure and quick; called on the engine's thread.
 */
typedef bool (*engine_enough_fn)(const struct findings *findings, void *arg);

/*
 * Called exactly once per engine_lookup, on the engine's thread, never before engine_lookup
 * returns, unless cancelled. `findings` is borrowed for the call (findings_ref keeps it); NULL only
 * when the engine is shut down or out of memory: to be treated as a temporary failure.
 */
typedef void (*engine_done_fn)(const struct findings *findings, void *arg);

/*
 * Asks for the findings of a next-hop. `enough` NULL waits for complete findings; else done is
 * called as soon as enough says so, and at the latest when they are complete.
 * Returns 0 and, if out is not NULL, a request to be given to engine_cancel or engine_release
 * exactly once; a negative errno, then done will not be called. Any thread but inside a callback.
 */
int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out);

/*
 * Gives the request back. When engine_cancel returns, done has either returned or will never be
 * called. engine_cancel waits for a callback that is running; do not call it with a lock held that
 * `done` or `enough` takes. engine_release forgets the handle, the callback will still come.
 */
void engine_cancel(struct engine *engine, struct engine_request *request);
void engine_release(struct engine_request *request);

/*
 * The cached findings if they are complete and still valid, with a reference for the caller, else
 * NULL. Any thread; takes a lock for a moment only. Marks the entry as used (prefetch).
 */
const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop);

/* Whether a trusted resolver has lately answered check_name with AD. Any thread. */
bool engine_security_known(struct engine *engine);

/* The clock of findings.made_at_ms: monotonic, counts sleep where the system has such a clock. */
int64_t engine_mono_ms(void); /* any thread */

/*
 * Forgets what is cached about a next-hop, its MTA-STS policy in memory and store included. A
 * domain, with or without a port, covers that name on every port, and the host of that name in
 * brackets;
 * `[host]` covers the host on every port, `[host]:port` itself alone.
 * Lookups in flight go on for those who asked; their findings are not kept, and not shared with who
 * asks later (a policy that they fetch, being fresh, is). For administrators only: to forget a
 * policy is a downgrade. Returns 0, -ENOENT when nothing was cached, or another negative errno. Any
 * thread but inside a callback.
 */
int engine_purge(struct engine *engine, const struct nexthop *nexthop);

/*
 * References to all findings that are cached, complete and valid, in no order. The caller gives
 * each back with findings_unref and frees the array. Returns 0 or -ENOMEM. Any thread; takes the
 * cache's lock in short pieces, so that it delays nobody for long.
 */
int engine_snapshot(struct engine *engine, const struct findings ***out, size_t *count);

enum engine_dns_type {
    ENGINE_DNS_A,
    ENGINE_DNS_AAAA,
    ENGINE_DNS_CNAME,
    ENGINE_DNS_MX,
    ENGINE_DNS_TLSA,
    ENGINE_DNS_TXT,
    ENGINE_DNS_TYPES
};

enum engine_dns_result {
    ENGINE_DNS_FOUND,
    ENGINE_DNS_NODATA,
    ENGINE_DNS_NXDOMAIN,
    ENGINE_DNS_FAILED,
    ENGINE_DNS_RESULTS
};

enum engine_fetch_result {
    ENGINE_FETCH_OK,      /* a valid policy */
    ENGINE_FETCH_INVALID, /* a policy file that breaks the grammar */
    ENGINE_FETCH_REFUSED, /* 404, redirect, wrong type, oversize, no such host */
    ENGINE_FETCH_WEBPKI,
    ENGINE_FETCH_FAILED,
    ENGINE_FETCH_RESULTS
};

/* Upper bounds, in milliseconds, of the lookup histogram's buckets; one more is without bound. */
#define ENGINE_LOOKUP_BOUNDS_MS 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000
enum { ENGINE_LOOKUP_BUCKETS = 13 };

/* Counted since engine_new. A copy: the fields may be some increments apart from each other. */
struct engine_stats {
    size_t cache_entries;
    size_t cache_octets;  /* that cached findings take */
    size_t lookup_octets; /* that lookups in progress hold */
    uint64_t cache_hits;
    uint64_t cache_misses;
    uint64_t lookups;     /* started */
    uint64_t dns_queries; /* sent, retries not counted */
    uint64_t sts_fetches;
    size_t dns_outstanding;
    uint64_t dns_results[ENGINE_DNS_TYPES][ENGINE_DNS_RESULTS];
    uint64_t fetch_results[ENGINE_FETCH_RESULTS];
    uint64_t summaries[FINDINGS_SUMMARY_FAILED + 1]; /* of lookups completed */
    uint64_t lookup_buckets[ENGINE_LOOKUP_BUCKETS];  /* not cumulative; start to completion */
    uint64_t lookup_total_ms;
};
void engine_get_stats(struct engine *engine, struct engine_stats *out); /* any thread */

#endif
