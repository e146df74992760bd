/*
 * Findings of two times in one: when a renewal succeeds in one part and fails in the other, the
 * part that failed is kept as it was.
 */
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

const struct findings *findings_merge(const struct findings *dane, const struct findings *sts,
                                      int64_t made_at_ms, uint32_t ttl_s)
{
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    struct findings merged = *dane;

    if (dane->host_count > FINDINGS_MAX_HOSTS)
        return NULL;
    if (dane->host_count > 0)
        memcpy(hosts, dane->hosts, dane->host_count * sizeof *hosts);
    merged.sts = sts->sts;
    if (merged.sts.source == FINDINGS_STS_FRESH)
        merged.sts.source = FINDINGS_STS_CACHED;
    findings_match_hosts(&merged.sts, hosts, merged.host_count);
    merged.hosts = hosts;
    merged.summary = (uint8_t)findings_summarise(&merged);
    merged.made_at_ms = made_at_ms;
    merged.ttl_s = ttl_s;
    return findings_freeze(&merged);
}
