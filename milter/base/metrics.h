/*
 * The daemon's counters, and their exposition in Prometheus' text format (version 0.0.4).
 * Counting takes no lock: any thread may do it at any time. The HTTP listener is metrics_http.c.
 */
#ifndef MILTER_BASE_METRICS_H
#define MILTER_BASE_METRICS_H

#include "base/answer_map.h"
#include "policy/engine.h"
#include "policy/verdict.h"

#include <stdio.h>

struct metrics;

enum metrics_request {
    METRICS_REQUEST_NONE,
    METRICS_REQUEST_OPTIONAL,
    METRICS_REQUEST_REQUIRE,
    METRICS_REQUESTS
};

enum metrics_action {
    METRICS_ACCEPT,
    METRICS_REJECT,
    METRICS_TEMPFAIL,
    METRICS_QUARANTINE,
    METRICS_LOG,
    METRICS_ACTIONS
};

/* The label `map`: a map (enum answer_map), a command that is none, or what is neither. */
enum metrics_map {
    METRICS_MAP_JSON = ANSWER_MAPS,
    METRICS_MAP_PURGE,
    METRICS_MAP_DUMP,
    METRICS_MAP_UNKNOWN,
    METRICS_MAPS
};

enum metrics_reply { METRICS_OK, METRICS_NOTFOUND, METRICS_TEMP, METRICS_PERM, METRICS_REPLIES };

/* Values that are read when the metrics are asked for. */
struct metrics_gauges {
    bool security_known;
    size_t socketmap_connections;
};

int metrics_new(struct metrics **out); /* 0 or -ENOMEM */
void metrics_free(struct metrics *metrics);

/* All of these do nothing when metrics is NULL or a value is out of range. Any thread. */
void metrics_message(struct metrics *metrics, enum metrics_request request,
                     enum metrics_action action);
void metrics_recipient(struct metrics *metrics, enum verdict_level level,
                       enum verdict_value verdict);
void metrics_dsn_redacted(struct metrics *metrics);
/* `map`: of enum answer_map or enum metrics_map. */
void metrics_socketmap(struct metrics *metrics, unsigned map, enum metrics_reply reply);
void metrics_socketmap_refused(struct metrics *metrics); /* a malformed request */

/* Writes everything. `stats` NULL: without the engine's part. Any thread. */
void metrics_write(struct metrics *metrics, const struct engine_stats *stats,
                   const struct metrics_gauges *gauges, FILE *out);

#endif
