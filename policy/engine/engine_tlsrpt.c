/*
 * The public functions of TLSRPT records: engine_tlsrpt leaves a domain to the engine's thread as a
 * request (engine_request.c), which is given to the lookups (tlsrpt_lookup.c); engine_tlsrpt_cancel
 * gives the request back. A struct engine_tlsrpt_request is a struct engine_request that only these
 * functions take.
 */
#include "policy/engine_tlsrpt.h"

#include "engine/engine_internal.h"

#include <errno.h>
#include <string.h>

int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    struct engine_request *request;
    int error;

    if (strnlen(domain, NEXTHOP_NAME_MAX + 1) > NEXTHOP_NAME_MAX)
        return -EINVAL;
    error = engine_request_tlsrpt(engine, domain, done, arg, &request);
    if (error == 0)
        *out = (struct engine_tlsrpt_request *)request;
    return error;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    engine_cancel(engine, (struct engine_request *)request);
}
