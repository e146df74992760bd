/*
 * Parts of the set-up check: addresses as MTAs write them, the report, programs and other users'
 * eyes.
 */
#include "query/query.h"
#include "setup/postfix/postconf.h"
#include "setup/postfix/postfix_proxy.h"
#include "setup/postfix/postfix_table.h"
#include "setup/setup_address.h"
#include "setup/setup_ca.h"
#include "setup/setup_report.h"
#include "setup/setup_run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
    char kind; /* m: Postfix's milter, s: its socketmap, M and S: sendmail's */
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

static void test_report(void **state)
{
    struct setup_report report = {0};
    char *text = NULL;
    size_t len = 0;

    (void)state;
    setup_remedy(&report, "nothing to be mended yet");
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_SATISFIED);
    setup_add(&report, SETUP_OK, "one", "fine");
    setup_add(&report, SETUP_WARNING, "two", "%s", "a\nb\x1b[2J\"");
    setup_remedy(&report, "do %d", 7);
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_SATISFIED);
    setup_add(&report, SETUP_UNKNOWN, "three", "who knows");
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_UNDECIDED);
    setup_add(&report, SETUP_ERROR, "two", "wrong");
    assert_int_equal(setup_exit_code(&report), QUERY_EXIT_UNSATISFIED);
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(setup_print(&report, false, out), 0);
    fclose(out);
    assert_string_equal(text, "ok       one: fine\n"
                              "warning  two: a?b?[2J\"\n"
                              "         -> do 7\n"
                              "unknown  three: who knows\n"
                              "error    two: wrong\n"
                              "1 errors, 1 warnings, 1 not known\n");
    free(text);
    out = open_memstream(&text, &len);
    assert_int_equal(setup_print(&report, true, out), 0);
    fclose(out);
    assert_non_null(strstr(text, "{\"state\":\"warning\",\"name\":\"two\",\"text\":\"a?b?[2J\\\"\","
                                 "\"remedy\":\"do 7\"}"));
    assert_non_null(strstr(text, "\"errors\":1,\"warnings\":1,\"unknown\":1}\n"));
    free(text);
    setup_report_fini(&report);
}

static void test_run(void **state)
{
    const char *const fine[] = {"sh", "-c", "echo out; echo err >&2; echo more >&2; exit 3", NULL};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_long_addresses),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_postconf),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_as),
        cmocka_unit_test(test_certificates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
