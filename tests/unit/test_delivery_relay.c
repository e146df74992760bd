/*
 * What the log tells of a connection: by the demand, what was shown, and what became of it.
 */
#include "deliver/delivery_relay.h"
#include "deliver/outcome.h"
#include "findings_text.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { USED = -1 };

static const struct {
    const char *name;
    enum requirement_kind kind;
    enum tls_demand_kind demand;
    enum treatment_requiretls requiretls;
    int failure; /* enum outcome_failure, or USED */
    bool has_tls, verified, said;
    const char *tls;
    enum verdict_level level;
} cases[] = {
    {"DANE and REQUIRETLS", REQUIREMENT_DANE_ONLY, TLS_DEMAND_DANE, TREATMENT_REQUIRETLS_DEMANDED,
     USED, true, true, true, "dane-only/requiretls", VERDICT_LEVEL_ENFORCE},
    {"the Web PKI", REQUIREMENT_WEB_PKI, TLS_DEMAND_WEB_PKI, TREATMENT_REQUIRETLS_DEMANDED, USED,
     true, true, true, "secure/requiretls", VERDICT_LEVEL_ENFORCE},
    {"REQUIRETLS need not be offered", REQUIREMENT_DANE_ONLY, TLS_DEMAND_DANE,
     TREATMENT_REQUIRETLS_OFFERED, USED, true, true, false, "dane-only/requiretls:none",
     VERDICT_LEVEL_ENFORCE},
    {"said to whoever it is", REQUIREMENT_ENCRYPT, TLS_DEMAND_ENCRYPT, TREATMENT_REQUIRETLS_OFFERED,
     USED, true, false, true, "encrypt/requiretls:nocertmatch", VERDICT_LEVEL_OPPORTUNISTIC},
    {"a request for nothing", REQUIREMENT_DANE, TLS_DEMAND_DANE, TREATMENT_REQUIRETLS_NOT_SAID,
     USED, true, true, false, "dane", VERDICT_LEVEL_OPPORTUNISTIC},
    {"a host without TLSA", REQUIREMENT_DANE, TLS_DEMAND_MAY, TREATMENT_REQUIRETLS_NOT_SAID, USED,
     true, false, false, "may", VERDICT_LEVEL_OPPORTUNISTIC},
    {"plaintext", REQUIREMENT_NONE, TLS_DEMAND_MAY, TREATMENT_REQUIRETLS_NOT_SAID, USED, false,
     false, false, "may:none", VERDICT_LEVEL_OPPORTUNISTIC},
    {"plaintext where TLS was asked for", REQUIREMENT_NONE, TLS_DEMAND_MAY,
     TREATMENT_REQUIRETLS_OFFERED, USED, false, false, false, "may:none/requiretls:none",
     VERDICT_LEVEL_OPPORTUNISTIC},
    {"not verified", REQUIREMENT_DANE_ONLY, TLS_DEMAND_DANE, TREATMENT_REQUIRETLS_DEMANDED,
     OUTCOME_NOT_VERIFIED, false, false, false, "!dane-only/!requiretls:nocertmatch",
     VERDICT_LEVEL_ENFORCE},
    {"not verified at enforce, where REQUIRETLS need not be offered", REQUIREMENT_STS,
     TLS_DEMAND_STS, TREATMENT_REQUIRETLS_OFFERED, OUTCOME_NOT_VERIFIED, false, false, false,
     "!secure/!requiretls:nocertmatch", VERDICT_LEVEL_ENFORCE},
    {"no REQUIRETLS", REQUIREMENT_DANE_ONLY, TLS_DEMAND_DANE, TREATMENT_REQUIRETLS_DEMANDED,
     OUTCOME_NO_REQUIRETLS, true, true, false, "dane-only/!requiretls:none", VERDICT_LEVEL_ENFORCE},
    {"no STARTTLS", REQUIREMENT_DANE_ONLY, TLS_DEMAND_DANE, TREATMENT_REQUIRETLS_DEMANDED,
     OUTCOME_NO_STARTTLS, false, false, false, "!dane-only/!requiretls:nostarttls",
     VERDICT_LEVEL_ENFORCE},
    {"no STARTTLS, no request", REQUIREMENT_DANE, TLS_DEMAND_DANE, TREATMENT_REQUIRETLS_NOT_SAID,
     OUTCOME_NO_STARTTLS, false, false, false, "!dane", VERDICT_LEVEL_OPPORTUNISTIC},
    {"no STARTTLS, where that alone is demanded", REQUIREMENT_ENCRYPT, TLS_DEMAND_ENCRYPT,
     TREATMENT_REQUIRETLS_OFFERED, OUTCOME_NO_STARTTLS, false, false, false,
     "!encrypt/!requiretls:nostarttls", VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS},
    {"no STARTTLS, where nothing is demanded for the request", REQUIREMENT_DANE_ONLY,
     TLS_DEMAND_DANE, TREATMENT_REQUIRETLS_OFFERED, OUTCOME_NO_STARTTLS, false, false, false,
     "!dane-only/requiretls?", VERDICT_LEVEL_OPPORTUNISTIC},
    {"not verified, where nothing is demanded for the request", REQUIREMENT_STS, TLS_DEMAND_STS,
     TREATMENT_REQUIRETLS_OFFERED, OUTCOME_NOT_VERIFIED, false, false, false,
     "!secure/requiretls:nocertmatch", VERDICT_LEVEL_OPPORTUNISTIC},
    {"a broken handshake", REQUIREMENT_STS, TLS_DEMAND_STS, TREATMENT_REQUIRETLS_DEMANDED,
     OUTCOME_HANDSHAKE, false, false, false, "!secure/requiretls?", VERDICT_LEVEL_ENFORCE},
    {"lost", REQUIREMENT_STS, TLS_DEMAND_STS, TREATMENT_REQUIRETLS_DEMANDED, OUTCOME_LOST, false,
     false, false, "secure?/requiretls?", VERDICT_LEVEL_ENFORCE},
};

static void test_tls(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct treatment_demands demands = {.requiretls = cases[i].requiretls,
                                                  .level = cases[i].level};
        const struct treatment_plan plan = {.requirement.kind = cases[i].kind};
        const struct tls_demand demand = {.kind = cases[i].demand};
        const struct tls_peer peer = {.met = true,
                                      .auth = cases[i].verified ? TLS_AUTH_DANE : TLS_AUTH_NONE};
        const struct outcome_attempt failure = {.failure = (enum outcome_failure)cases[i].failure};
        const struct delivery_relay_facts facts = {
            .demands = &demands,
            .plan = &plan,
            .demand = &demand,
            .peer = cases[i].has_tls ? &peer : NULL,
            .has_tls = cases[i].has_tls,
            .requiretls = cases[i].said,
            .failure = cases[i].failure != USED ? &failure : NULL,
        };
        char text[64];

        delivery_relay_tls(&facts, text, sizeof(text));
        if (strcmp(text, cases[i].tls) != 0)
            fail_msg("%s: %s, wanted %s", cases[i].name, text, cases[i].tls);
    }
}

static void test_fill(void **state)
{
    static struct findings_text findings;
    const struct treatment_demands demands = {.requiretls = TREATMENT_REQUIRETLS_DEMANDED};
    const struct treatment_plan plan = {.requirement.kind = REQUIREMENT_DANE_ONLY};
    const struct tls_demand demand = {.kind = TLS_DEMAND_DANE};
    const struct tls_peer peer = {.met = true,
                                  .established = true,
                                  .auth = TLS_AUTH_DANE,
                                  .protocol = "TLSv1.3",
                                  .cipher = "TLS_AES_256_GCM_SHA384",
                                  .certificate = {.present = true, .sha256 = {0xab}}};
    struct delivery_target target = {.host = 1};
    struct delivery_relay_facts facts = {
        .demands = &demands,
        .plan = &plan,
        .findings = &findings.findings,
        .target = &target,
        .port = 25,
        .demand = &demand,
        .peer = &peer,
        .has_tls = true,
        .requiretls = true,
        .policy_before = "secure",
    };
    struct delivery_relays relays = SLIST_HEAD_INITIALIZER(relays);
    struct delivery_relay *relay = delivery_relay_new(&relays);
    (void)state;

    findings_from_text("host=mx1.example.org host=mx2.example.org", &findings);
    inet_pton(AF_INET, "192.0.2.7", target.address);
    delivery_relay_fill(relay, &facts);
    assert_string_equal(relay->host, "mx2.example.org");
    assert_string_equal(relay->address, "192.0.2.7");
    assert_int_equal(relay->port, 25);
    assert_string_equal(relay->tls, "dane-only/requiretls");
    assert_string_equal(relay->auth, "Verified");
    assert_string_equal(relay->level, "dane-only");
    assert_string_equal(relay->policy, "secure");
    assert_string_equal(relay->protocol, "TLSv1.3");
    assert_string_equal(relay->cipher, "TLS_AES_256_GCM_SHA384");
    assert_memory_equal(relay->cert_digest, "AB:00:", 6);
    /* What was said in plaintext tells nothing of a handshake that failed before. */
    facts.has_tls = false;
    relay = delivery_relay_new(&relays);
    delivery_relay_fill(relay, &facts);
    assert_string_equal(relay->auth, "Cleartext");
    assert_string_equal(relay->protocol, "");
    assert_string_equal(relay->cert_digest, "");
    delivery_relays_free(&relays);
    assert_true(SLIST_EMPTY(&relays));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tls), cmocka_unit_test(test_fill)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
