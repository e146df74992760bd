/*
 * The durable store of MTA-STS policies: what it keeps, and that nothing that happens to its file,
 * directory or disk costs more than durability. Damage inside the file: test_store_damage.c.
 */
#include "store/store_db.h"
#include "store_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { FLUSH_MS = 20000 };

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct store_rows));
    assert_non_null(*state);
    store_rows_init(*state);
    return 0;
}

static int teardown(void **state)
{
    store_rows_fini(*state);
    free(*state);
    return 0;
}

static void exec_sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* Fills a new file with this many policies. */
static void fill(struct store_rows *rows, unsigned count)
{
    assert_int_equal(store_rows_open(rows), 0);
    for (unsigned i = 0; i < count; i++)
        assert_true(store_rows_put(rows, i, 1));
    assert_true(store_flush(rows->store, FLUSH_MS));
    store_rows_close(rows);
    assert_int_equal(rows->warnings, 0);
}

/* ---- what it keeps ---- */

static void put_and_load(void **state)
{
    struct store_rows *rows = *state;
    struct store_stats stats;

    assert_int_equal(store_rows_open(rows), 0);
    for (unsigned i = 0; i < 500; i++)
        assert_true(store_rows_put(rows, i, 1));
    assert_true(store_flush(rows->store, FLUSH_MS));
    store_get_stats(rows->store, &stats);
    assert_int_equal(stats.written, 500);
    assert_int_equal(stats.queued, 0);
    assert_int_equal(stats.dropped, 0);
    assert_false(stats.failing);
    store_rows_close(rows);
    assert_int_equal(store_rows_open(rows), 500);
    assert_string_equal(rows->said, "");
}

static void newer_replaces_older(void **state)
{
    struct store_rows *rows = *state;

    fill(rows, 3);
    assert_int_equal(store_rows_open(rows), 3);
    assert_int_equal(rows->last_number, 1);
    store_rows_put(rows, 1, 2);
    store_rows_put(rows, 1, 3);
    store_rows_close(rows); /* writes what is queued */
    assert_int_equal(store_rows_open(rows), 3);
    assert_int_equal(rows->last_number, 3);
}

static void deleted_stays_deleted(void **state)
{
    struct store_rows *rows = *state;

    fill(rows, 3);
    store_rows_open(rows);
    store_delete(rows->store, "d1.example");
    store_delete(rows->store, "never.example");
    store_rows_put(rows, 9, 9);
    store_delete(rows->store, "d9.example");
    store_rows_close(rows);
    assert_int_equal(store_rows_open(rows), 2);
}

static int64_t used_at;

static void on_used(const struct store_policy *policy, uint32_t left_s, void *arg)
{
    (void)left_s;
    (void)arg;
    store_rows_check(policy);
    used_at = policy->used_at_s;
}

static void last_use_is_kept(void **state)
{
    struct store_rows *rows = *state;

    fill(rows, 1);
    store_rows_open(rows);
    store_touch(rows->store, "d0.example", STORE_ROWS_FETCHED_AT + 777);
    store_touch(rows->store, "never.example", 1);
    store_rows_close(rows);
    rows->store = store_new(&(struct store_config){.path = rows->path});
    assert_int_equal(store_load(rows->store, STORE_ROWS_FETCHED_AT, on_used, NULL), 1);
    assert_int_equal(used_at, STORE_ROWS_FETCHED_AT + 777);
}

static void mail_partners_are_private(void **state)
{
    struct store_rows *rows = *state;
    struct stat st;

    umask(0);
    fill(rows, 1);
    assert_int_equal(stat(rows->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* A year either way: see store_life.h for the rule, here that it is applied and written back. */
static void wall_clock_jumps(void **state)
{
    enum { DAY = 86400, YEAR = 365 * DAY };
    struct store_rows *rows = *state;
    int64_t then = STORE_ROWS_FETCHED_AT;

    fill(rows, 5);
    assert_int_equal(store_rows_open_at(rows, then - YEAR), 5);
    store_rows_close(rows);
    /* it now counts from there, and a week is all they got */
    assert_int_equal(store_rows_open_at(rows, then - YEAR + 6 * DAY), 5);
    store_rows_close(rows);
    /* the clock is right again: they are from the past, but not by a plausible time */
    assert_int_equal(store_rows_open_at(rows, then + DAY), 5);
    store_rows_close(rows);
    assert_int_equal(store_rows_open_at(rows, then + DAY + YEAR), 5);
    store_rows_close(rows);
    /* the fourth time they are not believed any more, and are gone for good */
    assert_int_equal(store_rows_open_at(rows, then + DAY), 0);
    store_rows_close(rows);
    assert_int_equal(store_rows_open_at(rows, then + YEAR), 0);
}

static void expired_is_deleted(void **state)
{
    struct store_rows *rows = *state;
    int64_t end = STORE_ROWS_FETCHED_AT + STORE_ROWS_MAX_AGE_S;

    fill(rows, 5);
    assert_int_equal(store_rows_open_at(rows, end - 1), 5);
    store_rows_close(rows);
    assert_int_equal(store_rows_open_at(rows, end), 0);
    store_rows_close(rows);
    assert_int_equal(store_rows_open_at(rows, end - 1), 0);
}

/* ---- files that are not ours ---- */

static void begun_again(struct store_rows *rows, unsigned aside, const char *why)
{
    assert_int_equal(store_rows_open(rows), 0);
    assert_int_equal(rows->warnings, 1);
    assert_non_null(strstr(rows->said, why));
    assert_non_null(strstr(rows->said, "set aside as "));
    assert_non_null(strstr(rows->said, ", beginning again"));
    assert_int_equal(store_rows_set_aside(rows), aside);
    store_rows_put(rows, 7, aside);
    assert_true(store_flush(rows->store, FLUSH_MS));
    store_rows_close(rows);
    assert_int_equal(store_rows_open(rows), 1);
    assert_string_equal(rows->said, "");
    assert_int_equal(rows->last_number, aside);
    store_rows_close(rows);
}

static void foreign_files(void **state)
{
    static const char text[] = "# resolv.conf\nnameserver 127.0.0.1\n";
    struct store_rows *rows = *state;
    uint8_t kept[200];

    store_rows_write_file(rows->path, text, sizeof(text) - 1);
    begun_again(rows, 1, "not a database");
    assert_int_equal(store_rows_read_file(store_rows_aside_name(rows, 1), kept, sizeof(kept)),
                     sizeof(text) - 1);
    assert_memory_equal(kept, text, sizeof(text) - 1);

    unlink(rows->path);
    exec_sql(rows->path, "CREATE TABLE policy(domain TEXT); PRAGMA application_id=1234");
    begun_again(rows, 2, "another application");

    unlink(rows->path);
    exec_sql(rows->path, "CREATE TABLE contacts(name TEXT)");
    begun_again(rows, 3, "another application");

    exec_sql(rows->path, "PRAGMA user_version=2");
    begun_again(rows, 4, "newer format");

    exec_sql(rows->path, "DROP TABLE policy");
    begun_again(rows, 5, "no such table");

    exec_sql(rows->path, "ALTER TABLE policy RENAME COLUMN sum TO hash");
    begun_again(rows, 6, "no such column");

    /* one that others have set to write-ahead logging is still ours */
    exec_sql(rows->path, "PRAGMA journal_mode=WAL");
    assert_int_equal(store_rows_open(rows), 1);
    assert_string_equal(rows->said, "");
}

static void empty_file_is_new(void **state)
{
    struct store_rows *rows = *state;

    store_rows_write_file(rows->path, "", 0);
    fill(rows, 2);
    assert_int_equal(store_rows_open(rows), 2);
}

/* A stale journal beside the new file would be played into it. */
static void journal_goes_along(void **state)
{
    struct store_rows *rows = *state;
    char journal[200], to[150];

    snprintf(journal, sizeof(journal), "%s-journal", rows->path);
    store_rows_write_file(rows->path, "a", 1);
    store_rows_write_file(journal, "b", 1);
    assert_int_equal(store_db_set_aside(rows->path, to, sizeof(to)), 0);
    assert_string_equal(to, store_rows_aside_name(rows, 1));
    assert_int_not_equal(access(rows->path, F_OK), 0);
    assert_int_not_equal(access(journal, F_OK), 0);
    snprintf(journal, sizeof(journal), "%s-journal", to);
    assert_int_equal(access(journal, F_OK), 0);
}

static void set_aside_is_bounded(void **state)
{
    struct store_rows *rows = *state;

    for (unsigned i = 1; i <= 9; i++) {
        store_rows_write_file(rows->path, "garbage, and more than a header of it", 37);
        begun_again(rows, i, "not a database");
    }
    store_rows_write_file(rows->path, "garbage, and more than a header of it", 37);
    assert_int_equal(store_rows_open(rows), 0);
    assert_int_equal(rows->warnings, 1);
    assert_non_null(strstr(rows->said, "too many files are set aside"));
    store_rows_put(rows, 1, 1);
    assert_false(store_flush(rows->store, FLUSH_MS));
}

static void path_is_a_directory(void **state)
{
    struct store_rows *rows = *state;

    assert_int_equal(mkdir(rows->path, 0700), 0);
    assert_int_equal(store_rows_open(rows), 0);
    assert_int_equal(rows->warnings, 1);
    assert_non_null(strstr(rows->said, "Is a directory; MTA-STS policies are kept in memory"));
    assert_int_equal(store_rows_set_aside(rows), 0);
}

/* ---- trouble that passes ---- */

/* Waits for the writer to have tried; true when all was written. */
static bool flushed(struct store_rows *rows)
{
    return store_flush(rows->store, FLUSH_MS);
}

static void missing_directory(void **state)
{
    struct store_rows *rows = *state;
    char dir[sizeof(rows->dir)], why[200] = "";

    memcpy(dir, rows->dir, sizeof(dir));
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(store_rows_open(rows), 0);
    assert_int_equal(rows->warnings, 1);
    assert_non_null(strstr(rows->said, "No such file or directory; MTA-STS policies are kept"));
    store_rows_put(rows, 1, 1);
    assert_false(flushed(rows));
    assert_false(flushed(rows));
    assert_int_equal(rows->warnings, 1);
    assert_false(store_is_up(rows->store, why, sizeof(why)));
    assert_non_null(strstr(why, "No such file or directory"));
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_true(flushed(rows));
    assert_true(store_is_up(rows->store, why, sizeof(why)));
    store_rows_close(rows);
    assert_int_equal(rows->warnings, 1);
    assert_int_equal(rows->notices, 1);
    assert_int_equal(store_rows_open(rows), 1);
}

/* With nothing to write, too, it is known to be in order soon after it is. */
static void mended_while_idle(void **state)
{
    struct store_rows *rows = *state;
    char why[200];

    assert_int_equal(rmdir(rows->dir), 0);
    store_rows_open(rows);
    assert_false(store_is_up(rows->store, why, sizeof(why)));
    assert_int_equal(mkdir(rows->dir, 0700), 0);
    for (int i = 0; i < 2000 && !store_is_up(rows->store, why, sizeof(why)); i++)
        usleep(10000);
    assert_true(store_is_up(rows->store, why, sizeof(why)));
    store_rows_close(rows);
    assert_int_equal(rows->notices, 1);
}

/* Nobody flushes: the writer itself does. */
static void retried_by_itself(void **state)
{
    struct store_rows *rows = *state;
    struct store_stats stats;

    assert_int_equal(rmdir(rows->dir), 0);
    store_rows_open(rows);
    store_rows_put(rows, 1, 1);
    assert_int_equal(mkdir(rows->dir, 0700), 0);
    for (int i = 0; i < 2000; i++) {
        store_get_stats(rows->store, &stats);
        if (stats.written == 1)
            break;
        usleep(10000);
    }
    assert_int_equal(stats.written, 1);
}

static void queue_is_bounded(void **state)
{
    struct store_rows *rows = *state;
    struct store_stats stats;
    unsigned put = 0, deleted = 0;

    assert_int_equal(rmdir(rows->dir), 0);
    store_rows_open(rows);
    for (unsigned i = 0; i < 5000; i++)
        put += store_rows_put(rows, i, 1);
    for (unsigned i = 0; i < 5000; i++)
        deleted += store_delete(rows->store, "d1.example");
    assert_int_equal(put, 2000);
    assert_int_equal(deleted, 2000);
    store_get_stats(rows->store, &stats);
    assert_int_equal(stats.queued, 4000);
    assert_int_equal(stats.dropped, 6000);
    assert_int_equal(mkdir(rows->dir, 0700), 0);
    assert_true(flushed(rows));
    assert_non_null(strstr(rows->said, "6000 changes were dropped"));
    store_rows_close(rows);
    assert_int_equal(store_rows_open(rows), 1999);
}

/* Few large policies are as much memory as many small ones. */
static void queue_is_bounded_in_octets(void **state)
{
    enum { OCTETS = 1024 * 1024, LARGE = 60 * 1024 };
    struct store_rows *rows = *state;
    char *body = calloc(1, LARGE);
    struct store_policy large = {
        .domain = "large.example", .id = "1", .mx = "", .body = body, .body_len = LARGE};
    unsigned put = 0, deleted = 0;

    rows->max_queued_octets = OCTETS;
    assert_int_equal(rmdir(rows->dir), 0);
    store_rows_open(rows);
    assert_true(store_has_room(rows->store));
    for (unsigned i = 0; i < 100; i++)
        put += store_put(rows->store, &large);
    assert_int_equal(put, OCTETS / LARGE);
    assert_false(store_has_room(rows->store));
    for (unsigned i = 0; i < 5; i++)
        deleted += store_delete(rows->store, "large.example");
    assert_int_equal(deleted, 5);
    free(body);
    assert_int_equal(mkdir(rows->dir, 0700), 0);
    assert_true(flushed(rows));
    assert_true(store_has_room(rows->store));
    assert_true(store_rows_put(rows, 1, 1));
    assert_true(flushed(rows));
}

/* What was dropped is missing in the file. */
static void dropped_changes_are_a_loss(void **state)
{
    struct store_rows *rows = *state;

    assert_int_equal(rmdir(rows->dir), 0);
    store_rows_open(rows);
    for (unsigned i = 0; i < 3000; i++)
        store_rows_put(rows, i, 1);
    assert_int_equal(mkdir(rows->dir, 0700), 0);
    assert_true(flushed(rows));
    assert_true(store_take_lost(rows->store));
    assert_false(store_take_lost(rows->store));
}

static void giant_policy_is_refused(void **state)
{
    struct store_rows *rows = *state;
    size_t len = 5 * 1024 * 1024;
    char *body = calloc(1, len);

    store_rows_open(rows);
    assert_false(
        store_put(rows->store,
                  &(struct store_policy){
                      .domain = "d.example", .id = "1", .mx = "", .body = body, .body_len = len}));
    free(body);
    store_rows_put(rows, 1, 1);
    assert_true(flushed(rows));
}

static void file_removed_while_running(void **state)
{
    struct store_rows *rows = *state;

    fill(rows, 3);
    store_rows_open(rows);
    assert_false(store_take_lost(rows->store));
    assert_int_equal(unlink(rows->path), 0);
    store_rows_put(rows, 5, 2);
    assert_true(flushed(rows));
    assert_true(store_take_lost(rows->store));
    store_rows_close(rows);
    assert_int_equal(store_rows_open(rows), 1);
}

/* Nothing is written, and still it is seen. */
static void file_moved_while_idle(void **state)
{
    struct store_rows *rows = *state;
    char to[sizeof(rows->path) + 8];
    bool lost = false;

    fill(rows, 3);
    store_rows_open(rows);
    snprintf(to, sizeof(to), "%s.moved", rows->path);
    assert_int_equal(rename(rows->path, to), 0);
    for (int i = 0; i < 2000 && !lost; i++) {
        usleep(10000);
        lost = store_take_lost(rows->store);
    }
    assert_true(lost);
    assert_int_equal(unlink(to), 0);
    assert_int_equal(access(rows->path, F_OK), 0);
}

static void table_dropped_while_running(void **state)
{
    struct store_rows *rows = *state;

    fill(rows, 3);
    store_rows_open(rows);
    exec_sql(rows->path, "DROP TABLE policy");
    store_rows_put(rows, 5, 2);
    assert_true(flushed(rows));
    assert_true(store_take_lost(rows->store));
    store_rows_close(rows);
    assert_int_equal(store_rows_set_aside(rows), 1);
    assert_int_equal(store_rows_open(rows), 1);
}

static void overwritten_while_running(void **state)
{
    struct store_rows *rows = *state;
    char garbage[20000];
    int fd;

    fill(rows, 20);
    store_rows_open(rows);
    memset(garbage, 'x', sizeof(garbage));
    fd = open(rows->path, O_WRONLY);
    assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
    close(fd);
    store_rows_put(rows, 5, 2);
    assert_true(flushed(rows));
    assert_true(store_take_lost(rows->store));
    store_rows_close(rows);
    assert_int_equal(store_rows_set_aside(rows), 1);
    assert_int_equal(rows->warnings, 1);
    assert_int_equal(store_rows_open(rows), 1);
}

/* Another process holds the file: wait, try again, and leave it where it is. */
static void locked_by_another(void **state)
{
    struct store_rows *rows = *state;
    sqlite3 *db;

    fill(rows, 3);
    assert_int_equal(sqlite3_open(rows->path, &db), SQLITE_OK);
    store_rows_open(rows);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    store_rows_put(rows, 5, 2);
    assert_false(flushed(rows));
    assert_int_equal(rows->warnings, 1);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_true(flushed(rows));
    store_rows_close(rows);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_rows_open(rows), 0);
    assert_int_equal(rows->warnings, 1);
    store_rows_close(rows);
    sqlite3_close(db);
    assert_int_equal(store_rows_set_aside(rows), 0);
    assert_int_equal(store_rows_open(rows), 4);
}

static void two_at_once(void **state)
{
    struct store_rows *rows = *state;
    struct store_rows other;

    store_rows_open(rows);
    other = *rows;
    store_rows_open(&other);
    for (unsigned i = 0; i < 200; i++) {
        store_rows_put(rows, i, 1);
        store_rows_put(&other, 100 + i, 1);
    }
    assert_true(flushed(rows));
    assert_true(flushed(&other));
    store_rows_close(&other);
    store_rows_close(rows);
    assert_int_equal(store_rows_open(rows), 300);
}

/* ---- disks: each in a child process with a mount namespace or a limit of its own ---- */

/* Runs body in a child whose failures are this test's. There, must() stands for cmocka's
 * assertions, which would go on with the parent's tests. */
static void in_child(void (*body)(struct store_rows *rows), struct store_rows *rows)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        body(rows);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* A disk of its own, of that size, on the test's directory. */
static void mount_disk(struct store_rows *rows, const char *options)
{
    if (unshare(CLONE_NEWNS) != 0)
        must(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
    must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    must(mount("none", rows->dir, "tmpfs", 0, options) == 0);
}

static void body_full_disk(struct store_rows *rows)
{
    struct store_rows reader = *rows;
    char filler[150], block[4096] = "x";
    unsigned i = 0;
    int fd;

    mount_disk(rows, "size=256k");
    store_rows_open(rows);
    for (; i < 5; i++)
        store_rows_put(rows, i, 1);
    must(flushed(rows));
    /* not an octet is left */
    snprintf(filler, sizeof(filler), "%s/filler", rows->dir);
    fd = open(filler, O_WRONLY | O_CREAT, 0600);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    must(errno == ENOSPC);
    close(fd);
    for (; i < 25; i++)
        store_rows_put(rows, i, 1);
    must(!flushed(rows));
    must(!flushed(rows));
    must(rows->warnings == 1);
    must(strstr(rows->said, "full") != NULL);
    /* another reader sees all that was written before, and nothing by halves */
    must(store_rows_open(&reader) == 5);
    store_rows_close(&reader);
    must(unlink(filler) == 0);
    must(flushed(rows));
    must(rows->warnings == 1 && rows->notices == 1);
    store_rows_close(rows);
    must(store_rows_open(rows) == 25);
    must(store_rows_set_aside(rows) == 0);
    store_rows_close(rows);
}

static void full_disk(void **state)
{
    in_child(body_full_disk, *state);
}

static void body_full_from_the_start(struct store_rows *rows)
{
    mount_disk(rows, "size=8k,nr_inodes=3");
    must(store_rows_open(rows) == 0);
    for (unsigned i = 0; i < 10; i++)
        store_rows_put(rows, i, 1);
    must(!flushed(rows));
    must(rows->warnings == 1);
    must(mount(NULL, rows->dir, NULL, MS_REMOUNT, "size=1m,nr_inodes=100") == 0);
    must(flushed(rows));
    store_rows_close(rows);
    must(store_rows_open(rows) == 10);
    must(store_rows_set_aside(rows) == 0);
    store_rows_close(rows);
}

static void full_from_the_start(void **state)
{
    in_child(body_full_from_the_start, *state);
}

static void body_read_only_disk(struct store_rows *rows)
{
    mount_disk(rows, "size=1m");
    store_rows_open(rows);
    for (unsigned i = 0; i < 5; i++)
        store_rows_put(rows, i, 1);
    must(flushed(rows));
    store_rows_close(rows);
    must(mount(NULL, rows->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    must(store_rows_open(rows) == 5); /* what is there counts */
    store_rows_put(rows, 5, 1);
    must(!flushed(rows));
    must(!flushed(rows));
    must(rows->warnings == 1);
    must(strstr(rows->said, "kept in memory") != NULL);
    must(mount(NULL, rows->dir, NULL, MS_REMOUNT, NULL) == 0);
    must(flushed(rows));
    store_rows_close(rows);
    must(store_rows_open(rows) == 6);
    must(store_rows_set_aside(rows) == 0);
    store_rows_close(rows);
}

static void read_only_disk(void **state)
{
    in_child(body_read_only_disk, *state);
}

static void body_no_permission(struct store_rows *rows)
{
    must(geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
    must(store_rows_open(rows) == 5);
    store_rows_put(rows, 5, 1);
    must(!flushed(rows));
    must(rows->warnings == 1);
    must(store_rows_set_aside(rows) == 0);
    store_rows_close(rows);
}

/* The file may be read, neither it nor its directory written. */
static void no_permission(void **state)
{
    struct store_rows *rows = *state;

    fill(rows, 5);
    assert_int_equal(chmod(rows->path, 0444), 0);
    assert_int_equal(chmod(rows->dir, 0555), 0);
    in_child(body_no_permission, rows);
    assert_int_equal(chmod(rows->dir, 0755), 0);
    assert_int_equal(store_rows_open(rows), 5);
}

static void body_file_size_limit(struct store_rows *rows)
{
    struct rlimit limit = {.rlim_cur = 64 * 1024, .rlim_max = 1024 * 1024};

    signal(SIGXFSZ, SIG_IGN);
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    store_rows_open(rows);
    for (unsigned i = 0; i < 5; i++)
        store_rows_put(rows, i, 1);
    must(flushed(rows));
    for (unsigned i = 5; i < 100; i++)
        store_rows_put(rows, i, 1);
    must(!flushed(rows));
    must(rows->warnings == 1);
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    must(flushed(rows));
    store_rows_close(rows);
    must(store_rows_open(rows) == 100);
    must(store_rows_set_aside(rows) == 0);
    store_rows_close(rows);
}

static void file_size_limit(void **state)
{
    in_child(body_file_size_limit, *state);
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(put_and_load),
        store_test(newer_replaces_older),
        store_test(deleted_stays_deleted),
        store_test(last_use_is_kept),
        store_test(mail_partners_are_private),
        store_test(wall_clock_jumps),
        store_test(expired_is_deleted),
        store_test(foreign_files),
        store_test(empty_file_is_new),
        store_test(journal_goes_along),
        store_test(set_aside_is_bounded),
        store_test(path_is_a_directory),
        store_test(missing_directory),
        store_test(retried_by_itself),
        store_test(mended_while_idle),
        store_test(queue_is_bounded),
        store_test(queue_is_bounded_in_octets),
        store_test(dropped_changes_are_a_loss),
        store_test(giant_policy_is_refused),
        store_test(file_removed_while_running),
        store_test(file_moved_while_idle),
        store_test(table_dropped_while_running),
        store_test(overwritten_while_running),
        store_test(locked_by_another),
        store_test(two_at_once),
        store_test(full_disk),
        store_test(full_from_the_start),
        store_test(read_only_disk),
        store_test(no_permission),
        store_test(file_size_limit),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
