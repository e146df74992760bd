/*
 * From findings to the addresses that are probed. probe_plan_new asks the requirement which hosts
 * count and what is demanded of each (at level enforce); below enforce nothing is connected to, and
 * only the absence of STARTTLS is of interest. probe_plan_choose says which candidate is next.
 */
#include "probe/probe_plan.h"

#include "policy/requirement.h"
#include "probe/probe_address.h"
#include "probe/probe_result.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct plan {
    struct probe_plan plan; /* first */
    atomic_uint refs;
    struct probe_host *hosts; /* the plan's */
    struct probe_candidate candidates[PROBE_PLAN_ADDRESSES_NOW];
    struct probe_host room[]; /* for as many hosts as the findings have */
};

/* Only senders' own administrators write [host]. */
static bool may_be_private(const struct findings *f)
{
    return f->nexthop.kind == NEXTHOP_HOST;
}

/* How many addresses of each host are tried at most. */
static size_t share_of_host(const struct plan *plan)
{
    bool all = plan->plan.scope == PROBE_SCOPE_ALL;
    size_t most = all ? PROBE_HOST_ADDRESSES_NOW : PROBE_HOST_ADDRESSES;
    size_t total = all ? PROBE_PLAN_ADDRESSES_NOW : PROBE_PLAN_ADDRESSES;
    size_t share = plan->plan.host_count > 0 ? total / plan->plan.host_count : most;

    return share < most ? share : most;
}

/* Whether there is room for more of the host. */
static bool add_candidate(struct plan *plan, size_t host, const uint8_t *address, bool ipv6,
                          size_t *left)
{
    bool barred = !may_be_private(plan->plan.findings) && !probe_address_is_public(address, ipv6);

    if (barred && plan->plan.scope != PROBE_SCOPE_ALL)
        return true;
    plan->candidates[plan->plan.candidate_count++] = (struct probe_candidate){
        .host = (uint8_t)host, .ipv6 = ipv6, .barred = barred, .address = address};
    return --*left > 0;
}

/* The addresses of one family, smallest first, NULL behind the last: name servers rotate them in
 * each answer, and what is known of some is not to be found out anew of others. */
static void sort_addresses(const struct findings_host *host, bool ipv6,
                           const uint8_t *out[FINDINGS_MAX_ADDRESSES + 1])
{
    size_t count = 0, len = ipv6 ? 16 : 4;
    const uint8_t *address;

    while (count < FINDINGS_MAX_ADDRESSES &&
           (address = ipv6 ? findings_host_aaaa(host, count) : findings_host_a(host, count)) !=
               NULL) {
        size_t at = count++;

        for (; at > 0 && memcmp(out[at - 1], address, len) > 0; at--)
            out[at] = out[at - 1];
        out[at] = address;
    }
    out[count] = NULL;
}

/* Both families in turn. */
static void add_candidates(struct plan *plan, size_t number, size_t share)
{
    const struct findings_host *host = &plan->plan.findings->hosts[plan->hosts[number].index];
    const uint8_t *a[FINDINGS_MAX_ADDRESSES + 1], *aaaa[FINDINGS_MAX_ADDRESSES + 1];
    const uint8_t **next_a = a, **next_aaaa = aaaa;
    bool room = share > 0;

    sort_addresses(host, false, a);
    sort_addresses(host, true, aaaa);
    while (room && (*next_a != NULL || *next_aaaa != NULL)) {
        if (*next_a != NULL)
            room = add_candidate(plan, number, *next_a++, false, &share);
        if (*next_aaaa != NULL && room)
            room = add_candidate(plan, number, *next_aaaa++, true, &share);
    }
}

static void add_host(struct plan *plan, size_t index, const struct tls_demand *demand)
{
    struct probe_host *host = &plan->hosts[plan->plan.host_count++];

    host->index = (uint8_t)index;
    host->demand_key[0] = '\0';
    host->demand = *demand;
}

bool probe_plan_looks_at(const struct tls_demand *demand)
{
    return demand->kind == TLS_DEMAND_DANE || demand->kind == TLS_DEMAND_STS ||
           demand->kind == TLS_DEMAND_WEB_PKI;
}

/* The hosts that count at level enforce, by what must be proved of them. */
static void add_hosts_enforce(struct plan *plan, const struct verdict_terms *terms,
                              const struct host_classes *classes)
{
    const struct findings *f = plan->plan.findings;
    struct requirement requirement;
    struct tls_demand demand;

    requirement_derive(f, terms, VERDICT_LEVEL_ENFORCE, &requirement);
    for (size_t i = 0; i < f->host_count && i < FINDINGS_MAX_HOSTS; i++) {
        tls_demand_of_host(f, classes, &requirement, i, &demand);
        if (probe_plan_looks_at(&demand))
            add_host(plan, i, &demand);
    }
}

/* All hosts that mail may go to, whatever may be demanded of them. */
static void add_hosts_counted(struct plan *plan, const struct host_classes *classes)
{
    static const struct tls_demand encrypt = {.kind = TLS_DEMAND_ENCRYPT};

    for (size_t i = 0; i < plan->plan.findings->host_count && i < FINDINGS_MAX_HOSTS; i++) {
        if ((classes->counted >> i & 1) != 0)
            add_host(plan, i, &encrypt);
    }
}

/* What is demanded of hosts where all are looked at: the most that there is to demand. */
static void demand_the_most(struct plan *plan, const struct verdict_terms *terms,
                            const struct host_classes *classes)
{
    static const enum verdict_level levels[] = {VERDICT_LEVEL_ENFORCE,
                                                VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS};
    const struct findings *f = plan->plan.findings;

    for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
        struct requirement requirement;

        requirement_derive(f, terms, levels[l], &requirement);
        for (size_t i = 0; i < plan->plan.host_count; i++) {
            struct probe_host *host = &plan->hosts[i];
            struct tls_demand demand;

            tls_demand_of_host(f, classes, &requirement, host->index, &demand);
            if (host->demand.kind == TLS_DEMAND_ENCRYPT && probe_plan_looks_at(&demand))
                host->demand = demand;
        }
    }
}

static void add_hosts(struct plan *plan, const struct verdict_terms *terms)
{
    struct host_classes classes;

    host_classes_derive(plan->plan.findings, terms, &classes);
    if (plan->plan.scope == PROBE_SCOPE_ALL) {
        add_hosts_counted(plan, &classes);
        demand_the_most(plan, terms, &classes);
        plan->plan.connects = true;
    } else if (terms->level == VERDICT_LEVEL_ENFORCE) {
        add_hosts_enforce(plan, terms, &classes);
        plan->plan.connects = true;
    } else if (terms->level == VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS) {
        add_hosts_counted(plan, &classes);
    }
}

int probe_plan_key(const struct tls_demand *demand, char key[TLS_DEMAND_KEY_MAX])
{
    /* The endpoint has a place of its own in the key of a result, and results end long before CA
     * certificates change. */
    return tls_demand_key(demand, "", 0, key);
}

static int set_keys(struct plan *plan)
{
    int error = 0;

    for (size_t i = 0; plan->plan.connects && i < plan->plan.host_count && error == 0; i++)
        error = probe_plan_key(&plan->hosts[i].demand, plan->hosts[i].demand_key);
    return error;
}

struct probe_plan *probe_plan_new(const struct findings *findings,
                                  const struct verdict_terms *terms, uint16_t port,
                                  enum probe_scope scope)
{
    size_t hosts =
        findings->host_count < FINDINGS_MAX_HOSTS ? findings->host_count : FINDINGS_MAX_HOSTS;
    struct plan *plan = malloc(sizeof(*plan) + hosts * sizeof(plan->room[0]));
    size_t share;

    if (plan == NULL)
        return NULL;
    atomic_init(&plan->refs, 1);
    plan->hosts = plan->room;
    plan->plan = (struct probe_plan){
        .findings = findings_ref(findings),
        .scope = scope,
        .port = findings->nexthop.port != NEXTHOP_PORT_DEFAULT ? findings->nexthop.port : port,
        .hosts = plan->hosts,
        .candidates = plan->candidates};
    add_hosts(plan, terms);
    share = share_of_host(plan);
    for (size_t i = 0; i < plan->plan.host_count; i++)
        add_candidates(plan, i, share);
    if (set_keys(plan) < 0) {
        probe_plan_unref(&plan->plan);
        return NULL;
    }
    return &plan->plan;
}

static struct plan *plan_of(struct probe_plan *plan)
{
    return (struct plan *)plan;
}

struct probe_plan *probe_plan_ref(struct probe_plan *plan)
{
    atomic_fetch_add_explicit(&plan_of(plan)->refs, 1, memory_order_relaxed);
    return plan;
}

void probe_plan_unref(struct probe_plan *plan)
{
    if (plan == NULL ||
        atomic_fetch_sub_explicit(&plan_of(plan)->refs, 1, memory_order_acq_rel) != 1)
        return;
    findings_unref(plan->findings);
    free(plan_of(plan));
}

/* ---- Which is next ---- */

static bool is_ok(const struct probe_seen *seen)
{
    return seen->stage == PROBE_STAGE_KNOWN && seen->result == FINDINGS_PROBE_OK;
}

static bool any_ok(const struct probe_plan *plan, const struct probe_seen *seen)
{
    for (size_t i = 0; i < plan->candidate_count; i++) {
        if (is_ok(&seen[i]))
            return true;
    }
    return false;
}

static bool any_left(const struct probe_plan *plan, const struct probe_seen *seen)
{
    for (size_t i = 0; i < plan->candidate_count; i++) {
        if (seen[i].stage == PROBE_STAGE_LEFT)
            return true;
    }
    return false;
}

/* The candidates of a host are those from `first` to before the next host's. */
static size_t after_host(const struct probe_plan *plan, size_t first)
{
    size_t i = first;

    while (i < plan->candidate_count && plan->candidates[i].host == plan->candidates[first].host)
        i++;
    return i;
}

static enum probe_choice choose_of_host(const struct probe_plan *plan,
                                        const struct probe_seen *seen, size_t first, size_t *out)
{
    bool settled[2] = {false, false}, asked = false, waits = false;
    bool all = plan->scope == PROBE_SCOPE_ALL;
    size_t end = after_host(plan, first);

    for (size_t i = first; i < end; i++) {
        asked |= seen[i].stage == PROBE_STAGE_ASKED;
        waits |= seen[i].stage == PROBE_STAGE_ASKED || seen[i].stage == PROBE_STAGE_SLOW;
        if (seen[i].stage == PROBE_STAGE_KNOWN && probe_result_is_definite(seen[i].result))
            settled[plan->candidates[i].ipv6] = true;
    }
    if (asked && !all)
        return PROBE_CHOICE_WAIT;
    for (size_t i = first; i < end; i++) {
        if (seen[i].stage == PROBE_STAGE_OPEN && (all || !settled[plan->candidates[i].ipv6])) {
            *out = i;
            return PROBE_CHOICE_ASK;
        }
    }
    return waits ? PROBE_CHOICE_WAIT : PROBE_CHOICE_DONE;
}

enum probe_choice probe_plan_choose(const struct probe_plan *plan, const struct probe_seen *seen,
                                    size_t *out)
{
    bool waits = false;

    if (plan->scope != PROBE_SCOPE_ALL) {
        /* Where one was left out there is no complete no to be had, and nobody waits for less. */
        if (any_ok(plan, seen) || any_left(plan, seen))
            return PROBE_CHOICE_DONE;
        if (plan->candidate_count > 0 && seen[0].stage == PROBE_STAGE_ASKED)
            return PROBE_CHOICE_WAIT;
    }
    for (size_t first = 0; first < plan->candidate_count; first = after_host(plan, first)) {
        enum probe_choice choice = choose_of_host(plan, seen, first, out);

        if (choice == PROBE_CHOICE_ASK)
            return choice;
        waits |= choice == PROBE_CHOICE_WAIT;
    }
    return waits ? PROBE_CHOICE_WAIT : PROBE_CHOICE_DONE;
}
