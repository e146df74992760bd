/*
 * The file of credentials: which lines it may have, what each next-hop gets, whose file it must be,
 * and that no password is left in memory or shown in a message.
 */
#include "config/credentials.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void __real_free(void *p);
void __wrap_free(void *p);

/* What is looked for in memory that is freed, and how often it was there. */
static const char *secret;
static unsigned seen;
static char *watched;
static size_t watched_len;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    void *p = __real_calloc(count, size);

    if (secret != NULL && count == 1 && size > strlen(secret)) {
        watched = p;
        watched_len = size;
    }
    return p;
}

void __wrap_free(void *p)
{
    if (secret != NULL && p != NULL && p == watched) {
        seen += memmem(p, watched_len, secret, strlen(secret)) != NULL;
        watched = NULL;
    }
    __real_free(p);
}

static char path[64];

static void write_file(const char *text, size_t len, mode_t mode)
{
    int fd;

    strcpy(path, "/tmp/test_credentials.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int read_text(const char *text, struct credentials **out, char err[200])
{
    int error;

    write_file(text, strlen(text), 0600);
    error = credentials_read(path, out, err, 200);
    unlink(path);
    return error;
}

static bool find(const struct credentials *c, const char *name, const char **user,
                 const char **password)
{
    struct nexthop nexthop;

    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    return credentials_find(c, &nexthop, user, password);
}

/* --- lines ------------------------------------------------------------------------------------ */

static void test_find(void **state)
{
    static const struct {
        const char *nexthop, *user, *password; /* user NULL: there is none */
    } cases[] = {
        {"[relay.example.org]:587", "alice@example.org", "pa:ss word "},
        {"[RELAY.example.org.]:587", "alice@example.org", "pa:ss word "},
        {"[relay.example.org]", NULL, NULL},
        {"[relay.example.org]:465", NULL, NULL},
        {"relay.example.org", NULL, NULL},
        {"relay.example.org:587", NULL, NULL},
        {"example.net", "bob", "x"},
        {"example.net:25", "bob", "x"},
        {"mail.example.net", NULL, NULL},
        {"xn--bcher-kva.example", "carol", "gr\xc3\xbc\xc3\x9f"},
        {"[192.0.2.1]", "dora", "#1"},
        {"[IPv6:2001:db8::1]:26", "erin", "::"},
        {"a.example", "last", "line"},
    };
    static const char text[] = "# who may send where\n"
                               "   # indented\n"
                               "\n"
                               "[relay.example.org]:587 alice@example.org:pa:ss word \n"
                               "example.net\tbob:x\n"
                               "  B\xc3\xbc"
                               "cher.example \t carol:gr\xc3\xbc\xc3\x9f\n"
                               "[192.0.2.1]:25 dora:#1\n"
                               "[2001:db8::1]:26 erin:::\n"
                               "a.example last:line";
    struct credentials *c;
    char err[200];

    (void)state;
    assert_int_equal(read_text(text, &c, err), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *user = NULL, *password = NULL;

        print_message("# %s\n", cases[i].nexthop);
        assert_int_equal(find(c, cases[i].nexthop, &user, &password), cases[i].user != NULL);
        if (cases[i].user == NULL) {
            assert_null(user);
            continue;
        }
        assert_string_equal(user, cases[i].user);
        assert_string_equal(password, cases[i].password);
    }
    credentials_unref(credentials_ref(c));
    assert_true(find(c, "example.net", &(const char *){NULL}, &(const char *){NULL}));
    credentials_unref(c);
    credentials_unref(NULL);
    assert_false(find(NULL, "example.net", &(const char *){NULL}, &(const char *){NULL}));
}

/* Enough of them to see that they are sorted, and that room for them grows. */
static void test_many(void **state)
{
    enum { COUNT = 1000 };
    static char text[COUNT * 40];
    struct credentials *c;
    char err[200];
    size_t len = 0;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "d%d.example u%d:p%d\n",
                                i * 7 % COUNT, i * 7 % COUNT, i * 7 % COUNT);
    assert_int_equal(read_text(text, &c, err), 0);
    for (int i = 0; i < COUNT; i++) {
        const char *user, *password;
        char name[40], wanted[40];

        snprintf(name, sizeof(name), "d%d.example", i);
        assert_true(find(c, name, &user, &password));
        snprintf(wanted, sizeof(wanted), "p%d", i);
        assert_string_equal(password, wanted);
    }
    credentials_unref(c);
}

#define EXPECTED "expected a next-hop, a blank, user:password"

static void test_bad_lines(void **state)
{
    static const struct {
        const char *text, *err; /* behind the file's name */
    } cases[] = {
        {"a.example\n", ":1: " EXPECTED},
        {"a.example \n", ":1: " EXPECTED},
        {"#\n\na.example hunter2\n", ":3: " EXPECTED},
        {"a.example :hunter2\n", ":1: " EXPECTED},
        {"a.example alice:\n", ":1: " EXPECTED},
        {"a..example alice:hunter2\n",
         ":1: what comes first is no next-hop: a domain, [host] or [host]:port"},
        {"alice:hunter2 a.example:hunter2\n",
         ":1: what comes first is no next-hop: a domain, [host] or [host]:port"},
        {".example alice:hunter2\n",
         ":1: what comes first is no next-hop: a domain, [host] or [host]:port"},
        {"a.example alice:hunter2\r\n", ":1: a control character"},
        {"a.example al\x7fice:hunter2\n", ":1: a control character"},
        {"a.example alice:hunter2\nb.example x:y\nA.Example. bob:hunter2\n",
         ":3: a second line for this next-hop"},
        {"[a.example] alice:hunter2\n[a.example]:25 bob:hunter2\n",
         ":2: a second line for this next-hop"},
    };
    static char text[1200];
    struct credentials *c;
    char err[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_text(cases[i].text, &c, err), -EINVAL);
        assert_null(c);
        assert_memory_equal(err, path, strlen(path));
        assert_string_equal(err + strlen(path), cases[i].err);
        assert_null(strstr(err, "hunter2"));
    }
    snprintf(text, sizeof(text), "a.example u:%01000d\n", 0);
    assert_int_equal(read_text(text, &c, err), 0);
    credentials_unref(c);
    snprintf(text, sizeof(text), "a.example u:%01001d\n", 0);
    assert_int_equal(read_text(text, &c, err), -EINVAL);
    assert_string_equal(err + strlen(path), ":1: user name or password is longer than 1000 octets");
    write_file("a.example u\0:p", 14, 0600);
    assert_int_equal(credentials_read(path, &c, err, sizeof(err)), -EINVAL);
    assert_string_equal(err + strlen(path), ": holds a NUL");
    unlink(path);
}

/* --- the file --------------------------------------------------------------------------------- */

static void test_who_may_read(void **state)
{
    static const char others[] = ": others can read it or write to it: chmod 0640";
    static const char group[] =
        ": a group that is not this daemon's can read it: chmod 0600, or chgrp";
    static const struct {
        mode_t mode;
        bool of_another; /* user; else this one's or root's */
        gid_t gid;       /* 0: root's and this process' */
        const char *err;
    } cases[] = {
        {0600, false, 0, NULL},
        {0400, false, 0, NULL},
        {0640, false, 0, NULL},
        {0600, false, 65534, NULL},
        {0640, false, 65534, group},
        {0440, false, 65534, group},
        {0644, false, 0, others},
        {0604, false, 0, others},
        {0602, false, 0, others},
        {0601, false, 0, others},
        {0660, false, 0, others},
        {0620, false, 0, others},
        {0600, true, 0, ": belongs to neither root nor this user"},
    };
    struct credentials *c;
    char err[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_file("a.example u:p\n", 14, 0600);
        assert_int_equal(chown(path, cases[i].of_another ? 65534 : (uid_t)-1, cases[i].gid), 0);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        print_message("# %o\n", (unsigned)cases[i].mode);
        assert_int_equal(credentials_read(path, &c, err, sizeof(err)),
                         cases[i].err != NULL ? -EINVAL : 0);
        if (cases[i].err != NULL)
            assert_string_equal(err + strlen(path), cases[i].err);
        credentials_unref(c);
        unlink(path);
    }
}

static void test_no_file(void **state)
{
    struct credentials *c;
    char err[200];

    (void)state;
    assert_int_equal(credentials_read("/nonexistent/x", &c, err, sizeof(err)), -ENOENT);
    assert_string_equal(err, "/nonexistent/x: No such file or directory");
    assert_int_equal(credentials_read("/dev/null", &c, err, sizeof(err)), -EINVAL);
    assert_string_equal(err, "/dev/null: is no regular file");
    assert_int_equal(credentials_read("/tmp", &c, err, sizeof(err)), -EINVAL);
    assert_string_equal(err, "/tmp: is no regular file");
    strcpy(path, "/tmp/test_credentials.XXXXXX");
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(credentials_read(path, &c, err, sizeof(err)), -EINVAL); /* does not wait */
    unlink(path);
    write_file("", 0, 0600);
    assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
    assert_int_equal(credentials_read(path, &c, err, sizeof(err)), -EINVAL);
    assert_string_equal(err + strlen(path), ": is longer than 1 MiB");
    unlink(path);
    assert_int_equal(read_text("", &c, err), 0);
    assert_false(find(c, "example.net", &(const char *){NULL}, &(const char *){NULL}));
    credentials_unref(c);
}

/* Also after an error in a later line. */
static void test_overwritten(void **state)
{
    struct credentials *c;
    char err[200];

    (void)state;
    secret = "hunter2";
    assert_int_equal(read_text("a.example alice:hunter2\n", &c, err), 0);
    assert_non_null(watched);
    assert_non_null(memmem(watched, watched_len, "hunter2", 7));
    credentials_unref(c);
    assert_null(watched);
    assert_int_equal(read_text("a.example alice:hunter2\nb.example\n", &c, err), -EINVAL);
    assert_null(watched);
    secret = NULL;
    assert_int_equal(seen, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),      cmocka_unit_test(test_many),
        cmocka_unit_test(test_bad_lines), cmocka_unit_test(test_who_may_read),
        cmocka_unit_test(test_no_file),   cmocka_unit_test(test_overwritten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
