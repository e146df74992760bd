/*
 * The parts that findings are made of. Each is looked up, ends and is renewed for itself. Who deals
 * with all of them loops over enum findings_part, so that one more part means one more constant
 * here, a case in findings_take_part, its functions in lookup.c's table of parts, and in
 * core_findings.c what of it is better than a new one. Pure.
 */
#ifndef POLICY_FINDINGS_FINDINGS_PARTS_H
#define POLICY_FINDINGS_FINDINGS_PARTS_H

#include "policy/findings.h"

enum findings_part {
    FINDINGS_PART_DANE, /* MX, addresses, TLSA */
    FINDINGS_PART_STS,  /* MTA-STS */
    FINDINGS_PARTS,     /* how many there are */
};

/* A set of parts is an unsigned of such bits. */
#define FINDINGS_PART_BIT(part) (1U << (part))
#define FINDINGS_ALL_PARTS (FINDINGS_PART_BIT(FINDINGS_PARTS) - 1)

/* When each part ends: milliseconds on the engine's monotonic clock. */
struct findings_ends {
    int64_t ms[FINDINGS_PARTS];
};

struct findings_ends findings_ends_all(int64_t ms); /* every part at the same time */
int64_t findings_ends_first(const struct findings_ends *ends);
int64_t findings_ends_last(const struct findings_ends *ends);

/* Sets that part of the draft to what it is in `from`, which the draft then points into. What rests
 * on several parts (sts_match of the hosts, the summary, the life) is the caller's to set. */
void findings_take_part(struct findings *draft, enum findings_part part,
                        const struct findings *from);

/* New findings, frozen, with each part of from[part]: complete findings of the same next-hop. NULL
 * when out of memory. */
const struct findings *findings_merge(const struct findings *const from[FINDINGS_PARTS],
                                      int64_t made_at_ms, uint32_t ttl_s);

#endif
