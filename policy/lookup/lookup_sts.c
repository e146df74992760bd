/*
 * The MTA-STS policy of a next-hop: RFC 8461 section 3.1 (record), 3.3 (fetch, what failures mean,
 * retry), 5 and 5.1 (cached policies). A policy in force stays in force until its max_age is over,
 * whatever DNS and the policy host do; only a newer policy replaces it. The shared cache is asked
 * together with DNS (lookup_shared.c), and awaited only where what is cached here is not enough.
 */
#include "lookup/lookup_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    /* After so long a fetch is late. Postfix waits 10 s for an answer of the socketmap, which ends
     * its wait a little sooner. */
    LATE_MS = 7000,
};

static const char record_prefix[] = "_mta-sts.";

static void drop_fetch(struct lookup *l)
{
    if (l->fetch != NULL)
        l->env.world->ops->fetch_cancel(l->env.world, l->fetch);
    l->fetch = NULL;
}

static void drop_late(struct lookup *l)
{
    if (l->sts_late != NULL)
        l->env.world->ops->timer_cancel(l->env.world, l->sts_late);
    l->sts_late = NULL;
    l->draft.sts.late = false;
}

static void sts_settle(struct lookup *l, enum findings_sts_state state)
{
    drop_fetch(l); /* one that was made ready in vain */
    drop_late(l);
    l->draft.sts.state = (uint8_t)state;
    l->sts_state = STS_SETTLED;
    lookup_match_hosts(l);
}

static void say_failure(struct lookup *l, enum findings_sts_failure failure, const char *text)
{
    l->draft.sts.failure = (uint8_t)failure;
    l->draft.sts.failure_text = NULL;
    if (text != NULL && *text) {
        l->draft.sts.failure_text = arena_string(&l->arena, text);
        l->out_of_memory |= l->draft.sts.failure_text == NULL;
    }
}

/* Octets that a policy takes in the arena. */
static size_t policy_octets(const struct sts_policy *policy)
{
    size_t octets = sizeof(char *) + ARENA_OCTETS(STS_ID_MAX + 1);

    for (size_t i = 0; i < policy->mx_count; i++)
        octets += sizeof(char *) + ARENA_OCTETS(strlen(policy->mx[i]) + 1);
    return octets + (policy->lines != NULL ? ARENA_OCTETS(strlen(policy->lines) + 1) : 0);
}

/* Copies a policy into the draft: the cache's own may be replaced while the lookup goes on. Where
 * there is no room the lookup as a whole fails, as without its policy it would say too little. */
static void apply_policy(struct lookup *l, const struct sts_cached *cached,
                         enum findings_sts_source source, bool id_current)
{
    struct findings_sts *sts = &l->draft.sts;
    const struct sts_policy *policy = cached->policy;
    size_t octets = policy_octets(policy), before = l->arena.octets;
    const char **mx;

    if (!lookup_has_room_for_policy(l, octets)) {
        l->out_of_memory = true;
        return;
    }
    mx = arena_zalloc(&l->arena, (policy->mx_count + 1) * sizeof *mx);
    for (size_t i = 0; mx != NULL && i < policy->mx_count; i++) {
        mx[i] = arena_string(&l->arena, policy->mx[i]);
        l->out_of_memory |= mx[i] == NULL;
    }
    sts->mode = (uint8_t)policy->mode;
    sts->source = (uint8_t)source;
    sts->max_age_s = policy->max_age_s;
    sts->fetched_at_s = cached->fetched_wall_s;
    sts->id = arena_string(&l->arena, cached->id);
    sts->policy_lines = policy->lines != NULL ? arena_string(&l->arena, policy->lines) : NULL;
    sts->mx = mx;
    sts->mx_count = mx != NULL ? (uint16_t)policy->mx_count : 0;
    sts->id_current = id_current;
    l->out_of_memory |=
        mx == NULL || sts->id == NULL || (policy->lines != NULL && sts->policy_lines == NULL);
    l->policy_octets = l->arena.octets - before;
    lookup_limit(l, FINDINGS_PART_STS, cached->expires_ms - lookup_now_ms(l));
    sts_settle(l, FINDINGS_STS_POLICY);
}

static const struct sts_cached *policy_find(struct lookup *l)
{
    return sts_cache_find(l->env.sts_cache, l->nexthop.name, lookup_now_ms(l), l->in_use);
}

static const struct sts_cached *in_force(struct lookup *l)
{
    const struct sts_cached *cached = policy_find(l);

    return cached != NULL && cached->policy != NULL ? cached : NULL;
}

/* The record could not be looked up. */
static void txt_failed(struct lookup *l)
{
    bool shared = lookup_shared_take(l, NULL);
    const struct sts_cached *cached = in_force(l);

    say_failure(l, FINDINGS_STS_DNS_ERROR, l->txt.failure);
    if (cached != NULL)
        apply_policy(l, cached, shared ? FINDINGS_STS_SHARED : FINDINGS_STS_CACHED_FAILED, false);
    else
        sts_settle(l, FINDINGS_STS_FAILED);
}

/* There is no record, or none that counts: that alone removes no policy (3.1, 5.1). */
static void txt_absent(struct lookup *l)
{
    bool shared = lookup_shared_take(l, NULL);
    const struct sts_cached *cached = in_force(l);

    say_failure(
        l, l->record == STS_RECORD_INVALID ? FINDINGS_STS_INVALID_RECORD : FINDINGS_STS_NO_RECORD,
        NULL);
    if (cached != NULL)
        apply_policy(l, cached, shared ? FINDINGS_STS_SHARED : FINDINGS_STS_CACHED, true);
    else
        sts_settle(l, FINDINGS_STS_NONE);
}

/* A passing failure for as long as it need not be taken for an answer. */
static bool may_pass(const struct lookup *l, const struct sts_cached *cached)
{
    return cached->passing && lookup_now_ms(l) - cached->failing_ms < l->settings.sts_give_up_ms;
}

/* The policy with the id in DNS cannot be had (now). `cached` has an entry for that. */
static void fetch_failed(struct lookup *l, const struct sts_cached *cached)
{
    if (cached->retry_ms > lookup_now_ms(l))
        lookup_limit(l, FINDINGS_PART_STS, cached->retry_ms - lookup_now_ms(l));
    say_failure(l, (enum findings_sts_failure)cached->failure, cached->failure_text);
    if (cached->policy != NULL) /* the id in DNS may still be its own when only a refresh failed */
        apply_policy(l, cached, FINDINGS_STS_CACHED_FAILED, strcmp(cached->id, l->id) == 0);
    else
        sts_settle(l, may_pass(l, cached) ? FINDINGS_STS_FAILED : FINDINGS_STS_NONE);
}

static void remember_failure(struct lookup *l, enum findings_sts_failure failure, bool passing,
                             int64_t retry_in_ms, const char *text)
{
    int64_t now = lookup_now_ms(l);
    const struct sts_cached *cached = sts_cache_fail(
        l->env.sts_cache, l->nexthop.name, l->id, failure, passing, text, now, now + retry_in_ms);

    if (cached != NULL)
        fetch_failed(l, cached);
    else
        l->out_of_memory = true;
}

static void fetch_ok(struct lookup *l, const struct fetch_result *result)
{
    struct world *world = l->env.world;
    struct sts_policy *policy;
    const struct sts_cached *cached;
    char err[100] = "";
    int error = sts_policy_parse(result->body, result->body_len, &policy, err, sizeof err);

    if (error == 0) {
        counters_add(&l->env.counters->fetch_results[ENGINE_FETCH_OK], 1);
        lookup_shared_put(l, policy, result->body, result->body_len, world->ops->wall_s(world));
        cached = sts_cache_put(l->env.sts_cache, l->nexthop.name, l->id, policy, result->body,
                               result->body_len, lookup_now_ms(l), world->ops->wall_s(world));
        if (cached != NULL)
            apply_policy(l, cached, FINDINGS_STS_FRESH, true);
        else
            l->out_of_memory = true;
    } else if (error == -EBADMSG) {
        counters_add(&l->env.counters->fetch_results[ENGINE_FETCH_INVALID], 1);
        remember_failure(l, FINDINGS_STS_POLICY_INVALID, false, l->settings.sts_min_retry_ms, err);
    } else {
        l->out_of_memory = true;
    }
}

/* It was this host that could not fetch: a policy in force stays so. Without one nobody is told
 * anything of the domain, and nothing is remembered. */
static void fetch_lacked_resources(struct lookup *l, const char *text)
{
    const struct sts_cached *cached = in_force(l);

    counters_add(&l->env.counters->fetch_results[ENGINE_FETCH_FAILED], 1);
    if (cached == NULL) {
        l->out_of_memory = true;
        return;
    }
    lookup_limit(l, FINDINGS_PART_STS, LOOKUP_FAILURE_LIFE_MS);
    say_failure(l, FINDINGS_STS_FETCH_ERROR, text);
    apply_policy(l, cached, FINDINGS_STS_CACHED_FAILED, strcmp(cached->id, l->id) == 0);
}

/* world_fetch_fn */
static void on_fetched(const struct fetch_result *result, void *arg)
{
    struct lookup *l = arg;
    atomic_uint_least64_t *results = l->env.counters->fetch_results;
    int64_t retry_ms = l->settings.sts_min_retry_ms;

    l->fetch = NULL;
    switch (result->status) {
    case FETCH_OK:
        fetch_ok(l, result);
        break;
    case FETCH_REFUSED:
        counters_add(&results[ENGINE_FETCH_REFUSED], 1);
        remember_failure(l, FINDINGS_STS_FETCH_ERROR, false, retry_ms, result->failure);
        break;
    case FETCH_NO_HOST: /* DNS said so, which is as good as its word: it is asked again next time */
        counters_add(&results[ENGINE_FETCH_REFUSED], 1);
        lookup_limit(l, FINDINGS_PART_STS, l->settings.negative_ttl_ms);
        remember_failure(l, FINDINGS_STS_FETCH_ERROR, false, 0, result->failure);
        break;
    case FETCH_WEBPKI:
        counters_add(&results[ENGINE_FETCH_WEBPKI], 1);
        remember_failure(l, FINDINGS_STS_WEBPKI_INVALID, true, retry_ms, result->failure);
        break;
    case FETCH_LOCAL:
        fetch_lacked_resources(l, result->failure);
        break;
    case FETCH_FAILED:
    default:
        counters_add(&results[ENGINE_FETCH_FAILED], 1);
        remember_failure(l, FINDINGS_STS_FETCH_ERROR, true, retry_ms, result->failure);
        break;
    }
    l->advance(l);
}

static void prepare_fetch(struct lookup *l)
{
    struct world *world = l->env.world;

    l->fetch = world->ops->fetch_prepare(world, l->nexthop.name, on_fetched, l);
}

/* world_timer_fn */
static void on_late(void *arg)
{
    struct lookup *l = arg;

    l->sts_late = NULL;
    l->draft.sts.late = true;
    l->advance(l);
}

/* A policy in force stays so while another is fetched: that is waited for. */
static void watch_fetch(struct lookup *l)
{
    struct world *world = l->env.world;
    int64_t left_ms = l->began_ms + LATE_MS - lookup_now_ms(l);

    if (in_force(l) == NULL) /* without memory nobody is told */
        l->sts_late = world->ops->timer(world, left_ms > 0 ? left_ms : 0, on_late, l);
}

static void start_fetch(struct lookup *l)
{
    struct world *world = l->env.world;

    if (l->fetch == NULL)
        prepare_fetch(l);
    if (l->fetch == NULL) {
        l->out_of_memory = true;
        return;
    }
    world->ops->fetch_go(world, l->fetch);
    counters_add(&l->env.counters->sts_fetches, 1);
    watch_fetch(l);
    l->sts_state = STS_FETCH;
}

/* Whether it is the policy of the record. */
static bool has_id(const struct lookup *l, const struct sts_cached *cached)
{
    return cached != NULL && cached->policy != NULL && strcmp(cached->id, l->id) == 0;
}

/* There is a record with an id: do we have its policy, may we fetch it? */
static void txt_found(struct lookup *l)
{
    int64_t now = lookup_now_ms(l);
    enum findings_sts_source source = FINDINGS_STS_CACHED;
    const struct sts_cached *cached = policy_find(l);

    /* Also where a fetch has failed of late: another host may have been luckier. */
    if (!has_id(l, cached) && lookup_shared_take(l, l->id)) {
        cached = policy_find(l);
        source = FINDINGS_STS_SHARED;
    }
    lookup_shared_stop(l);
    if (has_id(l, cached) && cached->expires_ms >= l->sts_fresh_until_ms) {
        apply_policy(l, cached, source, true);
        return;
    }
    if (cached != NULL && cached->retry_ms > now && strcmp(cached->failed_id, l->id) == 0) {
        fetch_failed(l, cached);
        return;
    }
    start_fetch(l);
}

/* The record names the policy that is in force here: nothing else is waited for. */
static bool is_known_here(struct lookup *l)
{
    return l->txt.status != DNS_FAILED && l->record == STS_RECORD_FOUND &&
           has_id(l, policy_find(l));
}

static void take_txt(struct ask *ask, const struct dns_answer *answer)
{
    struct lookup *l = ask->lookup;

    if (answer->status == DNS_FOUND)
        l->record = sts_record_parse(answer, l->id);
}

static void sts_start(struct lookup *l)
{
    char name[ASK_NAME_MAX];

    if (!l->settings.sts_enable || l->nexthop.kind != NEXTHOP_DOMAIN) {
        sts_settle(l, FINDINGS_STS_OFF);
        return;
    }
    l->record = STS_RECORD_NONE;
    snprintf(name, sizeof name, "%s%s", record_prefix, l->nexthop.name);
    ask_start(&l->txt, l, name, DNS_TYPE_TXT, take_txt, NULL);
    lookup_shared_ask(l);
    /* Where nothing is known of the domain, a record with an id means a fetch: what that needs to
     * know of the policy host can be asked for at once. If it is in vain nothing is lost. */
    if (l->known == NULL && policy_find(l) == NULL)
        prepare_fetch(l);
    l->sts_state = STS_TXT;
}

bool lookup_sts_step(struct lookup *l)
{
    switch (l->sts_state) {
    case STS_START:
        sts_start(l);
        return true;
    case STS_TXT:
        if (!l->txt.done || l->out_of_memory)
            return false;
        lookup_limit(l, FINDINGS_PART_STS, lookup_life_of(l, &l->txt));
        if (l->record != STS_RECORD_FOUND)
            lookup_limit(l, FINDINGS_PART_STS,
                         lookup_left_of(l, &l->txt, l->settings.negative_ttl_ms));
        l->sts_state = STS_SHARED;
        return true;
    case STS_SHARED:
        if (l->out_of_memory || (lookup_shared_is_awaited(l) && !is_known_here(l)))
            return false;
        if (l->txt.status == DNS_FAILED)
            txt_failed(l);
        else if (l->record == STS_RECORD_FOUND)
            txt_found(l);
        else
            txt_absent(l);
        return true;
    case STS_FETCH: /* on_fetched leaves it */
    case STS_SETTLED:
    default:
        return false;
    }
}

void lookup_sts_stop(struct lookup *l)
{
    ask_stop(&l->txt);
    lookup_shared_stop(l);
    drop_fetch(l);
    drop_late(l);
}
