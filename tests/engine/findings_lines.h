/*
 * Findings as lines of text, for scenarios to compare with.
 */
#ifndef TESTS_ENGINE_FINDINGS_LINES_H
#define TESTS_ENGINE_FINDINGS_LINES_H

#include "policy/findings.h"

/* Writes everything there is to say, a line each; what the lines mean is in
 * tests/engine/scenarios/README.
 */
void findings_lines_write(const struct findings *findings, char *out, size_t out_len);

#endif
