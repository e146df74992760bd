/*
 * The parts of findings: when they end, one part taken from other findings, and findings of several
 * times merged into one: when a renewal succeeds in one part and fails in another, the part that
 * failed is kept as it was. Probes come to findings last.
 */
#include "findings/findings_parts.h"
#include "findings/findings_make.h"
#include "findings/sts_match.h"

#include <string.h>

void findings_match_hosts(const struct findings_sts *sts, struct findings_host *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hosts[i].sts_match = false;
        for (size_t m = 0; sts->state == FINDINGS_STS_POLICY && m < sts->mx_count; m++) {
            if (sts_pattern_match(sts->mx[m], hosts[i].name))
                hosts[i].sts_match = true;
        }
    }
}

struct findings_ends findings_ends_all(int64_t ms)
{
    struct findings_ends ends;

    for (unsigned part = 0; part < FINDINGS_PARTS; part++)
        ends.ms[part] = ms;
    return ends;
}

int64_t findings_ends_first(const struct findings_ends *ends)
{
    int64_t first_ms = INT64_MAX;

    for (unsigned part = 0; part < FINDINGS_PARTS; part++)
        first_ms = ends->ms[part] < first_ms ? ends->ms[part] : first_ms;
    return first_ms;
}

int64_t findings_ends_last(const struct findings_ends *ends)
{
    int64_t last_ms = INT64_MIN;

    for (unsigned part = 0; part < FINDINGS_PARTS; part++)
        last_ms = ends->ms[part] > last_ms ? ends->ms[part] : last_ms;
    return last_ms;
}

void findings_take_part(struct findings *draft, enum findings_part part,
                        const struct findings *from)
{
    switch (part) {
    case FINDINGS_PART_DANE:
        draft->mx = from->mx;
        draft->failure = from->failure;
        draft->security_known = from->security_known;
        draft->unchecked = from->unchecked;
        draft->dane_seen = from->dane_seen;
        draft->hosts = from->hosts;
        draft->host_count = from->host_count;
        return;
    case FINDINGS_PART_STS:
        draft->sts = from->sts;
        if (draft->sts.source == FINDINGS_STS_FRESH || draft->sts.source == FINDINGS_STS_SHARED)
            draft->sts.source = FINDINGS_STS_CACHED;
        return;
    case FINDINGS_PARTS:
    default:
        return;
    }
}

const struct findings *findings_merge(const struct findings *const from[FINDINGS_PARTS],
                                      int64_t made_at_ms, uint32_t ttl_s)
{
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    struct findings merged = {.nexthop = from[0]->nexthop};

    for (unsigned part = 0; part < FINDINGS_PARTS; part++)
        findings_take_part(&merged, (enum findings_part)part, from[part]);
    if (merged.host_count > FINDINGS_MAX_HOSTS)
        return NULL;
    if (merged.host_count > 0)
        memcpy(hosts, merged.hosts, merged.host_count * sizeof *hosts);
    findings_match_hosts(&merged.sts, hosts, merged.host_count);
    merged.hosts = hosts;
    merged.made_at_ms = made_at_ms;
    merged.ttl_s = ttl_s;
    return findings_freeze(&merged);
}

const struct findings *findings_with_probes(const struct findings *findings,
                                            const struct findings_probe *const *probes_of_host,
                                            const uint8_t *counts)
{
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    struct findings probed = *findings;

    if (findings->host_count > FINDINGS_MAX_HOSTS)
        return NULL;
    for (size_t i = 0; i < findings->host_count; i++) {
        hosts[i] = findings->hosts[i];
        hosts[i].probes = counts[i] > 0 ? probes_of_host[i] : NULL;
        hosts[i].probe_count = counts[i];
    }
    probed.hosts = hosts;
    return findings_freeze(&probed);
}
