/*
 * The delivery agent's counters: a part of the daemon's (metrics.h, which has the functions that
 * the agent calls). What is out of range is not counted. Any thread.
 */
#ifndef MILTER_BASE_METRICS_DELIVER_H
#define MILTER_BASE_METRICS_DELIVER_H

#include "base/metrics_request.h"
#include "policy/tls_demand.h"
#include "policy/tls_peer.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

enum metrics_delivery {
    METRICS_DELIVERY_SENT,
    METRICS_DELIVERY_DEFERRED,
    METRICS_DELIVERY_BOUNCED,
    METRICS_DELIVERIES
};

/* What became of TLS: an enum tls_why, or this. */
enum { METRICS_TLS_NO_STARTTLS = TLS_WHY_LOCAL + 1, METRICS_TLS_RESULTS };

/* The state of a connection to a server. */
enum metrics_connection {
    METRICS_CONNECTION_SETUP,  /* from connect to the EHLO reply that allows MAIL */
    METRICS_CONNECTION_ACTIVE, /* in a transaction */
    METRICS_CONNECTION_IDLE,   /* kept for another message */
    METRICS_CONNECTION_NONE,   /* there is none: before and after */
};

enum { METRICS_DELIVERY_BUCKETS = 13, METRICS_DEMANDS = TLS_DEMAND_POLICY_FINGERPRINT + 1 };

struct metrics_deliver {
    _Atomic uint64_t deliveries[METRICS_REQUESTS][METRICS_DELIVERIES];
    _Atomic uint64_t delivery_buckets[METRICS_DELIVERY_BUCKETS]; /* not cumulative */
    _Atomic uint64_t delivery_total_ms;
    _Atomic uint64_t tls_sessions[METRICS_DEMANDS][METRICS_TLS_RESULTS];
    _Atomic uint64_t connections[METRICS_CONNECTION_NONE];
    _Atomic uint64_t lmtp_sessions;
};

void metrics_deliver_answered(struct metrics_deliver *deliver, enum metrics_request request,
                              enum metrics_delivery status, int64_t delay_ms);
void metrics_deliver_tls_session(struct metrics_deliver *deliver, enum tls_demand_kind demanded,
                                 unsigned why);
void metrics_deliver_connection_moved(struct metrics_deliver *deliver, enum metrics_connection from,
                                      enum metrics_connection to);

/* Prometheus' text. */
void metrics_deliver_write(const struct metrics_deliver *deliver, FILE *out);

#endif
