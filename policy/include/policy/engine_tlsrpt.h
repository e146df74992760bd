/*
 * Where a domain wants reports about TLS sent (RFC 8460 section 3): its TXT record at _smtp._tls.
 */
#ifndef POLICY_ENGINE_TLSRPT_H
#define POLICY_ENGINE_TLSRPT_H

#include "policy/engine.h"

/*
 * Called once for each engine_tlsrpt, on the engine's thread, never before it returns, unless
 * cancelled. `record` is the whole TXT record, borrowed for the call, printable ASCII and tabs;
 * NULL: there is none, more than one, it is not valid, or it could not be looked up.
 */
typedef void (*engine_tlsrpt_fn)(const char *record, void *arg);

/*
 * Looks the record of a domain (A-labels, lower case) up. Kept for its TTL, and that there is none
 * too; callers for one domain share a lookup. It need not be signed. Returns 0 and a request to be
 * given to engine_tlsrpt_cancel exactly once, or a negative errno (-EINVAL: no domain is that
 * long), then `done` is not called. Any thread but inside a callback.
 */
struct engine_tlsrpt_request;
int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out);
/* When it returns, `done` has either returned or will never be called. */
void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request);

#endif
