/*
 * The delivery agent without memory: from its beginning to its end, with two messages of which the
 * second is to go over the connection of the first, each allocation of its own and of libevent
 * fails once, and every few of OpenSSL's. Every delivery that begins ends, once and soon, and the
 * agent can be freed; no recipient is told of success whose message the server has not taken, none
 * is refused for good, and no message is given twice in one delivery. What is left behind the
 * address sanitizer tells.
 */
#include "config_text.h"
#include "deliver/agent.h"
#include "findings/findings_make.h"
#include "policy/clock.h"
#include "policy/engine_probe.h"
#include "policy/engine_tlsrpt.h"
#include "smtp_child.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

enum { NEVER = -1, MOST = 50000, STRIDE = 23, LIMIT_MS = 5000, RCPTS = 2 };

/* ---- memory ---- */

enum whose { OURS, OPENSSLS };

static int allocations_left = NEVER; /* the one after these fails, and no other */
static enum whose whose;
static bool failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *s);

static bool fails(enum whose asking)
{
    if (asking != whose || allocations_left == NEVER || allocations_left-- > 0)
        return false;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails(OURS) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(OURS) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails(OURS) ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *s)
{
    return fails(OURS) ? NULL : __real_strdup(s);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails(OPENSSLS) ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return fails(OPENSSLS) ? NULL : __real_realloc(old, size);
}

static void openssl_free(void *old, const char *file, int line)
{
    (void)file, (void)line;
    free(old);
}

/* ---- the engine: it has the findings at once, or a moment later ---- */

static struct smtp_child server = {.leaf = CERT_MX};
static const struct findings *findings;
static struct event_base *base;
static bool is_cached;
static struct event *on_found;
static engine_done_fn found;
static void *found_arg;
static unsigned notes;

const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop)
{
    (void)engine, (void)nexthop;
    return is_cached ? findings_ref(findings) : NULL;
}

/* event_callback_fn */
static void give_findings(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    found(findings, found_arg);
}

int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out)
{
    (void)engine, (void)nexthop, (void)enough;
    if (fails(OURS))
        return -ENOMEM;
    found = done;
    found_arg = arg;
    *out = (struct engine_request *)&found;
    event_active(on_found, EV_TIMEOUT, 0);
    return 0;
}

void engine_cancel(struct engine *engine, struct engine_request *request)
{
    (void)engine, (void)request;
    event_del(on_found);
}

int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    (void)engine, (void)domain, (void)done, (void)arg, (void)out;
    return -ENOMEM;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    (void)engine, (void)request;
}

unsigned engine_probe_configured(struct engine *engine)
{
    (void)engine;
    return 0;
}

void engine_probe_note(struct engine *engine, struct smtp_transport *transport,
                       const struct engine_probe_peer *peer, unsigned configured)
{
    (void)engine, (void)transport, (void)peer, (void)configured;
    notes++;
}

static void make_findings(void)
{
    static uint8_t tlsa_data[64];
    static const uint8_t address[sizeof(struct findings_addresses) + 4] = {1, 0, 127, 0, 0, 1};
    struct findings_tlsa tlsa = {.usage = 3,
                                 .selector = 1,
                                 .matching_type = 1,
                                 .usable = true,
                                 .data = tlsa_data,
                                 .data_len = (uint16_t)certs_tlsa(CERT_MX, 1, 1, tlsa_data)};
    struct findings_host host = {.name = "mx.example.org",
                                 .tlsa_base = "mx.example.org",
                                 .a = FINDINGS_ADDR_SECURE,
                                 .aaaa = FINDINGS_ADDR_ABSENT,
                                 .addresses = (const struct findings_addresses *)address,
                                 .tlsa = &tlsa,
                                 .tlsa_count = 1,
                                 .tlsa_state = FINDINGS_TLSA_USABLE};
    struct findings draft = {
        .nexthop = {.name = "mx.example.org", .text = "[mx.example.org]", .kind = NEXTHOP_HOST},
        .mx = FINDINGS_MX_NOT_ASKED,
        .security_known = true,
        .host_count = 1,
        .hosts = &host,
        .made_at_ms = clock_mono_ms(),
        .ttl_s = 3600,
        .sts = {.state = FINDINGS_STS_OFF}};

    findings = findings_freeze(&draft);
    assert_non_null(findings);
}

/* ---- one life ---- */

static struct config *config;
static struct metrics *metrics;
static struct content *content;
static struct treatment treatment;

struct told {
    int code[RCPTS];
    unsigned calls;
};

/* delivery_done_fn */
static void on_done(const struct delivery_result *results, size_t count, void *arg)
{
    struct told *told = arg;

    assert_int_equal(count, RCPTS);
    for (size_t i = 0; i < count; i++)
        told->code[i] = results[i].outcome.code;
    told->calls++;
    event_base_loopbreak(base);
}

/* event_callback_fn */
static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    *(bool *)arg = true;
    event_base_loopbreak(base);
}

/* Whether all recipients were told of success. */
static bool deliver(struct agent *agent, struct event *late, const bool *is_late, int n)
{
    static const struct smtp_rcpt rcpts[RCPTS] = {{.address = "a@example.org"},
                                                  {.address = "b@example.org"}};
    static const struct smtp_mail mail = {
        .sender = "c@example.net", .rcpts = rcpts, .rcpt_count = RCPTS};
    const struct timeval limit = {.tv_sec = LIMIT_MS / 1000};
    unsigned taken = atomic_load(server.taken), more;
    struct told told = {.calls = 0};
    const struct delivery_request request = {.treatment = &treatment,
                                             .mail = &mail,
                                             .content = content,
                                             .config = config,
                                             .done = on_done,
                                             .arg = &told};
    struct delivery *delivery;

    if (delivery_start(agent, &request, &delivery) != 0)
        return false;
    event_add(late, &limit);
    event_base_dispatch(base);
    event_del(late);
    if (*is_late || told.calls != 1)
        fail_msg("allocation %d: told %u times, %s", n, told.calls, *is_late ? "late" : "in time");
    more = atomic_load(server.taken) - taken;
    for (size_t i = 0; i < RCPTS; i++) {
        if (told.code[i] / 100 == 2 && more == 0)
            fail_msg("allocation %d: told of success, and nothing was taken", n);
        if (told.code[i] / 100 != 2 && told.code[i] / 100 != 4)
            fail_msg("allocation %d: %d", n, told.code[i]);
    }
    if (more > 1)
        fail_msg("allocation %d: taken %u times", n, more);
    return told.code[0] / 100 == 2 && told.code[1] / 100 == 2;
}

/* From agent_new to agent_free. How many messages were sent. */
static unsigned live(int n)
{
    bool is_late = false;
    struct event *late = evtimer_new(base, on_late, &is_late);
    struct agent *agent = NULL;
    unsigned sent = 0;
    char err[200];

    failed = false;
    allocations_left = n;
    if (agent_new(base, config, NULL, metrics, &agent, err, sizeof(err)) == 0) {
        for (int i = 0; i < 2; i++)
            sent += deliver(agent, late, &is_late, n);
    }
    allocations_left = NEVER;
    agent_free(agent);
    event_free(late);
    ERR_clear_error();
    return sent;
}

static void live_all(enum whose of_whom, int stride)
{
    unsigned sent, in_spite = 0;
    int n = 0;

    whose = of_whom;
    do {
        notes = 0;
        sent = live(n);
        in_spite += failed && sent > 0;
        n += stride;
    } while (failed && n < MOST);
    assert_true(n > 20 && n < MOST);
    assert_int_equal(sent, 2);
    assert_int_equal(notes, 1); /* connections that were made */
    assert_true(in_spite > 0);  /* one failure is not the end of it */
    print_message("%d allocations, messages were sent in spite of %u\n", n / stride, in_spite);
}

static void test_cached(void **state)
{
    (void)state;
    is_cached = true;
    live_all(OURS, 1);
}

static void test_looked_up(void **state)
{
    (void)state;
    is_cached = false;
    live_all(OURS, 1);
}

static void test_openssl(void **state)
{
    (void)state;
    is_cached = true;
    live_all(OPENSSLS, STRIDE);
}

static int setup(void **state)
{
    static const char text[] = "Subject: x\r\n\r\nbody\r\n";
    char ca[64], ini[300], nexthop[40];

    (void)state;
    certs_write(CERT_ROOT, ca, sizeof(ca));
    snprintf(ini, sizeof(ini),
             "[deliver]\nca_file = %s\nhelo_name = agent.example\n"
             "[deliver all]\nlisten = unix:/run/agent\n",
             ca);
    config = config_from_text(ini, "mail.example");
    base = event_base_new();
    on_found = evtimer_new(base, give_findings, NULL);
    smtp_child_start(&server);
    make_findings();
    snprintf(nexthop, sizeof(nexthop), "[mx.example.org]:%u",
             (unsigned)ntohs(server.address.sin_port));
    treatment = (struct treatment){.request = DECIDE_REQUEST_REQUIRE,
                                   .level = VERDICT_LEVEL_ENFORCE,
                                   .require_offer = true,
                                   .helo_name = config->deliver.helo_name};
    content = content_new("/tmp", CONTENT_MEMORY_MAX);
    *state = strdup(ca);
    return content_write(content, text, strlen(text)) != 0 || metrics_new(&metrics) != 0 ||
           nexthop_parse(nexthop, &treatment.nexthop) != 0;
}

static int teardown(void **state)
{
    unlink(*state);
    free(*state);
    smtp_child_stop(&server);
    content_unref(content);
    metrics_free(metrics);
    findings_unref(findings);
    event_free(on_found);
    event_base_free(base);
    config_unref(config);
    certs_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cached),
        cmocka_unit_test(test_looked_up),
        cmocka_unit_test(test_openssl),
    };

    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        return 1;
    event_set_mem_functions(__wrap_malloc, __wrap_realloc, free);
    return cmocka_run_group_tests(tests, setup, teardown);
}
