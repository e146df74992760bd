/* requiretls-query --status: how the running daemon is. */
#ifndef MILTER_QUERY_QUERY_STATUS_H
#define MILTER_QUERY_QUERY_STATUS_H

#include "base/json_read.h"

#include <stdbool.h>
#include <stdio.h>

/* Where a daemon listens by default, and by the sample file for Debian's Postfix. */
#define QUERY_STATUS_USUAL "unix:/run/requiretls-milter/policy.sock"
#define QUERY_STATUS_USUAL_DEBIAN "unix:/var/spool/postfix/requiretls-milter/policy.sock"

/*
 * Asks the daemon at that address (unix:/path) and prints its answer, as text or as it came.
 * Returns the exit code: 0 all is well, 1 a warning is active, 75 no daemon answers, which is said
 * on stderr.
 */
int query_status(const char *address, bool json, FILE *out);

/* The text form of an answer. Pure but for the output. */
void query_status_text(const struct json_value *status, FILE *out);

/* 0, or 1 if a warning is active. Pure. */
int query_status_code(const struct json_value *status);

#endif
