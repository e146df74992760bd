/* A configuration for tests from its text, so that a table of cases can be read. */
#ifndef TESTS_UNIT_CONFIG_TEXT_H
#define TESTS_UNIT_CONFIG_TEXT_H

#include "config/config.h"

/* Errors and warnings are printed; an error fails the test. The caller unrefs what is returned. */
struct config *config_from_text(const char *text, const char *host_name);

#endif
