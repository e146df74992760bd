/*
 * The shared cache behaves in any way: it has the row that is wanted, another, one that is none; it
 * is late, down, read-only. Whatever it does:
 *
 *  - the policy in force is the one that an independent reading of RFC 8461 and of the rules of the
 *    shared cache gives (expect_sts), and never one that nobody has fetched, or that is over;
 *  - where a policy is in force without it, one is in force with it; a verdict that DANE satisfies
 *    stays; nothing permanent comes of a policy whose id DNS has not shown;
 *  - nobody waits longer for it than its timeout, nor at all for what is known here.
 *
 * Worlds are generated from a seed, which a failure names: test_shared_rules [SEED].
 */
#include "engine/core.h"
#include "policy/verdict.h"
#include "random_world.h"
#include "store/shared_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 20000 };

static unsigned only_seed, running_seed;

/* ---- What happens, made of a seed ---- */

struct body {
    const char *text;
    bool valid;
    enum findings_sts_mode mode;
    int64_t max_age_s;
};

static const struct body bodies[] = {
    {"version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 86400\n", true,
     FINDINGS_STS_MODE_ENFORCE, 86400},
    {"version: STSv1\nmode: enforce\nmx: mx1.example.org\nmax_age: 86400\n", true,
     FINDINGS_STS_MODE_ENFORCE, 86400},
    {"version: STSv1\nmode: enforce\nmx: *.other.example\nmax_age: 3600\n", true,
     FINDINGS_STS_MODE_ENFORCE, 3600},
    {"version: STSv1\nmode: testing\nmx: *.example.org\nmax_age: 86400\n", true,
     FINDINGS_STS_MODE_TESTING, 86400},
    {"version: STSv1\nmode: none\nmax_age: 86400\n", true, FINDINGS_STS_MODE_NONE, 86400},
    {"version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 0\n", true,
     FINDINGS_STS_MODE_ENFORCE, 0},
    {"version: STSv1\nmode: enforce\n", false, FINDINGS_STS_MODE_NONE, 0},
};
enum { BODIES = sizeof(bodies) / sizeof(bodies[0]) };

enum txt { TXT_FOUND, TXT_ABSENT, TXT_INVALID, TXT_FAILED };

/* What the domain publishes for one of the two questions. */
struct publication {
    enum txt txt;
    int id; /* of TXT_FOUND */
    int64_t txt_delay_ms, fetch_delay_ms;
    enum fetch_status status;
    const struct body *body;
};

enum row_kind { ROW_NONE, ROW_POLICY, ROW_GARBAGE, ROW_OTHER_DOMAIN };

struct life {
    unsigned seed;
    bool first; /* somebody asks before, so that a policy may be in force here */
    struct publication before, now;
    int64_t gap_s; /* between the two questions */
    enum sim_shared shared;
    int64_t shared_delay_ms;
    enum row_kind row;
    int row_id;
    int64_t row_age_s;
    const struct body *row_body;
};

static int pick(unsigned *seed, int n)
{
    return (int)(rand_r(seed) % (unsigned)n);
}

static void make_publication(struct publication *p, unsigned *seed)
{
    p->txt = pick(seed, 2) ? TXT_FOUND : (enum txt)pick(seed, 4);
    p->id = 1 + pick(seed, 3);
    p->txt_delay_ms = 1 + (pick(seed, 4) ? pick(seed, 60) : pick(seed, 6000));
    p->fetch_delay_ms = 1 + pick(seed, 300);
    p->status = pick(seed, 2) ? FETCH_OK : (enum fetch_status)pick(seed, 5);
    p->body = &bodies[pick(seed, BODIES)];
}

static void make_life(struct life *life, unsigned seed)
{
    static const int64_t delays_ms[] = {0, 1, 30, 99, 100, 5000};
    static const int64_t ages_s[] = {0, 60, 3000, 7200, 50000, 90000, -200, -400};
    static const int64_t apart_s[] = {20, 150, 280, 320}; /* delays are less than 20 s */

    life->seed = seed;
    life->first = pick(&seed, 3) != 0;
    make_publication(&life->before, &seed);
    make_publication(&life->now, &seed);
    life->gap_s = 400 + pick(&seed, 60000);
    life->shared = (enum sim_shared)(pick(&seed, 3) ? SIM_SHARED_UP : pick(&seed, 4));
    life->shared_delay_ms = delays_ms[pick(&seed, 6)];
    life->row = pick(&seed, 4) ? ROW_POLICY : (enum row_kind)pick(&seed, 4);
    life->row_id = 1 + pick(&seed, 3);
    life->row_age_s = ages_s[pick(&seed, 8)];
    life->row_body = &bodies[pick(&seed, BODIES)];
    if (pick(&seed, 4) == 0) /* at about the time of the fetch here */
        life->row_age_s = life->gap_s - apart_s[pick(&seed, 4)];
}

/* ---- The expectation ---- */

/* A policy with its fetch, relative to the second question. */
struct policy {
    bool there;
    int id;
    int64_t age_s;
    const struct body *body;
};

struct expectation {
    enum findings_sts_state state;
    enum findings_sts_source source;
    struct policy policy; /* of FINDINGS_STS_POLICY */
    bool id_current;
    bool waits; /* for the shared cache */
};

static bool is_fetched(const struct publication *p)
{
    return p->txt == TXT_FOUND && p->status == FETCH_OK && p->body->valid;
}

/* What is in force here when the second question is asked. */
static struct policy local_policy(const struct life *life)
{
    if (!life->first || !is_fetched(&life->before) || life->gap_s >= life->before.body->max_age_s)
        return (struct policy){.there = false};
    return (struct policy){true, life->before.id, life->gap_s, life->before.body};
}

/* What the shared cache has to offer, if it does in time. */
static struct policy shared_policy(const struct life *life)
{
    bool answers = life->shared == SIM_SHARED_UP || life->shared == SIM_SHARED_READ_ONLY;

    if (!answers || life->shared_delay_ms >= SIM_SHARED_TIMEOUT_MS || life->row != ROW_POLICY ||
        !life->row_body->valid || life->row_age_s < -300 ||
        (life->row_age_s > 0 ? life->row_age_s : 0) >= life->row_body->max_age_s)
        return (struct policy){.there = false};
    return (struct policy){true, life->row_id, life->row_age_s, life->row_body};
}

static bool is_later(const struct policy *policy, const struct policy *other)
{
    return policy->there && (!other->there || policy->age_s < other->age_s);
}

/* Of two hosts' clocks that say later by less than they may differ nobody knows; that is not enough
 * to weaken what is in force. */
static bool is_doubtful(const struct policy *policy, const struct policy *other)
{
    return policy->there && other->there && policy->body->mode < other->body->mode &&
           other->age_s - policy->age_s <= 300;
}

static struct expectation in_force(const struct policy *policy, enum findings_sts_source source,
                                   bool id_current)
{
    return (struct expectation){FINDINGS_STS_POLICY, source, *policy, id_current, false};
}

static struct expectation expect_fetch(const struct life *life, const struct policy *local)
{
    const struct publication *now = &life->now;
    const struct policy fetched = {true, now->id, 0, now->body};
    bool passing = now->status == FETCH_WEBPKI || now->status == FETCH_FAILED;

    if (is_fetched(now))
        return in_force(&fetched, FINDINGS_STS_FRESH, true);
    if (local->there)
        return in_force(local, FINDINGS_STS_CACHED_FAILED, local->id == now->id);
    return (struct expectation){.state = passing ? FINDINGS_STS_FAILED : FINDINGS_STS_NONE};
}

static struct expectation expect_sts(const struct life *life)
{
    const struct policy local = local_policy(life), shared = shared_policy(life);
    bool failed = life->now.txt == TXT_FAILED;
    struct expectation e;

    if (life->now.txt == TXT_FOUND) {
        if (local.there && local.id == life->now.id)
            return in_force(&local, FINDINGS_STS_CACHED, true);
        if (is_later(&shared, &local) && shared.id == life->now.id)
            e = in_force(&shared, FINDINGS_STS_SHARED, true);
        else
            e = expect_fetch(life, &local);
    } else if (is_later(&shared, &local) && !is_doubtful(&shared, &local)) {
        e = in_force(&shared, FINDINGS_STS_SHARED, !failed);
    } else if (local.there) {
        e = in_force(&local, failed ? FINDINGS_STS_CACHED_FAILED : FINDINGS_STS_CACHED, !failed);
    } else {
        e = (struct expectation){.state = failed ? FINDINGS_STS_FAILED : FINDINGS_STS_NONE};
    }
    e.waits = true;
    return e;
}

/* ---- The engine ---- */

static const struct verdict_terms terms[] = {
    {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS, .web_pki = true},
    {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI, .web_pki = true},
    {.can = VERDICT_CAN_STS, .web_pki = true, .accept_testing = true},
    {.can = VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI, .web_pki = true},
};
enum { TERMS = sizeof(terms) / sizeof(terms[0]) };

struct answer {
    struct core_waiter waiter;
    struct sim_world *sim;
    const struct findings *findings; /* with a reference */
    int64_t asked_ms, took_ms;
};

static void on_done(const struct findings *findings, void *arg)
{
    struct answer *answer = arg;

    assert_non_null(findings);
    assert_null(answer->findings);
    answer->findings = findings_ref(findings);
    answer->took_ms = sim_world_now(answer->sim) - answer->asked_ms;
}

static void ask(struct sim_world *sim, struct core *core, struct answer *answer)
{
    const struct findings *now = NULL;
    struct nexthop nexthop;

    *answer = (struct answer){.sim = sim, .asked_ms = sim_world_now(sim)};
    answer->waiter = (struct core_waiter){.done = on_done, .arg = answer};
    assert_int_equal(nexthop_parse("example.org", &nexthop), 0);
    assert_int_equal(core_ask(core, &nexthop, &answer->waiter, &now), 0);
    sim_world_run(sim, 20000);
    assert_non_null(answer->findings);
}

static void publish(struct sim_world *sim, const struct publication *p)
{
    struct sim_dns *d = sim_world_dns(sim, "_mta-sts.example.org", DNS_TYPE_TXT);
    struct sim_https *h = sim_world_https(sim, "example.org");

    d->delay_ms = p->txt_delay_ms;
    d->ttl_s = 60;
    d->status = p->txt == TXT_FAILED ? DNS_FAILED : DNS_FOUND;
    if (p->txt == TXT_ABSENT)
        d->status = DNS_NXDOMAIN;
    if (p->txt == TXT_FOUND || p->txt == TXT_INVALID) {
        d->count = 1;
        d->records = calloc(1, sizeof(*d->records));
        d->text = calloc(1, SIM_NAME_MAX);
        d->records[0].txt.text = d->text;
        d->records[0].txt.len =
            (uint16_t)(p->txt == TXT_FOUND ? sprintf(d->text, "v=STSv1; id=%d;", p->id)
                                           : sprintf(d->text, "v=STSv1; id=;"));
    }
    h->status = p->status;
    h->body = strdup(p->body->text);
    h->delay_ms = p->fetch_delay_ms;
}

static void put_row(struct sim_world *sim, const struct life *life)
{
    struct world *world = sim_world_world(sim);
    int64_t now_s = world->ops->wall_s(world);
    const struct sim_row *row;
    char id[12];

    snprintf(id, sizeof(id), "%d", life->row_id);
    switch (life->row) {
    case ROW_NONE:
        return;
    case ROW_POLICY:
        sim_world_share_policy(sim, "example.org", id, life->row_body->text,
                               now_s - life->row_age_s, now_s + 100000);
        return;
    case ROW_GARBAGE:
        sim_world_write_row(sim, SHARED_POLICY, "example.org", life->row_body->text,
                            strlen(life->row_body->text), now_s + 100000);
        return;
    case ROW_OTHER_DOMAIN:
        sim_world_share_policy(sim, "other.example", id, life->row_body->text,
                               now_s - life->row_age_s, now_s + 100000);
        row = sim_world_row(sim, SHARED_POLICY, "other.example");
        sim_world_write_row(sim, SHARED_POLICY, "example.org", row->payload, row->len,
                            now_s + 100000);
        return;
    }
}

static void check_row(struct sim_world *sim, const struct life *life, const struct findings *f)
{
    const struct sim_row *row = sim_world_row(sim, SHARED_POLICY, "example.org");
    struct world *world = sim_world_world(sim);
    struct shared_policy policy;

    if (life->shared != SIM_SHARED_UP || f->sts.state != FINDINGS_STS_POLICY ||
        f->sts.source != FINDINGS_STS_FRESH || f->sts.max_age_s == 0)
        return;
    assert_non_null(row);
    assert_int_equal(shared_policy_read(row->payload, row->len, "example.org", SIZE_MAX,
                                        world->ops->wall_s(world), &policy),
                     SHARED_OK);
    assert_string_equal(policy.id, f->sts.id);
    assert_int_equal(policy.fetched_at_s, f->sts.fetched_at_s);
    assert_int_equal(row->ends_at_s, f->sts.fetched_at_s + f->sts.max_age_s);
}

/* Both questions, the second with the shared cache as it is in this life, or without. */
static void live(const struct life *life, bool shared, struct answer *answer)
{
    const struct core_settings settings = {.dane_enable = true,
                                           .sts_enable = true,
                                           .sts_min_retry_ms = 300000,
                                           .sts_give_up_ms = 86400000,
                                           .sts_max_policy = 65536,
                                           .negative_ttl_ms = 300000,
                                           .max_ttl_ms = 86400000,
                                           .max_domains = 10};
    struct sim_world *sim = sim_world_new();
    struct core *core;

    random_world_make(sim, life->seed);
    random_world_order(sim, life->seed);
    assert_int_equal(core_new(sim_world_world(sim), &settings, &core), 0);
    if (life->first) {
        publish(sim, &life->before);
        ask(sim, core, answer);
        findings_unref(answer->findings);
        sim_world_run(sim, life->gap_s * 1000 - 20000);
    }
    publish(sim, &life->now);
    if (shared) {
        put_row(sim, life);
        sim_world_set_shared(sim, life->shared, life->shared_delay_ms);
    }
    ask(sim, core, answer);
    assert_int_equal(sim_world_outstanding(sim), 0);
    if (shared)
        check_row(sim, life, answer->findings);
    core_free(core);
    sim_world_free(sim);
}

static void say_publication(const char *when, const struct publication *p)
{
    fprintf(stderr, "%s: txt %d id %d in %lld ms, fetch %d in %lld ms, policy %zu\n", when, p->txt,
            p->id, (long long)p->txt_delay_ms, p->status, (long long)p->fetch_delay_ms,
            (size_t)(p->body - bodies));
}

static void say_life(const struct life *life)
{
    if (life->first)
        say_publication("first", &life->before);
    say_publication("now", &life->now);
    fprintf(stderr, "%lld s between; shared %d, after %lld ms: row %d id %d age %lld, policy %zu\n",
            (long long)life->gap_s, life->shared, (long long)life->shared_delay_ms, life->row,
            life->row_id, (long long)life->row_age_s, (size_t)(life->row_body - bodies));
}

static void compare(const struct expectation *e, const struct findings_sts *sts)
{
    if (sts->state != e->state)
        fail_msg("state %u, not %u", sts->state, e->state);
    if (sts->state != FINDINGS_STS_POLICY)
        return;
    if (sts->source != e->source || atoi(sts->id) != e->policy.id ||
        sts->mode != e->policy.body->mode || sts->max_age_s != e->policy.body->max_age_s ||
        sts->id_current != e->id_current)
        fail_msg("%s %s id=%s, not %s %s id=%d", findings_sts_source_name(sts->source),
                 findings_sts_mode_name(sts->mode), sts->id, findings_sts_source_name(e->source),
                 findings_sts_mode_name(e->policy.body->mode), e->policy.id);
}

static bool is_of_shared(const struct findings *f)
{
    return f->sts.state == FINDINGS_STS_POLICY && f->sts.source == FINDINGS_STS_SHARED;
}

static void compare_verdict(const struct findings *with, const struct findings *without,
                            const struct verdict_terms *t)
{
    struct verdict v, w;

    verdict_derive(with, t, &v);
    verdict_derive(without, t, &w);
    if (!is_of_shared(with)) {
        assert_int_equal(v.value, w.value);
        return;
    }
    if (w.value == VERDICT_SATISFIED && w.basis == VERDICT_BASIS_DANE)
        assert_int_equal(v.value, VERDICT_SATISFIED);
    /* By the policy itself, or because an older one that barred the Web PKI has given way to it. */
    if (v.value == VERDICT_SATISFIED && w.value != VERDICT_SATISFIED)
        assert_int_equal(v.basis,
                         with->sts.mode == FINDINGS_STS_MODE_ENFORCE ||
                                 (t->accept_testing && with->sts.mode == FINDINGS_STS_MODE_TESTING)
                             ? VERDICT_BASIS_STS
                             : VERDICT_BASIS_WEB_PKI);
    if (v.value == VERDICT_UNSATISFIED && w.value == VERDICT_UNDECIDED)
        assert_true(with->sts.id_current);
}

static void try_life(unsigned seed, unsigned *shared, unsigned *differ)
{
    struct answer with, without;
    struct expectation e;
    struct life life;

    make_life(&life, seed);
    e = expect_sts(&life);
    live(&life, true, &with);
    live(&life, false, &without);
    if (only_seed)
        say_life(&life);
    compare(&e, &with.findings->sts);
    if (without.findings->sts.state == FINDINGS_STS_POLICY)
        assert_int_equal(with.findings->sts.state, FINDINGS_STS_POLICY);
    assert_true(with.took_ms <= without.took_ms + SIM_SHARED_TIMEOUT_MS);
    if (!e.waits)
        assert_int_equal(with.took_ms, without.took_ms);
    for (size_t i = 0; i < TERMS; i++)
        compare_verdict(with.findings, without.findings, &terms[i]);
    *shared += is_of_shared(with.findings);
    *differ += with.findings->sts.state != without.findings->sts.state;
    findings_unref(with.findings);
    findings_unref(without.findings);
}

static void nothing_is_weaker(void **state)
{
    unsigned shared = 0, differ = 0;
    (void)state;

    for (unsigned seed = only_seed ? only_seed : 1; seed <= (only_seed ? only_seed : WORLDS);
         seed++) {
        running_seed = seed;
        try_life(seed, &shared, &differ);
    }
    if (only_seed)
        return;
    assert_true(shared > WORLDS / 50);
    assert_true(differ > WORLDS / 100);
}

/* What failed does not say in which world. */
static int say_seed(void **state)
{
    (void)state;
    fprintf(stderr, "last seed: %u\n", running_seed);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_weaker)};

    only_seed = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    return cmocka_run_group_tests_name("shared_rules", tests, NULL, say_seed);
}
