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
#include "random_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 3000, ORDERS = 6, TEXT_MAX = 16 * 1024 };

static unsigned only_seed;

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
    random_world_make(sim, seed);
    random_world_order(sim, seed * 1000 + order);
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
