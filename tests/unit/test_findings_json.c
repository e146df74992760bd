/* The JSON object: every documented key, in one whole example, and that it is always JSON. */
#include "answer/findings_json.h"
#include "base/json_read.h"

#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
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
    text.findings.summary = FINDINGS_SUMMARY_DANE;
    json_init(&json, FINDINGS_JSON_MAX);
    findings_json(&json, &text.nexthop, &text.findings, &terms);
    assert_int_equal(json_finish(&json, &out, NULL), 0);
    assert_string_equal(
        out, "{\"nexthop\":\"example.org\",\"summary\":\"dane\",\"security\":\"secure\","
             "\"security_known\":true,\"dane_seen\":null,\"failure\":null,\"tls_policy\":null,"
             "\"mx\":[{\"host\":\"mx1.example.org\",\"preference\":10,\"a\":\"secure\","
             "\"aaaa\":\"failed\",\"tlsa_base\":\"mx1.example.org\",\"tlsa_state\":\"usable\","
             "\"tlsa\":[{\"usage\":3,\"selector\":1,\"matching_type\":1,\"data\":\"deadbeef\","
             "\"usable\":true}],\"sts_match\":true,\"failure\":\"address: timed out\"}],"
             "\"sts\":{\"state\":\"policy\",\"mode\":\"testing\",\"id\":\"20260101\","
             "\"max_age\":604800,\"mx\":[\"*.example.org\"],\"age\":100,\"source\":\"fresh\","
             "\"failure\":null,\"failure_text\":null},"
             "\"verdict\":{\"enforce\":{\"verdict\":\"satisfied\",\"reason\":\"the mail servers of "
             "example.org can be authenticated by DANE\"},"
             "\"opportunistic+starttls\":{\"verdict\":\"satisfied\",\"reason\":\"nothing has to be "
             "known of example.org at this level\"},"
             "\"opportunistic\":{\"verdict\":\"satisfied\",\"reason\":\"nothing has to be known of "
             "example.org at this level\"},"
             "\"disable\":{\"verdict\":\"satisfied\",\"reason\":\"nothing has to be known of "
             "example.org at this level\"}},"
             "\"answers\":{\"QUERY\":\"dane-only\",\"QUERYwithTLSRPT\":\"dane-only\","
             "\"postfix\":\"dane-only\",\"enforce\":\"dane-only\","
             "\"opportunistic+starttls\":\"dane-only\",\"opportunistic\":\"dane-only\","
             "\"requiretls\":\"enforce\",\"enforce_pki\":"
             "\"secure match=mx1.example.org servername=hostname\","
             "\"sts\":\"dane-only\",\"access\":\"TEMP+ENCR:128\"},\"age\":10,\"ttl\":290}");
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
    if (spec)
        findings_from_text(spec, &text);
    findings_json(&json, &nexthop, spec ? &text.findings : NULL, &terms);
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
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
