/* What the MTA-STS cache knows, and what probes have shown, survives a restart; what was forgotten
 * stays forgotten. */
#include "engine/engine_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include <cmocka.h>

#define NOW_S INT64_C(1800000000)
#define DAY_S INT64_C(86400)

enum { NOW_MS = 5000 };

struct clock_world {
    struct world world;
    int64_t wall_s;
};

struct fixture {
    struct clock_world clock;
    char dir[40];
    char path[60];
    struct sts_cache *cache;
    struct dane_seen *dane;
    struct probe_cache *probes;
    struct engine_store *store;
};

enum { PROBE_TTL_S = 86400, PROBE_NEGATIVE_TTL_S = 600 };

static size_t probe_octets = 1 << 20; /* that the next start has room for */

static int64_t mono_ms(struct world *w)
{
    (void)w;
    return NOW_MS;
}

static int64_t wall_s(struct world *w)
{
    return ((struct clock_world *)w)->wall_s;
}

static const struct world_ops clocks = {.mono_ms = mono_ms, .wall_s = wall_s};

static void start_at(struct fixture *f, int64_t now_s, size_t max)
{
    const struct engine_config config = {.store = f->path,
                                         .probe_ttl_ms = PROBE_TTL_S * 1000,
                                         .probe_negative_ttl_ms = PROBE_NEGATIVE_TTL_S * 1000};

    f->clock = (struct clock_world){.world.ops = &clocks, .wall_s = now_s};
    assert_int_equal(sts_cache_new(max, &f->cache), 0);
    assert_int_equal(dane_seen_new(&f->dane), 0);
    assert_int_equal(probe_cache_new(probe_octets, &f->probes), 0);
    f->store = engine_store_open(&config, &f->clock.world, f->cache, f->dane, f->probes);
    assert_non_null(f->store);
}

static void start(struct fixture *f)
{
    start_at(f, NOW_S, 100000);
}

static void shut_down(struct fixture *f)
{
    sts_cache_free(f->cache);
    dane_seen_free(f->dane);
    probe_cache_free(f->probes);
    engine_store_close(f->store);
    f->cache = NULL;
    f->store = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/engine-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/cache.db", f->dir);
    start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char journal[80];

    shut_down(f);
    snprintf(journal, sizeof(journal), "%s-journal", f->path);
    unlink(journal);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static struct sts_policy *parse(const char *text)
{
    struct sts_policy *policy;
    char err[100];

    assert_int_equal(sts_policy_parse(text, strlen(text), &policy, err, sizeof(err)), 0);
    return policy;
}

static void put(struct fixture *f, const char *domain, const char *text)
{
    assert_non_null(sts_cache_put(f->cache, domain, "id1", parse(text), text, strlen(text), NOW_MS,
                                  f->clock.wall_s));
}

static const struct sts_cached *get(struct fixture *f, const char *domain)
{
    return sts_cache_find(f->cache, domain, NOW_MS, false);
}

#define TEXT                                                                                       \
    "version: STSv1\nmode: enforce\nmx: MX.example.org\nmx: *.example.net\nnote: {x}\n"            \
    "max_age: 864000\n"

static void survives_a_restart(void **state)
{
    struct fixture *f = *state;
    const struct sts_cached *entry;

    put(f, "example.org", TEXT);
    shut_down(f);
    start_at(f, NOW_S + DAY_S, 1000);
    entry = get(f, "example.org");
    assert_non_null(entry);
    assert_string_equal(entry->id, "id1");
    assert_int_equal(entry->policy->mode, FINDINGS_STS_MODE_ENFORCE);
    assert_int_equal(entry->policy->max_age_s, 864000);
    assert_int_equal(entry->policy->mx_count, 2);
    assert_string_equal(entry->policy->mx[0], "mx.example.org");
    assert_string_equal(entry->policy->mx[1], "*.example.net");
    assert_string_equal(entry->policy->lines, TEXT);
    assert_int_equal(entry->fetched_wall_s, NOW_S);
    /* ten days from its fetch, of which one has passed */
    assert_int_equal(entry->fetched_ms, NOW_MS - DAY_S * 1000);
    assert_int_equal(entry->expires_ms, NOW_MS + 9 * DAY_S * 1000);
    assert_int_equal(entry->used_ms, NOW_MS - DAY_S * 1000);
}

static void expires_while_stopped(void **state)
{
    struct fixture *f = *state;

    put(f, "example.org", TEXT);
    shut_down(f);
    start_at(f, NOW_S + 10 * DAY_S, 1000);
    assert_null(get(f, "example.org"));
}

/* The clock was set by a year while the host was down: see store_life.h. */
static void wall_clock_jumps(void **state)
{
    struct fixture *f = *state;

    put(f, "example.org", TEXT);
    shut_down(f);
    start_at(f, NOW_S + 366 * DAY_S, 1000);
    assert_int_equal(get(f, "example.org")->expires_ms, NOW_MS + 7 * DAY_S * 1000);
    shut_down(f);
    start_at(f, NOW_S, 1000);
    assert_int_equal(get(f, "example.org")->expires_ms, NOW_MS + 7 * DAY_S * 1000);
}

static void forgotten_stays_forgotten(void **state)
{
    struct fixture *f = *state;

    put(f, "a.example", TEXT);
    put(f, "b.example", TEXT);
    shut_down(f);
    start(f);
    assert_true(sts_cache_forget(f->cache, "a.example"));
    shut_down(f);
    start(f);
    assert_null(get(f, "a.example"));
    assert_non_null(get(f, "b.example"));
}

static void a_newer_policy_replaces_it(void **state)
{
    struct fixture *f = *state;

    put(f, "example.org", TEXT);
    put(f, "example.org", "version: STSv1\nmode: none\nmax_age: 100000");
    shut_down(f);
    start(f);
    assert_int_equal(get(f, "example.org")->policy->mode, FINDINGS_STS_MODE_NONE);
    assert_int_equal(get(f, "example.org")->policy->mx_count, 0);
}

/* The cache keeps the first lines only; the patterns beyond them must not get lost. */
static void long_policy(void **state)
{
    enum { COUNT = 900 };
    struct fixture *f = *state;
    const struct sts_cached *entry;
    char *text = malloc(100 + COUNT * 40);
    size_t len = (size_t)sprintf(text, "version: STSv1\nmode: testing\nmax_age: 864000\n");

    for (int i = 0; i < COUNT; i++)
        len += (size_t)sprintf(text + len, "mx: mx%d.mail.example.org\n", i);
    put(f, "example.org", text);
    free(text);
    shut_down(f);
    start(f);
    entry = get(f, "example.org");
    assert_int_equal(entry->policy->mx_count, COUNT);
    assert_string_equal(entry->policy->mx[COUNT - 1], "mx899.mail.example.org");
    assert_int_equal(entry->policy->mode, FINDINGS_STS_MODE_TESTING);
    assert_int_equal(entry->policy->max_age_s, 864000);
}

static void odd_lines(void **state)
{
    struct fixture *f = *state;

    put(f, "example.org",
        "max_age: 9999999999\r\nversion: STSv1\r\nmx: *.*.x\r\nmode: enforce\r\nmode: none\r\n"
        "mx: a.example  \r\nx: \xc3\xa4\r\nmax_age: 1");
    shut_down(f);
    start(f);
    assert_int_equal(get(f, "example.org")->policy->max_age_s, 31557600);
    assert_int_equal(get(f, "example.org")->policy->mx_count, 1);
    assert_string_equal(get(f, "example.org")->policy->lines,
                        "max_age: 9999999999\nversion: STSv1\nmx: *.*.x\nmode: enforce\n"
                        "mode: none\nmx: a.example\nx: ??\nmax_age: 1\n");
}

/* The file holds no more than the cache. */
static void what_has_no_room_leaves_the_store(void **state)
{
    struct fixture *f = *state;
    char domain[40];

    for (int i = 0; i < 50; i++) {
        snprintf(domain, sizeof(domain), "d%d.example", i);
        put(f, domain, TEXT);
    }
    shut_down(f);
    start_at(f, NOW_S, 20);
    assert_int_equal(sts_cache_count(f->cache), 20);
    shut_down(f);
    start(f);
    assert_int_equal(sts_cache_count(f->cache), 20);
}

static void count_use(const struct sts_cached *entry, void *arg)
{
    unsigned *count = arg;

    assert_string_equal(entry->domain, "example.org");
    ++*count;
}

/* A disk is not to be written because of each question. */
static void use_is_noted_once_an_hour(void **state)
{
    struct fixture *f = *state;
    const int64_t hour_ms = 3600 * 1000;
    unsigned count = 0;

    put(f, "example.org", TEXT);
    shut_down(f);
    start(f);
    sts_cache_set_sink(f->cache, &(struct sts_cache_sink){.used = count_use, .arg = &count});
    for (int i = 0; i < 1000; i++)
        sts_cache_find(f->cache, "example.org", NOW_MS + i * hour_ms / 1000, true);
    assert_int_equal(count, 0); /* it was used when it was fetched */
    for (int i = 0; i < 1000; i++)
        sts_cache_find(f->cache, "example.org", NOW_MS + hour_ms + i * hour_ms / 1000, true);
    assert_int_equal(count, 1);
    sts_cache_find(f->cache, "example.org", NOW_MS + 2 * hour_ms, true);
    assert_int_equal(count, 2);
}

/* Who had DANE is known after a restart too, for as long as it counts; PURGE is for good. */
static void dane_survives_a_restart(void **state)
{
    struct fixture *f = *state;

    dane_seen_add(f->dane, "example.org", NOW_S);
    dane_seen_add(f->dane, "example.net", NOW_S);
    shut_down(f);
    start_at(f, NOW_S + 29 * DAY_S, 1000);
    assert_true(dane_seen_has(f->dane, "example.org", NOW_S + 29 * DAY_S));
    dane_seen_add(f->dane, "example.com", NOW_S + 29 * DAY_S);
    assert_true(dane_seen_forget(f->dane, "example.net"));
    shut_down(f);
    start_at(f, NOW_S + 31 * DAY_S, 1000);
    assert_int_equal(dane_seen_count(f->dane), 1);
    assert_true(dane_seen_has(f->dane, "example.com", NOW_S + 31 * DAY_S));
}

/* A clock that stood a year ahead for a while makes nobody forgotten. */
static void dane_survives_a_clock_that_jumped(void **state)
{
    struct fixture *f = *state;

    dane_seen_add(f->dane, "example.org", NOW_S);
    f->clock.wall_s = NOW_S + 365 * DAY_S;
    dane_seen_add(f->dane, "example.net", f->clock.wall_s);
    shut_down(f);
    start_at(f, NOW_S + DAY_S, 1000);
    assert_true(dane_seen_has(f->dane, "example.org", NOW_S + DAY_S));
    assert_true(dane_seen_has(f->dane, "example.net", NOW_S + DAY_S));
}

/* ---- the file is lost while we run ---- */

enum { MANY = 7000, HAD_DANE = 25000 }; /* more than go into one step, or one change */

static void put_many(struct fixture *f)
{
    char domain[40];

    for (int i = 0; i < MANY; i++) {
        snprintf(domain, sizeof(domain), "d%d.example", i);
        put(f, domain,
            i % 2 ? TEXT : "version: STSv1\nmode: testing\nmx: a.example\nmax_age: 864000");
    }
    for (int i = 0; i < HAD_DANE; i++) {
        snprintf(domain, sizeof(domain), "dane%d.example", i);
        dane_seen_add(f->dane, domain, NOW_S);
    }
}

/* Rows of a table as another process sees them; -1: it cannot be read now. */
static int rows_in(const char *path, const char *table)
{
    char query[60];
    sqlite3_stmt *s = NULL;
    sqlite3 *db;
    int count = -1;

    snprintf(query, sizeof(query), "SELECT count(*) FROM %s", table);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, query, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        count = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return count;
}

/* Steps until as many policies are in the file. */
static void expect_written(struct fixture *f, int policies)
{
    int count = -1;

    for (int i = 0; i < 3000 && count != policies; i++) {
        engine_store_step(f->store);
        usleep(10000);
        count = rows_in(f->path, "policy");
    }
    assert_int_equal(count, policies);
}

static void expect_all_after_restart(struct fixture *f, size_t policies)
{
    char domain[40];

    shut_down(f);
    start(f);
    assert_int_equal(sts_cache_count(f->cache), policies);
    assert_int_equal(dane_seen_count(f->dane), HAD_DANE);
    for (int i = 0; i < MANY; i++) {
        snprintf(domain, sizeof(domain), "d%d.example", i);
        assert_string_equal(get(f, domain)->id, "id1");
        assert_int_equal(get(f, domain)->policy->mode,
                         i % 2 ? FINDINGS_STS_MODE_ENFORCE : FINDINGS_STS_MODE_TESTING);
    }
    assert_string_equal(get(f, "d1.example")->policy->lines, TEXT);
    assert_int_equal(get(f, "d1.example")->fetched_wall_s, NOW_S);
}

static void fill_and_wait(struct fixture *f)
{
    put_many(f);
    for (int i = 0; i < 3000 && rows_in(f->path, "policy") < MANY; i++)
        usleep(10000);
    expect_written(f, MANY);
}

static void moved_store_is_written_whole_again(void **state)
{
    struct fixture *f = *state;
    char to[80];

    fill_and_wait(f);
    snprintf(to, sizeof(to), "%s.moved", f->path);
    assert_int_equal(rename(f->path, to), 0);
    put(f, "new.example", TEXT);
    expect_written(f, MANY + 1);
    assert_int_equal(unlink(to), 0);
    expect_all_after_restart(f, MANY + 1);
}

static void damaged_store_is_written_whole_again(void **state)
{
    struct fixture *f = *state;
    char garbage[8192], aside[100];
    int fd;

    fill_and_wait(f);
    memset(garbage, 'x', sizeof(garbage));
    fd = open(f->path, O_WRONLY);
    assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
    close(fd);
    put(f, "new.example", TEXT);
    expect_written(f, MANY + 1);
    snprintf(aside, sizeof(aside), "%s.set-aside.1", f->path);
    assert_int_equal(unlink(aside), 0);
    strcat(aside, "-journal");
    unlink(aside);
    expect_all_after_restart(f, MANY + 1);
}

/* Somebody has put an older file in its place. */
static void recreated_store_is_written_whole_again(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {0};

    fill_and_wait(f);
    snprintf(other.path, sizeof(other.path), "%s/old.db", f->dir);
    start(&other);
    put(&other, "d1.example", TEXT);
    shut_down(&other);
    assert_int_equal(rename(other.path, f->path), 0);
    strcat(other.path, "-journal");
    unlink(other.path);
    put(f, "new.example", TEXT);
    expect_written(f, MANY + 1);
    expect_all_after_restart(f, MANY + 1);
}

/* Steps that come later write what is known then. */
static void what_is_over_is_not_written_again(void **state)
{
    struct fixture *f = *state;

    put(f, "gone.example", TEXT);
    put(f, "stays.example", TEXT);
    sts_cache_save_again(f->cache);
    assert_true(sts_cache_forget(f->cache, "gone.example"));
    assert_true(sts_cache_save_next(f->cache, NOW_MS));
    assert_false(sts_cache_save_next(f->cache, NOW_MS));
    sts_cache_save_again(f->cache);
    assert_false(sts_cache_save_next(f->cache, NOW_MS + 11 * DAY_S * 1000));
}

#define store_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- What probes have shown ---- */

static void put_probe(struct fixture *f, const char *host, unsigned outcome)
{
    static const char *const names[] = {"mx.example.org"};
    const struct findings_probe probe = {.family = 4,
                                         .result = (uint8_t)outcome,
                                         .port = 25,
                                         .failure = "why",
                                         .names = names,
                                         .name_count = 1};
    const struct probe_cache_key key = {host, "192.0.2.1:25", "abc"};
    struct probe_result *result = probe_result_new(&probe, f->clock.wall_s);
    int64_t ttl_s = outcome == FINDINGS_PROBE_OK ? PROBE_TTL_S : PROBE_NEGATIVE_TTL_S;

    probe_cache_put(f->probes, &key, result, NOW_MS + ttl_s * 1000);
    probe_result_unref(result);
}

/* Whether it is known, and `left_s` seconds from now, but not a second later. */
static bool has_probe(struct fixture *f, const char *host, unsigned outcome, int64_t left_s)
{
    const struct probe_cache_key key = {host, "192.0.2.1:25", "abc"};
    struct probe_result *result = probe_cache_get(f->probes, &key, NOW_MS + left_s * 1000 - 1);
    struct probe_result *later = probe_cache_get(f->probes, &key, NOW_MS + left_s * 1000);
    bool has = result != NULL && later == NULL && probe_result_probe(result)->result == outcome &&
               strcmp(probe_result_probe(result)->names[0], "mx.example.org") == 0;

    probe_result_unref(result);
    probe_result_unref(later);
    return has;
}

static void probes_survive_a_restart(void **state)
{
    struct fixture *f = *state;

    put_probe(f, "ok.example", FINDINGS_PROBE_OK);
    put_probe(f, "no.example", FINDINGS_PROBE_NO_REQUIRETLS);
    put_probe(f, "gone.example", FINDINGS_PROBE_OK);
    /* With the restart there may be other CA certificates. */
    put_probe(f, "wrong.example", FINDINGS_PROBE_NOT_AUTHENTICATED);
    put_probe(f, "plain.example", FINDINGS_PROBE_NO_STARTTLS);
    assert_int_equal(probe_cache_forget(f->probes, "gone.example", NULL, NULL), 1);
    shut_down(f);

    start_at(f, NOW_S + 100, 10);
    assert_int_equal(probe_cache_count(f->probes), 3);
    assert_true(has_probe(f, "ok.example", FINDINGS_PROBE_OK, PROBE_TTL_S - 100));
    assert_true(
        has_probe(f, "no.example", FINDINGS_PROBE_NO_REQUIRETLS, PROBE_NEGATIVE_TTL_S - 100));
    assert_true(
        has_probe(f, "plain.example", FINDINGS_PROBE_NO_STARTTLS, PROBE_NEGATIVE_TTL_S - 100));
    shut_down(f);

    start_at(f, NOW_S + PROBE_NEGATIVE_TTL_S, 10);
    assert_int_equal(probe_cache_count(f->probes), 1);
    shut_down(f);
    start_at(f, NOW_S + PROBE_TTL_S, 10);
    assert_int_equal(probe_cache_count(f->probes), 0);
    /* They have left the file too: a clock that is set back brings nothing back. */
    shut_down(f);
    start(f);
    assert_int_equal(probe_cache_count(f->probes), 0);
}

/* The clock was set back, or times to live were shortened: what would live for longer than what is
 * seen now is dropped. */
static void probes_from_the_future(void **state)
{
    struct fixture *f = *state;

    put_probe(f, "ok.example", FINDINGS_PROBE_OK);
    put_probe(f, "no.example", FINDINGS_PROBE_NO_REQUIRETLS);
    shut_down(f);
    start_at(f, NOW_S - 60, 10);
    assert_int_equal(probe_cache_count(f->probes), 0);
}

static void run_sql(const char *path, const char *text)
{
    sqlite3 *sqlite;

    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, text, NULL, NULL, NULL), SQLITE_OK);
    assert_true(sqlite3_changes(sqlite) > 0);
    sqlite3_close(sqlite);
}

/* A row that is not, octet by octet, what was written is no result, and leaves the file. */
static void damaged_probes(void **state)
{
    static const char *const damages[] = {
        "UPDATE probe SET record = X'01'",
        "UPDATE probe SET record = zeroblob(length(record))",
        "UPDATE probe SET record = 'text'",
        "UPDATE probe SET key = 'no.example 192.0.2.1:25 abc'",
        "UPDATE probe SET ends_at = ends_at + 1",
        "UPDATE probe SET sum = zeroblob(32)",
        "UPDATE probe SET sum = X''",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        put_probe(f, "ok.example", FINDINGS_PROBE_OK);
        shut_down(f);
        run_sql(f->path, damages[i]);
        start_at(f, NOW_S + 10, 10);
        if (probe_cache_count(f->probes) != 0)
            fail_msg("%s", damages[i]);
        shut_down(f);
        /* It is not there any more. */
        {
            sqlite3 *sqlite;

            assert_int_equal(sqlite3_open(f->path, &sqlite), SQLITE_OK);
            assert_int_equal(sqlite3_exec(sqlite, "DELETE FROM probe", NULL, NULL, NULL),
                             SQLITE_OK);
            assert_int_equal(sqlite3_changes(sqlite), 0);
            sqlite3_close(sqlite);
        }
        start(f);
    }
}

/* What there is no room for is dropped, from the file too. */
static void probes_are_bounded(void **state)
{
    struct fixture *f = *state;
    char host[40];
    size_t count;

    for (unsigned i = 0; i < 500; i++) {
        snprintf(host, sizeof host, "mx%u.example", i);
        put_probe(f, host, FINDINGS_PROBE_OK);
    }
    shut_down(f);
    probe_octets = 20000;
    start_at(f, NOW_S + 10, 10);
    assert_true(probe_cache_octets(f->probes) <= 20000);
    count = probe_cache_count(f->probes);
    assert_true(count > 10 && count < 100);
    shut_down(f);
    probe_octets = 1 << 20;
    start_at(f, NOW_S + 20, 10);
    assert_int_equal(probe_cache_count(f->probes), count);
}

/* A file of a version that knew no probes. */
static void an_older_file(void **state)
{
    struct fixture *f = *state;

    put_probe(f, "ok.example", FINDINGS_PROBE_OK);
    shut_down(f);
    run_sql(f->path, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    run_sql(f->path, "DROP TABLE probe; UPDATE t SET x = 2");
    start_at(f, NOW_S + 10, 10);
    assert_int_equal(probe_cache_count(f->probes), 0);
    put_probe(f, "ok.example", FINDINGS_PROBE_OK);
    shut_down(f);
    start_at(f, NOW_S + 20, 10);
    assert_int_equal(probe_cache_count(f->probes), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(survives_a_restart),
        store_test(expires_while_stopped),
        store_test(wall_clock_jumps),
        store_test(forgotten_stays_forgotten),
        store_test(a_newer_policy_replaces_it),
        store_test(long_policy),
        store_test(odd_lines),
        store_test(what_has_no_room_leaves_the_store),
        store_test(use_is_noted_once_an_hour),
        store_test(dane_survives_a_restart),
        store_test(dane_survives_a_clock_that_jumped),
        store_test(moved_store_is_written_whole_again),
        store_test(damaged_store_is_written_whole_again),
        store_test(recreated_store_is_written_whole_again),
        store_test(what_is_over_is_not_written_again),
        store_test(probes_survive_a_restart),
        store_test(probes_from_the_future),
        store_test(damaged_probes),
        store_test(probes_are_bounded),
        store_test(an_older_file),
    };

    return cmocka_run_group_tests_name("engine_store", tests, NULL, NULL);
}
