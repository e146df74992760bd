/*
 * The set-up check of the shared cache, beside a real redis-server on unix sockets: what is found
 * of the file of keys, of the password, and of servers that take rows, take none, or are not there;
 * and that the rest is examined without the MTA's configuration.
 */
#include "config_text.h"
#include "report_text.h"
#include "setup/setup.h"
#include "setup/setup_run.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "0123456789abcdef0123456789abcdef\n"
#define PASSWORD "pass word"

/* Debian's mail and games; where there are none the case is skipped. */
enum { GROUP_OF_BOTH = 8, GROUP_OF_OTHERS = 60 };

enum { SOCKET_MAX = 80, TRIES = 1000, TRY_US = 20000 };

static char dir[40];
static pid_t primary, read_only;

static const char *in_dir(const char *name, char out[SOCKET_MAX])
{
    snprintf(out, SOCKET_MAX, "%s/%s", dir, name);
    return out;
}

static void put(const char *name, const char *text, mode_t mode)
{
    char path[SOCKET_MAX];
    FILE *file = fopen(in_dir(name, path), "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

/* A server at that socket; it ends with this process. */
static pid_t start(const char *name, const char *option, const char *value)
{
    char path[SOCKET_MAX];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pid_t pid;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_dir(name, path));
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* however this test ends */
        dup2(null, 1);
        for (int fd = 3; fd < 256; fd++)
            close(fd); /* a lock that we have been given is not the server's */
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--dir", dir, "--requirepass", PASSWORD, option, value, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < TRIES; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool there = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

        close(fd);
        if (there)
            return pid;
        usleep(TRY_US);
    }
    fail_msg("redis-server does not run");
    return -1;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/setup_shared.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    put("key", KEY, 0600);
    put("password", PASSWORD "\n", 0600);
    put("other", "another\n", 0600);
    put("open", KEY, 0644);
    put("short", "too short\n", 0600);
    primary = start("primary", "--maxmemory", "0");
    /* Of no other server: it takes no writes, and nothing else differs. */
    read_only = start("replica", "--replicaof", "127.0.0.1 1");
    return 0;
}

static void stop_server(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"key",   "password", "other",  "open",
                                        "short", "primary",  "replica"};
    char path[SOCKET_MAX];

    (void)state;
    stop_server(primary);
    stop_server(read_only);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_dir(names[i], path));
    return rmdir(dir);
}

static const struct {
    const char *name;
    const char *servers; /* names of sockets, separated by blanks */
    const char *key, *password;
    const char *found;
} rows[] = {
    {"all in order", "primary", "key", "password", ""},
    {"a replica behind a server that takes rows", "replica primary", "key", "password", ""},
    {"nobody there, behind one that is", "primary absent", "key", "password",
     "warning shared-cache;"},
    {"a replica alone", "replica", "key", "password", "warning shared-cache;"},
    {"nobody there", "absent", "key", "password", "warning shared-cache;"},
    {"another password", "primary", "key", "other", "warning shared-cache;"},
    {"no password", "primary", "key", NULL, "warning shared-cache;"},
    {"no file of a password", "primary", "key", "none", "error shared-cache;"},
    {"no key", "primary", "none", "password", "error shared-key;"},
    {"a short key", "primary", "short", "password", "error shared-key;"},
    {"a key for everybody", "primary", "open", "password", "warning shared-key;"},
};

static void check_row(size_t i, const struct setup_who *who)
{
    char text[1000] = "[cache]\nshared =", servers[100], path[SOCKET_MAX], found[500];
    struct setup_report report = {0};
    struct config *config;
    size_t len = strlen(text);

    snprintf(servers, sizeof(servers), "%s", rows[i].servers);
    for (char *rest = servers, *word; (word = strtok_r(rest, " ", &rest)) != NULL;)
        len += (size_t)snprintf(text + len, sizeof(text) - len, " unix:%s", in_dir(word, path));
    len += (size_t)snprintf(text + len, sizeof(text) - len, "\nshared_key = %s\n",
                            in_dir(rows[i].key, path));
    if (rows[i].password != NULL)
        snprintf(text + len, sizeof(text) - len, "shared_password = %s\n",
                 in_dir(rows[i].password, path));
    config = config_from_text(text, "mail.own.example");
    setup_check_shared(config, who, &report);
    report_to_text(&report, found, sizeof(found));
    if (strcmp(found, rows[i].found) != 0) {
        setup_print(&report, false, stderr);
        fail_msg("%s: `%s`, wanted `%s`", rows[i].name, found, rows[i].found);
    }
    for (size_t k = 0; k < report.count; k++)
        if (strstr(report.items[k].text, PASSWORD) != NULL ||
            strstr(report.items[k].text, "0123456789abcdef") != NULL)
            fail_msg("%s: it tells a secret: %s", rows[i].name, report.items[k].text);
    setup_report_fini(&report);
    config_unref(config);
}

static void what_is_found(void **state)
{
    struct setup_who who;
    const struct passwd *me = getpwuid(geteuid());
    char err[200];

    (void)state;
    assert_non_null(me);
    assert_int_equal(setup_who_find(me->pw_name, &who, err, sizeof(err)), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(i, &who);
}

/* Filter and agent read the same file by the filter's group: no command takes it from the filter.
 */
static void group_that_reads(void **state)
{
    static const struct {
        gid_t group;
        bool agent_alone, joins, keeps;
    } cases[] = {{GROUP_OF_BOTH, false, false, true},    {0, false, false, false},
                 {GROUP_OF_OTHERS, false, false, false}, {GROUP_OF_BOTH, true, false, true},
                 {GROUP_OF_OTHERS, true, true, true},    {0, true, false, false}};
    struct setup_who who = {
        .uid = 1, .gid = 1, .groups = {1, GROUP_OF_BOTH}, .group_count = 2, .name = "someone"};
    char path[SOCKET_MAX], text[300], wanted[200];

    (void)state;
    if (geteuid() != 0 || getgrgid(1) == NULL || getgrgid(GROUP_OF_BOTH) == NULL ||
        getgrgid(GROUP_OF_OTHERS) == NULL)
        skip();
    assert_int_equal(chmod(dir, 0755), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup_report report = {0};
        struct config *config;

        snprintf(text, sizeof(text), "[cache]\nshared_key = %s\n", in_dir("open", path));
        config = config_from_text(text, "mail.own.example");
        report.agent_alone = cases[i].agent_alone;
        assert_int_equal(chown(path, 0, cases[i].group), 0);
        setup_check_shared(config, &who, &report);
        assert_int_equal(report.count, 1);
        snprintf(wanted, sizeof(wanted), "chown root:%s '%s'\n",
                 getgrgid(cases[i].keeps ? cases[i].group : 1)->gr_name, path);
        assert_non_null(strstr(report.items[0].commands, wanted));
        assert_true((strstr(report.items[0].commands, "usermod -a -G ") != NULL) == cases[i].joins);
        assert_string_equal(report.items[0].reloads,
                            !cases[i].agent_alone ? "systemctl reload requiretls-milter\n"
                            : cases[i].joins      ? "systemctl restart requiretls-deliver\n"
                                                  : "systemctl reload requiretls-deliver\n");
        setup_report_fini(&report);
        config_unref(config);
    }
}

/* On a host with an MTA that is not known the rest is examined all the same. */
static void without_mta(void **state)
{
    char text[700], path[SOCKET_MAX], servers[SOCKET_MAX], found[1000];
    struct setup_report report = {0};
    struct config *config;

    (void)state;
    snprintf(text, sizeof(text),
             "[milter]\nuser = %s\n[dns]\nresolvers = 127.0.0.1:1\ntries = 1\ntimeout = 100ms\n"
             "[socketmap]\nlisten = unix:%s/none\n"
             "[cache]\nstore = memory\nshared = unix:%s\nshared_key = %s\n",
             getpwuid(geteuid())->pw_name, dir, in_dir("absent", servers), in_dir("key", path));
    config = config_from_text(text, "mail.own.example");
    assert_int_equal(setup_examine(config, "sendmail:/nonexistent/sendmail.cf", &report), 0);
    report_to_text(&report, found, sizeof(found));
    assert_non_null(strstr(found, "unknown mta;"));
    assert_non_null(strstr(found, "warning shared-cache;"));
    setup_report_fini(&report);
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_found),
                                       cmocka_unit_test(group_that_reads),
                                       cmocka_unit_test(without_mta)};

    if (access("/usr/bin/redis-server", X_OK) != 0) {
        puts("1..0 # SKIP there is no redis-server");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
