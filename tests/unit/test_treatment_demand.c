/*
 * treatment_demand.c: what each treatment demands of each host, against a model written from RFC
 * 8689 section 2 and 4.2.1, RFC 7672 and RFC 8461 alone, over all small next-hops; a tls_policy in
 * the place of findings; and the reply where no host is left (outcome_plan.c).
 */
#include "deliver/outcome.h"
#include "deliver/treatment_demand.h"

#include "config_text.h"
#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config *config;

static int setup(void **state)
{
    (void)state;
    config = config_from_text("", "out.example.net");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_unref(config);
    return 0;
}

static struct treatment treatment_of(enum decide_request request, enum verdict_level level,
                                     bool offer)
{
    return (struct treatment){.request = request, .level = level, .require_offer = offer};
}

/* ---- the table of requests ---- */

#define NONE DECIDE_REQUEST_NONE
#define OPTIONAL DECIDE_REQUEST_OPTIONAL
#define REQUIRE DECIDE_REQUEST_REQUIRE
#define ENFORCE VERDICT_LEVEL_ENFORCE
#define STARTTLS VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS
#define OPPORTUNISTIC VERDICT_LEVEL_OPPORTUNISTIC
#define DISABLE VERDICT_LEVEL_DISABLE
#define NOT_SAID TREATMENT_REQUIRETLS_NOT_SAID
#define OFFERED TREATMENT_REQUIRETLS_OFFERED
#define DEMANDED TREATMENT_REQUIRETLS_DEMANDED

static const struct table_case {
    enum decide_request request;
    enum verdict_level level;
    bool offer, null_sender;
    enum verdict_level wanted_level;
    enum treatment_requiretls wanted;
    bool ret_hdrs;
} table[] = {
    {REQUIRE, ENFORCE, true, false, ENFORCE, DEMANDED, true},
    {REQUIRE, ENFORCE, false, false, ENFORCE, OFFERED, true},
    {REQUIRE, STARTTLS, false, false, STARTTLS, OFFERED, true},
    {REQUIRE, OPPORTUNISTIC, false, false, OPPORTUNISTIC, OFFERED, true},
    {REQUIRE, DISABLE, false, false, OPPORTUNISTIC, NOT_SAID, false},
    {REQUIRE, ENFORCE, true, true, OPPORTUNISTIC, OFFERED, true},
    {REQUIRE, STARTTLS, false, true, OPPORTUNISTIC, OFFERED, true},
    {REQUIRE, OPPORTUNISTIC, false, true, OPPORTUNISTIC, OFFERED, true},
    {REQUIRE, DISABLE, false, true, OPPORTUNISTIC, NOT_SAID, false},
    {NONE, ENFORCE, true, false, OPPORTUNISTIC, NOT_SAID, false},
    {NONE, DISABLE, false, true, OPPORTUNISTIC, NOT_SAID, false},
    {OPTIONAL, ENFORCE, true, false, DISABLE, NOT_SAID, false},
    {OPTIONAL, OPPORTUNISTIC, false, true, DISABLE, NOT_SAID, false},
    /* What is no value of them is the strictest. */
    {(enum decide_request)99, ENFORCE, true, false, ENFORCE, DEMANDED, true},
    {REQUIRE, (enum verdict_level)99, true, false, ENFORCE, DEMANDED, true},
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct table_case *c = &table[i];
        struct treatment treatment = treatment_of(c->request, c->level, c->offer);
        struct treatment_demands demands;

        treatment_demands(&treatment, config, c->null_sender, &demands);
        assert_int_equal(demands.level, c->wanted_level);
        assert_int_equal(demands.requiretls, c->wanted);
        assert_int_equal(demands.ret_hdrs, c->ret_hdrs);
        assert_int_equal(demands.by, TREATMENT_POLICY_NONE);
        assert_true(demands.terms.published_alone);
    }
}

static void test_says_requiretls(void **state)
{
    const struct smtp_extensions with = {.requiretls = true}, without = {.requiretls = false};

    (void)state;
    for (int i = NOT_SAID; i <= DEMANDED; i++) {
        const struct treatment_demands demands = {.requiretls = (enum treatment_requiretls)i};

        assert_int_equal(treatment_says_requiretls(&demands, true, &with), i != NOT_SAID);
        assert_false(treatment_says_requiretls(&demands, true, &without));
        assert_false(treatment_says_requiretls(&demands, false, &with));
    }
}

/* ---- all small next-hops ---- */

static const char *const addresses[] = {"s", "i", "-", "f"};
static const char *const tlsa_states[] = {"none", "usable", "unusable", "failed"};
static const char *const mxs[] = {"secure", "insecure", "absent", "not-asked"};
static const char *const policies[] = {"none", "enforce", "testing", "failed", "enforce stale"};

enum { HOST_KINDS = 7 * 2 };

struct small_host {
    char address, tlsa; /* the first letters */
    bool match;
};

/* TLSA records are looked up at a secure address only. */
static struct small_host host_of(unsigned number)
{
    unsigned kind = number / 2;

    return (struct small_host){.address = addresses[kind < 4 ? 0 : kind - 3][0],
                               .tlsa = kind < 4 ? tlsa_states[kind][0] : 'n',
                               .match = number % 2 != 0};
}

static const char *tlsa_name(char letter, unsigned number)
{
    (void)letter;
    return number / 2 < 4 ? tlsa_states[number / 2] : "none";
}

/* A next-hop with one host or two; `second` HOST_KINDS: one. */
struct small {
    unsigned first, second;
    const char *mx, *sts;
    bool unknown;
};

static void make_findings(const struct small *small, struct findings_text *out)
{
    char spec[300];
    size_t len =
        (size_t)snprintf(spec, sizeof(spec), "mx=%s sts=%s%s%s", small->mx, small->sts,
                         small->unknown ? " unknown" : "",
                         strcmp(small->mx, "not-asked") == 0 ? " nexthop=[mx0.example.org]" : "");

    for (unsigned i = 0; i < 2; i++) {
        unsigned number = i == 0 ? small->first : small->second;

        if (number == HOST_KINDS)
            break;
        len += (size_t)snprintf(
            spec + len, sizeof(spec) - len, " host=mx%u.example.org,10,a=%c,tlsa=%s%s", i,
            host_of(number).address, tlsa_name(0, number), host_of(number).match ? ",match" : "");
    }
    findings_from_text(spec, out);
}

static bool is_found(struct small_host host)
{
    return host.address == 's' || host.address == 'i';
}

/* RFC 8689 section 2, item 4 and 4.2.1; RFC 7672 section 2.2; RFC 8461 section 5. What a message
 * at level enforce may go to, and by which proof. */
static void model_enforce(const struct small *small, const struct small_host *hosts, size_t count,
                          enum tls_demand_kind wanted[2])
{
    bool asked = strcmp(small->mx, "not-asked") == 0;
    bool names_secure = strcmp(small->mx, "insecure") != 0 && (!small->unknown || asked);
    bool enforced = strncmp(small->sts, "enforce", 7) == 0;
    bool any_dane = false;

    for (size_t i = 0; i < count; i++)
        any_dane |= names_secure && is_found(hosts[i]) && hosts[i].tlsa == 'u' &&
                    tlsa_name(0, i == 0 ? small->first : small->second)[1] == 's';
    for (size_t i = 0; i < count; i++) {
        const char *tlsa = tlsa_name(0, i == 0 ? small->first : small->second);
        bool usable = strcmp(tlsa, "usable") == 0, failed = strcmp(tlsa, "failed") == 0;

        wanted[i] = TLS_DEMAND_NOT_USED;
        if (!is_found(hosts[i]))
            continue;
        if (any_dane)
            wanted[i] = usable ? TLS_DEMAND_DANE : TLS_DEMAND_NOT_USED;
        else if (enforced)
            wanted[i] = hosts[i].match && !(failed && strcmp(small->mx, "insecure") != 0)
                            ? TLS_DEMAND_STS
                            : TLS_DEMAND_NOT_USED;
        else if (names_secure && !failed)
            wanted[i] = TLS_DEMAND_WEB_PKI;
    }
}

static void fail_small(const struct small *small, size_t host, const char *what)
{
    fail_msg("mx=%s sts=%s%s hosts %u %u, host %zu: %s", small->mx, small->sts,
             small->unknown ? " unknown" : "", small->first, small->second, host, what);
}

static void check_enforce(const struct small *small, const struct findings *findings, bool offer,
                          const struct small_host *hosts, size_t count)
{
    struct treatment treatment = treatment_of(REQUIRE, ENFORCE, offer);
    enum tls_demand_kind wanted[2];
    struct treatment_demands demands;
    struct treatment_plan plan;

    model_enforce(small, hosts, count, wanted);
    treatment_demands(&treatment, config, false, &demands);
    treatment_plan(&demands, findings, &plan);
    for (size_t i = 0; i < count; i++) {
        struct treatment_connection connection;
        bool used = treatment_connection(&demands, findings, &plan, i, &connection);

        if (used != (wanted[i] != TLS_DEMAND_NOT_USED) || used != (plan.hosts >> i & 1))
            fail_small(small, i, used ? "used" : "not used");
        if (!used)
            continue;
        if (connection.tls.kind != wanted[i])
            fail_small(small, i, "another demand");
        if (connection.smtp_tls != SMTP_TLS_REQUIRED || connection.plaintext_retry ||
            connection.requiretls != offer)
            fail_small(small, i, "another session");
    }
}

/* Of all other mail: DANE that binds is demanded, a policy in force too; the rest as the level. */
static void check_lower(const struct small *small, const struct findings *findings,
                        struct treatment treatment, const struct small_host *hosts, size_t count)
{
    bool optional = treatment.request == OPTIONAL;
    bool starttls = treatment.request == REQUIRE && treatment.level == STARTTLS;
    bool binds = strcmp(small->mx, "insecure") != 0 && !small->unknown;
    bool enforced = strncmp(small->sts, "enforce", 7) == 0;
    struct treatment_demands demands;
    struct treatment_plan plan;

    treatment_demands(&treatment, config, false, &demands);
    treatment_plan(&demands, findings, &plan);
    for (size_t i = 0; i < count; i++) {
        const char *tlsa = tlsa_name(0, i == 0 ? small->first : small->second);
        struct treatment_connection connection;
        bool used = treatment_connection(&demands, findings, &plan, i, &connection);
        bool clear = used && connection.smtp_tls != SMTP_TLS_REQUIRED;
        enum tls_demand_kind kind = used ? connection.tls.kind : TLS_DEMAND_NOT_USED;

        if (used && !is_found(hosts[i]))
            fail_small(small, i, "no address");
        if (optional && is_found(hosts[i]) && (kind != TLS_DEMAND_MAY || !clear))
            fail_small(small, i, "TLS-Required: No, and something is demanded");
        if (used && (connection.requiretls || clear != (kind == TLS_DEMAND_MAY) ||
                     connection.plaintext_retry != clear))
            fail_small(small, i, "another session");
        if (optional || !used)
            continue;
        if (starttls && clear)
            fail_small(small, i, "plaintext");
        if (binds && strcmp(tlsa, "usable") == 0 && kind != TLS_DEMAND_DANE)
            fail_small(small, i, "DANE is not demanded");
        if (binds && strcmp(tlsa, "failed") == 0)
            fail_small(small, i, "its TLSA records are not known");
        if (binds && strcmp(tlsa, "unusable") == 0 && clear)
            fail_small(small, i, "TLSA records, and plaintext");
        if (enforced && strcmp(tlsa, "none") == 0 && (kind != TLS_DEMAND_STS || !hosts[i].match))
            fail_small(small, i, "MTA-STS is not demanded");
    }
}

static void check_small(const struct small *small)
{
    struct findings_text findings;
    const struct small_host hosts[2] = {host_of(small->first), host_of(small->second % HOST_KINDS)};
    size_t count = small->second == HOST_KINDS ? 1 : 2;

    make_findings(small, &findings);
    check_enforce(small, &findings.findings, true, hosts, count);
    check_enforce(small, &findings.findings, false, hosts, count);
    check_lower(small, &findings.findings, treatment_of(REQUIRE, STARTTLS, false), hosts, count);
    check_lower(small, &findings.findings, treatment_of(REQUIRE, OPPORTUNISTIC, false), hosts,
                count);
    check_lower(small, &findings.findings, treatment_of(REQUIRE, DISABLE, false), hosts, count);
    check_lower(small, &findings.findings, treatment_of(NONE, ENFORCE, false), hosts, count);
    check_lower(small, &findings.findings, treatment_of(OPTIONAL, ENFORCE, false), hosts, count);
}

static void test_all_small_nexthops(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4 * 5 * 2 * HOST_KINDS * (HOST_KINDS + 1); i++) {
        struct small small = {.mx = mxs[i % 4],
                              .sts = policies[i / 4 % 5],
                              .unknown = i / 20 % 2 != 0,
                              .first = i / 40 % HOST_KINDS,
                              .second = i / 40 / HOST_KINDS};
        bool alone = i % 4 >= 2; /* [host] and implicit MX have one */

        /* While security is unknown nothing was found securely. */
        if ((alone && small.second != HOST_KINDS) ||
            (small.unknown && (small.first < 8 || small.second < 8)))
            continue;
        check_small(&small);
    }
}

/* ---- a tls_policy ---- */

#define FINGERPRINT                                                                                \
    "fingerprint match=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* wanted: the level of TLS, then for each host its demand with names, SNI, STARTTLS and REQUIRETLS;
 * or, without hosts, the reply. */
static const struct policy_case {
    const char *policy;
    enum decide_request request;
    enum verdict_level level;
    const char *findings, *wanted;
} policy_cases[] = {
#define TWO "mx=insecure host=mx1.example.org,10,a=i host=mx2.example.org,20,a=i"
    {"secure", REQUIRE, ENFORCE, TWO,
     "secure 0:names(example.org .example.org) sni=mx1.example.org required demanded "
     "1:names(example.org .example.org) sni=mx2.example.org required demanded"},
    {"verify", REQUIRE, ENFORCE, TWO,
     "verify 0:names(mx1.example.org) sni=mx1.example.org required demanded "
     "1:names(mx2.example.org) sni=mx2.example.org required demanded"},
    {"secure match=ca.example servername=sni.example", NONE, ENFORCE,
     "nexthop=[relay.example] mx=not-asked host=relay.example,0",
     "secure 0:names(ca.example) sni=sni.example required -"},
    {FINGERPRINT, REQUIRE, ENFORCE, "mx=insecure host=mx1.example.org,10,a=i",
     "fingerprint 0:fingerprint(2) sni=mx1.example.org required demanded"},
    /* The findings do not count: neither DANE nor MTA-STS nor failed TLSA lookups. */
    {"secure match=a.example", REQUIRE, ENFORCE,
     "host=mx1,10,tlsa=usable host=mx2,20,tlsa=failed host=mx3,30 sts=enforce pat=other",
     "secure 0:names(a.example) sni=mx1 required demanded 1:names(a.example) sni=mx2 required "
     "demanded 2:names(a.example) sni=mx3 required demanded"},
    {"encrypt", NONE, ENFORCE, "host=mx1,10,tlsa=usable host=mx2,20,tlsa=failed sts=failed",
     "encrypt 0:encrypt required - 1:encrypt required -"},
    {"may", NONE, ENFORCE, "host=mx1,10,tlsa=usable sts=enforce pat=other", "may 0:may retry -"},
    {"none", NONE, ENFORCE, "host=mx1,10,tlsa=usable", "none 0:may never -"},
    {"none", REQUIRE, STARTTLS, "host=mx1,10", "encrypt 0:encrypt required -"},
    {"may", REQUIRE, STARTTLS, "host=mx1,10", "encrypt 0:encrypt required -"},
    {"may", REQUIRE, OPPORTUNISTIC, "host=mx1,10", "may 0:may retry -"},
    {"may", REQUIRE, DISABLE, "host=mx1,10", "may 0:may retry -"},
    {"dane", NONE, ENFORCE,
     "host=mx1,10,tlsa=usable host=mx2,20 host=mx3,30,tlsa=failed "
     "host=mx4,40,tlsa=unusable sts=enforce pat=other",
     "dane 0:dane(mx1 example.org) required - 1:may retry - 3:encrypt required -"},
    {"dane-only", REQUIRE, ENFORCE, "host=mx1,10,tlsa=usable host=mx2,20",
     "dane-only 0:dane(mx1 example.org) required demanded"},
    {"dane-only", NONE, ENFORCE, "host=mx1,10,tlsa=usable host=mx2,20",
     "dane-only 0:dane(mx1 example.org) required -"},
    {"skip", REQUIRE, ENFORCE, "host=mx1,10,tlsa=usable", "may 0:may retry -"},
    {"skip", REQUIRE, STARTTLS, "host=mx1,10,tlsa=usable", "may 0:may retry -"},
    {"secure", OPTIONAL, ENFORCE, "host=mx1,10,tlsa=usable", "may 0:may retry -"},
    {"none", OPTIONAL, ENFORCE, "host=mx1,10", "may 0:may retry -"},
    {NULL, OPTIONAL, ENFORCE, "mx=failed",
     "451 4.4.3 the MX lookup for example.org failed (SERVFAIL)"},
    {"secure", OPTIONAL, ENFORCE, "mx=failed", "451 4.4.3"},
    {"may", NONE, ENFORCE, "mx=failed", "451 4.4.3"},
    /* Address literals have no name, but may be given one. */
    {"secure", REQUIRE, ENFORCE, "nexthop=[192.0.2.1] mx=not-asked",
     "451 4.7.5 no mail server of [192.0.2.1] can be authenticated"},
    {"secure match=relay.example", REQUIRE, ENFORCE, "nexthop=[192.0.2.1] mx=not-asked",
     "secure 0:names(relay.example) sni= required demanded"},
    {FINGERPRINT, REQUIRE, ENFORCE, "nexthop=[192.0.2.1] mx=not-asked",
     "fingerprint 0:fingerprint(2) sni= required demanded"},
    {"may", NONE, ENFORCE, "nexthop=[192.0.2.1] mx=not-asked", "may 0:may retry -"},
    /* No delivery. */
    {"may", REQUIRE, ENFORCE, "host=mx1,10",
     "550 5.7.10 This message requires TLS, but this host's own policy for example.org (may) does "
     "not authenticate its servers"},
    {"encrypt", REQUIRE, ENFORCE, "host=mx1,10,tlsa=usable",
     "550 5.7.10 This message requires TLS, but this host's own policy for example.org (encrypt) "
     "does not authenticate its servers"},
    {"dane-only", REQUIRE, ENFORCE, TWO,
     "550 5.7.10 This message requires TLS, but this host's own policy for example.org (dane-only) "
     "cannot be met: example.org publishes neither DANE nor MTA-STS and its MX records are not "
     "signed"},
    {"dane-only", NONE, ENFORCE, TWO,
     "451 4.7.5 this host's own policy for example.org (dane-only) cannot be met: example.org "
     "publishes neither DANE nor MTA-STS and its MX records are not signed"},
    {"dane-only", REQUIRE, ENFORCE, "host=mx1,10,tlsa=failed",
     "451 4.4.3 This message requires TLS, but a lookup for mx1, a mail server of example.org, "
     "failed (TLSA: SERVFAIL)"},
    {"secure tafile=/etc/ssl/ca.pem", REQUIRE, ENFORCE, "host=mx1,10,tlsa=usable",
     "451 4.3.5 this host's own policy for example.org cannot be honoured: the delivery agent does "
     "not know tafile=: see ca_file of [deliver]"},
    {"halfdane", REQUIRE, OPPORTUNISTIC, "host=mx1,10",
     "451 4.3.5 this host's own policy for example.org cannot be honoured: its level is none that "
     "the delivery agent knows"},
    {"halfdane", REQUIRE, STARTTLS, "host=mx1,10", "451 4.3.5"},
    {"halfdane", NONE, ENFORCE, "host=mx1,10", "451 4.3.5"},
    {"secure", REQUIRE, ENFORCE, "mx=failed", "451 4.4.3 example.org: MX lookup failed: SERVFAIL"},
    {"secure", REQUIRE, ENFORCE, "mx=null", "556 5.1.10 example.org accepts no mail (null MX)"},
    {"secure", REQUIRE, ENFORCE, "mx=nxdomain", "550 5.1.2 example.org does not exist"},
    {"secure", REQUIRE, ENFORCE, "mx=pending", "451 4.4.3"},
    {"secure", REQUIRE, ENFORCE, "host=mx1,10,a=p", "451 4.4.3"},
    {"encrypt", NONE, ENFORCE, "host=mx1,10,a=-",
     "550 5.4.4 no mail server of example.org has an address"},
    {"encrypt", NONE, ENFORCE, "host=mx1,10,a=f",
     "451 4.4.3 a lookup for mx1, a mail server of example.org, failed (address: timed out)"},

    /* Without a policy. */
    {NULL, REQUIRE, ENFORCE, TWO,
     "550 5.7.10 This message requires TLS, but example.org publishes neither DANE nor MTA-STS and "
     "its MX records are not signed"},
    {NULL, REQUIRE, ENFORCE, "host=mx1,10,tlsa=usable host=mx2,20",
     "dane-only 0:dane(mx1 example.org) required demanded"},
    {NULL, REQUIRE, ENFORCE, "nexthop=[192.0.2.1] mx=not-asked",
     "550 5.7.10 This message requires TLS, but [192.0.2.1] is an address and can publish neither "
     "DANE nor MTA-STS"},
    {NULL, REQUIRE, STARTTLS, "nexthop=[192.0.2.1] mx=not-asked", "encrypt 0:encrypt required -"},
    {NULL, REQUIRE, ENFORCE, "mx=null", "556 5.1.10 example.org accepts no mail (null MX)"},
    {NULL, NONE, ENFORCE, "mx=null", "556 5.1.10 example.org accepts no mail (null MX)"},
    {NULL, NONE, ENFORCE, "mx=nxdomain", "550 5.1.2 example.org does not exist"},
    {NULL, REQUIRE, ENFORCE, "mx=nxdomain", "550 5.1.2 example.org does not exist"},
    {NULL, REQUIRE, ENFORCE, "mx=null unknown", "451 4.4.3"},
    {NULL, REQUIRE, ENFORCE, "mx=failed",
     "451 4.4.3 This message requires TLS, but the MX lookup for example.org failed (SERVFAIL)"},
    {NULL, NONE, ENFORCE, "mx=failed", "451 4.4.3 example.org: MX lookup failed: SERVFAIL"},
    {NULL, REQUIRE, ENFORCE, "mx=insecure host=mx1,10,a=i sts=failed", "451 4.4.3"},
    {NULL, REQUIRE, ENFORCE, "mx=insecure host=mx1,10,a=i unknown", "451 4.4.3"},
    {NULL, REQUIRE, ENFORCE, "host=out.example.net,10 host=mx2,20",
     "550 5.4.6 this host is the best MX host of example.org: mail would loop back"},
    {NULL, NONE, ENFORCE, "host=out.example.net,10 host=mx2,20", "550 5.4.6"},
    {NULL, NONE, ENFORCE, "host=mx1,5,a=- host=out.example.net,10",
     "451 4.4.4 no mail server of example.org that is preferred over this host has an address"},
    {NULL, NONE, ENFORCE, "host=mx1,10,a=-",
     "550 5.4.4 no mail server of example.org has an address"},
    {NULL, NONE, ENFORCE, "host=mx1,10 sts=enforce pat=other",
     "451 4.7.5 no mail server of example.org matches its MTA-STS policy"},
    {NULL, NONE, ENFORCE, "host=mx1,10,tlsa=failed", "451 4.4.3"},
    {NULL, REQUIRE, ENFORCE, "host=mx1,10 sts=enforce pat=other",
     "550 5.7.10 This message requires TLS, but no mail server of example.org matches its MTA-STS "
     "policy"},
    {NULL, REQUIRE, ENFORCE, "host=mx1,10 sts=enforce pat=other stale", "451 4.4.3"},
};

static void add(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(char *out, size_t size, const char *format, ...)
{
    size_t len = strlen(out);
    va_list args;

    va_start(args, format);
    vsnprintf(out + len, size - len, format, args);
    va_end(args);
}

static void spell_demand(const struct treatment_connection *c, char *out, size_t size)
{
    const struct tls_demand *d = &c->tls;
    static const char *const kinds[] = {"not-used", "may", "encrypt", "dane",
                                        "sts",      "pki", "names",   "fingerprint"};

    add(out, size, "%s", kinds[d->kind]);
    if (d->kind == TLS_DEMAND_POLICY_FINGERPRINT)
        add(out, size, "(%zu)", d->tlsa_count);
    for (size_t i = 0; i < d->name_count; i++)
        add(out, size, "%s%s", i == 0 ? "(" : " ", d->names[i]);
    add(out, size, "%s", d->name_count > 0 ? ")" : "");
    if (d->kind == TLS_DEMAND_POLICY_NAMES || d->kind == TLS_DEMAND_POLICY_FINGERPRINT)
        add(out, size, " sni=%s", d->server_name);
    add(out, size, " %s%s",
        c->smtp_tls == SMTP_TLS_REQUIRED ? "required"
        : c->smtp_tls == SMTP_TLS_NEVER  ? "never"
                                         : "",
        c->plaintext_retry ? "retry" : "");
    add(out, size, " %s", c->requiretls ? "demanded" : "-");
}

static void spell_plan(const struct policy_case *c, const struct findings_text *text, char *out,
                       size_t size)
{
    struct treatment treatment = treatment_of(c->request, c->level, true);
    struct treatment_demands demands;
    struct treatment_plan plan;
    struct outcome outcome;

    treatment.tls_policy = c->policy;
    treatment_demands(&treatment, config, false, &demands);
    treatment_plan(&demands, &text->findings, &plan);
    if (plan.hosts == 0) {
        outcome_of_plan(&text->findings, &demands, &plan, &text->nexthop, &outcome);
        snprintf(out, size, "%d %s %s", outcome.code, outcome.enhanced, outcome.text);
        return;
    }
    snprintf(out, size, "%s", treatment_tls_level(&demands, &plan));
    for (size_t i = 0; i < FINDINGS_MAX_HOSTS; i++) {
        struct treatment_connection connection;

        if (!treatment_connection(&demands, &text->findings, &plan, i, &connection))
            continue;
        add(out, size, " %zu:", i);
        spell_demand(&connection, out, size);
    }
}

static void test_policies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(policy_cases) / sizeof(policy_cases[0]); i++) {
        const struct policy_case *c = &policy_cases[i];
        struct findings_text text;
        char got[1024];
        bool whole = strlen(c->wanted) > 10;

        findings_from_text(c->findings, &text);
        spell_plan(c, &text, got, sizeof(got));
        if (whole ? strcmp(got, c->wanted) != 0 : strncmp(got, c->wanted, strlen(c->wanted)) != 0)
            fail_msg("%s, %s: %s", c->policy != NULL ? c->policy : "-", c->findings, got);
    }
}

static void test_no_findings(void **state)
{
    struct treatment treatment = treatment_of(REQUIRE, ENFORCE, true);
    const struct treatment_plan plan = {.hosts = 0};
    struct treatment_demands demands;
    struct nexthop nexthop;
    struct outcome outcome;

    (void)state;
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    treatment_demands(&treatment, config, false, &demands);
    outcome_of_plan(NULL, &demands, &plan, &nexthop, &outcome);
    assert_int_equal(outcome.status, OUTCOME_DEFERRED);
    assert_string_equal(outcome.enhanced, "4.4.3");
}

/* The digests of the policy are those that are compared. */
static void test_digests(void **state)
{
    struct treatment treatment = treatment_of(REQUIRE, ENFORCE, true);
    struct treatment_connection connection;
    struct treatment_demands demands;
    struct treatment_plan plan;
    struct findings_text text;

    (void)state;
    treatment.tls_policy = FINGERPRINT;
    findings_from_text("host=mx1,10", &text);
    treatment_demands(&treatment, config, false, &demands);
    treatment_plan(&demands, &text.findings, &plan);
    assert_true(treatment_connection(&demands, &text.findings, &plan, 0, &connection));
    for (size_t i = 0; i < 2; i++) {
        const struct findings_tlsa *record = &connection.tls.tlsa[i];

        assert_true(record->usage == 3 && record->selector == i && record->matching_type == 1 &&
                    record->usable && record->data_len == 32);
        for (uint8_t k = 0; k < 32; k++)
            assert_int_equal(record->data[k], k);
    }
}

/* ---- permanence, and fallback without an attempt ---- */

static const struct firm_case {
    const char *policy, *findings;
    bool firm, falls_back;
} firm_cases[] = {
    {NULL, "host=mx1,10,tlsa=usable host=mx2,20,tlsa=usable", true, false},
    {NULL, "host=mx1,10,tlsa=usable host=mx2,20", true, false},
    /* Another host may have DANE when its lookup works. */
    {NULL, "host=mx1,10,tlsa=usable host=mx2,20,tlsa=failed", false, false},
    {NULL, "host=mx1,10,tlsa=usable host=mx2,20,a=f", false, false},
    {NULL, "host=mx1,10,tlsa=usable host=mx2,20,a=-", true, false},
    {NULL, "mx=insecure host=mx1,10,a=i,match sts=enforce pat=mx1", true, false},
    {NULL, "mx=insecure host=mx1,10,a=i,match sts=enforce pat=mx1 stale", false, false},
    {NULL, "mx=insecure host=mx1,10,a=i,match sts=enforce pat=mx1 unknown", false, false},
    {NULL, "host=mx1,10 host=mx2,20", true, false},
    {NULL, "host=mx1,10 sts=failed", true, false},
    {"secure", "mx=insecure host=mx1,10,a=i", true, false},
    {"secure", "mx=insecure host=mx1,10,a=i host=mx2,10,a=f", false, false},
    {"dane-only", "host=mx1,10,tlsa=usable", true, false},
    {"dane-only", "host=mx1,10,tlsa=usable host=mx2,10,tlsa=failed", false, false},
    /* What is published is not enough, for good. */
    {NULL, "mx=insecure host=mx1,10,a=i", false, true},
    {NULL, "mx=insecure host=mx1,10,a=i sts=failed", false, false},
    {NULL, "mx=insecure host=mx1,10,a=i unknown", false, false},
    {NULL, "mx=null", false, false},
    {NULL, "mx=nxdomain", false, false},
    {NULL, "mx=failed", false, false},
    {NULL, "host=out.example.net,10", false, false},
    {NULL, "nexthop=[192.0.2.1] mx=not-asked", false, true},
    {"may", "host=mx1,10", true, true},
    {"may", "mx=null", true, false},
    {"may", "host=out.example.net,10", true, false},
    {"dane-only", "mx=insecure host=mx1,10,a=i", true, true},
    {"dane-only", "host=mx1,10,tlsa=failed", false, false},
    {"halfdane", "host=mx1,10", true, false},
};

static void test_firm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(firm_cases) / sizeof(firm_cases[0]); i++) {
        const struct firm_case *c = &firm_cases[i];
        struct treatment treatment = treatment_of(REQUIRE, ENFORCE, true);
        struct treatment_demands demands;
        struct treatment_plan plan;
        struct findings_text text;
        bool falls_back;

        treatment.tls_policy = c->policy;
        findings_from_text(c->findings, &text);
        treatment_demands(&treatment, config, false, &demands);
        treatment_plan(&demands, &text.findings, &plan);
        falls_back = outcome_may_fall_back(NULL, 0, &demands, &plan);
        if ((plan.hosts != 0 && plan.firm != c->firm) || falls_back != c->falls_back)
            fail_msg("%s, %s: firm %d, falls back %d", c->policy != NULL ? c->policy : "-",
                     c->findings, plan.firm, falls_back);
    }
}

/* ---- fallback after attempts ---- */

static bool may_fall_back(const struct outcome_attempt *attempts, size_t count, uint32_t hosts,
                          bool firm, enum verdict_level level)
{
    const struct treatment_demands demands = {.level = level, .requiretls = DEMANDED};
    const struct treatment_plan plan = {.hosts = hosts, .firm = firm};

    return outcome_may_fall_back(attempts, count, &demands, &plan);
}

static void test_fallback_after_attempts(void **state)
{
    static const struct {
        enum outcome_failure failure;
        bool definite, falls;
    } cases[] = {
        {OUTCOME_NOT_TRIED, true, false},      {OUTCOME_LOCAL, true, false},
        {OUTCOME_NOT_REACHED, true, false},    {OUTCOME_TIMEOUT, true, false},
        {OUTCOME_LOST, true, false},           {OUTCOME_REFUSED, true, false},
        {OUTCOME_NO_STARTTLS, true, true},     {OUTCOME_NO_STARTTLS, false, false},
        {OUTCOME_STARTTLS_4XX, true, false},   {OUTCOME_STARTTLS_5XX, true, true},
        {OUTCOME_HANDSHAKE, false, true},      {OUTCOME_NOT_VERIFIED, true, true},
        {OUTCOME_NOT_VERIFIED, false, false},  {OUTCOME_NO_REQUIRETLS, true, true},
        {OUTCOME_NO_REQUIRETLS, false, false}, {OUTCOME_NO_AUTH, true, false},
        {OUTCOME_AUTH_REFUSED, true, false},   {OUTCOME_LACK, true, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome_attempt attempts[3] = {
            {.host = 0, .failure = cases[i].failure, .definite = cases[i].definite},
            {.host = 1, .failure = OUTCOME_NOT_REACHED},
            {.host = 1, .failure = OUTCOME_NO_REQUIRETLS, .definite = true}};

        assert_int_equal(may_fall_back(attempts, 1, 1, true, ENFORCE), cases[i].falls);
        assert_int_equal(may_fall_back(attempts, 3, 3, true, ENFORCE), cases[i].falls);
        assert_false(may_fall_back(attempts, 2, 3, true, ENFORCE)); /* the other is not reached */
        assert_false(may_fall_back(attempts, 1, 3, true, ENFORCE));
        assert_false(may_fall_back(attempts, 1, 1, false, ENFORCE));
        assert_false(may_fall_back(attempts, 1, 1, true, STARTTLS));
        assert_false(may_fall_back(attempts, 1, 1, true, OPPORTUNISTIC));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_says_requiretls),
        cmocka_unit_test(test_all_small_nexthops),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_no_findings),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_firm),
        cmocka_unit_test(test_fallback_after_attempts),
    };

    return cmocka_run_group_tests_name("treatment_demand", tests, setup, teardown);
}
