/* The JSON object: every documented key, in one whole example, and that it is always JSON. */
#include "answer/findings_json.h"
#include "base/json_read.h"

#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct findings_json_terms usual_terms(void)
{
    struct findings_json_terms terms = {
        .answer = {.enforce = {.level = VERDICT_LEVEL_ENFORCE,
                               .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI,
                               .web_pki = true},
                   .level = VERDICT_LEVEL_ENFORCE},
        .mono_ms = 1000000,
        .wall_s = 1700000100,
    };
    terms.verdict = terms.answer.enforce;
    terms.verdict.can = VERDICT_CAN_DANE | VERDICT_CAN_STS;
    return terms;
}

static void test_whole(void **state)
{
    (void)state;
    static struct findings_text text;
    struct findings_json_terms terms = usual_terms();
    struct json json;
    const char *out;
    findings_from_text("host=mx1.example.org,10,aaaa=f,tlsa=usable,match sts=testing "
                       "pat=*.example.org",
                       &text);
    text.findings.made_at_ms = 990000;
    json_init(&json, FINDINGS_JSON_MAX);
    findings_json(&json, &text.nexthop, &text.findings, &terms);
    assert_int_equal(json_finish(&json, &out, NULL), 0);
    assert_string_equal(
        out, "{\"nexthop\":\"example.org\",\"summary\":\"dane\",\"security\":\"secure\","
             "\"security_known\":true,\"dane_seen\":null,\"failure\":null,\"tls_policy\":null,"
             "\"mx\":[{\"host\":\"mx1.example.org\",\"preference\":10,\"a\":\"secure\","
             "\"aaaa\":\"failed\",\"tlsa_base\":\"mx1.example.org\",\"tlsa_state\":\"usable\","
             "\"tlsa\":[{\"usage\":3,\"selector\":1,\"matching_type\":1,\"data\":\"deadbeef\","
             "\"usable\":true}],\"sts_match\":true,\"failure\":\"address: timed out\","
             "\"probe\":[]}],"
             "\"sts\":{\"state\":\"policy\",\"mode\":\"testing\",\"id\":\"20260101\","
             "\"max_age\":604800,\"mx\":[\"*.example.org\"],\"age\":100,\"source\":\"fresh\","
             "\"failure\":null,\"failure_text\":null},"
             "\"verdict\":{\"enforce\":{\"verdict\":\"satisfied\",\"reason\":"
             "\"example.org publishes DANE\",\"probed\":false},"
             "\"opportunistic+starttls\":{\"verdict\":\"satisfied\",\"reason\":\"nothing has to be "
             "known of example.org at this level\",\"probed\":false},"
             "\"opportunistic\":{\"verdict\":\"satisfied\",\"reason\":\"nothing has to be known of "
             "example.org at this level\",\"probed\":false},"
             "\"disable\":{\"verdict\":\"satisfied\",\"reason\":\"nothing has to be known of "
             "example.org at this level\",\"probed\":false}},"
             "\"answers\":{\"QUERY\":\"dane-only\",\"QUERYwithTLSRPT\":\"dane-only\","
             "\"postfix\":\"dane-only\",\"enforce\":\"dane-only\","
             "\"opportunistic+starttls\":\"dane-only\",\"opportunistic\":\"dane-only\","
             "\"requiretls\":\"enforce\",\"enforce_pki\":"
             "\"secure match=mx1.example.org servername=hostname\","
             "\"sts\":\"dane-only\",\"access\":\"TEMP+ENCR:128\"},\"age\":10,\"ttl\":290}");
    json_fini(&json);
}

/* The list `probe` of the only host of these findings, as text. */
static void probes_of(const struct findings_probe *probes, size_t count, char *out, size_t out_size)
{
    static struct findings_text text;
    struct findings_json_terms terms = usual_terms();
    struct json json;
    const char *made, *from, *to;
    findings_from_text("host=mx1.example.org,10,tlsa=usable", &text);
    text.hosts[0].probes = probes;
    text.hosts[0].probe_count = (uint8_t)count;
    json_init(&json, FINDINGS_JSON_MAX);
    findings_json(&json, &text.nexthop, &text.findings, &terms);
    assert_int_equal(json_finish(&json, &made, NULL), 0);
    from = strstr(made, "\"probe\":");
    assert_non_null(from);
    to = strstr(from, "}],\"sts\"");
    assert_non_null(to);
    assert_true((size_t)(to - from) < out_size);
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
    json_fini(&json);
}

static const char *const probe_names[] = {"mx1.example.org", "*.example.org"};

static const struct findings_probe whole_probe = {
    .checked_at_s = 1795931125,
    .not_after_s = 1798761599,
    .failure = "it does not offer REQUIRETLS",
    .protocol = "TLSv1.3",
    .cipher = "TLS_AES_256_GCM_SHA384",
    .web_pki_why = "unable to get local issuer certificate",
    .names = probe_names,
    .name_count = 2,
    .result = FINDINGS_PROBE_NO_REQUIRETLS,
    .family = 6,
    .dane = FINDINGS_PROBE_CHECK_OK,
    .web_pki = FINDINGS_PROBE_CHECK_FAILED,
    .starttls = true,
    .pipelining = true,
    .has_spki = true,
    .port = 25,
    .address = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
    .spki_sha256 = {0xab, 0xcd, [31] = 0xef},
};

static void test_probe_whole(void **state)
{
    (void)state;
    char text[2000];
    probes_of(&whole_probe, 1, text, sizeof(text));
    assert_string_equal(
        text, "\"probe\":[{\"address\":\"2001:db8::1\",\"port\":25,"
              "\"checked\":\"2026-11-29T05:45:25Z\",\"result\":\"no-requiretls\","
              "\"starttls\":true,\"protocol\":\"TLSv1.3\",\"cipher\":\"TLS_AES_256_GCM_SHA384\","
              "\"names\":[\"mx1.example.org\",\"*.example.org\"],"
              "\"not_after\":\"2026-12-31T23:59:59Z\",\"spki_sha256\":"
              "\"abcd0000000000000000000000000000000000000000000000000000000000ef\","
              "\"dane\":\"ok\",\"dane_failure\":null,\"web_pki\":\"failed\","
              "\"web_pki_failure\":\"unable to get local issuer certificate\","
              "\"requiretls\":false,\"failure\":\"it does not offer REQUIRETLS\"}]");
}

/* What was not asked is null, and not false: how far each result says something. */
static void test_probe_null(void **state)
{
    (void)state;
    static const struct {
        uint8_t result;
        bool starttls, requiretls, pipelining;
        const char *starttls_text, *requiretls_text;
    } rows[] = {
        {FINDINGS_PROBE_OK, true, true, false, "true", "true"},
        {FINDINGS_PROBE_NO_STARTTLS, false, false, false, "false", "null"},
        {FINDINGS_PROBE_NO_STARTTLS, true, false, false, "true", "null"},
        {FINDINGS_PROBE_NOT_AUTHENTICATED, true, false, false, "true", "null"},
        {FINDINGS_PROBE_NOT_AUTHENTICATED, true, false, true, "true", "false"},
        {FINDINGS_PROBE_NOT_AUTHENTICATED, true, true, true, "true", "true"},
        {FINDINGS_PROBE_NO_REQUIRETLS, true, false, false, "true", "false"},
        {FINDINGS_PROBE_UNREACHABLE, false, false, false, "null", "null"},
        {FINDINGS_PROBE_FAILED, false, false, false, "null", "null"},
        {FINDINGS_PROBE_FAILED, true, false, false, "true", "null"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct findings_probe probe = {.result = rows[i].result,
                                             .starttls = rows[i].starttls,
                                             .requiretls = rows[i].requiretls,
                                             .pipelining = rows[i].pipelining,
                                             .family = 4,
                                             .port = 26,
                                             .address = {192, 0, 2, 1}};
        char text[2000], want[2000];
        probes_of(&probe, 1, text, sizeof(text));
        snprintf(want, sizeof(want),
                 "\"probe\":[{\"address\":\"192.0.2.1\",\"port\":26,"
                 "\"checked\":\"1970-01-01T00:00:00Z\",\"result\":\"%s\",\"starttls\":%s,"
                 "\"protocol\":null,\"cipher\":null,\"names\":[],\"not_after\":null,"
                 "\"spki_sha256\":null,\"dane\":null,\"dane_failure\":null,\"web_pki\":null,"
                 "\"web_pki_failure\":null,\"requiretls\":%s,\"failure\":null}]",
                 findings_probe_result_name(rows[i].result), rows[i].starttls_text,
                 rows[i].requiretls_text);
        assert_string_equal(text, want);
    }
}

/* The largest there can be fits: what is in a certificate takes six octets each, escaped. */
static void test_probe_bounds(void **state)
{
    (void)state;
    static struct findings_text text;
    static struct findings_probe probes[FINDINGS_MAX_PROBES];
    static const char *names[FINDINGS_MAX_PROBE_NAMES];
    static char longest[256];
    struct findings_json_terms terms = usual_terms();
    struct json json;
    const char *out;
    memset(longest, 0x01, sizeof(longest) - 1);
    for (size_t i = 0; i < FINDINGS_MAX_PROBE_NAMES; i++)
        names[i] = longest;
    for (size_t i = 0; i < FINDINGS_MAX_PROBES; i++) {
        probes[i] = whole_probe;
        probes[i].names = names;
        probes[i].name_count = FINDINGS_MAX_PROBE_NAMES;
        probes[i].failure = probes[i].dane_why = probes[i].web_pki_why = longest;
    }
    findings_from_text("host=mx1.example.org,10 host=mx2.example.org,20", &text);
    for (size_t i = 0; i < 2; i++) { /* addresses of a next-hop that are looked at */
        text.hosts[i].probes = probes;
        text.hosts[i].probe_count = FINDINGS_MAX_PROBES;
    }
    json_init(&json, FINDINGS_JSON_MAX);
    findings_json(&json, &text.nexthop, &text.findings, &terms);
    assert_int_equal(json_finish(&json, &out, NULL), 0);
    json_fini(&json);
}

static const struct json_value *read_object(const char *spec, const char *tls_policy,
                                            struct json_doc **doc)
{
    static struct findings_text text;
    struct findings_json_terms terms = usual_terms();
    struct json json;
    const char *out;
    size_t len;
    struct nexthop nexthop;
    terms.answer.tls_policy = tls_policy;
    json_init(&json, FINDINGS_JSON_MAX);
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    if (spec != NULL)
        findings_from_text(spec, &text);
    findings_json(&json, &nexthop, spec != NULL ? &text.findings : NULL, &terms);
    assert_int_equal(json_finish(&json, &out, &len), 0);
    assert_int_equal(json_read(out, len, doc), 0);
    json_fini(&json);
    return json_root(*doc);
}

static void test_views(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *findings; /* NULL: the lookup could not be made */
        const char *tls_policy;
        const char *enforce; /* verdict */
        const char *answer;  /* of the map enforce */
        const char *query;
    } rows[] = {
        {"unsigned", "mx=insecure host=mx1.example.org,a=i", NULL, "unsatisfied",
         "secure match=requiretls-unsatisfied.invalid", "NOTFOUND"},
        {"route without Web PKI, transport with it", "host=mx1.example.org", NULL, "unsatisfied",
         "secure match=mx1.example.org servername=hostname", "NOTFOUND"},
        {"failed", "mx=failed", NULL, "undecided",
         "TEMP the MX lookup for example.org failed (SERVFAIL)", "TEMP MX lookup failed: SERVFAIL"},
        {"no such domain", "mx=nxdomain", NULL, "not-applicable",
         "secure match=requiretls-unsatisfied.invalid", "NOTFOUND"},
        {"no findings", NULL, NULL, "undecided", "TEMP the lookup could not be made",
         "TEMP the lookup could not be made"},
        {"exempt", NULL, "skip", "satisfied", "may", "NOTFOUND"},
        {"private CA", "mx=failed", "secure tafile=/etc/ca.pem", "satisfied",
         "secure tafile=/etc/ca.pem", "secure tafile=/etc/ca.pem"},
        {"an override that does not authenticate", NULL, "encrypt", "unsatisfied",
         "secure match=requiretls-unsatisfied.invalid", "encrypt"},
        {"dane alone may go out in clear text", NULL, "dane", "unsatisfied",
         "secure match=requiretls-unsatisfied.invalid", "dane"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_doc *doc;
        const struct json_value *root = read_object(rows[i].findings, rows[i].tls_policy, &doc);
        const struct json_value *verdict = json_get(json_get(root, "verdict"), "enforce");
        const struct json_value *answers = json_get(root, "answers");
        if (strcmp(json_text(json_get(verdict, "verdict")), rows[i].enforce) != 0)
            fail_msg("%s: %s", rows[i].name, json_text(json_get(verdict, "verdict")));
        if (strcmp(json_text(json_get(answers, "enforce")), rows[i].answer) != 0)
            fail_msg("%s: %s", rows[i].name, json_text(json_get(answers, "enforce")));
        if (strcmp(json_text(json_get(answers, "QUERY")), rows[i].query) != 0)
            fail_msg("%s: %s", rows[i].name, json_text(json_get(answers, "QUERY")));
        json_doc_free(doc);
    }
}

/* Whether what servers did decides a verdict, which each route sees in its own way. */
static void test_probed(void **state)
{
    (void)state;
    static const struct {
        const char *findings;
        bool offer; /* the route passes REQUIRETLS on */
        const char *enforce;
        bool probed;
        bool probed_starttls;
    } rows[] = {
        {"host=mx1.example.org,tlsa=usable", true, "satisfied", false, false},
        {"host=mx1.example.org,tlsa=usable,probe=o", true, "satisfied", false, false},
        {"host=mx1.example.org,tlsa=usable,probe=r", true, "unsatisfied", true, false},
        {"host=mx1.example.org,tlsa=usable,probe=r", false, "satisfied", false, false},
        {"host=mx1.example.org,tlsa=usable,probe=a", true, "unsatisfied", true, false},
        {"host=mx1.example.org,tlsa=usable,probe=x", true, "unsatisfied", true, false},
        {"host=mx1.example.org,tlsa=usable,probe=t", true, "unsatisfied", true, true},
        {"host=mx1.example.org,tlsa=usable,probe=f", true, "satisfied", false, false},
        {"mx=insecure host=mx1.example.org,a=i,probe=r", true, "unsatisfied", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct findings_text text;
        struct findings_json_terms terms = usual_terms();
        struct json json;
        struct json_doc *doc;
        const char *out;
        size_t len;
        if (rows[i].offer)
            terms.verdict.can |= VERDICT_CAN_REQUIRETLS;
        findings_from_text(rows[i].findings, &text);
        json_init(&json, FINDINGS_JSON_MAX);
        findings_json(&json, &text.nexthop, &text.findings, &terms);
        assert_int_equal(json_finish(&json, &out, &len), 0);
        assert_int_equal(json_read(out, len, &doc), 0);
        const struct json_value *verdict = json_get(json_root(doc), "verdict");
        const struct json_value *enforce = json_get(verdict, "enforce");
        const struct json_value *starttls = json_get(verdict, "opportunistic+starttls");
        if (strcmp(json_text(json_get(enforce, "verdict")), rows[i].enforce) != 0 ||
            json_is_true(json_get(enforce, "probed")) != rows[i].probed ||
            json_is_true(json_get(starttls, "probed")) != rows[i].probed_starttls)
            fail_msg("%s, offer %d: %s", rows[i].findings, rows[i].offer, out);
        json_doc_free(doc);
        json_fini(&json);
    }
}

/* The verdict is the one that the filter comes to: what cannot be passed on refuses no domain that
 * does not exist, and exempts are exempt. */
static void test_require_offer(void **state)
{
    (void)state;
    static const struct {
        const char *findings;
        const char *tls_policy;
        enum verdict_value want;
        const char *reason; /* begins with that */
    } rows[] = {
        {"host=mx1.example.org,tlsa=usable", NULL, VERDICT_UNSATISFIED,
         "this host cannot pass REQUIRETLS on"},
        {"mx=nxdomain", NULL, VERDICT_NOT_APPLICABLE, ""},
        {"mx=failed", NULL, VERDICT_UNDECIDED, ""},
        {NULL, "secure match=a.example", VERDICT_UNSATISFIED,
         "this host cannot pass REQUIRETLS on"},
        {NULL, "skip", VERDICT_SATISFIED, "a rule exempts"},
        {NULL, "may", VERDICT_UNSATISFIED, "this host cannot pass REQUIRETLS on"},
    };
    struct findings_json_terms terms = usual_terms();
    struct nexthop nexthop;

    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    terms.verdict.require_offer = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct findings_text text;
        struct verdict verdict;
        char reason[512];

        terms.answer.tls_policy = rows[i].tls_policy;
        if (rows[i].findings != NULL)
            findings_from_text(rows[i].findings, &text);
        findings_json_verdict(&nexthop, rows[i].findings != NULL ? &text.findings : NULL, &terms,
                              VERDICT_LEVEL_ENFORCE, &verdict, reason, sizeof(reason));
        assert_int_equal(verdict.value, rows[i].want);
        assert_memory_equal(reason, rows[i].reason, strlen(rows[i].reason));
    }
}

/* Without findings the verdict is the filter's too: below enforce nothing must be found out. */
static void test_without_findings(void **state)
{
    (void)state;
    struct findings_json_terms terms = usual_terms();
    struct nexthop nexthop;
    struct verdict verdict;
    char reason[512];

    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    findings_json_verdict(&nexthop, NULL, &terms, VERDICT_LEVEL_ENFORCE, &verdict, reason,
                          sizeof(reason));
    assert_int_equal(verdict.value, VERDICT_UNDECIDED);
    assert_string_equal(reason, "the lookup could not be made");
    findings_json_verdict(&nexthop, NULL, &terms, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, &verdict,
                          reason, sizeof(reason));
    assert_int_equal(verdict.value, VERDICT_SATISFIED);
}

/* A clock that was set back, findings that have run out: no negative numbers. */
static void test_clocks(void **state)
{
    (void)state;
    static struct findings_text text;
    struct findings_json_terms terms = usual_terms();
    findings_from_text("host=mx1.example.org", &text);
    text.findings.made_at_ms = 2000000;
    assert_int_equal(findings_json_age_s(&text.findings, &terms), 0);
    assert_int_equal(findings_json_ttl_s(&text.findings, &terms), 300);
    text.findings.made_at_ms = 0;
    assert_int_equal(findings_json_age_s(&text.findings, &terms), 1000);
    assert_int_equal(findings_json_ttl_s(&text.findings, &terms), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),         cmocka_unit_test(test_probe_whole),
        cmocka_unit_test(test_probe_null),    cmocka_unit_test(test_probe_bounds),
        cmocka_unit_test(test_views),         cmocka_unit_test(test_probed),
        cmocka_unit_test(test_require_offer), cmocka_unit_test(test_without_findings),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
