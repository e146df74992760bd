/*
 * Findings to socketmap answers: which TLS policy Postfix (or sendmail) is told about a next-hop.
 * A map stands for a level; what must be demanded at that level is decided in requirement.h, and
 * spelt here (spell_requirement, derive_access). A tls_policy of a rule takes the place of
 * findings: what it comes to at that level is decided in decide/terms.h (answer_by_policy). That no
 * octet of a peer changes the structure of an answer is answer_syntax.c's work; the protocol around
 * it is socketmap.c's.
 */
#include "answer/answer.h"

#include "answer/answer_syntax.h"
#include "config/tls_policy.h"
#include "decide/terms.h"
#include "policy/requirement.h"

#include <errno.h>
#include <string.h>

/* Longer reasons help nobody and fill the MTA's log. */
enum { REASON_MAX = 200 };

static enum answer_kind answer_temp(struct text *out, const char *what, const char *detail)
{
    text_cut(out, 0);
    answer_syntax_printable(out, what, REASON_MAX);
    if (detail != NULL) {
        text_add(out, ": ");
        answer_syntax_printable(out, detail, REASON_MAX);
    }
    return ANSWER_TEMP;
}

static enum answer_kind answer_value(struct text *out, const char *value)
{
    text_cut(out, 0);
    text_add(out, value);
    return out->full ? answer_temp(out, "answer too long", NULL) : ANSWER_OK;
}

static enum answer_kind answer_notfound(struct text *out)
{
    text_cut(out, 0);
    return ANSWER_NOTFOUND;
}

static enum answer_kind answer_pending(struct text *out)
{
    text_cut(out, 0);
    return ANSWER_PENDING;
}

/* `secure`, with names. Where none can be written nobody may be let through: other hosts of the
 * next-hop may do later, when their lookups work again, but a policy has no other names. */
static enum answer_kind spell_names(const struct findings *f, const struct requirement *demand,
                                    bool tlsrpt, struct text *out)
{
    text_cut(out, 0);
    if (demand->names == REQUIREMENT_NAMES_OF_HOSTS) {
        if (!answer_syntax_match_hosts(out, f, demand->hosts))
            return demand->failure != NULL ? answer_temp(out, demand->failure, demand->detail)
                                           : answer_value(out, ANSWER_UNSATISFIED);
    } else if (!answer_syntax_match_patterns(out, f)) {
        answer_value(out, ANSWER_UNSATISFIED);
        if (tlsrpt)
            answer_syntax_tlsrpt(out, f, "validation-failure");
        return ANSWER_OK;
    }
    if (tlsrpt)
        answer_syntax_tlsrpt(out, f, NULL);
    return ANSWER_OK;
}

static enum answer_kind spell_requirement(const struct findings *f,
                                          const struct requirement *demand, bool tlsrpt,
                                          struct text *out)
{
    char reason[REASON_MAX];

    switch (demand->kind) {
    case REQUIREMENT_PENDING:
        return answer_pending(out);
    case REQUIREMENT_IMPOSSIBLE:
        return answer_value(out, ANSWER_UNSATISFIED);
    case REQUIREMENT_NONE:
        return answer_notfound(out);
    case REQUIREMENT_ENCRYPT:
    case REQUIREMENT_DANE:
    case REQUIREMENT_DANE_ONLY:
        return answer_value(out, requirement_tls_level(demand->kind));
    case REQUIREMENT_STS:
    case REQUIREMENT_WEB_PKI:
        return spell_names(f, demand, tlsrpt, out);
    case REQUIREMENT_UNKNOWN:
    default:
        if (demand->failure != NULL)
            return answer_temp(out, demand->failure, demand->detail);
        return answer_temp(out, verdict_explain(f, &demand->verdict, reason, sizeof(reason)), NULL);
    }
}

static enum answer_kind derive_level(const struct findings *f, const struct verdict_terms *terms,
                                     enum verdict_level level, bool tlsrpt, struct text *out)
{
    struct requirement demand;

    requirement_derive(f, terms, level, &demand);
    return spell_requirement(f, &demand, tlsrpt, out);
}

/* sendmail's tls_rcpt takes no names; FEATURE(`sts') compares those, of the map `sts`. */
static enum answer_kind derive_access(const struct findings *f, const struct verdict_terms *terms,
                                      struct text *out)
{
    struct requirement demand;
    enum answer_kind kind;

    requirement_derive(f, terms, VERDICT_LEVEL_OPPORTUNISTIC, &demand);
    kind = spell_requirement(f, &demand, false, out);
    if (kind != ANSWER_OK)
        return kind;
    if (demand.kind == REQUIREMENT_STS)
        return answer_value(out, "TEMP+VERIFY:128");
    /* DANE is sendmail's own to verify (confDANE); TLS is there in any case. */
    return demand.kind == REQUIREMENT_DANE_ONLY ? answer_value(out, "TEMP+ENCR:128")
                                                : answer_notfound(out);
}

/* The names of a tls_policy that rests on the Web PKI, without the attributes that only Postfix
 * knows. FEATURE(`sts') fails without a server name. `otherwise` where it names none. */
static enum answer_kind policy_names(const char *policy, const char *otherwise, struct text *out)
{
    size_t len = 0;
    const char *names = tls_policy_kind(policy) == TLS_POLICY_WEB_PKI
                            ? tls_policy_attribute(policy, "match", &len)
                            : NULL;

    if (names == NULL)
        return otherwise != NULL ? answer_value(out, otherwise) : answer_notfound(out);
    text_cut(out, 0);
    text_addf(out, "secure match=%.*s servername=hostname", (int)len, names);
    return out->full ? answer_temp(out, "answer too long", NULL) : ANSWER_OK;
}

static enum answer_kind spell_policy(const char *policy, enum verdict_level level, struct text *out)
{
    switch (terms_policy_demand(policy, level)) {
    case TERMS_POLICY_EXEMPT:
        return level == VERDICT_LEVEL_OPPORTUNISTIC ? answer_notfound(out)
                                                    : answer_value(out, "may");
    case TERMS_POLICY_TEXT:
        return answer_value(out, policy);
    case TERMS_POLICY_ENCRYPT:
        return answer_value(out, "encrypt");
    case TERMS_POLICY_IMPOSSIBLE:
    default:
        return answer_value(out, ANSWER_UNSATISFIED);
    }
}

/* With Postfix's `enforce` an exempt next-hop could not be met: its policy authenticates nobody. */
static enum answer_kind spell_level(const struct answer_terms *terms, struct text *out)
{
    enum verdict_level level = terms->level;

    if (terms_is_exempt(terms->tls_policy) && level != VERDICT_LEVEL_DISABLE)
        level = VERDICT_LEVEL_OPPORTUNISTIC;
    return answer_value(out, verdict_level_name(level));
}

/* A tls_policy of a rule, in place of findings: what it comes to at the level of the map, and, for
 * MTAs that read no Postfix policy, the names in it. */
static enum answer_kind answer_by_policy(const struct answer_terms *terms, enum answer_map map,
                                         struct text *out)
{
    const char *policy = terms->tls_policy;

    switch (map) {
    case ANSWER_QUERY:
    case ANSWER_QUERY_TLSRPT:
    case ANSWER_POSTFIX:
    case ANSWER_OPPORTUNISTIC:
        return spell_policy(policy, VERDICT_LEVEL_OPPORTUNISTIC, out);
    case ANSWER_ENFORCE:
        return spell_policy(policy, VERDICT_LEVEL_ENFORCE, out);
    case ANSWER_OPPORTUNISTIC_STARTTLS:
        return spell_policy(policy, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, out);
    case ANSWER_ENFORCE_PKI:
        /* What cannot be checked of a Postfix policy without DANE must not pass. */
        return terms_is_exempt(policy) ? answer_value(out, "may")
                                       : policy_names(policy, ANSWER_UNSATISFIED, out);
    case ANSWER_STS:
        return policy_names(policy, NULL, out);
    case ANSWER_ACCESS:
        return tls_policy_kind(policy) == TLS_POLICY_WEB_PKI ? answer_value(out, "TEMP+VERIFY:128")
                                                             : answer_notfound(out);
    case ANSWER_REQUIRETLS:
        return spell_level(terms, out);
    case ANSWER_MAPS:
    default:
        return answer_temp(out, "internal error", NULL);
    }
}

bool answer_needs_findings(enum answer_map map, const struct answer_terms *terms)
{
    switch (map) {
    case ANSWER_REQUIRETLS:
        return false;
    case ANSWER_QUERY:
    case ANSWER_QUERY_TLSRPT:
    case ANSWER_POSTFIX:
    case ANSWER_ENFORCE:
    case ANSWER_OPPORTUNISTIC_STARTTLS:
    case ANSWER_OPPORTUNISTIC:
    case ANSWER_ENFORCE_PKI:
    case ANSWER_STS:
    case ANSWER_ACCESS:
    case ANSWER_MAPS:
    default:
        return terms->tls_policy == NULL;
    }
}

/* By findings, which only a map without need of them may lack. */
static enum answer_kind answer_by_verdict(const struct findings *f,
                                          const struct answer_terms *terms, enum answer_map map,
                                          struct text *out)
{
    struct verdict_terms enforce = terms->enforce;

    enforce.published_alone = true;
    switch (map) {
    case ANSWER_QUERY:
    case ANSWER_OPPORTUNISTIC:
    case ANSWER_STS:
        return derive_level(f, &enforce, VERDICT_LEVEL_OPPORTUNISTIC, false, out);
    case ANSWER_QUERY_TLSRPT:
        return derive_level(f, &enforce, VERDICT_LEVEL_OPPORTUNISTIC, true, out);
    case ANSWER_POSTFIX:
        return derive_level(f, &enforce, VERDICT_LEVEL_OPPORTUNISTIC, terms->tlsrpt, out);
    case ANSWER_OPPORTUNISTIC_STARTTLS:
        return derive_level(f, &enforce, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, false, out);
    case ANSWER_ENFORCE:
        return derive_level(f, &enforce, VERDICT_LEVEL_ENFORCE, false, out);
    case ANSWER_ENFORCE_PKI:
        enforce.can &= ~(unsigned)VERDICT_CAN_DANE;
        return derive_level(f, &enforce, VERDICT_LEVEL_ENFORCE, false, out);
    case ANSWER_ACCESS:
        return derive_access(f, &enforce, out);
    case ANSWER_REQUIRETLS:
        return spell_level(terms, out);
    case ANSWER_MAPS:
    default:
        return answer_temp(out, "internal error", NULL);
    }
}

enum answer_kind answer_derive(const struct findings *findings, const struct answer_terms *terms,
                               enum answer_map map, char *out, size_t out_size)
{
    struct text text;
    text_init(&text, out, out_size);
    if (terms->tls_policy != NULL)
        return answer_by_policy(terms, map, &text);
    if (findings == NULL && answer_needs_findings(map, terms))
        return answer_temp(&text, "the lookup could not be made", NULL);
    return answer_by_verdict(findings, terms, map, &text);
}

enum answer_kind answer_no_nexthop(enum answer_map map, char *out, size_t out_size)
{
    struct text text;
    text_init(&text, out, out_size);
    switch (map) {
    case ANSWER_ENFORCE:
    case ANSWER_ENFORCE_PKI:
        return answer_value(&text, ANSWER_UNSATISFIED);
    case ANSWER_OPPORTUNISTIC_STARTTLS:
        return answer_value(&text, "encrypt");
    case ANSWER_REQUIRETLS:
        return answer_value(&text, verdict_level_name(VERDICT_LEVEL_ENFORCE));
    case ANSWER_QUERY:
    case ANSWER_QUERY_TLSRPT:
    case ANSWER_POSTFIX:
    case ANSWER_OPPORTUNISTIC:
    case ANSWER_STS:
    case ANSWER_ACCESS:
    case ANSWER_MAPS:
    default:
        return answer_notfound(&text);
    }
}
