/*
 * The files of the shared cache, as the daemon reads them: what is said of each that cannot be
 * used, with its line in the configuration, and that nothing is kept then.
 */
#include "config/shared_files.h"
#include "config_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "0123456789abcdef0123456789abcdef\n"

struct world {
    char dir[64], key[80], password[80];
    char errors[1000], warnings[1000];
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof(*w));
    strcpy(w->dir, "/tmp/test_shared_files.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->key, sizeof(w->key), "%s/key", w->dir);
    snprintf(w->password, sizeof(w->password), "%s/password", w->dir);
}

static void end(struct world *w)
{
    unlink(w->key);
    unlink(w->password);
    assert_int_equal(rmdir(w->dir), 0);
}

static void on_error(void *arg, const char *message)
{
    strcat(((struct world *)arg)->errors, message);
}

static void on_warning(void *arg, const char *message)
{
    strcat(((struct world *)arg)->warnings, message);
}

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static int read_files(struct world *w, bool shared, bool password, struct shared_files *out)
{
    char text[500];
    struct config *config;
    int error;

    snprintf(text, sizeof(text), "[cache]\n%sshared_key = %s\n%s%s\n",
             shared ? "shared = redis://192.0.2.1\n" : "\n", w->key,
             password ? "shared_password = " : "", password ? w->password : "");
    config = config_from_text(text, "mail.own.example");
    w->errors[0] = w->warnings[0] = '\0';
    memset(out, 'x', sizeof(*out));
    error = shared_files_read(config, out, on_error, on_warning, w);
    config_unref(config);
    return error;
}

static void assert_empty(const struct shared_files *files)
{
    static const struct shared_files none;

    assert_memory_equal(files, &none, sizeof(none));
}

static void nothing_is_read_where_nothing_is_shared(void **state)
{
    struct shared_files files;
    struct world w;

    (void)state;
    begin(&w);
    assert_int_equal(read_files(&w, false, false, &files), 0);
    assert_empty(&files);
    assert_string_equal(w.errors, "");
    end(&w);
}

static void key_and_password(void **state)
{
    struct shared_files files;
    struct world w;

    (void)state;
    begin(&w);
    put(w.key, "# ours\n" KEY "another key, which is as long as it must be\n", 0640);
    put(w.password, "# of the servers\n\n pass word \n", 0600);
    assert_int_equal(read_files(&w, true, false, &files), 0);
    assert_int_equal(files.keys.count, 2);
    assert_string_equal(files.password, "");
    assert_int_equal(read_files(&w, true, true, &files), 0);
    assert_string_equal(files.password, " pass word");
    assert_string_equal(w.errors, "");
    assert_string_equal(w.warnings, "");
    shared_files_forget(&files);
    assert_empty(&files);
    end(&w);
}

static void a_key_that_others_can_read_is_a_warning(void **state)
{
    struct shared_files files;
    struct world w;

    (void)state;
    begin(&w);
    put(w.key, KEY, 0644);
    assert_int_equal(read_files(&w, true, false, &files), 0);
    assert_int_equal(files.keys.count, 1);
    assert_string_equal(w.errors, "");
    assert_non_null(strstr(w.warnings, ":3: shared_key: "));
    assert_non_null(strstr(w.warnings, "chmod 0640"));
    end(&w);
}

static void what_cannot_be_used(void **state)
{
    static const struct {
        const char *key;
        mode_t key_mode;
        const char *password;
        mode_t password_mode;
        int error;
        const char *says;
    } rows[] = {
        {NULL, 0, "p\n", 0600, -ENOENT, ":3: shared_key: "},
        {"too short\n", 0600, "p\n", 0600, -EINVAL, ":1: a key has 32 octets at least"},
        {"# none\n", 0600, "p\n", 0600, -EINVAL, "shared_key: "},
        {KEY, 0620, "p\n", 0600, -EPERM, "shared_key: "},
        {KEY, 0600, NULL, 0, -ENOENT, ":4: shared_password: "},
        {KEY, 0600, "p\n", 0644, -EPERM, ":4: shared_password: "},
        {KEY, 0600, "p\nq\n", 0600, -EINVAL, ":2: a second line: the password is one"},
        {KEY, 0600, "p\001q\n", 0600, -EINVAL, ":1: a control character"},
        {KEY, 0600, "\n", 0600, -EINVAL, ":4: shared_password: "},
    };
    struct shared_files files;
    struct world w;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin(&w);
        if (rows[i].key != NULL)
            put(w.key, rows[i].key, rows[i].key_mode);
        if (rows[i].password != NULL)
            put(w.password, rows[i].password, rows[i].password_mode);
        assert_int_equal(read_files(&w, true, true, &files), rows[i].error);
        if (strstr(w.errors, rows[i].says) == NULL)
            fail_msg("row %zu: `%s`, wanted `%s`", i, w.errors, rows[i].says);
        assert_empty(&files);
        end(&w);
    }
}

static void a_long_password(void **state)
{
    char text[SHARED_PASSWORD_MAX + 3];
    struct shared_files files;
    struct world w;

    (void)state;
    begin(&w);
    put(w.key, KEY, 0600);
    memset(text, 'p', sizeof(text));
    strcpy(text + SHARED_PASSWORD_MAX, "\n");
    put(w.password, text, 0600);
    assert_int_equal(read_files(&w, true, true, &files), 0);
    assert_int_equal(strlen(files.password), SHARED_PASSWORD_MAX);
    strcpy(text + SHARED_PASSWORD_MAX, "p\n");
    put(w.password, text, 0600);
    assert_int_equal(read_files(&w, true, true, &files), -EINVAL);
    assert_non_null(strstr(w.errors, "512 octets at most"));
    assert_null(strstr(w.errors, "ppp"));
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_read_where_nothing_is_shared),
        cmocka_unit_test(key_and_password),
        cmocka_unit_test(a_key_that_others_can_read_is_a_warning),
        cmocka_unit_test(what_cannot_be_used),
        cmocka_unit_test(a_long_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
