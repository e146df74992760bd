/* The file of [cache] shared_key: its keys, and the files that are none. */
#include "config/shared_key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_A "0123456789abcdef0123456789abcdef"
#define KEY_B "  the second of the keys, longer than the first! "

static char dir[64], path[80];

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/test_shared_key_file.XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/shared.key", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    rmdir(path);
    return rmdir(dir);
}

static void put(const char *text, size_t len, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_no_keys(const struct shared_mac_keys *keys)
{
    static const struct shared_mac_keys none;

    assert_memory_equal(keys, &none, sizeof(none));
}

/* Reads the file; `says` must be in the message, which names the file and has no key. */
static void refuse(int error, const char *says)
{
    struct shared_mac_keys keys;
    char err[400] = "";
    int got;

    memset(&keys, 0x55, sizeof(keys));
    got = shared_key_file_read(path, &keys, err, sizeof(err));
    if (got != error || strstr(err, says) == NULL || strstr(err, path) == NULL ||
        strstr(err, "01234567") != NULL)
        fail_msg("%d, %s", got, err);
    assert_no_keys(&keys);
}

static void reads(void **state)
{
    static const char text[] = "# a comment\n\n" KEY_A " \r\n" KEY_B "\n" KEY_A;
    struct shared_mac_keys keys;
    char err[400] = "";

    (void)state;
    memset(&keys, 0x55, sizeof(keys));
    put(text, strlen(text), 0640);
    assert_int_equal(shared_key_file_read(path, &keys, err, sizeof(err)), 0);
    assert_string_equal(err, "");
    assert_int_equal(keys.count, 3);
    assert_int_equal(keys.lens[0], 32);
    assert_memory_equal(keys.keys[0], KEY_A, 32);
    assert_int_equal(keys.lens[1], strlen(KEY_B) - 1);
    assert_memory_equal(keys.keys[1], KEY_B, keys.lens[1]);
    assert_int_equal(keys.lens[2], 32);
    shared_key_file_forget(&keys);
    assert_no_keys(&keys);
}

static void reads_the_longest_and_the_most(void **state)
{
    char text[SHARED_MAC_KEYS_MAX * (SHARED_MAC_KEY_MAX + 1) + 2];
    struct shared_mac_keys keys;
    char err[400] = "";

    (void)state;
    memset(text, 'k', sizeof(text));
    for (size_t i = 1; i <= SHARED_MAC_KEYS_MAX; i++)
        text[i * (SHARED_MAC_KEY_MAX + 1) - 1] = '\n';
    put(text, sizeof(text) - 2, 0600);
    assert_int_equal(shared_key_file_read(path, &keys, err, sizeof(err)), 0);
    assert_int_equal(keys.count, SHARED_MAC_KEYS_MAX);
    assert_int_equal(keys.lens[SHARED_MAC_KEYS_MAX - 1], SHARED_MAC_KEY_MAX);
    put(text, sizeof(text), 0600);
    refuse(-EINVAL, ":9: more than 8 keys");
}

static void refuses_what_is_no_key_file(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no key"},
        {"# only a comment, however long it is, is no key\n", "no key"},
        {"0123456789abcdef0123456789abcde\n", ":1: a key has 32 octets at least"},
        {KEY_A "\n0123456789abcdef0123456789abcde \t\r\n", ":2: a key has 32 octets at least"},
        {KEY_A "\t" KEY_A "\n", ":1: a key is printable ASCII"},
        {KEY_A "\xc3\xa4\n", ":1: a key is printable ASCII"},
        {KEY_A "\x7f\n", ":1: a key is printable ASCII"},
    };
    static char long_text[20000];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(cases[i].text, strlen(cases[i].text), 0640);
        refuse(-EINVAL, cases[i].says);
    }
    put(KEY_A "\0\n", 34, 0640);
    refuse(-EINVAL, ":1: a key is printable ASCII");
    memset(long_text, 'k', sizeof(long_text));
    put(long_text, SHARED_MAC_KEY_MAX + 1, 0640);
    refuse(-EINVAL, ":1: a key has 256 octets at most");
    put(long_text, sizeof(long_text), 0640);
    refuse(-EINVAL, "longer than");
    unlink(path);
    refuse(-ENOENT, "cannot be opened");
    assert_int_equal(mkdir(path, 0700), 0);
    refuse(-EINVAL, "not a regular file");
}

static void refuses_a_file_that_others_write(void **state)
{
    static const mode_t bad[] = {0660, 0602, 0620, 0666};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(KEY_A "\n", 33, bad[i]);
        refuse(-EPERM, "chmod 0640");
    }
}

static void warns_of_a_file_that_others_read(void **state)
{
    static const mode_t warned[] = {0644, 0604, 0444, 0645};
    static const mode_t good[] = {0640, 0600, 0400, 0440};
    struct shared_mac_keys keys;
    char err[400];

    (void)state;
    for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]); i++) {
        put(KEY_A "\n", 33, warned[i]);
        err[0] = '\0';
        assert_int_equal(shared_key_file_read(path, &keys, err, sizeof(err)),
                         KEY_FILE_READ_BY_OTHERS);
        assert_non_null(strstr(err, path));
        assert_non_null(strstr(err, "others than its owner and group can read it"));
        assert_int_equal(keys.count, 1);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        put(KEY_A "\n", 33, good[i]);
        err[0] = '\0';
        assert_int_equal(shared_key_file_read(path, &keys, err, sizeof(err)), 0);
        assert_string_equal(err, "");
        assert_int_equal(keys.count, 1);
    }
    put("short\n", 6, 0644); /* an error is no warning */
    refuse(-EINVAL, "a key has 32 octets at least");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_the_longest_and_the_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_key_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_others_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(warns_of_a_file_that_others_read, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
