/* The template language of audit_template: what each form gives, and what is no template. */
#include "base/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Of a connection verified by DANE; $policy is empty. */
static const struct audit_values verified = {.of = {
                                                 [AUDIT_RELAY] = "mx.example.org[192.0.2.1]:25",
                                                 [AUDIT_LEVEL] = "dane-only",
                                                 [AUDIT_AUTH] = "Verified",
                                                 [AUDIT_PROTOCOL] = "TLSv1.3",
                                                 [AUDIT_CIPHER] = "TLS_AES_256_GCM_SHA384",
                                                 [AUDIT_CERT_DIGEST] = "0A:1B",
                                                 [AUDIT_SPKI_DIGEST] = "2C:3D",
                                             }};

/* The example of Postfix's tlsfallback branch. */
#define EXAMPLE                                                                                    \
    "tlsaudit: relay=${relay}${auth?, auth=${auth}}${level?, level=${level}}"                      \
    "${policy?, policy=${policy}}${protocol?, protocol=${protocol}}${cipher?, cipher=${cipher}}"

static void test_example(void **state)
{
    struct audit_values values = verified;
    char out[512];

    (void)state;
    assert_null(audit_check(EXAMPLE));
    assert_string_equal(audit_expand(EXAMPLE, &values, out, sizeof(out)),
                        "tlsaudit: relay=mx.example.org[192.0.2.1]:25, auth=Verified, "
                        "level=dane-only, protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384");
    values.of[AUDIT_LEVEL] = "encrypt";
    values.of[AUDIT_POLICY] = "dane-only";
    values.of[AUDIT_AUTH] = "Untrusted";
    assert_string_equal(audit_expand(EXAMPLE, &values, out, sizeof(out)),
                        "tlsaudit: relay=mx.example.org[192.0.2.1]:25, auth=Untrusted, "
                        "level=encrypt, policy=dane-only, protocol=TLSv1.3, "
                        "cipher=TLS_AES_256_GCM_SHA384");
    values = (struct audit_values){.of = {[AUDIT_RELAY] = "mx.example.org[192.0.2.1]:25",
                                          [AUDIT_LEVEL] = "may",
                                          [AUDIT_AUTH] = "Cleartext"}};
    assert_string_equal(audit_expand(EXAMPLE, &values, out, sizeof(out)),
                        "tlsaudit: relay=mx.example.org[192.0.2.1]:25, auth=Cleartext, level=may");
}

static void test_forms(void **state)
{
    static const struct {
        const char *template, *expected;
    } cases[] = {
        {"", ""},
        {"plain (text) {here}", "plain (text) {here}"},
        {"$auth.", "Verified."},
        {"${auth}x $(auth)x", "Verifiedx Verifiedx"},
        {"$policy|${policy}|", "||"},
        {"costs $$5, $$auth, $$$auth", "costs $5, $auth, $Verified"},
        {"${auth?yes}${policy?yes}", "yes"},
        {"${auth:no}${policy:no}", "no"},
        {"${auth?}${policy:}", ""},
        /* nested, in each kind of bracket */
        {"${policy:${auth?${level?deep $level}}}", "deep dane-only"},
        {"${auth?a ${policy:b ${cipher?c}} d}", "a b c d"},
        {"$(auth?in ${level})", "in dane-only"},
        /* brackets of the other kind are text */
        {"${auth?)}|$(auth?})", ")|}"},
        {"${auth?{x}}", "x"},
        {"${auth?a {b} c}", "a {b} c"},
        /* a text without braces may have any octet in it */
        {"${auth?a:b?c}", "a:b?c"},
        {"${auth? a }", " a "},
        {"${auth?{yes}:{no}} ${policy?{yes}:{no}}", "yes no"},
        {"${auth?{yes}:no} ${policy?{yes}:no}", "yes no"},
        {"${policy?\t{ yes } : { no } }", " no "},
        {"${policy?{yes}:${level}}", "dane-only"},
        {"${policy?{yes}}", ""},
        {"$cert_digest $spki_digest", "0A:1B 2C:3D"},
        {"\xc3\xa9 \x01", "\\xc3\\xa9 \\x01"},
    };
    char out[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *wrong = audit_check(cases[i].template);

        if (wrong != NULL)
            fail_msg("%s: %s", cases[i].template, wrong);
        assert_string_equal(audit_expand(cases[i].template, &verified, out, sizeof(out)),
                            cases[i].expected);
    }
}

/* What a text that is not selected has in it is checked too. */
static void test_errors(void **state)
{
    static const struct {
        const char *template, *part;
    } cases[] = {
        {"$nonsense", "none of relay"},
        {"${nonsense}", "none of relay"},
        {"${nonsense?x}", "none of relay"},
        {"$Relay", "none of relay"},
        {"$relayed", "none of relay"},
        {"${auth?$nonsense}", "none of relay"},
        {"${auth:$nonsense}", "none of relay"},
        {"${auth?{$nonsense}:{x}}", "none of relay"},
        {"${auth?{x}:{$nonsense}}", "none of relay"},
        {"${auth?${policy?$(nonsense)}}", "none of relay"},
        {"$", "missing"},
        {"100$ a", "missing"},
        {"${}", "missing"},
        {"${?x}", "missing"},
        {"${ auth}", "missing"},
        {"${au-th}", "missing"},
        {"${{$auth} == {x} ? {y}}", "missing"},
        {"${auth", "not closed"},
        {"$(auth}", "not closed"},
        {"${auth?{x}", "not closed"},
        {"$(auth?{x)", "{ is not closed"},
        {"${auth?{x}y}", "followed"},
        {"${auth?{x}?y}", "followed"},
        {"${auth:{x}y}", "followed"},
        {"${auth:{x}:y}", "followed"},
        {"${auth?{x}:{y}z}", "followed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *wrong = audit_check(cases[i].template);

        if (wrong == NULL || strstr(wrong, cases[i].part) == NULL)
            fail_msg("%s: %s", cases[i].template, wrong != NULL ? wrong : "no error");
    }
}

/* A value is not read as a template, and cannot end the line. */
static void test_hostile(void **state)
{
    struct audit_values values = {.of = {[AUDIT_RELAY] = "${auth}\n$level\\", [AUDIT_AUTH] = "x"}};
    char out[512];

    (void)state;
    assert_string_equal(audit_expand("a $relay b", &values, out, sizeof(out)),
                        "a ${auth}\\x0a$level\\x5c b");
}

static void test_limits(void **state)
{
    static char deep[20000], value[10000];
    struct audit_values values = {.of = {[AUDIT_RELAY] = value}};
    char out[20];

    (void)state;
    for (int i = 0; i < 2000; i++)
        strcat(deep, "${auth?");
    for (int i = 0; i < 2000; i++)
        strcat(deep, "}");
    assert_string_equal(audit_check(deep), "texts are nested too deeply");
    audit_expand(deep, &verified, out, sizeof(out));
    memset(value, 'v', sizeof(value) - 1);
    assert_string_equal(
        audit_expand("abc ${level:0123456789}0123456789", &values, out, sizeof(out)),
        "abc 012345678901...");
    /* a value that does not fit is left out whole */
    assert_string_equal(audit_expand("a$relay", &values, out, sizeof(out)), "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example), cmocka_unit_test(test_forms),
        cmocka_unit_test(test_errors),  cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
