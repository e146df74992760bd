/* DNS answers: what each message on the wire comes to (dns_answer.h). */
#include "dns/dns_answer.h"

#include "dns/dns_name.h"
#include "dns_asm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The headers of the table: flags and the counts of the four sections. */
#define SIGNED(an, ns, ar) "0001 81a0 #1 #" #an " #" #ns " #" #ar " "
#define PLAIN(an, ns, ar) "0001 8180 #1 #" #an " #" #ns " #" #ar " "
#define NXDOMAIN(an, ns, ar) "0001 81a3 #1 #" #an " #" #ns " #" #ar " "
#define ASK_A "example.org. A IN "
#define ASK_MX "example.org. MX IN "
#define ASK_TXT "example.org. TXT IN "
#define ASK_TLSA "example.org. TLSA IN "
#define ASK_CNAME "example.org. CNAME IN "
#define SOA_900 "@12 SOA IN ##900 { ns. root. ##1 ##2 ##3 ##4 ##300 } "
#define OPT_PLAIN ". OPT #1232 ##0 { } "

struct answer_case {
    const char *name;
    const char *asked;
    uint16_t type;
    const char *message;
    const char *expect; /* as show() writes it */
};

static void show_record(uint16_t type, const struct dns_record *r, char *out, size_t out_len)
{
    size_t len = 0;

    switch (type) {
    case DNS_TYPE_A:
        snprintf(out, out_len, " %d.%d.%d.%d", r->a[0], r->a[1], r->a[2], r->a[3]);
        break;
    case DNS_TYPE_AAAA:
        snprintf(out, out_len, " %02x%02x..%02x%02x", r->aaaa[0], r->aaaa[1], r->aaaa[14],
                 r->aaaa[15]);
        break;
    case DNS_TYPE_MX:
        snprintf(out, out_len, " %u:'%s'", r->mx.preference, r->mx.host);
        break;
    case DNS_TYPE_CNAME:
        snprintf(out, out_len, " '%s'", r->cname);
        break;
    case DNS_TYPE_TXT:
        snprintf(out, out_len, " %u:'%.*s'", r->txt.len, r->txt.len, r->txt.text);
        break;
    case DNS_TYPE_TLSA:
        len = (size_t)snprintf(out, out_len, " %u.%u.%u:", r->tlsa.usage, r->tlsa.selector,
                               r->tlsa.matching_type);
        for (size_t i = 0; i < r->tlsa.data_len && len + 3 < out_len; i++)
            len += (size_t)snprintf(out + len, out_len - len, "%02x", r->tlsa.data[i]);
        break;
    default:
        snprintf(out, out_len, " ?");
    }
}

static void show(const struct dns_answer *a, uint16_t type, char *out, size_t out_len)
{
    static const char *const statuses[] = {"found", "nodata", "nxdomain", "failed"};
    static const char *const securities[] = {"secure", "insecure", "unknown"};
    size_t len;

    if (a->status == DNS_FAILED) {
        assert_non_null(a->failure);
        assert_int_equal(a->count, 0);
        assert_int_equal(a->security, DNS_UNKNOWN);
        snprintf(out, out_len, "failed: %s", a->failure);
        return;
    }
    assert_null(a->failure);
    assert_int_equal(a->status == DNS_FOUND, a->count > 0);
    len =
        (size_t)snprintf(out, out_len, "%s %s %u%s%s", statuses[a->status], securities[a->security],
                         a->ttl_s, a->alias ? " alias " : "", a->alias ? a->canonical : "");
    for (size_t i = 0; i < a->count && i < 8; i++) {
        show_record(type, &a->records[i], out + len, out_len - len);
        len += strlen(out + len);
    }
}

/* An exact copy on the heap: a sanitizer sees every octet read beyond the message. */
static struct dns_answer *parse(const uint8_t *message, size_t len, const char *asked,
                                uint16_t type)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, message, len);
    struct dns_answer *answer = dns_answer_parse(copy, len, asked, type, DNS_SECURE, DNS_INSECURE);

    free(copy);
    assert_non_null(answer);
    return answer;
}

static void check(const struct answer_case *c)
{
    static uint8_t message[65536];
    char got[2048];
    size_t len = dns_asm(c->message, message, sizeof(message));
    struct dns_answer *answer = parse(message, len, c->asked, c->type);

    show(answer, c->type, got, sizeof(got));
    if (strcmp(got, c->expect) != 0)
        fail_msg("%s:\n  got      %s\n  expected %s", c->name, got, c->expect);
    dns_answer_free(answer);
    /* Whatever is missing at the end of a good one, it is a failure and never something less. */
    for (size_t cut = 0; cut < len; cut++) {
        answer = parse(message, cut, c->asked, c->type);
        if (strncmp(c->expect, "failed", 6) != 0)
            assert_int_equal(answer->status, DNS_FAILED);
        dns_answer_free(answer);
    }
}

static void check_all(const struct answer_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(&cases[i]);
}

#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof((cases)[0]))

static void test_records(void **state)
{
    static const struct answer_case cases[] = {
        {"one address", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "@12 A IN ##3600 { c0000201 }", "found secure 3600 192.0.2.1"},
        {"no AD", "example.org", DNS_TYPE_A, PLAIN(1, 0, 0) ASK_A "@12 A IN ##3600 { c0000201 }",
         "found insecure 3600 192.0.2.1"},
        {"letters of either case, trailing dot", "eXample.ORG.", DNS_TYPE_A,
         SIGNED(1, 0, 0) "ExAmPlE.oRg. A IN EXAMPLE.ORG. A IN ##60 { c0000201 }",
         "found secure 60 192.0.2.1"},
        {"shortest TTL of the RRset", "example.org", DNS_TYPE_A,
         SIGNED(3, 0, 0) ASK_A "@12 A IN ##300 { c0000201 } @12 A IN ##20 { c0000202 } "
                               "@12 A IN ##400 { c0000203 }",
         "found secure 20 192.0.2.1 192.0.2.2 192.0.2.3"},
        {"a TTL with its highest bit is 0", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "@12 A IN 80000001 { c0000201 }", "found secure 0 192.0.2.1"},
        {"duplicates", "example.org", DNS_TYPE_A,
         SIGNED(3, 0, 0) ASK_A "@12 A IN ##9 { c0000201 } @12 A IN ##9 { c0000202 } "
                               "@12 A IN ##9 { c0000201 }",
         "found secure 9 192.0.2.1 192.0.2.2"},
        {"signatures and other names beside", "example.org", DNS_TYPE_A,
         SIGNED(4, 0, 1) ASK_A "@12 A IN ##9 { c0000201 } @12 RRSIG IN ##9 { 0001 } "
                               "other.org. A IN ##1 { c0000209 } @12 A 0003 ##1 { 00 } " OPT_PLAIN,
         "found secure 9 192.0.2.1"},
        {"no address", "example.org", DNS_TYPE_AAAA,
         SIGNED(1, 0, 0) "example.org. AAAA IN "
                         "@12 AAAA IN ##9 { 20010db8000000000000000000000001 }",
         "found secure 9 2001..0001"},
        {"MX hosts, compressed", "example.org", DNS_TYPE_MX,
         SIGNED(2, 0, 0) ASK_MX
         "@12 MX IN ##9 { #10 026d78 @12 } @12 MX IN ##9 { #20 MX2.Example.NET. }",
         "found secure 9 10:'mx.example.org' 20:'mx2.example.net'"},
        {"null MX", "example.org", DNS_TYPE_MX, SIGNED(1, 0, 0) ASK_MX "@12 MX IN ##9 { #0 . }",
         "found secure 9 0:''"},
        {"MX twice, in another case", "example.org", DNS_TYPE_MX,
         SIGNED(3, 0, 0) ASK_MX "@12 MX IN ##9 { #10 mx.org. } @12 MX IN ##9 { #10 MX.org. } "
                                "@12 MX IN ##9 { #20 mx.org. }",
         "found secure 9 10:'mx.org' 20:'mx.org'"},
        {"TXT strings together", "example.org", DNS_TYPE_TXT,
         SIGNED(1, 0, 0) ASK_TXT "@12 TXT IN ##9 { \"v=STSv1;\" \"\" \"id=1;\" }",
         "found secure 9 13:'v=STSv1;id=1;'"},
        {"TXT empty", "example.org", DNS_TYPE_TXT,
         SIGNED(1, 0, 0) ASK_TXT "@12 TXT IN ##9 { \"\" }", "found secure 9 0:''"},
        {"TXT the same in other pieces", "example.org", DNS_TYPE_TXT,
         SIGNED(2, 0, 0) ASK_TXT "@12 TXT IN ##9 { \"ab\" \"c\" } @12 TXT IN ##9 { \"a\" \"bc\" }",
         "found secure 9 3:'abc'"},
        {"TLSA", "example.org", DNS_TYPE_TLSA,
         SIGNED(2, 0, 0) ASK_TLSA "@12 TLSA IN ##9 { 030101 a1b2 } @12 TLSA IN ##9 { ff00fe }",
         "found secure 9 3.1.1:a1b2 255.0.254:"},
        {"CNAME asked for", "example.org", DNS_TYPE_CNAME,
         SIGNED(1, 0, 0) ASK_CNAME "@12 CNAME IN ##9 { Other.org. }", "found secure 9 'other.org'"},
        {"types without a form are counted", "example.org", DNS_TYPE_SOA,
         SIGNED(1, 0, 0) "example.org. SOA IN @12 SOA IN ##9 { 00 }", "found secure 9 ?"},
        {"the root", ".", DNS_TYPE_A, SIGNED(1, 0, 0) ". A IN . A IN ##9 { c0000201 }",
         "found secure 9 192.0.2.1"},
        {"an owner of odd octets is not the root", ".", DNS_TYPE_A,
         SIGNED(1, 0, 0) ". A IN a!b. A IN ##9 { c0000201 }", "nodata secure 0"},
    };

    (void)state;
    CHECK_ALL(cases);
}

static void test_aliases(void **state)
{
    static const struct answer_case cases[] = {
        {"one", "example.org", DNS_TYPE_A,
         SIGNED(2, 0, 0) ASK_A "@12 CNAME IN ##50 { b.org. } b.org. A IN ##60 { c0000201 }",
         "found secure 50 alias b.org 192.0.2.1"},
        {"any order", "example.org", DNS_TYPE_A,
         SIGNED(3, 0, 0) ASK_A "c.org. A IN ##60 { c0000201 } B.org. CNAME IN ##7 { c.org. } "
                               "@12 CNAME IN ##50 { b.org. }",
         "found secure 7 alias c.org 192.0.2.1"},
        {"the same twice", "example.org", DNS_TYPE_A,
         SIGNED(3, 0, 0) ASK_A "@12 CNAME IN ##50 { b.org. } @12 CNAME IN ##40 { B.org. } "
                               "b.org. A IN ##60 { c0000201 }",
         "found secure 40 alias b.org 192.0.2.1"},
        {"made from a DNAME", "a.example.org", DNS_TYPE_A,
         SIGNED(3, 0, 0) "a.example.org. A IN example.org. DNAME IN ##9 { b.org. } "
                         "@12 CNAME IN ##50 { a.b.org. } a.b.org. A IN ##60 { c0000201 }",
         "found secure 50 alias a.b.org 192.0.2.1"},
        {"records at the alias do not count", "example.org", DNS_TYPE_A,
         SIGNED(2, 0, 0) ASK_A "@12 A IN ##9 { c0000201 } @12 CNAME IN ##9 { b.org. }",
         "nodata secure 0 alias b.org"},
        {"dangling, target has other types", "example.org", DNS_TYPE_A,
         SIGNED(1, 1, 0) ASK_A "@12 CNAME IN ##50 { b.org. } " SOA_900,
         "nodata secure 50 alias b.org"},
        {"dangling, target does not exist", "example.org", DNS_TYPE_A,
         NXDOMAIN(1, 1, 0) ASK_A "@12 CNAME IN ##500 { b.org. } " SOA_900,
         "nxdomain secure 300 alias b.org"},
        {"of nobody we asked for", "example.org", DNS_TYPE_A,
         SIGNED(2, 0, 0) ASK_A "x.org. CNAME IN ##50 { b.org. } @12 A IN ##60 { c0000201 }",
         "found secure 60 192.0.2.1"},
        {"to itself", "example.org", DNS_TYPE_A, SIGNED(1, 0, 0) ASK_A "@12 CNAME IN ##50 { @12 }",
         "failed: CNAME loop"},
        {"round in circles", "example.org", DNS_TYPE_A,
         SIGNED(3, 0, 0) ASK_A "@12 CNAME IN ##50 { b.org. } b.org. CNAME IN ##50 { c.org. } "
                               "c.org. CNAME IN ##50 { b.org. }",
         "failed: CNAME loop"},
        {"two ways", "example.org", DNS_TYPE_A,
         SIGNED(2, 0, 0) ASK_A "@12 CNAME IN ##50 { b.org. } @12 CNAME IN ##50 { c.org. }",
         "failed: several CNAME records at one name"},
        {"two ways, asked for", "example.org", DNS_TYPE_CNAME,
         SIGNED(2, 0, 0) ASK_CNAME "@12 CNAME IN ##50 { b.org. } @12 CNAME IN ##50 { c.org. }",
         "failed: several CNAME records at one name"},
        {"to an impossible name", "example.org", DNS_TYPE_A,
         SIGNED(2, 0, 0) ASK_A "@12 CNAME IN ##50 { b{x.org. } b{x.org. A IN ##60 { c0000201 }",
         "failed: CNAME to an impossible name"},
        {"to an impossible name, asked for", "example.org", DNS_TYPE_CNAME,
         SIGNED(1, 0, 0) ASK_CNAME "@12 CNAME IN ##50 { b{x.org. }",
         "failed: no possible host name"},
    };

    (void)state;
    CHECK_ALL(cases);
}

static void test_long_chain(void **state)
{
    char text[4096];
    char expect[64];
    size_t len;

    (void)state;
    for (int links = 16; links <= 17; links++) {
        len = (size_t)snprintf(text, sizeof(text), "0001 81a0 #1 #%d #0 #0 n0. A IN ", links + 1);
        for (int i = 0; i < links; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "n%d. CNAME IN ##9 { n%d. } ",
                                    i, i + 1);
        snprintf(text + len, sizeof(text) - len, "n%d. A IN ##9 { c0000201 }", links);
        snprintf(expect, sizeof(expect), "found secure 9 alias n%d 192.0.2.1", links);
        check(&(struct answer_case){"long chain", "n0", DNS_TYPE_A, text,
                                    links == 16 ? expect : "failed: CNAME chain too long"});
    }
}

static void test_denials(void **state)
{
    static const struct answer_case cases[] = {
        {"no data, SOA MINIMUM is less", "example.org", DNS_TYPE_A, SIGNED(0, 1, 0) ASK_A SOA_900,
         "nodata secure 300"},
        {"no data, SOA TTL is less", "example.org", DNS_TYPE_A,
         PLAIN(0, 1, 0) ASK_A "org. SOA IN ##30 { ns. root. ##1 ##2 ##3 ##4 ##300 }",
         "nodata insecure 30"},
        {"several SOA: the shortest", "example.org", DNS_TYPE_A,
         SIGNED(0, 2, 0) ASK_A SOA_900 "org. SOA IN ##30 { ns. root. ##1 ##2 ##3 ##4 ##300 }",
         "nodata secure 30"},
        {"no data without SOA is not kept", "example.org", DNS_TYPE_A, SIGNED(0, 0, 0) ASK_A,
         "nodata secure 0"},
        {"other types only", "example.org", DNS_TYPE_A,
         SIGNED(1, 1, 0) ASK_A "@12 TXT IN ##9 { \"x\" } " SOA_900, "nodata secure 300"},
        {"no such name", "example.org", DNS_TYPE_A, NXDOMAIN(0, 1, 0) ASK_A SOA_900,
         "nxdomain secure 300"},
        {"no such name, unsigned", "example.org", DNS_TYPE_A,
         "0001 8183 #1 #0 #1 #0 " ASK_A SOA_900, "nxdomain insecure 300"},
        {"no such name, but records of it", "example.org", DNS_TYPE_A,
         NXDOMAIN(1, 0, 0) ASK_A "@12 A IN ##9 { c0000201 }",
         "failed: records of a name that does not exist"},
        {"referral", "example.org", DNS_TYPE_A, PLAIN(0, 1, 0) ASK_A "org. NS IN ##9 { ns.org. }",
         "failed: referral instead of an answer"},
        {"denial with NS and SOA", "example.org", DNS_TYPE_A,
         PLAIN(0, 2, 0) ASK_A "org. NS IN ##9 { ns.org. } " SOA_900, "nodata insecure 300"},
        {"malformed SOA", "example.org", DNS_TYPE_A,
         SIGNED(0, 1, 0) ASK_A "@12 SOA IN ##900 { ns. root. ##1 ##2 ##3 ##4 }",
         "failed: malformed SOA record"},
    };

    (void)state;
    CHECK_ALL(cases);
}

static void test_server_errors(void **state)
{
    static const struct answer_case cases[] = {
        {"SERVFAIL", "example.org", DNS_TYPE_A, "0001 8182 #1 #0 #0 #0 " ASK_A, "failed: SERVFAIL"},
        {"SERVFAIL with an extended error", "example.org", DNS_TYPE_A,
         "0001 8182 #1 #0 #0 #1 " ASK_A ". OPT #1232 ##0 { #15 #2 #6 }",
         "failed: SERVFAIL (DNSSEC bogus)"},
        {"SERVFAIL with text behind the extended error", "example.org", DNS_TYPE_A,
         "0001 8182 #1 #0 #0 #1 " ASK_A ". OPT #1232 ##0 { #10 #1 00 #15 #5 #7 616263 }",
         "failed: SERVFAIL (DNSSEC signature expired)"},
        {"SERVFAIL with an unheard-of extended error", "example.org", DNS_TYPE_A,
         "0001 8182 #1 #0 #0 #1 " ASK_A ". OPT #1232 ##0 { #15 #2 #999 }", "failed: SERVFAIL"},
        {"REFUSED", "example.org", DNS_TYPE_A, "0001 8185 #1 #0 #0 #0 " ASK_A, "failed: REFUSED"},
        {"FORMERR without its question", "example.org", DNS_TYPE_A, "0001 8181 #0 #0 #0 #0 ",
         "failed: FORMERR"},
        {"NOTIMP", "example.org", DNS_TYPE_A, "0001 8184 #1 #0 #0 #0 " ASK_A, "failed: NOTIMP"},
        {"an rcode nobody knows", "example.org", DNS_TYPE_A, "0001 818f #1 #0 #0 #0 " ASK_A,
         "failed: unexpected response code"},
        {"BADVERS looks like NOERROR but for OPT", "example.org", DNS_TYPE_A,
         SIGNED(0, 0, 1) ASK_A ". OPT #1232 01000000 { }", "failed: BADVERS"},
        {"an upper rcode that makes NXDOMAIN another", "example.org", DNS_TYPE_A,
         NXDOMAIN(0, 0, 1) ASK_A ". OPT #1232 01000000 { }", "failed: unexpected response code"},
        {"stale and not signed: unknown", "example.org", DNS_TYPE_A,
         PLAIN(1, 0, 1) ASK_A "@12 A IN ##30 { c0000201 } . OPT #1232 ##0 { #15 #2 #3 }",
         "found unknown 30 192.0.2.1"},
        {"stale and signed", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 1) ASK_A "@12 A IN ##30 { c0000201 } . OPT #1232 ##0 { #15 #2 #3 }",
         "found secure 30 192.0.2.1"},
        {"stale denial, after another extended error", "example.org", DNS_TYPE_A,
         "0001 8183 #1 #0 #1 #1 " ASK_A SOA_900 ". OPT #1232 ##0 { #15 #2 #22 #15 #2 #19 }",
         "nxdomain unknown 300"},
    };

    (void)state;
    CHECK_ALL(cases);
}

static void test_malformed(void **state)
{
    static const struct answer_case cases[] = {
        {"empty", "example.org", DNS_TYPE_A, "", "failed: malformed header"},
        {"half a header", "example.org", DNS_TYPE_A, "0001 8180 #1 #0 #0",
         "failed: malformed header"},
        {"a query", "example.org", DNS_TYPE_A, "0001 0100 #1 #0 #0 #0 " ASK_A,
         "failed: not a response to a query"},
        {"an answer to a NOTIFY", "example.org", DNS_TYPE_A, "0001 a180 #1 #0 #0 #0 " ASK_A,
         "failed: not a response to a query"},
        {"truncated", "example.org", DNS_TYPE_A,
         "0001 83a0 #1 #1 #0 #0 " ASK_A "@12 A IN ##9 { c0000201 }", "failed: truncated"},
        {"no question", "example.org", DNS_TYPE_A, "0001 8180 #0 #0 #0 #0 ",
         "failed: answer to another question"},
        {"two questions", "example.org", DNS_TYPE_A, "0001 8180 #2 #0 #0 #0 " ASK_A ASK_A,
         "failed: answer to another question"},
        {"another name", "example.org", DNS_TYPE_A, SIGNED(0, 0, 0) "example.net. A IN",
         "failed: answer to another question"},
        {"a name below", "example.org", DNS_TYPE_A, SIGNED(0, 0, 0) "a.example.org. A IN",
         "failed: answer to another question"},
        {"another type", "example.org", DNS_TYPE_A, SIGNED(0, 0, 0) ASK_MX,
         "failed: answer to another question"},
        {"another class", "example.org", DNS_TYPE_A, SIGNED(0, 0, 0) "example.org. A #3",
         "failed: answer to another question"},
        {"a dot inside a label of the question", "example.org", DNS_TYPE_A,
         SIGNED(0, 0, 0) "0b6578616d706c652e6f7267 00 A IN", "failed: answer to another question"},
        {"question that points at itself", "example.org", DNS_TYPE_A, SIGNED(0, 0, 0) "@12 A IN",
         "failed: malformed question section"},
        {"not as many records as announced", "example.org", DNS_TYPE_A,
         SIGNED(2, 0, 0) ASK_A "@12 A IN ##9 { c0000201 }", "failed: malformed answer section"},
        {"octets behind the message", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "@12 A IN ##9 { c0000201 } 00", "failed: octets behind the message"},
        {"RDATA beyond the end", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "@12 A IN ##9 #5 c0000201", "failed: malformed answer section"},
        {"pointer forward", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "@31 A IN ##9 { c0000201 }", "failed: malformed answer section"},
        {"pointer to itself", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "@29 A IN ##9 { c0000201 }", "failed: malformed answer section"},
        {"pointer into its own labels", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "0161 @29 A IN ##9 { c0000201 }",
         "failed: malformed answer section"},
        {"two pointers at each other", "example.org", DNS_TYPE_MX,
         SIGNED(2, 0, 0) ASK_MX "@12 MX IN ##9 { #1 0161 @60 } @12 MX IN ##9 { #1 0162 @43 }",
         "failed: malformed MX record"},
        {"pointer beyond the end", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "ffff A IN ##9 { c0000201 }", "failed: malformed answer section"},
        {"extended label type", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "4161 00 A IN ##9 { c0000201 }", "failed: malformed answer section"},
        {"name over 255 octets", "example.org", DNS_TYPE_MX,
         SIGNED(1, 0, 0) ASK_MX "@12 MX IN ##9 { #1 0161*127 00 @12 }",
         "failed: malformed MX record"},
        {"name over 255 octets by its pointer", "example.org", DNS_TYPE_MX,
         SIGNED(1, 0, 0) ASK_MX "@12 MX IN ##9 { #1 0161*122 @12 }", "failed: malformed MX record"},
        {"short A", "example.org", DNS_TYPE_A, SIGNED(1, 0, 0) ASK_A "@12 A IN ##9 { c00002 }",
         "failed: malformed A record"},
        {"long A", "example.org", DNS_TYPE_A, SIGNED(1, 0, 0) ASK_A "@12 A IN ##9 { c000020100 }",
         "failed: malformed A record"},
        {"short AAAA", "example.org", DNS_TYPE_AAAA,
         SIGNED(1, 0, 0) "example.org. AAAA IN @12 AAAA IN ##9 { c0000201 }",
         "failed: malformed AAAA record"},
        {"MX without a host", "example.org", DNS_TYPE_MX,
         SIGNED(1, 0, 0) ASK_MX "@12 MX IN ##9 { #10 }", "failed: malformed MX record"},
        {"MX cut in its preference", "example.org", DNS_TYPE_MX,
         SIGNED(1, 0, 0) ASK_MX "@12 MX IN ##9 { 00 }", "failed: malformed MX record"},
        {"MX with octets behind its host", "example.org", DNS_TYPE_MX,
         SIGNED(1, 0, 0) ASK_MX "@12 MX IN ##9 { #10 mx.org. 00 }", "failed: malformed MX record"},
        {"MX host longer than its RDATA", "example.org", DNS_TYPE_MX,
         SIGNED(2, 0, 0) ASK_MX "@12 MX IN ##9 { #10 0161 } @12 MX IN ##9 { #10 mx.org. }",
         "failed: malformed MX record"},
        {"short TLSA", "example.org", DNS_TYPE_TLSA,
         SIGNED(1, 0, 0) ASK_TLSA "@12 TLSA IN ##9 { 0301 }", "failed: malformed TLSA record"},
        {"TXT without strings", "example.org", DNS_TYPE_TXT,
         SIGNED(1, 0, 0) ASK_TXT "@12 TXT IN ##9 { }", "failed: malformed TXT record"},
        {"TXT string beyond its RDATA", "example.org", DNS_TYPE_TXT,
         SIGNED(2, 0, 0) ASK_TXT "@12 TXT IN ##9 { 0561 } @12 TXT IN ##9 { \"abcdefg\" }",
         "failed: malformed TXT record"},
        {"CNAME with octets behind its target", "example.org", DNS_TYPE_A,
         SIGNED(1, 0, 0) ASK_A "@12 CNAME IN ##9 { b.org. 00 }", "failed: malformed CNAME record"},
        {"malformed authority section", "example.org", DNS_TYPE_A,
         SIGNED(0, 1, 0) ASK_A "@12 SOA IN ##9", "failed: malformed authority section"},
        {"malformed additional section", "example.org", DNS_TYPE_A,
         SIGNED(0, 0, 1) ASK_A "@12 A IN ##9", "failed: malformed additional section"},
        {"option beyond its OPT", "example.org", DNS_TYPE_A,
         SIGNED(0, 0, 1) ASK_A ". OPT #1232 ##0 { #15 #3 #6 }", "failed: malformed OPT record"},
        {"two OPT", "example.org", DNS_TYPE_A, SIGNED(0, 0, 2) ASK_A OPT_PLAIN OPT_PLAIN,
         "failed: several OPT records"},
        {"asked for no name at all", "example..org", DNS_TYPE_A, SIGNED(0, 0, 0) ASK_A,
         "failed: not a domain name"},
    };

    (void)state;
    CHECK_ALL(cases);
}

/* Bytes that could harm a log, a reply or a map answer end here. */
static void test_impossible_hosts(void **state)
{
    static const struct answer_case cases[] = {
        {"one of two", "example.org", DNS_TYPE_MX,
         SIGNED(2, 0, 0) ASK_MX "@12 MX IN ##9 { #10 m}x.org. } @12 MX IN ##9 { #20 mx.org. }",
         "found secure 9 20:'mx.org'"},
        {"the only one", "example.org", DNS_TYPE_MX,
         SIGNED(1, 0, 0) ASK_MX "@12 MX IN ##9 { #10 *.org. }", "failed: no possible host name"},
        {"blank, NUL, line end, 8-bit, backslash, dot in a label", "example.org", DNS_TYPE_MX,
         SIGNED(7, 0, 0) ASK_MX
         "@12 MX IN ##9 { #1 0161 022062 00 } @12 MX IN ##9 { #1 026100 00 } "
         "@12 MX IN ##9 { #1 02610a 00 } @12 MX IN ##9 { #1 02c3a4 00 } "
         "@12 MX IN ##9 { #1 02615c 00 } @12 MX IN ##9 { #1 03612e62 00 } "
         "@12 MX IN ##9 { #1 05615f2d3942 00 }",
         "found secure 9 1:'a_-9b'"},
    };

    (void)state;
    CHECK_ALL(cases);
}

/* What is trusted is the caller's to say; the parser takes it from there. */
static void test_security(void **state)
{
    uint8_t message[512];
    size_t len =
        dns_asm(SIGNED(1, 0, 0) ASK_A "@12 A IN ##9 { c0000201 }", message, sizeof(message));
    struct dns_answer *answer =
        dns_answer_parse(message, len, "example.org", DNS_TYPE_A, DNS_UNKNOWN, DNS_UNKNOWN);

    (void)state;
    assert_int_equal(answer->status, DNS_FOUND);
    assert_int_equal(answer->security, DNS_UNKNOWN);
    assert_string_equal(answer->canonical, "example.org");
    dns_answer_free(answer);
    answer = dns_answer_failed("timed out");
    assert_int_equal(answer->status, DNS_FAILED);
    assert_int_equal(answer->count, 0);
    assert_string_equal(answer->failure, "timed out");
    dns_answer_free(answer);
    dns_answer_free(NULL);
}

static void test_many_records(void **state)
{
    static uint8_t message[65536];
    char head[128];

    (void)state;
    for (unsigned count = 512; count <= 513; count++) {
        snprintf(head, sizeof(head), "0001 81a0 #1 #%u #0 #0 example.org. A IN", count);
        size_t len = dns_asm(head, message, sizeof(message));

        for (unsigned i = 0; i < count; i++) {
            snprintf(head, sizeof(head), "@12 A IN ##9 { 0a00 #%u }", i);
            len += dns_asm(head, message + len, sizeof(message) - len);
        }
        struct dns_answer *answer = parse(message, len, "example.org", DNS_TYPE_A);

        if (count == 512) {
            assert_int_equal(answer->count, count);
            assert_int_equal(answer->records[511].a[2], 1);
            assert_int_equal(answer->records[511].a[3], 255);
        } else {
            assert_int_equal(answer->status, DNS_FAILED);
            assert_string_equal(answer->failure, "too many records");
        }
        dns_answer_free(answer);
    }
}

/* A chain of pointers to pointers, each legal: bounded work for every record that uses it. */
static void test_pointer_chain(void **state)
{
    static uint8_t message[4096];

    (void)state;
    for (unsigned jumps = 120; jumps <= 140; jumps += 20) {
        char text[64];
        size_t len = dns_asm(SIGNED(2, 0, 0) ASK_A "@12 TXT IN ##9", message, sizeof(message));
        size_t first = len + 2;

        message[len++] = (uint8_t)((2 * jumps) >> 8);
        message[len++] = (uint8_t)(2 * jumps);
        for (unsigned i = 0; i < jumps; i++) {
            snprintf(text, sizeof(text), "@%zu", i == 0 ? 12 : first + 2 * (i - 1));
            len += dns_asm(text, message + len, sizeof(message) - len);
        }
        snprintf(text, sizeof(text), "@%zu A IN ##9 { c0000201 }", len - 2);
        len += dns_asm(text, message + len, sizeof(message) - len);
        struct dns_answer *answer = parse(message, len, "example.org", DNS_TYPE_A);

        assert_int_equal(answer->status, jumps == 120 ? DNS_FOUND : DNS_FAILED);
        dns_answer_free(answer);
    }
}

static void test_query(void **state)
{
    uint8_t expect[512], got[512];
    size_t len = dns_asm("beef 0120 #1 #0 #0 #1 _25._tcp.mx.example.org. TLSA IN . OPT #1232 "
                         "##0 { }",
                         expect, sizeof(expect));

    (void)state;
    assert_int_equal(
        dns_query_build("_25._tcp.MX.example.org.", DNS_TYPE_TLSA, 0xbeef, got, sizeof(got)), len);
    assert_memory_equal(got, expect, len);
    assert_int_equal(dns_query_build("_25._tcp.mx.example.org", DNS_TYPE_TLSA, 1, got, len), len);
    assert_int_equal(dns_query_build("_25._tcp.mx.example.org", DNS_TYPE_TLSA, 1, got, len - 1),
                     -ENOSPC);
    assert_int_equal(dns_query_build("example.org", DNS_TYPE_A, 1, got, 20), -ENOSPC);
    len = dns_asm("0001 0120 #1 #0 #0 #1 . A IN . OPT #1232 ##0 { }", expect, sizeof(expect));
    assert_int_equal(dns_query_build(".", DNS_TYPE_A, 1, got, sizeof(got)), len);
    assert_memory_equal(got, expect, len);
}

static void test_names(void **state)
{
    static const char *const wrong[] = {"..",  ".a",   "a..b",     "a b", "a\\.b",
                                        "a*b", "a\nb", "\xc3\xa4", "a/b", "[192.0.2.1]"};
    char name[300];
    uint8_t out[512];
    char text[DNS_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(dns_query_build(wrong[i], DNS_TYPE_A, 1, out, sizeof(out)), -EINVAL);
        assert_int_equal(dns_name_normalise(wrong[i], text), -EINVAL);
    }
    /* A label of 63 octets may be, one of 64 not. */
    memset(name, 'a', sizeof(name));
    name[64] = '\0';
    assert_int_equal(dns_query_build(name, DNS_TYPE_A, 1, out, sizeof(out)), -EINVAL);
    name[63] = '\0';
    assert_int_equal(dns_query_build(name, DNS_TYPE_A, 1, out, sizeof(out)), 12 + 65 + 4 + 11);
    /* A name of 253 octets may be, with or without the root dot; one of 254 not. */
    for (size_t i = 0; i < sizeof(name); i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    name[254] = '\0';
    assert_int_equal(dns_query_build(name, DNS_TYPE_A, 1, out, sizeof(out)), 12 + 255 + 4 + 11);
    name[253] = '\0';
    assert_int_equal(dns_query_build(name, DNS_TYPE_A, 1, out, sizeof(out)), 12 + 255 + 4 + 11);
    name[253] = 'b';
    name[254] = '\0';
    assert_int_equal(dns_query_build(name, DNS_TYPE_A, 1, out, sizeof(out)), -EINVAL);
}

/* The longest name there is returns as it was sent. */
static void test_longest_name(void **state)
{
    char name[DNS_NAME_MAX + 1];
    uint8_t message[600];

    (void)state;
    for (size_t i = 0; i < DNS_NAME_MAX; i++)
        name[i] = i % 2 == 0 ? 'x' : '.';
    name[DNS_NAME_MAX] = '\0';
    int len = dns_query_build(name, DNS_TYPE_A, 1, message, sizeof(message));

    assert_true(len > 0);
    message[2] |= 0x80;
    struct dns_answer *answer = parse(message, (size_t)len, name, DNS_TYPE_A);

    assert_int_equal(answer->status, DNS_NODATA);
    assert_string_equal(answer->canonical, name);
    dns_answer_free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_denials),
        cmocka_unit_test(test_server_errors),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_impossible_hosts),
        cmocka_unit_test(test_security),
        cmocka_unit_test(test_many_records),
        cmocka_unit_test(test_pointer_chain),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_longest_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
