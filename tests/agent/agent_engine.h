/*
 * An engine for agent_client.c: what it knows was told to it, and no question leaves this host. It
 * takes the place of engine.o.
 */
#ifndef TESTS_AGENT_AGENT_ENGINE_H
#define TESTS_AGENT_AGENT_ENGINE_H

#include "policy/engine.h"

struct engine *agent_engine_new(void);
void agent_engine_free(struct engine *engine); /* nothing may be asked any more */

/*
 * What it finds out for a next-hop, in words; what was known of it before is forgotten:
 *
 *   mx=secure insecure absent null nxdomain failed not-asked    default secure
 *   host=NAME,PREFERENCE,ADDRESS...,tlsa=SHA256-OF-SPKI,match,failed
 *   sts=enforce
 *   unknown     no resolver is known to validate
 *   cached      it is in the cache; else it comes by the callback, after a moment
 *   never       the callback never comes
 *   nothing     the callback comes without findings
 *
 * A word it does not know ends the program.
 */
void agent_engine_add(struct engine *engine, const char *nexthop, char *words[], size_t count);

#endif
