/* Whose a way to a socket is: root's alone, or one that somebody else could turn elsewhere. As
 * root. */
#include "base/socket_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHER = 65534, PATH_SIZE = 200 };

static char top[] = "/tmp/test_socket_file.XXXXXX";

static const char *below(const char *name)
{
    static char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/%s", top, name);
    return path;
}

static void directory(const char *name, uid_t uid, mode_t mode)
{
    assert_int_equal(mkdir(below(name), 0700), 0);
    assert_int_equal(chown(below(name), uid, (gid_t)-1), 0);
    assert_int_equal(chmod(below(name), mode), 0);
}

static void link_to(const char *target, const char *name, uid_t uid)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s", below(target));
    assert_int_equal(symlink(path, below(name)), 0);
    assert_int_equal(lchown(below(name), uid, (gid_t)-1), 0);
}

static int make(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    directory("roots", 0, 0755);
    directory("roots/below", 0, 0700);
    directory("sticky", 0, 01777);
    directory("sticky/roots", 0, 0755);
    directory("open", 0, 0777);
    directory("group", 0, 0775);
    directory("other", OTHER, 0755);
    directory("other/roots", 0, 0755);
    link_to("roots", "link", 0);
    link_to("other", "link-to-others", 0);
    link_to("roots", "others-link", OTHER);
    return 0;
}

static int unmake(void **state)
{
    char command[PATH_SIZE];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", top);
    return system(command);
}

static const struct {
    const char *name;
    bool roots;
} cases[] = {
    {"roots", true},           {"roots/below", true},
    {"roots/", true},          {"sticky", true},
    {"sticky/roots", true},    {"link", true},
    {"link/below", true},      {"open", false},
    {"group", false},          {"other", false},
    {"other/roots", false},    {"link-to-others", false},
    {"others-link", false},    {"others-link/below", false},
    {"roots/../other", false}, {"other/../roots", false},
    {"missing", false},
};

static void whose_a_directory_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (socket_file_is_roots(below(cases[i].name)) != cases[i].roots)
            fail_msg("%s: %s", cases[i].name, cases[i].roots ? "is root's" : "is not root's alone");
    }
    assert_true(socket_file_is_roots("/"));
    assert_false(socket_file_is_roots("roots"));
    assert_false(socket_file_is_roots(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_a_directory_is),
    };
    return cmocka_run_group_tests_name("socket_file", tests, make, unmake);
}
