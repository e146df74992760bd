/*
 * One question of a lookup: ask_start sends it, its `take` gets the answer, ask_stop ends it at any
 * time. Follows a CNAME itself only where the resolver has not (RFC 7672 section 2.1.3), and keeps
 * the security of a chain: one insecure link makes all of it insecure (ask_security).
 */
#include "lookup/lookup_internal.h"

#include <string.h>

/* What is kept of an answer in any case: a canonical name or the reason of a failure. */
enum { ROOM_FOR_ANSWER = 512 };

static void ask_send(struct ask *ask, const char *name);

/* An answer that ends in a CNAME without the records of its target and without proof that there
 * are none (no SOA, hence no life): the target must be asked. */
static bool is_cut_short(const struct dns_answer *answer)
{
    return answer->status == DNS_NODATA && answer->alias && answer->ttl_s == 0;
}

static void ask_follow(struct ask *ask, const char *target)
{
    if (ask->restarts == ASK_RESTARTS_MAX) {
        ask->done = true;
        ask->status = DNS_FAILED;
        ask->failure = "CNAME chain too long";
        return;
    }
    /* What was learnt of the chain's first part counts; its missing end does not. */
    ask->restarts++;
    ask->ttl_s = UINT32_MAX;
    ask_send(ask, target);
}

static enum dns_security weaker_security(enum dns_security a, enum dns_security b)
{
    return a > b ? a : b;
}

static void ask_record(struct ask *ask, const struct dns_answer *answer)
{
    struct lookup *l = ask->lookup;
    bool first = ask->restarts == 0;

    ask->received_ms = lookup_now_ms(ask->lookup);
    ask->status = answer->status;
    ask->security = first ? answer->security : weaker_security(ask->security, answer->security);
    ask->ttl_s = first || answer->ttl_s < ask->ttl_s ? answer->ttl_s : ask->ttl_s;
    if (answer->alias || !first) {
        ask->alias = true;
        ask->canonical = arena_string(&l->arena, answer->canonical);
        l->out_of_memory |= ask->canonical == NULL;
    }
    if (answer->status == DNS_FAILED) {
        ask->failure =
            arena_string(&l->arena, answer->failure != NULL ? answer->failure : "failed");
        l->out_of_memory |= ask->failure == NULL;
    } else if (ask->type != DNS_TYPE_TXT) { /* MTA-STS does not rest on DNSSEC */
        if (answer->security == DNS_SECURE || answer->security == DNS_INSECURE)
            l->vouched = true;
        else
            l->unknown = true;
        if (answer->security == DNS_INSECURE && !l->unknown)
            lookup_check_answer(l, answer->resolver);
    }
}

/* world_query_fn */
static void on_answer(const struct dns_answer *answer, void *arg)
{
    struct ask *ask = arg;
    struct lookup *l = ask->lookup;

    ask->query = NULL;
    atomic_fetch_sub_explicit(&l->env.counters->dns_outstanding, 1, memory_order_relaxed);
    counters_dns(l->env.counters, ask->type, answer->status);
    ask_record(ask, answer);
    if (is_cut_short(answer)) {
        ask_follow(ask, answer->canonical);
    } else {
        ask->done = true;
        if (ask->take != NULL)
            ask->take(ask, answer);
    }
    l->advance(l);
}

static void ask_send(struct ask *ask, const char *name)
{
    struct lookup *l = ask->lookup;
    struct world *world = l->env.world;

    if (!lookup_has_room(l, ROOM_FOR_ANSWER)) {
        ask->done = true;
        ask->status = DNS_FAILED;
        ask->failure = lookup_no_room;
        return;
    }
    ask->query = world->ops->query(world, l->nexthop.name, name, ask->type, on_answer, ask);
    if (ask->query == NULL) {
        ask->done = true;
        ask->status = DNS_FAILED;
        ask->failure = "out of memory";
        return;
    }
    counters_add(&l->env.counters->dns_queries, 1);
    atomic_fetch_add_explicit(&l->env.counters->dns_outstanding, 1, memory_order_relaxed);
}

void ask_start(struct ask *ask, struct lookup *lookup, const char *name, uint16_t type,
               ask_take_fn take, void *arg)
{
    memset(ask, 0, sizeof *ask);
    ask->lookup = lookup;
    ask->received_ms = lookup_now_ms(ask->lookup); /* for what fails at once */
    ask->type = type;
    ask->take = take;
    ask->arg = arg;
    ask->asked = true;
    if (strlen(name) > NEXTHOP_NAME_MAX) {
        /* No such name can exist (RFC 1035 2.3.4): as good as a proof. */
        ask->done = true;
        ask->status = DNS_NXDOMAIN;
        ask->security = DNS_INSECURE;
        ask->ttl_s = UINT32_MAX;
        return;
    }
    ask_send(ask, name);
}

void ask_fail_for_room(struct ask *ask)
{
    ask->status = DNS_FAILED;
    ask->failure = lookup_no_room;
}

void ask_stop(struct ask *ask)
{
    struct world *world;

    if (ask->query == NULL)
        return;
    world = ask->lookup->env.world;
    world->ops->query_cancel(world, ask->query);
    ask->query = NULL;
    atomic_fetch_sub_explicit(&ask->lookup->env.counters->dns_outstanding, 1, memory_order_relaxed);
}

enum dns_security ask_security(const struct ask *ask)
{
    if (ask->lookup->unknown)
        return DNS_INSECURE;
    return ask->security == DNS_SECURE ? DNS_SECURE : DNS_INSECURE;
}
