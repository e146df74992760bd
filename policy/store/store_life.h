/*
 * How long a stored policy still lives when it is read back. Pure.
 *
 * While the engine runs it counts max_age on a clock that nobody sets; the wall clock matters only
 * across a restart. It may have been wrong when the policy was fetched, or be wrong now. Rules,
 * with age = now - fetched_at:
 *
 *  - age between 0 and max_age: alive for the rest (RFC 8461 section 5.1). Up to a day below 0
 *    counts as 0: clocks are corrected.
 *  - expired by less than half a year: expired, and deleted.
 *  - everything else (from the future, or longer expired than hosts are switched off): the clock is
 *    not believed. Dropping would lose every policy of a host that boots with a wrong clock,
 * keeping would let an expired policy live for ever. So it lives for at most another week, time
 * enough for the daily refresh, counted from now on, and gets this at most three times without
 * having been fetched in between.
 */
#ifndef POLICY_STORE_STORE_LIFE_H
#define POLICY_STORE_STORE_LIFE_H

#include <stdint.h>

enum store_life_value {
    STORE_LIFE_ALIVE,
    STORE_LIFE_DOUBTFUL, /* alive; to be written back with the new fetched_at_s and doubts */
    STORE_LIFE_OVER,
};

struct store_life {
    enum store_life_value value;
    uint32_t left_s;
    int64_t fetched_at_s;
    unsigned doubts;
};

/* Times on the wall clock. doubts: how often the row was DOUBTFUL since it was fetched. */
struct store_life store_life(int64_t now_s, int64_t fetched_at_s, uint32_t max_age_s,
                             unsigned doubts);

#endif
