/*
 * How the daemon is: what the metrics listener shows as gauges, and what the question STATUS of the
 * socketmap is answered with.
 */
#ifndef MILTER_SERVE_STATUS_H
#define MILTER_SERVE_STATUS_H

#include "base/standing.h"
#include "config/config.h"
#include "serve/socketmap.h"

#include <time.h>

struct json;

struct status {
    const struct config *config; /* the one in force; borrowed from the server */
    const char *store; /* its path, NULL: none; in use since the start, whatever `config` says */
    struct engine_health health;
    struct engine_stats stats;
    time_t started_s;
    int64_t uptime_s;
    size_t sessions; /* of the MTA */
    size_t socketmap_connections;
    size_t lmtp_sessions; /* of MTAs with the delivery agent */
    size_t connections[METRICS_CONNECTION_NONE];
    bool config_changed;
    bool standing[STANDING_COUNT];
};

/* On the loop's thread; waits for the engine's, and asks the file system about the configuration.
 */
void status_collect(const struct socketmap *server, struct status *out);

/* One object, requiretls-query(1) has its members. */
void status_json(const struct status *status, struct json *json);

enum { STATUS_JSON_MAX = 65536 };

#endif
