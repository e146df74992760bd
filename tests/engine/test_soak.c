/*
 * Months in the life of the engine's core: domains come and go, change what they publish, fail and
 * recover, are asked for, cancelled, purged, while time passes in small and large steps and the
 * resolver's trust comes and goes. Whatever happens:
 *
 *  - who asks is called back once, who gives up never;
 *  - what is handed out from the cache has not outlived its TTL, and its security is not of
 *    another time;
 *  - a policy that was fetched is in force until its max_age is over, a newer one replaces it, or
 *    an administrator purges it;
 *  - the shared cache, which other hosts write to and which is there or not, makes none of this
 * wrong;
 *  - when everything has been answered, nothing is left in flight.
 *
 *   test_soak [SEED]
 */
#include "engine/cache.h"
#include "engine/core.h"
#include "sim_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The lookup that fetched a policy may wait so long for the rest before anybody hears of it. */
enum { LANDING_MS = 20000 };

enum { LIVES = 300, STEPS = 3000, DOMAINS = 12, CALLERS = 64 };

static unsigned only_seed, running_seed;

struct caller {
    struct core_waiter waiter;
    struct soak *soak;
    int domain;
    bool asking;
    unsigned calls;
};

struct soak {
    unsigned seed;
    struct sim_world *sim;
    struct core *core;
    struct core_settings settings;
    struct caller callers[CALLERS];
    bool security_known;
    int64_t in_force_until_ms[DOMAINS]; /* of the policy that was fetched last; 0: none */
    int64_t saved_ms[DOMAINS];          /* when */
    bool shared;                        /* there is a shared cache, used by other hosts too */
    bool purging;
    unsigned handed_out, kept, taken_over;
};

static int pick(struct soak *s, int n)
{
    return (int)(rand_r(&s->seed) % (unsigned)n);
}

static int64_t now_ms(const struct soak *s)
{
    struct world *world = sim_world_world(s->sim);

    return world->ops->mono_ms(world);
}

static void domain_name(int domain, char out[40])
{
    snprintf(out, 40, "d%d.example", domain);
}

/* The domain publishes something else from now on. */
static void change_domain(struct soak *s, int domain)
{
    static const unsigned ttls[] = {0, 5, 60, 3600, 86400};
    static const unsigned ages[] = {0, 600, 86400, 604800};
    static const char *const modes[] = {"enforce", "testing", "none"};
    char name[40], host[60], text[80];
    struct sim_dns *d;
    struct sim_https *h;

    domain_name(domain, name);
    snprintf(host, sizeof(host), "mx.%s", name);
    d = sim_world_dns(s->sim, name, DNS_TYPE_MX);
    d->ttl_s = ttls[pick(s, 5)];
    d->security = pick(s, 2) ? DNS_SECURE : DNS_INSECURE;
    d->delay_ms = pick(s, 3) ? 10 : pick(s, 6000);
    if (pick(s, 4) == 0) {
        d->status = DNS_FAILED;
    } else {
        d->count = 1;
        d->records = calloc(1, sizeof(*d->records));
        d->text = calloc(1, SIM_NAME_MAX);
        strcpy(d->text, host);
        d->records[0].mx.host = d->text;
    }
    d = sim_world_dns(s->sim, host, DNS_TYPE_A);
    d->ttl_s = ttls[1 + pick(s, 4)];
    d->security = pick(s, 2) ? DNS_SECURE : DNS_INSECURE;
    d->count = 1;
    d->records = calloc(1, sizeof(*d->records));
    d->text = calloc(1, SIM_NAME_MAX);

    snprintf(text, sizeof(text), "_mta-sts.%s", name);
    d = sim_world_dns(s->sim, text, DNS_TYPE_TXT);
    d->ttl_s = ttls[pick(s, 5)];
    if (pick(s, 4) == 0) {
        d->status = pick(s, 2) ? DNS_FAILED : DNS_NODATA;
    } else {
        d->count = 1;
        d->records = calloc(1, sizeof(*d->records));
        d->text = calloc(1, SIM_NAME_MAX);
        d->records[0].txt.text = d->text;
        d->records[0].txt.len = (uint16_t)sprintf(d->text, "v=STSv1; id=%d;", pick(s, 5));
    }
    h = sim_world_https(s->sim, name);
    h->status = pick(s, 2) ? FETCH_OK : (enum fetch_status)pick(s, 4);
    h->delay_ms = pick(s, 3) ? 50 : pick(s, 10000);
    h->body = calloc(1, 200);
    snprintf(h->body, 200, "version: STSv1\nmode: %s\nmx: *.%s\nmax_age: %u\n", modes[pick(s, 3)],
             name, ages[pick(s, 4)]);
}

static void check(struct soak *s, int domain, const struct findings *f)
{
    if (f->sts.state != FINDINGS_STS_POLICY && f->sts.state != FINDINGS_STS_PENDING &&
        s->in_force_until_ms[domain] > now_ms(s) && now_ms(s) - s->saved_ms[domain] > LANDING_MS)
        fail_msg("a policy was lost");

    if (!f->security_known) {
        assert_int_not_equal(f->mx, FINDINGS_MX_SECURE);
        for (size_t i = 0; i < f->host_count; i++)
            assert_int_not_equal(f->hosts[i].a, FINDINGS_ADDR_SECURE);
    }
    s->handed_out++;
}

static int domain_of(const char *name)
{
    return atoi(name + 1);
}

static void on_saved(const struct sts_cached *entry, const char *body, size_t len, void *arg)
{
    struct soak *s = arg;

    assert_int_equal(strnlen(body, len), len);
    assert_int_equal(entry->expires_ms,
                     entry->fetched_ms + (int64_t)entry->policy->max_age_s * 1000);
    assert_true(entry->fetched_ms <= now_ms(s));
    assert_true(s->shared || entry->fetched_ms == now_ms(s));
    s->taken_over += entry->fetched_ms < now_ms(s);
    s->in_force_until_ms[domain_of(entry->domain)] = entry->expires_ms;
    s->saved_ms[domain_of(entry->domain)] = now_ms(s);
    s->kept++;
}

static void on_removed(const char *domain, void *arg)
{
    struct soak *s = arg;

    if (!s->purging && s->in_force_until_ms[domain_of(domain)] > now_ms(s))
        fail_msg("a policy was dropped");
}

static void on_done(const struct findings *f, void *arg)
{
    struct caller *c = arg;

    assert_true(c->asking);
    c->asking = false;
    c->calls++;
    assert_non_null(f);
    assert_true(findings_complete(f));
    check(c->soak, c->domain, f);
}

static void ask(struct soak *s)
{
    struct caller *c = &s->callers[pick(s, CALLERS)];
    const struct findings *f = NULL;
    struct nexthop nexthop;
    char name[40];
    int status;

    if (c->asking)
        return;
    c->soak = s;
    c->domain = pick(s, DOMAINS);
    c->asking = true;
    domain_name(c->domain, name);
    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    c->waiter = (struct core_waiter){.done = on_done, .arg = c};
    status = core_ask(s->core, &nexthop, &c->waiter, &f);
    assert_true(status >= 0);
    if (status > 0)
        on_done(f, c);
    findings_unref(f);
}

static void look_into_cache(struct soak *s)
{
    const struct findings *f;
    int domain = pick(s, DOMAINS);
    struct nexthop nexthop;
    char name[40];

    domain_name(domain, name);
    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    f = core_cached(s->core, &nexthop, now_ms(s), s->security_known);
    if (f == NULL)
        return;
    assert_true(findings_complete(f));
    assert_true(f->security_known || !s->security_known);
    assert_true(now_ms(s) - f->made_at_ms < ((int64_t)f->ttl_s + 1) * 1000);
    check(s, domain, f);
    findings_unref(f);
}

static void give_up(struct soak *s)
{
    struct caller *c = &s->callers[pick(s, CALLERS)];

    if (!c->asking)
        return;
    core_drop(&c->waiter);
    c->asking = false; /* a call would show */
}

/* core_purged_fn */
static void on_purged(int status, void *arg)
{
    struct soak *s = arg;

    assert_true(status == 0 || status == -ENOENT || (s->shared && status == -EIO));
}

static void purge(struct soak *s)
{
    int domain = pick(s, DOMAINS);
    struct nexthop nexthop;
    char name[40];

    domain_name(domain, name);
    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    s->purging = true;
    core_purge(s->core, &nexthop, on_purged, s);
    s->purging = false;
    s->in_force_until_ms[domain] = 0;
}

/* Another host has fetched a policy some time ago, or the server comes or goes. */
static void change_shared(struct soak *s)
{
    static const int64_t delays_ms[] = {0, 1, 99, 5000};
    static const unsigned ages[] = {600, 86400, 604800};
    struct world *world = sim_world_world(s->sim);
    int64_t fetched_at_s = world->ops->wall_s(world) - pick(s, pick(s, 2) ? 600 : 700000);
    char name[40], id[8], body[200];

    if (!s->shared)
        return;
    if (pick(s, 3) == 0) {
        sim_world_set_shared(s->sim, (enum sim_shared)(SIM_SHARED_UP + pick(s, 3)),
                             delays_ms[pick(s, 4)]);
        return;
    }
    domain_name(pick(s, DOMAINS), name);
    snprintf(id, sizeof(id), "%d", pick(s, 5));
    snprintf(body, sizeof(body), "version: STSv1\nmode: enforce\nmx: *.%s\nmax_age: %u\n", name,
             ages[pick(s, 3)]);
    sim_world_share_policy(s->sim, name, id, body, fetched_at_s, fetched_at_s + 604800);
}

static void pass_time(struct soak *s)
{
    static const int64_t steps_ms[] = {1, 15, 500, 7000, 60000, 3600000, 90000000};

    sim_world_run(s->sim, 1 + pick(s, (int)steps_ms[pick(s, pick(s, 10) ? 5 : 7)]));
}

static void step(struct soak *s)
{
    switch (pick(s, 40)) {
    case 0:
        s->security_known = pick(s, 4) != 0;
        sim_world_set_security(s->sim, s->security_known);
        break;
    case 1:
        purge(s);
        break;
    case 2:
        sim_world_step_wall(s->sim, pick(s, 100000000) - 50000000);
        break;
    case 3:
        s->settings.max_domains = DOMAINS + (size_t)pick(s, 3);
        s->settings.dane_enable = pick(s, 4) != 0;
        core_configure(s->core, &s->settings);
        break;
    case 4:
    case 5:
        give_up(s);
        break;
    case 9:
    case 10:
        change_shared(s);
        break;
    case 6:
    case 7:
    case 8:
        change_domain(s, pick(s, DOMAINS));
        break;
    default:
        if (pick(s, 3))
            ask(s);
        else if (pick(s, 2))
            look_into_cache(s);
        else
            pass_time(s);
        break;
    }
}

static void live(unsigned seed, unsigned *handed_out, unsigned *kept, unsigned *taken_over)
{
    static struct soak s;
    memset(&s, 0, sizeof(s));
    s.seed = seed;
    s.sim = sim_world_new();
    s.security_known = true;
    s.settings = (struct core_settings){.dane_enable = true,
                                        .sts_enable = true,
                                        .prefetch = seed % 2,
                                        .sts_min_retry_ms = 300000,
                                        .sts_give_up_ms = 86400000,
                                        .sts_refresh_ms = 86400000,
                                        .sts_max_policy = 65536,
                                        .negative_ttl_ms = 300000,
                                        .max_ttl_ms = 86400000,
                                        .max_domains = DOMAINS};
    s.shared = seed % 3 == 0;
    if (s.shared)
        sim_world_set_shared(s.sim, SIM_SHARED_UP, 1);
    assert_int_equal(core_new(sim_world_world(s.sim), &s.settings, &s.core), 0);
    sts_cache_set_sink(
        core_sts_cache(s.core),
        &(struct sts_cache_sink){.saved = on_saved, .removed = on_removed, .arg = &s});
    for (int d = 0; d < DOMAINS; d++)
        change_domain(&s, d);
    for (int i = 0; i < STEPS; i++)
        step(&s);
    sim_world_run(s.sim, 60000);
    for (int i = 0; i < CALLERS; i++)
        assert_false(s.callers[i].asking);
    core_free(s.core);
    assert_int_equal(sim_world_outstanding(s.sim), 0);
    sim_world_free(s.sim);
    *handed_out += s.handed_out;
    *kept += s.kept;
    *taken_over += s.taken_over;
}

static void nothing_is_lost(void **state)
{
    unsigned handed_out = 0, kept = 0, taken_over = 0;
    (void)state;

    for (unsigned seed = only_seed ? only_seed : 1; seed <= (only_seed ? only_seed : LIVES);
         seed++) {
        running_seed = seed;
        live(seed, &handed_out, &kept, &taken_over);
    }
    assert_true(handed_out > 1000);
    assert_true(kept > 10);
    if (!only_seed)
        assert_true(taken_over > 100);
}

/* What failed does not say in which life. */
static int say_seed(void **state)
{
    (void)state;
    fprintf(stderr, "last seed: %u\n", running_seed);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost)};

    only_seed = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    return cmocka_run_group_tests_name("soak", tests, NULL, say_seed);
}
