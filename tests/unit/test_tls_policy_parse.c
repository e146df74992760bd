/* tls_policy_parse.c: what the delivery agent takes of the text of a Postfix TLS policy. */
#include "config/tls_policy_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define COLONS_A                                                                                   \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:"   \
    "1e:"                                                                                          \
    "1f"
#define HEX_B                                                                                      \
    "ff"                                                                                           \
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"

/* wanted: level, server name, names or digests in short; NULL: it is refused. */
static const struct policy_case {
    const char *text, *wanted;
} cases[] = {
    {"skip", "skip sni=host"},
    {"none", "none sni=host"},
    {" , may\t", "may sni=host"},
    {"MAY", "may sni=host"},
    {"encrypt", "encrypt sni=host"},
    {"dane", "dane sni=host"},
    {"dane-only", "dane-only sni=host"},
    {"verify", "verify sni=host host"},
    {"secure", "secure sni=host nexthop .nexthop"},
    {"secure match=relay.example.org", "secure sni=host relay.example.org"},
    {"secure match=Relay.Example.ORG.", "secure sni=host relay.example.org"},
    {"secure match=nexthop:dot-nexthop:hostname", "secure sni=host nexthop .nexthop host"},
    {"secure match=.example.org match=a.example", "secure sni=host .example.org a.example"},
    {"secure, match=a.example servername=hostname", "secure sni=host a.example"},
    {"verify servername=nexthop match=a.example", "verify sni=nexthop a.example"},
    {"verify servername=sni.example", "verify sni=sni.example host"},
    {"secure match=a.example:b.example:c.example:d.example:e.example:f.example",
     "secure sni=host a.example b.example c.example d.example e.example f.example"},
    {"fingerprint match=" HEX_A, "fingerprint sni=host 00..1f"},
    {"fingerprint match=" COLONS_A "|" HEX_B, "fingerprint sni=host 00..1f ff..1e"},
    {"fingerprint match=" HEX_A " match=" HEX_B, "fingerprint sni=host 00..1f ff..1e"},
    /* What is done in any case. */
    {"encrypt protocols=!SSLv2:!SSLv3:!TLSv1:!TLSv1.1", "encrypt sni=host"},
    {"secure protocols=>=TLSv1.2 ciphers=medium", "secure sni=host nexthop .nexthop"},
    {"may protocols=!SSLv2:!SSLv3 ciphers=low", "may sni=host"},
    {"encrypt connection_reuse=yes enable_rpk=no", "encrypt sni=host"},
    /* What cannot be honoured, or would be less than it says. */
    {"", NULL},
    {"halfdane", NULL},
    {"secured", NULL},
    {"error", NULL},
    {"secure match", NULL},
    {"secure tafile=/etc/ssl/ca.pem", NULL},
    {"secure exclude=aNULL", NULL},
    {"secure protocols=>=TLSv1.3", NULL},
    {"secure protocols=!TLSv1.2", NULL},
    {"secure protocols=TLSv1.3", NULL},
    {"may protocols=>=TLSv1.2", NULL},
    {"dane protocols=!TLSv1", NULL},
    {"secure ciphers=high", NULL},
    {"may ciphers=medium", NULL},
    {"encrypt match=a.example", NULL},
    {"dane match=a.example", NULL},
    {"secure match=a..example", NULL},
    {"secure match=..example", NULL},
    {"secure match=*.example", NULL},
    {"secure match=a.example:b.example:c.example:d.example:e.example:f.example:g.example", NULL},
    {"secure servername=.example", NULL},
    {"secure servername=dot-nexthop", NULL},
    {"secure servername=", NULL},
    {"fingerprint", NULL},
    {"fingerprint match=", NULL},
    {"fingerprint match=00:01", NULL},
    {"fingerprint match=da39a3ee5e6b4b0d3255bfef95601890afd80709", NULL}, /* SHA-1 */
    {"fingerprint match=" HEX_A "00", NULL},
    {"fingerprint match=g" HEX_A, NULL},
    {"fingerprint match=0g"
     "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     NULL},
    {"secure policy_type=sts", NULL},
};

static void add(char *out, size_t size, const struct tls_policy_name *name)
{
    size_t len = strlen(out);

    snprintf(out + len, size - len, "%s",
             name->kind == TLS_POLICY_NAME_HOSTNAME      ? "host"
             : name->kind == TLS_POLICY_NAME_NEXTHOP     ? "nexthop"
             : name->kind == TLS_POLICY_NAME_DOT_NEXTHOP ? ".nexthop"
                                                         : name->text);
}

static void spell(const struct tls_policy *policy, char *out, size_t size)
{
    snprintf(out, size, "%s sni=", tls_policy_level_name(policy->level));
    add(out, size, &policy->server_name);
    for (size_t i = 0; i < policy->name_count; i++) {
        strcat(out, " ");
        add(out, size, &policy->names[i]);
    }
    for (size_t i = 0; i < policy->digest_count; i++) {
        size_t len = strlen(out);

        snprintf(out + len, size - len, " %02x..%02x", policy->digests[i][0],
                 policy->digests[i][TLS_POLICY_DIGEST_LEN - 1]);
    }
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls_policy policy;
        const char *wrong = tls_policy_parse(cases[i].text, &policy);
        char spelt[2048];

        if ((wrong == NULL) != (cases[i].wanted != NULL))
            fail_msg("%s: %s", cases[i].text, wrong != NULL ? wrong : "taken");
        if (wrong != NULL)
            continue;
        spell(&policy, spelt, sizeof(spelt));
        if (strcmp(spelt, cases[i].wanted) != 0)
            fail_msg("%s: %s", cases[i].text, spelt);
    }
}

static void test_many_digests(void **state)
{
    char text[4096] = "fingerprint match=" HEX_A;
    struct tls_policy policy;

    (void)state;
    for (size_t i = 1; i < TLS_POLICY_DIGESTS_MAX; i++)
        strcat(text, "|" HEX_A);
    assert_null(tls_policy_parse(text, &policy));
    assert_int_equal(policy.digest_count, TLS_POLICY_DIGESTS_MAX);
    strcat(text, "|" HEX_A);
    assert_non_null(tls_policy_parse(text, &policy));
}

/* No text makes it read or write outside. */
static void test_any_text(void **state)
{
    static const char octets[] = "secure fingerprint match=:|.!>,\tservername=protocols=\x80";
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct tls_policy policy;
        char text[64];
        size_t len;

        seed = seed * 1664525 + 1013904223;
        len = seed >> 26;
        for (size_t k = 0; k < len; k++) {
            seed = seed * 1664525 + 1013904223;
            text[k] = octets[(seed >> 16) % (sizeof(octets) - 1)];
        }
        text[len] = '\0';
        if (tls_policy_parse(text, &policy) == NULL) {
            assert_true(policy.level <= TLS_POLICY_LEVEL_SECURE);
            assert_true(policy.level < TLS_POLICY_LEVEL_VERIFY || policy.name_count > 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_many_digests),
        cmocka_unit_test(test_any_text),
    };

    return cmocka_run_group_tests_name("tls_policy_parse", tests, NULL, NULL);
}
