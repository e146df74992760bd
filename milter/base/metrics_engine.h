/* The engine's part of the metrics. */
#ifndef MILTER_BASE_METRICS_ENGINE_H
#define MILTER_BASE_METRICS_ENGINE_H

#include "policy/engine_stats.h"

#include <stdio.h>

/* Any thread. */
void metrics_engine_write(const struct engine_stats *stats, FILE *out);

#endif
