/*
 * The targets of a delivery: delivery_read_findings makes the plan for the level in force,
 * delivery_choose says which is next, delivery_note_attempt what came of it. TLSRPT hears of the
 * hosts that are passed over.
 */
#include "deliver/delivery_internal.h"
#include "deliver/tlsrpt_session.h"
#include "policy/clock.h"

#include <stdlib.h>
#include <string.h>

/* Targets that are tried at most, those too that have given a definite answer at once. */
enum { TARGETS_MAX = 20 };

/* delivery_plan_address_fn */
static bool is_own(const uint8_t *address, bool ipv6, void *arg)
{
    const struct delivery *delivery = arg;

    return agent_is_own_address(delivery->agent, address, ipv6);
}

/* delivery_plan_address_fn */
static bool is_avoided(const uint8_t *address, bool ipv6, void *arg)
{
    const struct delivery *delivery = arg;
    struct delivery_target target = {.ipv6 = ipv6};
    char endpoint[DELIVERY_ENDPOINT_MAX];

    memcpy(target.address, address, ipv6 ? 16 : 4);
    delivery_target_endpoint(&target, delivery->facts.port, endpoint);
    return agent_limits_is_avoided(delivery->agent->limits, endpoint, clock_awake_ms());
}

/* For the level in force. */
static void make_plan(struct delivery *delivery)
{
    struct agent *agent = delivery->agent;
    const struct delivery_plan_facts facts = {
        .findings = delivery->findings,
        .hosts = delivery->allowed.hosts,
        .seed = agent->seed += UINT64_C(0x9e3779b97f4a7c15),
        /* Another port may well be another program's of this host. */
        .is_own = delivery->facts.port == NEXTHOP_PORT_DEFAULT ? is_own : NULL,
        .is_avoided = is_avoided,
        .arg = delivery,
    };

    delivery_plan_make(&facts, &delivery->plan);
    if (delivery->plan.loops) { /* as if my_mx_names said so */
        delivery->allowed.classes.best_mx = true;
        delivery->allowed.hosts = 0;
    }
    delivery->next = delivery->at = 0;
    delivery->busy = 0;
    delivery->tried = delivery->counted = 0;
    delivery->said_no[0] = delivery->said_no[1] = 0;
    delivery->attempt_count = 0;
}

void delivery_read_findings(struct delivery *delivery)
{
    delivery->facts.findings = delivery->findings;
    treatment_plan(&delivery->demands, delivery->findings, &delivery->allowed);
    make_plan(delivery);
}

/* TLSRPT hears of the hosts that are passed over, when it would have been their turn. */
void delivery_tell_passed_over(struct delivery *delivery, size_t before)
{
    const struct findings *f = delivery->findings;
    uint32_t passed = delivery->allowed.classes.counted & ~delivery->allowed.hosts;

    if (!tlsrpt_is_on(delivery->agent->tlsrpt) || f->nexthop.kind == NEXTHOP_LITERAL)
        return;
    for (size_t i = 0; i < before && i < f->host_count && i < FINDINGS_MAX_HOSTS; i++) {
        uint32_t bit = UINT32_C(1) << i;
        const struct tls_demand demand = {.kind = TLS_DEMAND_NOT_USED};
        const struct tlsrpt_facts facts = {
            .request = delivery->treatment.request,
            .findings = f,
            .classes = &delivery->allowed.classes,
            .requirement = &delivery->allowed.requirement,
            .demand = &demand,
            .host = i,
        };

        if ((passed & ~delivery->passed_over & bit) == 0)
            continue;
        delivery->passed_over |= bit;
        tlsrpt_report(delivery->agent->tlsrpt, &facts, NULL);
    }
}

bool delivery_has_time(const struct delivery *delivery)
{
    return clock_awake_ms() < delivery->setup_deadline_ms;
}

static bool may_try_more(const struct delivery *delivery)
{
    return delivery->counted < delivery->config->deliver.max_addresses &&
           delivery->tried < TARGETS_MAX && delivery_has_time(delivery);
}

/* A host that has said no for good by one address of a family is not asked at another. */
bool delivery_may_try(const struct delivery *delivery, const struct delivery_target *target)
{
    return may_try_more(delivery) && (delivery->said_no[target->ipv6] >> target->host & 1) == 0;
}

const struct delivery_target *delivery_choose(struct delivery *delivery)
{
    const struct delivery_target *target;

    while (delivery->next < delivery->plan.count) {
        if (!may_try_more(delivery))
            return NULL;
        delivery->at = delivery->next++;
        target = &delivery->plan.targets[delivery->at];
        if (delivery_may_try(delivery, target))
            return target;
    }
    return NULL;
}

/* Without memory for it the attempt is one that is not known, so nothing is permanent. */
static void keep_failure(struct delivery *delivery, const struct outcome_attempt *failure)
{
    struct outcome_attempt *attempts =
        realloc(delivery->attempts, (delivery->attempt_count + 1) * sizeof(*attempts));

    if (attempts == NULL) {
        delivery->allowed.firm = false;
        return;
    }
    attempts[delivery->attempt_count++] = *failure;
    delivery->attempts = attempts;
}

void delivery_note_attempt(struct delivery *delivery)
{
    const struct delivery_attempt *attempt = &delivery->attempt;
    const struct outcome_attempt *failure = &attempt->failure;
    uint64_t bit = UINT64_C(1) << delivery->at;
    bool busy = attempt->failed && attempt->busy, was_busy = (delivery->busy & bit) != 0;

    delivery->met |= attempt->met;
    delivery->busy = busy ? delivery->busy | bit : delivery->busy & ~bit;
    if (attempt->failed && !(busy && was_busy))
        keep_failure(delivery, failure);
    if (attempt->failed && failure->failure == OUTCOME_NOT_TRIED)
        return;
    delivery->tried++;
    if (attempt->failed && failure->definite)
        delivery->said_no[attempt->target.ipv6] |= UINT32_C(1) << attempt->target.host;
    else
        delivery->counted++;
}
