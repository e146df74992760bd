/*
 * Memory that runs out at any one allocation: the caller is called back once, with findings or
 * without, and what it gets with findings is no more than what is true. Nothing crashes or leaks
 * (the sanitizer builds watch). The linker sends every allocation of the library through the
 * wrappers below.
 */
#include "engine/core.h"
#include "policy/verdict.h"
#include "sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned long allocations, fail_at; /* 0: none */

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *p, size_t len);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *p, size_t len);
char *__wrap_strdup(const char *s);

static bool fails(void)
{
    return ++allocations == fail_at;
}

void *__wrap_malloc(size_t len)
{
    return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len)
{
    return fails() ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *p, size_t len)
{
    return fails() ? NULL : __real_realloc(p, len);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static struct sim_dns *dns(struct sim_world *sim, const char *name, uint16_t type, size_t count)
{
    struct sim_dns *d = sim_world_dns(sim, name, type);

    d->security = DNS_SECURE;
    d->records = __real_calloc(count, sizeof(*d->records));
    d->text = __real_calloc(count, SIM_NAME_MAX);
    d->count = count;
    return d;
}

/* One domain with everything: DANE at an alias, a host that fails, a policy. */
static void make_world(struct sim_world *sim)
{
    struct sim_dns *d = dns(sim, "example.org", DNS_TYPE_MX, 2);
    struct sim_https *h = sim_world_https(sim, "example.org");

    for (int i = 0; i < 2; i++) {
        sprintf(d->text + i * SIM_NAME_MAX, "mx%d.example.org", i);
        d->records[i].mx.host = d->text + i * SIM_NAME_MAX;
    }
    d = dns(sim, "mx0.example.org", DNS_TYPE_A, 1);
    strcpy(d->alias, "real.example.org");
    d = dns(sim, "_25._tcp.real.example.org", DNS_TYPE_TLSA, 1);
    d->records[0].tlsa.usage = 3;
    d->records[0].tlsa.selector = d->records[0].tlsa.matching_type = 1;
    d->records[0].tlsa.data_len = 32;
    d->records[0].tlsa.data = (const uint8_t *)d->text;
    d = sim_world_dns(sim, "mx1.example.org", DNS_TYPE_A);
    d->status = DNS_FAILED;
    strcpy(d->failure, "SERVFAIL");
    d = dns(sim, "_mta-sts.example.org", DNS_TYPE_TXT, 1);
    d->records[0].txt.len = (uint16_t)sprintf(d->text, "v=STSv1; id=1;");
    d->records[0].txt.text = d->text;
    h->status = FETCH_OK;
    h->body = __real_strdup("version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 864000\n");
}

struct caller {
    struct core_waiter waiter;
    unsigned calls, empty;
};

static void on_done(const struct findings *f, void *arg)
{
    struct caller *caller = arg;
    const struct verdict_terms terms = {.can = VERDICT_CAN_DANE, .web_pki = true};
    struct verdict verdict;

    caller->calls++;
    if (!f) {
        caller->empty++;
        return;
    }
    verdict_derive(f, &terms, &verdict);
    assert_true(verdict.value == VERDICT_SATISFIED || verdict.value == VERDICT_UNDECIDED);
}

static void ask(struct core *core, struct sim_world *sim, struct caller *caller)
{
    const struct findings *f = NULL;
    struct nexthop nexthop;
    int status;

    caller->waiter = (struct core_waiter){.done = on_done, .arg = caller};
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    status = core_ask(core, &nexthop, &caller->waiter, &f);
    if (status != 0)
        on_done(f, caller);
    findings_unref(f);
    sim_world_run(sim, 1000);
}

/* Everything once: a lookup, an answer from the cache, renewal, refresh. */
static void run(unsigned long at, unsigned *empty)
{
    const struct core_settings settings = {.dane_enable = true,
                                           .sts_enable = true,
                                           .prefetch = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_refresh_ms = 86400000,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10};
    struct sim_world *sim = sim_world_new();
    struct caller first = {0}, second = {0}, third = {0};
    struct core *core;

    make_world(sim);
    allocations = 0;
    fail_at = at;
    if (core_new(sim_world_world(sim), &settings, &core) == 0) {
        ask(core, sim, &first);
        ask(core, sim, &second);
        sim_world_run(sim, 2 * 86400000);
        ask(core, sim, &third);
        core_free(core);
        assert_int_equal(first.calls, 1);
        assert_int_equal(second.calls, 1);
        assert_int_equal(third.calls, 1);
        *empty += first.empty + second.empty + third.empty;
    }
    fail_at = 0;
    sim_world_free(sim);
}

static void every_allocation_may_fail(void **state)
{
    unsigned empty = 0;
    unsigned long total;
    (void)state;

    run(0, &empty);
    total = allocations;
    assert_int_equal(empty, 0);
    assert_true(total > 50);
    for (unsigned long at = 1; at <= total; at++)
        run(at, &empty);
    assert_true(empty > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
