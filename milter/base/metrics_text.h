/* Parts of Prometheus' text format (version 0.0.4). Any thread. */
#ifndef MILTER_BASE_METRICS_TEXT_H
#define MILTER_BASE_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The two lines before the series of a metric. type: counter, gauge or histogram. */
void metrics_text_head(FILE *out, const char *name, const char *type, const char *help);

/* A metric of one series without labels. */
void metrics_text_plain(FILE *out, const char *name, const char *type, const char *help,
                        uint64_t value);

/* A histogram of `count` buckets, not cumulative, the last of which has no bound: so `bounds_ms`
 * has one member less. Written in seconds; total_ms is the sum of all that was counted. */
void metrics_text_histogram(FILE *out, const char *name, const char *help,
                            const unsigned *bounds_ms, const uint64_t *buckets, size_t count,
                            uint64_t total_ms);

#endif
