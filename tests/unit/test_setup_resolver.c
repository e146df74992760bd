/*
 * What the set-up check says of resolvers: each cause by its name, from an engine that asks a DNS
 * server on this host (fake_dns.h) with a thread of its own.
 */
#include "setup/setup.h"

#include "fake_dns.h"
#include "policy/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text of the finding about the filter's resolvers, which is the first one. */
static const char *finding_of(enum fake_dns_mode mode, bool validates, const char *address,
                              struct setup_report *report)
{
    struct loop *loop;
    struct fake_dns *server;
    struct config config = {0};

    assert_int_equal(loop_new("server", NULL, NULL, &loop), 0);
    server = fake_dns_new(loop_base(loop), "127.0.0.1");
    fake_dns_state(server)->mode = fake_dns_state(server)->check_mode = mode;
    fake_dns_state(server)->validates = validates;
    assert_int_equal(loop_start(loop), 0);

    const char *const resolvers[] = {address != NULL ? address : fake_dns_address(server), NULL};

    engine_config_init(&config.engine);
    config.engine.resolvers = resolvers;
    config.engine.dns_timeout_ms = mode == FAKE_DNS_SILENT ? 300 : 5000;
    config.engine.dns_tries = 1;
    setup_check_resolver(&config, report);
    loop_stop(loop);
    fake_dns_free(server);
    loop_free(loop);
    assert_true(report->count > 0);
    assert_string_equal(report->items[0].name, "resolver");
    return report->items[0].text;
}

static void each_cause_is_named(void **state)
{
    static const struct {
        enum fake_dns_mode mode;
        bool validates;
        const char *address; /* NULL: the server's */
        enum setup_state state;
        const char *text;
    } rows[] = {
        {FAKE_DNS_ANSWER, true, NULL, SETUP_OK, " is answered with AD"},
        {FAKE_DNS_ANSWER, false, NULL, SETUP_ERROR, " without AD)"},
        {FAKE_DNS_SILENT, true, NULL, SETUP_ERROR, " (does not answer)"},
        {FAKE_DNS_REFUSED, true, NULL, SETUP_ERROR, ": REFUSED)"},
        {FAKE_DNS_SERVFAIL, true, NULL, SETUP_ERROR, ": SERVFAIL)"},
        {FAKE_DNS_ANSWER, true, "127.0.0.9:1", SETUP_ERROR, " (cannot be reached)"},
        {FAKE_DNS_ANSWER, true, "192.0.2.254", SETUP_ERROR, "no resolver is on this host"},
        {FAKE_DNS_ANSWER, true, "nonsense", SETUP_ERROR, "nonsense: not an address"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct setup_report report = {0};
        const char *text = finding_of(rows[i].mode, rows[i].validates, rows[i].address, &report);

        if (report.items[0].state != rows[i].state || strstr(text, rows[i].text) == NULL)
            fail_msg("%zu: %s", i, text);
        setup_report_fini(&report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cause_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
