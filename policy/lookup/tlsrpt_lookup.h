/*
 * Lookups of TLSRPT records (RFC 8460 section 3) on struct world: one for each domain however many
 * ask, kept for its TTL, and that there is none for its negative TTL. It does not rest on DNSSEC.
 * One thread, the engine's.
 */
#ifndef POLICY_LOOKUP_TLSRPT_LOOKUP_H
#define POLICY_LOOKUP_TLSRPT_LOOKUP_H

#include "base/list.h"
#include "lookup/counters.h"
#include "world/world.h"

struct tlsrpt_lookups;

enum {
    /* Octets that what is kept may take, beside engine_config.max_memory: some 20,000 domains. */
    TLSRPT_LOOKUPS_OCTETS_MAX = 4 << 20,
    /* In flight at once; a report is not worth more of the resolver's time. */
    TLSRPT_LOOKUPS_IN_FLIGHT_MAX = 1000,
};

/* `record` is borrowed for the call; NULL as engine_tlsrpt_fn has it. Of the functions below it
 * calls tlsrpt_lookups_drop alone. */
typedef void (*tlsrpt_record_fn)(const char *record, void *arg);

/* One who asks; embedded by the caller, who fills in the function. */
struct tlsrpt_waiter {
    tlsrpt_record_fn done;
    void *arg;
    struct list link; /* in the lookup's list */
};

/* `world` and `counters` are borrowed. 0 or a negative errno. */
int tlsrpt_lookups_new(struct world *world, struct counters *counters, struct tlsrpt_lookups **out);
/* Waiters are called back first, with NULL. NULL is allowed. */
void tlsrpt_lookups_free(struct tlsrpt_lookups *lookups);

/* For what is learnt from now on. Before the first lookup. */
void tlsrpt_lookups_configure(struct tlsrpt_lookups *lookups, int64_t negative_ttl_ms,
                              int64_t max_ttl_ms);

/*
 * Asks for the record of a domain (A-labels, lower case). Returns 1 with *record, NULL or valid
 * until the next call, when it is at hand (then the waiter is not used); 0 when the waiter will be
 * called back, once, later; -ENOMEM; -EAGAIN when too many lookups are in flight.
 */
int tlsrpt_lookups_ask(struct tlsrpt_lookups *lookups, const char *domain,
                       struct tlsrpt_waiter *waiter, const char **record);

/* A waiter that shall not be called back any more; harmless when it has been. */
void tlsrpt_lookups_drop(struct tlsrpt_waiter *waiter);

/* Forgets what is kept of a domain; a lookup in flight goes on for those who asked, and is not kept
 * or shared. Whether anything was kept. */
bool tlsrpt_lookups_forget(struct tlsrpt_lookups *lookups, const char *domain);

#endif
