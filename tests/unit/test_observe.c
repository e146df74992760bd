/*
 * request = observe: what the log and the metrics say of a message that goes on at once, whatever
 * the engine finds out later.
 */
#include "base/log.h"
#include "config_text.h"
#include "fake_engine.h"
#include "filter/message.h"
#include "filter/observe.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NONE "nexthop=none.example mx=insecure host=mx.none.example,10,a=i"
#define DANE "nexthop=dane.example mx=secure host=mx.dane.example,10,a=s,tlsa=usable"
#define MIXED "nexthop=mixed.example mx=secure host=mx1.mixed.example,10,a=s,tlsa=usable "
#define MIXED_FULL MIXED "host=mx2.mixed.example,20,a=s,tlsa=none"
#define MIXED_DRAFT MIXED "host=mx2.mixed.example,20,a=s,tlsa=pending"
#define ABLE "[route native]\ncan = dane, sts, web_pki, fallback\n"
#define ALL "[default]\nrequest = observe\n"

/* Of each next-hop: for what settles the verdict, and for all. */
enum { LOOKUPS = 2 };

static const struct log_settings text_log = {LOG_TARGET_STDERR, LOG_FORMAT_TEXT, LOG_MAIL,
                                             LOG_INFO};
static const struct sockaddr_in stranger = {.sin_family = AF_INET};

struct bench {
    struct engine *engine;
    struct runtime *runtime;
    struct metrics *metrics;
    struct observer *observer;
    FILE *log;
    int saved_stderr;
    char text[200000];
};

static struct bench *bench_new(const char *config)
{
    struct bench *b = calloc(1, sizeof(*b));

    b->engine = fake_engine_new();
    assert_int_equal(runtime_new(config_from_text(config, "mail.own.example"), &b->runtime), 0);
    runtime_set_engine(b->runtime, b->engine);
    assert_int_equal(metrics_new(&b->metrics), 0);
    runtime_set_metrics(b->runtime, b->metrics);
    assert_int_equal(observer_new(b->engine, b->metrics, &b->observer), 0);
    runtime_set_observer(b->runtime, b->observer);
    b->log = tmpfile();
    b->saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(b->log), STDERR_FILENO) >= 0);
    log_configure(&text_log, "test", false);
    return b;
}

static void bench_free(struct bench *b)
{
    observer_free(b->observer);
    dup2(b->saved_stderr, STDERR_FILENO);
    close(b->saved_stderr);
    fclose(b->log);
    assert_int_equal(fake_engine_outstanding(b->engine), 0);
    engine_free(b->engine);
    runtime_free(b->runtime);
    metrics_free(b->metrics);
    free(b);
}

/* The log so far, from the first queue id in each line on. */
static const char *logged(struct bench *b)
{
    ssize_t len = pread(fileno(b->log), b->text, sizeof(b->text) - 1, 0);

    assert_true(len >= 0);
    b->text[len] = '\0';
    return b->text;
}

static unsigned count_of(const char *text, const char *what)
{
    unsigned count = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

static const char *await_line(struct bench *b, const char *what)
{
    for (int i = 0; i < 2000 && strstr(logged(b), what) == NULL; i++)
        usleep(5000);
    if (strstr(b->text, what) == NULL)
        fail_msg("no %s in %s", what, b->text);
    return b->text;
}

static void expect_metric(struct bench *b, const char *line)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    metrics_write(b->metrics, NULL, &(struct metrics_gauges){.store_up = true}, out);
    fclose(out);
    if (strstr(text, line) == NULL)
        fail_msg("no %s", line);
    free(text);
}

struct mail {
    const char *sender, *param, *header, *value;
};

/* One message to one recipient; the step at the end of its header, or that of the refusal. */
static enum message_step send_mail(struct bench *b, const struct mail *mail, const char *to)
{
    const struct message_client client = {.address = (const struct sockaddr *)&stranger};
    const char *const params[] = {mail->param, NULL}, *const none[] = {NULL};
    const struct message_mail command = {
        .sender = mail->sender, .params = params, .tls = true, .queue_id = "4bZ1"};
    const struct message_recipient recipient = {.address = to, .params = none, .queue_id = "4bZ1"};
    struct message *message;
    struct reply reply;
    enum message_step step;

    assert_int_equal(message_begin(b->runtime, &client, &command, &reply, &message),
                     MESSAGE_CONTINUE);
    step = message_rcpt(message, &recipient, &reply);
    if (step == MESSAGE_CONTINUE) {
        if (mail->header != NULL)
            message_header(message, mail->header, mail->value);
        step = message_eoh(message, "4bZ1");
    }
    message_free(message);
    return step;
}

static const struct mail plain = {.sender = "<a@b.example>"};

static void what_is_cached_is_told_at_once(void **state)
{
    struct bench *b = bench_new(ALL);

    (void)state;
    fake_engine_cache(b->engine, NONE);
    fake_engine_cache(b->engine, DANE);
    assert_int_equal(send_mail(b, &plain, "<b@none.example>"), MESSAGE_DONE);
    assert_non_null(strstr(
        logged(b), "]: 4bZ1: to=<b@none.example>, from=<a@b.example>, nexthop=none.example, "
                   "request=observe, level=enforce, findings=none, verdict=unsatisfied, "
                   "action=accept, reason=\"none.example publishes neither DANE nor MTA-STS and "
                   "its MX records are not signed\"\n"));
    assert_int_equal(send_mail(b, &plain, "<b@dane.example>"), MESSAGE_DONE);
    assert_non_null(strstr(logged(b), "request=observe, level=enforce, findings=dane, "
                                      "verdict=satisfied, action=accept\n"));
    assert_int_equal(send_mail(b, &plain, "<b@own.example>"), MESSAGE_DONE);
    assert_non_null(strstr(logged(b), "request=observe, level=opportunistic, findings=-, "
                                      "verdict=satisfied, action=accept\n"));
    assert_int_equal(fake_engine_lookups(b->engine), 0);
    expect_metric(b, "\nrequiretls_observed_total{level=\"enforce\",verdict=\"unsatisfied\"} 1\n");
    expect_metric(b, "\nrequiretls_observed_total{level=\"enforce\",verdict=\"satisfied\"} 1\n");
    expect_metric(b, "\nrequiretls_recipients_total{level=\"enforce\",verdict=\"satisfied\"} 0\n");
    expect_metric(b, "\nrequiretls_messages_total{request=\"none\",action=\"accept\"} 3\n");
    bench_free(b);
}

static void nothing_waits_for_a_lookup(void **state)
{
    struct bench *b = bench_new(ALL);

    (void)state;
    fake_engine_hold(b->engine, NONE);
    fake_engine_answer(b->engine, DANE);
    assert_int_equal(send_mail(b, &plain, "<b@none.example>"), MESSAGE_DONE);
    assert_int_equal(send_mail(b, &plain, "<c@dane.example>"), MESSAGE_DONE);
    assert_null(strstr(await_line(b, "to=<c@dane.example>"), "to=<b@none.example>"));
    assert_int_equal(wait_limiter_waiting(runtime_limiter(b->runtime)), 0);
    fake_engine_release(b->engine, "none.example");
    await_line(b, "to=<b@none.example>, from=<a@b.example>, nexthop=none.example, request=observe, "
                  "level=enforce, findings=none, verdict=unsatisfied, action=accept, reason=");
    bench_free(b);
}

static void a_lookup_that_does_not_end_is_undecided(void **state)
{
    struct bench *b = bench_new("[milter]\nrcpt_wait = 1ms\neom_wait = 50ms\n" ALL);

    (void)state;
    fake_engine_hold(b->engine, NONE);
    fake_engine_break(b->engine, "broken.example");
    assert_int_equal(send_mail(b, &plain, "<b@none.example>"), MESSAGE_DONE);
    assert_int_equal(send_mail(b, &plain, "<b@broken.example>"), MESSAGE_DONE);
    await_line(b, "nexthop=none.example, request=observe, level=enforce, findings=-, "
                  "verdict=undecided, action=accept, reason=");
    await_line(b, "nexthop=broken.example, request=observe, level=enforce, findings=-, "
                  "verdict=undecided, action=accept, reason=");
    bench_free(b);
}

/* The verdict was settled before all was known: nothing waits, so the line has all. */
static void the_line_has_complete_findings(void **state)
{
    struct bench *b = bench_new(ABLE ALL);

    (void)state;
    fake_engine_hold(b->engine, MIXED_FULL);
    fake_engine_draft(b->engine, MIXED_DRAFT);
    assert_int_equal(send_mail(b, &plain, "<b@mixed.example>"), MESSAGE_DONE);
    for (int i = 0; i < 2000 && fake_engine_outstanding(b->engine) == LOOKUPS; i++)
        usleep(5000);
    assert_int_equal(fake_engine_outstanding(b->engine), LOOKUPS - 1);
    assert_int_equal(count_of(logged(b), "request=observe"), 0);
    fake_engine_release(b->engine, "mixed.example");
    await_line(b, "nexthop=mixed.example, request=observe, level=enforce, findings=dane-partial, "
                  "verdict=satisfied, action=accept\n");
    bench_free(b);
}

/* The rest does not come: what settled the verdict is told. */
static void a_verdict_that_was_settled_stands(void **state)
{
    struct bench *b = bench_new("[milter]\nrcpt_wait = 1ms\neom_wait = 300ms\n" ABLE ALL);

    (void)state;
    fake_engine_hold(b->engine, MIXED_FULL);
    fake_engine_draft(b->engine, MIXED_DRAFT);
    assert_int_equal(send_mail(b, &plain, "<b@mixed.example>"), MESSAGE_DONE);
    assert_non_null(strstr(await_line(b, "request=observe"), "verdict=satisfied, action=accept"));
    bench_free(b);
}

/* What the message, or a rule before it, asks for in earnest comes first. */
static void a_request_comes_first(void **state)
{
    static const struct {
        struct mail mail;
        enum message_step step;
        const char *line;
    } rows[] = {
        {{"<a@b.example>", "REQUIRETLS", NULL, NULL},
         MESSAGE_REFUSE,
         "request=require, level=enforce, findings=none, verdict=unsatisfied, action=reject, "},
        {{"<a@b.example>", NULL, "TLS-Required", " No"}, MESSAGE_DONE, "request=optional, "},
        {{"<asks@b.example>", NULL, NULL, NULL}, MESSAGE_REFUSE, "request=require, "},
        {{"<ignored@b.example>", "REQUIRETLS", NULL, NULL}, MESSAGE_DONE, NULL},
        {{"<>", NULL, NULL, NULL},
         MESSAGE_DONE,
         "request=observe, level=enforce, findings=-, verdict=not-applicable, "},
        {{"<a", NULL, NULL, NULL},
         MESSAGE_DONE,
         ", from=<\\x3ca>, nexthop=none.example, request=observe, "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench *b = bench_new("[rule a]\nsender = asks@b.example\nrequest = require\n"
                                    "[rule b]\nsender = ignored@b.example\nrequest = ignore\n" ALL);
        const char *line = rows[i].line != NULL ? rows[i].line : "request=";

        fake_engine_cache(b->engine, NONE);
        assert_int_equal(send_mail(b, &rows[i].mail, "<b@none.example>"), rows[i].step);
        assert_int_equal(count_of(logged(b), "request="), rows[i].line != NULL ? 1 : 0);
        if ((strstr(b->text, line) != NULL) != (rows[i].line != NULL))
            fail_msg("%zu: %s", i, b->text);
        bench_free(b);
    }
}

/* Rules that observe, by what is known at MAIL, at RCPT, and by the header alone. */
static void rules_observe(void **state)
{
    static const struct {
        const char *rule, *header, *value;
        bool observed;
    } rows[] = {
        {"sender = a@b.example\n", NULL, NULL, true},
        {"sender = c@b.example\n", NULL, NULL, false},
        {"nexthop = none.example\n", NULL, NULL, true},
        {"header = X-Trial: yes\n", "X-Trial", " yes", true},
        {"header = X-Trial: yes\n", "X-Trial", " no", false},
        {"header = X-Trial: yes\n", NULL, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mail mail = {
            .sender = "<a@b.example>", .header = rows[i].header, .value = rows[i].value};
        char config[200];
        struct bench *b;

        snprintf(config, sizeof(config), "[rule r]\n%srequest = observe\n", rows[i].rule);
        b = bench_new(config);
        fake_engine_hold(b->engine, NONE);
        assert_int_equal(send_mail(b, &mail, "<b@none.example>"), MESSAGE_DONE);
        assert_int_equal(fake_engine_lookups(b->engine), rows[i].observed ? LOOKUPS : 0);
        fake_engine_release(b->engine, "none.example");
        if (rows[i].observed)
            await_line(b, "request=observe, ");
        bench_free(b);
    }
}

/* So many may be open at once; what comes beyond that is counted, and the end tells of the rest. */
static void a_flood_is_bounded(void **state)
{
    struct bench *b = bench_new(ALL);

    (void)state;
    for (int i = 0; i < OBSERVE_MAX + 7; i++) {
        char to[40]; /* no two at one next-hop; none is ever answered */

        snprintf(to, sizeof(to), "<b@d%d.example>", i);
        assert_int_equal(send_mail(b, &plain, to), MESSAGE_DONE);
    }
    assert_int_equal(fake_engine_lookups(b->engine), OBSERVE_MAX * LOOKUPS);
    expect_metric(b, "\nrequiretls_observed_skipped_total 7\n");
    observer_stop(b->observer);
    assert_int_equal(count_of(logged(b), "verdict=undecided"), OBSERVE_MAX);
    assert_int_equal(send_mail(b, &plain, "<b@d0.example>"), MESSAGE_DONE);
    expect_metric(b, "\nrequiretls_observed_skipped_total 8\n");
    bench_free(b);
}

/* One next-hop that does not answer leaves room for the others. */
static void one_next_hop_has_a_share(void **state)
{
    struct bench *b = bench_new(ALL);

    (void)state;
    fake_engine_hold(b->engine, NONE);
    fake_engine_answer(b->engine, DANE);
    for (int i = 0; i < OBSERVE_MAX; i++)
        assert_int_equal(send_mail(b, &plain, "<b@none.example>"), MESSAGE_DONE);
    assert_int_equal(fake_engine_lookups(b->engine), OBSERVE_SHARE * LOOKUPS);
    assert_int_equal(send_mail(b, &plain, "<b@dane.example>"), MESSAGE_DONE);
    await_line(b, "to=<b@dane.example>");
    fake_engine_release(b->engine, "none.example");
    for (int i = 0; i < 2000 && count_of(logged(b), "to=<b@none.example>") < OBSERVE_SHARE; i++)
        usleep(5000);
    assert_int_equal(count_of(logged(b), "to=<b@none.example>"), OBSERVE_SHARE);
    assert_int_equal(send_mail(b, &plain, "<c@none.example>"), MESSAGE_DONE);
    await_line(b, "to=<c@none.example>");
    bench_free(b);
}

/* One that began under an earlier configuration ends under it. */
static void a_reload_leaves_them_alone(void **state)
{
    struct bench *b = bench_new(ALL);

    (void)state;
    fake_engine_hold(b->engine, NONE);
    assert_int_equal(send_mail(b, &plain, "<b@none.example>"), MESSAGE_DONE);
    runtime_swap_config(b->runtime, config_from_text("", "mail.own.example"));
    assert_int_equal(send_mail(b, &plain, "<c@none.example>"), MESSAGE_DONE);
    fake_engine_release(b->engine, "none.example");
    assert_null(strstr(await_line(b, "to=<b@none.example>"), "to=<c@none.example>"));
    bench_free(b);
}

/* A reload may shorten eom_wait: what begins then is over before what waits already. */
static void a_shorter_wait_ends_first(void **state)
{
    struct bench *b = bench_new("[milter]\nrcpt_wait = 1ms\neom_wait = 60s\n" ALL);

    (void)state;
    fake_engine_hold(b->engine, NONE);
    fake_engine_hold(b->engine, DANE);
    assert_int_equal(send_mail(b, &plain, "<b@none.example>"), MESSAGE_DONE);
    runtime_swap_config(
        b->runtime,
        config_from_text("[milter]\nrcpt_wait = 1ms\neom_wait = 50ms\n" ALL, "mail.own.example"));
    assert_int_equal(send_mail(b, &plain, "<b@dane.example>"), MESSAGE_DONE);
    assert_null(strstr(await_line(b, "nexthop=dane.example, request=observe, level=enforce, "
                                     "findings=-, verdict=undecided"),
                       "to=<b@none.example>"));
    observer_stop(b->observer);
    await_line(b, "to=<b@none.example>");
    bench_free(b);
}

/* A rule looks at what is not known of the message: no line, but it is counted. */
static void what_rules_cannot_say_is_counted(void **state)
{
    struct bench *b = bench_new("[rule a]\nsender = a@b.example\nfallback = none\n" ALL);
    const struct rules_facts facts = {.known = CONFIG_FACT_CLIENT};
    const struct request_mail mail = {0};
    const struct request_header header = {0};
    char address[] = "b@own.example";
    struct recipient recipient = {
        .address = address, .shown = address, .meant = address, .domain = "own.example"};
    struct config *config = runtime_config(b->runtime);
    const struct recipient_context context = {.config = config,
                                              .engine = b->engine,
                                              .facts = &facts,
                                              .mail = &mail,
                                              .header = &header,
                                              .observed = true};
    const struct observe_args args = {
        .config = config, .recipient = &recipient, .context = &context, .from = "a@b.example"};

    (void)state;
    fake_engine_cache(b->engine, "nexthop=own.example mx=insecure host=mx.own.example,10,a=i");
    observer_take(b->observer, &args);
    assert_int_equal(count_of(logged(b), "request=observe"), 0);
    expect_metric(b, "\nrequiretls_observed_skipped_total 1\n");
    config_unref(config);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_cached_is_told_at_once),
        cmocka_unit_test(nothing_waits_for_a_lookup),
        cmocka_unit_test(a_lookup_that_does_not_end_is_undecided),
        cmocka_unit_test(the_line_has_complete_findings),
        cmocka_unit_test(a_verdict_that_was_settled_stands),
        cmocka_unit_test(a_request_comes_first),
        cmocka_unit_test(rules_observe),
        cmocka_unit_test(a_flood_is_bounded),
        cmocka_unit_test(one_next_hop_has_a_share),
        cmocka_unit_test(a_reload_leaves_them_alone),
        cmocka_unit_test(a_shorter_wait_ends_first),
        cmocka_unit_test(what_rules_cannot_say_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
