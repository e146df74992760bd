/*
 * What the files of a lookup share. Each part of it (the MX records, each host, MTA-STS) is a small
 * state machine with a step function: it moves as far as what is known allows, and says whether it
 * moved. Callbacks of the world only record what they are told and then call `advance`. Each file
 * uses those before it alone: lookup_state.c, lookup_check.c, lookup_ask.c, lookup_shared.c;
 * lookup_host.c, lookup_mx.c and lookup_sts.c beside each other; lookup.c.
 */
#ifndef POLICY_LOOKUP_LOOKUP_INTERNAL_H
#define POLICY_LOOKUP_LOOKUP_INTERNAL_H

#include "base/list.h"
#include "findings/findings_make.h"
#include "lookup/lookup.h"
#include "policy/arena.h"
#include "store/shared_policy.h"

enum {
    /* Room for a question's name: _65535._tcp. before the longest name; longer than DNS allows, so
     * that the length is checked and not cut. */
    ASK_NAME_MAX = NEXTHOP_NAME_MAX + 20,
    /* How often a CNAME is followed when the resolver gives its records without the target's
     * (RFC 7672 2.1.3); bounds the work that one name can cause. */
    ASK_RESTARTS_MAX = 8,
    /* A lookup that failed is answered from memory for this long: it spares a struggling resolver
     * one lookup per message, and is shorter than any MTA's retry. */
    LOOKUP_FAILURE_LIFE_MS = 10 * 1000,
};

struct ask;
typedef void (*ask_take_fn)(struct ask *ask, const struct dns_answer *answer);

/* One question to DNS and what came of it. */
struct ask {
    struct lookup *lookup;
    struct world_query *query; /* in flight, else NULL */
    ask_take_fn take;          /* copies the records of interest; may be NULL */
    void *arg;                 /* for take */
    uint16_t type;
    bool asked;
    bool done;

    enum dns_status status;
    enum dns_security security;
    uint32_t ttl_s;
    int64_t received_ms; /* when the (last) answer came */
    bool alias;
    uint8_t restarts;
    const char *canonical; /* with alias */
    const char *failure;   /* with DNS_FAILED */
};

void ask_start(struct ask *ask, struct lookup *lookup, const char *name, uint16_t type,
               ask_take_fn take, void *arg);
void ask_fail_for_room(struct ask *ask); /* for take: the answer cannot be kept, and has failed */
void ask_stop(struct ask *ask);          /* nothing may be in flight any more; no callback */

/* The security of the answer, as far as the whole lookup may rely on it. */
enum dns_security ask_security(const struct ask *ask);

enum mx_state {
    MX_START,   /* entered first: decides whether there is anything to ask */
    MX_ASKED,   /* from START: the MX query is in flight */
    MX_SETTLED, /* from START ([host], literal) or ASKED: draft.mx is known, the hosts are listed */
};

enum host_state {
    HOST_START,   /* entered by lookup_mx.c once the host is known */
    HOST_ADDRESS, /* from START: A and AAAA in flight, with TLSA beside them if the name is secure
                   */
    HOST_ALIAS,   /* from ADDRESS: an alias with insecure addresses; is the alias itself signed? */
    HOST_TLSA,    /* from ADDRESS or ALIAS: the candidate base domains are known, best first */
    HOST_WAIT, /* from any, with the TLSA question decided: the other address family is awaited */
    HOST_SETTLED, /* from WAIT, or from START when the name is no host name */
};

/* The TLSA records at one candidate base domain. */
struct tlsa_set {
    const char *base;
    struct ask ask;
    struct findings_tlsa *records;
    uint8_t count;
    bool usable;
};

enum { TLSA_CANONICAL, TLSA_ORIGINAL, TLSA_SETS };

struct host {
    struct lookup *lookup;
    struct findings_host *out; /* in the draft */
    enum host_state state;
    struct ask a, aaaa, cname;
    struct tlsa_set tlsa[TLSA_SETS];
    uint8_t candidate; /* in HOST_TLSA: which set is looked at */
};

enum sts_state {
    STS_START,   /* entered first */
    STS_TXT,     /* from START: the record is asked for, and so is the shared cache */
    STS_SHARED,  /* from TXT: what is known here is not enough, the shared cache is awaited */
    STS_FETCH,   /* from SHARED: no policy with the record's id is known; it is fetched */
    STS_SETTLED, /* from any: draft.sts is known */
};

/* One MX record. */
struct mx_entry {
    uint16_t preference;
    const char *host; /* "" for the root */
};

struct lookup {
    struct lookup_env env;
    struct lookup_settings settings;
    struct nexthop nexthop;
    unsigned parts;
    bool in_use;                /* as in struct lookup_request */
    int64_t sts_fresh_until_ms; /* likewise */
    /* lookup.c's: moves everything as far as it goes, then reports. The last thing that a callback
     * of the world does. */
    void (*advance)(struct lookup *lookup);
    lookup_changed_fn changed;
    void *changed_arg;

    struct arena arena;
    size_t policy_octets;         /* of them, what a policy takes */
    size_t octets;                /* that are in the counter of what lookups hold */
    size_t large;                 /* that are in env.memory->used */
    const struct findings *known; /* our reference: what the draft takes from it */
    struct findings draft;
    bool unknown;              /* an answer came whose security nobody vouches for */
    bool lost;                 /* so nothing in the draft counts as secure any more */
    bool refuted;              /* a check of a resolver failed: DNS is to be asked anew */
    bool vouched;              /* an answer came whose security is known, good or bad */
    bool out_of_memory;        /* the lookup is over */
    struct findings_ends ends; /* when the shortest of each part's answers ends */

    enum mx_state mx_state;
    struct list checks; /* of resolvers that gave answers without AD, in flight */
    unsigned renewed;   /* how often such a check failed */
    struct ask mx;
    struct mx_entry *mx_entries;
    size_t mx_count;
    struct host *hosts; /* draft.host_count of them */

    enum sts_state sts_state;
    struct ask txt;
    int64_t began_ms;
    struct world_timer *sts_late; /* in STS_FETCH, where no policy is in force; else NULL */
    struct world_fetch *fetch;    /* made ready, or from STS_FETCH on its way; else NULL */
    char id[STS_ID_MAX + 1];
    enum sts_record_status record;
    struct world_shared *shared; /* asked of the shared cache, else NULL */
    bool shared_barred;          /* what it has is not to be used, though it may still answer */
    bool shared_known;           /* it has answered: */
    struct shared_policy shared_policy;
};

/* lookup_state.c */
int64_t lookup_now_ms(const struct lookup *l); /* the world's clock */

/* Whether the lookup may come to hold so many octets more. If not, what they were needed for has
 * failed: that is temporary, and never an absence. */
bool lookup_has_room(const struct lookup *l, size_t more);
/* The same for a policy in force. */
bool lookup_has_room_for_policy(const struct lookup *l, size_t more);
/* Why something failed when there was none. */
extern const char lookup_no_room[];

/* The part may live no longer than this from now on. */
void lookup_limit(struct lookup *l, enum findings_part part, int64_t life_ms);
/* What is left of an answer's life, which begins when it is received (RFC 1035 section 3.2.1):
 * negative answers live no longer than negative_ttl, failed ones than the retry time. Not above 0:
 * it is over. */
int64_t lookup_life_of(const struct lookup *l, const struct ask *ask);
/* The same for a life of life_ms from its receipt. */
int64_t lookup_left_of(const struct lookup *l, const struct ask *ask, int64_t life_ms);

/* Marks the hosts that match the policy in force, as soon as both are known. */
void lookup_match_hosts(struct lookup *l);

/* lookup_check.c */
void lookup_check_answer(struct lookup *l, uint32_t resolver); /* an answer of DNS_INSECURE came */
void lookup_check_stop(struct lookup *l);

/* lookup_shared.c */

/* Asks the shared cache for the policy of the next-hop, unless nobody asks for the lookup. */
void lookup_shared_ask(struct lookup *l);
/* Whether its answer is still awaited. */
bool lookup_shared_is_awaited(const struct lookup *l);
/*
 * Puts the policy that the shared cache has in force here, with the time of its fetch, if there is
 * one: with the id in DNS, or any where `id` is NULL, and fetched later than one that is in force
 * here; without the id also one with a weaker mode only where that is beyond doubt, whatever the
 * clocks. Returns whether it did. To be called once, when nothing is awaited any more.
 */
bool lookup_shared_take(struct lookup *l, const char *id);
/* Gives the shared cache a policy that was just fetched at wall clock fetched_at_s. */
void lookup_shared_put(struct lookup *l, const struct sts_policy *policy, const char *body,
                       size_t body_len, int64_t fetched_at_s);
void lookup_shared_stop(struct lookup *l);

bool lookup_mx_step(struct lookup *l);
bool lookup_host_step(struct host *host);
void lookup_host_lose_security(struct host *host);
void lookup_host_stop(struct host *host);
bool lookup_sts_step(struct lookup *l);
void lookup_sts_stop(struct lookup *l);

#endif
