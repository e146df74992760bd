/*
 * Memory that runs out at any one allocation while a connection is reported: it is not told, and
 * nothing else comes of it. The linker sends the allocations through the wrappers below.
 */
#include "base/log.h"
#include "deliver/tlsrpt_session.h"
#include "findings/findings_make.h"
#include "findings_text.h"
#include "policy/engine_tlsrpt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned long allocations, fail_at; /* 0: none */

void *__real_calloc(size_t count, size_t len);
void *__real_arena_zalloc(struct arena *arena, size_t len);
char *__real_arena_string(struct arena *arena, const char *s);
char *__real_arena_string_part(struct arena *arena, const char *s, size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_arena_zalloc(struct arena *arena, size_t len);
char *__wrap_arena_string(struct arena *arena, const char *s);
char *__wrap_arena_string_part(struct arena *arena, const char *s, size_t len);

static bool fails(void)
{
    return ++allocations == fail_at;
}

void *__wrap_calloc(size_t count, size_t len)
{
    return fails() ? NULL : __real_calloc(count, len);
}

void *__wrap_arena_zalloc(struct arena *arena, size_t len)
{
    return fails() ? NULL : __real_arena_zalloc(arena, len);
}

char *__wrap_arena_string(struct arena *arena, const char *s)
{
    return fails() ? NULL : __real_arena_string(arena, s);
}

char *__wrap_arena_string_part(struct arena *arena, const char *s, size_t len)
{
    return fails() ? NULL : __real_arena_string_part(arena, s, len);
}

static unsigned asked;

int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    (void)engine;
    (void)domain;
    (void)done;
    (void)arg;
    if (fails())
        return -ENOMEM;
    asked++;
    *out = NULL;
    return 0;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    (void)engine;
    (void)request;
}

static const struct findings *findings_of(const char *spec)
{
    static struct findings_text text;

    findings_from_text(spec, &text);
    if (text.findings.sts.state == FINDINGS_STS_POLICY)
        text.findings.sts.policy_lines = "version: STSv1\nmode: enforce\n";
    return findings_freeze(&text.findings);
}

/* Whether it was asked for the record, the one time that it is reported. */
static bool report(const struct findings *findings, unsigned long at)
{
    static const struct tls_peer peer = {
        .established = true,
        .proof = {.why = TLS_WHY_UNTRUSTED, .reason = "certificate not trusted"}};
    static const struct verdict_terms terms = {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS};
    struct host_classes classes;
    struct requirement requirement;
    struct tls_demand demand;
    struct tlsrpt_session session;
    struct metrics *metrics;
    struct tlsrpt *tlsrpt;
    struct arena arena;
    unsigned before = asked;
    struct tlsrpt_facts facts = {
        .findings = findings,
        .classes = &classes,
        .requirement = &requirement,
        .demand = &demand,
        .tls = SMTP_TLS_REQUIRED,
        .state = SMTP_STATE_TLS,
        .peer = &peer,
        .source_address = "192.0.2.9",
        .address = "192.0.2.1",
        .helo_name = "real.example.org",
    };

    host_classes_derive(findings, &terms, &classes);
    requirement_derive(findings, &terms, VERDICT_LEVEL_ENFORCE, &requirement);
    tls_demand_of_host(findings, &classes, &requirement, 0, &demand);
    assert_int_equal(metrics_new(&metrics), 0);
    assert_int_equal(tlsrpt_new("/nowhere/socket", NULL, metrics, &tlsrpt), 0);

    arena_init(&arena);
    allocations = 0;
    fail_at = at;
    if (tlsrpt_session_of(&facts, &arena, &session) == TLSRPT_TOLD && session.code != TLSRPT_NONE)
        assert_int_equal(session.code, TLSRPT_CERTIFICATE_NOT_TRUSTED);
    arena_fini(&arena);
    tlsrpt_report(tlsrpt, &facts, NULL);
    fail_at = 0;

    assert_int_equal(metrics_standing(metrics, STANDING_TLSRPT_DOWN), asked == before);
    tlsrpt_free(tlsrpt);
    metrics_free(metrics);
    return asked > before;
}

static void every_allocation_may_fail(void **state)
{
    static const char *const specs[] = {
        "host=mx.example.org,tlsa=usable",
        "mx=insecure sts=enforce pat=*.example.org host=mx.example.org,a=i,match",
    };
    (void)state;

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        const struct findings *findings = findings_of(specs[i]);
        unsigned long total;
        unsigned lost = 0;

        assert_true(report(findings, 0));
        total = allocations;
        assert_true(total > 10);
        for (unsigned long at = 1; at <= total; at++)
            lost += !report(findings, at);
        assert_true(lost >= 5 && lost < total); /* half of them were not for the report */
        findings_unref(findings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
    const struct log_settings log = {.target = LOG_TARGET_STDERR, .level = LOG_ERR};

    log_configure(&log, "test", false);
    return cmocka_run_group_tests_name("tlsrpt_memory", tests, NULL, NULL);
}
