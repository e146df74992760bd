/*
 * tlsrpt_session_of() sees first whether there is anything to tell (is_to_be_told), then which
 * policy applied to the host (add_policy; RFC 8460 section 4.3, one for each session): TLSA
 * records, an MTA-STS policy, or none; then the failure that came first (add_failure): that of the
 * policy (an MX host outside of it, no usable TLSA record), else of STARTTLS or the certificate,
 * which is no less one in mode testing. Where TLS came to be, a policy that could not be fetched is
 * told, and the session has succeeded. Codes are Postfix's, where it has one.
 */
#include "deliver/tlsrpt_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509_vfy.h>

static const struct findings_host *host_of(const struct tlsrpt_facts *facts)
{
    const struct findings *f = facts->findings;

    if (f->nexthop.kind == NEXTHOP_LITERAL || facts->host >= f->host_count)
        return NULL;
    return &f->hosts[facts->host];
}

/* ---- Which policy ---- */

static bool has_sts(const struct tlsrpt_facts *facts, enum findings_sts_mode mode)
{
    return facts->findings->sts.state == FINDINGS_STS_POLICY && facts->findings->sts.mode == mode;
}

/* A policy in mode testing, and nothing that comes before it. */
static bool is_testing(const struct tlsrpt_facts *facts)
{
    enum tls_demand_kind kind = facts->demand->kind;
    bool unusable_tlsa =
        kind == TLS_DEMAND_ENCRYPT && host_of(facts)->tlsa_state == FINDINGS_TLSA_UNUSABLE;

    return has_sts(facts, FINDINGS_STS_MODE_TESTING) && !unusable_tlsa &&
           (kind == TLS_DEMAND_MAY || kind == TLS_DEMAND_ENCRYPT || kind == TLS_DEMAND_WEB_PKI);
}

bool tlsrpt_wants_web_pki(const struct tlsrpt_facts *facts)
{
    return host_of(facts) != NULL && is_testing(facts) && host_of(facts)->sts_match &&
           facts->demand->kind != TLS_DEMAND_WEB_PKI && facts->peer != NULL &&
           facts->peer->established;
}

/* Why there is no policy, or no newer one; TLSRPT_NONE: nothing that has a code. */
static enum tlsrpt_code sts_failure(const struct tlsrpt_facts *facts)
{
    switch ((enum findings_sts_failure)facts->findings->sts.failure) {
    case FINDINGS_STS_FETCH_ERROR:
        return TLSRPT_STS_POLICY_FETCH_ERROR;
    case FINDINGS_STS_POLICY_INVALID:
        return TLSRPT_STS_POLICY_INVALID;
    case FINDINGS_STS_WEBPKI_INVALID:
        return TLSRPT_STS_WEBPKI_INVALID;
    case FINDINGS_STS_FAILURE_NONE:
    case FINDINGS_STS_NO_RECORD:
    case FINDINGS_STS_INVALID_RECORD:
    case FINDINGS_STS_DNS_ERROR:
    default:
        return TLSRPT_NONE;
    }
}

static enum tlsrpt_policy policy_of(const struct tlsrpt_facts *facts)
{
    switch (facts->demand->kind) {
    case TLS_DEMAND_DANE:
        return TLSRPT_TLSA;
    case TLS_DEMAND_STS:
    case TLS_DEMAND_NOT_USED: /* passed over because of it */
        return TLSRPT_STS;
    case TLS_DEMAND_MAY:
    case TLS_DEMAND_ENCRYPT:
    case TLS_DEMAND_WEB_PKI:
    case TLS_DEMAND_POLICY_NAMES: /* a policy of our own, none that was found */
    case TLS_DEMAND_POLICY_FINGERPRINT:
    default:
        break;
    }
    if (facts->demand->kind == TLS_DEMAND_ENCRYPT &&
        host_of(facts)->tlsa_state == FINDINGS_TLSA_UNUSABLE)
        return TLSRPT_TLSA;
    if (is_testing(facts) ||
        (facts->findings->sts.state != FINDINGS_STS_POLICY && sts_failure(facts) != TLSRPT_NONE))
        return TLSRPT_STS;
    return TLSRPT_NO_POLICY;
}

/* ---- Its strings ---- */

static int by_octets(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* `usage selector matching-type HEX`; NULL: no memory. */
static char *tlsa_string(const struct findings_tlsa *tlsa, struct arena *arena)
{
    size_t size = sizeof("255 255 255 ") + 2 * (size_t)tlsa->data_len, len;
    char *text = arena_zalloc(arena, size);

    if (text == NULL)
        return NULL;
    len =
        (size_t)snprintf(text, size, "%u %u %u ", tlsa->usage, tlsa->selector, tlsa->matching_type);
    for (size_t i = 0; i < tlsa->data_len; i++)
        len += (size_t)snprintf(text + len, size - len, "%02X", tlsa->data[i]);
    return text;
}

/* All that are published, in an order that does not change from answer to answer: reports about the
 * same policy are to be counted together. */
static bool add_tlsa_strings(const struct findings_host *host, struct arena *arena,
                             struct tlsrpt_session *out)
{
    size_t count = host->tlsa_count;
    const char **strings = arena_zalloc(arena, (count + 1) * sizeof(*strings));

    if (strings == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        strings[i] = tlsa_string(&host->tlsa[i], arena);
        if (strings[i] == NULL)
            return false;
    }
    qsort(strings, count, sizeof(*strings), by_octets);
    out->policy_strings = strings;
    return true;
}

/* The lines of the policy as served, and its patterns. */
static bool add_sts_strings(const struct findings_sts *sts, struct arena *arena,
                            struct tlsrpt_session *out)
{
    const char **lines = arena_zalloc(arena, (TLSRPT_STRINGS_MAX + 1) * sizeof(*lines));
    const char **mx = arena_zalloc(arena, ((size_t)sts->mx_count + 1) * sizeof(*mx));
    const char *at = sts->policy_lines != NULL ? sts->policy_lines : "";

    if (lines == NULL || mx == NULL)
        return false;
    for (size_t i = 0; *at != '\0' && i < TLSRPT_STRINGS_MAX; i++) {
        size_t len = strcspn(at, "\n");

        lines[i] = arena_string_part(arena, at, len);
        if (lines[i] == NULL)
            return false;
        at += at[len] == '\n' ? len + 1 : len;
    }
    for (size_t i = 0; i < sts->mx_count; i++)
        mx[i] = sts->mx[i];
    out->policy_strings = lines;
    out->mx_hosts = mx;
    return true;
}

static bool add_policy(const struct tlsrpt_facts *facts, struct arena *arena,
                       struct tlsrpt_session *out)
{
    const struct findings_host *host = host_of(facts);

    out->policy = policy_of(facts);
    out->policy_domain = facts->findings->nexthop.name;
    if (out->policy == TLSRPT_TLSA) {
        if (host->tlsa_base != NULL)
            out->policy_domain = host->tlsa_base;
        return add_tlsa_strings(host, arena, out);
    }
    if (out->policy == TLSRPT_STS && facts->findings->sts.state == FINDINGS_STS_POLICY)
        return add_sts_strings(&facts->findings->sts, arena, out);
    return true;
}

/* ---- The failure ---- */

static void fail(struct tlsrpt_session *out, enum tlsrpt_code code, const char *reason)
{
    out->code = code;
    out->reason = reason;
    out->failed = true;
}

static bool reason_is(const struct tls_proof *proof, int code)
{
    return strcmp(proof->reason, X509_verify_cert_error_string(code)) == 0;
}

/* Postfix has these as general failures of validation, and says which. */
static bool is_validation_failure(const struct tls_proof *proof)
{
    static const int codes[] = {
        X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,     X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,       X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_NOT_YET_VALID,
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (reason_is(proof, codes[i]))
            return true;
    }
    return false;
}

/* False: the proof says nothing of the server. */
static bool add_proof(const struct tls_proof *proof, struct arena *arena,
                      struct tlsrpt_session *out)
{
    const char *reason = proof->reason[0] != '\0' ? arena_string(arena, proof->reason) : NULL;

    switch (proof->why) {
    case TLS_WHY_NOTHING:
        return true;
    case TLS_WHY_LOCAL:
        return false;
    case TLS_WHY_NAME: /* OpenSSL looks at names once the chain is trusted */
        fail(out, TLSRPT_CERTIFICATE_HOST_MISMATCH, NULL);
        return true;
    case TLS_WHY_EXPIRED:
        if (is_validation_failure(proof))
            fail(out, TLSRPT_VALIDATION_FAILURE, reason);
        else
            fail(out, TLSRPT_CERTIFICATE_EXPIRED, NULL);
        return true;
    case TLS_WHY_UNTRUSTED:
        fail(out,
             is_validation_failure(proof) ? TLSRPT_VALIDATION_FAILURE
                                          : TLSRPT_CERTIFICATE_NOT_TRUSTED,
             reason);
        return true;
    case TLS_WHY_WEAK:
    case TLS_WHY_NO_TLSA_MATCH:
        fail(out, TLSRPT_CERTIFICATE_NOT_TRUSTED, reason);
        return true;
    case TLS_WHY_PROTOCOL:
    case TLS_WHY_HANDSHAKE:
        fail(out, TLSRPT_VALIDATION_FAILURE, "tls-handshake-failure");
        return true;
    case TLS_WHY_NO_CERTIFICATE:
    case TLS_WHY_NO_FINGERPRINT_MATCH:
    default:
        fail(out, TLSRPT_VALIDATION_FAILURE, reason);
        return true;
    }
}

/* What became of STARTTLS and the handshake; whether there is anything to tell. */
static bool add_tls(const struct tlsrpt_facts *facts, struct arena *arena,
                    struct tlsrpt_session *out)
{
    bool in_tls = facts->state == SMTP_STATE_TLS;

    if (facts->peer != NULL && facts->peer->established && facts->web_pki != NULL)
        return add_proof(facts->web_pki, arena, out);
    if (facts->peer != NULL)
        return add_proof(&facts->peer->proof, arena, out);
    if (facts->outcome == SMTP_OUTCOME_NO_STARTTLS ||
        (facts->state == SMTP_STATE_STARTTLS && facts->outcome == SMTP_OUTCOME_REFUSED) ||
        facts->state >= SMTP_STATE_AUTH) {
        fail(out, TLSRPT_STARTTLS_NOT_SUPPORTED, NULL);
        return true;
    }
    if (facts->outcome == SMTP_OUTCOME_PLAINTEXT ||
        (in_tls &&
         (facts->outcome == SMTP_OUTCOME_LOST || facts->outcome == SMTP_OUTCOME_TIMEOUT))) {
        fail(out, TLSRPT_VALIDATION_FAILURE, "tls-handshake-failure");
        return true;
    }
    return false;
}

static bool add_failure(const struct tlsrpt_facts *facts, struct arena *arena,
                        struct tlsrpt_session *out)
{
    const struct findings_host *host = host_of(facts);
    bool outside = out->policy == TLSRPT_STS && facts->findings->sts.state == FINDINGS_STS_POLICY &&
                   !host->sts_match;

    if (facts->demand->kind == TLS_DEMAND_NOT_USED) {
        fail(out, TLSRPT_VALIDATION_FAILURE, "mtasts-policy-mx-mismatch");
        return true;
    }
    if (!add_tls(facts, arena, out))
        return false;
    if (out->policy == TLSRPT_TLSA && facts->demand->kind != TLS_DEMAND_DANE) {
        fail(out, TLSRPT_TLSA_INVALID, NULL);
    } else if (outside) { /* in mode testing */
        fail(out, TLSRPT_VALIDATION_FAILURE, "mtasts-policy-mx-mismatch");
    } else if (out->policy == TLSRPT_STS && !out->failed) {
        out->code = sts_failure(facts);
        out->reason = out->code != TLSRPT_NONE ? facts->findings->sts.failure_text : NULL;
    }
    return true;
}

/* ---- All of it ---- */

/* A host that was passed over is told of only where the policy in force has done it. */
static bool is_outside_policy(const struct tlsrpt_facts *facts)
{
    enum requirement_kind kind = facts->requirement->kind;
    uint32_t without_dane =
        facts->classes->of[HOST_CLASS_PLAIN] | facts->classes->of[HOST_CLASS_UNUSABLE];

    if (host_of(facts)->sts_match || (without_dane >> facts->host & 1) == 0)
        return false;
    if (kind == REQUIREMENT_STS) /* in mode testing with accept_testing */
        return facts->findings->sts.state == FINDINGS_STS_POLICY;
    return kind == REQUIREMENT_IMPOSSIBLE && has_sts(facts, FINDINGS_STS_MODE_ENFORCE);
}

static bool is_to_be_told(const struct tlsrpt_facts *facts)
{
    if (facts->request == DECIDE_REQUEST_OPTIONAL || host_of(facts) == NULL ||
        facts->host >= FINDINGS_MAX_HOSTS)
        return false;
    if (facts->demand->kind == TLS_DEMAND_NOT_USED)
        return is_outside_policy(facts);
    return facts->tls != SMTP_TLS_NEVER && facts->connection != SMTP_CONNECTION_NOT_MADE &&
           facts->connection != SMTP_CONNECTION_LOCAL;
}

/* NULL and "" are the same. */
static bool copy(struct arena *arena, const char *text, const char **out)
{
    *out = text != NULL ? arena_string(arena, text) : "";
    return *out != NULL;
}

enum tlsrpt_status tlsrpt_session_of(const struct tlsrpt_facts *facts, struct arena *arena,
                                     struct tlsrpt_session *out)
{
    memset(out, 0, sizeof(*out));
    if (!is_to_be_told(facts))
        return TLSRPT_NOT_TOLD;
    out->domain = facts->findings->nexthop.name;
    out->mx_name = host_of(facts)->name;
    if (!add_policy(facts, arena, out) ||
        !copy(arena, facts->source_address, &out->source_address) ||
        !copy(arena, facts->address, &out->address) ||
        !copy(arena, facts->helo_name, &out->helo_name))
        return TLSRPT_NO_MEMORY;
    return add_failure(facts, arena, out) ? TLSRPT_TOLD : TLSRPT_NOT_TOLD;
}
