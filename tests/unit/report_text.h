/* What a set-up check found, for tests in one line of words. */
#ifndef TESTS_UNIT_REPORT_TEXT_H
#define TESTS_UNIT_REPORT_TEXT_H

#include "setup/setup_report.h"

#include <stddef.h>

/* `state name;`, one after the other, of all that is not in order and follows from nothing else;
 * each name once. What has no remedy fails the test. */
void report_to_text(const struct setup_report *report, char *out, size_t size);

#endif
