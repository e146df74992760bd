/*
 * Demands and what became of them, in Postfix's words. Those marked V were seen in the log of a
 * Postfix 3.11.
 */
#include "decide/feature_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *level;
    enum feature_tls tls;
    enum feature_requiretls requiretls;
    const char *text;
} cases[] = {
    {"dane", FEATURE_TLS_MET, FEATURE_REQUIRETLS_MET, "dane/requiretls"},                 /* V */
    {"secure", FEATURE_TLS_MET, FEATURE_REQUIRETLS_MET, "secure/requiretls"},             /* V */
    {"dane-only", FEATURE_TLS_MET, FEATURE_REQUIRETLS_NOT_ASKED, "dane-only"},            /* V */
    {"dane", FEATURE_TLS_MET, FEATURE_REQUIRETLS_NOT_SUPPORTED, "dane/!requiretls:none"}, /* V */
    {"dane", FEATURE_TLS_VIOLATED, FEATURE_REQUIRETLS_NO_CERTIFICATE_MATCH,
     "!dane/!requiretls:nocertmatch"}, /* V */
    {"may", FEATURE_TLS_UNDECIDED, FEATURE_REQUIRETLS_NO_STARTTLS,
     "may?/!requiretls:nostarttls"},                                                   /* V */
    {"dane", FEATURE_TLS_MET, FEATURE_REQUIRETLS_NOT_OFFERED, "dane/requiretls:none"}, /* V */
    {"may", FEATURE_TLS_PLAINTEXT, FEATURE_REQUIRETLS_NOT_OFFERED,
     "may:none/requiretls:none"},                                                          /* V */
    {"may", FEATURE_TLS_MET, FEATURE_REQUIRETLS_UNVERIFIED, "may/requiretls:nocertmatch"}, /* V */
    {"unknown", FEATURE_TLS_UNDECIDED, FEATURE_REQUIRETLS_UNDECIDED,
     "unknown?/requiretls?"}, /* V */
    {"may", FEATURE_TLS_PLAINTEXT, FEATURE_REQUIRETLS_NOT_ASKED, "may:none"},
    {"encrypt", FEATURE_TLS_VIOLATED, FEATURE_REQUIRETLS_NOT_ASKED, "!encrypt"},
};

static void test_words(void **state)
{
    char text[64];
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(feature_status_write(cases[i].level, cases[i].tls, cases[i].requiretls,
                                                 text, sizeof(text)),
                            cases[i].text);
    assert_string_equal(
        feature_status_write("dane-only", FEATURE_TLS_MET, FEATURE_REQUIRETLS_MET, text, 6),
        "dane-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
