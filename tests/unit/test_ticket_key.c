/* ticket_key.c: the file of keys, read and made, and the files that are none. */
#include "ticket/ticket_key.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DIGITS_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DIGITS_B "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"

static char dir[64], path[80];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_ticket_key.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/ticket.key", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(path);
    return rmdir(dir); /* nothing else may be left in it */
}

static void put(const char *text, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_no_keys(const struct ticket_keys *keys)
{
    const struct ticket_keys none = {.count = 0};

    assert_memory_equal(keys, &none, sizeof(none));
}

/* Reads the file; `says` must be in the message, which names the file. */
static void refuse(int error, const char *says)
{
    struct ticket_keys keys = {.count = 3};
    char err[300] = "";
    int got = ticket_keys_read(path, &keys, err, sizeof(err));

    if (got != error || strstr(err, says) == NULL || strstr(err, path) == NULL)
        fail_msg("%d, %s", got, err);
    assert_no_keys(&keys);
}

static void reads(void **state)
{
    static const char text[] = "# a comment\n\n" DIGITS_A "\n" DIGITS_B " \r\n" DIGITS_A;
    struct ticket_keys keys;
    char err[300] = "";

    (void)state;
    put(text, strlen(text), 0640);
    assert_int_equal(ticket_keys_read(path, &keys, err, sizeof(err)), 0);
    assert_int_equal(keys.count, 3);
    for (size_t i = 0; i < TICKET_KEY_LEN; i++) {
        assert_int_equal(keys.keys[0][i], i % 16 * 0x11);
        assert_int_equal(keys.keys[1][i], (15 - i % 16) * 0x11);
    }
    assert_memory_equal(keys.keys[2], keys.keys[0], TICKET_KEY_LEN);
    ticket_keys_forget(&keys);
    assert_no_keys(&keys);
}

static void refuses_what_is_no_key_file(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no key"},
        {"# only a comment\n", "no key"},
        {"secret\n", ":1: a key is 64 hexadecimal digits"},
        {DIGITS_A "\n" DIGITS_A "0\n", ":2: a key is"},
        {DIGITS_A "\n\n00112233445566778899aabbccddeeff00112233445566778899aabbccddee\n", ":3: "},
        {"0x112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", ":1: a key is"},
        {" " DIGITS_A "\n", ":1: a key is"},
        {DIGITS_A "\n" DIGITS_A "\n" DIGITS_A "\n" DIGITS_A "\n" DIGITS_A "\n" DIGITS_A
                  "\n" DIGITS_A "\n" DIGITS_A "\n" DIGITS_A "\n",
         ":9: more than 8 keys"},
    };
    static char long_text[20000];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(cases[i].text, strlen(cases[i].text), 0640);
        refuse(-EINVAL, cases[i].says);
    }
    put(DIGITS_A "\0\n", 66, 0640);
    refuse(-EINVAL, ":1: a key is");
    memset(long_text, '\n', sizeof(long_text));
    put(long_text, sizeof(long_text), 0640);
    refuse(-EINVAL, "longer than");
}

static void refuses_a_file_that_others_know(void **state)
{
    static const mode_t bad[] = {0644, 0641, 0642, 0660, 0666, 0604};
    static const mode_t good[] = {0640, 0600, 0400, 0440};
    struct ticket_keys keys;
    char err[300] = "";

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(DIGITS_A "\n", 65, bad[i]);
        refuse(-EPERM, "chmod 0640");
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        unlink(path);
        put(DIGITS_A "\n", 65, good[i]);
        assert_int_equal(ticket_keys_read(path, &keys, err, sizeof(err)), 0);
    }
}

static void give(uid_t file_owner, uid_t dir_owner, mode_t dir_mode)
{
    assert_int_equal(chown(path, file_owner, 0), 0);
    assert_int_equal(chown(dir, dir_owner, 0), 0);
    assert_int_equal(chmod(dir, dir_mode), 0);
}

/* Needs root, to give files away. */
static void a_file_of_another_user(void **state)
{
    struct ticket_keys keys;
    char err[300] = "";

    (void)state;
    if (geteuid() != 0) {
        print_message("# not as root: nothing can be given away\n");
        return;
    }
    put(DIGITS_A "\n", 65, 0640);
    give(12345, 0, 01777); /* such as /tmp */
    refuse(-EPERM, "belongs to user 12345");
    give(12345, 0, 0770);
    refuse(-EPERM, "belongs to user 12345");
    give(12345, 12346, 0700);
    refuse(-EPERM, "belongs to user 12345");
    give(0, 12346, 0700);
    assert_int_equal(ticket_keys_read(path, &keys, err, sizeof(err)), 0);
    give(12345, 12345, 0770);
    assert_int_equal(ticket_keys_read(path, &keys, err, sizeof(err)), 0);
    give(12345, 0, 0755);
    assert_int_equal(ticket_keys_read(path, &keys, err, sizeof(err)), 0);
}

static void refuses_what_is_no_file(void **state)
{
    struct ticket_keys keys;
    char err[300] = "";

    (void)state;
    refuse(-ENOENT, "No such file");
    assert_int_equal(mkdir(path, 0700), 0);
    refuse(-EINVAL, "not a regular file");
    assert_int_equal(ticket_keys_read_or_make(path, &keys, err, sizeof(err)), -EINVAL);
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse(-EINVAL, "not a regular file");
}

static void makes_it_once(void **state)
{
    struct ticket_keys first, second;
    char err[300] = "";
    struct stat st;
    mode_t before = umask(0777);

    (void)state;
    assert_int_equal(ticket_keys_read_or_make(path, &first, err, sizeof(err)), 0);
    umask(before);
    assert_int_equal(first.count, 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(ticket_keys_read_or_make(path, &second, err, sizeof(err)), 0);
    assert_memory_equal(&first, &second, sizeof(first));
    unlink(path);
    assert_int_equal(ticket_keys_read_or_make(path, &second, err, sizeof(err)), 0);
    assert_memory_not_equal(first.keys[0], second.keys[0], TICKET_KEY_LEN);
}

/* A file that is wrong stays as it is. */
static void makes_none_in_the_place_of_another(void **state)
{
    struct ticket_keys keys;
    char err[300] = "", back[20] = "";
    int fd;

    (void)state;
    put("secret\n", 7, 0640);
    assert_int_equal(ticket_keys_read_or_make(path, &keys, err, sizeof(err)), -EINVAL);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, back, sizeof(back)), 7);
    close(fd);
    assert_string_equal(back, "secret\n");
    unlink(path);
    assert_int_equal(symlink("/nowhere/at/all", path), 0);
    assert_int_equal(ticket_keys_read_or_make(path, &keys, err, sizeof(err)), -ENOENT);
    unlink(path);
    assert_int_equal(ticket_keys_read_or_make("/nowhere/ticket.key", &keys, err, sizeof(err)),
                     -ENOENT);
    assert_non_null(strstr(err, "/nowhere/ticket.key: cannot be made"));
}

enum { MAKERS = 16 };

static void *make_one(void *arg)
{
    char err[300];

    if (ticket_keys_read_or_make(path, arg, err, sizeof(err)) != 0)
        memset(arg, 0, sizeof(struct ticket_keys));
    return NULL;
}

static void many_make_it_at_once(void **state)
{
    static struct ticket_keys keys[MAKERS];
    pthread_t threads[MAKERS];

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < MAKERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, make_one, &keys[i]), 0);
        for (int i = 0; i < MAKERS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < MAKERS; i++) {
            assert_int_equal(keys[i].count, 1);
            assert_memory_equal(&keys[i], &keys[0], sizeof(keys[0]));
        }
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_key_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_others_know, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_another_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(makes_it_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(makes_none_in_the_place_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_make_it_at_once, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
