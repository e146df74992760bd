/*
 * What other hosts of the site have fetched: MTA-STS policies in the shared cache. RFC 8461 section
 * 10.2: they are in force from the first message that any of the hosts sent.
 *
 * lookup_shared_ask asks together with DNS; on_answer checks the row and keeps it; when the record
 * is known lookup_shared_take puts it in force here, or not; lookup_shared_put gives away what was
 * fetched. A row is used only where a policy of our own would be missing, and ids have no order
 * (section 3.1): one that was fetched here later is never replaced. Whatever is wrong with a row,
 * it is as if there was none.
 */
#include "lookup/lookup_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void drop_row(struct lookup *l)
{
    free((void *)(uintptr_t)l->shared_policy.body);
    l->shared_policy = (struct shared_policy){.body = NULL};
    l->shared_known = false;
}

/* Whether it was fetched later than what is in force here, if anything is. */
static bool is_news(struct lookup *l, const struct shared_policy *row)
{
    const struct sts_cached *cached =
        sts_cache_find(l->env.sts_cache, l->nexthop.name, lookup_now_ms(l), false);

    return cached == NULL || cached->policy == NULL || cached->fetched_wall_s < row->fetched_at_s;
}

/* Its age at wall clock now_s; clocks differ, and what is of the future is as new as can be. */
static int64_t age_s(const struct shared_policy *row, int64_t now_s)
{
    return row->fetched_at_s < now_s ? now_s - row->fetched_at_s : 0;
}

/* Parses it, as the file of a policy host would be. *out only if it is SHARED_OK. */
static enum shared_reject parse(struct lookup *l, const struct shared_policy *row,
                                struct sts_policy **out)
{
    int64_t now_s = l->env.world->ops->wall_s(l->env.world);
    char err[100];
    int error = sts_policy_parse(row->body, row->body_len, out, err, sizeof err);

    if (error < 0)
        return error == -EBADMSG ? SHARED_REJECT_CONTENT : SHARED_REJECT_MEMORY;
    if (age_s(row, now_s) >= (*out)->max_age_s) {
        sts_policy_free(*out);
        return SHARED_REJECT_EXPIRED;
    }
    return SHARED_OK;
}

/* Until the record is known. */
static enum shared_reject keep_row(struct lookup *l, const struct shared_policy *row)
{
    char *body;

    if (!lookup_has_room_for_policy(l, 2 * row->body_len) || (body = malloc(row->body_len)) == NULL)
        return SHARED_REJECT_MEMORY;
    memcpy(body, row->body, row->body_len);
    l->shared_policy = *row;
    l->shared_policy.body = body;
    l->shared_known = true;
    return SHARED_OK;
}

static enum shared_reject check_row(struct lookup *l, const struct shared_row *row)
{
    struct world *world = l->env.world;
    struct shared_policy found;
    struct sts_policy *policy;
    enum shared_reject reject =
        shared_policy_read(row->payload, row->payload_len, l->nexthop.name,
                           l->settings.sts_max_policy, world->ops->wall_s(world), &found);

    if (reject == SHARED_OK)
        reject = parse(l, &found, &policy);
    if (reject != SHARED_OK)
        return reject;
    sts_policy_free(policy);
    return is_news(l, &found) ? keep_row(l, &found) : SHARED_OK;
}

/* world_shared_fn */
static enum shared_reject on_answer(const struct shared_row *row, void *arg)
{
    struct lookup *l = arg;
    enum shared_reject reject = SHARED_OK;

    l->shared = NULL;
    if (row != NULL && !l->shared_barred)
        reject = check_row(l, row);
    l->advance(l);
    return reject;
}

void lookup_shared_ask(struct lookup *l)
{
    struct world *world = l->env.world;

    if (l->in_use) /* a refresh is for the policy host alone */
        l->shared = world->ops->shared_get(world, SHARED_POLICY, l->nexthop.name, on_answer, l);
}

bool lookup_shared_is_awaited(const struct lookup *l)
{
    return l->shared != NULL && !l->shared_barred;
}

/* Whether it is weaker than what is in force here, and fetched later by no more than the clocks of
 * two hosts may differ by: without a record to tell it may well be the older one. */
static bool is_doubtful(struct lookup *l, const struct shared_policy *row,
                        const struct sts_policy *policy)
{
    const struct sts_cached *cached =
        sts_cache_find(l->env.sts_cache, l->nexthop.name, lookup_now_ms(l), false);

    return cached != NULL && cached->policy != NULL && policy->mode < cached->policy->mode &&
           row->fetched_at_s - cached->fetched_wall_s <= SHARED_ROW_EARLY_S;
}

static bool put_in_force(struct lookup *l, const struct shared_policy *row,
                         struct sts_policy *policy)
{
    struct world *world = l->env.world;
    int64_t now_ms = lookup_now_ms(l);
    int64_t fetched_ms = now_ms - age_s(row, world->ops->wall_s(world)) * 1000;

    return sts_cache_take_over(l->env.sts_cache, l->nexthop.name, row->id, policy, row->body,
                               row->body_len, fetched_ms, row->fetched_at_s, now_ms) != NULL;
}

bool lookup_shared_take(struct lookup *l, const char *id)
{
    const struct shared_policy *row = &l->shared_policy;
    struct sts_policy *policy;
    bool taken = false;

    if (l->shared_known && !l->shared_barred && (id == NULL || strcmp(row->id, id) == 0) &&
        is_news(l, row) && parse(l, row, &policy) == SHARED_OK) {
        if (id == NULL && is_doubtful(l, row, policy))
            sts_policy_free(policy);
        else
            taken = put_in_force(l, row, policy);
    }
    lookup_shared_stop(l);
    return taken;
}

void lookup_shared_put(struct lookup *l, const struct sts_policy *policy, const char *body,
                       size_t body_len, int64_t fetched_at_s)
{
    struct world *world = l->env.world;
    struct shared_policy row = {.fetched_at_s = fetched_at_s, .body = body, .body_len = body_len};
    uint8_t *payload;
    size_t len;

    if (policy->max_age_s == 0 || !world->ops->shared_is_on(world))
        return;
    snprintf(row.domain, sizeof row.domain, "%s", l->nexthop.name);
    snprintf(row.id, sizeof row.id, "%s", l->id);
    if (shared_policy_write(&row, &payload, &len) < 0)
        return; /* it costs the other hosts a fetch */
    world->ops->shared_put(world, SHARED_POLICY, row.domain, payload, len,
                           fetched_at_s + (int64_t)policy->max_age_s);
    free(payload);
}

void lookup_shared_stop(struct lookup *l)
{
    if (l->shared != NULL)
        l->env.world->ops->shared_drop(l->env.world, l->shared);
    l->shared = NULL;
    drop_row(l);
}
