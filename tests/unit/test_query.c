/* The tool's pure parts: command line, names, exit codes, explanations, text. */
#include "query/query.h"

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
        if (!rows[i].nexthop) {
            if (result != -EINVAL)
                fail_msg("%s: taken", rows[i].given);
            continue;
        }
        assert_int_equal(result, 0);
        assert_string_equal(name.nexthop.text, rows[i].nexthop);
        if (rows[i].recipient)
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

/* Whatever a daemon of another version leaves out, the tool shows the rest. */
static void test_text_of_anything(void **state)
{
    (void)state;
    static const char *const objects[] = {
        "{}",
        "{\"summary\":\"dane\"}",
        "{\"summary\":\"dane\",\"mx\":[{}],\"sts\":{},\"verdict\":{\"enforce\":{}}}",
        "{\"summary\":1,\"mx\":{},\"sts\":[],\"verdict\":[1],\"answers\":null}",
        "{\"summary\":\"x\",\"mx\":[1,null],\"sts\":{\"mode\":\"enforce\",\"mx\":[1]}}",
    };
    for (size_t i = 0; i < COUNT(objects); i++) {
        struct json_doc *doc;
        assert_int_equal(json_read(objects[i], strlen(objects[i]), &doc), 0);
        FILE *out = fopen("/dev/null", "w");
        query_text(out, json_root(doc), "\xc3\xbc");
        fclose(out);
        json_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_wrong), cmocka_unit_test(test_options_right),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_text),          cmocka_unit_test(test_text_of_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
