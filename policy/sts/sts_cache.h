/*
 * The MTA-STS policies in force, by policy domain, and which policy ids could not be fetched of
 * late (RFC 8461 sections 3.3, 5.1, 10.2). In memory; a store may be told of every change.
 * A policy lives max_age from its fetch, by the monotonic clock, whatever DNS says meanwhile.
 * One thread.
 */
#ifndef POLICY_STS_STS_CACHE_H
#define POLICY_STS_STS_CACHE_H

#include "sts/sts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sts_cache;

struct sts_cached {
    const char *domain;
    struct sts_policy *policy; /* NULL: none in force, but a failure is remembered */
    char id[STS_ID_MAX + 1];   /* of the policy */
    int64_t fetched_wall_s;    /* for people and the store */
    int64_t fetched_ms;
    int64_t expires_ms; /* fetched_ms + max_age */
    int64_t used_ms;    /* when it was last asked for */
    int64_t told_ms;    /* when the sink was last told of that */
    int64_t tried_ms;   /* the last fetch, successful or not */

    /* The last fetch, when it failed. */
    char failed_id[STS_ID_MAX + 1];
    int64_t retry_ms;   /* not to be fetched again before */
    uint8_t failure;    /* enum findings_sts_failure */
    bool passing;       /* may be better later; else a definite answer */
    int64_t failing_ms; /* since when fetches fail in a passing way, none succeeding in between, and
                           no policy in force */
    bool warned;
    int64_t warned_ms;
    char failure_text[120];
};

/* Told of changes as they happen; arguments are borrowed for the call. */
struct sts_cache_sink {
    /* A policy was put in force; body is the file as served, or what sts_policy_text makes of it
     * when it is told again. */
    void (*saved)(const struct sts_cached *entry, const char *body, size_t body_len, void *arg);
    void (*used)(const struct sts_cached *entry, void *arg); /* once an hour at most */
    void (*removed)(const char *domain, void *arg);
    void *arg;
};

/* At most max policies; when it is full, what is needed least goes first: those that are not in
 * mode enforce, then the rest, each by last use. Remembered failures take no policy's place: they
 * may fill what policies leave free, and always an eighth more than max. 0 or -ENOMEM. */
int sts_cache_new(size_t max, struct sts_cache **out);
void sts_cache_free(struct sts_cache *cache); /* NULL is allowed */
void sts_cache_set_max(struct sts_cache *cache, size_t max);
/* At most so many octets in policies. What is larger than any policy that is meant well goes before
 * other policies in mode enforce. Remembered failures may fill what policies leave free of them,
 * and always an eighth more. */
void sts_cache_set_max_octets(struct sts_cache *cache, size_t max);
void sts_cache_set_sink(struct sts_cache *cache, const struct sts_cache_sink *sink);

/* The entry of a domain or NULL; its policy is NULL when it has expired. `use` is whether that
 * counts as a use. */
const struct sts_cached *sts_cache_find(struct sts_cache *cache, const char *domain, int64_t now_ms,
                                        bool use);

/* Puts a policy that was just fetched in force; `body` is for the sink. Takes `policy` in any case.
 * The entry, or NULL when out of memory. */
const struct sts_cached *sts_cache_put(struct sts_cache *cache, const char *domain, const char *id,
                                       struct sts_policy *policy, const char *body, size_t body_len,
                                       int64_t now_ms, int64_t wall_s);

/* The same for a policy that another host fetched, at fetched_ms, which may be negative; and of
 * that host's wall clock fetched_wall_s. */
const struct sts_cached *sts_cache_take_over(struct sts_cache *cache, const char *domain,
                                             const char *id, struct sts_policy *policy,
                                             const char *body, size_t body_len, int64_t fetched_ms,
                                             int64_t fetched_wall_s, int64_t now_ms);

/* The same for a policy from the store, fetched at fetched_ms (which may be negative): 0 or
 * -ENOMEM. The sink is not told. */
int sts_cache_restore(struct sts_cache *cache, const char *domain, const char *id,
                      struct sts_policy *policy, int64_t fetched_ms, int64_t fetched_wall_s,
                      int64_t used_ms, int64_t now_ms);

/* Remembers that the policy with this id could not be had. The entry, or NULL when out of memory.
 */
const struct sts_cached *sts_cache_fail(struct sts_cache *cache, const char *domain, const char *id,
                                        enum findings_sts_failure failure, bool passing,
                                        const char *text, int64_t now_ms, int64_t retry_ms);

/* Forgets all about a domain. Returns whether there was anything. */
bool sts_cache_forget(struct sts_cache *cache, const char *domain);

/* When policies are to be fetched again though their id is the same; durations. */
struct sts_cache_refresh {
    /* At this age, or at half their max_age; up to an eighth sooner, by chance, so that what was
     * fetched together is not fetched together again. Nobody refreshes at 0. */
    int64_t age_ms;
    /* After a fetch that failed. Policies of less max_age than twice this are not refreshed. */
    int64_t retry_ms;
    int64_t use_ms; /* those that were not used for so long may expire */
    uint32_t (*random)(void *arg, uint32_t below); /* NULL: nothing by chance */
    void *arg;
};

/* What is overdue when this is called, or when it is restored, is spread over an hour, or half of
 * what is left of its life. */
void sts_cache_set_refresh(struct sts_cache *cache, const struct sts_cache_refresh *refresh,
                           int64_t now_ms);

/* When the next policy is due; INT64_MAX: none is. */
int64_t sts_cache_next_due(const struct sts_cache *cache);

/* Takes up a policy that is due, the longest overdue first, and notes that its fetch is being
 * tried. Its domain, borrowed until the next change, or NULL. */
const char *sts_cache_take_due(struct sts_cache *cache, int64_t now_ms);

/* Whether the domain's troubles have not been warned of for interval_ms; says yes once. */
bool sts_cache_may_warn(struct sts_cache *cache, const char *domain, int64_t now_ms,
                        int64_t interval_ms);

size_t sts_cache_count(const struct sts_cache *cache);
size_t sts_cache_octets(const struct sts_cache *cache); /* that the policies take */

/* The sink has lost what it was told: sts_cache_save_next tells it of all policies again that are
 * in force now, one with each call, until it returns false. */
void sts_cache_save_again(struct sts_cache *cache);
bool sts_cache_save_next(struct sts_cache *cache, int64_t now_ms);

#endif
