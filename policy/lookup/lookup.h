/*
 * One lookup: all that has to be asked about one next-hop, as a state machine on struct world.
 * RFC 7672 sections 2.1 to 2.2.3 (lookup_mx.c, lookup_host.c), RFC 8461 sections 3 to 5.1
 * (lookup_sts.c). Who shares it and where its findings are kept is core.c's business.
 * One thread, the engine's.
 */
#ifndef POLICY_LOOKUP_LOOKUP_H
#define POLICY_LOOKUP_LOOKUP_H

#include "findings/dane_seen.h"
#include "findings/findings_parts.h"
#include "lookup/counters.h"
#include "policy/findings.h"
#include "sts/sts_cache.h"
#include "world/world.h"

struct lookup;

struct lookup_settings {
    bool dane_enable;
    bool sts_enable;
    int64_t sts_min_retry_ms;
    int64_t sts_give_up_ms; /* passing failures of a fetch that last longer are definite */
    size_t sts_max_policy;  /* octets of a policy file */
    int64_t negative_ttl_ms;
    int64_t max_ttl_ms;
};

/*
 * Something has become known. Called from a callback of the world, as the last thing that is done
 * with the lookup, so that it may be freed inside.
 */
typedef void (*lookup_changed_fn)(struct lookup *lookup, void *arg);

/* What all lookups in progress hold together; one for all of them. */
struct lookup_memory {
    size_t max;  /* octets; beyond LOOKUP_SMALL each */
    size_t used; /* of them */
};

enum {
    /* Every lookup may hold so many octets: most need no more. */
    LOOKUP_SMALL = 8 * 1024,
    /* And no lookup more than so many, a policy not counted. Between the two it may hold a 16th of
     * what is left: the fuller memory is, the sooner large ones fail, never small ones. */
    LOOKUP_LARGEST = 256 * 1024,
};

/* What the lookup uses and does not own. */
struct lookup_env {
    struct world *world;
    struct sts_cache *sts_cache;
    const struct dane_seen *dane_seen;
    struct counters *counters;
    struct lookup_memory *memory;
};

/* What is to be looked up; borrowed for the call. */
struct lookup_request {
    const struct nexthop *nexthop;
    unsigned parts; /* that are asked about; bits as FINDINGS_PART_BIT has them */
    bool in_use;    /* for somebody who asks; else for the engine itself, for later */
    /* A policy that ends before this time is fetched though its id has not changed. */
    int64_t sts_fresh_until_ms;
    /* Findings of the same next-hop, from which the other parts are taken, and when their parts
     * end. NULL: the other parts stay PENDING. */
    const struct findings *known;
    struct findings_ends known_ends;
};

/*
 * Starts a lookup. Returns NULL when out of memory. It may be complete at once; then `changed` is
 * not called.
 */
struct lookup *lookup_new(const struct lookup_env *env, const struct lookup_settings *settings,
                          const struct lookup_request *request, lookup_changed_fn changed,
                          void *arg);

/*
 * What DNS said so far is not to be relied upon: asks about the DANE part once more, though it may
 * have been taken from what was known. Calls `changed`. Not from a callback of the world.
 */
void lookup_distrust(struct lookup *lookup);

/* What the shared cache has, or has answered already, is not to be used: an administrator wants it
 * forgotten. Calls nobody. */
void lookup_bar_shared(struct lookup *lookup);

/* Cancels what is in flight. NULL is allowed. */
void lookup_free(struct lookup *lookup);

/* What is known so far; valid until the lookup goes on. NULL when it ran out of memory: then
 * nothing more will come. */
const struct findings *lookup_draft(const struct lookup *lookup);

/* When each part ends, once the draft is complete. One that has ended by now is for those who asked
 * and nobody else. */
struct findings_ends lookup_ends(const struct lookup *lookup);

/* The parts that are, or were, asked about: more than requested after lookup_distrust. */
unsigned lookup_parts(const struct lookup *lookup);

#endif
