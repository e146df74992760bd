/*
 * What TLSRPT is told of a connection: findings in words (findings_text.h), what requirement and
 * demand make of them at a level, and what the session came to; `want` is the policy and the
 * failure as the collector gets them, or NULL for a connection that nothing is told of.
 */
#include "deliver/tlsrpt_session.h"
#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509_vfy.h>

#define ENFORCE VERDICT_LEVEL_ENFORCE
#define STARTTLS VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS
#define OPPORTUNISTIC VERDICT_LEVEL_OPPORTUNISTIC

struct ending {
    enum smtp_connection connection;
    enum smtp_state state;
    enum smtp_outcome outcome;
    bool handshake; /* tried */
    enum tls_why why;
    int code; /* OpenSSL's, with why; 0: `reason` */
    const char *reason;
};

struct session_case {
    const char *name;
    const char *findings;
    enum verdict_level level;
    struct ending ending;
    const char *want;
    enum tls_why web_pki; /* where that is wanted */
    size_t host;
    enum decide_request request;
    bool never_tls, accept_testing;
    enum findings_sts_failure sts_failure;
};

#define DANE "host=mx.example.org,tlsa=usable"
#define STS "mx=insecure sts=enforce pat=*.example.org host=mx.example.org,a=i,match"
#define TESTING "mx=insecure sts=testing pat=mx.example.org host=mx.example.org,a=i,match"
#define PLAIN "mx=insecure host=mx.example.org,a=i"

#define NO_POLICY "9 example.org"
#define TLSA "1 mx.example.org [3 1 1 DEADBEEF]"
#define STS_POLICY "2 example.org [version: STSv1,mode: enforce] [*.example.org]"
#define STS_TESTING "2 example.org [version: STSv1,mode: testing] [mx.example.org]"
#define NO_STS "2 example.org"

#define SECURED                                                                                    \
    {                                                                                              \
        SMTP_CONNECTION_OPEN, SMTP_STATE_TLS, SMTP_OUTCOME_NONE, true, TLS_WHY_NOTHING, 0, ""      \
    }
#define PROVED(why, code)                                                                          \
    {                                                                                              \
        SMTP_CONNECTION_OPEN, SMTP_STATE_TLS, SMTP_OUTCOME_NONE, true, why, code, ""               \
    }
#define ENDED(state, outcome)                                                                      \
    {                                                                                              \
        SMTP_CONNECTION_CLOSED, state, outcome, false, TLS_WHY_NOTHING, 0, ""                      \
    }
#define PLAINTEXT                                                                                  \
    {                                                                                              \
        SMTP_CONNECTION_OPEN, SMTP_STATE_READY, SMTP_OUTCOME_NONE, false, TLS_WHY_NOTHING, 0, ""   \
    }
#define NOT_MADE                                                                                   \
    {                                                                                              \
        SMTP_CONNECTION_NOT_MADE, SMTP_STATE_GREETING, SMTP_OUTCOME_CANCELLED, false,              \
            TLS_WHY_NOTHING, 0, ""                                                                 \
    }

static const struct session_case cases[] = {
    /* Which policy, and success. */
    {"DANE", DANE, ENFORCE, SECURED, .want = TLSA " ok"},
    {"DANE with unsigned MX records", "mx=insecure " DANE, OPPORTUNISTIC, SECURED,
     .want = TLSA " ok"},
    {"DANE comes before MTA-STS", DANE ",match sts=enforce pat=*.example.org", OPPORTUNISTIC,
     SECURED, .want = TLSA " ok"},
    {"MTA-STS", STS, ENFORCE, SECURED, .want = STS_POLICY " ok"},
    {"MTA-STS, opportunistic", STS, OPPORTUNISTIC, SECURED, .want = STS_POLICY " ok"},
    {"no policy", PLAIN, OPPORTUNISTIC, SECURED, .want = NO_POLICY " ok"},
    {"no policy, TLS demanded", PLAIN, STARTTLS, SECURED, .want = NO_POLICY " ok"},
    {"signed MX records and the Web PKI", "host=mx.example.org", ENFORCE, SECURED,
     .want = NO_POLICY " ok"},
    {"[host]", "nexthop=[mx.example.org] mx=not-asked host=mx.example.org", OPPORTUNISTIC, SECURED,
     .want = "9 mx.example.org ok"},
    {"a host without TLSA beside DANE", "host=mx1.example.org host=mx2.example.org,tlsa=usable",
     OPPORTUNISTIC, SECURED, .want = NO_POLICY " ok"},
    {"a policy of mode none", "mx=insecure sts=mode-none host=mx.example.org,a=i", OPPORTUNISTIC,
     SECURED, .want = NO_POLICY " ok"},
    {"a policy that the level does not apply", STS, VERDICT_LEVEL_DISABLE, SECURED,
     .want = NO_POLICY " ok"},

    /* Failures of STARTTLS: 201, of the handshake: 205. */
    {"no STARTTLS", DANE, ENFORCE, ENDED(SMTP_STATE_EHLO, SMTP_OUTCOME_NO_STARTTLS),
     .want = TLSA " 201 fail"},
    {"STARTTLS refused", STS, ENFORCE, ENDED(SMTP_STATE_STARTTLS, SMTP_OUTCOME_REFUSED),
     .want = STS_POLICY " 201 fail"},
    {"no STARTTLS, the mail goes on", PLAIN, OPPORTUNISTIC, PLAINTEXT,
     .want = NO_POLICY " 201 fail"},
    {"plaintext behind the 220", DANE, ENFORCE, ENDED(SMTP_STATE_TLS, SMTP_OUTCOME_PLAINTEXT),
     .want = TLSA " 205 (tls-handshake-failure) fail"},
    {"a handshake that is broken off", DANE, ENFORCE, ENDED(SMTP_STATE_TLS, SMTP_OUTCOME_LOST),
     .want = TLSA " 205 (tls-handshake-failure) fail"},
    {"a handshake that takes too long", STS, ENFORCE, ENDED(SMTP_STATE_TLS, SMTP_OUTCOME_TIMEOUT),
     .want = STS_POLICY " 205 (tls-handshake-failure) fail"},
    {"a handshake that fails",
     PLAIN,
     OPPORTUNISTIC,
     {SMTP_CONNECTION_CLOSED, SMTP_STATE_TLS, SMTP_OUTCOME_TLS_FAILED, true, TLS_WHY_HANDSHAKE, 0,
      "no shared cipher"},
     .want = NO_POLICY " 205 (tls-handshake-failure) fail"},
    {"an old version of TLS",
     DANE,
     ENFORCE,
     {SMTP_CONNECTION_CLOSED, SMTP_STATE_TLS, SMTP_OUTCOME_TLS_FAILED, true, TLS_WHY_PROTOCOL, 0,
      "unsupported protocol"},
     .want = TLSA " 205 (tls-handshake-failure) fail"},

    /* Certificates. */
    {"expired", STS, ENFORCE, PROVED(TLS_WHY_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED),
     .want = STS_POLICY " 204 fail"},
    {"not yet valid", STS, ENFORCE, PROVED(TLS_WHY_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID),
     .want = STS_POLICY " 205 (OpenSSL) fail"},
    {"another name", STS, ENFORCE, PROVED(TLS_WHY_NAME, X509_V_ERR_HOSTNAME_MISMATCH),
     .want = STS_POLICY " 202 fail"},
    {"self-signed", STS, ENFORCE, PROVED(TLS_WHY_UNTRUSTED, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT),
     .want = STS_POLICY " 205 (OpenSSL) fail"},
    {"unknown issuer", STS, ENFORCE,
     PROVED(TLS_WHY_UNTRUSTED, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY),
     .want = STS_POLICY " 205 (OpenSSL) fail"},
    {"not trusted", STS, ENFORCE, PROVED(TLS_WHY_UNTRUSTED, X509_V_ERR_CERT_UNTRUSTED),
     .want = STS_POLICY " 203 (OpenSSL) fail"},
    {"weak", STS, ENFORCE, PROVED(TLS_WHY_WEAK, X509_V_ERR_CA_MD_TOO_WEAK),
     .want = STS_POLICY " 203 (OpenSSL) fail"},
    {"no TLSA match", DANE, ENFORCE, PROVED(TLS_WHY_NO_TLSA_MATCH, X509_V_ERR_DANE_NO_MATCH),
     .want = TLSA " 203 (OpenSSL) fail"},
    {"no certificate",
     DANE,
     ENFORCE,
     {SMTP_CONNECTION_OPEN, SMTP_STATE_TLS, SMTP_OUTCOME_NONE, true, TLS_WHY_NO_CERTIFICATE, 0,
      "no certificate"},
     .want = TLSA " 205 (no certificate) fail"},

    /* Policies that are wrong. */
    {"no usable TLSA record", "host=mx.example.org,tlsa=unusable", OPPORTUNISTIC, SECURED,
     .want = TLSA " 304 fail"},
    {"no usable TLSA record, and then no STARTTLS", "host=mx.example.org,tlsa=unusable",
     OPPORTUNISTIC, ENDED(SMTP_STATE_EHLO, SMTP_OUTCOME_NO_STARTTLS), .want = TLSA " 304 fail"},
    {"no usable TLSA record, MTA-STS",
     "host=mx.example.org,tlsa=unusable,match sts=enforce "
     "pat=*.example.org",
     OPPORTUNISTIC, SECURED, .want = STS_POLICY " ok"},
    {"outside the MTA-STS policy", STS " host=mx.other.example,a=i", ENFORCE, NOT_MADE,
     .want = STS_POLICY " 205 (mtasts-policy-mx-mismatch) fail", .host = 1},
    {"every host is outside the MTA-STS policy",
     "mx=insecure sts=enforce pat=*.example.org host=mx.other.example,a=i", OPPORTUNISTIC, NOT_MADE,
     .want = STS_POLICY " 205 (mtasts-policy-mx-mismatch) fail"},
    {"the policy could not be fetched", "mx=insecure sts=failed host=mx.example.org,a=i",
     OPPORTUNISTIC, SECURED, .want = NO_STS " 301 (why) ok",
     .sts_failure = FINDINGS_STS_FETCH_ERROR},
    {"the policy is not valid", PLAIN, OPPORTUNISTIC, SECURED, .want = NO_STS " 302 (why) ok",
     .sts_failure = FINDINGS_STS_POLICY_INVALID},
    {"the policy host is not authenticated", "mx=insecure sts=failed host=mx.example.org,a=i",
     OPPORTUNISTIC, SECURED, .want = NO_STS " 303 (why) ok",
     .sts_failure = FINDINGS_STS_WEBPKI_INVALID},
    {"a policy in force could not be fetched anew", STS " stale", ENFORCE, SECURED,
     .want = STS_POLICY " 301 (why) ok", .sts_failure = FINDINGS_STS_FETCH_ERROR},
    {"the policy is not valid, and no STARTTLS", PLAIN, OPPORTUNISTIC, PLAINTEXT,
     .want = NO_STS " 201 fail", .sts_failure = FINDINGS_STS_POLICY_INVALID},
    {"an MTA-STS record that is not valid has no code", PLAIN, OPPORTUNISTIC, SECURED,
     .want = NO_POLICY " ok", .sts_failure = FINDINGS_STS_INVALID_RECORD},
    {"the policy could not be fetched, DANE", DANE " sts=failed", ENFORCE, SECURED,
     .want = TLSA " ok", .sts_failure = FINDINGS_STS_FETCH_ERROR},

    /* Mode testing. */
    {"testing", TESTING, OPPORTUNISTIC, SECURED, .want = STS_TESTING " ok"},
    {"testing, the mail goes on", TESTING, OPPORTUNISTIC, SECURED, .want = STS_TESTING " 202 fail",
     .web_pki = TLS_WHY_NAME},
    {"testing, no STARTTLS", TESTING, OPPORTUNISTIC, PLAINTEXT, .want = STS_TESTING " 201 fail"},
    {"testing, outside the policy",
     "mx=insecure sts=testing pat=mx.example.org host=mx.other.example,a=i", OPPORTUNISTIC, SECURED,
     .want = STS_TESTING " 205 (mtasts-policy-mx-mismatch) fail"},
    {"testing, but it cannot be said now", TESTING, OPPORTUNISTIC, SECURED, .want = NULL,
     .web_pki = TLS_WHY_LOCAL},
    {"testing, under signed MX records", "sts=testing pat=mx.example.org host=mx.example.org,match",
     ENFORCE, PROVED(TLS_WHY_EXPIRED, X509_V_ERR_CERT_HAS_EXPIRED),
     .want = STS_TESTING " 204 fail"},
    {"testing, and DANE", DANE ",match sts=testing pat=mx.example.org", ENFORCE, SECURED,
     .want = TLSA " ok"},

    {"testing, accepted as enforce", TESTING, ENFORCE,
     PROVED(TLS_WHY_NAME, X509_V_ERR_HOSTNAME_MISMATCH), .want = STS_TESTING " 202 fail",
     .accept_testing = true},
    {"testing, accepted as enforce, outside", TESTING " host=mx.other.example,a=i", ENFORCE,
     NOT_MADE, .want = STS_TESTING " 205 (mtasts-policy-mx-mismatch) fail", .host = 1,
     .accept_testing = true},

    /* Nothing is told. */
    {"no connection", DANE, ENFORCE, NOT_MADE, .want = NULL},
    {"local trouble",
     DANE,
     ENFORCE,
     {.connection = SMTP_CONNECTION_LOCAL, .reason = ""},
     .want = NULL},
    {"no greeting", DANE, ENFORCE, ENDED(SMTP_STATE_GREETING, SMTP_OUTCOME_TIMEOUT), .want = NULL},
    {"refused at once", DANE, ENFORCE, ENDED(SMTP_STATE_GREETING, SMTP_OUTCOME_REFUSED),
     .want = NULL},
    {"EHLO is refused", DANE, ENFORCE, ENDED(SMTP_STATE_EHLO, SMTP_OUTCOME_REFUSED), .want = NULL},
    {"lost before the reply to STARTTLS", DANE, ENFORCE,
     ENDED(SMTP_STATE_STARTTLS, SMTP_OUTCOME_LOST), .want = NULL},
    {"421 to STARTTLS", DANE, ENFORCE, ENDED(SMTP_STATE_STARTTLS, SMTP_OUTCOME_CLOSING),
     .want = NULL},
    {"given up", DANE, ENFORCE, ENDED(SMTP_STATE_TLS, SMTP_OUTCOME_CANCELLED), .want = NULL},
    {"our own trouble with TLS", DANE, ENFORCE, PROVED(TLS_WHY_LOCAL, X509_V_ERR_OUT_OF_MEM),
     .want = NULL},
    {"an address literal", "nexthop=[192.0.2.1] mx=not-asked", OPPORTUNISTIC, SECURED,
     .want = NULL},
    {"TLS-Required: No is honoured", PLAIN, OPPORTUNISTIC, SECURED, .want = NULL,
     .request = DECIDE_REQUEST_OPTIONAL},
    {"without TLS after a handshake that failed", PLAIN, OPPORTUNISTIC, PLAINTEXT, .want = NULL,
     .never_tls = true},
    {"passed over for want of DANE", DANE " host=mx2.example.org", ENFORCE, NOT_MADE, .want = NULL,
     .host = 1},
    {"passed over for want of DANE, and outside the policy",
     DANE ",match sts=enforce pat=mx.example.org host=mx.other.example", ENFORCE, NOT_MADE,
     .want = NULL, .host = 1},
    {"without an address, and outside the policy", STS " host=mx.other.example,a=-", ENFORCE,
     NOT_MADE, .want = NULL, .host = 1},
    {"no such host", DANE, ENFORCE, NOT_MADE, .want = NULL, .host = 1},
};

static void add_strings(char *out, size_t size, const char *const *strings)
{
    size_t len = strlen(out);

    for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i == 0 ? " [" : ",", strings[i]);
    if (strings != NULL && strings[0] != NULL)
        snprintf(out + len, size - len, "]");
}

/* The session as `want` has it; a reason that is OpenSSL's text for the code, which its versions do
 * not have alike, is `OpenSSL`. */
static const char *describe(const struct tlsrpt_session *session, int code)
{
    static char out[1000];
    size_t len;

    snprintf(out, sizeof out, "%d %s", (int)session->policy, session->policy_domain);
    add_strings(out, sizeof out, session->policy_strings);
    add_strings(out, sizeof out, session->mx_hosts);
    len = strlen(out);
    if (session->code != TLSRPT_NONE)
        len += (size_t)snprintf(out + len, sizeof out - len, " %d", (int)session->code);
    if (session->reason != NULL && code != 0 &&
        strcmp(session->reason, X509_verify_cert_error_string(code)) == 0)
        len += (size_t)snprintf(out + len, sizeof out - len, " (OpenSSL)");
    else if (session->reason != NULL)
        len += (size_t)snprintf(out + len, sizeof out - len, " (%s)", session->reason);
    snprintf(out + len, sizeof out - len, session->failed ? " fail" : " ok");
    return out;
}

struct made {
    struct findings_text text;
    struct host_classes classes;
    struct requirement requirement;
    struct tls_demand demand;
    struct tls_peer peer;
    struct tls_proof web_pki;
    struct tlsrpt_facts facts;
};

static void make_findings(const struct session_case *c, struct made *made)
{
    const struct verdict_terms terms = {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS |
                                               VERDICT_CAN_WEB_PKI,
                                        .web_pki = true,
                                        .accept_testing = c->accept_testing};
    struct findings *f = &made->text.findings;

    findings_from_text(c->findings, &made->text);
    if (f->sts.state == FINDINGS_STS_POLICY)
        f->sts.policy_lines = f->sts.mode == FINDINGS_STS_MODE_ENFORCE
                                  ? "version: STSv1\nmode: enforce\n"
                                  : "version: STSv1\nmode: testing\n";
    if (c->sts_failure != FINDINGS_STS_FAILURE_NONE) {
        f->sts.failure = (uint8_t)c->sts_failure;
        f->sts.failure_text = "why";
    }
    host_classes_derive(f, &terms, &made->classes);
    requirement_derive(f, &terms, c->level, &made->requirement);
    tls_demand_of_host(f, &made->classes, &made->requirement, c->host, &made->demand);
}

static void make_peer(const struct session_case *c, struct made *made)
{
    made->peer = (struct tls_peer){
        .established = c->ending.state == SMTP_STATE_TLS && c->ending.outcome == SMTP_OUTCOME_NONE,
        .met = c->ending.why == TLS_WHY_NOTHING,
        .proof = {.why = c->ending.why},
    };
    snprintf(made->peer.proof.reason, sizeof made->peer.proof.reason, "%s",
             c->ending.code != 0 ? X509_verify_cert_error_string(c->ending.code)
                                 : c->ending.reason);
}

static void make(const struct session_case *c, struct made *made)
{
    memset(made, 0, sizeof *made);
    make_findings(c, made);
    make_peer(c, made);
    made->facts = (struct tlsrpt_facts){
        .request = c->request,
        .findings = &made->text.findings,
        .classes = &made->classes,
        .requirement = &made->requirement,
        .demand = &made->demand,
        .host = c->host,
        .tls = c->never_tls ? SMTP_TLS_NEVER : SMTP_TLS_OFFERED,
        .connection = c->ending.connection,
        .state = c->ending.state,
        .outcome = c->ending.outcome,
        .peer = c->ending.handshake ? &made->peer : NULL,
        .source_address = "192.0.2.9",
        .address = "192.0.2.1",
        .helo_name = "real.example.org",
    };
    if (tlsrpt_wants_web_pki(&made->facts)) {
        made->web_pki.why = c->web_pki;
        made->facts.web_pki = &made->web_pki;
    }
}

static void test_sessions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct session_case *c = &cases[i];
        struct arena arena;
        struct tlsrpt_session session;
        struct made made;
        enum tlsrpt_status status;

        arena_init(&arena);
        make(c, &made);
        status = tlsrpt_session_of(&made.facts, &arena, &session);
        if (status != (c->want != NULL ? TLSRPT_TOLD : TLSRPT_NOT_TOLD))
            fail_msg("%s: status %d", c->name, (int)status);
        if (c->want != NULL && strcmp(describe(&session, c->ending.code), c->want) != 0)
            fail_msg("%s: %s", c->name, describe(&session, c->ending.code));
        if (c->want != NULL) {
            assert_string_equal(session.domain, made.text.findings.nexthop.name);
            assert_string_equal(session.mx_name, made.text.hosts[c->host].name);
            assert_string_equal(session.source_address, "192.0.2.9");
            assert_string_equal(session.address, "192.0.2.1");
            assert_string_equal(session.helo_name, "real.example.org");
            assert_null(session.record);
        }
        arena_fini(&arena);
    }
}

/* The strings outlive everything but the findings. */
static void test_strings_are_copied(void **state)
{
    static const struct session_case c = {
        "", STS, ENFORCE, PROVED(TLS_WHY_UNTRUSTED, X509_V_ERR_CERT_UNTRUSTED), .want = ""};
    struct made *made = malloc(sizeof *made);
    char *address = strdup("192.0.2.1");
    struct arena arena;
    struct tlsrpt_session session;

    (void)state;
    assert_true(made != NULL && address != NULL);
    arena_init(&arena);
    make(&c, made);
    made->facts.source_address = made->facts.address = made->facts.helo_name = address;
    assert_int_equal(tlsrpt_session_of(&made->facts, &arena, &session), TLSRPT_TOLD);
    memset(made->peer.proof.reason, 'x', sizeof made->peer.proof.reason);
    free(address);
    assert_string_equal(session.source_address, "192.0.2.1");
    assert_string_equal(session.address, "192.0.2.1");
    assert_string_equal(session.helo_name, "192.0.2.1");
    assert_string_equal(describe(&session, X509_V_ERR_CERT_UNTRUSTED),
                        STS_POLICY " 203 (OpenSSL) fail");
    arena_fini(&arena);
    free(made);
}

/* Whatever order an answer has, the policy is the same text. */
static void test_tlsa_order(void **state)
{
    static const struct findings_tlsa records[] = {
        {3, 1, 2, true, 2, (const uint8_t *)"\x02\x01"},
        {3, 1, 1, true, 2, (const uint8_t *)"\xff\x01"},
        {3, 1, 1, true, 2, (const uint8_t *)"\x0a\x0b"},
        {255, 0, 0, false, 0, (const uint8_t *)""},
    };
    static const struct session_case c = {"", DANE, ENFORCE, SECURED, .want = ""};
    struct arena arena;
    struct tlsrpt_session session;
    struct made made;

    (void)state;
    arena_init(&arena);
    make(&c, &made);
    made.text.hosts[0].tlsa = records;
    made.text.hosts[0].tlsa_count = 4;
    assert_int_equal(tlsrpt_session_of(&made.facts, &arena, &session), TLSRPT_TOLD);
    assert_string_equal(describe(&session, 0), "1 mx.example.org "
                                               "[255 0 0 ,3 1 1 0A0B,3 1 1 FF01,3 1 2 0201] ok");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_strings_are_copied),
        cmocka_unit_test(test_tlsa_order),
    };

    return cmocka_run_group_tests_name("tlsrpt_session", tests, NULL, NULL);
}
