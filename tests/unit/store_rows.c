/* Policies for the tests of the store. */
#include "store_rows.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

struct made {
    char domain[32], id[33], mx[64];
    char body[STORE_ROWS_BODY_MAX];
    struct store_policy policy;
};

/* Bodies of all lengths, with octets that no text has. */
static void make(struct made *m, unsigned domain, unsigned number)
{
    unsigned seed = domain * 7919 + number * 104729 + 1;
    size_t len = seed % STORE_ROWS_BODY_MAX;

    snprintf(m->domain, sizeof(m->domain), "d%u.example", domain);
    snprintf(m->id, sizeof(m->id), "%uN%u", domain, number);
    snprintf(m->mx, sizeof(m->mx), "mx%u.example *.d%u.example", number, domain);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245 + 12345;
        m->body[i] = (char)(seed >> 16);
    }
    m->policy = (struct store_policy){
        .domain = m->domain,
        .id = m->id,
        .mode = (enum findings_sts_mode)(number % 3),
        .max_age_s = STORE_ROWS_MAX_AGE_S,
        .mx = m->mx,
        .body = m->body,
        .body_len = len,
        .fetched_at_s = STORE_ROWS_FETCHED_AT,
        .used_at_s = STORE_ROWS_FETCHED_AT + number,
    };
}

unsigned store_rows_check(const struct store_policy *policy)
{
    static struct made m;
    unsigned domain, number;

    if (sscanf(policy->id, "%uN%u", &domain, &number) != 2)
        fail_msg("a policy with the id '%s' was never written", policy->id);
    make(&m, domain, number);
    assert_string_equal(policy->id, m.id);
    assert_string_equal(policy->domain, m.domain);
    assert_string_equal(policy->mx, m.mx);
    assert_int_equal(policy->mode, m.policy.mode);
    assert_int_equal(policy->max_age_s, m.policy.max_age_s);
    assert_int_equal(policy->body_len, m.policy.body_len);
    assert_memory_equal(policy->body, m.body, m.policy.body_len);
    return number;
}

bool store_rows_put(struct store_rows *rows, unsigned domain, unsigned number)
{
    static struct made m;

    make(&m, domain, number);
    return store_put(rows->store, &m.policy);
}

static void on_log(void *arg, int priority, const char *message)
{
    struct store_rows *rows = arg;

    if (priority == LOG_WARNING)
        rows->warnings++;
    else
        rows->notices++;
    strncat(rows->said, message, sizeof(rows->said) - strlen(rows->said) - 1);
    strncat(rows->said, "\n", sizeof(rows->said) - strlen(rows->said) - 1);
}

static void on_policy(const struct store_policy *policy, uint32_t left_s, void *arg)
{
    struct store_rows *rows = arg;
    unsigned number = store_rows_check(policy);

    assert_true(left_s > 0 && left_s <= STORE_ROWS_MAX_AGE_S);
    rows->loaded++;
    if (number > rows->last_number)
        rows->last_number = number;
}

size_t store_rows_open_at(struct store_rows *rows, int64_t now_s)
{
    struct store_config config = {
        .path = rows->path,
        .batch_delay_ms = 1,
        .retry_ms = 20,
        .max_queued = 2000,
        .max_queued_octets = rows->max_queued_octets,
        .log = on_log,
        .log_arg = rows,
    };
    size_t count;

    rows->loaded = 0;
    rows->last_number = 0;
    rows->warnings = rows->notices = 0;
    rows->said[0] = '\0';
    rows->store = store_new(&config);
    assert_non_null(rows->store);
    count = store_load(rows->store, now_s, on_policy, rows);
    assert_int_equal(count, rows->loaded);
    return count;
}

size_t store_rows_open(struct store_rows *rows)
{
    return store_rows_open_at(rows, STORE_ROWS_FETCHED_AT + 60);
}

void store_rows_close(struct store_rows *rows)
{
    store_free(rows->store);
    rows->store = NULL;
}

void store_rows_init(struct store_rows *rows)
{
    *rows = (struct store_rows){.dir = "/tmp/store-test-XXXXXX"};
    assert_non_null(mkdtemp(rows->dir));
    snprintf(rows->path, sizeof(rows->path), "%s/cache.db", rows->dir);
}

void store_rows_fini(struct store_rows *rows)
{
    DIR *dir;
    struct dirent *entry;

    store_rows_close(rows);
    dir = opendir(rows->dir);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[400];

        snprintf(path, sizeof(path), "%s/%s", rows->dir, entry->d_name);
        if (unlink(path) != 0)
            rmdir(path);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(rows->dir);
}

const char *store_rows_aside_name(const struct store_rows *rows, unsigned n)
{
    static char name[150];

    snprintf(name, sizeof(name), "%s.set-aside.%u", rows->path, n);
    return name;
}

unsigned store_rows_set_aside(const struct store_rows *rows)
{
    unsigned n = 0;

    while (access(store_rows_aside_name(rows, n + 1), F_OK) == 0)
        n++;
    return n;
}

size_t store_rows_read_file(const char *path, uint8_t *out, size_t len)
{
    FILE *f = fopen(path, "rb");
    size_t got;

    assert_non_null(f);
    got = fread(out, 1, len, f);
    assert_true(got < len);
    fclose(f);
    return got;
}

void store_rows_write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}
