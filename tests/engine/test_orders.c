/*
 * Whatever the order in which answers arrive, findings are the same, and a verdict that was settled
 * before all was known is the final one. Worlds are generated from a seed, each looked up several
 * times with delays of its own; a failure names the seed, which repeats it:
 *
 *   test_orders [SEED]
 */
#include "engine/core.h"
#include "findings_lines.h"
#include "policy/verdict.h"
#include "sim_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 3000, ORDERS = 6, HOSTS = 3, TEXT_MAX = 16 * 1024 };

static unsigned only_seed;

static bool one_in(unsigned *seed, int n)
{
    return rand_r(seed) % n == 0;
}

/* Gives the entry a status of its own; returns whether it is to have records. */
static bool any_status(struct sim_dns *d, unsigned *seed)
{
    d->security = one_in(seed, 3) ? DNS_INSECURE : DNS_SECURE;
    switch (rand_r(seed) % 8) {
    case 0:
        d->status = DNS_FAILED;
        snprintf(d->failure, sizeof(d->failure), "SERVFAIL");
        return false;
    case 1:
        d->status = DNS_NXDOMAIN;
        return false;
    case 2:
        d->status = DNS_NODATA;
        return false;
    default:
        return true;
    }
}

static void add_records(struct sim_dns *d, size_t count)
{
    d->records = calloc(count, sizeof(*d->records));
    d->text = calloc(count, SIM_NAME_MAX);
    d->count = count;
}

static void make_mx(struct sim_world *sim, unsigned *seed)
{
    struct sim_dns *d = sim_world_dns(sim, "example.org", DNS_TYPE_MX);

    if (!any_status(d, seed))
        return;
    add_records(d, HOSTS);
    for (size_t i = 0; i < HOSTS; i++) {
        d->records[i].mx.preference = (uint16_t)(10 * (1 + rand_r(seed) % 2));
        sprintf(d->text + i * SIM_NAME_MAX, "mx%zu.example.org", i);
        d->records[i].mx.host = d->text + i * SIM_NAME_MAX;
    }
}

static void make_address(struct sim_world *sim, unsigned *seed, const char *host, uint16_t type,
                         const char *canonical)
{
    struct sim_dns *d = sim_world_dns(sim, host, type);

    if (any_status(d, seed))
        add_records(d, 1);
    if (canonical != NULL)
        snprintf(d->alias, sizeof(d->alias), "%s", canonical);
}

static void make_tlsa(struct sim_world *sim, unsigned *seed, const char *base)
{
    char name[SIM_NAME_MAX];
    struct sim_dns *d;

    snprintf(name, sizeof(name), "_25._tcp.%s", base);
    d = sim_world_dns(sim, name, DNS_TYPE_TLSA);
    if (!any_status(d, seed))
        return;
    add_records(d, 1);
    d->records[0].tlsa.usage = one_in(seed, 3) ? 1 : 3;
    d->records[0].tlsa.selector = d->records[0].tlsa.matching_type = 1;
    d->records[0].tlsa.data_len = 32;
    d->records[0].tlsa.data = (const uint8_t *)d->text;
}

static void make_host(struct sim_world *sim, unsigned *seed, const char *host)
{
    char alias[SIM_NAME_MAX];
    const char *canonical = NULL;

    snprintf(alias, sizeof(alias), "real.%s", host);
    if (one_in(seed, 3))
        canonical = alias;
    make_address(sim, seed, host, DNS_TYPE_A, canonical);
    make_address(sim, seed, host, DNS_TYPE_AAAA, canonical);
    make_tlsa(sim, seed, host);
    if (canonical != NULL) {
        struct sim_dns *d = sim_world_dns(sim, host, DNS_TYPE_CNAME);
        make_tlsa(sim, seed, canonical);
        if (any_status(d, seed)) {
            add_records(d, 1);
            snprintf(d->text, SIM_NAME_MAX, "%s", canonical);
            d->records[0].cname = d->text;
        }
    }
}

static void make_sts(struct sim_world *sim, unsigned *seed)
{
    static const char *const bodies[] = {
        "version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: enforce\nmx: mx1.example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: enforce\nmx: example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: testing\nmx: *.example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: none\nmax_age: 86400\n",
        "version: STSv1\n",
    };
    struct sim_dns *d = sim_world_dns(sim, "_mta-sts.example.org", DNS_TYPE_TXT);
    struct sim_https *h = sim_world_https(sim, "example.org");

    h->body = strdup(bodies[rand_r(seed) % 6]);
    h->status = (enum fetch_status)(one_in(seed, 2) ? FETCH_OK : rand_r(seed) % 4);
    if (!any_status(d, seed))
        return;
    add_records(d, 1);
    d->records[0].txt.text = d->text;
    d->records[0].txt.len = (uint16_t)sprintf(d->text, "v=STSv1; id=1;");
}

static void make_world(struct sim_world *sim, unsigned seed)
{
    make_mx(sim, &seed);
    make_sts(sim, &seed);
    make_host(sim, &seed, "example.org");
    for (int i = 0; i < HOSTS; i++) {
        char host[SIM_NAME_MAX];
        snprintf(host, sizeof(host), "mx%d.example.org", i);
        make_host(sim, &seed, host);
    }
}

static void delay(struct sim_world *sim, const char *name, uint16_t type, unsigned *seed)
{
    sim_world_delay(sim, name, type, 1 + rand_r(seed) % 40);
}

static void make_order(struct sim_world *sim, unsigned seed)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME};
    char name[SIM_NAME_MAX];

    delay(sim, "example.org", DNS_TYPE_MX, &seed);
    delay(sim, "_mta-sts.example.org", DNS_TYPE_TXT, &seed);
    sim_world_https_delay(sim, "example.org", 1 + rand_r(&seed) % 80);
    for (int i = -1; i < HOSTS; i++) {
        char host[40] = "example.org";
        if (i >= 0)
            snprintf(host, sizeof(host), "mx%d.example.org", i);
        for (size_t t = 0; t < 3; t++)
            delay(sim, host, types[t], &seed);
        snprintf(name, sizeof(name), "_25._tcp.%s", host);
        delay(sim, name, DNS_TYPE_TLSA, &seed);
        snprintf(name, sizeof(name), "_25._tcp.real.%s", host);
        delay(sim, name, DNS_TYPE_TLSA, &seed);
    }
}

/* Terms on which the drafts are judged. */
static const struct verdict_terms terms[] = {
    {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS, .web_pki = true},
    {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI, .web_pki = true},
    {.can = VERDICT_CAN_STS, .web_pki = true, .accept_testing = true},
    {.can = VERDICT_CAN_DANE, .web_pki = true},
    {.can = VERDICT_CAN_WEB_PKI, .web_pki = true},
};
enum { TERMS = sizeof(terms) / sizeof(terms[0]) };

struct watcher {
    struct core_waiter waiter;
    enum verdict_value settled[TERMS]; /* VERDICT_PENDING: not yet */
    unsigned drafts;
    char change[TEXT_MAX]; /* of a verdict that was settled, and the draft by which it was */
    char before[TEXT_MAX / 2];
    char text[TEXT_MAX / 2];
    bool done;
};

static void judge(struct watcher *w, const struct findings *f)
{
    for (size_t i = 0; i < TERMS; i++) {
        struct verdict v;
        verdict_derive(f, &terms[i], &v);
        if (v.value == VERDICT_PENDING && f->unchecked)
            continue; /* another answer without AD came; it must not change what was settled */
        if (w->settled[i] != VERDICT_PENDING && v.value != w->settled[i])
            snprintf(w->change, sizeof(w->change), "terms %zu: %s became %s, when:\n%s", i,
                     verdict_value_name(w->settled[i]), verdict_value_name(v.value), w->before);
        w->settled[i] = v.value;
    }
}

static bool on_enough(const struct findings *f, void *arg)
{
    struct watcher *w = arg;

    w->drafts++;
    judge(w, f);
    findings_lines_write(f, w->before, sizeof(w->before));
    return false;
}

static void on_done(const struct findings *f, void *arg)
{
    struct watcher *w = arg;
    char *ttl;

    judge(w, f);
    findings_lines_write(f, w->text, sizeof(w->text));
    ttl = strstr(w->text, "\nttl "); /* depends on when what arrived, as it must */
    if (ttl != NULL) {
        char *end = ttl + strcspn(ttl + 1, "\n") + 1;
        memmove(ttl, end, strlen(end) + 1);
    }
    w->done = true;
}

static void look_up(unsigned seed, unsigned order, struct watcher *w)
{
    const struct core_settings settings = {.dane_enable = true,
                                           .sts_enable = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_refresh_ms = 86400000,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10};
    struct sim_world *sim = sim_world_new();
    const struct findings *now = NULL;
    struct nexthop nexthop;
    struct core *core;

    memset(w, 0, sizeof(*w));
    for (size_t i = 0; i < TERMS; i++)
        w->settled[i] = VERDICT_PENDING;
    w->waiter = (struct core_waiter){.enough = on_enough, .done = on_done, .arg = w};
    make_world(sim, seed);
    make_order(sim, seed * 1000 + order);
    assert_int_equal(core_new(sim_world_world(sim), &settings, &core), 0);
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    assert_int_equal(core_ask(core, &nexthop, &w->waiter, &now), 0);
    sim_world_run(sim, 10000);
    assert_true(w->done);
    assert_int_equal(sim_world_outstanding(sim), 0);
    core_free(core);
    sim_world_free(sim);
}

static void order_does_not_matter(void **state)
{
    static struct watcher first, other;
    unsigned drafts = 0;
    (void)state;

    for (unsigned seed = only_seed ? only_seed : 1; seed <= (only_seed ? only_seed : WORLDS);
         seed++) {
        look_up(seed, 0, &first);
        for (unsigned order = 0; order < ORDERS; order++) {
            look_up(seed, order, &other);
            drafts += other.drafts;
            if (strcmp(first.text, other.text) != 0)
                fail_msg("seed %u, order %u:\n%s\nand\n%s", seed, order, first.text, other.text);
            if (other.change[0])
                fail_msg("seed %u, order %u, %s\nand then:\n%s", seed, order, other.change,
                         other.text);
        }
    }
    assert_true(drafts > ORDERS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_does_not_matter)};

    only_seed = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    return cmocka_run_group_tests_name("orders", tests, NULL, NULL);
}
