/*
 * What a treatment demands, in one table: of the findings, of each host, of its connection, and of
 * MAIL FROM. The agent goes through it in this order:
 *
 *     treatment_demands       from the treatment alone
 *     treatment_plan          with the findings: what must be demanded, and of which hosts
 *     treatment_connection    of one host: how to connect to it
 *     treatment_says_requiretls   once its EHLO reply after STARTTLS was read
 *
 * RFC 8689 section 4.2.1 and 4.2.2, RFC 7672, RFC 8461. Pure; any thread.
 */
#ifndef MILTER_DELIVER_TREATMENT_DEMAND_H
#define MILTER_DELIVER_TREATMENT_DEMAND_H

#include "config/tls_policy_parse.h"
#include "deliver/treatment.h"
#include "policy/host_class.h"
#include "policy/requirement.h"
#include "policy/smtp_session.h"
#include "policy/tls_demand.h"

enum treatment_requiretls {
    TREATMENT_REQUIRETLS_NOT_SAID,
    TREATMENT_REQUIRETLS_OFFERED, /* said where the server offers it after STARTTLS */
    TREATMENT_REQUIRETLS_DEMANDED,
};

/* What takes the place of findings. */
enum treatment_policy {
    TREATMENT_POLICY_NONE,        /* nothing does: the findings count */
    TREATMENT_POLICY_TEXT,        /* the tls_policy of a rule, `policy` */
    TREATMENT_POLICY_ENCRYPT,     /* TLS, as the text would let plaintext through */
    TREATMENT_POLICY_EXEMPT,      /* nothing is demanded */
    TREATMENT_POLICY_IMPOSSIBLE,  /* the text authenticates nobody, and the level demands it */
    TREATMENT_POLICY_UNSUPPORTED, /* the agent cannot honour the text: 4.3.5, `unsupported` */
};

struct treatment_demands {
    struct verdict_terms terms; /* its strings belong to the configuration */
    enum verdict_level level;   /* that the findings are read under */
    enum treatment_requiretls requiretls;
    bool ret_hdrs; /* RET=HDRS where DSN is offered; else RET as the MTA gave it */
    enum treatment_policy by;
    struct tls_policy policy; /* of TEXT */
    const char *policy_text;  /* the whole of it; belongs to the configuration; NULL: none */
    const char *unsupported;  /* of UNSUPPORTED: a clause, static */
};

/* From the null sender never stricter than opportunistic (RFC 8689 section 4.2.1). */
void treatment_demands(const struct treatment *treatment, const struct config *config,
                       bool null_sender, struct treatment_demands *out);

struct treatment_plan {
    /* As derived from the findings, or from the policy that takes their place. PENDING: wait for
     * more findings. UNKNOWN, IMPOSSIBLE: no delivery, outcome_of_plan. With a policy of names or
     * fingerprints it is WEB_PKI, whatever is then demanded of each host. */
    struct requirement requirement;
    struct host_classes classes;
    bool deliverable; /* neither null MX nor a domain that does not exist */
    /* Hosts that may be contacted: bit i is findings->hosts[i]; an address literal is bit 0. */
    uint32_t hosts;
    /* What every one of `hosts` has shown of itself is final: no other would do if DNS said more,
     * and no MTA-STS policy that it rests on may have been replaced (RFC 8461 section 5). */
    bool firm;
};

void treatment_plan(const struct treatment_demands *demands, const struct findings *findings,
                    struct treatment_plan *out);

/* Demand and session for one host. Refers to itself, the findings and the demands: it is not
 * copied, and valid as long as they are. */
struct treatment_connection {
    struct tls_demand tls;
    enum smtp_tls smtp_tls;
    bool requiretls;      /* smtp_session_config.requiretls */
    bool plaintext_retry; /* where TLS breaks, the same address once more with SMTP_TLS_NEVER */
    struct findings_tlsa digests[2 * TLS_POLICY_DIGESTS_MAX];
};

/* False: nothing may be sent to this host, and *out is not to be used. */
bool treatment_connection(const struct treatment_demands *demands, const struct findings *findings,
                          const struct treatment_plan *plan, size_t host,
                          struct treatment_connection *out);

/* Whether MAIL FROM has REQUIRETLS on this connection. */
bool treatment_says_requiretls(const struct treatment_demands *demands, bool has_tls,
                               const struct smtp_extensions *extensions);

/* The level of TLS as Postfix calls it, for the log: may, encrypt, dane, dane-only, secure, verify,
 * fingerprint; "none" where no delivery is made. */
const char *treatment_tls_level(const struct treatment_demands *demands,
                                const struct treatment_plan *plan);

#endif
