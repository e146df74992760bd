/* The tool's pure parts: command line, names, exit codes, explanations, text. */
#include "query/query.h"
#include "query/query_status.h"

#include "config_text.h"
#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

static int parse(struct query_options *options, const char *line, char *err, size_t err_size)
{
    static char words[512];
    static char *argv[32]; /* the options point into it */
    char *rest = words;
    int argc = 0;
    assert_true(strlen(line) < sizeof(words));
    strcpy(words, line);
    for (char *word; (word = strsep(&rest, "|"));)
        argv[argc++] = word;
    argv[argc] = NULL;
    return query_options_parse(options, argc, argv, err, err_size);
}

static void test_options_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *err;
    } rows[] = {
        {"q", "no domain given; see requiretls-query --help"},
        {"q|--json", "no domain given; see requiretls-query --help"},
        {"q|--require|--optional|a.example", "--require and --optional exclude each other"},
        {"q|--header|nonsense|a.example", "--header takes 'Name: value': nonsense"},
        {"q|--header|: x|a.example", "--header takes 'Name: value': : x"},
        {"q|--status|a.example", "--status takes only -c, --json and --socket"},
        {"q|--status|--probe", "--status takes only -c, --json and --socket"},
        {"q|--check-setup|--probe", "--check-setup takes only -c, --json and --mta"},
        {"q|--probe|--socket|a.example", "--probe and --socket exclude each other"},
        {"q|--probe", "no domain given; see requiretls-query --help"},
        {"q|--status|--check-setup", "--status takes only -c, --json and --socket"},
        {"q|--nonsense|a.example", "see requiretls-query --help"},
    };
    int null = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr)); /* getopt has its say as well */
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct query_options options;
        char err[256] = "";
        int result = parse(&options, rows[i].line, err, sizeof(err));
        query_options_fini(&options);
        assert_int_equal(result, -EINVAL);
        assert_string_equal(err, rows[i].err);
    }
    fflush(stderr);
    dup2(null, STDERR_FILENO);
    close(null);
}

static void test_options_right(void **state)
{
    (void)state;
    struct query_options o;
    char err[256];
    assert_int_equal(parse(&o, "q|a.example|--json|b.example", err, sizeof(err)), 0);
    assert_true(o.json && !o.explain && !o.config_given && !o.socket);
    assert_int_equal(o.name_count, 2);
    assert_string_equal(o.names[0], "a.example");
    query_options_fini(&o);

    assert_int_equal(parse(&o,
                           "q|-c|/x|--socket|unix:/y|--from|<>|--require|--header|Sensitivity: a: "
                           "b|--|-odd.example",
                           err, sizeof(err)),
                     0);
    assert_true(o.explain && o.config_given);
    assert_string_equal(o.config_path, "/x");
    assert_string_equal(o.socket, "unix:/y");
    assert_string_equal(o.from, "");
    assert_int_equal(o.request, QUERY_REQUEST_REQUIRE);
    assert_int_equal(o.header_count, 1);
    assert_string_equal(o.headers[0].name, "Sensitivity");
    assert_string_equal(o.headers[0].value, " a: b");
    assert_string_equal(o.names[0], "-odd.example");
    query_options_fini(&o);

    /* The socket without an address is the configured one, and the word behind it a name. */
    assert_int_equal(parse(&o, "q|--socket|a.example|b.example", err, sizeof(err)), 0);
    assert_string_equal(o.socket, "");
    assert_int_equal(o.name_count, 2);
    query_options_fini(&o);
    assert_int_equal(parse(&o, "q|--socket|inet:localhost:1|a.example", err, sizeof(err)), 0);
    assert_string_equal(o.socket, "inet:localhost:1");
    assert_int_equal(o.name_count, 1);
    query_options_fini(&o);
    assert_int_equal(parse(&o, "q|--socket=/y|a.example", err, sizeof(err)), 0);
    assert_string_equal(o.socket, "/y");
    query_options_fini(&o);
    assert_int_equal(parse(&o, "q|--status|--socket", err, sizeof(err)), 0);
    assert_string_equal(o.socket, "");
    query_options_fini(&o);
    assert_int_equal(parse(&o, "q|--status|--socket|unix:/y|--json", err, sizeof(err)), 0);
    assert_true(o.status && o.json);
    query_options_fini(&o);

    assert_int_equal(parse(&o, "q|--probe|--json|a.example", err, sizeof(err)), 0);
    assert_true(o.probe && o.json && !o.explain);
    query_options_fini(&o);

    assert_int_equal(parse(&o, "q|--version", err, sizeof(err)), 0);
    assert_true(o.version);
    query_options_fini(&o);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *nexthop; /* NULL: refused */
        const char *recipient;
    } rows[] = {
        {"Example.ORG", "example.org", NULL},
        {"m\xc3\xbcller.example", "xn--mller-kva.example", NULL},
        {"[relay.example.org]:587", "[relay.example.org]:587", NULL},
        {"[192.0.2.1]", "[192.0.2.1]", NULL},
        {"bob@example.org", "example.org", "bob@example.org"},
        {"\"a@b\"@example.org", "example.org", "\"a@b\"@example.org"},
        {"bob@[192.0.2.1]", "[192.0.2.1]", "bob@[192.0.2.1]"},
        {"bob@[relay.example.org]", NULL, NULL},
        {"bob@", NULL, NULL},
        {"@example.org", NULL, NULL},
        {"", NULL, NULL},
        {"a b", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct query_name name;
        int result = query_name_parse(rows[i].given, &name);
        if (rows[i].nexthop == NULL) {
            if (result != -EINVAL)
                fail_msg("%s: taken", rows[i].given);
            continue;
        }
        assert_int_equal(result, 0);
        assert_string_equal(name.nexthop.text, rows[i].nexthop);
        if (rows[i].recipient != NULL)
            assert_string_equal(name.recipient, rows[i].recipient);
        else
            assert_null(name.recipient);
    }
}

static void test_exit_codes(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        int code;
    } rows[] = {
        {"{\"verdict\":{\"enforce\":{\"verdict\":\"satisfied\"}}}", 0},
        {"{\"verdict\":{\"enforce\":{\"verdict\":\"unsatisfied\"}}}", 1},
        {"{\"verdict\":{\"enforce\":{\"verdict\":\"not-applicable\"}}}", 1},
        {"{\"verdict\":{\"enforce\":{\"verdict\":\"undecided\"}}}", 75},
        {"{\"verdict\":{\"enforce\":{\"verdict\":\"something new\"}}}", 75},
        {"{\"verdict\":{\"disable\":{\"verdict\":\"satisfied\"}}}", 75},
        {"{}", 75},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_doc *doc;
        assert_int_equal(json_read(rows[i].object, strlen(rows[i].object), &doc), 0);
        assert_int_equal(query_exit_code(json_root(doc)), rows[i].code);
        json_doc_free(doc);
    }
    assert_int_equal(query_worst(0, 0), 0);
    assert_int_equal(query_worst(0, 75), 75);
    assert_int_equal(query_worst(75, 0), 75);
    assert_int_equal(query_worst(75, 1), 1);
    assert_int_equal(query_worst(1, 75), 1);
    assert_int_equal(query_worst(1, 0), 1);
}

static const char object[] =
    "{\"nexthop\":\"example.org\",\"summary\":\"dane-partial\",\"security\":\"secure\","
    "\"security_known\":true,\"failure\":null,\"tls_policy\":null,\"mx\":[{\"host\":"
    "\"mx1.example.org\",\"preference\":10,\"a\":\"secure\",\"aaaa\":\"absent\",\"tlsa_base\":"
    "\"alias.example.org\",\"tlsa_state\":\"usable\",\"tlsa\":[{\"usage\":3,\"selector\":1,"
    "\"matching_type\":1,\"data\":\"deadbeef\",\"usable\":true},{\"usage\":9,\"selector\":1,"
    "\"matching_type\":1,\"data\":\"00\",\"usable\":false}],\"sts_match\":false,\"failure\":"
    "\"bell \\u0007\"}],\"sts\":{\"state\":\"policy\",\"mode\":\"testing\",\"id\":\"1\","
    "\"max_age\":86400,\"mx\":[\"*.example.com\"],\"age\":5,\"source\":\"fresh\",\"failure\":null,"
    "\"failure_text\":null},\"verdict\":{\"enforce\":{\"verdict\":\"satisfied\",\"reason\":"
    "\"because\"},\"disable\":{\"verdict\":\"satisfied\",\"reason\":\"always\"}},\"answers\":{"
    "\"QUERY\":\"dane\",\"enforce\":\"dane-only\",\"requiretls\":\"enforce\"},\"age\":1,\"ttl\":2}";

static void test_text(void **state)
{
    (void)state;
    struct json_doc *doc;
    char *text = NULL;
    size_t len;
    assert_int_equal(json_read(object, strlen(object), &doc), 0);
    FILE *out = open_memstream(&text, &len);
    query_text(out, json_root(doc), NULL);
    fclose(out);
    assert_string_equal(text,
                        "example.org: dane-partial\n"
                        "  MX records              secure\n"
                        "  MX 10                   mx1.example.org: A secure, AAAA absent, TLSA "
                        "usable at alias.example.org, does not match MTA-STS\n"
                        "                          TLSA 3 1 1 deadbeef\n"
                        "                          TLSA 9 1 1 00 (unusable)\n"
                        "                          failure: bell ?\n"
                        "  MTA-STS                 testing, id 1, max_age 86400, fetched 5 s ago, "
                        "fresh\n"
                        "                          *.example.com\n"
                        "  enforce                 satisfied: because\n"
                        "  disable                 satisfied\n"
                        "  map QUERY               dane\n"
                        "  map enforce             dane-only\n"
                        "  map requiretls          enforce\n"
                        "  age                     1 s, valid for another 2 s\n");
    free(text);
    json_doc_free(doc);
}

static const char probed_object[] =
    "{\"nexthop\":\"example.org\",\"summary\":\"dane\",\"security\":\"secure\","
    "\"security_known\":true,\"mx\":[{\"host\":\"mx1.example.org\",\"preference\":10,\"a\":"
    "\"secure\",\"aaaa\":\"secure\",\"tlsa_state\":\"usable\",\"failure\":null,\"probe\":["
    "{\"address\":\"192.0.2.1\",\"port\":25,\"checked\":\"2026-11-29T05:45:25Z\",\"result\":"
    "\"no-requiretls\",\"starttls\":true,\"protocol\":\"TLSv1.3\",\"cipher\":\"TLS_X\","
    "\"names\":[\"mx1.example.org\",\"*.example.org\"],\"not_after\":\"2026-12-31T23:59:59Z\","
    "\"spki_sha256\":\"abcd\",\"dane\":\"ok\",\"dane_failure\":null,\"web_pki\":\"failed\","
    "\"web_pki_failure\":\"self-signed \\u0007 certificate\",\"requiretls\":false,\"failure\":"
    "\"mx1.example.org does not offer REQUIRETLS\"},"
    "{\"address\":\"2001:db8::1\",\"port\":25,\"checked\":\"2026-11-29T05:45:26Z\",\"result\":"
    "\"unreachable\",\"starttls\":null,\"protocol\":null,\"cipher\":null,\"names\":[],"
    "\"not_after\":null,\"spki_sha256\":null,\"dane\":null,\"web_pki\":null,\"requiretls\":null,"
    "\"failure\":\"Connection refused\"},"
    "{\"address\":\"192.0.2.2\",\"port\":25,\"result\":\"ok\",\"starttls\":true,\"protocol\":"
    "\"TLSv1.2\",\"names\":[],\"not_after\":\"2027-12-31T23:59:59Z\",\"requiretls\":true}]}],"
    "\"verdict\":{\"enforce\":{\"verdict\":\"unsatisfied\",\"reason\":\"they do not\","
    "\"probed\":true}},\"answers\":{\"enforce\":\"dane-only\"},\"age\":1,\"ttl\":2}";

static void test_text_of_probes(void **state)
{
    (void)state;
    struct json_doc *doc;
    char *text = NULL;
    size_t len;
    assert_int_equal(json_read(probed_object, strlen(probed_object), &doc), 0);
    FILE *out = open_memstream(&text, &len);
    query_text(out, json_root(doc), NULL);
    query_text_unprobed(out, json_root(doc));
    fclose(out);
    assert_string_equal(
        text, "example.org: dane\n"
              "  MX records              secure\n"
              "  MX 10                   mx1.example.org: A secure, AAAA secure, TLSA usable\n"
              "                          192.0.2.1:25 no-requiretls: mx1.example.org does not "
              "offer REQUIRETLS\n"
              "                            STARTTLS, TLSv1.3, TLS_X, no REQUIRETLS\n"
              "                            certificate for mx1.example.org, *.example.org, until "
              "2026-12-31T23:59:59Z\n"
              "                            SPKI SHA-256 abcd\n"
              "                            DANE ok, Web PKI failed (self-signed ? certificate)\n"
              "                            looked at 2026-11-29T05:45:25Z\n"
              "                          [2001:db8::1]:25 unreachable: Connection refused\n"
              "                            looked at 2026-11-29T05:45:26Z\n"
              "                          192.0.2.2:25 ok\n"
              "                            STARTTLS, TLSv1.2, REQUIRETLS\n"
              "                            certificate until 2027-12-31T23:59:59Z\n"
              "  MTA-STS                 \n"
              "  enforce                 unsatisfied: they do not\n"
              "  map enforce             dane-only\n"
              "                          the map answers by what is published, not by what the "
              "servers did\n"
              "  age                     1 s, valid for another 2 s\n");
    free(text);
    json_doc_free(doc);
}

/* What was looked at shows neither that it would do nor that it would not. */
static void test_text_unseen(void **state)
{
    (void)state;
    static const char words[] = "                          by what is published alone: no server "
                                "was seen to do all of it\n";
    static const struct {
        const char *verdict, *results[3];
        bool unseen;
    } rows[] = {
        {"satisfied", {NULL}, false},
        {"satisfied", {"ok"}, false},
        {"satisfied", {"unreachable"}, true},
        {"satisfied", {"failed"}, true},
        {"satisfied", {"no-requiretls"}, false}, /* by require_offer = no it does */
        {"satisfied", {"no-requiretls", "unreachable"}, true},
        {"satisfied", {"unreachable", "ok"}, false},
        {"unsatisfied", {"no-requiretls", "unreachable"}, false},
        {"undecided", {"failed"}, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char seen[1000];
        struct json_doc *doc;
        char *text = NULL;
        size_t len, used = (size_t)snprintf(seen, sizeof(seen), "{\"mx\":[");
        for (size_t j = 0; j < 3 && rows[i].results[j] != NULL; j++)
            used += (size_t)snprintf(seen + used, sizeof(seen) - used,
                                     "%s{\"probe\":[{\"result\":\"%s\"}]}", j > 0 ? "," : "",
                                     rows[i].results[j]);
        snprintf(seen + used, sizeof(seen) - used,
                 "],\"verdict\":{\"enforce\":{\"verdict\":\"%s\"}}}", rows[i].verdict);
        assert_int_equal(json_read(seen, strlen(seen), &doc), 0);
        FILE *out = open_memstream(&text, &len);
        query_text(out, json_root(doc), NULL);
        fclose(out);
        if ((strstr(text, words) != NULL) != rows[i].unseen)
            fail_msg("%s gives\n%s", seen, text);
        free(text);
        json_doc_free(doc);
    }
}

/* A name without a server that could be probed: a null MX, a literal, an own domain. */
static void test_text_unprobed(void **state)
{
    (void)state;
    static const struct {
        const char *object, *text;
    } rows[] = {
        {"{\"mx\":[]}", "  probe                   there is no server to look at\n"},
        {"{}", "  probe                   there is no server to look at\n"},
        {"{\"security\":\"failed\",\"mx\":[]}",
         "  probe                   no server was looked at: it is not known which there are\n"},
        {"{\"mx\":[{\"probe\":[]},{\"probe\":[]}]}",
         "  probe                   no server was looked at: none that mail may go to has an "
         "address that can be connected to\n"},
        {"{\"mx\":[{\"probe\":[]},{\"probe\":[{}]}]}", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_doc *doc;
        char *text = NULL;
        size_t len = 0;
        assert_int_equal(json_read(rows[i].object, strlen(rows[i].object), &doc), 0);
        FILE *out = open_memstream(&text, &len);
        query_text_unprobed(out, json_root(doc));
        fclose(out);
        assert_string_equal(text, rows[i].text);
        free(text);
        json_doc_free(doc);
    }
}

/* Where the verdict and the map differ it says why. */
static void test_difference(void **state)
{
    static const struct {
        const char *verdict, *answer;
        const char *wanted; /* NULL: nothing to say */
    } rows[] = {
        {"satisfied", "dane-only", NULL},
        {"unsatisfied", "secure match=requiretls-unsatisfied.invalid servername=hostname", NULL},
        {"undecided", "TEMP a lookup failed", NULL},
        {"unsatisfied", "secure match=mx.example servername=hostname",
         "the verdict is that of the route of this name, which cannot demand this"},
        {"satisfied", "TEMP a lookup failed", "the verdict is that of the rules for this name"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char answer[400], *text = NULL;
        size_t len = 0;
        struct json_doc *doc;
        snprintf(answer, sizeof(answer),
                 "{\"nexthop\":\"a\",\"verdict\":{\"enforce\":{\"verdict\":\"%s\"}},"
                 "\"answers\":{\"enforce\":\"%s\"}}",
                 rows[i].verdict, rows[i].answer);
        assert_int_equal(json_read(answer, strlen(answer), &doc), 0);
        FILE *out = open_memstream(&text, &len);
        query_text(out, json_root(doc), NULL);
        fclose(out);
        if (rows[i].wanted != NULL)
            assert_non_null(strstr(text, rows[i].wanted));
        else
            assert_null(strstr(text, "the verdict is that"));
        free(text);
        json_doc_free(doc);
    }
}

/* Whatever a daemon of another version leaves out, the tool shows the rest. */
static void test_text_of_anything(void **state)
{
    (void)state;
    static const char *const objects[] = {
        "{}",
        "{\"summary\":\"dane\"}",
        "{\"summary\":\"dane\",\"mx\":[{}],\"sts\":{},\"verdict\":{\"enforce\":{}}}",
        "{\"summary\":1,\"mx\":{},\"sts\":[],\"verdict\":[1],\"answers\":null}",
        "{\"summary\":\"x\",\"mx\":[{\"probe\":[{},1,null,[{}]]},{\"probe\":{\"names\":1}},"
        "{\"probe\":[{\"names\":{\"a\":\"b\"},\"dane\":1,\"dane_failure\":\"x\",\"starttls\":2}]}]"
        "}",
        "{\"summary\":\"x\",\"mx\":[1,null],\"sts\":{\"mode\":\"enforce\",\"mx\":[1]}}",
    };
    for (size_t i = 0; i < COUNT(objects); i++) {
        struct json_doc *doc;
        assert_int_equal(json_read(objects[i], strlen(objects[i]), &doc), 0);
        FILE *out = fopen("/dev/null", "w");
        query_text(out, json_root(doc), "\xc3\xbc");
        query_text_unprobed(out, json_root(doc));
        fclose(out);
        json_doc_free(doc);
    }
}

/* What a probe comes to depends on the MTA, which the tool does not know. */
static void test_decision_of_probes(void **state)
{
    (void)state;
    static const struct {
        const char *config, *probe;
        const char *begin, *end; /* of the decision */
    } rows[] = {
        {"", "r", "reject: 550 5.7.30 ", "; where the MTA is not Postfix 3.11 or later, accept"},
        {"[default]\nroute = told\n", "r", "reject: 550 5.7.30 ", NULL},
        {"[default]\nrequire_offer = yes\n", "r", "reject: 550 5.7.30 ", NULL},
        {"[default]\nrequire_offer = no\n", "r", "accept, route native", NULL},
        {"", "a", "reject: 550 5.7.10 ", NULL},
        {"", "t", "reject: 550 5.7.30 ", NULL},
        {"", "o", "accept, route native", NULL},
        {"", "f", "accept, route native", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct findings_text text;
        struct query_options options = {.explain = true, .request = QUERY_REQUEST_REQUIRE};
        struct query_name name;
        char spec[200], config_text[200];
        snprintf(config_text, sizeof(config_text),
                 "%s[route told]\nmethod = none\ncan = dane, requiretls\n", rows[i].config);
        struct config *config = config_from_text(config_text, "mx.self.example");
        snprintf(spec, sizeof(spec), "host=mx1.example.org,tlsa=usable,probe=%s", rows[i].probe);
        findings_from_text(spec, &text);
        assert_int_equal(query_name_parse("example.org", &name), 0);
        name.findings = &text.findings;
        query_explain_evaluate(config, &options, &name);
        query_explain_decide(config, &options, &name);
        size_t len = strlen(name.decision), end = rows[i].end != NULL ? strlen(rows[i].end) : 0;
        bool is_there = strstr(name.decision, "where the MTA is not") != NULL;
        if (strncmp(name.decision, rows[i].begin, strlen(rows[i].begin)) != 0 || len < end ||
            is_there != (end > 0) || (end > 0 && strcmp(name.decision + len - end, rows[i].end)))
            fail_msg("%zu: %s", i, name.decision);
        config_unref(config);
    }
}

/* What [deliver] says is no rule's, and needs no explanation. */
static void test_explain_sending(void **state)
{
    static const struct {
        const char *from, *lines;
    } rows[] = {
        {"x@other.example", ""},
        {"x@a.example", "  helo_name               a.example ([rule a])\n"
                        "  source                  192.0.2.1, 2001:db8::1 ([rule a])\n"},
        {NULL,
         "  helo_name               mx.self.example (built in; [rule a], which comes earlier, "
         "looks at what is not known here)\n"
         "  source                   (built in; [rule a], which comes earlier, looks at what "
         "is not known here)\n"},
    };
    struct config *config = config_from_text("[rule a]\nsender = a.example\nhelo_name = a.example\n"
                                             "source = 192.0.2.1, 2001:db8::1\n",
                                             "mx.self.example");

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct query_options options = {.explain = true, .from = rows[i].from};
        struct query_name name;
        char *text, *at;
        size_t len;
        FILE *out = open_memstream(&text, &len);

        assert_int_equal(query_name_parse("example.org", &name), 0);
        query_explain_evaluate(config, &options, &name);
        query_explain_text(out, &name);
        fclose(out);
        at = strstr(text, "  optional_route ");
        assert_non_null(at);
        assert_string_equal(strchr(at, '\n') + 1, rows[i].lines);
        free(text);
    }
    config_unref(config);
}

static void test_status(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        const char *text;
        int code;
    } rows[] = {
        {"{\"version\":\"0.1\",\"pid\":8,\"started\":\"2026-11-26T02:11:09Z\",\"uptime\":180000,"
         "\"configuration\":{\"file\":\"/etc/x.conf\",\"present\":true,\"read\":\"T1\","
         "\"changed\":true},\"dnssec_known\":true,\"resolvers\":[{\"address\":\"127.0.0.1\","
         "\"trusted\":true,\"checked\":true,\"validates\":true,\"failure\":null},{\"address\":"
         "\"::1\",\"trusted\":true,\"checked\":true,\"validates\":false,\"failure\":\"no\\nAD\"},"
         "{\"address\":\"192.0.2.1\",\"trusted\":false,\"checked\":false,\"validates\":false}],"
         "\"store\":{\"path\":\"/x.db\",\"state\":\"down\",\"failure\":\"disk full\"},"
         "\"shared_cache\":{\"state\":\"read-only\",\"server\":\"unix:/s\",\"failure\":\"a \\r\"},"
         "\"sessions\":3,\"socketmap_connections\":2,"
         "\"cache_entries\":7,\"cache_octets\":4096,\"probe\":{\"enabled\":true,"
         "\"in_progress\":2,\"entries\":340,\"resting\":true},\"deliver\":{\"enabled\":true,"
         "\"sessions\":12,\"setup\":1,\"active\":2,\"idle\":3},\"warnings\":[{\"name\":"
         "\"store_down\","
         "\"text\":"
         "\"it is down\"}]}",
         "version        0.1\n"
         "running        2d 2h, since 2026-11-26T02:11:09Z, pid 8\n"
         "configuration  /etc/x.conf, read T1, changed since\n"
         "resolvers      127.0.0.1: validates DNSSEC\n"
         "               ::1: does not validate DNSSEC: no\\x0aAD\n"
         "               192.0.2.1: not trusted (trust_ad)\n"
         "store          down, /x.db: disk full\n"
         "shared cache   read-only, unix:/s: a \\x0d\n"
         "sessions       3 of the milter, 2 of the socketmap\n"
         "cache          7 next-hops, 4 kB\n"
         "probe          2 in progress, 340 results kept, resting\n"
         "delivery       12 sessions of MTAs; connections to servers: 1 in setup, 2 active, 3 "
         "idle\n"
         "warning        store_down: it is down\n",
         1},
        {"{\"probe\":{\"enabled\":false,\"in_progress\":0,\"entries\":0,\"resting\":false},"
         "\"deliver\":{\"enabled\":false}}",
         "version        -\n"
         "running        0s, since -, pid 0\n"
         "configuration  -, none there at -\n"
         "store          -\n"
         "shared cache   -\n"
         "sessions       0 of the milter, 0 of the socketmap\n"
         "cache          0 next-hops, 0 kB\n"
         "probe          off\n"
         "delivery       off\n",
         0},
        {"{\"uptime\":3700,\"warnings\":[]}",
         "version        -\n"
         "running        1h 1m, since -, pid 0\n"
         "configuration  -, none there at -\n"
         "store          -\n"
         "shared cache   -\n"
         "sessions       0 of the milter, 0 of the socketmap\n"
         "cache          0 next-hops, 0 kB\n",
         0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct json_doc *doc;
        char *text = NULL;
        size_t len;
        assert_int_equal(json_read(rows[i].object, strlen(rows[i].object), &doc), 0);
        FILE *out = open_memstream(&text, &len);
        query_status_text(json_root(doc), out);
        fclose(out);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(query_status_code(json_root(doc)), rows[i].code);
        free(text);
        json_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_wrong),
        cmocka_unit_test(test_options_right),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_of_probes),
        cmocka_unit_test(test_text_unprobed),
        cmocka_unit_test(test_text_unseen),
        cmocka_unit_test(test_decision_of_probes),
        cmocka_unit_test(test_difference),
        cmocka_unit_test(test_text_of_anything),
        cmocka_unit_test(test_explain_sending),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
