/* Every map's answer to findings of every kind: tables of named cases. */
#include "answer/answer.h"

#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define UNSATISFIED "secure match=requiretls-unsatisfied.invalid"
#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

static const char *const my_names[] = {"mx.self.example"};

static struct answer_terms usual_terms(void)
{
    return (struct answer_terms){
        .enforce = {.level = VERDICT_LEVEL_ENFORCE,
                    .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI,
                    .web_pki = true,
                    .my_names = my_names,
                    .my_name_count = 1},
        .level = VERDICT_LEVEL_ENFORCE,
    };
}

/* The answer in one string: its kind, and the text if there is one. */
static const char *render(enum answer_kind kind, const char *text, char *out, size_t size)
{
    static const char *const kinds[] = {"OK", "NOTFOUND", "TEMP", "PENDING"};
    snprintf(out, size, "%s%s%s", kinds[kind], *text ? " " : "", text);
    return out;
}

static void check(const char *name, const struct findings *f, const struct answer_terms *terms,
                  enum answer_map map, const char *expected)
{
    char text[4096], line[5000];
    enum answer_kind kind = answer_derive(f, terms, map, text, sizeof(text));
    render(kind, text, line, sizeof(line));
    size_t len = strlen(expected);
    /* An expectation that ends with * leaves the wording of a reason open. */
    bool same = len > 0 && expected[len - 1] == '*' ? strncmp(line, expected, len - 1) == 0
                                                    : strcmp(line, expected) == 0;
    if (!same)
        fail_msg("%s, %s: got \"%s\", not \"%s\"", name, answer_map_name(map), line, expected);
}

/* What QUERY and enforce say to the same findings. */
static const struct {
    const char *name;
    const char *findings;
    const char *query;
    const char *enforce;
} cases[] = {
    /* DANE */
    {"every MX host has usable TLSA",
     "host=mx1.example.org,10,tlsa=usable host=mx2.example.org,20,tlsa=usable", "OK dane-only",
     "OK dane-only"},
    {"usable DANE does not wait for MTA-STS", "host=mx1.example.org,tlsa=usable sts=pending",
     "OK dane-only", "OK dane-only"},
    {"DANE on some hosts", "host=mx1.example.org,10,tlsa=usable host=mx2.example.org,20", "OK dane",
     "OK dane-only"},
    {"DANE on some hosts, an STS policy enforced: the others must not go unauthenticated",
     "host=mx1.example.org,10,tlsa=usable,match host=mx2.example.org,20,match sts=enforce "
     "pat=*.example.org",
     "OK dane-only", "OK dane-only"},
    {"DANE on some hosts, STS in testing is not enforced",
     "host=mx1.example.org,10,tlsa=usable,match host=mx2.example.org,20,match sts=testing "
     "pat=*.example.org",
     "OK dane", "OK dane-only"},
    {"DANE on some hosts, STS not known yet",
     "host=mx1.example.org,10,tlsa=usable host=mx2.example.org,20 sts=pending", "PENDING",
     "OK dane-only"},
    {"DANE on some hosts, STS cannot be known",
     "host=mx1.example.org,10,tlsa=usable host=mx2.example.org,20 sts=failed", "OK dane",
     "OK dane-only"},
    {"DANE on some hosts, TLSA of another fails: that host must not be downgraded",
     "host=mx1.example.org,10,tlsa=usable host=mx2.example.org,20,tlsa=failed", "OK dane",
     "OK dane-only"},
    {"a host without address counts for nothing",
     "host=gone.example.org,10,a=-,aaaa=- host=mx2.example.org,20,tlsa=usable", "OK dane-only",
     "OK dane-only"},
    {"AAAA fails, A is secure: DANE goes on", "host=mx1.example.org,a=s,aaaa=f,tlsa=usable",
     "OK dane-only", "OK dane-only"},
    {"all secure TLSA unusable: TLS mandatory", "host=mx1.example.org,tlsa=unusable", "OK dane",
     "OK secure match=mx1.example.org servername=hostname"},
    {"all secure TLSA unusable, STS enforced wins",
     "host=mx1.example.org,tlsa=unusable,match sts=enforce pat=mx1.example.org",
     "OK secure match=mx1.example.org servername=hostname",
     "OK secure match=mx1.example.org servername=hostname"},
    {"unusable on one, none on the other",
     "host=mx1.example.org,10,tlsa=unusable host=mx2.example.org,20", "OK dane",
     "OK secure match=mx1.example.org:mx2.example.org servername=hostname"},
    {"TLSA under unsigned MX records", "mx=insecure host=mx1.example.net,tlsa=usable", "OK dane",
     "OK " UNSATISFIED},
    {"TLSA under unsigned MX records, STS enforced wins",
     "mx=insecure host=mx1.example.net,tlsa=usable,match sts=enforce pat=*.example.net",
     "OK secure match=.example.net servername=hostname",
     "OK secure match=mx1.example.net servername=hostname"},
    /* Failures */
    {"MX lookup failed", "mx=failed", "TEMP MX lookup failed: SERVFAIL", "TEMP *"},
    {"MX lookup failed, an STS policy does not override it", "mx=failed sts=enforce pat=a.example",
     "TEMP MX lookup failed: SERVFAIL", "TEMP *"},
    {"TLSA of the only host fails", "host=mx1.example.org,tlsa=failed",
     "TEMP DNS lookup failed for every MX host: TLSA: SERVFAIL", "TEMP *"},
    {"TLSA of the only host fails, STS must not override it",
     "host=mx1.example.org,tlsa=failed,match sts=enforce pat=mx1.example.org",
     "TEMP DNS lookup failed for every MX host: TLSA: SERVFAIL", "TEMP *"},
    {"TLSA of one host fails, another has none: Postfix skips the failing one",
     "host=mx1.example.org,10,tlsa=failed host=mx2.example.org,20", "OK dane",
     "OK secure match=mx2.example.org servername=hostname"},
    {"TLSA of one host fails, another is covered by STS: only that one is named",
     "host=mx1.example.org,10,tlsa=failed,match host=mx2.example.org,20,match sts=enforce "
     "pat=*.example.org",
     "OK secure match=mx2.example.org servername=hostname",
     "OK secure match=mx2.example.org servername=hostname"},
    {"addresses of every host fail", "host=mx1.example.org,a=f,aaaa=f",
     "TEMP DNS lookup failed for every MX host: address: timed out", "TEMP *"},
    {"one host fails, the other is plain and unsigned: the default stays",
     "mx=insecure host=mx1.example.org,10,a=f,aaaa=f host=mx2.example.org,20,a=i", "NOTFOUND",
     "OK " UNSATISFIED},
    {"hosts still pending", "host=mx1.example.org,tlsa=pending", "PENDING", "PENDING"},
    {"MX still pending", "mx=pending", "PENDING", "PENDING"},
    {"a host is there, another may yet have DANE: no name before that is known",
     "host=mx1.example.org,10,tlsa=pending host=mx2.example.org,20", "PENDING", "PENDING"},
    {"DANE is there, whatever another host may have",
     "host=mx1.example.org,10,tlsa=usable "
     "host=mx2.example.org,20,tlsa=pending",
     "PENDING", "OK dane-only"},
    {"a host of an STS policy is there, another in flight: no name before all are known",
     "mx=insecure host=mx1.example.org,10,a=i,match host=mx2.example.org,20,a=p,tlsa=pending,match "
     "sts=enforce pat=mx1.example.org pat=mx2.example.org",
     "OK secure match=mx1.example.org:mx2.example.org servername=hostname", "PENDING"},
    /* MTA-STS */
    {"STS enforced, unsigned MX",
     "mx=insecure host=mx1.example.org,a=i,match host=other.example.net,20,a=i sts=enforce "
     "pat=mx1.example.org pat=*.example.org",
     "OK secure match=mx1.example.org:.example.org servername=hostname",
     "OK secure match=mx1.example.org servername=hostname"},
    {"STS enforced, hosts still pending: the patterns are enough for QUERY",
     "mx=insecure host=mx1.example.org,a=p,tlsa=pending,match sts=enforce pat=mx1.example.org",
     "OK secure match=mx1.example.org servername=hostname", "PENDING"},
    {"STS enforced, the refresh failed: the policy still holds",
     "mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org stale",
     "OK secure match=mx1.example.org servername=hostname",
     "OK secure match=mx1.example.org servername=hostname"},
    {"STS enforced, no MX host matches",
     "mx=insecure host=mx1.example.org,a=i sts=enforce pat=mx.example.com",
     "OK secure match=mx.example.com servername=hostname", "OK " UNSATISFIED},
    {"STS enforced, no pattern at all: nothing matches, but never an empty match=",
     "mx=insecure host=mx1.example.org,a=i sts=enforce", "OK " UNSATISFIED, "OK " UNSATISFIED},
    {"STS in testing", "mx=insecure host=mx1.example.org,a=i,match sts=testing pat=mx1.example.org",
     "NOTFOUND", "OK " UNSATISFIED},
    {"STS mode none", "mx=insecure host=mx1.example.org,a=i sts=mode-none", "NOTFOUND",
     "OK " UNSATISFIED},
    {"STS pending", "mx=insecure host=mx1.example.org,a=i sts=pending", "PENDING", "PENDING"},
    {"STS pending, and late: QUERY goes on, enforce waits",
     "mx=insecure host=mx1.example.org,a=i sts=pending late", "NOTFOUND", "PENDING"},
    {"STS late: DANE counts as ever",
     "host=mx1.example.org,tlsa=usable host=mx2.example.org "
     "sts=pending late",
     "OK dane", "OK dane-only"},
    {"STS late, hosts still pending",
     "mx=insecure host=mx1.example.org,a=p,tlsa=pending "
     "sts=pending late",
     "PENDING", "PENDING"},
    {"STS failed: QUERY goes on, enforce waits", "mx=insecure host=mx1.example.org,a=i sts=failed",
     "NOTFOUND", "TEMP *"},
    {"signed MX without TLSA, STS enforced",
     "host=mx1.example.org,match sts=enforce pat=*.example.org",
     "OK secure match=.example.org servername=hostname",
     "OK secure match=mx1.example.org servername=hostname"},
    /* Web PKI */
    {"signed MX without TLSA: the Web PKI can verify its name", "host=mx1.example.org", "NOTFOUND",
     "OK secure match=mx1.example.org servername=hostname"},
    {"signed MX, several hosts", "host=mx1.example.org,10 host=mx2.example.org,20", "NOTFOUND",
     "OK secure match=mx1.example.org:mx2.example.org servername=hostname"},
    {"[host]", "nexthop=[relay.example.org] mx=not-asked sts=off host=relay.example.org,a=i",
     "NOTFOUND", "OK secure match=relay.example.org servername=hostname"},
    {"[host]:port with TLSA",
     "nexthop=[relay.example.org]:587 mx=not-asked sts=off host=relay.example.org,tlsa=usable",
     "OK dane-only", "OK dane-only"},
    {"no MX, an address: implicit MX", "mx=absent host=example.org,a=i", "NOTFOUND",
     "OK secure match=example.org servername=hostname"},
    {"no MX, implicit MX with TLSA", "mx=absent host=example.org,tlsa=usable", "OK dane-only",
     "OK dane-only"},
    /* Nothing */
    {"unsigned, no policy", "mx=insecure host=mx1.example.org,a=i", "NOTFOUND", "OK " UNSATISFIED},
    {"null MX", "mx=null", "NOTFOUND", "OK " UNSATISFIED},
    {"no such domain", "mx=nxdomain", "NOTFOUND", "OK " UNSATISFIED},
    {"null MX, perhaps forged: an STS policy stays in force",
     "mx=null sts=enforce pat=*.example.org", "OK secure match=.example.org servername=hostname",
     "OK " UNSATISFIED},
    {"no such domain, perhaps forged: an STS policy stays in force",
     "mx=nxdomain sts=enforce pat=mx1.example.org",
     "OK secure match=mx1.example.org servername=hostname", "OK " UNSATISFIED},
    {"null MX, STS not known yet", "mx=null sts=pending", "PENDING", "OK " UNSATISFIED},
    {"no such domain, STS only in testing", "mx=nxdomain sts=testing pat=mx1.example.org",
     "NOTFOUND", "OK " UNSATISFIED},
    {"literal", "nexthop=[192.0.2.1] mx=not-asked sts=off", "NOTFOUND", "OK " UNSATISFIED},
    {"no MX host has an address", "host=gone.example.org,a=-,aaaa=-", "NOTFOUND",
     "OK " UNSATISFIED},
    /* Unknown security: QUERY as if nothing were signed, enforce waits. */
    {"security unknown", "unknown mx=insecure host=mx1.example.org,a=i", "NOTFOUND", "TEMP *"},
    {"answers without AD are not checked yet: nothing is found",
     "unchecked mx=insecure host=mx1.example.org,a=i", "PENDING", "PENDING"},
    {"answers without AD are not checked yet: nor does STS hold",
     "unchecked mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org",
     "PENDING", "PENDING"},
    {"answers without AD are not checked yet: DANE does not rest on them",
     "unchecked host=mx1.example.org,tlsa=usable", "OK dane-only", "OK dane-only"},
    {"security unknown, DANE seen of late: a known partner is not downgraded",
     "unknown dane-seen mx=insecure host=mx1.example.org,a=i",
     "TEMP DNS security is unknown, and this next-hop is known to have DANE", "TEMP *"},
    {"security unknown, DANE seen of late: STS does not override it",
     "unknown dane-seen mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org",
     "TEMP DNS security is unknown, and this next-hop is known to have DANE", "TEMP *"},
    {"security unknown, DANE seen of late, no domain now", "unknown dane-seen mx=nxdomain",
     "TEMP *", "TEMP *"},
    {"security known again: what was seen before does not matter",
     "dane-seen mx=insecure host=mx1.example.org,a=i", "NOTFOUND", "OK " UNSATISFIED},
    {"security unknown, STS enforced holds",
     "unknown mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org",
     "OK secure match=mx1.example.org servername=hostname",
     "OK secure match=mx1.example.org servername=hostname"},
    /* Backup MX: only hosts preferred over ourselves count. */
    {"we are an MX host: the preferred ones count",
     "host=mx1.example.org,10,tlsa=usable host=mx.self.example,20 host=mx3.example.org,30",
     "OK dane-only", "OK dane-only"},
    {"an equal preference does not count",
     "host=mx0.example.org,10,tlsa=usable host=mx1.example.org,20 host=mx.self.example,20",
     "OK dane-only", "OK dane-only"},
    {"we are the best MX host ourselves", "host=mx.self.example,10 host=mx2.example.org,20",
     "NOTFOUND", "OK " UNSATISFIED},
    {"we are the best MX host ourselves, perhaps forged: an STS policy stays in force",
     "mx=insecure host=mx.self.example,10,a=i sts=enforce pat=mx1.example.org",
     "OK secure match=mx1.example.org servername=hostname", "OK " UNSATISFIED},
    {"we are the only host, without MX records", "mx=absent host=mx.self.example,0,tlsa=usable",
     "NOTFOUND", "OK " UNSATISFIED},
    /* What a peer publishes cannot change the answer's structure or meaning. */
    {"Postfix's keywords are no host names",
     "mx=insecure host=nexthop,a=i,match host=hostname,a=i,match host=mx1.example.org,a=i,match "
     "sts=enforce pat=nexthop pat=dot-nexthop pat=hostname pat=mx1.example.org",
     "OK secure match=mx1.example.org servername=hostname",
     "OK secure match=mx1.example.org servername=hostname"},
    {"nothing but keywords: nothing matches",
     "mx=insecure host=nexthop,a=i,match sts=enforce "
     "pat=nexthop",
     "OK " UNSATISFIED, "OK " UNSATISFIED},
    {"a pattern with other octets is left out",
     "mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=a:b.example pat=x{y}.example "
     "pat=*.*.example.org pat=*. pat=. pat=a,b pat=mx1.example.org",
     "OK secure match=mx1.example.org servername=hostname",
     "OK secure match=mx1.example.org servername=hostname"},
};

static void test_query_and_enforce(void **state)
{
    (void)state;
    static struct findings_text text;
    struct answer_terms terms = usual_terms();
    for (size_t i = 0; i < COUNT(cases); i++) {
        findings_from_text(cases[i].findings, &text);
        check(cases[i].name, &text.findings, &terms, ANSWER_QUERY, cases[i].query);
        check(cases[i].name, &text.findings, &terms, ANSWER_OPPORTUNISTIC, cases[i].query);
        check(cases[i].name, &text.findings, &terms, ANSWER_POSTFIX, cases[i].query);
        check(cases[i].name, &text.findings, &terms, ANSWER_ENFORCE, cases[i].enforce);
        /* `dane` lets mail go without TLS where there are no TLSA records. */
        const char *starttls = strcmp(cases[i].query, "NOTFOUND") == 0  ? "OK encrypt"
                               : strcmp(cases[i].query, "OK dane") == 0 ? "OK *"
                                                                        : cases[i].query;
        check(cases[i].name, &text.findings, &terms, ANSWER_OPPORTUNISTIC_STARTTLS, starttls);
    }
}

/* Never an answer with which Postfix would do without TLS. */
static void test_starttls(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *findings;
        const char *expected;
    } rows[] = {
        {"DANE on some hosts: those", "host=mx1.example.org,10,tlsa=usable host=mx2.example.org,20",
         "OK dane-only"},
        {"DANE on some hosts, TLSA of another fails",
         "host=mx1.example.org,10,tlsa=usable host=mx2.example.org,20,tlsa=failed", "OK dane-only"},
        {"TLSA unusable", "host=mx1.example.org,tlsa=unusable", "OK encrypt"},
        {"unusable on one, none on the other",
         "host=mx1.example.org,10,tlsa=unusable host=mx2.example.org,20", "OK encrypt"},
        {"TLSA under unsigned MX records", "mx=insecure host=mx1.example.net,tlsa=usable",
         "OK encrypt"},
        {"TLSA of one host fails, another has none",
         "host=mx1.example.org,10,tlsa=failed host=mx2.example.org,20", "OK encrypt"},
        {"none is known to be signed", "unknown mx=insecure host=mx1.example.org,a=i",
         "OK encrypt"},
        {"literal", "nexthop=[192.0.2.1] mx=not-asked sts=off", "OK encrypt"},
    };
    static struct findings_text text;
    struct answer_terms terms = usual_terms();
    char answer[100];
    for (size_t i = 0; i < COUNT(rows); i++) {
        findings_from_text(rows[i].findings, &text);
        check(rows[i].name, &text.findings, &terms, ANSWER_OPPORTUNISTIC_STARTTLS,
              rows[i].expected);
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        findings_from_text(cases[i].findings, &text);
        enum answer_kind kind = answer_derive(&text.findings, &terms, ANSWER_OPPORTUNISTIC_STARTTLS,
                                              answer, sizeof(answer));
        if (kind == ANSWER_NOTFOUND || (kind == ANSWER_OK && strcmp(answer, "dane") == 0))
            fail_msg("%s: does not demand TLS", cases[i].name);
    }
}

/* `enforce` demands nothing that its transport cannot verify. */
static void test_enforce_terms(void **state)
{
    (void)state;
    static struct findings_text text;
    struct answer_terms terms = usual_terms();

    findings_from_text("host=mx1.example.org", &text);
    terms.enforce.web_pki = false;
    check("web_pki = no", &text.findings, &terms, ANSWER_ENFORCE, "OK " UNSATISFIED);
    terms = usual_terms();
    terms.enforce.can = VERDICT_CAN_DANE | VERDICT_CAN_STS;
    check("route without web_pki", &text.findings, &terms, ANSWER_ENFORCE, "OK " UNSATISFIED);

    terms = usual_terms();
    findings_from_text("mx=insecure host=mx1.example.org,a=i,match sts=testing pat=mx1.example.org",
                       &text);
    terms.enforce.accept_testing = true;
    check("accept_testing", &text.findings, &terms, ANSWER_ENFORCE,
          "OK secure match=mx1.example.org servername=hostname");
    check("accept_testing", &text.findings, &terms, ANSWER_QUERY, "NOTFOUND");
}

static void test_override(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *policy;
        enum answer_map map;
        const char *expected;
    } overrides[] = {
        {"text", "secure match=nexthop ciphers=high", ANSWER_QUERY,
         "OK secure match=nexthop ciphers=high"},
        {"text", "fingerprint match=3d:95", ANSWER_QUERY_TLSRPT, "OK fingerprint match=3d:95"},
        {"text", "secure match=a.example ciphers=high", ANSWER_ENFORCE,
         "OK secure match=a.example ciphers=high"},
        {"what authenticates nobody never satisfies enforce", "encrypt", ANSWER_ENFORCE,
         "OK " ANSWER_UNSATISFIED},
        {"what authenticates nobody never satisfies enforce", "dane", ANSWER_ENFORCE,
         "OK " ANSWER_UNSATISFIED},
        {"what authenticates nobody never satisfies enforce", "may", ANSWER_ENFORCE,
         "OK " ANSWER_UNSATISFIED},
        {"plaintext never satisfies opportunistic+starttls", "may", ANSWER_OPPORTUNISTIC_STARTTLS,
         "OK encrypt"},
        {"plaintext never satisfies opportunistic+starttls", "none", ANSWER_OPPORTUNISTIC_STARTTLS,
         "OK encrypt"},
        {"plaintext never satisfies opportunistic+starttls", "dane", ANSWER_OPPORTUNISTIC_STARTTLS,
         "OK encrypt"},
        {"text", "dane-only", ANSWER_OPPORTUNISTIC_STARTTLS, "OK dane-only"},
        {"text", "encrypt", ANSWER_OPPORTUNISTIC_STARTTLS, "OK encrypt"},
        {"text", "verify", ANSWER_ACCESS, "OK TEMP+VERIFY:128"},
        {"text", "verify protocols=TLSv1.3 match=a.example:.b.example ciphers=high",
         ANSWER_ENFORCE_PKI, "OK secure match=a.example:.b.example servername=hostname"},
        {"text", "secure match=a.example", ANSWER_STS,
         "OK secure match=a.example servername=hostname"},
        {"commas separate as blanks do", "secure,match=a.example,ciphers=high", ANSWER_ENFORCE_PKI,
         "OK secure match=a.example servername=hostname"},
        {"what a word begins with is not the word", "secured match=a.example", ANSWER_STS,
         "NOTFOUND"},
        {"what a word begins with is not the word", "verifying", ANSWER_ACCESS, "NOTFOUND"},
        {"what sendmail cannot check", "fingerprint match=3d:95", ANSWER_STS, "NOTFOUND"},
        {"skip", "skip", ANSWER_STS, "NOTFOUND"},
        {"which names, nobody says", "secure", ANSWER_ENFORCE_PKI, "OK " ANSWER_UNSATISFIED},
        {"what sendmail cannot check", "fingerprint match=3d:95", ANSWER_ACCESS, "NOTFOUND"},
        {"what sendmail cannot check", "fingerprint match=3d:95", ANSWER_ENFORCE_PKI,
         "OK " ANSWER_UNSATISFIED},
        {"skip", "skip", ANSWER_QUERY, "NOTFOUND"},
        {"skip", "skip", ANSWER_POSTFIX, "NOTFOUND"},
        {"skip", "skip", ANSWER_ENFORCE, "OK may"},
        {"skip", "skip", ANSWER_OPPORTUNISTIC_STARTTLS, "OK may"},
        {"skip", "skip", ANSWER_OPPORTUNISTIC, "NOTFOUND"},
        {"skip", "skip", ANSWER_ACCESS, "NOTFOUND"},
        {"skip", "skip", ANSWER_ENFORCE_PKI, "OK may"},
    };
    (void)state;
    struct answer_terms terms = usual_terms();
    for (size_t i = 0; i < COUNT(overrides); i++) {
        terms.tls_policy = overrides[i].policy;
        assert_false(answer_needs_findings(overrides[i].map, &terms));
        check(overrides[i].name, NULL, &terms, overrides[i].map, overrides[i].expected);
    }
}

static void test_levels(void **state)
{
    (void)state;
    struct answer_terms terms = usual_terms();
    assert_false(answer_needs_findings(ANSWER_REQUIRETLS, &terms));
    check("level", NULL, &terms, ANSWER_REQUIRETLS, "OK enforce");
    terms.level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
    check("level", NULL, &terms, ANSWER_REQUIRETLS, "OK opportunistic+starttls");
    terms.level = VERDICT_LEVEL_DISABLE;
    terms.tls_policy = "encrypt";
    check("level beside a tls_policy", NULL, &terms, ANSWER_REQUIRETLS, "OK disable");
    terms.level = VERDICT_LEVEL_ENFORCE;
    check("level beside a tls_policy", NULL, &terms, ANSWER_REQUIRETLS, "OK enforce");
    terms.tls_policy = "skip";
    check("level of an exempt next-hop", NULL, &terms, ANSWER_REQUIRETLS, "OK opportunistic");
    terms.level = VERDICT_LEVEL_DISABLE;
    check("level of an exempt next-hop", NULL, &terms, ANSWER_REQUIRETLS, "OK disable");
}

static void test_sendmail(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *findings;
        const char *access;
        const char *enforce;
    } rows[] = {
        {"DANE", "host=mx1.example.org,tlsa=usable", "OK TEMP+ENCR:128",
         "OK secure match=mx1.example.org servername=hostname"},
        {"DANE on some hosts", "host=mx1.example.org,tlsa=usable host=mx2.example.org", "NOTFOUND",
         "OK secure match=mx1.example.org:mx2.example.org servername=hostname"},
        {"STS", "mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org",
         "OK TEMP+VERIFY:128", "OK secure match=mx1.example.org servername=hostname"},
        {"nothing", "mx=insecure host=mx1.example.org,a=i", "NOTFOUND", "OK " ANSWER_UNSATISFIED},
        {"MX failed", "mx=failed", "TEMP MX lookup failed: SERVFAIL", "TEMP *"},
    };
    static struct findings_text text;
    struct answer_terms terms = usual_terms();
    for (size_t i = 0; i < COUNT(rows); i++) {
        findings_from_text(rows[i].findings, &text);
        check(rows[i].name, &text.findings, &terms, ANSWER_ACCESS, rows[i].access);
        check(rows[i].name, &text.findings, &terms, ANSWER_ENFORCE_PKI, rows[i].enforce);
    }
}

static void test_tlsrpt(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *findings;
        const char *lines;
        const char *expected;
    } rows[] = {
        {"a policy in full",
         "mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org "
         "pat=*.example.org",
         "version: STSv1\nmode: enforce\nmx: mx1.example.org\nmx: *.example.org\nmax_age: 604800\n",
         "OK secure match=mx1.example.org:.example.org servername=hostname policy_type=sts "
         "policy_domain=example.org mx_host_pattern=mx1.example.org "
         "mx_host_pattern=*.example.org { policy_string = version: STSv1 } "
         "{ policy_string = mode: enforce } { policy_string = mx: mx1.example.org } "
         "{ policy_string = mx: *.example.org } { policy_string = max_age: 604800 }"},
        {"braces, controls, empty lines and foreign octets are left out",
         "mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org",
         "version: STSv1\n\n   \nx: } policy_failure=validation-failure {\ny: a\tb\nz: \x80\n"
         "  w: 1 , 2 = 3  \r\n{\nlast: yes",
         "OK secure match=mx1.example.org servername=hostname policy_type=sts "
         "policy_domain=example.org mx_host_pattern=mx1.example.org "
         "{ policy_string = version: STSv1 } { policy_string = w: 1 , 2 = 3 } "
         "{ policy_string = last: yes }"},
        {"no lines kept",
         "mx=insecure host=mx1.example.org,a=i,match sts=enforce "
         "pat=mx1.example.org",
         NULL,
         "OK secure match=mx1.example.org servername=hostname policy_type=sts "
         "policy_domain=example.org mx_host_pattern=mx1.example.org"},
        {"an unexpired policy that cannot be applied",
         "mx=insecure host=mx1.example.org,a=i sts=enforce pat=nexthop", "version: STSv1\n",
         "OK " UNSATISFIED " policy_type=sts policy_domain=example.org "
         "policy_failure=validation-failure { policy_string = version: STSv1 }"},
        {"a failed refresh beside a policy that holds is no policy failure",
         "mx=insecure host=mx1.example.org,a=i,match sts=enforce pat=mx1.example.org stale", NULL,
         "OK secure match=mx1.example.org servername=hostname policy_type=sts "
         "policy_domain=example.org mx_host_pattern=mx1.example.org"},
        {"DANE carries none",
         "host=mx1.example.org,tlsa=usable,match sts=enforce pat=*.example.org", "version: STSv1\n",
         "OK dane-only"},
        {"testing carries none",
         "mx=insecure host=mx1.example.org,a=i,match sts=testing pat=*.example.org",
         "version: STSv1\n", "NOTFOUND"},
    };
    static struct findings_text text;
    struct answer_terms terms = usual_terms();
    for (size_t i = 0; i < COUNT(rows); i++) {
        findings_from_text(rows[i].findings, &text);
        text.findings.sts.policy_lines = rows[i].lines;
        check(rows[i].name, &text.findings, &terms, ANSWER_QUERY_TLSRPT, rows[i].expected);
        terms.tlsrpt = true;
        check(rows[i].name, &text.findings, &terms, ANSWER_POSTFIX, rows[i].expected);
        terms.tlsrpt = false;
        /* The other maps never carry attributes, which Postfix 3.9 and older would choke on. */
        static const enum answer_map plain[] = {ANSWER_QUERY, ANSWER_POSTFIX, ANSWER_OPPORTUNISTIC,
                                                ANSWER_OPPORTUNISTIC_STARTTLS, ANSWER_ENFORCE};
        for (size_t j = 0; j < COUNT(plain); j++) {
            char answer[4096];
            answer_derive(&text.findings, &terms, plain[j], answer, sizeof(answer));
            assert_null(strstr(answer, "policy_type"));
        }
    }
}

/* A policy with more patterns than an answer holds: the names of the hosts, never a cut list. */
static void test_too_much(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static struct findings_text text;
    static char names[MANY][64];
    static const char *patterns[MANY];
    static char lines[40000];
    struct answer_terms terms = usual_terms();
    char answer[1024];

    findings_from_text("mx=insecure host=mx1.example.org,a=i,match sts=enforce", &text);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "mx%zu.a-rather-long-name.example.org", i);
        patterns[i] = names[i];
    }
    text.findings.sts.mx = patterns;
    text.findings.sts.mx_count = MANY;
    assert_int_equal(
        answer_derive(&text.findings, &terms, ANSWER_QUERY_TLSRPT, answer, sizeof(answer)),
        ANSWER_OK);
    assert_string_equal(answer, "secure match=mx1.example.org servername=hostname");

    /* More lines than fit: the answer keeps its structure and as many lines as fit. */
    memset(lines, 'a', sizeof(lines) - 1);
    for (size_t i = 99; i < sizeof(lines) - 1; i += 100)
        lines[i] = '\n';
    text.findings.sts.mx_count = 1;
    text.findings.sts.policy_lines = lines;
    assert_int_equal(
        answer_derive(&text.findings, &terms, ANSWER_QUERY_TLSRPT, answer, sizeof(answer)),
        ANSWER_OK);
    size_t len = strlen(answer);
    assert_true(len > 800);
    assert_string_equal(answer + len - 4, "aa }");

    /* Not even one name fits. */
    assert_int_equal(answer_derive(&text.findings, &terms, ANSWER_ENFORCE, answer, 20),
                     ANSWER_TEMP);
    assert_true(answer[0] != '\0' && strlen(answer) <= 19);
}

/* Values that no header knows are a temporary failure, never a softer answer. */
static void test_impossible(void **state)
{
    (void)state;
    static struct findings_text text;
    struct answer_terms terms = usual_terms();
    findings_from_text("host=mx1.example.org,tlsa=usable", &text);
    text.findings.mx = 99;
    check("mx", &text.findings, &terms, ANSWER_QUERY, "TEMP *");
    check("mx", &text.findings, &terms, ANSWER_ENFORCE, "TEMP *");
    findings_from_text("host=mx1.example.org", &text);
    text.hosts[0].tlsa_state = 99;
    check("tlsa", &text.findings, &terms, ANSWER_QUERY, "TEMP *");
    check("tlsa", &text.findings, &terms, ANSWER_ENFORCE, "TEMP *");
    findings_from_text("host=mx1.example.org", &text);
    text.hosts[0].a = 99;
    check("addr", &text.findings, &terms, ANSWER_QUERY, "TEMP *");
    check("map", &text.findings, &terms, ANSWER_MAPS, "TEMP *");
    check("no findings", NULL, &terms, ANSWER_QUERY, "TEMP *");
    check("no findings", NULL, &terms, ANSWER_ENFORCE, "TEMP *");
}

static void test_reason_is_printable(void **state)
{
    (void)state;
    static struct findings_text text;
    struct answer_terms terms = usual_terms();
    char long_reason[1000];
    findings_from_text("mx=failed", &text);
    text.findings.failure = "a\nb\x80,{c}";
    check("octets", &text.findings, &terms, ANSWER_QUERY, "TEMP MX lookup failed: a?b?,{c}");
    memset(long_reason, 'x', sizeof(long_reason) - 1);
    long_reason[sizeof(long_reason) - 1] = '\0';
    text.findings.failure = long_reason;
    char answer[1000];
    assert_int_equal(answer_derive(&text.findings, &terms, ANSWER_QUERY, answer, sizeof(answer)),
                     ANSWER_TEMP);
    assert_true(strlen(answer) < 260);
}

/* Whatever servers did when they were probed, a map says what is published. */
static void test_probes_are_not_heeded(void **state)
{
    static const char *const hosts[] = {"host=mx1.example.org,tlsa=usable",
                                        "mx=insecure sts=enforce host=mx1.example.org,a=i,match"};
    struct answer_terms terms = usual_terms();
    (void)state;
    for (size_t i = 0; i < COUNT(hosts); i++) {
        for (unsigned map = 0; map < ANSWER_MAPS; map++) {
            struct findings_text text;
            char published[ANSWER_MAX], line[ANSWER_MAX + 16], probed[100];
            findings_from_text(hosts[i], &text);
            enum answer_kind kind = answer_derive(&text.findings, &terms, (enum answer_map)map,
                                                  published, sizeof(published));
            render(kind, published, line, sizeof(line));
            for (const char *result = "toraxuf"; *result != '\0'; result++) {
                snprintf(probed, sizeof(probed), "%s,probe=%c", hosts[i], *result);
                findings_from_text(probed, &text);
                check(probed, &text.findings, &terms, (enum answer_map)map, line);
            }
        }
    }
}

static void test_map_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int result;
        enum answer_map map;
    } names[] = {
        {"QUERY", 0, ANSWER_QUERY},
        {"query", 0, ANSWER_QUERY},
        {"QUERYwithTLSRPT", 0, ANSWER_QUERY_TLSRPT},
        {"querywithtlsrpt", 0, ANSWER_QUERY_TLSRPT},
        {"postfix", 0, ANSWER_POSTFIX},
        {"Enforce", 0, ANSWER_ENFORCE},
        {"opportunistic+starttls", 0, ANSWER_OPPORTUNISTIC_STARTTLS},
        {"opportunistic", 0, ANSWER_OPPORTUNISTIC},
        {"requiretls", 0, ANSWER_REQUIRETLS},
        {"sts", 0, ANSWER_STS},
        {"access", 0, ANSWER_ACCESS},
        {"enforce_pki", 0, ANSWER_ENFORCE_PKI},
        {"QUER", -22, 0},
        {"QUERYX", -22, 0},
        {"", -22, 0},
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        enum answer_map map = ANSWER_MAPS;
        assert_int_equal(answer_map_parse(names[i].name, strlen(names[i].name), &map),
                         names[i].result);
        if (names[i].result == 0)
            assert_int_equal(map, names[i].map);
    }
    for (unsigned map = 0; map < ANSWER_MAPS; map++)
        assert_string_not_equal(answer_map_name(map), "unknown");
}

static void test_no_nexthop(void **state)
{
    (void)state;
    static const struct {
        enum answer_map map;
        const char *expected;
    } rows[] = {
        {ANSWER_QUERY, "NOTFOUND"},
        {ANSWER_QUERY_TLSRPT, "NOTFOUND"},
        {ANSWER_POSTFIX, "NOTFOUND"},
        {ANSWER_OPPORTUNISTIC, "NOTFOUND"},
        {ANSWER_ACCESS, "NOTFOUND"},
        {ANSWER_ENFORCE, "OK " UNSATISFIED},
        {ANSWER_ENFORCE_PKI, "OK " UNSATISFIED},
        {ANSWER_STS, "NOTFOUND"},
        {ANSWER_OPPORTUNISTIC_STARTTLS, "OK encrypt"},
        {ANSWER_REQUIRETLS, "OK enforce"},
    };
    assert_int_equal(COUNT(rows), ANSWER_MAPS);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char answer[100], line[120];
        enum answer_kind kind = answer_no_nexthop(rows[i].map, answer, sizeof(answer));
        assert_string_equal(render(kind, answer, line, sizeof(line)), rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_and_enforce),
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_enforce_terms),
        cmocka_unit_test(test_override),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_sendmail),
        cmocka_unit_test(test_tlsrpt),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_reason_is_printable),
        cmocka_unit_test(test_probes_are_not_heeded),
        cmocka_unit_test(test_map_names),
        cmocka_unit_test(test_no_nexthop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
