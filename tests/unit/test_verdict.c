/*
 * The table of decisions. A case gives the findings in a shorthand and says what follows:
 *
 *   hosts: `NAME PREFERENCE AB TLSA [+]`, separated by commas. A and B are the security of the A
 * and the AAAA records: s secure, i insecure, - absent, f failed, p pending. TLSA is a state.
 *          + means that the host matches the STS policy.
 *   sts:   off none failed pending enforce testing mode-none; `enforce-stale` and `testing-stale`
 *          are policies from the cache whose id could not be checked.
 *   terms: words that differ from the usual ones: -dane -sts (the route cannot), +pki +requiretls
 *          (it can), offer (require_offer), every (dane_every), web-off (web_pki = no),
 * accept-testing, mine=NAME. want:  VALUE and, where it has one, BASIS or REASON; for a basis the
 * hosts that count.
 */
#include "policy/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct verdict_case {
    const char *name;
    unsigned mx;
    const char *hosts;
    const char *sts;
    const char *terms;
    const char *want;
};

enum {
    ASKED_NOT = FINDINGS_MX_NOT_ASKED,
    SECURE = FINDINGS_MX_SECURE,
    INSECURE = FINDINGS_MX_INSECURE,
    ABSENT = FINDINGS_MX_ABSENT,
    UNKNOWN = 100,  /* INSECURE, with no resolver known to validate */
    UNCHECKED,      /* INSECURE, and no check has shown yet that this can be believed */
    UNCHECKED_DANE, /* SECURE, other answers are not checked yet */
    UNKNOWN_SEEN,   /* INSECURE, no resolver known to validate, DANE was seen of late */
    UNKNOWN_ABSENT, /* ABSENT, likewise */
    UNKNOWN_HOST,   /* [host], likewise */
    UNKNOWN_NULL,   /* null MX, likewise */
    LITERAL,        /* [192.0.2.1] */
};

static const struct verdict_case cases[] = {
    /* Case (a): DANE */
    {"dane: one host", SECURE, "mx1 10 ss usable", "none", "", "satisfied dane mx1"},
    {"dane: does not wait for sts", SECURE, "mx1 10 ss usable", "pending", "",
     "satisfied dane mx1"},
    {"dane: does not wait for another host", SECURE, "mx1 10 pp pending,mx2 20 ss usable",
     "pending", "", "satisfied dane mx2"},
    {"dane: only hosts with it count", SECURE,
     "mx1 10 ss none +,mx2 20 ss usable +,mx3 30 ss usable", "enforce", "+pki",
     "satisfied dane mx2 mx3"},
    {"dane: beside a host whose tlsa failed", SECURE, "mx1 10 ss failed,mx2 20 ss usable", "none",
     "", "satisfied dane mx2"},
    {"dane: one family failed, the other secure", SECURE, "mx1 10 sf usable", "none", "",
     "satisfied dane mx1"},
    {"dane: sts that does not match is no matter", SECURE, "mx1 10 ss usable", "enforce", "",
     "satisfied dane mx1"},
    {"dane: route cannot", SECURE, "mx1 10 ss usable", "none", "-dane",
     "unsatisfied route-no-dane"},
    {"dane: route cannot, web pki can", SECURE, "mx1 10 ss usable", "none", "-dane +pki",
     "satisfied web-pki mx1"},
    {"dane: route cannot, web pki can, sts in flight", SECURE, "mx1 10 ss usable", "pending",
     "-dane +pki", "pending"},
    {"dane: route cannot, web pki can, sts forbids the host", SECURE, "mx1 10 ss usable", "enforce",
     "-dane +pki", "unsatisfied route-no-dane"},
    {"dane: route can, web pki does not replace it", SECURE, "mx1 10 ss usable", "pending", "+pki",
     "satisfied dane mx1"},
    {"dane: route cannot, but sts matches", SECURE, "mx1 10 ss usable +", "enforce", "-dane",
     "satisfied sts mx1"},
    {"dane: insecure mx does not count", INSECURE, "mx1 10 ss usable", "none", "+pki",
     "unsatisfied dane-insecure-mx"},
    {"dane: tlsa in flight", SECURE, "mx1 10 ss pending", "none", "", "pending"},
    {"dane: address in flight", SECURE, "mx1 10 pp pending", "none", "", "pending"},
    {"dane: tlsa failed", SECURE, "mx1 10 ss failed", "none", "+pki", "undecided dns-failed"},
    {"dane: tlsa failed, route could not use it anyway", SECURE, "mx1 10 ss failed", "none",
     "-dane", "unsatisfied route-no-web-pki"},
    {"dane: addresses failed", SECURE, "mx1 10 ff none", "none", "", "undecided dns-failed"},
    {"dane: one family absent, one failed", SECURE, "mx1 10 -f none", "none", "",
     "undecided dns-failed"},
    {"dane: unusable records", SECURE, "mx1 10 ss unusable", "none", "",
     "unsatisfied dane-unusable-route"},
    {"dane: unusable records, web pki off", SECURE, "mx1 10 ss unusable", "none", "+pki web-off",
     "unsatisfied dane-unusable"},
    {"dane: unusable records leave the web pki", SECURE, "mx1 10 ss unusable", "none", "+pki",
     "satisfied web-pki mx1"},
    {"dane: unusable records leave sts", SECURE, "mx1 10 ss unusable +", "enforce", "",
     "satisfied sts mx1"},

    /* A route whose map lets mail go to hosts without TLSA records, too */
    {"every host: all have it", SECURE, "mx1 10 ss usable,mx2 20 ss usable", "none", "every",
     "satisfied dane mx1 mx2"},
    {"every host: one has not", SECURE, "mx1 10 ss usable,mx2 20 ss none", "none", "every",
     "unsatisfied dane-partial"},
    {"every host: one has unusable records", SECURE, "mx1 10 ss usable,mx2 20 ss unusable", "none",
     "every", "unsatisfied dane-partial"},
    {"every host: one does not exist", SECURE, "mx1 10 ss usable,mx2 20 -- none", "none", "every",
     "satisfied dane mx1"},
    {"every host: those behind us do not count", SECURE,
     "mx1 10 ss usable,mx2 20 ss none,mx3 30 ss none", "none", "every mine=mx2",
     "satisfied dane mx1"},
    {"every host: one failed", SECURE, "mx1 10 ss usable,mx2 20 ss failed", "none", "every",
     "undecided dns-failed"},
    {"every host: one in flight", SECURE, "mx1 10 ss usable,mx2 20 pp pending", "none", "every",
     "pending"},
    {"every host: sts in flight may forbid the others", SECURE, "mx1 10 ss usable,mx2 20 ss none",
     "pending", "every", "pending"},
    {"every host: sts forbids the others", SECURE, "mx1 10 ss usable,mx2 20 ss none +", "enforce",
     "every", "satisfied dane mx1"},
    {"every host: sts is not known", SECURE, "mx1 10 ss usable,mx2 20 ss none", "failed", "every",
     "undecided sts-failed"},

    /* REQUIRETLS must be passed on */
    {"offer: route cannot", SECURE, "mx1 10 ss usable", "none", "offer",
     "unsatisfied route-no-requiretls"},
    {"offer: route can", SECURE, "mx1 10 ss usable", "none", "offer +requiretls",
     "satisfied dane mx1"},
    {"offer: route can, and nothing is published", INSECURE, "mx1 10 i- none", "none",
     "offer +requiretls", "unsatisfied nothing-published"},
    {"offer: we are the best MX host", SECURE, "mx1 10 ss usable,mx2 20 ss none", "none",
     "offer mine=mx1", "not-applicable best-mx"},
    {"offer: null MX", FINDINGS_MX_NULL, "", "none", "offer", "unsatisfied null-mx"},
    {"offer: no such domain", FINDINGS_MX_NXDOMAIN, "", "none", "offer",
     "not-applicable no-domain"},
    {"offer: the MX lookup failed", FINDINGS_MX_FAILED, "", "none", "offer",
     "undecided dns-failed"},
    {"offer: no host is waited for", SECURE, "mx1 10 pp pending", "pending", "offer",
     "unsatisfied route-no-requiretls"},
    {"offer: whether or not the resolver validates", UNKNOWN, "mx1 10 i- none", "none", "offer",
     "unsatisfied route-no-requiretls"},
    {"offer: below enforce", INSECURE, "mx1 10 i- none", "none", "offer level=1",
     "satisfied level"},

    /* Case (b): MTA-STS */
    {"sts: enforce, unsigned", INSECURE, "mx1 10 i- none +", "enforce", "", "satisfied sts mx1"},
    {"sts: does not wait for tlsa under an insecure mx", INSECURE, "mx1 10 sp pending +", "enforce",
     "", "satisfied sts mx1"},
    {"sts: only matching hosts count", INSECURE, "mx1 10 i- none,mx2 20 i- none +", "enforce", "",
     "satisfied sts mx2"},
    {"sts: no host matches", INSECURE, "mx1 10 i- none,mx2 20 ii none", "enforce", "",
     "unsatisfied sts-no-match"},
    {"sts: no match, before the addresses are known", INSECURE, "mx1 10 pp pending", "enforce", "",
     "unsatisfied sts-no-match"},
    {"sts: no match, id not checked", INSECURE, "mx1 10 i- none", "enforce-stale", "",
     "undecided sts-failed"},
    {"sts: match, id not checked", INSECURE, "mx1 10 i- none +", "enforce-stale", "",
     "satisfied sts mx1"},
    {"sts: testing, id not checked", INSECURE, "mx1 10 i- none +", "testing-stale", "",
     "undecided sts-failed"},
    {"sts: matching host still looked up", INSECURE, "mx1 10 pp pending +", "enforce", "",
     "pending"},
    {"sts: matching host failed", INSECURE, "mx1 10 ff none +,mx2 20 i- none", "enforce", "",
     "undecided dns-failed"},
    {"sts: matching host does not exist", INSECURE, "mx1 10 -- none +,mx2 20 i- none", "enforce",
     "", "unsatisfied sts-no-match"},
    {"sts: never overrides failing dane", SECURE, "mx1 10 ss failed +", "enforce", "",
     "undecided dns-failed"},
    {"sts: another host beside failing dane", SECURE, "mx1 10 ss failed +,mx2 20 ss none +",
     "enforce", "", "satisfied sts mx2"},
    {"sts: waits for tlsa of a secure host", SECURE, "mx1 10 ss pending +", "enforce", "",
     "pending"},
    {"sts: tlsa failure under an insecure mx binds nobody", INSECURE, "mx1 10 ss failed +",
     "enforce", "", "satisfied sts mx1"},
    {"sts: testing", INSECURE, "mx1 10 i- none +", "testing", "", "unsatisfied sts-not-enforce"},
    {"sts: testing accepted", INSECURE, "mx1 10 i- none +", "testing", "accept-testing",
     "satisfied sts mx1"},
    {"sts: testing accepted, no match", INSECURE, "mx1 10 i- none", "testing", "accept-testing",
     "unsatisfied sts-no-match"},
    {"sts: mode none", INSECURE, "mx1 10 i- none +", "mode-none", "accept-testing",
     "unsatisfied sts-not-enforce"},
    {"sts: route cannot", INSECURE, "mx1 10 i- none +", "enforce", "-sts",
     "unsatisfied route-no-sts"},
    {"sts: in flight", INSECURE, "mx1 10 i- none", "pending", "", "pending"},
    {"sts: in flight, route cannot use it", INSECURE, "mx1 10 i- none", "pending", "-sts",
     "unsatisfied nothing-published"},
    {"sts: failed", INSECURE, "mx1 10 i- none", "failed", "", "undecided sts-failed"},
    {"sts: failed, route cannot use it", INSECURE, "mx1 10 i- none", "failed", "-sts",
     "unsatisfied nothing-published"},
    {"sts: failed, but all hosts are gone", INSECURE, "mx1 10 -- none", "failed", "",
     "unsatisfied no-host"},
    {"sts: failed, dane suffices", SECURE, "mx1 10 ss usable", "failed", "", "satisfied dane mx1"},
    {"sts: failed, web pki suffices", SECURE, "mx1 10 ss none", "failed", "+pki",
     "satisfied web-pki mx1"},

    /* Nothing */
    {"nothing: unsigned, no sts", INSECURE, "mx1 10 i- none", "none", "+pki",
     "unsatisfied nothing-published"},
    {"nothing: settled before the hosts are looked up", INSECURE, "mx1 10 pp pending", "none",
     "+pki", "unsatisfied nothing-published"},
    {"nothing: failing hosts do not matter", INSECURE, "mx1 10 ff none", "none", "",
     "unsatisfied nothing-published"},
    {"nothing: no host has an address", SECURE, "mx1 10 -- none,mx2 20 -- none", "none", "+pki",
     "unsatisfied no-host"},
    {"nothing: mx records but no host name in them", SECURE, "", "none", "+pki",
     "unsatisfied no-host"},

    /* Case (c): signed MX, Web PKI */
    {"web pki: signed mx, no tlsa", SECURE, "mx1 10 ss none", "none", "+pki",
     "satisfied web-pki mx1"},
    {"web pki: host in an unsigned zone", SECURE, "mx1 10 ii none", "none", "+pki",
     "satisfied web-pki mx1"},
    {"web pki: route cannot", SECURE, "mx1 10 ss none", "none", "", "unsatisfied route-no-web-pki"},
    {"web pki: turned off", SECURE, "mx1 10 ss none", "none", "+pki web-off",
     "unsatisfied web-pki-off"},
    {"web pki: not for an unsigned mx", INSECURE, "mx1 10 ss none", "none", "+pki",
     "unsatisfied nothing-published"},
    {"web pki: waits for sts, which may forbid it", SECURE, "mx1 10 ss none", "pending", "+pki",
     "pending"},
    {"web pki: sts enforce forbids it", SECURE, "mx1 10 ss none", "enforce", "+pki",
     "unsatisfied sts-no-match"},
    {"web pki: sts enforce that may be outdated forbids it", SECURE, "mx1 10 ss none",
     "enforce-stale", "+pki", "undecided sts-failed"},
    {"web pki: sts testing does not forbid it", SECURE, "mx1 10 ss none", "testing", "+pki",
     "satisfied web-pki mx1"},
    {"web pki: sts matches, route cannot sts", SECURE, "mx1 10 ss none +", "enforce", "-sts +pki",
     "satisfied web-pki mx1"},
    {"web pki: waits for tlsa", SECURE, "mx1 10 ss pending", "none", "-dane +pki", "pending"},
    {"web pki: one host failed, another will do", SECURE, "mx1 10 ss failed,mx2 20 ii none", "none",
     "+pki", "satisfied web-pki mx2"},
    {"web pki: a host that does not exist", SECURE, "mx1 10 -- none,mx2 20 ii none", "none", "+pki",
     "satisfied web-pki mx2"},
    {"web pki: route cannot, a failed host may have had dane", SECURE,
     "mx1 10 ss failed,mx2 20 ii none", "none", "", "undecided dns-failed"},

    /* Case (d): [host] */
    {"host: tlsa", ASKED_NOT, "relay 0 ss usable", "off", "", "satisfied dane relay"},
    {"host: web pki", ASKED_NOT, "relay 0 ii none", "off", "+pki", "satisfied web-pki relay"},
    {"host: web pki, route cannot", ASKED_NOT, "relay 0 ii none", "off", "",
     "unsatisfied route-no-web-pki"},
    {"host: web pki off", ASKED_NOT, "relay 0 ii none", "off", "+pki web-off",
     "unsatisfied web-pki-off"},
    {"host: tlsa failed", ASKED_NOT, "relay 0 ss failed", "off", "+pki", "undecided dns-failed"},
    {"host: no address", ASKED_NOT, "relay 0 -- none", "off", "+pki", "unsatisfied no-host"},
    {"host: our own name is no loop here", ASKED_NOT, "relay 0 ss usable", "off", "mine=relay",
     "satisfied dane relay"},

    /* Case (e): implicit MX */
    {"implicit: tlsa", ABSENT, "example.org 0 ss usable", "none", "", "satisfied dane example.org"},
    {"implicit: web pki", ABSENT, "example.org 0 i- none", "none", "+pki",
     "satisfied web-pki example.org"},
    {"implicit: aaaa only", ABSENT, "example.org 0 -i none", "none", "+pki",
     "satisfied web-pki example.org"},
    {"implicit: web pki, route cannot", ABSENT, "example.org 0 i- none", "none", "",
     "unsatisfied route-no-web-pki"},
    {"implicit: sts matches", ABSENT, "example.org 0 i- none +", "enforce", "",
     "satisfied sts example.org"},
    {"implicit: sts forbids the web pki", ABSENT, "example.org 0 i- none", "enforce", "+pki",
     "unsatisfied sts-no-match"},
    {"implicit: no address", ABSENT, "example.org 0 -- none", "none", "+pki",
     "unsatisfied no-host"},

    /* Null MX, no domain, failures, literals */
    {"null mx", FINDINGS_MX_NULL, "", "none", "", "unsatisfied null-mx"},
    {"null mx: does not wait for sts", FINDINGS_MX_NULL, "", "pending", "", "unsatisfied null-mx"},
    {"no domain", FINDINGS_MX_NXDOMAIN, "", "none", "", "not-applicable no-domain"},
    {"mx in flight", FINDINGS_MX_PENDING, "", "enforce", "", "pending"},
    {"mx failed", FINDINGS_MX_FAILED, "", "none", "", "undecided dns-failed"},
    {"mx failed, sts known", FINDINGS_MX_FAILED, "", "enforce", "", "undecided dns-failed"},
    {"literal", LITERAL, "", "off", "+pki", "unsatisfied literal"},
    {"impossible mx value", 99, "mx1 10 ss usable", "none", "", "undecided dns-failed"},
    {"impossible tlsa value", SECURE, "mx1 10 ss 99", "none", "", "undecided dns-failed"},
    {"impossible address value", SECURE, "mx1 10 ?? none", "none", "", "undecided dns-failed"},
    {"impossible sts state", INSECURE, "mx1 10 i- none", "99", "", "undecided sts-failed"},

    /* Backup MX */
    {"loops: hosts behind us do not count", SECURE,
     "mx1 10 ss none,us 20 ss usable,mx3 30 ss usable", "none", "mine=us",
     "unsatisfied route-no-web-pki"},
    {"loops: hosts of our preference do not count", SECURE, "mx1 20 ss usable,us 20 ss usable",
     "none", "mine=us", "not-applicable best-mx"},
    {"loops: hosts before us count", SECURE, "mx1 10 ss usable,us 20 ss usable", "none", "mine=us",
     "satisfied dane mx1"},
    {"loops: we are the best, nothing to wait for", SECURE, "us 10 pp pending,mx2 20 pp pending",
     "pending", "mine=us", "not-applicable best-mx"},
    {"loops: we are the best, under unsigned MX records", INSECURE,
     "us 10 i- none,mx2 20 i- none +", "enforce", "mine=us", "not-applicable best-mx"},
    {"loops: we are the implicit MX", ABSENT, "us 0 i- none", "none", "mine=us",
     "not-applicable best-mx"},
    {"loops: the host before us does not exist", SECURE, "mx1 10 -- none,us 20 ss usable", "none",
     "mine=us", "unsatisfied no-primary"},
    {"loops: the host before us is not known yet", SECURE, "mx1 10 pp pending,us 20 ss usable",
     "none", "mine=us", "pending"},
    {"loops: the lookups of the host before us failed", SECURE, "mx1 10 ff none,us 20 ss usable",
     "none", "mine=us", "undecided dns-failed"},
    {"loops: the host before us does not exist, without a validator", UNKNOWN,
     "mx1 10 -- none,us 20 i- none", "none", "mine=us", "undecided security-unknown"},

    /* No resolver known to validate */
    {"unknown: nothing", UNKNOWN, "mx1 10 i- none", "none", "+pki", "undecided security-unknown"},
    {"unknown: sts enforce", UNKNOWN, "mx1 10 i- none +", "enforce", "", "satisfied sts mx1"},
    {"unchecked: nothing is refused", UNCHECKED, "mx1 10 i- none", "none", "", "pending"},
    {"unchecked: sts does not satisfy", UNCHECKED, "mx1 10 i- none +", "enforce", "", "pending"},
    {"unchecked: dane does", UNCHECKED_DANE, "mx1 10 s- usable,mx2 20 i- none", "none", "",
     "satisfied dane mx1"},
    {"unknown: dane seen of late, sts must not override it", UNKNOWN_SEEN, "mx1 10 i- none +",
     "enforce", "+pki", "undecided security-unknown"},
    {"unknown: dane seen of late, sts is not waited for", UNKNOWN_SEEN, "mx1 10 i- none +",
     "pending", "+pki", "undecided security-unknown"},
    {"unknown: sts does not match", UNKNOWN, "mx1 10 i- none", "enforce", "",
     "undecided security-unknown"},
    {"unknown: waits for sts", UNKNOWN, "mx1 10 i- none", "pending", "", "pending"},
    {"unknown: implicit mx by web pki", UNKNOWN_ABSENT, "example.org 0 i- none", "none", "+pki",
     "undecided security-unknown"},
    {"unknown: [host] by web pki", UNKNOWN_HOST, "relay 0 i- none", "off", "+pki",
     "satisfied web-pki relay"},
    {"unknown: [host], route cannot", UNKNOWN_HOST, "relay 0 i- none", "off", "",
     "undecided security-unknown"},
    {"unknown: null mx", UNKNOWN_NULL, "", "none", "", "undecided security-unknown"},

    {"unknown: we are the best mx", UNKNOWN, "us 10 i- none", "none", "mine=us",
     "undecided security-unknown"},

    /* Other levels */
    {"starttls: nothing published", INSECURE, "mx1 10 i- none", "none", "level=1",
     "satisfied level"},
    {"starttls: does not wait", FINDINGS_MX_PENDING, "", "pending", "level=1", "satisfied level"},
    {"starttls: mx failed", FINDINGS_MX_FAILED, "", "none", "level=1", "satisfied level"},
    {"starttls: null mx", FINDINGS_MX_NULL, "", "none", "level=1", "unsatisfied null-mx"},
    {"starttls: null mx of an untrusted resolver", UNKNOWN_NULL, "", "none", "level=1",
     "satisfied level"},
    {"starttls: no domain", FINDINGS_MX_NXDOMAIN, "", "none", "level=1",
     "not-applicable no-domain"},
    {"opportunistic", INSECURE, "mx1 10 i- none", "none", "level=2", "satisfied level"},
    {"opportunistic: mx failed", FINDINGS_MX_FAILED, "", "none", "level=2", "satisfied level"},
    {"disable", LITERAL, "", "off", "level=3", "satisfied level"},
    {"impossible level", SECURE, "mx1 10 ss usable", "none", "level=9", "undecided dns-failed"},
};

static const char *const reasons[] = {
    [VERDICT_REASON_NONE] = "none",
    [VERDICT_REASON_NOTHING_PUBLISHED] = "nothing-published",
    [VERDICT_REASON_STS_NOT_ENFORCE] = "sts-not-enforce",
    [VERDICT_REASON_STS_NO_MATCH] = "sts-no-match",
    [VERDICT_REASON_DANE_PARTIAL] = "dane-partial",
    [VERDICT_REASON_DANE_UNUSABLE] = "dane-unusable",
    [VERDICT_REASON_DANE_UNUSABLE_ROUTE] = "dane-unusable-route",
    [VERDICT_REASON_DANE_INSECURE_MX] = "dane-insecure-mx",
    [VERDICT_REASON_ROUTE_NO_WEB_PKI] = "route-no-web-pki",
    [VERDICT_REASON_ROUTE_NO_DANE] = "route-no-dane",
    [VERDICT_REASON_ROUTE_NO_STS] = "route-no-sts",
    [VERDICT_REASON_ROUTE_NO_REQUIRETLS] = "route-no-requiretls",
    [VERDICT_REASON_WEB_PKI_OFF] = "web-pki-off",
    [VERDICT_REASON_LITERAL] = "literal",
    [VERDICT_REASON_NULL_MX] = "null-mx",
    [VERDICT_REASON_NO_DOMAIN] = "no-domain",
    [VERDICT_REASON_NO_HOST] = "no-host",
    [VERDICT_REASON_BEST_MX] = "best-mx",
    [VERDICT_REASON_NO_PRIMARY] = "no-primary",
    [VERDICT_REASON_DNS_FAILED] = "dns-failed",
    [VERDICT_REASON_STS_FAILED] = "sts-failed",
    [VERDICT_REASON_SECURITY_UNKNOWN] = "security-unknown",
    [VERDICT_REASON_SERVERS_NO_STARTTLS] = "servers-no-starttls",
    [VERDICT_REASON_SERVERS_STARTTLS_REFUSED] = "servers-starttls-refused",
    [VERDICT_REASON_SERVERS_NOT_AUTHENTICATED] = "servers-not-authenticated",
    [VERDICT_REASON_SERVERS_NO_REQUIRETLS] = "servers-no-requiretls",
};

static const char *const bases[] = {"none", "dane", "sts", "web-pki", "level"};

static uint8_t addr_of(char c)
{
    switch (c) {
    case 'p':
        return FINDINGS_ADDR_PENDING;
    case 's':
        return FINDINGS_ADDR_SECURE;
    case 'i':
        return FINDINGS_ADDR_INSECURE;
    case '-':
        return FINDINGS_ADDR_ABSENT;
    case 'f':
        return FINDINGS_ADDR_FAILED;
    default:
        return 99;
    }
}

static uint8_t tlsa_state_of(const char *word)
{
    for (unsigned i = 0; i <= FINDINGS_TLSA_FAILED; i++) {
        if (strcmp(word, findings_tlsa_state_name(i)) == 0)
            return (uint8_t)i;
    }
    return 99;
}

struct scene {
    struct findings findings;
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    char names[FINDINGS_MAX_HOSTS][64];
    char mine[64];
    const char *mine_list[1];
    struct verdict_terms terms;
};

static void read_hosts(const char *text, struct scene *s)
{
    s->findings.hosts = s->hosts;
    while (*text) {
        struct findings_host *host = &s->hosts[s->findings.host_count];
        char *name = s->names[s->findings.host_count++];
        char families[8], tlsa[16], match[4] = "";
        unsigned preference;
        int used = 0;

        if (sscanf(text, "%63s %u %7s %15[^, ]%n", name, &preference, families, tlsa, &used) != 4)
            fail_msg("bad host: %s", text);
        text += used;
        if (sscanf(text, " %1[+]%n", match, &used) == 1)
            text += used;
        text += strspn(text, ", ");
        host->name = name;
        host->preference = (uint16_t)preference;
        host->a = addr_of(families[0]);
        host->aaaa = addr_of(families[1]);
        host->tlsa_state = tlsa_state_of(tlsa);
        host->sts_match = match[0] == '+';
    }
}

static void read_sts(const char *word, struct findings_sts *sts)
{
    static const struct {
        const char *word;
        uint8_t state, mode;
        bool id_current;
    } words[] = {
        {"off", FINDINGS_STS_OFF, 0, false},
        {"none", FINDINGS_STS_NONE, 0, false},
        {"failed", FINDINGS_STS_FAILED, 0, false},
        {"pending", FINDINGS_STS_PENDING, 0, false},
        {"enforce", FINDINGS_STS_POLICY, FINDINGS_STS_MODE_ENFORCE, true},
        {"testing", FINDINGS_STS_POLICY, FINDINGS_STS_MODE_TESTING, true},
        {"mode-none", FINDINGS_STS_POLICY, FINDINGS_STS_MODE_NONE, true},
        {"enforce-stale", FINDINGS_STS_POLICY, FINDINGS_STS_MODE_ENFORCE, false},
        {"testing-stale", FINDINGS_STS_POLICY, FINDINGS_STS_MODE_TESTING, false},
        {"99", 99, 0, false},
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(word, words[i].word) == 0) {
            sts->state = words[i].state;
            sts->mode = words[i].mode;
            sts->id_current = words[i].id_current;
            return;
        }
    }
    fail_msg("bad sts: %s", word);
}

static void read_terms(const char *text, struct scene *s)
{
    struct verdict_terms *terms = &s->terms;
    char word[64];
    int used;

    terms->can = VERDICT_CAN_DANE | VERDICT_CAN_STS;
    terms->web_pki = true;
    for (; sscanf(text, " %63s%n", word, &used) == 1; text += used) {
        if (strcmp(word, "-dane") == 0) {
            terms->can &= ~(unsigned)VERDICT_CAN_DANE;
        } else if (strcmp(word, "-sts") == 0) {
            terms->can &= ~(unsigned)VERDICT_CAN_STS;
        } else if (strcmp(word, "+pki") == 0) {
            terms->can |= VERDICT_CAN_WEB_PKI;
        } else if (strcmp(word, "+requiretls") == 0) {
            terms->can |= VERDICT_CAN_REQUIRETLS;
        } else if (strcmp(word, "every") == 0) {
            terms->dane_every = true;
        } else if (strcmp(word, "offer") == 0) {
            terms->require_offer = true;
        } else if (strcmp(word, "web-off") == 0) {
            terms->web_pki = false;
        } else if (strcmp(word, "accept-testing") == 0) {
            terms->accept_testing = true;
        } else if (sscanf(word, "mine=%63s", s->mine) == 1) {
            s->mine_list[0] = s->mine;
            terms->my_names = s->mine_list;
            terms->my_name_count = 1;
        } else if (strncmp(word, "level=", 6) == 0) {
            terms->level = (enum verdict_level)atoi(word + 6);
        } else {
            fail_msg("bad term: %s", word);
        }
    }
}

static void read_mx(unsigned mx, struct findings *f)
{
    f->nexthop.kind = NEXTHOP_DOMAIN;
    f->nexthop.name = f->nexthop.text = "example.org";
    f->security_known = true;
    f->mx = (uint8_t)mx;
    if (mx == UNKNOWN || mx == UNKNOWN_SEEN || mx == UNKNOWN_ABSENT || mx == UNKNOWN_HOST ||
        mx == UNKNOWN_NULL)
        f->security_known = false;
    f->dane_seen = mx == UNKNOWN_SEEN;
    f->unchecked = mx == UNCHECKED || mx == UNCHECKED_DANE;
    if (mx == UNCHECKED || mx == UNCHECKED_DANE)
        f->mx = mx == UNCHECKED ? FINDINGS_MX_INSECURE : FINDINGS_MX_SECURE;
    if (mx == UNKNOWN || mx == UNKNOWN_SEEN)
        f->mx = FINDINGS_MX_INSECURE;
    if (mx == UNKNOWN_ABSENT)
        f->mx = FINDINGS_MX_ABSENT;
    if (mx == UNKNOWN_NULL)
        f->mx = FINDINGS_MX_NULL;
    if (mx == ASKED_NOT || mx == UNKNOWN_HOST || mx == LITERAL) {
        f->mx = FINDINGS_MX_NOT_ASKED;
        f->nexthop.kind = mx == LITERAL ? NEXTHOP_LITERAL : NEXTHOP_HOST;
    }
}

static void write_verdict(const struct findings *f, const struct verdict *v, char *out, size_t len)
{
    size_t used = (size_t)snprintf(out, len, "%s", verdict_value_name(v->value));

    if (v->basis != VERDICT_BASIS_NONE)
        used += (size_t)snprintf(out + used, len - used, " %s", bases[v->basis]);
    if (v->reason != VERDICT_REASON_NONE)
        used += (size_t)snprintf(out + used, len - used, " %s", reasons[v->reason]);
    for (size_t i = 0; i < f->host_count; i++) {
        if (v->hosts & (UINT32_C(1) << i))
            used += (size_t)snprintf(out + used, len - used, " %s", f->hosts[i].name);
    }
}

static void run_case(void **state)
{
    const struct verdict_case *c = *state;
    struct scene s = {0};
    struct verdict verdict;
    char got[256], text[512];

    read_mx(c->mx, &s.findings);
    read_hosts(c->hosts, &s);
    read_sts(c->sts, &s.findings.sts);
    read_terms(c->terms, &s);
    verdict_derive(&s.findings, &s.terms, &verdict);
    write_verdict(&s.findings, &verdict, got, sizeof got);
    assert_string_equal(got, c->want);

    verdict_explain(&s.findings, &verdict, text, sizeof text);
    assert_true(strlen(text) > 10);
    if (verdict.value == VERDICT_PENDING)
        assert_non_null(strstr(text, "not finished"));
    else if (verdict.reason != VERDICT_REASON_SECURITY_UNKNOWN)
        assert_null(strstr(text, "not finished"));
}

static void explains(void **state)
{
    struct scene s = {0};
    struct verdict v;
    char text[256], cut[12];
    (void)state;

    read_mx(INSECURE, &s.findings);
    read_hosts("mx1 10 i- none", &s);
    read_sts("none", &s.findings.sts);
    read_terms("", &s);
    verdict_derive(&s.findings, &s.terms, &v);
    assert_string_equal(verdict_explain(&s.findings, &v, text, sizeof text),
                        "example.org publishes neither DANE nor MTA-STS and its MX records are not "
                        "signed");
    assert_string_equal(verdict_explain(&s.findings, &v, cut, sizeof cut), "example.org");

    s.findings.mx = FINDINGS_MX_FAILED;
    s.findings.failure = "SERVFAIL";
    verdict_derive(&s.findings, &s.terms, &v);
    assert_string_equal(verdict_explain(&s.findings, &v, text, sizeof text),
                        "the MX lookup for example.org failed (SERVFAIL)");

    s.findings.mx = FINDINGS_MX_SECURE;
    s.hosts[0].a = FINDINGS_ADDR_SECURE;
    s.hosts[0].tlsa_state = FINDINGS_TLSA_UNUSABLE;
    verdict_derive(&s.findings, &s.terms, &v);
    assert_string_equal(verdict_explain(&s.findings, &v, text, sizeof text),
                        "the TLSA records of example.org's mail servers are all unusable, and this "
                        "host's route cannot use the Web PKI");
    s.terms.web_pki = false;
    verdict_derive(&s.findings, &s.terms, &v);
    assert_string_equal(verdict_explain(&s.findings, &v, text, sizeof text),
                        "the TLSA records of example.org's mail servers are all unusable, and this "
                        "host does not rely on the Web PKI");

    s.hosts[0].a = FINDINGS_ADDR_SECURE;
    s.hosts[0].tlsa_state = FINDINGS_TLSA_FAILED;
    s.hosts[0].failure = "TLSA: \x01\xff";
    verdict_derive(&s.findings, &s.terms, &v);
    assert_string_equal(verdict_explain(&s.findings, &v, text, sizeof text),
                        "a lookup for mx1, a mail server of example.org, failed (TLSA: \?\?)");
}

static void names(void **state)
{
    enum verdict_level level;
    (void)state;

    for (unsigned i = 0; i <= VERDICT_LEVEL_DISABLE; i++) {
        assert_int_equal(verdict_level_parse(verdict_level_name(i), &level), 0);
        assert_int_equal(level, i);
    }
    assert_string_equal(verdict_level_name(1), "opportunistic+starttls");
    assert_string_equal(verdict_level_name(17), "unknown");
    assert_true(verdict_level_parse("Enforce", &level) < 0);
    assert_true(verdict_level_parse("", &level) < 0);
    assert_string_equal(verdict_value_name(VERDICT_NOT_APPLICABLE), "not-applicable");
    assert_string_equal(verdict_value_name(99), "unknown");
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[COUNT + 2] = {cmocka_unit_test(explains), cmocka_unit_test(names)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[i + 2].name = cases[i].name;
        tests[i + 2].test_func = run_case;
        tests[i + 2].initial_state = (void *)(uintptr_t)&cases[i];
    }
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
