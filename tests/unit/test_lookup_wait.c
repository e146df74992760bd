/* lookup_wait.c: deadlines, cancellation, shares of the limiter; with threads, as in the daemon. */
#include "filter/lookup_wait.h"

#include "at_lock.h"
#include "fake_engine.h"
#include "policy/clock.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DANE "nexthop=example.org mx=secure host=mx.example.org,10,a=s,tlsa=usable"
enum { SOON_MS = 20, NEVER_MS = 60000 };

static const struct verdict_terms enforce = {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS};

struct scene {
    struct engine *engine;
    struct wait_limiter *limiter;
    struct nexthop nexthop;
};

static void begin(struct scene *s, unsigned limit)
{
    s->engine = fake_engine_new();
    assert_int_equal(wait_limiter_new(limit, &s->limiter), 0);
    assert_int_equal(nexthop_parse("example.org", &s->nexthop), 0);
}

static void end(struct scene *s)
{
    assert_int_equal(wait_limiter_waiting(s->limiter), 0);
    assert_int_equal(fake_engine_outstanding(s->engine), 0);
    wait_limiter_free(s->limiter);
    engine_free(s->engine);
}

static struct waiter *ask(struct scene *s)
{
    struct waiter *waiter = NULL;

    assert_int_equal(wait_start(s->engine, &s->nexthop, &enforce, &waiter), 0);
    return waiter;
}

static void gives_findings(void **state)
{
    struct scene s;
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 8);
    fake_engine_answer(s.engine, DANE);
    waiter = ask(&s);
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_RCPT, clock_awake_ms() + NEVER_MS, NULL, NULL),
        WAIT_DONE);
    assert_string_equal(wait_findings(waiter, &s.nexthop)->nexthop.text, "example.org");
    /* An ended lookup is done whatever the deadline says. */
    assert_int_equal(wait_for(s.limiter, waiter, WAIT_STAGE_RCPT, 0, NULL, NULL), WAIT_DONE);
    waiter_free(waiter);
    end(&s);
}

static void gives_no_findings_when_the_engine_has_none(void **state)
{
    struct scene s;
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 8);
    fake_engine_break(s.engine, "example.org");
    waiter = ask(&s);
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_RCPT, clock_awake_ms() + NEVER_MS, NULL, NULL),
        WAIT_DONE);
    assert_null(wait_findings(waiter, &s.nexthop));
    waiter_free(waiter);
    waiter = NULL;
    fake_engine_break(s.engine, "*");
    assert_true(wait_start(s.engine, &s.nexthop, &enforce, &waiter) < 0);
    end(&s);
}

static void ends_at_the_deadline_and_can_go_on(void **state)
{
    struct scene s;
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 8);
    fake_engine_hold(s.engine, DANE);
    waiter = ask(&s);
    assert_int_equal(wait_for(s.limiter, waiter, WAIT_STAGE_RCPT, clock_awake_ms() - 1, NULL, NULL),
                     WAIT_TIMEOUT);
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_RCPT, clock_awake_ms() + SOON_MS, NULL, NULL),
        WAIT_TIMEOUT);
    assert_null(wait_findings(waiter, &s.nexthop));
    fake_engine_release(s.engine, "example.org");
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_EOM, clock_awake_ms() + NEVER_MS, NULL, NULL),
        WAIT_DONE);
    assert_non_null(wait_findings(waiter, &s.nexthop));
    waiter_free(waiter);
    end(&s);
}

static void freeing_gives_up_the_lookup(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, 8);
    fake_engine_hold(s.engine, DANE);
    waiter_free(ask(&s));
    waiter_free(NULL);
    end(&s);
}

/* Starts one more lookup of the waiter. */
static void ask_also(struct scene *s, struct waiter **waiter, const char *name)
{
    struct nexthop nexthop;

    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    assert_int_equal(wait_start(s->engine, &nexthop, &enforce, waiter), 0);
}

/* Whether the waiter's lookup for that name has ended. */
static bool has_ended(struct waiter *waiter, const char *name)
{
    struct nexthop nexthop;
    bool ended;

    assert_int_equal(nexthop_parse(name, &nexthop), 0);
    assert_true(wait_has(waiter, &nexthop, &ended));
    if (ended) /* it may end at any moment */
        assert_non_null(wait_findings(waiter, &nexthop));
    return ended;
}

static enum wait_result wait_at_eom(struct scene *s, struct waiter *waiter)
{
    return wait_for(s->limiter, waiter, WAIT_STAGE_EOM, clock_awake_ms() + SOON_MS, NULL, NULL);
}

static enum wait_result wait_long(struct scene *s, struct waiter *waiter)
{
    return wait_for(s->limiter, waiter, WAIT_STAGE_EOM, clock_awake_ms() + NEVER_MS, NULL, NULL);
}

static void any_of_several_lookups_ends_the_wait(void **state)
{
    struct scene s;
    struct waiter *waiter = NULL;
    struct nexthop other;
    bool ended;

    (void)state;
    begin(&s, 8);
    fake_engine_hold(s.engine, DANE);
    fake_engine_hold(s.engine, "nexthop=two.example");
    fake_engine_hold(s.engine, "nexthop=three.example");
    ask_also(&s, &waiter, "example.org");
    ask_also(&s, &waiter, "two.example");
    ask_also(&s, &waiter, "three.example");
    assert_int_equal(wait_at_eom(&s, waiter), WAIT_TIMEOUT);
    fake_engine_release(s.engine, "two.example");
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(has_ended(waiter, "two.example"));
    assert_false(has_ended(waiter, "example.org"));
    /* What was said once does not count once more; when all have ended there is nothing to wait
     * for. */
    assert_int_equal(wait_at_eom(&s, waiter), WAIT_TIMEOUT);
    fake_engine_release(s.engine, "example.org");
    fake_engine_release(s.engine, "three.example");
    while (!has_ended(waiter, "example.org") || !has_ended(waiter, "three.example"))
        assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(has_ended(waiter, "three.example"));
    assert_int_equal(nexthop_parse("four.example", &other), 0);
    assert_false(wait_has(waiter, &other, &ended));
    waiter_free(waiter);
    end(&s);
}

/* A lookup that has ended with these findings, which it returns. */
static const struct findings *look_up(struct scene *s, struct waiter **waiter)
{
    *waiter = ask(s);
    assert_int_equal(wait_long(s, *waiter), WAIT_DONE);
    assert_non_null(wait_findings(*waiter, &s->nexthop));
    return wait_findings(*waiter, &s->nexthop);
}

static int go_on(struct scene *s, enum wait_step step, const struct findings *satisfying,
                 struct waiter **waiter)
{
    return wait_go_on(s->engine, &s->nexthop, &enforce, step, satisfying, waiter);
}

static void a_lookup_goes_on_with_a_probe(void **state)
{
    struct scene s;
    struct waiter *waiter;
    struct wait_view view;

    (void)state;
    begin(&s, 8);
    fake_engine_answer(s.engine, DANE);
    fake_engine_server(s.engine, "mx.example.org", "r", false);
    fake_engine_hold_probes(s.engine, true);
    assert_int_equal(go_on(&s, WAIT_STEP_PROBE, look_up(&s, &waiter), &waiter), 0);
    /* What it satisfied by stands while it is open, though the lookup's own reference is gone. */
    assert_true(wait_look(waiter, &s.nexthop, &view));
    assert_int_equal(view.step, WAIT_STEP_PROBE);
    assert_false(view.ended);
    assert_null(view.findings);
    assert_int_equal(view.satisfying->hosts[0].probe_count, 0);
    assert_int_equal(wait_at_eom(&s, waiter), WAIT_TIMEOUT);
    fake_engine_hold_probes(s.engine, false);
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(wait_look(waiter, &s.nexthop, &view));
    assert_true(view.ended);
    assert_int_equal(view.findings->hosts[0].probes[0].result, FINDINGS_PROBE_NO_REQUIRETLS);
    /* The hosts are looked up for themselves, from there. */
    assert_int_equal(go_on(&s, WAIT_STEP_HOSTS, view.satisfying, &waiter), 0);
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(wait_look(waiter, &s.nexthop, &view));
    assert_int_equal(view.step, WAIT_STEP_HOSTS);
    assert_int_equal(view.findings->hosts[0].probe_count, 0);
    waiter_free(waiter);
    end(&s);
}

static void a_probe_that_comes_to_nothing_leaves_what_stood(void **state)
{
    struct scene s;
    struct waiter *waiter;
    struct wait_view view;

    (void)state;
    begin(&s, 8);
    fake_engine_answer(s.engine, DANE);
    fake_engine_break_probes(s.engine);
    assert_int_equal(go_on(&s, WAIT_STEP_PROBE, look_up(&s, &waiter), &waiter), 0);
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(wait_look(waiter, &s.nexthop, &view));
    assert_true(view.ended);
    assert_null(view.findings);
    assert_non_null(view.satisfying);
    fake_engine_break(s.engine, "*");
    assert_true(go_on(&s, WAIT_STEP_PROBE, view.satisfying, &waiter) < 0);
    assert_true(wait_look(waiter, &s.nexthop, &view));
    assert_true(view.ended);
    assert_non_null(view.satisfying);
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    waiter_free(waiter);
    end(&s);
}

/* Of findings from the cache; given up, and replaced by a lookup, while it is open. */
static void an_open_probe_is_given_up(void **state)
{
    struct scene s;
    struct waiter *waiter = NULL;
    const struct findings *cached;
    struct wait_view view;

    (void)state;
    begin(&s, 8);
    fake_engine_cache(s.engine, DANE);
    fake_engine_hold_probes(s.engine, true);
    cached = engine_cached(s.engine, &s.nexthop);
    assert_int_equal(go_on(&s, WAIT_STEP_PROBE, cached, &waiter), 0);
    waiter_free(waiter);
    waiter = NULL;
    assert_int_equal(go_on(&s, WAIT_STEP_PROBE, cached, &waiter), 0);
    assert_int_equal(go_on(&s, WAIT_STEP_PROBE, cached, &waiter), 0);
    assert_int_equal(fake_engine_outstanding(s.engine), 1);
    findings_unref(cached);
    assert_int_equal(wait_start(s.engine, &s.nexthop, &enforce, &waiter), 0);
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(wait_look(waiter, &s.nexthop, &view));
    assert_int_equal(view.step, WAIT_STEP_LOOKUP);
    assert_null(view.satisfying);
    waiter_free(waiter);
    end(&s);
}

static void a_lookup_can_begin_anew(void **state)
{
    struct scene s;
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 8);
    fake_engine_hold(s.engine, DANE);
    ask_also(&s, &waiter, "example.org");
    ask_also(&s, &waiter, "example.org");
    assert_int_equal(fake_engine_lookups(s.engine), 2);
    assert_int_equal(fake_engine_outstanding(s.engine), 1);
    assert_int_equal(wait_at_eom(&s, waiter), WAIT_TIMEOUT);
    fake_engine_release(s.engine, "example.org");
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(has_ended(waiter, "example.org"));
    assert_int_equal(wait_at_eom(&s, waiter), WAIT_DONE); /* all have ended */
    ask_also(&s, &waiter, "example.org");
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    assert_true(has_ended(waiter, "example.org"));
    fake_engine_break(s.engine, "*");
    assert_true(wait_start(s.engine, &s.nexthop, &enforce, &waiter) < 0);
    assert_true(has_ended(waiter, "example.org")); /* what was found stays */
    waiter_free(waiter);
    end(&s);
}

/* --- with threads that wait ------ ---------------------------------------------------- */

struct waiting_thread {
    struct scene *scene;
    struct waiter *waiter;
    enum wait_stage stage;
    enum wait_result result;
    pthread_t thread;
};

static void *run_thread(void *arg)
{
    struct waiting_thread *w = arg;

    w->result =
        wait_for(w->scene->limiter, w->waiter, w->stage, clock_awake_ms() + NEVER_MS, NULL, NULL);
    return NULL;
}

static void start_thread(struct scene *s, struct waiting_thread *w, enum wait_stage stage)
{
    unsigned before = wait_limiter_waiting(s->limiter);

    *w = (struct waiting_thread){.scene = s, .waiter = ask(s), .stage = stage};
    assert_int_equal(pthread_create(&w->thread, NULL, run_thread, w), 0);
    while (wait_limiter_waiting(s->limiter) == before)
        sched_yield();
}

static enum wait_result end_thread(struct waiting_thread *w)
{
    pthread_join(w->thread, NULL);
    waiter_free(w->waiter);
    return w->result;
}

static bool go_away(void *arg)
{
    (void)arg;
    return false;
}

/* Whether one more would get a slot; if so, waits until it is asked whether to go on. */
static bool has_slot(struct scene *s, enum wait_stage stage)
{
    struct waiter *waiter = ask(s);
    enum wait_result result =
        wait_for(s->limiter, waiter, stage, clock_awake_ms() + NEVER_MS, go_away, NULL);

    waiter_free(waiter);
    assert_true(result == WAIT_FULL || result == WAIT_GONE);
    return result == WAIT_GONE;
}

static void limits_one_nexthop_and_all(void **state)
{
    struct scene s;
    struct waiting_thread at_rcpt[2], at_eom[6], other[8];

    (void)state;
    begin(&s, 16);
    fake_engine_hold(s.engine, DANE);
    fake_engine_hold(s.engine, "nexthop=two.example");
    fake_engine_hold(s.engine, "nexthop=three.example");
    for (size_t i = 0; i < 2; i++)
        start_thread(&s, &at_rcpt[i], WAIT_STAGE_RCPT);
    assert_false(has_slot(&s, WAIT_STAGE_RCPT)); /* an eighth of 16 */
    for (size_t i = 0; i < 6; i++)
        start_thread(&s, &at_eom[i], WAIT_STAGE_EOM);
    assert_false(has_slot(&s, WAIT_STAGE_EOM)); /* half */
    nexthop_parse("two.example", &s.nexthop);
    assert_true(has_slot(&s, WAIT_STAGE_RCPT));
    for (size_t i = 0; i < 8; i++)
        start_thread(&s, &other[i], WAIT_STAGE_EOM);
    nexthop_parse("three.example", &s.nexthop);
    assert_false(has_slot(&s, WAIT_STAGE_EOM)); /* all 16 */
    wait_limiter_set_limit(s.limiter, 17);
    assert_true(has_slot(&s, WAIT_STAGE_EOM));
    fake_engine_release(s.engine, "example.org");
    fake_engine_release(s.engine, "two.example");
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(end_thread(&at_rcpt[i]), WAIT_DONE);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(end_thread(&at_eom[i]), WAIT_DONE);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(end_thread(&other[i]), WAIT_DONE);
    end(&s);
}

/* As start_thread, for a probe. */
static void start_probe_thread(struct scene *s, struct waiting_thread *w, const char *name)
{
    unsigned before = wait_limiter_waiting(s->limiter);

    assert_int_equal(nexthop_parse(name, &s->nexthop), 0);
    *w = (struct waiting_thread){.scene = s, .stage = WAIT_STAGE_EOM};
    assert_int_equal(go_on(s, WAIT_STEP_PROBE, look_up(s, &w->waiter), &w->waiter), 0);
    assert_int_equal(pthread_create(&w->thread, NULL, run_thread, w), 0);
    while (wait_limiter_waiting(s->limiter) == before)
        sched_yield();
}

/* Servers that do not answer hold up no lookup. */
static void probes_leave_slots_to_lookups(void **state)
{
    struct scene s;
    struct waiting_thread probes[2], lookups[2];
    struct waiter *waiter;

    (void)state;
    begin(&s, 4);
    fake_engine_answer(s.engine, DANE);
    fake_engine_answer(s.engine, "nexthop=two.example host=mx,tlsa=usable");
    fake_engine_answer(s.engine, "nexthop=three.example host=mx,tlsa=usable");
    fake_engine_hold(s.engine, "nexthop=four.example");
    fake_engine_hold(s.engine, "nexthop=five.example");
    fake_engine_hold_probes(s.engine, true);
    start_probe_thread(&s, &probes[0], "example.org");
    start_probe_thread(&s, &probes[1], "two.example");
    nexthop_parse("three.example", &s.nexthop);
    assert_int_equal(go_on(&s, WAIT_STEP_PROBE, look_up(&s, &waiter), &waiter), 0);
    assert_int_equal(wait_at_eom(&s, waiter), WAIT_FULL);
    nexthop_parse("four.example", &s.nexthop);
    start_thread(&s, &lookups[0], WAIT_STAGE_EOM);
    nexthop_parse("five.example", &s.nexthop);
    start_thread(&s, &lookups[1], WAIT_STAGE_EOM);
    assert_false(has_slot(&s, WAIT_STAGE_EOM));
    fake_engine_hold_probes(s.engine, false);
    fake_engine_release(s.engine, "four.example");
    fake_engine_release(s.engine, "five.example");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(end_thread(&probes[i]), WAIT_DONE);
        assert_int_equal(end_thread(&lookups[i]), WAIT_DONE);
    }
    assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
    waiter_free(waiter);
    end(&s);
}

static void a_waiter_takes_a_slot_of_a_next_hop_that_has_one(void **state)
{
    struct scene s;
    struct waiting_thread slow[2];
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 16);
    fake_engine_hold(s.engine, DANE);
    fake_engine_hold(s.engine, "nexthop=two.example");
    for (size_t i = 0; i < 2; i++)
        start_thread(&s, &slow[i], WAIT_STAGE_RCPT);
    assert_false(has_slot(&s, WAIT_STAGE_RCPT));
    ask_also(&s, &waiter, "example.org");
    ask_also(&s, &waiter, "two.example");
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_RCPT, clock_awake_ms() + SOON_MS, NULL, NULL),
        WAIT_TIMEOUT);
    waiter_free(waiter);
    fake_engine_release(s.engine, "example.org");
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(end_thread(&slow[i]), WAIT_DONE);
    end(&s);
}

/* for at_lock */
static void end_lookup(void *arg)
{
    struct scene *s = arg;

    fake_engine_release(s->engine, "example.org");
    while (fake_engine_outstanding(s->engine) > 0)
        sched_yield();
}

/* A lookup may end at any moment of a wait: also between two looks at it. */
static void what_ends_meanwhile_needs_no_slot(void **state)
{
    bool came_to_it = true;

    (void)state;
    for (unsigned n = 1; came_to_it; n++) {
        struct scene s;
        struct waiter *waiter;
        enum wait_result result;
        int64_t deadline_ms;

        begin(&s, 8);
        fake_engine_hold(s.engine, DANE);
        waiter = ask(&s);
        at_lock(n, end_lookup, &s);
        deadline_ms = clock_awake_ms() + SOON_MS;
        result = wait_for(s.limiter, waiter, WAIT_STAGE_EOM, deadline_ms, NULL, NULL);
        came_to_it = at_lock_came();
        if (clock_awake_ms() < deadline_ms)
            assert_int_equal(result, WAIT_DONE);
        else
            assert_true(result == WAIT_DONE || result == WAIT_TIMEOUT);
        assert_int_equal(has_ended(waiter, "example.org"), came_to_it);
        waiter_free(waiter);
        end(&s);
    }
}

static void end_lookup_and_close(void *arg)
{
    struct scene *s = arg;

    end_lookup(s);
    wait_limiter_close(s->limiter);
}

/* The first lock of a wait is the waiter's, the second the limiter's. */
static void what_ends_before_the_limiter_closes_counts(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 2; n++) {
        struct scene s;
        struct waiter *waiter;

        begin(&s, 8);
        fake_engine_hold(s.engine, DANE);
        waiter = ask(&s);
        at_lock(n, end_lookup_and_close, &s);
        assert_int_equal(wait_long(&s, waiter), WAIT_DONE);
        assert_true(at_lock_came());
        assert_true(has_ended(waiter, "example.org"));
        waiter_free(waiter);
        end(&s);
    }
}

static void a_small_limit_still_lets_one_wait(void **state)
{
    struct scene s;
    struct waiting_thread w;

    (void)state;
    begin(&s, 1);
    fake_engine_hold(s.engine, DANE);
    assert_true(has_slot(&s, WAIT_STAGE_RCPT));
    start_thread(&s, &w, WAIT_STAGE_RCPT);
    assert_false(has_slot(&s, WAIT_STAGE_EOM));
    fake_engine_release(s.engine, "example.org");
    assert_int_equal(end_thread(&w), WAIT_DONE);
    end(&s);
}

static void closing_ends_all_waits(void **state)
{
    struct scene s;
    struct waiting_thread w[3];
    struct waiter *late;

    (void)state;
    begin(&s, 100);
    fake_engine_hold(s.engine, DANE);
    for (size_t i = 0; i < 3; i++)
        start_thread(&s, &w[i], WAIT_STAGE_EOM);
    wait_limiter_close(s.limiter);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(end_thread(&w[i]), WAIT_CLOSED);
    late = ask(&s);
    assert_int_equal(
        wait_for(s.limiter, late, WAIT_STAGE_EOM, clock_awake_ms() + NEVER_MS, NULL, NULL),
        WAIT_CLOSED);
    waiter_free(late);
    end(&s);
}

struct pulse {
    struct scene *scene;
    unsigned count;
    unsigned stop_at; /* say no then; 0: release the lookup at the first */
};

static bool on_alive(void *arg)
{
    struct pulse *pulse = arg;

    pulse->count++;
    if (pulse->stop_at == 0) {
        fake_engine_release(pulse->scene->engine, "example.org");
        while (fake_engine_outstanding(pulse->scene->engine) > 0) /* or it is asked once more */
            sched_yield();
    }
    return pulse->count != pulse->stop_at;
}

static void reports_progress(void **state)
{
    struct scene s;
    struct pulse pulse = {.scene = &s};
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 8);
    fake_engine_hold(s.engine, DANE);
    waiter = ask(&s);
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_EOM, clock_awake_ms() + NEVER_MS, on_alive, &pulse),
        WAIT_DONE);
    assert_int_equal(pulse.count, 1);
    waiter_free(waiter);
    end(&s);
}

static void ends_when_the_mta_is_gone(void **state)
{
    struct scene s;
    struct pulse pulse = {.scene = &s, .stop_at = 1};
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 8);
    fake_engine_hold(s.engine, DANE);
    waiter = ask(&s);
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_EOM, clock_awake_ms() + NEVER_MS, on_alive, &pulse),
        WAIT_GONE);
    waiter_free(waiter);
    end(&s);
}

static struct scene *slow_scene;

static void on_slow(void)
{
    fake_engine_release(slow_scene->engine, "example.org");
}

static void says_when_it_takes_longer_than_a_moment(void **state)
{
    struct scene s;
    struct waiter *waiter = NULL;

    (void)state;
    begin(&s, 8);
    slow_scene = &s;
    wait_limiter_on_slow_wait(s.limiter, on_slow);
    fake_engine_hold(s.engine, DANE);
    waiter = ask(&s);
    /* A deadline that comes sooner than that moment is kept. */
    assert_int_equal(wait_for(s.limiter, waiter, WAIT_STAGE_RCPT, clock_awake_ms() + 1, NULL, NULL),
                     WAIT_TIMEOUT);
    assert_null(wait_findings(waiter, &s.nexthop));
    assert_int_equal(
        wait_for(s.limiter, waiter, WAIT_STAGE_EOM, clock_awake_ms() + NEVER_MS, NULL, NULL),
        WAIT_DONE);
    waiter_free(waiter);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_findings),
        cmocka_unit_test(gives_no_findings_when_the_engine_has_none),
        cmocka_unit_test(ends_at_the_deadline_and_can_go_on),
        cmocka_unit_test(freeing_gives_up_the_lookup),
        cmocka_unit_test(any_of_several_lookups_ends_the_wait),
        cmocka_unit_test(a_lookup_goes_on_with_a_probe),
        cmocka_unit_test(a_probe_that_comes_to_nothing_leaves_what_stood),
        cmocka_unit_test(an_open_probe_is_given_up),
        cmocka_unit_test(a_lookup_can_begin_anew),
        cmocka_unit_test(limits_one_nexthop_and_all),
        cmocka_unit_test(probes_leave_slots_to_lookups),
        cmocka_unit_test(a_waiter_takes_a_slot_of_a_next_hop_that_has_one),
        cmocka_unit_test(what_ends_meanwhile_needs_no_slot),
        cmocka_unit_test(what_ends_before_the_limiter_closes_counts),
        cmocka_unit_test(a_small_limit_still_lets_one_wait),
        cmocka_unit_test(closing_ends_all_waits),
        cmocka_unit_test(reports_progress),
        cmocka_unit_test(ends_when_the_mta_is_gone),
        cmocka_unit_test(says_when_it_takes_longer_than_a_moment),
    };
    return cmocka_run_group_tests_name("wait", tests, NULL, NULL);
}
