/*
 * Parts of Prometheus' text format: metrics_text_head before the series of each metric,
 * metrics_text_plain for one without labels, metrics_text_histogram for durations.
 */
#include "base/metrics_text.h"

#include <inttypes.h>

void metrics_text_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_text_plain(FILE *out, const char *name, const char *type, const char *help,
                        uint64_t value)
{
    metrics_text_head(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

void metrics_text_histogram(FILE *out, const char *name, const char *help,
                            const unsigned *bounds_ms, const uint64_t *buckets, size_t count,
                            uint64_t total_ms)
{
    uint64_t sum = 0;
    metrics_text_head(out, name, "histogram", help);
    for (size_t i = 0; i < count - 1; i++) {
        sum += buckets[i];
        fprintf(out, "%s_bucket{le=\"%u.%03u\"} %" PRIu64 "\n", name, bounds_ms[i] / 1000,
                bounds_ms[i] % 1000, sum);
    }
    sum += buckets[count - 1];
    fprintf(out,
            "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n"
            "%s_sum %" PRIu64 ".%03u\n"
            "%s_count %" PRIu64 "\n",
            name, sum, name, total_ms / 1000, (unsigned)(total_ms % 1000), name, sum);
}
