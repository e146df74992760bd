/*
 * What a delivery to a next-hop must demand of its servers at a level: the kind of authentication,
 * the hosts that may be used, and the names that their certificates may have. RFC 7672 section 2
 * (DANE), RFC 8461 sections 2, 4 and 5 (MTA-STS, which never overrides DANE that fails or may
 * exist), RFC 8689 section 4.2.1 (enforce). The maps' answers and the log's expect= are spelt from
 * it. Pure; any thread.
 *
 * At level enforce it is derived from the verdict under the same terms (verdict.h), which decides
 * whether the level can be met and by which hosts: SATISFIED is DANE_ONLY, STS or WEB_PKI of the
 * verdict's hosts (or PENDING, while other hosts may change which of them), UNSATISFIED and
 * NOT_APPLICABLE are IMPOSSIBLE, UNDECIDED is UNKNOWN, PENDING is PENDING.
 */
#ifndef POLICY_REQUIREMENT_H
#define POLICY_REQUIREMENT_H

#include "policy/findings.h"
#include "policy/verdict.h"

enum requirement_kind {
    REQUIREMENT_PENDING,    /* the findings are not complete enough to tell: wait */
    REQUIREMENT_UNKNOWN,    /* cannot be told at present: no delivery now */
    REQUIREMENT_IMPOSSIBLE, /* no server can meet what must be demanded: no delivery */
    REQUIREMENT_NONE,       /* nothing is demanded; TLS where it is offered */
    REQUIREMENT_ENCRYPT,    /* TLS, unauthenticated */
    REQUIREMENT_DANE,       /* DANE of each host that has it; the others as they are */
    REQUIREMENT_DANE_ONLY,  /* DANE; hosts without it are not used */
    REQUIREMENT_STS,        /* a Web PKI certificate with a name of the MTA-STS policy */
    REQUIREMENT_WEB_PKI,    /* a Web PKI certificate with the name of a host */
};

/* With STS and WEB_PKI: where the names that certificates are compared with come from. */
enum requirement_names {
    REQUIREMENT_NAMES_OF_HOSTS,  /* of the hosts whose bits are set in `hosts` */
    REQUIREMENT_NAMES_OF_POLICY, /* the patterns of the MTA-STS policy */
};

struct requirement {
    enum requirement_kind kind;
    enum requirement_names names;
    uint32_t hosts; /* DANE, DANE_ONLY: those that have it. STS, WEB_PKI: those that may be used,
                       as far as they are known. Bit i is findings.hosts[i] */
    struct verdict verdict; /* at level enforce, what this rests on; else all 0 */
    const char *failure;    /* why it is UNKNOWN, where the verdict does not say; or, with names of
                               hosts, what is wrong when none of them can be used. Static, or NULL */
    const char *detail;     /* more on that; belongs to the findings; or NULL */
};

/*
 * What must be demanded at a level, terms->level being disregarded: `opportunistic` is what all
 * mail is given, `disable` demands nothing whatever was found. Never fails; what is impossible in
 * the findings is UNKNOWN.
 */
void requirement_derive(const struct findings *findings, const struct verdict_terms *terms,
                        enum verdict_level level, struct requirement *out);

/*
 * What delivery demands after a verdict with this basis. DANE_ONLY may be DANE where the MTA
 * asks for what all mail is given (asks_enforce false): see host_classes_dane_only(). Findings may
 * be NULL, then DANE is DANE_ONLY. IMPOSSIBLE for VERDICT_BASIS_NONE; VERDICT_BASIS_LEVEL is what
 * `level` demands of any next-hop.
 */
enum requirement_kind requirement_of_basis(const struct findings *findings,
                                           const struct verdict_terms *terms,
                                           enum verdict_basis basis, enum verdict_level level,
                                           bool asks_enforce);

/* Postfix's TLS level: may, encrypt, dane, dane-only, secure; "none" for the first three kinds. */
const char *requirement_tls_level(enum requirement_kind kind);

#endif
