/* What verdict.c and verdict_hosts.c share; nobody else includes this. Pure. */
#ifndef POLICY_FINDINGS_VERDICT_INTERNAL_H
#define POLICY_FINDINGS_VERDICT_INTERNAL_H

#include "policy/verdict.h"

/* At level enforce, for findings whose MX records name hosts, or that need none ([host]). */
void verdict_of_hosts(const struct findings *findings, const struct verdict_terms *terms,
                      struct verdict *out);

static inline void verdict_set(struct verdict *out, enum verdict_value value,
                               enum verdict_reason reason)
{
    out->value = value;
    out->reason = reason;
}

static inline void verdict_set_satisfied(struct verdict *out, enum verdict_basis basis,
                                         uint32_t hosts)
{
    out->value = VERDICT_SATISFIED;
    out->basis = basis;
    out->hosts = hosts;
}

/* It is known to have DANE, which cannot be seen now: nothing else takes its place (RFC 8461 2). */
static inline bool verdict_dane_is_lost(const struct findings *f)
{
    return !f->security_known && f->dane_seen;
}

#endif
