/*
 * What all parts of a lookup use of its state: how much memory it may still take, and how long what
 * was learnt may be used.
 */
#include "lookup/lookup_internal.h"

const char lookup_no_room[] = "more than memory is set aside for";

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

int64_t lookup_now_ms(const struct lookup *l)
{
    return l->env.world->ops->mono_ms(l->env.world);
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t lookup_left_of(const struct lookup *l, const struct ask *ask, int64_t life_ms)
{
    return ask->received_ms + life_ms - lookup_now_ms(l);
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
        life_ms = min_i64(LOOKUP_FAILURE_LIFE_MS, l->settings.negative_ttl_ms);
        break;
    }
    return lookup_left_of(l, ask, life_ms);
}

void lookup_limit(struct lookup *l, enum findings_part part, int64_t life_ms)
{
    l->ends.ms[part] = min_i64(l->ends.ms[part], lookup_now_ms(l) + life_ms);
}

void lookup_match_hosts(struct lookup *l)
{
    findings_match_hosts(&l->draft.sts, (struct findings_host *)(uintptr_t)l->draft.hosts,
                         l->draft.host_count);
}
