/*
 * The limits that hold for all probes together. probe_limits_may before a probe is put in line,
 * probe_limits_begun when it connects, probe_limits_ended with what came of it: a row of hosts that
 * could not be reached begins a rest, one that could ends the row.
 */
#include "probe/probe_limits.h"

#include <string.h>

void probe_limits_init(struct probe_limits *limits)
{
    memset(limits, 0, sizeof(*limits));
    limits->per_minute = 1;
    limits->minute_ms = INT64_MIN / 2; /* long ago */
    limits->rest_until_ms = INT64_MIN;
}

void probe_limits_configure(struct probe_limits *limits, size_t per_minute)
{
    limits->per_minute = per_minute > 0 ? per_minute : 1;
}

static void turn_minute(struct probe_limits *limits, int64_t now_ms)
{
    int64_t age_ms = now_ms - limits->minute_ms;

    if (age_ms >= 0 && age_ms < PROBE_LIMITS_MINUTE_MS)
        return;
    if (age_ms >= PROBE_LIMITS_MINUTE_MS && age_ms < 2 * PROBE_LIMITS_MINUTE_MS) {
        limits->begun_before = limits->begun;
        limits->minute_ms += PROBE_LIMITS_MINUTE_MS;
    } else {
        limits->begun_before = 0;
        limits->minute_ms = now_ms;
    }
    limits->begun = 0;
}

bool probe_limits_may(struct probe_limits *limits, size_t waiting, int64_t now_ms)
{
    int64_t left_ms;
    size_t before;

    turn_minute(limits, now_ms);
    left_ms = limits->minute_ms + PROBE_LIMITS_MINUTE_MS - now_ms;
    before = limits->begun_before * (size_t)left_ms / PROBE_LIMITS_MINUTE_MS;
    return before + limits->begun + waiting < limits->per_minute;
}

void probe_limits_begun(struct probe_limits *limits, int64_t now_ms)
{
    turn_minute(limits, now_ms);
    limits->begun++;
}

static bool is_in_row(const struct probe_limits *limits, uint64_t host)
{
    for (size_t i = 0; i < limits->row; i++) {
        if (limits->hosts[i] == host)
            return true;
    }
    return false;
}

bool probe_limits_ended(struct probe_limits *limits, uint64_t host, bool reached, int64_t now_ms)
{
    if (reached) {
        limits->row = 0;
        limits->rest_until_ms = INT64_MIN;
        return false;
    }
    if (probe_limits_rests(limits, now_ms) || is_in_row(limits, host))
        return false;
    limits->hosts[limits->row++] = host;
    if (limits->row < PROBE_LIMITS_ROW)
        return false;
    limits->row = 0;
    limits->rest_until_ms = now_ms + PROBE_LIMITS_REST_MS;
    return true;
}

bool probe_limits_rests(const struct probe_limits *limits, int64_t now_ms)
{
    return now_ms < limits->rest_until_ms;
}
