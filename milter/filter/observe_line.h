/* What is told of a recipient that a rule observes. */
#ifndef MILTER_FILTER_OBSERVE_LINE_H
#define MILTER_FILTER_OBSERVE_LINE_H

#include "base/metrics.h"
#include "filter/candidate.h"

/*
 * Writes the line with the verdict, and counts it; where it will never be known which settings
 * hold, no line is written and the recipient is counted as skipped. The texts are foreign: they are
 * escaped. Any thread.
 */
void observe_line_write(struct metrics *metrics, const struct candidates *candidates,
                        const char *queue_id, const char *from, const char *to);

#endif
