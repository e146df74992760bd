/*
 * What the load programs share: next-hops from standard input, an engine for them, and the requests
 * that are outstanding.
 */
#ifndef TESTS_TOOLS_LOAD_H
#define TESTS_TOOLS_LOAD_H

#include "policy/engine.h"

/* Reads one name a line; the array is the caller's. False, after a message, if one is no next-hop.
 */
bool load_read_names(struct nexthop **out, size_t *count);

/* For a resolver that validates, without renewals, and with time for a busy machine: time-outs are
 * not what is tested. */
void load_config_init(struct engine_config *config);

/* The options of all load programs: `-r RESOLVER`, `-a CA_FILE`. False for others. */
bool load_option(struct engine_config *config, int opt, const char *arg);

struct engine *load_engine_new(const struct engine_config *config); /* NULL after a message */

/* A request is made, and waits first while `limit` (0: none) are outstanding; it is answered. */
void load_begin(size_t limit);
void load_done(void);
void load_await_all(void);

#endif
