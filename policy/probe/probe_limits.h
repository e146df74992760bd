/*
 * How much is probed: so many probes in a minute, and none for a while when no host can be reached.
 * Pure: it knows no sockets and no clock. One thread.
 */
#ifndef POLICY_PROBE_PROBE_LIMITS_H
#define POLICY_PROBE_PROBE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* So many different hosts in a row that could not be reached mean that the fault is ours: port
     * 25 is blocked, the network is down. */
    PROBE_LIMITS_ROW = 20,
    PROBE_LIMITS_REST_MS = 10 * 60 * 1000,
    PROBE_LIMITS_MINUTE_MS = 60 * 1000,
};

struct probe_limits {
    size_t per_minute;
    int64_t minute_ms;                /* when the present minute began */
    size_t begun, begun_before;       /* in it, and in the one before */
    int64_t rest_until_ms;            /* INT64_MIN: none */
    size_t row;                       /* hosts that could not be reached since one could */
    uint64_t hosts[PROBE_LIMITS_ROW]; /* which: a host that is tried again counts once */
};

void probe_limits_init(struct probe_limits *limits);
void probe_limits_configure(struct probe_limits *limits, size_t per_minute);

/*
 * Whether one more probe may be begun, or wait to be, when `waiting` others do already. Counts the
 * present minute and, of the one before, as large a part as lies within the last 60 seconds.
 */
bool probe_limits_may(struct probe_limits *limits, size_t waiting, int64_t now_ms);
void probe_limits_begun(struct probe_limits *limits, int64_t now_ms);

/* A probe of that host (a hash of its name) has ended: it could be reached or not. Returns whether
 * a rest begins by that. */
bool probe_limits_ended(struct probe_limits *limits, uint64_t host, bool reached, int64_t now_ms);

bool probe_limits_rests(const struct probe_limits *limits, int64_t now_ms);

#endif
