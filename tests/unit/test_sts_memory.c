/*
 * The fetch of an MTA-STS policy without memory: allocations of ours, of libevent and of OpenSSL
 * fail once each. It must not come to another result than for want of memory, if to any. Started by
 * sts_fetch_hosts.py, which brings the policy host.
 */
#include "sts/sts_fetch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

enum owner { OURS, LIBEVENT, OPENSSL, NOBODY };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);

static unsigned countdown; /* 0: none fails */
static enum owner failed;

static bool fails(enum owner owner)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    failed = owner;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails(OURS) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(OURS) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails(OURS) ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *s)
{
    return fails(OURS) ? NULL : __real_strdup(s);
}

static void *event_malloc(size_t size)
{
    return fails(LIBEVENT) ? NULL : __real_malloc(size);
}

static void *event_realloc(void *old, size_t size)
{
    return fails(LIBEVENT) ? NULL : __real_realloc(old, size);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(OPENSSL) ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(OPENSSL) ? NULL : __real_realloc(old, size);
}

static void openssl_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

/* ---- in the place of the resolver: two questions, both answered from the event loop ---- */

struct world_query {
    uint16_t type;
    world_query_fn done;
    void *arg;
};

static struct world_query queries[2];
static struct event *answers[2];

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    struct world_query *query = arg;
    struct dns_record record = {.a = {10, 9, 0, 1}};
    struct dns_answer answer = {.status = DNS_FOUND, .records = &record, .count = 1};

    (void)fd;
    (void)what;
    if (query->type != DNS_TYPE_A)
        answer = (struct dns_answer){.status = DNS_NODATA, .ttl_s = 300};
    query->done(&answer, query->arg);
}

static struct world_query *query(void *ctx, const char *name, uint16_t type, world_query_fn done,
                                 void *arg)
{
    size_t i = type == DNS_TYPE_A;

    (void)ctx;
    (void)name;
    queries[i] = (struct world_query){.type = type, .done = done, .arg = arg};
    event_active(answers[i], EV_TIMEOUT, 1);
    return &queries[i];
}

static void cancel(void *ctx, struct world_query *query)
{
    (void)ctx;
    event_del(answers[query - queries]);
}

/* ---- */

struct outcome {
    struct event_base *base;
    bool called;
    enum fetch_status status;
    char text[200];
};

static void on_done(const struct fetch_result *result, void *arg)
{
    struct outcome *o = arg;

    o->called = true;
    o->status = result->status;
    snprintf(o->text, sizeof(o->text), "%.*s",
             result->status == FETCH_OK ? (int)result->body_len : 199,
             result->status == FETCH_OK ? result->body : result->failure);
    event_base_loopbreak(o->base);
}

static void check(const struct outcome *o, bool begun, unsigned n)
{
    if (begun != o->called)
        fail_msg("allocation %u: begun %d, called %d", n, begun, o->called);
    if (!o->called)
        return;
    if (o->status == FETCH_OK)
        assert_non_null(strstr(o->text, "version: STSv1"));
    else if (o->status != FETCH_LOCAL && (failed != OPENSSL || o->status != FETCH_FAILED))
        fail_msg("allocation %u of %d: status %d, %s", n, (int)failed, (int)o->status, o->text);
}

static unsigned counts[FETCH_LOCAL + 1];

/* Whether an allocation failed in it. */
static bool fetch(struct sts_fetcher *fetcher, struct event_base *base, unsigned n)
{
    struct outcome o = {.base = base};
    struct world_fetch *one;

    failed = NOBODY;
    countdown = n;
    one = sts_fetch_prepare(fetcher, "good.test", on_done, &o);
    if (one != NULL) {
        sts_fetch_go(one);
        event_base_dispatch(base);
    }
    countdown = 0;
    check(&o, one != NULL, n);
    if (o.called)
        counts[o.status]++;
    if (ERR_peek_error() != 0)
        fail_msg("allocation %u: %s", n, ERR_error_string(ERR_peek_error(), NULL));
    return failed != NOBODY;
}

static void each_allocation(void **state)
{
    const char *dir = getenv("STS_FETCH_DIR");
    struct event_base *base = event_base_new();
    const struct sts_dns dns = {.query = query, .cancel = cancel};
    struct sts_fetch_config config = {
        .connect_timeout_ms = 60000, .timeout_ms = 60000, .max_policy = 65536, .port = 443};
    struct sts_fetcher *fetcher;
    char ca_file[200], err[200];
    unsigned n = 1;

    (void)state;
    assert_non_null(dir);
    for (int i = 0; i < 2; i++)
        answers[i] = evtimer_new(base, on_answer, &queries[i]);
    snprintf(ca_file, sizeof(ca_file), "%s/lab/ca.pem", dir);
    assert_int_equal(ca_store_new(ca_file, NULL, &config.ca_store, err, sizeof(err)), 0);
    assert_int_equal(sts_fetcher_new(base, &config, &dns, &fetcher, err, sizeof(err)), 0);
    /* The first fetches have more to allocate than those that follow. */
    for (int i = 0; i < 3; i++)
        assert_false(fetch(fetcher, base, 0));
    assert_int_equal(counts[FETCH_OK], 3);
    /* The first of them are ours; later there are thousands of OpenSSL's, of which some do. */
    while (fetch(fetcher, base, n))
        n += 1 + n / 100;
    assert_true(n > 100);
    assert_true(counts[FETCH_LOCAL] > 20);
    print_message("# %u steps: %u OK, %u LOCAL, %u FAILED\n", n, counts[FETCH_OK],
                  counts[FETCH_LOCAL], counts[FETCH_FAILED]);
    sts_fetcher_free(fetcher);
    ca_store_free(config.ca_store);
    for (int i = 0; i < 2; i++)
        event_free(answers[i]);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation)};

    event_set_mem_functions(event_malloc, event_realloc, free);
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        return 1;
    return cmocka_run_group_tests_name("sts_memory", tests, NULL, NULL);
}
