/*
 * The durable store under damage: truncated at every page, overwritten at random, killed in the
 * middle of its work. Whatever it gives back must be, octet by octet, a policy that was written.
 */
#include "store_rows.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FLUSH_MS = 20000, FILE_MAX = 1024 * 1024, POLICIES = 40, PAGE = 4096, KILLS = 200 };

struct damage {
    struct store_rows rows;
    uint8_t good[FILE_MAX]; /* a whole file */
    uint8_t bad[FILE_MAX];
    size_t len;
    unsigned seed;
    unsigned set_aside, left_out, unharmed; /* how many trials ended so */
};

static unsigned next_random(struct damage *d, unsigned below)
{
    d->seed = d->seed * 1103515245 + 12345;
    return (d->seed >> 8) % below;
}

static int setup(void **state)
{
    struct damage *d = calloc(1, sizeof(*d));

    assert_non_null(d);
    store_rows_init(&d->rows);
    store_rows_open(&d->rows);
    for (unsigned i = 0; i < POLICIES; i++)
        store_rows_put(&d->rows, i, 1);
    assert_true(store_flush(d->rows.store, FLUSH_MS));
    store_rows_close(&d->rows);
    d->len = store_rows_read_file(d->rows.path, d->good, sizeof(d->good));
    assert_true(d->len > 20 * PAGE);
    d->seed = 20240607;
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct damage *d = *state;

    store_rows_fini(&d->rows);
    free(d);
    return 0;
}

/* The damaged file is opened: only whole policies are read (store_rows_open checks each), the
 * store works on, and after that it is sound. */
static void trial(struct damage *d, const uint8_t *data, size_t len)
{
    struct store_rows *rows = &d->rows;
    size_t loaded, after;

    unlink(store_rows_aside_name(rows, 1));
    store_rows_write_file(rows->path, data, len);
    loaded = store_rows_open(rows);
    assert_true(loaded <= POLICIES);
    if (store_rows_set_aside(rows) > 0)
        d->set_aside++;
    else if (strstr(rows->said, "were left out") != NULL)
        d->left_out++;
    else
        d->unharmed++;
    store_rows_put(rows, 1000, 2);
    assert_true(store_flush(rows->store, FLUSH_MS));
    store_rows_close(rows);
    after = store_rows_open(rows);
    assert_true(after >= 1);
    assert_int_equal(rows->last_number, 2);
    if (store_rows_set_aside(rows) == 0)
        assert_int_equal(after, loaded + 1);
    assert_string_equal(rows->said, "");
    store_rows_close(rows);
}

static void truncated_at_every_page(void **state)
{
    struct damage *d = *state;

    for (size_t len = 0; len < d->len; len += PAGE)
        trial(d, d->good, len);
    assert_int_equal(d->unharmed, 1); /* only the empty file, which is a new one */
}

static void truncated_anywhere(void **state)
{
    struct damage *d = *state;

    trial(d, d->good, 2); /* of a single octet SQLite says it is empty */
    trial(d, d->good, 99);
    trial(d, d->good, 100);
    trial(d, d->good, 511);
    for (size_t page = 0; page < d->len / PAGE; page += 3)
        trial(d, d->good, page * PAGE + 1 + next_random(d, PAGE - 1));
    assert_int_equal(d->unharmed, 0);
}

/* Whole pages replaced by noise, by zeroes, or by another page of the same file. */
static void pages_overwritten(void **state)
{
    struct damage *d = *state;
    size_t pages = d->len / PAGE;

    for (int i = 0; i < 120; i++) {
        memcpy(d->bad, d->good, d->len);
        for (unsigned n = 1 + next_random(d, 5); n > 0; n--) {
            uint8_t *page = d->bad + next_random(d, (unsigned)pages) * PAGE;

            if (i % 3 == 0)
                memset(page, 0, PAGE);
            else if (i % 3 == 1)
                memcpy(page, d->good + next_random(d, (unsigned)pages) * PAGE, PAGE);
            else
                for (int o = 0; o < PAGE; o++)
                    page[o] = (uint8_t)next_random(d, 256);
        }
        trial(d, d->bad, d->len);
    }
    assert_true(d->set_aside > 0);
    assert_true(d->left_out > 0);
}

/* Single octets: most lie in a policy's body, where every page stays well-formed. */
static void octets_changed(void **state)
{
    struct damage *d = *state;

    for (int i = 0; i < 200; i++) {
        memcpy(d->bad, d->good, d->len);
        for (unsigned n = 1 + next_random(d, 4); n > 0; n--)
            d->bad[next_random(d, (unsigned)d->len)] ^= (uint8_t)(1 + next_random(d, 255));
        trial(d, d->bad, d->len);
    }
    assert_true(d->left_out > 50);
    assert_true(d->unharmed > 0); /* a hit beside all policies */
}

/* A writer that never stops; the parent ends it, once it has written something. */
static void write_for_ever(struct store_rows *rows, unsigned from, int ready)
{
    store_rows_put(rows, 0, from);
    if (!store_flush(rows->store, FLUSH_MS) || write(ready, "x", 1) != 1)
        _exit(1);
    for (unsigned number = from + 1;; number++) {
        for (unsigned i = 0; i < 20; i++)
            store_rows_put(rows, i, number);
        if (number % 5 == 0)
            store_delete(rows->store, "d3.example");
        if (number % 7 == 0)
            store_touch(rows->store, "d4.example", number);
        if (number % 3 == 0)
            store_flush(rows->store, FLUSH_MS);
    }
}

static void killed_while_writing(void **state)
{
    struct damage *d = *state;
    struct store_rows *rows = &d->rows;
    unsigned progress = 0;

    unlink(rows->path);
    for (int i = 0; i < KILLS; i++) {
        int ready[2], status;
        pid_t pid;
        char c;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            store_rows_open(rows);
            write_for_ever(rows, progress + 1, ready[1]);
        }
        assert_int_equal(read(ready[0], &c, 1), 1);
        usleep(next_random(d, 30000));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        close(ready[0]);
        close(ready[1]);

        store_rows_open(rows);
        assert_string_equal(rows->said, "");
        assert_int_equal(store_rows_set_aside(rows), 0);
        assert_true(rows->loaded <= 20);
        assert_true(rows->last_number > progress);
        progress = rows->last_number;
        store_rows_close(rows);
    }
}

#define damage_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        damage_test(truncated_at_every_page), damage_test(truncated_anywhere),
        damage_test(pages_overwritten),       damage_test(octets_changed),
        damage_test(killed_while_writing),
    };

    return cmocka_run_group_tests_name("store_damage", tests, NULL, NULL);
}
