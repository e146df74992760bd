/*
 * The frame of a lookup: its life, the loop that moves its parts, and the draft. All asking begins
 * at once: MX and _mta-sts together, then every host's questions together; the longest chain is
 * MX, addresses, and for aliases the TLSA records of the canonical name (or TXT, HTTPS).
 */
#include "lookup/lookup_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* A lookup that failed is answered from memory for this long: it spares a struggling resolver
     * one lookup per message, and is shorter than any MTA's retry. */
    FAILURE_LIFE_MS = 10 * 1000,
};

const char lookup_no_room[] = "more than memory is set aside for";

/* ---- Memory ---- */

/* What the lookup may hold beyond LOOKUP_SMALL. */
static size_t room_beyond_small(const struct lookup *l, size_t parts)
{
    const struct lookup_memory *memory = l->env.memory;
    size_t others = memory->used - l->large;

    return memory->max > others ? (memory->max - others) / parts : 0;
}

bool lookup_has_room(const struct lookup *l, size_t more)
{
    size_t own = sizeof *l + l->arena.octets - l->policy_octets + more;
    size_t room = LOOKUP_SMALL + room_beyond_small(l, 16);

    return own <= room && (own <= LOOKUP_SMALL || own <= LOOKUP_LARGEST);
}

bool lookup_has_room_for_policy(const struct lookup *l, size_t more)
{
    return sizeof *l + l->arena.octets + more <= LOOKUP_SMALL + room_beyond_small(l, 4);
}

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

static int64_t now_ms(const struct lookup *l)
{
    return l->env.world->ops->mono_ms(l->env.world);
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t lookup_left_of(const struct lookup *l, const struct ask *ask, int64_t life_ms)
{
    return ask->received_ms + life_ms - now_ms(l);
}

int64_t lookup_life_of(const struct lookup *l, const struct ask *ask)
{
    int64_t life_ms = min_i64((int64_t)ask->ttl_s * 1000, l->settings.max_ttl_ms);

    switch (ask->status) {
    case DNS_FOUND:
        break;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        life_ms = min_i64(life_ms, l->settings.negative_ttl_ms);
        break;
    case DNS_FAILED:
    default:
        life_ms = min_i64(FAILURE_LIFE_MS, l->settings.negative_ttl_ms);
        break;
    }
    return lookup_left_of(l, ask, life_ms);
}

void lookup_limit_dane(struct lookup *l, int64_t life_ms)
{
    l->dane_ends_ms = min_i64(l->dane_ends_ms, now_ms(l) + life_ms);
}

void lookup_limit_sts(struct lookup *l, int64_t life_ms)
{
    l->sts_ends_ms = min_i64(l->sts_ends_ms, now_ms(l) + life_ms);
}

void lookup_lose_security(struct lookup *l)
{
    if (l->unknown)
        return;
    l->unknown = true;
    lookup_check_stop(l); /* nothing permanent can come of it anyway */
    l->draft.security_known = false;
    if (l->draft.mx == FINDINGS_MX_SECURE)
        l->draft.mx = FINDINGS_MX_INSECURE;
    for (size_t i = 0; l->hosts && i < l->draft.host_count; i++)
        lookup_host_lose_security(&l->hosts[i]);
}

void lookup_match_hosts(struct lookup *l)
{
    findings_match_hosts(&l->draft.sts, (struct findings_host *)(uintptr_t)l->draft.hosts,
                         l->draft.host_count);
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
    int64_t life_ms = min_i64(lookup_dane_life_ms(l), lookup_sts_life_ms(l));

    /* Without any answer the world's word counts, or failures would not be kept at all. */
    if ((l->parts & LOOKUP_DANE) && !l->unknown)
        l->draft.security_known = l->vouched || l->env.world->ops->security_known(l->env.world);
    l->draft.dane_seen =
        !l->draft.security_known &&
        dane_seen_has(l->env.dane_seen, l->nexthop.text, l->env.world->ops->wall_s(l->env.world));
    l->draft.unchecked = !list_empty(&l->checks);
    l->draft.summary = (uint8_t)findings_summarise(&l->draft);
    l->draft.made_at_ms = now_ms(l);
    l->draft.ttl_s = (uint32_t)(life_ms / 1000);
}

void lookup_run(struct lookup *l)
{
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
        l->out_of_memory |= !hosts;
        l->draft.mx = known->mx;
        l->draft.failure = known->failure;
        l->draft.security_known = known->security_known;
        l->draft.hosts = hosts;
        l->draft.host_count = hosts ? known->host_count : 0;
    }
    if (!(l->parts & LOOKUP_STS)) {
        l->draft.sts = known->sts;
        if (l->draft.sts.source == FINDINGS_STS_FRESH)
            l->draft.sts.source = FINDINGS_STS_CACHED;
    }
}

struct lookup *lookup_new(const struct lookup_env *env, const struct lookup_settings *settings,
                          const struct nexthop *nexthop, unsigned parts,
                          const struct findings *known, int64_t known_dane_ends_ms,
                          int64_t known_sts_ends_ms, lookup_changed_fn changed, void *arg)
{
    struct lookup *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    list_init(&l->checks);
    arena_init(&l->arena);
    l->env = *env;
    l->settings = *settings;
    l->nexthop = *nexthop;
    l->parts = parts;
    l->changed = changed;
    l->changed_arg = arg;
    l->began_ms = now_ms(l);
    l->dane_ends_ms = l->sts_ends_ms = now_ms(l) + settings->max_ttl_ms;
    l->draft.nexthop = (struct findings_nexthop){
        .name = l->nexthop.name,
        .text = l->nexthop.text,
        .port = l->nexthop.port,
        .kind = (uint8_t)l->nexthop.kind,
    };
    if (!(parts & LOOKUP_DANE)) {
        l->mx_state = MX_SETTLED;
        l->dane_ends_ms = known_dane_ends_ms;
    }
    if (!(parts & LOOKUP_STS)) {
        l->sts_state = STS_SETTLED;
        l->sts_ends_ms = known_sts_ends_ms;
    }
    if (known)
        take_known(l, known);

    run_parts(l);
    count_octets(l);
    if (l->out_of_memory) {
        lookup_free(l);
        return NULL;
    }
    finish_draft(l);
    return l;
}

void lookup_begin_dane_anew(struct lookup *l, const char *failure)
{
    stop_dane(l);
    l->parts |= LOOKUP_DANE;
    l->unknown = l->vouched = false;
    l->dane_ends_ms = now_ms(l) + l->settings.max_ttl_ms;
    l->mx_state = failure ? MX_SETTLED : MX_START;
    l->mx_entries = NULL;
    l->mx_count = 0;
    l->hosts = NULL;
    l->draft.mx = failure ? FINDINGS_MX_FAILED : FINDINGS_MX_PENDING;
    l->draft.failure = failure;
    l->draft.hosts = NULL;
    l->draft.host_count = 0;
    if (failure)
        lookup_limit_dane(l, FAILURE_LIFE_MS);
}

void lookup_distrust(struct lookup *l)
{
    if ((l->parts & LOOKUP_DANE) || l->known)
        lookup_begin_dane_anew(l, NULL);
    lookup_run(l);
}

void lookup_free(struct lookup *l)
{
    if (!l)
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
    int64_t now = now_ms(l);

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
