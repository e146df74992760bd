/*
 * The frame of a lookup: its life, the loop that moves its parts, and the draft. lookup_new begins
 * it; each answer makes lookup_advance call the step of every part until none moves any more, and
 * then tells the owner that the draft has changed. It is complete when no part is pending.
 *
 * All asking begins at once: MX and _mta-sts together, then every host's questions together; the
 * longest chain is MX, addresses, and for aliases the TLSA records of the canonical name (or TXT,
 * HTTPS).
 */
#include "lookup/lookup_internal.h"

#include <stdlib.h>

enum {
    /* How often a lookup asks DNS anew. Then it has failed: resolvers come and go. */
    RENEWED_MAX = 2,
};

static void set_octets(struct lookup *l, size_t octets)
{
    size_t large = octets > LOOKUP_SMALL ? octets - LOOKUP_SMALL : 0;

    atomic_fetch_add_explicit(&l->env.counters->lookup_octets, octets - l->octets,
                              memory_order_relaxed);
    l->octets = octets;
    l->env.memory->used += large - l->large;
    l->large = large;
}

/* What it holds by now. */
static void count_octets(struct lookup *l)
{
    set_octets(l, sizeof *l + l->arena.octets + l->shared_policy.body_len);
}

/* An answer has come whose security nobody vouches for: from now on nothing counts as secure. */
static void lose_security(struct lookup *l)
{
    l->lost = true;
    lookup_check_stop(l); /* nothing permanent can come of it anyway */
    l->draft.security_known = false;
    if (l->draft.mx == FINDINGS_MX_SECURE)
        l->draft.mx = FINDINGS_MX_INSECURE;
    for (size_t i = 0; l->hosts != NULL && i < l->draft.host_count; i++)
        lookup_host_lose_security(&l->hosts[i]);
}

/* The DANE part: the MX records, then each host for itself. */
static bool step_dane(struct lookup *l)
{
    bool moved = lookup_mx_step(l);

    for (size_t i = 0; l->hosts != NULL && i < l->draft.host_count; i++)
        moved |= lookup_host_step(&l->hosts[i]);
    return moved;
}

static void stop_dane(struct lookup *l)
{
    lookup_check_stop(l);
    ask_stop(&l->mx);
    for (size_t i = 0; l->hosts != NULL && i < l->draft.host_count; i++)
        lookup_host_stop(&l->hosts[i]);
}

static void skip_dane(struct lookup *l)
{
    l->mx_state = MX_SETTLED;
}

static void skip_sts(struct lookup *l)
{
    l->sts_state = STS_SETTLED;
}

/* What a lookup does with each part of findings. */
static const struct {
    bool (*step)(struct lookup *l); /* moves it as far as it goes; whether it moved */
    void (*stop)(struct lookup *l); /* nothing of it may be in flight any more */
    void (*skip)(struct lookup *l); /* instead of the first step: it is not asked about */
} parts[FINDINGS_PARTS] = {
    [FINDINGS_PART_DANE] = {step_dane, stop_dane, skip_dane},
    [FINDINGS_PART_STS] = {lookup_sts_step, lookup_sts_stop, skip_sts},
};

static void run_parts(struct lookup *l)
{
    bool moved;

    do {
        moved = false;
        for (unsigned part = 0; part < FINDINGS_PARTS; part++)
            moved |= parts[part].step(l);
    } while (moved && !l->out_of_memory);
}

static void stop_parts(struct lookup *l)
{
    for (unsigned part = 0; part < FINDINGS_PARTS; part++)
        parts[part].stop(l);
}

static bool is_asked_about(const struct lookup *l, enum findings_part part)
{
    return (l->parts & FINDINGS_PART_BIT(part)) != 0;
}

/* The findings as they stand now; their life is final once they are complete. */
static void finish_draft(struct lookup *l)
{
    int64_t ends_ms = findings_ends_first(&l->ends), now_ms = lookup_now_ms(l);

    /* Without any answer the world's word counts, or failures would not be kept at all. */
    if (is_asked_about(l, FINDINGS_PART_DANE) && !l->unknown)
        l->draft.security_known = l->vouched || l->env.world->ops->security_known(l->env.world);
    l->draft.dane_seen =
        !l->draft.security_known &&
        dane_seen_has(l->env.dane_seen, l->nexthop.text, l->env.world->ops->wall_s(l->env.world));
    l->draft.unchecked = !list_empty(&l->checks);
    l->draft.made_at_ms = now_ms;
    l->draft.ttl_s = ends_ms > now_ms ? (uint32_t)((ends_ms - now_ms) / 1000) : 0;
}

/* Asks all of DNS but the STS record anew; with `failure` that is what it comes to. */
static void start_dane_anew(struct lookup *l, const char *failure)
{
    stop_dane(l);
    l->parts |= FINDINGS_PART_BIT(FINDINGS_PART_DANE);
    l->unknown = l->lost = l->vouched = l->refuted = false;
    l->ends.ms[FINDINGS_PART_DANE] = lookup_now_ms(l) + l->settings.max_ttl_ms;
    l->mx_state = failure != NULL ? MX_SETTLED : MX_START;
    l->mx_entries = NULL;
    l->mx_count = 0;
    l->hosts = NULL;
    l->draft.mx = failure != NULL ? FINDINGS_MX_FAILED : FINDINGS_MX_PENDING;
    l->draft.failure = failure;
    l->draft.hosts = NULL;
    l->draft.host_count = 0;
    if (failure != NULL)
        lookup_limit(l, FINDINGS_PART_DANE, LOOKUP_FAILURE_LIFE_MS);
}

/* A resolver that gave answers without AD does not pass the check that was begun after them. */
static void on_refuted(struct lookup *l)
{
    start_dane_anew(l, l->renewed++ >= RENEWED_MAX ? "resolvers do not validate" : NULL);
}

/* Moves everything as far as it goes, then reports. */
static void lookup_advance(struct lookup *l)
{
    if (l->refuted)
        on_refuted(l);
    if (l->unknown && !l->lost)
        lose_security(l);
    run_parts(l);
    count_octets(l);
    if (l->out_of_memory)
        stop_parts(l);
    else
        finish_draft(l);
    l->changed(l, l->changed_arg);
}

/* The parts that are not asked about anew, as they were. The draft points into `known`. */
static void take_known(struct lookup *l, const struct findings *known)
{
    l->known = findings_ref(known);
    for (unsigned part = 0; part < FINDINGS_PARTS; part++) {
        if (!is_asked_about(l, (enum findings_part)part))
            findings_take_part(&l->draft, (enum findings_part)part, known);
    }
    if (!is_asked_about(l, FINDINGS_PART_DANE)) {
        /* Of its own, since sts_match may change. */
        l->draft.hosts =
            arena_copy(&l->arena, known->hosts, known->host_count * sizeof *known->hosts);
        l->out_of_memory |= l->draft.hosts == NULL;
        l->draft.host_count = l->draft.hosts != NULL ? known->host_count : 0;
    }
}

/* What the request says of each part. */
static void set_parts(struct lookup *l, const struct lookup_request *request)
{
    l->parts = request->parts;
    l->ends = findings_ends_all(lookup_now_ms(l) + l->settings.max_ttl_ms);
    for (unsigned part = 0; part < FINDINGS_PARTS; part++) {
        if (is_asked_about(l, (enum findings_part)part))
            continue;
        parts[part].skip(l);
        l->ends.ms[part] = request->known_ends.ms[part];
    }
    if (request->known != NULL)
        take_known(l, request->known);
}

struct lookup *lookup_new(const struct lookup_env *env, const struct lookup_settings *settings,
                          const struct lookup_request *request, lookup_changed_fn changed,
                          void *arg)
{
    struct lookup *l = calloc(1, sizeof *l);

    if (l == NULL)
        return NULL;
    list_init(&l->checks);
    arena_init(&l->arena);
    l->env = *env;
    l->settings = *settings;
    l->nexthop = *request->nexthop;
    l->in_use = request->in_use;
    l->sts_fresh_until_ms = request->sts_fresh_until_ms;
    l->advance = lookup_advance;
    l->changed = changed;
    l->changed_arg = arg;
    l->began_ms = lookup_now_ms(l);
    l->draft.nexthop = (struct findings_nexthop){
        .name = l->nexthop.name,
        .text = l->nexthop.text,
        .port = l->nexthop.port,
        .kind = (uint8_t)l->nexthop.kind,
    };
    set_parts(l, request);

    run_parts(l);
    count_octets(l);
    if (l->out_of_memory) {
        lookup_free(l);
        return NULL;
    }
    finish_draft(l);
    return l;
}

void lookup_distrust(struct lookup *l)
{
    if (is_asked_about(l, FINDINGS_PART_DANE) || l->known != NULL)
        start_dane_anew(l, NULL);
    lookup_advance(l);
}

void lookup_bar_shared(struct lookup *l)
{
    l->shared_barred = true;
}

void lookup_free(struct lookup *l)
{
    if (l == NULL)
        return;
    stop_parts(l);
    set_octets(l, 0);
    arena_fini(&l->arena);
    findings_unref(l->known);
    free(l);
}

const struct findings *lookup_draft(const struct lookup *l)
{
    return l->out_of_memory ? NULL : &l->draft;
}

struct findings_ends lookup_ends(const struct lookup *l)
{
    return l->ends;
}

unsigned lookup_parts(const struct lookup *l)
{
    return l->parts;
}
