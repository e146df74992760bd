/*
 * A day in the life of the engine's core: every minute mail goes to domains that are in use all day
 * and to others that come once. Memory is what max_memory and max_domains allow from the moment
 * when the cache is full, and it does not grow from hour to hour. The linker sends every allocation
 * through the wrappers below, which count the octets that are held.
 */
#include "engine/core.h"
#include "policy/verdict.h"
#include "sim_world.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    HOURS = 24,
    FULL_HOURS = 3, /* after which the cache is full */
    KNOWN = 20,     /* domains in use all day */
    ONCE = 40,      /* others, each minute */
    MEMORY = 2 << 20,
};

static size_t held, most;

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *p, size_t len);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *p, size_t len);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static void *count(void *p)
{
    held += malloc_usable_size(p);
    if (held > most)
        most = held;
    return p;
}

void *__wrap_malloc(size_t len)
{
    return count(__real_malloc(len));
}

void *__wrap_calloc(size_t n, size_t len)
{
    return count(__real_calloc(n, len));
}

void *__wrap_realloc(void *p, size_t len)
{
    held -= malloc_usable_size(p);
    return count(__real_realloc(p, len));
}

char *__wrap_strdup(const char *s)
{
    return count(__real_strdup(s));
}

void __wrap_free(void *p)
{
    held -= malloc_usable_size(p);
    __real_free(p);
}

static struct sim_dns *publish(struct sim_world *sim, const char *name, uint16_t type)
{
    struct sim_dns *d = sim_world_dns(sim, name, type);

    d->security = DNS_SECURE;
    d->ttl_s = 600;
    d->count = 1;
    d->records = calloc(1, sizeof(*d->records));
    d->text = calloc(1, SIM_NAME_MAX);
    return d;
}

/* Signed, with DANE, and with a policy. */
static void publish_domain(struct sim_world *sim, const char *domain)
{
    char name[SIM_NAME_MAX];
    struct sim_dns *d = publish(sim, domain, DNS_TYPE_MX);
    struct sim_https *h = sim_world_https(sim, domain);

    snprintf(d->text, SIM_NAME_MAX, "mx.%.100s", domain);
    d->records[0].mx.host = d->text;
    publish(sim, d->text, DNS_TYPE_A);
    snprintf(name, sizeof(name), "_25._tcp.mx.%.100s", domain);
    d = publish(sim, name, DNS_TYPE_TLSA);
    d->records[0].tlsa.usage = 3;
    d->records[0].tlsa.selector = d->records[0].tlsa.matching_type = 1;
    d->records[0].tlsa.data_len = 32;
    d->records[0].tlsa.data = (const uint8_t *)d->text;
    snprintf(name, sizeof(name), "_mta-sts.%.100s", domain);
    d = publish(sim, name, DNS_TYPE_TXT);
    d->records[0].txt.len = (uint16_t)snprintf(d->text, SIM_NAME_MAX, "v=STSv1; id=1;");
    d->records[0].txt.text = d->text;
    h->status = FETCH_OK;
    h->body = strdup("version: STSv1\nmode: enforce\nmx: *.example\nmax_age: 864000\n");
}

static unsigned answered, satisfied;

static void on_done(const struct findings *f, void *arg)
{
    const struct verdict_terms terms = {.can = VERDICT_CAN_DANE};
    struct verdict verdict;

    (void)arg;
    answered++;
    assert_non_null(f);
    verdict_derive(f, &terms, &verdict);
    satisfied += verdict.value == VERDICT_SATISFIED;
}

static void ask(struct core *core, struct core_waiter *waiter, const char *name)
{
    const struct findings *f = NULL;
    struct nexthop nexthop;

    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    *waiter = (struct core_waiter){.done = on_done};
    if (core_ask(core, &nexthop, waiter, &f) == 1)
        on_done(f, NULL);
    findings_unref(f);
}

static void minute(struct core *core, struct sim_world *sim, unsigned number)
{
    static struct core_waiter waiters[KNOWN + ONCE];
    char name[60];

    for (unsigned i = 0; i < KNOWN; i++) {
        snprintf(name, sizeof(name), "known%u.example", i);
        ask(core, &waiters[i], name);
    }
    for (unsigned i = 0; i < ONCE; i++) {
        snprintf(name, sizeof(name), "once%u-%u.example", number, i);
        ask(core, &waiters[KNOWN + i], name);
    }
    sim_world_run(sim, 60000);
}

static void a_day(void **state)
{
    const struct core_settings settings = {.dane_enable = true,
                                           .sts_enable = true,
                                           .prefetch = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_refresh_ms = 86400000,
                                           .negative_ttl_ms = 3600000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 5000,
                                           .max_memory = MEMORY};
    struct sim_world *sim = sim_world_new();
    size_t hours[HOURS], before, full = 0;
    struct core *core;
    char name[60];
    (void)state;

    for (unsigned i = 0; i < KNOWN; i++) {
        snprintf(name, sizeof(name), "known%u.example", i);
        publish_domain(sim, name);
    }
    before = held;
    assert_int_equal(core_new(sim_world_world(sim), &settings, &core), 0);
    for (unsigned hour = 0; hour < HOURS; hour++) {
        most = 0;
        for (unsigned i = 0; i < 60; i++)
            minute(core, sim, hour * 60 + i);
        hours[hour] = most - before;
        if (hour < FULL_HOURS && hours[hour] > full)
            full = hours[hour];
    }
    print_message("# octets at most: %zu in the first %d hours, %zu in the last\n", full,
                  FULL_HOURS, hours[HOURS - 1]);
    for (unsigned hour = FULL_HOURS; hour < HOURS; hour++)
        assert_true(hours[hour] <= full + full / 20);
    assert_true(full > MEMORY / 8 && full < MEMORY);
    assert_int_equal(answered, HOURS * 60 * (KNOWN + ONCE));
    assert_int_equal(satisfied, HOURS * 60 * KNOWN);
    core_free(core);
    assert_int_equal(held, before);
    sim_world_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_day)};

    return cmocka_run_group_tests_name("day", tests, NULL, NULL);
}
