/*
 * What a socketmap answers about a next-hop: findings and terms in, one Postfix TLS policy (or
 * NOTFOUND, or TEMP) out. Pure: no I/O, clock, lock or log.
 *
 * RFC 7672 section 2 (what DANE demands), RFC 8461 sections 2, 4 and 5 (MTA-STS, which never
 * overrides DANE), RFC 8689 section 4.2.1 (`enforce`), RFC 8460 section 4.3 (TLSRPT attributes);
 * the syntax is that of Postfix's smtp_tls_policy_maps.
 */
#ifndef MILTER_ANSWER_ANSWER_H
#define MILTER_ANSWER_ANSWER_H

#include "base/answer_map.h"
#include "policy/findings.h"
#include "policy/verdict.h"

/* Postfix refuses a socketmap reply of more than 100000 octets. */
enum { ANSWER_MAX = 65536 };

/* A name that no server can have a certificate for (RFC 6761 section 6.4). */
#define ANSWER_UNSATISFIED "secure match=requiretls-unsatisfied.invalid"

enum answer_kind {
    ANSWER_OK,       /* the text is the value */
    ANSWER_NOTFOUND, /* the text is empty */
    ANSWER_TEMP,     /* the text says why */
    ANSWER_PENDING,  /* the findings are not complete enough: wait; the text is empty */
};

/* What the administrator says of a next-hop. Strings are borrowed. */
struct answer_terms {
    struct verdict_terms enforce; /* level, and what the transport behind `enforce` can verify */
    enum verdict_level level;     /* for ANSWER_REQUIRETLS */
    bool tlsrpt;                  /* ANSWER_POSTFIX carries TLSRPT attributes */
    const char *tls_policy;       /* the text that replaces the findings, "skip", or NULL */
};

/* Whether the map's answer needs findings, or the terms alone give it. */
bool answer_needs_findings(enum answer_map map, const struct answer_terms *terms);

/*
 * Derives an answer. `findings` may be NULL where answer_needs_findings says no; elsewhere NULL
 * (the lookup could not be made) is ANSWER_TEMP. `out` always gets terminated printable ASCII;
 * what would not fit is ANSWER_TEMP, so give it ANSWER_MAX octets. Any thread.
 */
enum answer_kind answer_derive(const struct findings *findings, const struct answer_terms *terms,
                               enum answer_map map, char *out, size_t out_size);

/*
 * The answer to a key that is no next-hop at all: NOTFOUND, but for the maps that must not let
 * anything through, or demand something of every next-hop.
 */
enum answer_kind answer_no_nexthop(enum answer_map map, char *out, size_t out_size);

#endif
