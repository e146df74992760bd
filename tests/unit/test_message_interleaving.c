/*
 * A message, and what other threads do meanwhile: at each moment between two locks that the
 * message's own thread takes.
 */
#include "filter/message.h"

#include "at_lock.h"
#include "base/log.h"
#include "config_text.h"
#include "fake_engine.h"

#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Not awaited at RCPT, and for long at end-of-message. */
#define CONFIG "[milter]\nrcpt_wait = 1ms\neom_wait = 60s\n[log]\ntarget = stderr\nlevel = error\n"
#define DANE "nexthop=example.org mx=secure host=mx.example.org,10,a=s,tlsa=usable"
#define OTHER "nexthop=two.example mx=secure host=mx.two.example,10,a=s,tlsa=usable"

struct scene {
    struct engine *engine;
    struct runtime *runtime;
    struct message *message;
};

static struct scene *waiting_scene;

/* Every answer comes now, whether somebody asks or will. */
static void answer(void *arg)
{
    struct scene *s = arg;

    fake_engine_release(s->engine, "example.org");
    fake_engine_release(s->engine, "two.example");
    while (fake_engine_outstanding(s->engine) > 0)
        sched_yield();
}

static void on_wait(void)
{
    answer(waiting_scene);
}

/* A message with one recipient, whose lookup goes on. */
static void begin(struct scene *s, const char *host)
{
    static const struct sockaddr_in far_away = {.sin_family = AF_INET, .sin_port = 1};
    static const char *const require[] = {"REQUIRETLS", NULL}, *const none[] = {NULL};
    const struct message_client client = {.address = (const struct sockaddr *)&far_away};
    const struct message_mail mail = {.sender = "<a@b.example>", .params = require, .tls = true};
    const struct message_recipient recipient = {
        .address = "<b@example.org>", .params = none, .host = host};
    struct config *config;
    struct reply reply;

    s->engine = fake_engine_new();
    fake_engine_hold(s->engine, DANE);
    fake_engine_hold(s->engine, OTHER);
    config = config_from_text(CONFIG, "mail.own.example");
    log_configure(&config->log, "test_message_interleaving", false);
    assert_int_equal(runtime_new(config, &s->runtime), 0);
    runtime_set_engine(s->runtime, s->engine);
    waiting_scene = s;
    wait_limiter_on_slow_wait(runtime_limiter(s->runtime), on_wait);
    assert_int_equal(message_begin(s->runtime, &client, &mail, &reply, &s->message),
                     MESSAGE_CONTINUE);
    assert_int_equal(message_rcpt(s->message, &recipient, &reply), MESSAGE_CONTINUE);
}

static bool do_nothing(void *arg)
{
    (void)arg;
    return true;
}

static bool do_nothing_from(void *arg, const char *sender, const char *params)
{
    (void)arg;
    (void)sender;
    (void)params;
    return true;
}

static enum message_step end_of_message(struct scene *s, struct message_refusal *refusal)
{
    const struct message_ops ops = {
        .progress = do_nothing, .can_change_from = true, .change_from = do_nothing_from};

    assert_int_equal(message_eoh(s->message, "4bXyZ"), MESSAGE_CONTINUE);
    return message_eom(s->message, "4bXyZ", &ops, refusal);
}

static void end(struct scene *s)
{
    message_free(s->message);
    assert_int_equal(wait_limiter_waiting(runtime_limiter(s->runtime)), 0);
    assert_int_equal(fake_engine_outstanding(s->engine), 0);
    assert_int_equal(runtime_drain(s->runtime, 0), 0);
    runtime_free(s->runtime);
    engine_free(s->engine);
}

/* An answer that comes at any moment counts, and nothing is asked for twice. */
static void answers_at_any_moment(const char *host, unsigned lookups)
{
    bool came_to_it = true;

    for (unsigned n = 1; came_to_it; n++) {
        struct message_refusal refusal;
        struct scene s;

        begin(&s, host);
        assert_int_equal(fake_engine_lookups(s.engine), lookups);
        at_lock(n, answer, &s);
        assert_int_equal(end_of_message(&s, &refusal), MESSAGE_DONE);
        came_to_it = at_lock_came();
        assert_int_equal(fake_engine_lookups(s.engine), lookups);
        end(&s);
    }
}

static void an_answer_counts_at_any_moment(void **state)
{
    (void)state;
    answers_at_any_moment(NULL, 1);
}

static void answers_of_two_nexthops_count_at_any_moment(void **state)
{
    (void)state;
    answers_at_any_moment("example.org, two.example", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_counts_at_any_moment),
        cmocka_unit_test(answers_of_two_nexthops_count_at_any_moment),
    };
    return cmocka_run_group_tests_name("message_interleaving", tests, NULL, NULL);
}
