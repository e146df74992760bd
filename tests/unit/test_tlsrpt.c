/*
 * The way of a report to the collector: the record is asked for, the datagram handed over, lost or
 * kept back, and nothing waits for it. The engine is a list of who asks, which the tests answer.
 * What is told of which connection is for test_tlsrpt_session.c; here hosts are outside an MTA-STS
 * policy, which takes no connection.
 */
#include "base/log.h"
#include "deliver/tlsrpt_session.h"
#include "findings/findings_make.h"
#include "findings_text.h"
#include "policy/clock.h"
#include "policy/engine_tlsrpt.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORD "v=TLSRPTv1; rua=mailto:a@example.org"
#define WANT                                                                                       \
    "{\"dpv\": \"1\",\"d\": \"example.org\",\"pr\": \"" RECORD "\",\"policies\":["                 \
    "{\"policy-type\":2,\"policy-domain\": \"example.org\","                                       \
    "\"policy-string\":[\"version: STSv1\"],\"mx-host\":[\"*.example.org\"],"                      \
    "\"failure-details\":[{\"c\":205,\"n\": \"mx.other.example\","                                 \
    "\"f\": \"mtasts-policy-mx-mismatch\"}],\"t\":1,\"f\":1}]}"

enum { REQUESTS_MAX = 5000 };

/* ---- The engine ---- */

struct engine_tlsrpt_request {
    engine_tlsrpt_fn done;
    void *arg;
    bool called, cancelled;
};

static struct engine_tlsrpt_request requests[REQUESTS_MAX];
static size_t request_count;
static bool engine_fails;

int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    (void)engine;
    assert_string_equal(domain, "example.org");
    assert_true(request_count < REQUESTS_MAX);
    if (engine_fails)
        return -ENOMEM;
    *out = &requests[request_count++];
    **out = (struct engine_tlsrpt_request){.done = done, .arg = arg};
    return 0;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    (void)engine;
    assert_false(request->cancelled);
    request->cancelled = true;
}

/* On a thread of its own, as the engine's. */
static void *answer_all(void *arg)
{
    for (size_t i = 0; i < request_count; i++) {
        if (!requests[i].called && !requests[i].cancelled)
            requests[i].done(arg, requests[i].arg);
        requests[i].called = true;
    }
    return NULL;
}

static void answer(const char *record)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, answer_all, (void *)(uintptr_t)record), 0);
    pthread_join(thread, NULL);
}

static size_t not_cancelled(void)
{
    size_t count = 0;

    for (size_t i = 0; i < request_count; i++)
        count += !requests[i].cancelled;
    return count;
}

/* ---- The collector ---- */

struct bench {
    char directory[40];
    struct sockaddr_un address;
    int collector; /* -1: there is none */
    struct metrics *metrics;
    struct tlsrpt *tlsrpt;

    const struct findings *findings;
    struct host_classes classes;
    struct requirement requirement;
    struct tls_demand demand;
    struct tlsrpt_facts facts;
};

static void collector_open(struct bench *b)
{
    unlink(b->address.sun_path);
    b->collector = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(b->collector >= 0);
    assert_int_equal(bind(b->collector, (const struct sockaddr *)&b->address, sizeof b->address),
                     0);
}

static void collector_close(struct bench *b)
{
    close(b->collector);
    unlink(b->address.sun_path);
    b->collector = -1;
}

/* The next datagram, or "". */
static const char *received(struct bench *b)
{
    static char datagram[TLSRPT_DATAGRAM_MAX + 1];
    ssize_t len = recv(b->collector, datagram, sizeof datagram - 1, 0);

    datagram[len > 0 ? len : 0] = '\0';
    return datagram;
}

static void make_facts(struct bench *b)
{
    static struct findings_text text;
    static const struct verdict_terms terms = {.can = VERDICT_CAN_STS};
    struct findings *f = &text.findings;

    findings_from_text("mx=insecure sts=enforce pat=*.example.org host=mx.example.org,a=i,match "
                       "host=mx.other.example,a=i",
                       &text);
    f->sts.policy_lines = "version: STSv1\n";
    b->findings = findings_freeze(f);
    assert_non_null(b->findings);
    host_classes_derive(f, &terms, &b->classes);
    requirement_derive(f, &terms, VERDICT_LEVEL_OPPORTUNISTIC, &b->requirement);
    tls_demand_of_host(f, &b->classes, &b->requirement, 1, &b->demand);
    b->facts = (struct tlsrpt_facts){
        .findings = b->findings,
        .classes = &b->classes,
        .requirement = &b->requirement,
        .demand = &b->demand,
        .host = 1,
        .tls = SMTP_TLS_OFFERED,
    };
}

static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    request_count = 0;
    engine_fails = false;
    strcpy(b->directory, "/tmp/test_tlsrpt.XXXXXX");
    assert_non_null(mkdtemp(b->directory));
    b->address.sun_family = AF_UNIX;
    snprintf(b->address.sun_path, sizeof b->address.sun_path, "%s/socket", b->directory);
    b->collector = -1;
    make_facts(b);
    assert_int_equal(metrics_new(&b->metrics), 0);
    assert_int_equal(tlsrpt_new(b->address.sun_path, NULL, b->metrics, &b->tlsrpt), 0);
    return b;
}

static void bench_free(struct bench *b)
{
    tlsrpt_free(b->tlsrpt);
    assert_int_equal(not_cancelled(), 0);
    findings_unref(b->findings);
    metrics_free(b->metrics);
    if (b->collector >= 0)
        collector_close(b);
    rmdir(b->directory);
    free(b);
}

static bool is_down(struct bench *b)
{
    return metrics_standing(b->metrics, STANDING_TLSRPT_DOWN);
}

static void report(struct bench *b)
{
    tlsrpt_report(b->tlsrpt, &b->facts, NULL);
}

/* ---- What is logged ---- */

static FILE *captured;
static int saved_stderr;

static void capture(void)
{
    captured = tmpfile();
    assert_non_null(captured);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

/* How many lines were logged; the last is in `line`. */
static size_t release(char *line, size_t size)
{
    size_t count = 0;

    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    rewind(captured);
    while (fgets(line, (int)size, captured) != NULL)
        count++;
    fclose(captured);
    return count;
}

/* ---- Tests ---- */

static void test_it_arrives(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    collector_open(b);
    assert_true(tlsrpt_is_on(b->tlsrpt));
    report(b);
    assert_int_equal(request_count, 1);
    assert_string_equal(received(b), ""); /* not before the record is known */
    answer(RECORD);
    assert_string_equal(received(b), WANT);
    assert_string_equal(received(b), "");
    assert_false(is_down(b));
    report(b); /* frees the one before */
    assert_true(requests[0].cancelled);
    bench_free(b);
}

static void test_without_a_record(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    collector_open(b);
    report(b);
    answer(NULL);
    assert_string_equal(received(b), "");
    assert_false(is_down(b));
    bench_free(b);
}

static void test_what_is_not_told(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    b->facts.host = 0;
    report(b);
    assert_int_equal(request_count, 0);
    bench_free(b);
}

static void test_off(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    collector_open(b);
    report(b);
    tlsrpt_set_path(b->tlsrpt, NULL);
    assert_false(tlsrpt_is_on(b->tlsrpt));
    assert_false(tlsrpt_is_on(NULL));
    report(b);
    assert_int_equal(request_count, 1);
    answer(RECORD); /* to what was asked before */
    assert_string_equal(received(b), "");
    tlsrpt_set_path(b->tlsrpt, b->address.sun_path);
    report(b);
    answer(RECORD);
    assert_string_equal(received(b), WANT);
    tlsrpt_set_path(b->tlsrpt, "");
    assert_false(tlsrpt_is_on(b->tlsrpt));
    tlsrpt_free(NULL);
    bench_free(b);
}

static void test_long_path(void **state)
{
    struct bench *b = bench_new();
    char path[sizeof b->address.sun_path + 1], line[300];
    (void)state;

    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    capture();
    tlsrpt_set_path(b->tlsrpt, path);
    assert_int_equal(release(line, sizeof line), 1);
    assert_non_null(strstr(line, "longer than 107 octets"));
    assert_false(tlsrpt_is_on(b->tlsrpt));
    path[sizeof path - 2] = '\0';
    tlsrpt_set_path(b->tlsrpt, path);
    assert_true(tlsrpt_is_on(b->tlsrpt));
    bench_free(b);
}

/* No collector: one warning, and it stands until a datagram is taken. */
static void test_missing_socket(void **state)
{
    struct bench *b = bench_new();
    char line[300];
    (void)state;

    capture();
    for (int i = 0; i < 5; i++) {
        report(b);
        answer(RECORD);
    }
    assert_int_equal(release(line, sizeof line), 1);
    assert_non_null(strstr(line, "TLSRPT: 1 sessions could not be told to the collector at /tmp/"));
    assert_non_null(strstr(line, "No such file or directory"));
    assert_true(is_down(b));

    collector_open(b);
    report(b);
    answer(RECORD);
    assert_string_equal(received(b), WANT);
    assert_false(is_down(b));

    collector_close(b); /* and its socket comes anew */
    report(b);
    answer(RECORD);
    assert_true(is_down(b));
    collector_open(b);
    report(b);
    answer(RECORD);
    assert_string_equal(received(b), WANT);
    assert_false(is_down(b));
    bench_free(b);
}

/* A collector that does not read: what it has no room for is lost at once. */
static void test_full_socket(void **state)
{
    struct bench *b = bench_new();
    int64_t begin_ms = clock_mono_ms();
    size_t taken = 0, sent;
    char line[300];
    (void)state;

    collector_open(b);
    capture();
    for (sent = 0; sent < 2000 && !is_down(b); sent++) {
        report(b);
        answer(RECORD);
    }
    for (int i = 0; i < 10; i++, sent++) {
        report(b);
        answer(RECORD);
    }
    assert_int_equal(release(line, sizeof line), 1);
    assert_non_null(strstr(line, "Resource temporarily unavailable"));
    assert_true(is_down(b));
    assert_true(clock_mono_ms() - begin_ms < 20000);
    for (; strcmp(received(b), WANT) == 0;)
        taken++;
    assert_int_equal(taken, sent - 11);
    report(b);
    answer(RECORD);
    assert_string_equal(received(b), WANT);
    assert_false(is_down(b));
    bench_free(b);
}

/* A resolver that does not answer: so many wait for it, and no more. */
static void test_too_many(void **state)
{
    struct bench *b = bench_new();
    char line[300];
    (void)state;

    collector_open(b);
    capture();
    for (int i = 0; i < 2010; i++)
        report(b);
    assert_int_equal(release(line, sizeof line), 1);
    assert_non_null(strstr(line, "Device or resource busy"));
    assert_true(is_down(b));
    assert_int_equal(request_count, 2000);

    /* The first has no answer yet: the others are freed all the same. */
    for (size_t i = 1; i < request_count; i++) {
        requests[i].done(NULL, requests[i].arg);
        requests[i].called = true;
    }
    report(b);
    assert_int_equal(request_count, 2001);
    assert_int_equal(not_cancelled(), 2);
    answer(RECORD);
    assert_string_equal(received(b), WANT);
    assert_string_equal(received(b), WANT);
    assert_string_equal(received(b), "");
    bench_free(b);
}

static void test_engine_fails(void **state)
{
    struct bench *b = bench_new();
    char line[300];
    (void)state;

    engine_fails = true;
    capture();
    report(b);
    assert_int_equal(release(line, sizeof line), 1);
    assert_non_null(strstr(line, "Cannot allocate memory"));
    assert_true(is_down(b));
    bench_free(b);
}

/* What a domain publishes may be too long for a datagram: that is no trouble of the collector. */
static void test_too_long(void **state)
{
    struct bench *b = bench_new();
    char *record = calloc(1, TLSRPT_DATAGRAM_MAX);
    (void)state;

    collector_open(b);
    memset(record, 'x', TLSRPT_DATAGRAM_MAX - 1);
    report(b);
    answer(record);
    assert_string_equal(received(b), "");
    assert_false(is_down(b));
    free(record);
    bench_free(b);
}

/* The end, while records are looked up: each request is given back. */
static void test_the_end(void **state)
{
    struct bench *b = bench_new();
    (void)state;

    collector_open(b);
    for (int i = 0; i < 3; i++)
        report(b);
    requests[1].done(RECORD, requests[1].arg);
    requests[1].called = true;
    tlsrpt_free(b->tlsrpt);
    b->tlsrpt = NULL;
    assert_int_equal(not_cancelled(), 0);
    assert_string_equal(received(b), WANT);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_arrives),       cmocka_unit_test(test_without_a_record),
        cmocka_unit_test(test_what_is_not_told), cmocka_unit_test(test_off),
        cmocka_unit_test(test_long_path),        cmocka_unit_test(test_missing_socket),
        cmocka_unit_test(test_full_socket),      cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_engine_fails),     cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_the_end),
    };
    const struct log_settings log = {.target = LOG_TARGET_STDERR, .level = LOG_INFO};

    log_configure(&log, "test", false);
    return cmocka_run_group_tests_name("tlsrpt", tests, NULL, NULL);
}
