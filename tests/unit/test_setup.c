/*
 * Parts of the set-up check: addresses as MTAs write them, the report, programs and other users'
 * eyes.
 */
#include "base/json_read.h"
#include "query/query.h"
#include "setup/postfix/postconf.h"
#include "setup/postfix/postfix_proxy.h"
#include "setup/postfix/postfix_table.h"
#include "setup/setup.h"
#include "setup/setup_address.h"
#include "setup/setup_ca.h"
#include "setup/setup_edit.h"
#include "setup/setup_probe.h"
#include "setup/setup_report.h"
#include "setup/setup_run.h"
#include "setup/setup_status.h"

#include "report_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Nothing that ends by itself takes so long, however busy the machine. */
enum { AMPLE_MS = 120000 };

/* `path` or `host port`, then map and default action where there are such; `none`. */
static void describe(bool good, const struct setup_address *address, char *out, size_t size)
{
    if (!good)
        snprintf(out, size, "none");
    else
        snprintf(out, size, "%s%s%s%s%s%s%s%s", address->path, address->host,
                 address->port[0] != '\0' ? " " : "", address->port,
                 address->map[0] != '\0' ? " " : "", address->map,
                 address->default_action[0] != '\0' ? " " : "", address->default_action);
}

static const struct {
    char kind; /* m: Postfix's milter, s: its socketmap, l: its next-hop of lmtp(8), M and S:
                  sendmail's */
    const char *text;
    const char *wanted;
} addresses[] = {
    {'m', "unix:/run/milter.sock", "/run/milter.sock"},
    {'m', "local:below/milter.sock", "below/milter.sock"},
    {'m', "inet:localhost:8891", "localhost 8891"},
    {'m', "inet:[::1]:8891", "::1 8891"},
    {'m', "inet6:mail.example.org:milter", "mail.example.org milter"},
    {'m', "{ unix:a/b, default_action=accept }", "a/b accept"},
    {'m', "{unix:a/b,connect_timeout=3s,default_action = tempfail}", "a/b tempfail"},
    {'m', "{ inet:127.0.0.1:25 }", "127.0.0.1 25"},
    {'m', "unix:", "none"},
    {'m', "inet:25", "none"},
    {'m', "inet::25", "none"},
    {'m', "$milters", "none"},
    {'s', "socketmap:unix:a/policy.sock:QUERY", "a/policy.sock QUERY"},
    {'s', "socketmap:inet:127.0.0.1:8461:postfix", "127.0.0.1 8461 postfix"},
    {'s', "socketmap:inet:[::1]:8461:postfix", "::1 8461 postfix"},
    {'s', "socketmap:unix:a/policy.sock:", "none"},
    {'s', "socketmap:unix:", "none"},
    {'s', "hash:/etc/postfix/tls_policy", "none"},
    {'l', "unix:requiretls-deliver/lmtp.sock", "requiretls-deliver/lmtp.sock"},
    {'l', "inet:127.0.0.1:2424", "127.0.0.1 2424"},
    {'l', "inet:[::1]:2424", "::1 2424"},
    {'l', "example.org", "none"},
    {'l', "unix:", "none"},
    {'M', "local:/run/milter.sock", "/run/milter.sock"},
    {'M', "/run/milter.sock", "/run/milter.sock"},
    {'M', "inet:8891@localhost", "localhost 8891"},
    {'M', "inet:8891", "localhost 8891"},
    {'M', "nonsense", "none"},
    {'S', "unix:/run/policy.sock", "/run/policy.sock"},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct setup_address address;
        char seen[800];
        const char *text = addresses[i].text;
        bool good = addresses[i].kind == 'm'   ? setup_address_milter(text, &address)
                    : addresses[i].kind == 's' ? setup_address_socketmap(text, &address)
                    : addresses[i].kind == 'l' ? setup_address_lmtp(text, &address)
                    : addresses[i].kind == 'M'
                        ? setup_address_sendmail(SETUP_MILTER, text, &address)
                        : setup_address_sendmail(SETUP_SOCKETMAP, text, &address);

        describe(good, &address, seen, sizeof(seen));
        if (strcmp(seen, addresses[i].wanted) != 0)
            fail_msg("%s: wanted %s, saw %s", text, addresses[i].wanted, seen);
    }
}

static void test_long_addresses(void **state)
{
    char text[2000] = "unix:";
    struct setup_address address;

    (void)state;
    memset(text + 5, 'x', 1000);
    assert_false(setup_address_milter(text, &address));
    memcpy(text, "inet:", 5);
    strcpy(text + 1005, ":25");
    assert_false(setup_address_milter(text, &address));
}

static void test_lists(void **state)
{
    const char *cursor = " a, b\t{ c, d {e} }  f,,";
    char item[16];
    const char *const wanted[] = {"a", "b", "{ c, d {e} }", "f"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(setup_list_next(&cursor, item, sizeof(item)));
        assert_string_equal(item, wanted[i]);
    }
    assert_false(setup_list_next(&cursor, item, sizeof(item)));
    cursor = "abcdefgh x";
    assert_true(setup_list_next(&cursor, item, 4));
    assert_string_equal(item, "abc");
    assert_true(setup_list_next(&cursor, item, 4));
    assert_string_equal(item, "x");
    cursor = "{ unbalanced";
    assert_true(setup_list_next(&cursor, item, sizeof(item)));
    assert_false(setup_list_next(&cursor, item, sizeof(item)));
}

static void test_seconds(void **state)
{
    static const struct {
        const char *text;
        int wanted;
    } rows[] = {{"30s", 30}, {"5", 5},        {"2m", 120},         {"1h", 3600}, {"1d", 86400},
                {"", -1},    {"s", -1},       {"-1s", -1},         {"1x", -1},   {"1ms", -1},
                {"0", 0},    {"2w", 1209600}, {"99999999999s", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(postconf_seconds(rows[i].text), rows[i].wanted);
}

static void test_postconf(void **state)
{
    struct postconf conf = {0};

    (void)state;
    assert_int_equal(postconf_read_parameters(&conf, "a = b = c\nempty =\nmail_version = 3.10.1\n"),
                     0);
    assert_int_equal(conf.version, 310);
    assert_string_equal(postconf_get(&conf, NULL, "a"), "b = c");
    assert_string_equal(postconf_get(&conf, NULL, "empty"), "");
    assert_string_equal(postconf_get(&conf, NULL, "none"), "");
    /* Without a compatibility level services are chrooted unless they say no. */
    assert_int_equal(postconf_read_fields(&conf, "smtp/inet/service = smtp\nsmtp/inet/type = inet\n"
                                                 "smtp/inet/chroot = -\n"
                                                 "smtp/inet/process_limit = 20\n"
                                                 "smtp/inet/command = smtpd -o a=b\n"),
                     0);
    assert_int_equal(postconf_read_own(&conf, "smtp/inet/a = own\nelse/unix/a = x\n"), 0);
    const struct postconf_service *smtp = postconf_service(&conf, "smtp", "inet");
    assert_non_null(smtp);
    assert_true(smtp->chroot);
    assert_int_equal(smtp->process_limit, 20);
    assert_string_equal(smtp->program, "smtpd");
    assert_string_equal(postconf_get(&conf, smtp, "a"), "own");
    assert_null(postconf_service(&conf, "smtp", "unix"));
    assert_int_equal(postconf_read_fields(&conf, "what is this\n"), -EINVAL);
    postconf_fini(&conf);
    assert_int_equal(postconf_read_parameters(&conf, "a = b\n"), -EINVAL); /* no version */
    postconf_fini(&conf);
}

static void print_to(const struct setup_report *report, bool json, char *out, size_t size)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    assert_int_equal(setup_print(report, json, file), 0);
    fclose(file);
    snprintf(out, size, "%s", text);
    free(text);
}

static void test_report(void **state)
{
    struct setup_report report = {0};
    char text[4000];

    (void)state;
    setup_remedy(&report, "nothing to be mended yet");
    setup_command(&report, "nor to be done");
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_SATISFIED);
    setup_add(&report, SETUP_OK, "one", "fine");
    print_to(&report, false, text, sizeof(text));
    assert_string_equal(text, "ok       one: fine\nall in order\n");
    setup_add(&report, SETUP_WARNING, "two", "%s", "a\nb\x1b[2J\"");
    setup_remedy(&report, "do %d", 7);
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_SATISFIED);
    setup_add(&report, SETUP_UNKNOWN, "three", "who knows");
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_UNDECIDED);
    setup_add(&report, SETUP_ERROR, "two", "wrong");
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_UNSATISFIED);
    print_to(&report, false, text, sizeof(text));
    assert_string_equal(text, "ok       one: fine\n"
                              "warning  two: a?b?[2J\"\n"
                              "         -> do 7\n"
                              "unknown  three: who knows\n"
                              "error    two: wrong\n"
                              "1 errors, 1 warnings, 1 not known\n");
    print_to(&report, true, text, sizeof(text));
    assert_non_null(strstr(text, "{\"state\":\"warning\",\"name\":\"two\",\"text\":\"a?b?[2J\\\"\","
                                 "\"remedy\":\"do 7\",\"commands\":[],\"follows\":[]}"));
    assert_non_null(strstr(text, "\"errors\":1,\"warnings\":1,\"unknown\":1}\n"));
    setup_report_fini(&report);
}

/* Half of a command, as it is pasted, would take the next lines for text within its quotes. */
static void test_long_command(void **state)
{
    static char path[5000];
    struct setup_report report = {0};

    (void)state;
    memset(path, 'x', sizeof(path) - 1);
    setup_add(&report, SETUP_ERROR, "cause", "wrong");
    setup_command(&report, "chown root %s", setup_word(&report, path));
    setup_command(&report, "second");
    assert_string_equal(report.items[0].commands,
                        "# a command of more than 4000 characters is left out here\nsecond\n");
    setup_report_fini(&report);
}

/* Commands in their order, what reloads last, none of them twice; what follows from a finding is
 * shown below it, has no remedy and counts for nothing. */
static void test_commands(void **state)
{
    struct setup_report report = {0};
    char text[4000];

    (void)state;
    setup_add(&report, SETUP_ERROR, "cause", "wrong");
    setup_command_reload(&report, "reload");
    setup_command(&report, "first %s", setup_word(&report, "it's"));
    setup_command(&report, "second");
    setup_command(&report, "first 'it'\\''s'");
    setup_command_reload(&report, "reload");
    setup_follow_begin(&report);
    setup_add(&report, SETUP_ERROR, "effect", "wrong too");
    setup_remedy(&report, "of its own");
    setup_command(&report, "of its own");
    setup_add(&report, SETUP_UNKNOWN, "another", "who knows");
    setup_follow_end(&report);
    setup_add(&report, SETUP_OK, "last", "fine");
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_UNSATISFIED);
    print_to(&report, false, text, sizeof(text));
    assert_string_equal(text, "error    cause: wrong\n"
                              "         -> as root:\n"
                              "            first 'it'\\''s'\n"
                              "            second\n"
                              "            reload\n"
                              "         from this follows:\n"
                              "            effect: wrong too\n"
                              "            another: who knows\n"
                              "ok       last: fine\n"
                              "1 errors, 0 warnings, 0 not known\n");
    print_to(&report, true, text, sizeof(text));
    assert_string_equal(
        text,
        "{\"findings\":[{\"state\":\"error\",\"name\":\"cause\",\"text\":\"wrong\",\"remedy\":null,"
        "\"commands\":[\"first 'it'\\\\''s'\",\"second\",\"reload\"],\"follows\":["
        "{\"state\":\"error\",\"name\":\"effect\",\"text\":\"wrong too\"},"
        "{\"state\":\"unknown\",\"name\":\"another\",\"text\":\"who knows\"}]},"
        "{\"state\":\"ok\",\"name\":\"last\",\"text\":\"fine\",\"remedy\":null,\"commands\":[],"
        "\"follows\":[]}],\"errors\":1,\"warnings\":0,\"unknown\":0}\n");
    setup_report_fini(&report);
}

/* What a remedy makes of the daemon's configuration, carried out by a shell. */
static const struct {
    const char *before; /* NULL: there is no file */
    const char *section, *key, *value;
    const char *after;
} edits[] = {
    {"[milter]\nsocket = unix:/a\n\n[dns]\n", "milter", "socket", "unix:/b|c&d\\e",
     "[milter]\nsocket = unix:/b|c&d\\e\n\n[dns]\n"},
    {"# socket =\n[dns]\nsocket = x\n[milter] \r\nsocket=unix:/a\nuser = me\n", "milter", "socket",
     "unix:/b", "# socket =\n[dns]\nsocket = x\n[milter] \r\nsocket = unix:/b\nuser = me\n"},
    {"[milter]\nuser = me\n[dns]\nsocket_group = x\n", "milter", "socket_group", "postfix",
     "[milter]\nsocket_group = postfix\nuser = me\n[dns]\nsocket_group = x\n"},
    {"[dns]\ntries = 2", "milter", "socket_group", "it's",
     "[dns]\ntries = 2\n[milter]\nsocket_group = it's\n"},
    {"", "milter", "a", "b", "\n[milter]\na = b\n"},
    {NULL, "milter", "a", "b", "\n[milter]\na = b\n"},
    {"[milter]\nabc = d\n[dns]\na = b\n", "milter", "a", "\\x'$(id)`id`&|/",
     "[milter]\na = \\x'$(id)`id`&|/\nabc = d\n[dns]\na = b\n"},
    /* Over several lines, or given twice: for an editor. */
    {"[socketmap]\nlisten = a,\n  b\n", "socketmap", "listen", "c",
     "[socketmap]\nlisten = a,\n  b\n"},
    {"[socketmap]\nlisten = a\nlisten = b\n", "socketmap", "listen", "c",
     "[socketmap]\nlisten = a\nlisten = b\n"},
};

static void test_edit(void **state)
{
    char directory[] = "/tmp/test_setup.XXXXXX", path[100], seen[1000], err[200], *out;
    int status;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/below/it's.conf", directory);
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct setup_report report = {.config_path = path, .config_text = edits[i].before};

        setup_add(&report, SETUP_ERROR, "x", "x");
        setup_edit_key(&report, edits[i].section, edits[i].key, edits[i].value);
        setup_edit_done(&report, true);
        assert_string_equal(report.items[0].reloads, "systemctl restart requiretls-milter\n");
        if (edits[i].before != NULL) {
            FILE *file = fopen(path, "w");
            if (file == NULL) { /* the first */
                snprintf(seen, sizeof(seen), "%s/below", directory);
                assert_int_equal(mkdir(seen, 0755), 0);
                file = fopen(path, "w");
            }
            fputs(edits[i].before, file);
            fclose(file);
        } else {
            snprintf(seen, sizeof(seen), "%s/below", directory);
            unlink(path);
            rmdir(seen);
        }
        const char *const argv[] = {"sh", "-ec", report.items[0].commands, NULL};
        for (int paste = 0; paste < 2; paste++) {
            assert_int_equal(setup_run(argv, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), 0);
            free(out);
            assert_string_equal(err, "");
            assert_int_equal(status, 0);
        }
        FILE *file = fopen(path, "r");
        seen[fread(seen, 1, sizeof(seen) - 1, file)] = '\0';
        fclose(file);
        assert_string_equal(seen, edits[i].after);
        setup_report_fini(&report);
    }
    unlink(path);
    snprintf(path, sizeof(path), "%s/below", directory);
    rmdir(path);
    rmdir(directory);
}

/* The routes of the snippets, for files with and without [default], and without a last line's end.
 */
static void test_edit_routes(void **state)
{
    static const char *const before[] = {"[default]\n#route = x\n[log]\nlevel = info", "[log]\n",
                                         ""};
    static const char *const after[] = {
        ("[default]\noptional_route = free\nroute = held\n#route = x\n[log]\nlevel = info\n"
         "[route held]\na = b\n"),
        "[log]\n\n[default]\noptional_route = free\nroute = held\n\n[route held]\na = b\n",
        "\n[default]\noptional_route = free\nroute = held\n\n[route held]\na = b\n"};
    char directory[] = "/tmp/test_setup.XXXXXX", path[100], snippet[100], seen[1000], err[200],
         *out;
    int status;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/it's.conf", directory);
    snprintf(snippet, sizeof(snippet), "%s/requiretls-milter.conf", directory);
    FILE *file = fopen(snippet, "w");
    fputs("[milter]\n[default]\nroute = held\n\n[route held]\na = b\n", file);
    fclose(file);
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        struct setup_report report = {.config_path = path, .config_text = before[i]};

        setup_add(&report, SETUP_ERROR, "x", "x");
        setup_edit_routes(&report, snippet, "held", "free");
        file = fopen(path, "w");
        fputs(before[i], file);
        fclose(file);
        const char *const argv[] = {"sh", "-ec", report.items[0].commands, NULL};
        for (int paste = 0; paste < 2; paste++) {
            assert_int_equal(setup_run(argv, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), 0);
            free(out);
            assert_int_equal(status, 0);
        }
        file = fopen(path, "r");
        seen[fread(seen, 1, sizeof(seen) - 1, file)] = '\0';
        fclose(file);
        assert_string_equal(seen, after[i]);
        setup_report_fini(&report);
    }
    unlink(path);
    unlink(snippet);
    rmdir(directory);
}

/* What the daemon says of itself. */
static void test_status(void **state)
{
    static const struct {
        const char *status;
        bool resolvers_wrong;
        const char *wanted;
    } cases[] = {
        {"{\"version\":\"" PROJECT_VERSION "\",\"warnings\":[]}", false, ""},
        {"{}", false, ""},
        {"{\"version\":\"0.0\"}", false, "warning daemon;"},
        {"{\"warnings\":[{\"name\":\"configuration_changed\"},{\"name\":\"something_new\"}]}",
         false, ""}, /* see running */
        {"{\"warnings\":[{\"name\":\"configuration_refused\"}]}", false,
         "error daemon-configuration;"},
        {"{\"warnings\":[{\"name\":\"dnssec_unknown\"},{\"name\":\"store_down\"}]}", false,
         "error daemon-resolver;warning daemon-store;"},
        {"{\"warnings\":[{\"name\":\"queue_ids_down\"}]}", false, "warning daemon-store;"},
        {"{\"warnings\":[{\"name\":\"dnssec_unknown\"},{\"name\":\"resolver_not_validating\"}]}",
         true, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup_report report = {0};
        struct json_doc *doc;
        char seen[200];

        assert_int_equal(json_read(cases[i].status, strlen(cases[i].status), &doc), 0);
        setup_status_findings(json_root(doc), cases[i].resolvers_wrong, &report);
        report_to_text(&report, seen, sizeof(seen));
        assert_string_equal(seen, cases[i].wanted);
        json_doc_free(doc);
        setup_report_fini(&report);
    }
}

static void test_run(void **state)
{
    const char *const fine[] = {"sh", "-c", "echo out; echo err >&2; echo more >&2; exit 3", NULL};
    const char *const warned[] = {
        "sh", "-c", "for word in warning: fatal: more; do echo sh: $word x >&2; done", NULL};
    const char *const warned_only[] = {"sh", "-c", "echo sh: warning: x >&2; exit 1", NULL};
    const char *const cat[] = {"cat", NULL};
    const char *const none[] = {"no-such-program-here", NULL};
    const char *const slow[] = {"sleep", "600", NULL};
    const char *const much[] = {"sh", "-c", "yes", NULL};
    const char *const killed[] = {"sh", "-c", "kill -9 $$", NULL};
    const char *const literal[] = {"echo", "$HOME; `id`", NULL};
    char *out, err[200];
    int status;

    (void)state;
    assert_int_equal(setup_run(fine, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), 0);
    assert_int_equal(status, 3);
    assert_string_equal(out, "out\n");
    assert_string_equal(err, "err");
    free(out);
    /* Warnings of a program are not why it fails. */
    assert_int_equal(setup_run(warned, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), 0);
    assert_string_equal(err, "sh: fatal: x");
    free(out);
    assert_int_equal(setup_run(warned_only, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), 0);
    assert_int_equal(status, 1);
    assert_string_equal(err, "");
    free(out);
    assert_int_equal(setup_run(literal, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), 0);
    assert_string_equal(out, "$HOME; `id`\n");
    free(out);
    assert_int_equal(setup_run(cat, "a\nb\n", AMPLE_MS, &out, &status, err, sizeof(err)), 0);
    assert_string_equal(out, "a\nb\n");
    free(out);
    assert_int_equal(setup_run(none, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), -ENOENT);
    assert_null(out);
    assert_int_equal(setup_run(slow, NULL, 50, &out, &status, err, sizeof(err)), -ETIMEDOUT);
    assert_int_equal(setup_run(much, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), -EMSGSIZE);
    assert_int_equal(setup_run(killed, NULL, AMPLE_MS, &out, &status, err, sizeof(err)), -EIO);
    assert_null(out);
}

static void look_at(const void *path, void *result)
{
    int *seen = result;
    struct stat st;

    *seen = stat(path, &st) != 0 ? errno : (int)geteuid() + 1000000;
}

static void look_long(const void *arg, void *result)
{
    (void)arg;
    (void)result;
    sleep(600);
}

static void test_as(void **state)
{
    char directory[] = "/tmp/test_setup.XXXXXX", path[100], err[200];
    struct setup_who who;
    int seen = 0;

    (void)state;
    assert_int_equal(setup_who_find("no-such-user-here", &who, err, sizeof(err)), -ENOENT);
    assert_string_equal(err, "there is no user no-such-user-here");
    assert_int_equal(setup_who_find("nobody", &who, err, sizeof(err)), 0);
    assert_non_null(mkdtemp(directory)); /* mode 0700 */
    snprintf(path, sizeof(path), "%s/x", directory);
    int error = setup_as(&who, look_at, path, &seen, sizeof(seen), AMPLE_MS);
    if (geteuid() != 0) {
        assert_int_equal(error, -EPERM);
    } else {
        assert_int_equal(error, 0);
        assert_int_equal(seen, EACCES);
        assert_int_equal(setup_as(&who, look_at, "/", &seen, sizeof(seen), AMPLE_MS), 0);
        assert_int_equal(seen, (int)who.uid + 1000000);
        assert_int_equal(setup_as(&who, look_long, NULL, &seen, sizeof(seen), 50), -ETIMEDOUT);
        /* In a chroot there is nothing but what is in it. */
        assert_int_equal(chmod(directory, 0755), 0);
        who.root = directory;
        assert_int_equal(setup_as(&who, look_at, "/tmp", &seen, sizeof(seen), AMPLE_MS), 0);
        assert_int_equal(seen, ENOENT);
        who.root = "/no/such/directory";
        assert_int_equal(setup_as(&who, look_at, "/", &seen, sizeof(seen), AMPLE_MS), -ENOENT);
    }
    rmdir(directory);
}

static void test_certificates(void **state)
{
    (void)state;
    assert_int_equal(setup_ca_count("/no/such/file"), -ENOENT);
    assert_int_equal(setup_ca_count("/dev/null"), 0);
    assert_int_equal(setup_ca_count(ETC_DIR), 0);
    assert_true(setup_ca_count("/etc/ssl/certs/ca-certificates.crt") > 1);
    assert_true(setup_ca_count("/etc/ssl/certs") > 1);
}

static void take_value(void *arg, const char *value)
{
    char *seen = arg;

    snprintf(seen + strlen(seen), 200 - strlen(seen), "%s;", value);
}

/* Tables of patterns: the values, whatever the keys. */
static void test_patterns(void **state)
{
    static const struct {
        const char *text;
        bool regexp;
        const char *wanted;
    } cases[] = {
        {"", false, ""},
        {"# a comment\n\n192.0.2.0/24 DISABLE\n", false, "DISABLE;"},
        {"192.0.2.0/24\n  # between\n\n\tunix:a,\n unix:b\n!::1\tx\n", false, "unix:a,  unix:b;x;"},
        {"if 192.0.2.0/24\n192.0.2.1 one\nendif\n192.0.2.2 two", false, "one;two;"},
        {"/^a b/ x:y\n!/c\\/d e/i z\nif /f g/\nendif\n|h i|x  last  \r\n", true, "x:y;z;last;"},
        {"/without an end x\n/none/\n", true, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char seen[200] = "";

        assert_int_equal(setup_table_patterns(cases[i].text, cases[i].regexp, take_value, seen), 0);
        assert_string_equal(seen, cases[i].wanted);
    }
}

/* Those that need no program of Postfix's. */
static void test_tables(void **state)
{
    static const struct {
        const char *table;
        int error;
        const char *wanted;
    } cases[] = {
        {"static:DISABLE", 0, "DISABLE;"},
        {"cidr:{ {192.0.2.0/24 DISABLE}, {::/0 unix:a} }", 0, "DISABLE;unix:a;"},
        {"proxy:regexp:{ {/^a b/ x} }", 0, "x;"},
        {"cidr:{ nonsense }", -EINVAL, ""},
        {"pcre:/no/such/file", -ENOENT, ""},
        {"ldap:/etc/postfix/ldap.cf", -ENOTSUP, ""},
        {"nonsense", -ENOTSUP, ""},
    };
    struct setup_postfix postfix = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char seen[200] = "";

        assert_int_equal(setup_table_values(&postfix, cases[i].table, take_value, seen),
                         cases[i].error);
        assert_string_equal(seen, cases[i].wanted);
    }
}

/* Answers one client with these lines, one after each that it reads, and with the last of them once
 * more after the message. */
static void serve(int listener, const char *const *answers)
{
    char line[512];
    int fd = accept(listener, NULL, NULL);
    FILE *in = fdopen(fd, "r");
    bool data = false;

    for (; in != NULL && *answers != NULL; answers++) {
        if (write(fd, *answers, strlen(*answers)) < 0)
            break;
        do {
            if (fgets(line, sizeof(line), in) == NULL)
                _exit(0);
        } while (data && strcmp(line, ".\r\n") != 0);
        data = strcmp(line, "DATA\r\n") == 0;
    }
    _exit(0);
}

static void test_proxy(void **state)
{
    static const struct {
        const char *answers[8];
        int wanted;
        const char *text;
    } cases[] = {
        {{"220 hello\r\n", "250-a\r\n250 b\r\n", "250 ok\r\n",
          "550-5.1.2 no\r\n550 5.1.2 never\r\n"},
         550,
         "5.1.2 no 5.1.2 never"},
        {{"220 hello\r\n", "250 a\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n",
          "550 5.1.2 late\r\n"},
         550,
         "5.1.2 late"},
        {{"220 hello\r\n", "250 a\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n"},
         250,
         "taken"},
        {{"554\r\n"}, 554, ""},
        {{"+OK not SMTP\r\n"}, -EPROTO, ""},
        {{"220 hello\r\n"}, -ECONNRESET, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t len = sizeof(address);
        char where[64], text[200];
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(listener, (const struct sockaddr *)&address, len), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
        pid_t pid = fork();
        if (pid == 0)
            serve(listener, cases[i].answers);
        close(listener);
        snprintf(where, sizeof(where), "%s127.0.0.1:%d", i % 2 ? "inet:" : "",
                 ntohs(address.sin_port));
        assert_int_equal(setup_proxy_try(where, "SIZE=1", "a@b.example", text, sizeof(text)),
                         cases[i].wanted);
        if (cases[i].wanted > 0)
            assert_string_equal(text, cases[i].text);
        waitpid(pid, NULL, 0);
        assert_int_equal(setup_proxy_try(where, "", "a@b.example", text, sizeof(text)),
                         -ECONNREFUSED);
    }
    char text[200];
    assert_int_equal(setup_proxy_try("unix:/no/such/socket", "", "a@b.example", text, sizeof(text)),
                     -ENOENT);
}

/* What the running daemon says of its configuration, beside the file that is checked. */
static void running(void **state)
{
    static const struct {
        const char *status;
        const char *found; /* NULL: nothing */
    } rows[] = {
        {"{\"configuration\":{\"file\":\"/etc/hostname\",\"changed\":false},\"warnings\":[]}",
         "ok"},
        {"{\"configuration\":{\"file\":\"/etc/hostname\",\"read\":\"T\",\"changed\":true}}",
         "reload"},
        {"{\"configuration\":{\"file\":\"/etc/hostname\",\"changed\":false},\"warnings\":["
         "{\"name\":\"store_down\"},{\"name\":\"restart_needed\"}]}",
         "restart"},
        {"{\"configuration\":{\"file\":\"/etc/passwd\",\"changed\":true}}", NULL},
        {"{}", NULL},
    };
    char path[] = "/etc/../etc/hostname";
    struct config config = {.path = path};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct setup_report report = {0};
        struct json_doc *doc;
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);

        assert_int_equal(json_read(rows[i].status, strlen(rows[i].status), &doc), 0);
        setup_compare_running(&config, json_root(doc), &report);
        assert_int_equal(report.count, rows[i].found != NULL ? 1 : 0);
        setup_print(&report, true, out);
        fclose(out);
        if (rows[i].found != NULL && strstr(text, rows[i].found) == NULL)
            fail_msg("%zu: %s", i, text);
        free(text);
        setup_report_fini(&report);
        json_doc_free(doc);
    }
}

/* What a file with an error leaves out, and that no remedy restarts a daemon which would not start.
 */
static void test_broken(void **state)
{
    struct setup_report report = {0};
    struct config config = {.in_doubt = CONFIG_PART_DNS | CONFIG_PART_WAIT};
    char seen[500];

    (void)state;
    assert_true(setup_can_examine(&config, CONFIG_PART_RULES, "route", &report));
    setup_broken(&report, "/etc/x.conf", "/etc/x.conf:3: resolvers = x: expected an address");
    setup_add(&report, SETUP_WARNING, "store", "in memory");
    setup_command_reload(&report, "systemctl restart requiretls-milter");
    setup_command_reload(&report, "postfix reload");
    assert_false(
        setup_can_examine(&config, CONFIG_PART_DNS | CONFIG_PART_RULES, "resolver", &report));
    report_to_text(&report, seen, sizeof(seen));
    assert_string_equal(seen, "error configuration;warning store;");
    assert_string_equal(report.items[1].reloads,
                        "requiretls-milter -t -c '/etc/x.conf' && systemctl restart "
                        "requiretls-milter\npostfix reload\n");
    assert_non_null(strstr(report.items[0].remedy, "requiretls-milter -t -c '/etc/x.conf' says"));
    assert_int_equal(report.items[2].cause, 1);
    assert_string_equal(report.items[2].name, "not-examined");
    assert_string_equal(report.items[2].text, "resolver: what the file says of [dns] is not known");
    setup_report_fini(&report);
}

/* A session of the agent needs three descriptors. */
static void test_limits(void **state)
{
    struct config_deliver_socket socket = {.name = "a"};
    struct config config = {
        .socketmap.max_connections = 100, .deliver.sockets = &socket, .deliver.max_sessions = 100};
    static const struct {
        size_t sockets;
        unsigned in_doubt;
        enum setup_state state;
        const char *name, *text; /* text NULL: whatever it is */
    } cases[] = {
        {0, 0, SETUP_OK, "descriptors", "the daemon may have 799 open, 500 can be asked for"},
        {1, 0, SETUP_WARNING, "descriptors", NULL},
        {1, CONFIG_PART_DELIVER, SETUP_UNKNOWN, "not-examined",
         "descriptors: what the file says of [deliver] and [tlsrpt] is not known"},
    };
    struct rlimit before, limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = 100 + 100 + 300 + 299;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup_report report = {0};

        config.deliver.socket_count = cases[i].sockets;
        config.in_doubt = cases[i].in_doubt;
        setup_check_limits(&config, getpid(), 100, &report);
        assert_int_equal(report.count, 1);
        assert_string_equal(report.items[0].name, cases[i].name);
        if (cases[i].text != NULL)
            assert_string_equal(report.items[0].text, cases[i].text);
        assert_int_equal(report.items[0].state, cases[i].state);
        setup_report_fini(&report);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* What is found of a collector's socket. */
static const char *seen_of_socket(char *path)
{
    static char seen[200];
    const struct config config = {.deliver = {.tlsrpt_socket = path}};
    struct setup_report report = {.count = 0};
    struct setup_who who;
    char err[200];

    assert_int_equal(setup_who_find("nobody", &who, err, sizeof(err)), 0);
    setup_check_tlsrpt(&config, &who, &report);
    report_to_text(&report, seen, sizeof(seen));
    if (report.count > 0 && report.items[0].state == SETUP_OK)
        strcpy(seen, "ok");
    setup_report_fini(&report);
    return seen;
}

static int bound_socket(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void test_tlsrpt_socket(void **state)
{
    static const char wrong[] = "warning tlsrpt-socket;";
    char path[40] = "/tmp/test_setup.XXXXXX";
    int fd;
    (void)state;

    if (getuid() != 0) { /* nobody else's eyes */
        assert_string_equal(seen_of_socket(path), "unknown tlsrpt-socket;");
        return;
    }
    assert_non_null(mkdtemp(path));
    assert_int_equal(chmod(path, 0755), 0);
    strcat(path, "/s");
    assert_string_equal(seen_of_socket(NULL), "");
    assert_string_equal(seen_of_socket(path), wrong); /* missing */
    fd = bound_socket(path, SOCK_DGRAM);
    assert_int_equal(chmod(path, 0600), 0);
    assert_string_equal(seen_of_socket(path), wrong); /* not for this user */
    assert_int_equal(chmod(path, 0666), 0);
    assert_string_equal(seen_of_socket(path), "ok");
    close(fd);
    assert_string_equal(seen_of_socket(path), wrong); /* nobody listens */
    unlink(path);
    fd = bound_socket(path, SOCK_STREAM);
    assert_int_equal(chmod(path, 0666), 0);
    assert_string_equal(seen_of_socket(path), wrong); /* of another kind */
    close(fd);
    unlink(path);
    path[strlen(path) - 2] = '\0';
    rmdir(path);
}

/* What a probe sees of an LMTP server that greets so. */
static void try_greeting(const char *greeting, struct setup_probe *out)
{
    struct setup_address address = {.kind = SETUP_LMTP, .path = "/tmp/test_setup.XXXXXX"};
    struct setup_who who = {.uid = geteuid(), .gid = getegid(), .group_count = 1};
    char octets[16];

    assert_non_null(mkdtemp(address.path));
    strcat(address.path, "/s");
    int listener = bound_socket(address.path, SOCK_STREAM);
    assert_int_equal(listen(listener, 1), 0);
    pid_t server = fork();
    if (server == 0) {
        int fd = accept(listener, NULL, NULL);

        _exit(write(fd, greeting, strlen(greeting)) == (ssize_t)strlen(greeting) &&
                      read(fd, octets, sizeof(octets)) == 6 && memcmp(octets, "QUIT\r\n", 6) == 0
                  ? 0
                  : 1);
    }
    who.groups[0] = who.gid;
    assert_int_equal(setup_probe(&who, &address, out), 0);
    int status;
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_int_equal(WEXITSTATUS(status), out->stage == SETUP_STAGE_DONE ? 0 : 1);
    close(listener);
    unlink(address.path);
    address.path[strlen(address.path) - 2] = '\0';
    rmdir(address.path);
}

static void test_greeting(void **state)
{
    static const struct {
        const char *greeting;
        enum setup_stage stage;
        bool ours;
    } greetings[] = {
        {"220 mail.example.org LMTP\r\n", SETUP_STAGE_DONE, true},
        {"220 mail.example.org Dovecot ready.\r\n", SETUP_STAGE_DONE, false},
        {"421 4.3.2 mail.example.org LMTP\r\n", SETUP_STAGE_DONE, false},
        {"\r\n", SETUP_STAGE_ANSWER, false},
        {"", SETUP_STAGE_ANSWER, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
        struct setup_probe probe;

        try_greeting(greetings[i].greeting, &probe);
        assert_int_equal(probe.stage, greetings[i].stage);
        assert_int_equal(probe.ours, greetings[i].ours);
    }
}

/* What is found of a file with keys of tickets; `socket`: that of the filter. */
static const char *seen_of_key(char *path, char *socket)
{
    static char seen[600];
    struct config config = {.milter.socket = socket, .deliver.ticket_key = path};
    struct setup_report report = {.count = 0};
    struct setup_who who;
    char err[200];

    assert_int_equal(setup_who_find("nobody", &who, err, sizeof(err)), 0);
    setup_check_ticket_key(&config, &who, &report);
    assert_int_equal(report.count, 1);
    assert_string_equal(report.items[0].name, "ticket-key");
    snprintf(seen, sizeof(seen), "%d %s%s", (int)report.items[0].state,
             report.items[0].commands != NULL ? report.items[0].commands : "",
             report.items[0].reloads != NULL ? report.items[0].reloads : "");
    setup_report_fini(&report);
    return seen;
}

static void write_key(const char *path, const char *text, mode_t mode, uid_t uid)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chown(path, uid, (gid_t)-1), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_ticket_key(void **state)
{
    static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
    static char socket[] = "unix:/run/milter.sock";
    char path[60] = "/tmp/test_setup.XXXXXX", wanted[300];
    struct setup_who who;
    (void)state;

    if (getuid() != 0) {
        snprintf(wanted, sizeof(wanted), "%d ", (int)SETUP_UNKNOWN);
        assert_string_equal(seen_of_key(path, socket), wanted);
        return;
    }
    assert_int_equal(setup_who_find("nobody", &who, wanted, sizeof(wanted)), 0);
    assert_non_null(mkdtemp(path));
    assert_int_equal(chmod(path, 0755), 0);
    strcat(path, "/key");
    snprintf(wanted, sizeof(wanted), "%d systemctl restart requiretls-milter\n", SETUP_ERROR);
    assert_string_equal(seen_of_key(path, socket), wanted); /* missing */
    snprintf(wanted, sizeof(wanted), "%d ", SETUP_OK);
    write_key(path, key, 0640, who.uid);
    assert_string_equal(seen_of_key(path, socket), wanted);
    snprintf(wanted, sizeof(wanted),
             "%d chown nobody '%s'\nchmod 0640 '%s'\nsystemctl reload requiretls-milter\n",
             SETUP_ERROR, path, path);
    write_key(path, key, 0644, who.uid);
    assert_string_equal(seen_of_key(path, socket), wanted); /* others can read it */
    write_key(path, key, 0600, 0);
    assert_string_equal(seen_of_key(path, socket), wanted); /* it cannot */
    snprintf(wanted, sizeof(wanted), "%d ", SETUP_ERROR);
    assert_string_equal(seen_of_key(path, NULL), wanted); /* the agent does not mend the filter's */
    write_key(path, "no key\n", 0640, who.uid);
    assert_string_equal(seen_of_key(path, socket), wanted);
    unlink(path);
    path[strlen(path) - 4] = '\0';
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running),
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_long_addresses),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_postconf),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_long_command),
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_edit_routes),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_tlsrpt_socket),
        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_ticket_key),
        cmocka_unit_test(test_as),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
