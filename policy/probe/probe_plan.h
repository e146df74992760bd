/*
 * What is to be probed for somebody: the hosts that count, what is demanded of each, its addresses
 * in the order in which they are tried; and, as results come in, which address is next. Pure; a
 * plan is unchanged once it is made, and reference counted.
 *
 * The order: the first address of the most preferred host alone, since one host that meets the
 * demand settles it. When that does not, or takes long, all hosts at once, of each one address at a
 * time. A host needs no second address of a family that has given a definite answer.
 */
#ifndef POLICY_PROBE_PROBE_PLAN_H
#define POLICY_PROBE_PROBE_PLAN_H

#include "policy/tls_demand.h"
#include "policy/verdict.h"

enum {
    /* Addresses of a host that are tried, the MTA tries no more either (Postfix: five of a
     * next-hop). Bounds the work that one domain can cause. */
    PROBE_HOST_ADDRESSES = 4,
    PROBE_HOST_ADDRESSES_NOW = 8,
    /* Addresses of a next-hop. */
    PROBE_PLAN_ADDRESSES = 32,
    PROBE_PLAN_ADDRESSES_NOW = 64,
};

struct probe_candidate {
    uint8_t host; /* number in the plan */
    bool ipv6;
    bool barred;            /* no public address: not connected to; only in plans of all */
    const uint8_t *address; /* the findings' */
};

struct probe_host {
    uint8_t index; /* findings->hosts[index] */
    struct tls_demand demand;
    char demand_key[TLS_DEMAND_KEY_MAX]; /* empty: only what holds for each demand counts */
};

enum probe_scope {
    PROBE_SCOPE_COUNTED, /* the hosts that count, until it is settled */
    PROBE_SCOPE_ALL,     /* every host that mail can go to; nothing settles it before the end */
};

struct probe_plan {
    const struct findings *findings; /* with a reference */
    enum probe_scope scope;
    bool connects; /* false: only what is known is told */
    uint16_t port;
    size_t host_count, candidate_count;
    struct probe_host *hosts;
    struct probe_candidate *candidates; /* by host, in the order in which they are tried: both
                                           families in turn, of each the smallest address first */
};

/* The plan for findings and terms, with one reference; `port` is where a next-hop names none. NULL
 * when out of memory. Any thread. */
struct probe_plan *probe_plan_new(const struct findings *findings,
                                  const struct verdict_terms *terms, uint16_t port,
                                  enum probe_scope scope);
struct probe_plan *probe_plan_ref(struct probe_plan *plan);
void probe_plan_unref(struct probe_plan *plan); /* NULL is allowed */

/* Whether servers are looked at under such a demand; any other is met, or not, for nobody's
 * verdict. */
bool probe_plan_looks_at(const struct tls_demand *demand);

/* The demand in the key of a result. 0 or -ENOMEM. */
int probe_plan_key(const struct tls_demand *demand, char key[TLS_DEMAND_KEY_MAX]);

/* What is known of a candidate. */
enum probe_stage {
    PROBE_STAGE_OPEN,  /* nothing */
    PROBE_STAGE_ASKED, /* it is being looked at, or waits to be */
    PROBE_STAGE_SLOW,  /* likewise, and takes long */
    PROBE_STAGE_KNOWN, /* its result */
    PROBE_STAGE_LEFT,  /* it is not looked at, by a limit or for a lack of ours */
};

struct probe_seen {
    enum probe_stage stage;
    unsigned result; /* of KNOWN: enum findings_probe_result */
};

enum probe_choice {
    PROBE_CHOICE_ASK,  /* *out is to be looked at next; ask again then */
    PROBE_CHOICE_WAIT, /* for those that are being looked at */
    PROBE_CHOICE_DONE, /* settled, nothing more to look at, or some that is not looked at */
};

/* `seen` has an element for each candidate of the plan. */
enum probe_choice probe_plan_choose(const struct probe_plan *plan, const struct probe_seen *seen,
                                    size_t *out);

#endif
