/*
 * The next-hops of one recipient, each under the rules and with the findings of its own, and which
 * of them decides for it. How the findings are come by is up to the caller: recipient_settle.c
 * waits for them, observe.c does not.
 */
#ifndef MILTER_FILTER_CANDIDATE_H
#define MILTER_FILTER_CANDIDATE_H

#include "filter/recipient.h"

/* What one next-hop comes to. */
struct candidate {
    struct rules_settings settings;
    struct decide_input in;
    const struct findings *owned;  /* a reference from the cache, or NULL */
    const struct findings *probed; /* the same with probes, or NULL */
    bool known;                    /* there is no more to wait for */
    bool goes_on;                  /* in.findings satisfy; `next` is to be found out */
    enum wait_step next;
    bool early;   /* its lookup was seen to have ended too early */
    bool renewed; /* its lookup has begun anew already */
};

struct candidates {
    struct verdict_terms terms; /* of the configuration, for all */
    struct envelope_nexthops nexthops;
    struct candidate items[ENVELOPE_NEXTHOPS_MAX];
    size_t count; /* at least one: without a next-hop that of its absence */
};

/*
 * Next-hops, and what the rules say of each. What any of them requires, the copy requires: returned
 * is what the copy asks for. They point into each other, to the configuration and to what the
 * context has: not to be copied.
 */
struct decide_asked candidates_init(struct candidates *candidates,
                                    const struct recipient *recipient,
                                    const struct recipient_context *context);

/* Whether the settings that decide cannot change any more: `mixed` and the optional route matter at
 * end-of-message only. */
bool candidate_is_certain(const struct candidate *candidate);

/* There is no more to wait for. */
void candidate_set_known(struct candidate *candidate, enum decide_missing missing);

/* What the cache has, if that will do: not if a new lookup might decide what it leaves open. The
 * reference is the candidate's `owned`, for candidates_release. */
void candidate_look_in_cache(struct candidate *candidate, struct engine *engine);

/*
 * Findings of the next-hop, which a lookup gave: they are known, or `goes_on` says that their
 * servers are to be probed. What is known of those already is taken from the engine, with a
 * reference for candidates_release.
 */
void candidate_take_findings(struct candidate *candidate, struct engine *engine,
                             const struct findings *findings);

/* The same for findings with probes, of servers that satisfied by `satisfying`, which hold where
 * the probes leave it open. */
void candidate_take_probed(struct candidate *candidate, const struct findings *probed,
                           const struct findings *satisfying);

/* At a level that needs no findings: what the engine knows already of servers that lack STARTTLS.
 */
void candidate_look_for_starttls(struct candidate *candidate, struct engine *engine);

enum verdict_value candidate_verdict_of(const struct findings *findings,
                                        const struct decide_input *in);

/*
 * The next-hop that decides for the recipient, and its decision; NULL while that is not known. What
 * is not known of others, or not certain of their settings, is no matter if one satisfies.
 */
const struct candidate *candidates_choose(const struct candidates *candidates,
                                          struct decision *out);

/* Gives back what was taken from the engine. */
void candidates_release(struct candidates *candidates);

/* The reason of a decision is that of one next-hop: says that there are others. */
void candidates_mention_others(const struct candidates *candidates, struct decision *decision);

#endif
