/* How many lookups of TLSRPT records may be in flight at once, and how much is kept of them. */
#include "lookup/tlsrpt_lookup.h"
#include "sim_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LABEL "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"

enum {
    RECORD_LEN = SIM_NAME_MAX - 10,
    DOMAIN_LEN = 3 * sizeof LABEL, /* at least */
    DOMAINS = 10000,
    /* So many are kept at least, and at most. */
    KEPT_LEAST = TLSRPT_LOOKUPS_OCTETS_MAX / (RECORD_LEN + DOMAIN_LEN + 300),
    KEPT_MOST = TLSRPT_LOOKUPS_OCTETS_MAX / (RECORD_LEN + DOMAIN_LEN),
    HOUR_MS = 3600 * 1000,
};

struct bench {
    struct sim_world *sim;
    struct counters counters;
    struct tlsrpt_lookups *lookups;
    struct tlsrpt_waiter waiters[DOMAINS];
    unsigned told, told_none;
};

static void on_record(const char *record, void *arg)
{
    struct bench *b = arg;

    b->told++;
    b->told_none += record == NULL;
}

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    b->sim = sim_world_new();
    assert_int_equal(tlsrpt_lookups_new(sim_world_world(b->sim), &b->counters, &b->lookups), 0);
    tlsrpt_lookups_configure(b->lookups, HOUR_MS, HOUR_MS);
    return b;
}

static void bench_free(struct bench *b)
{
    tlsrpt_lookups_free(b->lookups);
    assert_int_equal(atomic_load(&b->counters.dns_outstanding), 0);
    sim_world_free(b->sim);
    free(b);
}

static const char *domain_of(size_t number)
{
    static char name[250];

    snprintf(name, sizeof name, "d%zu." LABEL "." LABEL "." LABEL ".example", number);
    return name;
}

static int ask(struct bench *b, size_t number)
{
    struct tlsrpt_waiter *waiter = &b->waiters[number];
    const char *record;
    int status;

    *waiter = (struct tlsrpt_waiter){.done = on_record, .arg = b};
    status = tlsrpt_lookups_ask(b->lookups, domain_of(number), waiter, &record);
    if (status == 1)
        on_record(record, b);
    return status;
}

static void no_more_than_the_limit(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    for (size_t i = 0; i < TLSRPT_LOOKUPS_IN_FLIGHT_MAX; i++)
        assert_int_equal(ask(b, i), 0);
    assert_int_equal(ask(b, TLSRPT_LOOKUPS_IN_FLIGHT_MAX), -EAGAIN);
    tlsrpt_lookups_drop(&b->waiters[0]);
    assert_int_equal(ask(b, 0), 0); /* shares a lookup */
    sim_world_run(b->sim, 1000);
    assert_int_equal(b->told, TLSRPT_LOOKUPS_IN_FLIGHT_MAX);
    assert_int_equal(b->told_none, b->told);
    assert_int_equal(ask(b, TLSRPT_LOOKUPS_IN_FLIGHT_MAX), 0);
    assert_int_equal(ask(b, 1), 1);
    bench_free(b);
}

/* Those who wait at the end are told. */
static void at_the_end(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    assert_int_equal(ask(b, 0), 0);
    assert_int_equal(ask(b, 1), 0);
    tlsrpt_lookups_drop(&b->waiters[1]);
    tlsrpt_lookups_free(b->lookups);
    b->lookups = NULL;
    assert_int_equal(b->told, 1);
    assert_int_equal(b->told_none, 1);
    bench_free(b);
}

static void add_record(struct bench *b, size_t number)
{
    static const char begin[] = "v=TLSRPTv1;rua=a:";
    char name[SIM_NAME_MAX];
    struct sim_dns *dns;

    snprintf(name, sizeof name, "_smtp._tls.%s", domain_of(number));
    dns = sim_world_dns(b->sim, name, DNS_TYPE_TXT);
    dns->records = calloc(1, sizeof *dns->records);
    dns->text = calloc(1, SIM_NAME_MAX);
    assert_true(dns->records != NULL && dns->text != NULL);
    memset(dns->text, 'x', RECORD_LEN);
    memcpy(dns->text, begin, sizeof begin - 1);
    dns->records[0].txt.text = dns->text;
    dns->records[0].txt.len = RECORD_LEN;
    dns->count = 1;
    dns->ttl_s = 3600;
}

/* The ones that were used last are kept. */
static void no_more_memory_than_the_limit(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    assert_true(KEPT_MOST < DOMAINS);
    for (size_t i = 0; i < DOMAINS; i++) {
        add_record(b, i);
        assert_int_equal(ask(b, i), 0);
        sim_world_run(b->sim, 10);
        if (i > 0)
            assert_int_equal(ask(b, 0), 1);
    }
    assert_int_equal(b->told, 2 * DOMAINS - 1);
    assert_int_equal(b->told_none, 0);
    assert_int_equal(ask(b, DOMAINS - 1), 1);
    assert_int_equal(ask(b, DOMAINS - KEPT_LEAST), 1);
    assert_int_equal(ask(b, DOMAINS - KEPT_MOST), 0);
    assert_int_equal(ask(b, 1), 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_the_limit),
        cmocka_unit_test(at_the_end),
        cmocka_unit_test(no_more_memory_than_the_limit),
    };

    return cmocka_run_group_tests_name("tlsrpt", tests, NULL, NULL);
}
