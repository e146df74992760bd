/* seen_store.c with seen_file.c: what a file keeps of queue ids, and what becomes of it when it is
 * damaged, taken, full or away. */
#include "dsn/seen_store.h"

#include "base/log.h"
#include "dsn/seen_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CAPACITY = 8, SOON_MS = 150, LONG_MS = 20000 };

struct store_path {
    char directory[64];
    char path[80];
};

static struct store_path make_store_path(void)
{
    struct store_path where;

    strcpy(where.directory, "/tmp/seen-store-XXXXXX");
    assert_non_null(mkdtemp(where.directory));
    snprintf(where.path, sizeof(where.path), "%s/queue-ids", where.directory);
    return where;
}

static void remove_store_path(const struct store_path *where)
{
    char name[120];

    unlink(where->path);
    for (int n = 1; n <= 3; n++) {
        snprintf(name, sizeof(name), "%s.set-aside.%d", where->path, n);
        unlink(name);
    }
    assert_int_equal(rmdir(where->directory), 0);
}

struct life {
    struct seen_ids *ids;
    struct seen_store *store;
    struct metrics *metrics;
};

static struct life begin(const struct store_path *where, unsigned retry_ms)
{
    struct life life = {.ids = seen_ids_new(CAPACITY)};

    assert_int_equal(metrics_new(&life.metrics), 0);
    assert_int_equal(seen_store_start(where->path, retry_ms, life.ids, life.metrics, &life.store),
                     0);
    return life;
}

static void end(struct life *life)
{
    seen_store_stop(life->store);
    seen_ids_free(life->ids);
    metrics_free(life->metrics);
}

/* Whether the warning stands. */
static bool is_down(const struct life *life)
{
    return metrics_standing(life->metrics, STANDING_QUEUE_IDS_DOWN);
}

static void wait_until_up(const struct life *life)
{
    for (int i = 0; i < 200 && is_down(life); i++)
        usleep(50000);
    assert_false(is_down(life));
}

static void add(struct life *life, const char *id)
{
    assert_true(seen_ids_add(life->ids, id));
    assert_true(seen_ids_wait_kept(life->ids, id, LONG_MS));
}

/* The ids that the next process knows, of a to z. */
static void assert_kept(const struct store_path *where, const char *wanted)
{
    struct life life = begin(where, 0);
    char got[27] = "", id[2] = "a";

    for (; id[0] <= 'z'; id[0]++) {
        if (seen_ids_contains(life.ids, id))
            strcat(got, id);
    }
    assert_string_equal(got, wanted);
    end(&life);
}

/* Octets over those at an offset; a negative one counts from the end. */
static void overwrite(const struct store_path *where, off_t offset, const char *text)
{
    int fd = open(where->path, O_WRONLY);

    assert_true(fd >= 0);
    assert_true(lseek(fd, offset, offset < 0 ? SEEK_END : SEEK_SET) >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static bool exists(const struct store_path *where, const char *suffix)
{
    char name[120];
    struct stat st;

    snprintf(name, sizeof(name), "%s%s", where->path, suffix);
    return lstat(name, &st) == 0;
}

static void ids_are_kept(void **state)
{
    struct store_path where = make_store_path();
    struct life life = begin(&where, 0);
    struct stat st;

    (void)state;
    add(&life, "a");
    add(&life, "b");
    add(&life, "c");
    seen_ids_remove(life.ids, "b");
    end(&life);
    assert_int_equal(stat(where.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_kept(&where, "ac");
    assert_kept(&where, "ac");
    remove_store_path(&where);
}

static void the_oldest_make_room_after_a_restart_too(void **state)
{
    struct store_path where = make_store_path();
    struct life life;
    struct stat st;
    char id[2] = "a";

    (void)state;
    for (int lives = 0; lives < 4; lives++) {
        life = begin(&where, 0);
        for (int i = 0; i < 3; i++, id[0]++)
            add(&life, id);
        end(&life);
    }
    assert_kept(&where, "efghijkl");
    assert_int_equal(stat(where.path, &st), 0);
    assert_int_equal(st.st_size, 64 * (1 + CAPACITY));
    remove_store_path(&where);
}

static void what_the_writer_has_not_taken_is_known_to_be_open(void **state)
{
    struct seen_ids *ids = seen_ids_new(2);
    struct seen_record record;
    size_t position;

    (void)state;
    assert_true(seen_ids_add(ids, "a"));
    assert_true(seen_ids_wait_kept(ids, "a", 0)); /* nobody writes */
    seen_ids_set_kept(ids, true);
    assert_false(seen_ids_wait_kept(ids, "a", 10));
    assert_true(seen_ids_take_change(ids, 0, &position, &record));
    assert_string_equal(record.id, "a");
    assert_false(seen_ids_wait_kept(ids, "a", 10));
    seen_ids_end_change(ids, position, false);
    assert_true(seen_ids_take_change(ids, 0, &position, &record));
    seen_ids_remove(ids, "a"); /* while it is being written */
    seen_ids_end_change(ids, position, true);
    assert_true(seen_ids_take_change(ids, 0, &position, &record));
    assert_string_equal(record.id, "");
    assert_int_equal(record.seq, 0);
    seen_ids_end_change(ids, position, true);
    assert_false(seen_ids_take_change(ids, 0, &position, &record));
    /* However many come: no more changes than positions. */
    for (int i = 0; i < 10; i++) {
        char id[8];

        snprintf(id, sizeof(id), "x%d", i);
        seen_ids_add(ids, id);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(seen_ids_take_change(ids, 0, &position, &record));
        seen_ids_end_change(ids, position, true);
    }
    assert_false(seen_ids_take_change(ids, 0, &position, &record));
    seen_ids_free(ids);
}

static void a_record_that_is_damaged_is_one_id(void **state)
{
    struct store_path where = make_store_path();
    struct life life = begin(&where, 0);

    (void)state;
    add(&life, "a");
    add(&life, "b");
    add(&life, "c");
    end(&life);
    overwrite(&where, 64 * 2 + 8, "x"); /* b's */
    assert_kept(&where, "ac");
    assert_true(exists(&where, ".set-aside.1"));
    assert_kept(&where, "ac");
    assert_false(exists(&where, ".set-aside.2"));
    /* A record at another's position, or cut short by a crash. */
    overwrite(&where, -20, "x");
    assert_kept(&where, "ac");
    assert_true(exists(&where, ".set-aside.2"));
    remove_store_path(&where);
}

static void another_file_is_set_aside(void **state)
{
    struct store_path where = make_store_path();
    struct life life;
    int fd = open(where.path, O_WRONLY | O_CREAT, 0600);

    (void)state;
    assert_int_equal(write(fd, "nothing of ours", 15), 15);
    close(fd);
    life = begin(&where, 0);
    assert_true(exists(&where, ".set-aside.1"));
    add(&life, "a");
    end(&life);
    assert_kept(&where, "a");
    overwrite(&where, 0, "R"); /* another version */
    assert_kept(&where, "");
    assert_true(exists(&where, ".set-aside.2"));
    remove_store_path(&where);
}

static void a_link_is_not_followed(void **state)
{
    struct store_path where = make_store_path(), other = make_store_path();
    struct life life;

    (void)state;
    assert_int_equal(symlink(other.path, where.path), 0);
    life = begin(&where, 0);
    add(&life, "a");
    end(&life);
    assert_false(exists(&other, ""));
    remove_store_path(&where);
    remove_store_path(&other);
}

static void one_process_at_a_time(void **state)
{
    struct store_path where = make_store_path();
    struct life first = begin(&where, 0), second;

    (void)state;
    add(&first, "a");
    second = begin(&where, SOON_MS);
    add(&second, "b"); /* at once: nobody writes it */
    assert_false(seen_ids_contains(second.ids, "a"));
    end(&first);
    /* It gets the file later, with what that has. */
    for (int i = 0; i < 200 && !seen_ids_contains(second.ids, "a"); i++)
        usleep(50000);
    assert_true(seen_ids_contains(second.ids, "a"));
    add(&second, "c");
    end(&second);
    assert_kept(&where, "abc");
    remove_store_path(&where);
}

static void a_directory_that_comes_later(void **state)
{
    struct store_path where = make_store_path();
    struct life life;

    (void)state;
    assert_int_equal(rmdir(where.directory), 0);
    life = begin(&where, SOON_MS);
    assert_true(is_down(&life));
    add(&life, "a");
    assert_int_equal(mkdir(where.directory, 0700), 0);
    wait_until_up(&life);
    add(&life, "b");
    end(&life);
    assert_kept(&where, "ab");
    remove_store_path(&where);
}

static void a_full_disk_costs_nothing_but_the_file(void **state)
{
    struct store_path where = make_store_path();
    struct life life = begin(&where, SOON_MS);
    struct rlimit before, limit;

    (void)state;
    add(&life, "a");
    assert_false(is_down(&life));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    add(&life, "b");
    add(&life, "c");
    assert_true(seen_ids_contains(life.ids, "b"));
    assert_true(is_down(&life));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    wait_until_up(&life);
    add(&life, "d");
    end(&life);
    assert_kept(&where, "abcd");
    remove_store_path(&where);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_kept),
        cmocka_unit_test(the_oldest_make_room_after_a_restart_too),
        cmocka_unit_test(what_the_writer_has_not_taken_is_known_to_be_open),
        cmocka_unit_test(a_record_that_is_damaged_is_one_id),
        cmocka_unit_test(another_file_is_set_aside),
        cmocka_unit_test(a_link_is_not_followed),
        cmocka_unit_test(one_process_at_a_time),
        cmocka_unit_test(a_directory_that_comes_later),
        cmocka_unit_test(a_full_disk_costs_nothing_but_the_file),
    };

    return cmocka_run_group_tests_name("seen_store", tests, NULL, NULL);
}
