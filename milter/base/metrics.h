/*
 * The daemon's counters, and their exposition in Prometheus' text format (version 0.0.4).
 * Counting takes no lock: any thread may do it at any time. The HTTP listener is metrics_http.c.
 */
#ifndef MILTER_BASE_METRICS_H
#define MILTER_BASE_METRICS_H

#include "base/answer_map.h"
#include "base/metrics_deliver.h"
#include "base/metrics_request.h"
#include "base/standing.h"
#include "policy/engine.h"
#include "policy/verdict.h"

#include <stdio.h>
#include <time.h>

struct metrics;

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
    METRICS_MAP_STATUS,
    METRICS_MAP_UNKNOWN,
    METRICS_MAPS
};

enum metrics_reply { METRICS_OK, METRICS_NOTFOUND, METRICS_TEMP, METRICS_PERM, METRICS_REPLIES };

/* Values that are read when the metrics are asked for. */
struct metrics_gauges {
    bool security_known;
    bool store_up;  /* or there is none */
    bool shared_up; /* likewise of the shared cache */
    bool standing[STANDING_COUNT];
    size_t socketmap_connections;
    size_t dns_waiting; /* queries that are not sent yet */
};

int metrics_new(struct metrics **out); /* 0 or -ENOMEM */
void metrics_free(struct metrics *metrics);

/* All of these do nothing when metrics is NULL or a value is out of range. Any thread. */
void metrics_message(struct metrics *metrics, enum metrics_request request,
                     enum metrics_action action);
void metrics_recipient(struct metrics *metrics, enum verdict_level level,
                       enum verdict_value verdict);
/* Likewise of one that a rule observes; and one without a verdict, since too many wait. */
void metrics_observed(struct metrics *metrics, enum verdict_level level,
                      enum verdict_value verdict);
void metrics_observed_skipped(struct metrics *metrics);
void metrics_dsn_redacted(struct metrics *metrics);
/* `map`: of enum answer_map or enum metrics_map. */
void metrics_socketmap(struct metrics *metrics, unsigned map, enum metrics_reply reply);
void metrics_socketmap_refused(struct metrics *metrics); /* a malformed request */

/* --- the delivery agent */

/* requiretls_deliveries_total and requiretls_delivery_seconds: a recipient was answered. */
void metrics_delivery(struct metrics *metrics, enum metrics_request request,
                      enum metrics_delivery status, int64_t delay_ms);

/* requiretls_tls_sessions_total: once for each new connection that came as far as TLS, when its
 * handshake is over or STARTTLS turns out not to be had. `why` is an enum tls_why of the peer, or
 * METRICS_TLS_NO_STARTTLS. */
void metrics_tls_session(struct metrics *metrics, enum tls_demand_kind demanded, unsigned why);

/* requiretls_connections, to servers. Each begins with a move from NONE and ends with one to NONE.
 */
void metrics_connection_moved(struct metrics *metrics, enum metrics_connection from,
                              enum metrics_connection to);
size_t metrics_connections(const struct metrics *metrics, enum metrics_connection state);

/* requiretls_lmtp_sessions: of MTAs with the agent. */
void metrics_lmtp_session_begun(struct metrics *metrics);
void metrics_lmtp_session_over(struct metrics *metrics);
size_t metrics_lmtp_sessions(const struct metrics *metrics);

/* --- what the daemon itself notes, for the status. NULL metrics: nothing, and none. Any thread. */

/* Notes that a warning stands, or no longer does: those that nobody else knows of. */
void metrics_set_standing(struct metrics *metrics, enum standing standing, bool on);
bool metrics_standing(const struct metrics *metrics, unsigned standing);

/* A connection of the MTA to the milter has begun, or is over. */
void metrics_session_begun(struct metrics *metrics);
void metrics_session_over(struct metrics *metrics);
size_t metrics_sessions(const struct metrics *metrics);

/* When it was made, and how long ago that is, sleep included. */
time_t metrics_started_s(const struct metrics *metrics);
int64_t metrics_uptime_s(const struct metrics *metrics);

/* Writes everything. `stats` NULL: without the engine's part. Any thread. */
void metrics_write(struct metrics *metrics, const struct engine_stats *stats,
                   const struct metrics_gauges *gauges, FILE *out);

#endif
