/*
 * The frame of a lookup: its life, the loop that moves its parts, and the draft. All asking begins
 * at once: MX and _mta-sts together, then every host's questions together; the longest chain is
 * MX, addresses, and for aliases the TLSA records of the canonical name (or TXT, HTTPS).
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
    set_octets(l, sizeof *l + l->arena.octets);
}

/* An answer has come whose security nobody vouches for: from now on nothing counts as secure. */
static void lose_security(struct lookup *l)
{
    l->lost = true;
    lookup_check_stop(l); /* nothing permanent can come of it anyway */
    l->draft.security_known = false;
    if (l->draft.mx == FINDINGS_MX_SECURE)
        l->draft.mx = FINDINGS_MX_INSECURE;
    for (size_t i = 0; l->hosts && i < l->draft.host_count; i++)
        lookup_host_lose_security(&l->hosts[i]);
}

static bool step_hosts(struct lookup *l)
{
    bool moved = false;

    for (size_t i = 0; l->hosts && i < l->draft.host_count; i++)
        moved |= lookup_host_step(&l->hosts[i]);
    return moved;
}

static void run_parts(struct lookup *l)
{
    bool moved;

    do {
        moved = lookup_mx_step(l);
        moved |= step_hosts(l);
        moved |= lookup_sts_step(l);
    } while (moved && !l->out_of_memory);
}

static void stop_dane(struct lookup *l)
{
    lookup_check_stop(l);
    ask_stop(&l->mx);
    for (size_t i = 0; l->hosts && i < l->draft.host_count; i++)
        lookup_host_stop(&l->hosts[i]);
}

static void stop_parts(struct lookup *l)
{
    stop_dane(l);
    lookup_sts_stop(l);
}

/* The findings as they stand now; the summary and the life are final once they are complete. */
static void finish_draft(struct lookup *l)
{
    int64_t dane_ms = lookup_dane_life_ms(l), sts_ms = lookup_sts_life_ms(l);
    int64_t life_ms = dane_ms < sts_ms ? dane_ms : sts_ms;

    /* Without any answer the world's word counts, or failures would not be kept at all. */
    if ((l->parts & LOOKUP_DANE) && !l->unknown)
        l->draft.security_known = l->vouched || l->env.world->ops->security_known(l->env.world);
    l->draft.dane_seen =
        !l->draft.security_known &&
        dane_seen_has(l->env.dane_seen, l->nexthop.text, l->env.world->ops->wall_s(l->env.world));
    l->draft.unchecked = !list_empty(&l->checks);
    l->draft.summary = (uint8_t)findings_summarise(&l->draft);
    l->draft.made_at_ms = lookup_now_ms(l);
    l->draft.ttl_s = (uint32_t)(life_ms / 1000);
}

/* Asks all of DNS but the STS record anew; with `failure` that is what it comes to. */
static void start_dane_anew(struct lookup *l, const char *failure)
{
    stop_dane(l);
    l->parts |= LOOKUP_DANE;
    l->unknown = l->lost = l->vouched = l->refuted = false;
    l->dane_ends_ms = lookup_now_ms(l) + l->settings.max_ttl_ms;
    l->mx_state = failure != NULL ? MX_SETTLED : MX_START;
    l->mx_entries = NULL;
    l->mx_count = 0;
    l->hosts = NULL;
    l->draft.mx = failure != NULL ? FINDINGS_MX_FAILED : FINDINGS_MX_PENDING;
    l->draft.failure = failure;
    l->draft.hosts = NULL;
    l->draft.host_count = 0;
    if (failure != NULL)
        lookup_limit_dane(l, LOOKUP_FAILURE_LIFE_MS);
}

/* A resolver that gave answers without AD does not pass the check that was begun after them. */
static void on_refuted(struct lookup *l)
{
    start_dane_anew(l, l->renewed++ >= RENEWED_MAX ? "resolvers do not validate" : NULL);
}

/* Moves everything as far as it goes, then reports. */
static void advance(struct lookup *l)
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

/* The part that is not asked about anew, as it was. The draft points into `known`. */
static void take_known(struct lookup *l, const struct findings *known)
{
    struct findings_host *hosts;

    l->known = findings_ref(known);
    if (!(l->parts & LOOKUP_DANE)) {
        hosts = arena_copy(&l->arena, known->hosts, known->host_count * sizeof *known->hosts);
        l->out_of_memory |= hosts == NULL;
        l->draft.mx = known->mx;
        l->draft.failure = known->failure;
        l->draft.security_known = known->security_known;
        l->draft.hosts = hosts;
        l->draft.host_count = hosts != NULL ? known->host_count : 0;
    }
    if (!(l->parts & LOOKUP_STS)) {
        l->draft.sts = known->sts;
        if (l->draft.sts.source == FINDINGS_STS_FRESH)
            l->draft.sts.source = FINDINGS_STS_CACHED;
    }
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
    l->parts = request->parts;
    l->in_use = request->in_use;
    l->sts_fresh_until_ms = request->sts_fresh_until_ms;
    l->advance = advance;
    l->changed = changed;
    l->changed_arg = arg;
    l->began_ms = lookup_now_ms(l);
    l->dane_ends_ms = l->sts_ends_ms = lookup_now_ms(l) + settings->max_ttl_ms;
    l->draft.nexthop = (struct findings_nexthop){
        .name = l->nexthop.name,
        .text = l->nexthop.text,
        .port = l->nexthop.port,
        .kind = (uint8_t)l->nexthop.kind,
    };
    if (!(l->parts & LOOKUP_DANE)) {
        l->mx_state = MX_SETTLED;
        l->dane_ends_ms = request->known_dane_ends_ms;
    }
    if (!(l->parts & LOOKUP_STS)) {
        l->sts_state = STS_SETTLED;
        l->sts_ends_ms = request->known_sts_ends_ms;
    }
    if (request->known != NULL)
        take_known(l, request->known);

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
    if ((l->parts & LOOKUP_DANE) || l->known != NULL)
        start_dane_anew(l, NULL);
    advance(l);
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

static int64_t life_until(const struct lookup *l, int64_t ends_ms)
{
    int64_t now = lookup_now_ms(l);

    return ends_ms > now ? ends_ms - now : 0;
}

int64_t lookup_dane_life_ms(const struct lookup *l)
{
    return life_until(l, l->dane_ends_ms);
}

int64_t lookup_sts_life_ms(const struct lookup *l)
{
    return life_until(l, l->sts_ends_ms);
}

unsigned lookup_parts(const struct lookup *l)
{
    return l->parts;
}
